package adfs

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// authCode is what an authorization code holds, sealed.
type authCode struct {
	Proof       farm.Proof `json:"proof"`
	ClientID    string     `json:"client_id"`
	RedirectURI string     `json:"redirect_uri"`
	Challenge   string     `json:"challenge,omitempty"`
	Resource    string     `json:"resource,omitempty"`
	Scope       string     `json:"scope,omitempty"`
	Nonce       string     `json:"nonce,omitempty"`
	Family      string     `json:"family"`
	Expires     int64      `json:"exp"`
}

func missing(parameter string) *adfs.Error {
	return adfs.NewError(adfs.InvalidRequest, "", "The request lacks the parameter '%s'.", parameter)
}

func repeated() *adfs.Error {
	return adfs.NewError(adfs.InvalidRequest, "", "The request gives a parameter twice.")
}

// authorize answers the authorization endpoint.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	req, err := oauth.ParseAuthorizeRequest(q)
	if err != nil {
		s.errorPage(w, r, repeated())
		return
	}
	// Before the redirect URI is known to be the client's, nothing is sent there.
	if err := s.checkClient(req.ClientID, req.RedirectURI); err != nil {
		s.errorPage(w, r, err)
		return
	}
	f, err := s.newFlow(flowCode)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	f.ClientID, f.RedirectURI, f.Mode, f.State, f.Nonce, f.Challenge = req.ClientID, req.RedirectURI, req.ResponseMode, req.State, req.Nonce, req.CodeChallenge
	f.Resource, f.Scope, f.Hint = req.Resource, req.Scope, req.LoginHint
	if err := s.beginCode(w, r, f, req, q.Get("acr_values")); err != nil {
		s.redirectError(w, r, f, err)
	}
}

// checkClient validates client and redirect URI.
func (s *server) checkClient(id, redirectURI string) error {
	if id == "" {
		return missing("client_id")
	}
	app, err := s.application(id)
	switch {
	case err != nil:
		return err
	case app == nil:
		return unknownClient()
	case !app.allows(redirectURI):
		return adfs.NewError(adfs.InvalidRequest, adfs.CodeRedirect, "Received invalid OAuth authorization request. The received 'redirect_uri' parameter is not a valid registered redirect URI for the client identifier.").
			WithHint("Add the address to redirect_uris of the application.")
	}
	return nil
}

func unknownClient() *adfs.Error {
	return adfs.NewError(adfs.UnauthorizedClient, adfs.CodeClientUnknown, "Received invalid OAuth authorization request. The received 'client_id' is invalid as no registered client was found with this client identifier.").
		WithHint("Check the client id.")
}

