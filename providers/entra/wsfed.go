package entra

import (
	"net/http"
	"net/url"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/wstrust"
)

// pathFederated is where a federation service sends the browser back to. It is
// one for all tenants: who is meant, wctx says.
const pathFederated = "login.srf"

// wctxRequest names the sealed flow in wctx, which is itself a query.
const wctxRequest = "estsrequest"

func wctx(flow string) string { return "estsredirect=2&" + wctxRequest + "=" + url.QueryEscape(flow) }

// flowOf returns the sealed flow in wctx; "" when there is none.
func flowOf(wctx string) string {
	q, err := url.ParseQuery(wctx)
	if err != nil {
		return ""
	}
	return q.Get(wctxRequest)
}

// checkedElsewhere says whether the password of a name is checked by the
// federation service.
func (s *server) checkedElsewhere(name string) bool {
	_, domain, ok := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "@")
	return ok && s.cfg.federated() && s.hasDomain(domain)
}

// signIn is what a browser asks the service, for a user and with a sealed flow.
func (f *federation) signIn(name, flow string) *wstrust.SignInRequest {
	q := &wstrust.SignInRequest{Realm: saml.AudienceMicrosoftOnline, Username: name, Fresh: -1}
	if flow != "" {
		q.Context = wctx(flow)
	}
	return q
}

// sendToFederation sends the browser to the federation service, which is asked
// for a second factor with the first where one is wanted and the service's
// counts.
func (s *server) sendToFederation(w http.ResponseWriter, r *http.Request, f *flow, second bool) error {
	service, err := s.federation()
	if err != nil {
		return err
	}
	if service == nil {
		return oauth.NewError(oauth.FederationRealmUnknown)
	}
	f.Step = stepFederated
	f.AskedMFA = second && s.elsewhere()
	sealed, err := s.seal.Seal(purposeFlow, f)
	if err != nil {
		return err
	}
	q := service.signIn(f.LoginHint, sealed)
	if f.AskedMFA {
		q.Method = saml.MethodMultiple
		if f.Demands.FreshMFA {
			q.Fresh = s.cfg.Lifetimes.MFA
		}
	}
	s.step(r.Context(), event.EntraID, service.actor(), "sent_to_federation", "Entra ID sends the browser to the federation service, which checks the user's credentials.",
		map[string]any{"user": f.LoginHint, "mfa_asked": f.AskedMFA})
	w.Header().Set("Location", q.URL(service.Passive))
	reply(w, http.StatusFound, typeHTML, nil)
	return nil
}

// federatedReturn takes the browser back from the federation service, with the
// assertion.
func (s *server) federatedReturn(w http.ResponseWriter, r *http.Request) {
	malformed := oauth.NewError(oauth.RequestMalformed, "The answer of the federation service is malformed.")
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, malformed)
		return
	}
	answer, err := wstrust.ParseSignInResponse(r.PostForm)
	if err != nil {
		s.errorPage(w, r, malformed)
		return
	}
	f, err := s.readFlow(flowOf(answer.Context), stepFederated, stepLogin)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	if err := s.federatedProof(w, r, f, answer.Result); err != nil {
		s.redirectError(w, r, f, err)
	}
}

func (s *server) federatedProof(w http.ResponseWriter, r *http.Request, f *flow, result []byte) error {
	response, err := wstrust.ParseResult(result)
	if err != nil {
		return oauth.NewError(oauth.SAMLTokenInvalid, "The SAML token is not valid: the answer of the federation service holds none.")
	}
	p, u, err := s.assertionProof(r.Context(), response.Assertion)
	if err != nil {
		return err
	}
	if f.Proof != nil && f.Proof.UserID != p.UserID {
		return oauth.NewError(oauth.GrantInvalid, "Another user signed in at the federation service than began the sign-in here.")
	}
	if f.DeviceID != "" {
		p.addDevice(f.DeviceID)
	}
	return s.proved(w, r, f, p, u)
}
