package application

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// pending is a sign-in that a browser has begun (OpenID Connect Core 3.1, code
// flow with PKCE). It travels in a cookie that only the application opens, so
// that sign-ins that nobody ends cost it nothing. There is no place in it for
// an address to go to: whoever signs in ends at the application's own page.
type pending struct {
	State       string `json:"state"`
	Nonce       string `json:"nonce"`
	Verifier    string `json:"verifier"`
	Correlation string `json:"correlation"`
	Expires     int64  `json:"exp"`
}

const (
	cookieName  = "__Host-signin" // RFC 6265bis 4.1.3.2: secure, of this host, for every path
	pendingLife = 15 * time.Minute
)

// beginSignIn sends a browser to the tenant.
func (p *relyingParty) beginSignIn(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	d, err := p.trust.document(ctx)
	if err != nil {
		p.refusePage(w, r, err)
		return
	}
	f := pending{Correlation: web.Correlation(ctx), Expires: p.env.Now().Add(pendingLife).Unix()}
	for _, secret := range []*string{&f.State, &f.Nonce, &f.Verifier} {
		if *secret, err = p.random(); err != nil {
			p.refusePage(w, r, err)
			return
		}
	}
	cookie, err := p.sealCookie(f)
	if err != nil {
		p.refusePage(w, r, err)
		return
	}
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: p.app.ClientID, RedirectURI: p.redirect(), Scope: p.scope(), ResponseMode: "query",
		State: f.State, Nonce: f.Nonce, CodeChallenge: oauth.Challenge(f.Verifier), CodeChallengeMethod: "S256", ClientRequestID: f.Correlation}
	// Lax: the browser comes back by a link of another site, with GET.
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: cookie, Path: "/", MaxAge: int(pendingLife / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, d.authorize+"?"+ask.Query().Encode(), http.StatusFound)
}

func (p *relyingParty) redirect() string { return "https://" + p.app.Host + callbackPath }

// scope asks for the user's name, and for a token to the application itself.
func (p *relyingParty) scope() string { return "openid profile " + p.app.Resource + "/" + scopeNeeded }

func (p *relyingParty) random() (string, error) {
	b := make([]byte, 32)
	_, err := io.ReadFull(p.env.Rand, b)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (p *relyingParty) sealCookie(f pending) (string, error) {
	plain, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, p.seal.NonceSize())
	if _, err := io.ReadFull(p.env.Rand, nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(p.seal.Seal(nonce, nonce, plain, []byte(cookieName))), nil
}

// openCookie reads the sign-in that a browser began.
func (p *relyingParty) openCookie(r *http.Request) (*pending, error) {
	none := &refusalError{code: "sign_in_unknown", status: http.StatusBadRequest, oauth: "invalid_request", sentence: "No sign-in of this browser is under way, or it took too long.", hint: "Open the application anew."}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil, none
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(sealed) < p.seal.NonceSize() {
		return nil, none
	}
	plain, err := p.seal.Open(nil, sealed[:p.seal.NonceSize()], sealed[p.seal.NonceSize():], []byte(cookieName))
	var f pending
	if err != nil || strict.Unmarshal(plain, &f) != nil || p.env.Now().Unix() >= f.Expires {
		return nil, none
	}
	return &f, nil
}

// callback ends the sign-in that a browser comes back from.
func (p *relyingParty) callback(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	f, err := p.openCookie(r)
	if err != nil {
		p.refusePage(w, r, err)
		return
	}
	r = r.WithContext(web.WithCorrelation(r.Context(), f.Correlation))
	c, err := p.endSignIn(r.Context(), f, r.URL.Query())
	if err != nil {
		p.refusePage(w, r, err)
		return
	}
	p.admitted(r.Context(), c)
	p.page(w, r, http.StatusOK, pageData{Title: "Signed in", Visitor: new(p.visitor(c))})
}

// endSignIn checks what the tenant sent back, and turns the code into tokens.
func (p *relyingParty) endSignIn(ctx context.Context, f *pending, q url.Values) (*claims, error) {
	bad := func(code, sentence string) error {
		return &refusalError{code: code, status: http.StatusBadRequest, oauth: "invalid_request", sentence: sentence, hint: "Open the application anew."}
	}
	if len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.State)) != 1 {
		return nil, bad("state_mismatch", "The answer is not to the sign-in that this browser began.")
	}
	if q.Has("error") {
		return nil, tenantRefused(q.Get("error_description"))
	}
	if len(q["code"]) != 1 || q.Get("code") == "" {
		return nil, bad("code_missing", "The answer brings no code.")
	}
	tokens, err := p.redeem(ctx, q.Get("code"), f.Verifier)
	if err != nil {
		return nil, err
	}
	id, err := p.verify(ctx, tokens.IDToken, idToken, p.app.ClientID)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return nil, refusal("nonce_mismatch", "The id token is not of the sign-in that this browser began.")
	}
	c, err := p.admit(ctx, tokens.AccessToken)
	if err != nil {
		return nil, err
	}
	if c.ObjectID != id.ObjectID {
		return nil, refusal("subject_mismatch", "The id token and the access token are of different users.")
	}
	return c, nil
}

