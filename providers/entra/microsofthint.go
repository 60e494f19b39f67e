package entra

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/strict"
)

// A hint is a tenant's id or domain, in lower case, that a request names. None
// is verified here: a wrong one leads to a tenant that refuses.

// loginHints reads who a request to the token service is for, and the form it
// brings. What it says of the user comes before what it carries, and that
// before the device.
func loginHints(r *http.Request) (hints []string, form url.Values) {
	var h hintList
	if seg := segments(r.URL.Path); len(seg) == 3 && seg[1] == "userrealm" {
		h.user(seg[2])
	}
	h.parameters(r.URL.Query())
	switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media {
	case "application/x-www-form-urlencoded":
		form, _ = url.ParseQuery(string(peekBody(r))) // the tenant refuses what is malformed
		h.parameters(form)
	case "application/json":
		h.json(peekBody(r))
	}
	h.opaque(r.Header.Get(sas.HeaderCtx))
	h.signed(credential(r, oauth.HeaderRefreshTokenCredential))
	h.signed(credential(r, oauth.HeaderDeviceCredential))
	h.device(r)
	return h, form
}

// peekBody returns the body, which is bounded (web.Serve), and leaves it to be
// read again, with the error it ended in.
func peekBody(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	return body
}

// drsHints reads who a request to the registration service is for.
func drsHints(r *http.Request) []string {
	var h hintList
	switch seg := segments(r.URL.Path); {
	case len(seg) == 2 && seg[1] == "discover":
		h.add(seg[0])
	case len(seg) == 3 && seg[1] == "nonce":
		h.add(seg[2])
	}
	h.bearer(r)
	h.device(r)
	return h
}

// graphHints reads who a request to Graph is for. Paths of graph.windows.net
// begin with the tenant.
func graphHints(r *http.Request) []string {
	var h hintList
	h.bearer(r)
	if seg := segments(r.URL.Path); len(seg) > 0 {
		h.add(seg[0])
	}
	return h
}

type hintList []string

func (h *hintList) add(name string) {
	if name != "" {
		*h = append(*h, strings.ToLower(name))
	}
}

// user takes the domain of a user principal name.
func (h *hintList) user(upn string) {
	if _, domain, ok := cutLast(upn, "@"); ok {
		h.add(domain)
	}
}

// opaque takes the id at the beginning of what a tenant sealed.
func (h *hintList) opaque(text string) {
	if id, ok := tenantOf(text); ok {
		h.add(id)
	}
}

// tenantOf returns the id of the tenant that sealed a refresh token, a primary
// one, a device's code, a code or the state of a page.
func tenantOf(text string) (string, bool) {
	const head = 24 // characters of 18 bytes, of which 16 are the id
	for _, prefix := range []string{refreshPrefix, prtPrefix, devicePrefix} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			id, _, ok := strings.Cut(rest, ".")
			b, err := base64.RawURLEncoding.DecodeString(id)
			if !ok || err != nil || len(b) != len(guid.GUID{}) {
				return "", false
			}
			return guid.GUID(b).String(), true
		}
	}
	if len(text) < head {
		return "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(text[:head])
	if err != nil {
		return "", false
	}
	return guid.GUID(b[:len(guid.GUID{})]).String(), true
}

// parameters reads a query or a form.
func (h *hintList) parameters(v url.Values) {
	for _, name := range []string{"login_hint", "username", "login", "loginfmt"} {
		h.user(v.Get(name))
	}
	h.add(v.Get("domain_hint"))
	for _, name := range []string{"refresh_token", "code", "device_code", "ctx"} {
		h.opaque(v.Get(name))
	}
	// "request" is a signed request, or the state of a page that the second
	// factor ends with.
	h.signed(v.Get("request"))
	h.opaque(v.Get("request"))
	h.signed(v.Get("assertion"))
	h.saml(v.Get("assertion"))
	h.opaque(flowOf(v.Get("wctx")))
	h.token(v.Get("token"))
	h.token(v.Get("id_token_hint"))
}

// json reads a JSON body of the sign-in page.
func (h *hintList) json(body []byte) {
	var m struct {
		Ctx      string `json:"Ctx"`
		Username string `json:"username"`
		Request  string `json:"originalRequest"`
	}
	if strict.Unmarshal(body, &m) != nil {
		return
	}
	h.user(m.Username)
	h.opaque(m.Ctx)
	h.opaque(m.Request)
}

// signed reads a JWT of MS-OAPXBC: a signed request, a credential, or the Hello
// assertion inside one, whose issuer is the user.
func (h *hintList) signed(text string) {
	t, err := jose.Parse(text)
	if err != nil {
		return
	}
	var c prt.Request
	if t.Claims(&c) == nil {
		h.opaque(c.RefreshToken)
		h.user(c.Username)
		h.user(c.Issuer)
		h.assertion(c.Assertion)
	}
	if len(t.Header.X5C) > 0 {
		h.certificate(t.Header.X5C[0])
	}
}

func (h *hintList) assertion(text string) {
	t, err := jose.Parse(text)
	if err != nil {
		return
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if t.Claims(&c) == nil {
		h.user(c.Issuer)
	}
}

// saml takes the user of a federation service's assertion, and the service, which
// one tenant at most is federated with.
func (h *hintList) saml(text string) {
	raw := oauth.DecodeAssertion(text)
	if len(raw) == 0 || raw[0] != '<' {
		return
	}
	if a, err := saml.Unverified(raw); err == nil {
		h.user(a.Value(saml.ClaimUPN))
		h.add(a.Issuer)
	}
}

// bearer takes the tenant of an access token.
func (h *hintList) bearer(r *http.Request) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		h.token(text)
	}
}

// token takes the tenant of an access token or an id_token.
func (h *hintList) token(text string) {
	t, err := jose.Parse(text)
	if err != nil {
		return
	}
	var c struct {
		TenantID string `json:"tid"`
	}
	if t.Claims(&c) == nil {
		h.add(c.TenantID)
	}
}

// device takes the tenant of the device that the TLS connection proves.
func (h *hintList) device(r *http.Request) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		h.identity(r.TLS.PeerCertificates[0])
	}
}

func (h *hintList) certificate(der []byte) {
	if cert, err := x509.ParseCertificate(der); err == nil {
		h.identity(cert)
	}
}

func (h *hintList) identity(cert *x509.Certificate) {
	if id, err := drs.ParseIdentity(cert); err == nil {
		h.add(id.TenantID.String())
	}
}
