package adfs

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/wstrust"
)

// pathReply is where Entra ID takes the answer of a passive sign-in.
const pathReply = "/login.srf"

// passive answers WS-Federation: a browser that is sent here to sign in, and what
// the pages post.
func (s *server) passive(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.submitted(w, r)
		return
	}
	q := r.URL.Query()
	switch q.Get("wa") {
	case wstrust.SignOut, wstrust.SignOutDone:
		s.logout(w, r)
		return
	}
	req, err := wstrust.ParseSignInRequest(q)
	if err != nil {
		s.errorPage(w, r, adfs.NewError(adfs.InvalidRequest, "", "The sign-in request is malformed."))
		return
	}
	f, err := s.newFlow(flowAssertion)
	if err == nil {
		f.Realm, f.Ctx, f.Hint, f.Windows = req.Realm, req.Context, req.Username, offersWindows(r)
		f.Reply, err = s.replyAddress(req)
	}
	if err == nil {
		switch req.Method {
		case "", saml.MethodPassword, saml.MethodWindows:
		case saml.MethodMultiple:
			f.Asked.MFA, f.Asked.Fresh = true, req.Fresh >= 0 // an age is asked for: an old second factor is none
		default:
			err = adfs.NewError(adfs.AccessDenied, adfs.CodeMethod, "Requested Authentication Method is not supported on the STS.")
		}
	}
	if err == nil {
		s.step(r.Context(), f.peer(), "passive_request", "takes a sign-in request for "+f.Realm+".", map[string]any{"wtrealm": f.Realm, "wauth": req.Method, "username": req.Username})
		err = s.begin(w, r, f, req.Method == saml.MethodPassword || req.Fresh == 0, false)
	}
	if err != nil {
		s.errorPage(w, r, err)
	}
}

// replyAddress is where an assertion goes: to an address of a federated tenant, by
// default the one that takes answers of passive sign-ins, of the tenant that the
// user's domain is of.
func (s *server) replyAddress(req *wstrust.SignInRequest) (string, error) {
	if req.Realm != saml.AudienceMicrosoftOnline {
		return "", unknownRealm(req.Realm)
	}
	tenants, err := s.tenants()
	if err != nil {
		return "", err
	}
	if len(tenants) == 0 {
		return "", unknownRealm(req.Realm)
	}
	if req.Reply == "" {
		_, suffix, _ := strings.Cut(req.Username, "@")
		i := max(0, slices.IndexFunc(tenants, func(t tenantObject) bool {
			return slices.ContainsFunc(t.In.Domains, func(d string) bool { return strings.EqualFold(d, suffix) })
		}))
		return "https://" + tenants[i].Out.LoginHost + pathReply, nil
	}
	u, err := url.Parse(req.Reply)
	if err != nil || u.Scheme != "https" || u.User != nil || !slices.ContainsFunc(tenants, func(t tenantObject) bool { return strings.EqualFold(u.Host, t.Out.LoginHost) }) {
		return "", adfs.NewError(adfs.InvalidRequest, adfs.CodeRelyingParty, "The reply address is none of the relying party's.")
	}
	return req.Reply, nil
}

// endAssertion ends a flow with the page that posts the assertion to the relying
// party.
func (s *server) endAssertion(w http.ResponseWriter, r *http.Request, f *flow, a *farm.Account) error {
	signed, t, err := s.assertion(r.Context(), f.peer(), a, f.Proof, f.Realm)
	if err != nil {
		return err
	}
	answer := wstrust.Response{AppliesTo: f.Realm, Created: t.NotBefore, Expires: t.NotOnOrAfter, Assertion: signed}
	page := (&wstrust.SignInResponse{Result: answer.Result(), Context: f.Ctx}).Page(f.Reply)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src "+wstrust.ScriptSource+"; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	reply(w, http.StatusOK, typeHTML, page)
	return nil
}