// tenantRefused is the tenant's own no. Of what came through the browser only
// the number of an AADSTS code is believed, and that for words alone.
func tenantRefused(description string) error {
	e := &refusalError{code: "sign_in_refused", status: http.StatusForbidden, oauth: "access_denied", sentence: "The tenant refused the sign-in.", hint: "Read the trace of the sign-in."}
	if m := aadsts(description); m != 0 {
		known := oauth.NewError(m)
		e.sentence, e.hint = m.ID()+": "+known.Sentence, known.Hint
	}
	return e
}

// aadsts reads the code that a description begins with, 0 when it has none.
func aadsts(description string) oauth.Code {
	rest, ok := strings.CutPrefix(description, "AADSTS")
	n := oauth.Code(0)
	for i := 0; ok && i < len(rest) && i < 7 && rest[i] >= '0' && rest[i] <= '9'; i++ {
		n = n*10 + oauth.Code(rest[i]-'0')
	}
	return n
}

// redeem turns a code into tokens.
func (p *relyingParty) redeem(ctx context.Context, code, verifier string) (*oauth.TokenResponse, error) {
	d, err := p.trust.document(ctx)
	if err != nil {
		return nil, err
	}
	form := oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: p.app.ClientID, Code: code, RedirectURI: p.redirect(), CodeVerifier: verifier, Scope: p.scope()}.Form()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.token, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := web.Do(p.http, req)
	if err != nil {
		return nil, unavailable("tenant_unavailable", "The tenant cannot be reached to redeem the code.")
	}
	if answer.Status != http.StatusOK {
		var e *oauth.Error
		if errors.As(oauth.ParseError(answer.Status, answer.Body), &e) {
			return nil, tenantRefused(e.Code.ID() + ":")
		}
		return nil, tenantRefused("")
	}
	tokens, err := oauth.ParseTokenResponse(answer.Body)
	if err != nil {
		return nil, tenantRefused("")
	}
	return tokens, nil
}

type pageData struct {
	Title   string
	Visitor *visitor
	Refusal *refusalError
}

// Code and Sentence are a refusal's, for the page.
func (d pageData) Code() string     { return d.Refusal.code }
func (d pageData) Sentence() string { return d.Refusal.sentence }

// page escapes whatever is put into it (html/template).
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head><body>
<h1>{{.Title}}</h1>
{{with .Visitor}}<dl>
<dt>User</dt><dd>{{.User}}</dd>
<dt>Name</dt><dd>{{.Name}}</dd>
<dt>Device</dt><dd>{{or .Device "none was proved"}}</dd>
<dt>Methods</dt><dd>{{range .AMR}}{{.}} {{end}}</dd>
<dt>Good until</dt><dd>{{.Expires}}</dd>
</dl>{{end}}{{if .Refusal}}<p>{{.Sentence}}</p>
<p><code>{{.Code}}</code></p>{{end}}
</body></html>
`))

func (p *relyingParty) page(w http.ResponseWriter, r *http.Request, status int, d pageData) {
	var b strings.Builder
	if err := page.Execute(&b, d); err != nil {
		p.log.ErrorContext(r.Context(), "page failed", "error", err)
		http.Error(w, "The application failed.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, b.String()) // a browser that went away is no error
}

// refusePage answers a person who is not let in.
func (p *relyingParty) refusePage(w http.ResponseWriter, r *http.Request, err error) {
	e := p.refusalOf(r.Context(), err)
	p.refused(r.Context(), e)
	p.page(w, r, e.status, pageData{Title: "Not signed in", Refusal: e})
}