func (s *server) beginCode(w http.ResponseWriter, r *http.Request, f *flow, req oauth.AuthorizeRequest, acr string) error {
	switch {
	case req.ResponseType != "code":
		return adfs.NewError(adfs.UnsupportedResponseType, "", "The response type is not supported; the service answers codes.")
	case req.CodeChallenge != "" && (req.CodeChallengeMethod != "S256" || len(req.CodeChallenge) != 43):
		return adfs.NewError(adfs.InvalidRequest, "", "The code challenge is malformed, or its method is not S256.")
	case req.ResponseMode != "" && req.ResponseMode != "query" && req.ResponseMode != "fragment" && req.ResponseMode != "form_post":
		return adfs.NewError(adfs.InvalidRequest, "", "The response mode is not supported.")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	asked, err := asksFactor(req.AMRValues, req.Claims, acr)
	if err != nil {
		return err
	}
	f.Asked = asked.and(t)
	return s.begin(w, r, f, req.Prompt == "login", req.Prompt == "none")
}

// demand is what a request asks of the sign-in.
type demand struct {
	MFA   bool `json:"mfa,omitempty"`   // a second factor, however old
	Fresh bool `json:"fresh,omitempty"` // one that is current
}

// and adds what the resource demands by its policy.
func (d demand) and(t target) demand {
	d.MFA = d.MFA || t.mfa
	return d
}

// met says whether a proof has what is demanded.
func (d demand) met(p *farm.Proof, now time.Time, window time.Duration) bool {
	return p.Fresh(now, window) || p.Has(oauth.AMRMFA) && !d.Fresh
}

// asksFactor reads what a request asks for: by amr_values or claims as Windows
// does, or by acr_values.
func asksFactor(amrValues, claims, acr string) (demand, error) {
	d, err := oauth.ParseDemands(amrValues, claims)
	if err != nil {
		return demand{}, adfs.NewError(adfs.InvalidRequest, "", "The claims parameter is malformed.")
	}
	return demand{MFA: d.MFA || slices.Contains(strings.Fields(acr), adfs.MethodMultiple), Fresh: d.FreshMFA}, nil
}

// endCode ends a flow with an authorization code.
func (s *server) endCode(w http.ResponseWriter, r *http.Request, f *flow) error {
	family, err := s.newFamily()
	if err != nil {
		return err
	}
	code, err := s.seal.Seal(purposeCode, authCode{Proof: *f.Proof, ClientID: f.ClientID, RedirectURI: f.RedirectURI, Challenge: f.Challenge,
		Resource: f.Resource, Scope: f.Scope, Nonce: f.Nonce, Family: family, Expires: s.env.Now().Add(codeLife).Unix()})
	if err != nil {
		return err
	}
	s.step(r.Context(), f.peer(), "code_issued", "returns an authorization code.", map[string]any{"account": f.Proof.UPN, "amr": f.Proof.AMR})
	return s.sendBack(w, f, url.Values{"code": {code}})
}

// sendBack answers values to the client's redirect URI.
func (s *server) sendBack(w http.ResponseWriter, f *flow, v url.Values) error {
	if f.State != "" {
		v.Set("state", f.State)
	}
	nonce, err := s.pageNonce()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", sas.FormPostPolicy(nonce))
	w.Header().Set("Referrer-Policy", "no-referrer")
	if f.Mode == "form_post" {
		body, err := sas.FormPost(f.RedirectURI, v, nonce)
		if err != nil {
			return err
		}
		reply(w, http.StatusOK, typeHTML, body)
		return nil
	}
	separator := "?"
	switch {
	case f.Mode == "fragment":
		separator = "#"
	case strings.Contains(f.RedirectURI, "?"):
		separator = "&"
	}
	location := f.RedirectURI + separator + v.Encode()
	w.Header().Set("Location", location)
	reply(w, http.StatusFound, typeHTML, fmt.Appendf(nil, "<html><body><a href=\"%s\">here</a></body></html>\n", html.EscapeString(location)))
	return nil
}

// redirectError answers a refusal to the client's redirect URI.
func (s *server) redirectError(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	e := s.refusal(r.Context(), err)
	s.refused(r.Context(), "authorization_refused", e)
	if err := s.sendBack(w, f, url.Values{"error": {e.OAuth}, "error_description": {e.Error()}}); err != nil {
		s.errorPage(w, r, err)
	}
}

// target is what a token is asked for.
type target struct {
	resource string   // audience of the access token
	scope    []string // words of OpenID Connect and of MS-OAPXBC, and permissions
	mfa      bool     // the resource's policy demands a second factor
}

func (t target) has(word string) bool { return slices.Contains(t.scope, word) }

// scopeUserGroups is what Windows' sign-in asks for besides a primary refresh token.
const scopeUserGroups = "ugs"

// plainScopes may be asked for besides a resource.
var plainScopes = []string{"openid", "profile", "email", "offline_access", "aza", scopeUserGroups, "logon_cert", "winhello_cert", "allatclaims", "vpn_cert", adfs.ScopeImpersonate}

// targetOf reads resource and scope: a resource is named by the parameter, or by
// a word "resource/permission" of the scope (MS-OIDCE 3.2.5). A request that names
// none asks for the service itself.
func (s *server) targetOf(resource, scope string) (target, error) {
	var t target
	for _, word := range strings.Fields(scope) {
		if slices.Contains(plainScopes, word) {
			t.scope = append(t.scope, word)
			continue
		}
		i := strings.LastIndex(word, "/")
		if i <= 0 {
			return t, adfs.NewError(adfs.InvalidScope, "", "The scope '%.64s' is not known.", word)
		}
		if name := word[:i]; resource != "" && resource != name {
			return t, adfs.NewError(adfs.InvalidScope, "", "The scope names more than one resource.")
		}
		resource = word[:i]
		if permission := word[i+1:]; !slices.Contains(t.scope, permission) {
			t.scope = append(t.scope, permission)
		}
	}
	switch {
	case resource == "", resource == adfs.ResourceUserinfo:
		t.resource = adfs.ResourceUserinfo
		return t, nil
	case resource == adfs.ResourceDRS(s.set.Host) && s.set.adfs() && s.set.In.DeviceRegistration:
		t.resource = resource
		return t, nil
	}
	app, err := s.resource(resource)
	if err != nil {
		return t, err
	}
	if app == nil {
		return t, adfs.NewError(adfs.InvalidResource, adfs.CodeResource, "The received 'resource' parameter is invalid. The authorization server can not find a registered resource with the specified identifier.").
			WithHint("Check the resource or scope.")
	}
	t.resource, t.mfa = resource, app.MFA
	return t, nil
}
