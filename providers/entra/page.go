package entra

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// openFlow reads the state that a page sent back, with the flow's id.
func (s *server) openFlow(ctx, flowToken string, steps ...string) (*flow, error) {
	f, err := s.readFlow(ctx, steps...)
	if err == nil && f.ID != flowToken {
		err = errFlow
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

var errFlow = oauth.NewError(oauth.GrantInvalid, "The sign-in page is not valid any more.")

// readFlow reads the state of a flow that is at one of these steps.
func (s *server) readFlow(sealed string, steps ...string) (*flow, error) {
	var f flow
	if s.seal.Open(purposeFlow, sealed, &f) != nil || s.env.Now().After(time.Unix(f.Expires, 0)) {
		return nil, errFlow
	}
	for _, step := range steps {
		if f.Step == step {
			return &f, nil
		}
	}
	return nil, errFlow
}

// page answers a page of the conversation. refusal, when given, is shown.
func (s *server) page(w http.ResponseWriter, f *flow, id string, refusal *oauth.Error) error {
	ctx, err := s.seal.Seal(purposeFlow, f)
	if err != nil {
		return err
	}
	base := "https://" + s.hosts.login + "/common"
	c := sas.Config{PageID: id, SessionID: f.ID, FlowToken: f.ID, Ctx: ctx, Canary: f.ID, APICanary: f.ID, Username: f.LoginHint,
		AppName: s.clientName(f.ClientID), UserCode: f.UserCode, URLPost: base + "/login"}
	switch id {
	case sas.PageTFA:
		c.URLPost, c.URLBeginAuth, c.URLEndAuth = base+"/SAS/ProcessAuth", base+"/SAS/BeginAuth", base+"/SAS/EndAuth"
		if c.UserProofs, err = s.proofsOf(f); err != nil {
			return err
		}
		c.Number = f.Number
		c.MaxPollAttempts, c.PollingInterval = int(notificationLife/pollInterval), int(pollInterval/time.Millisecond)
	case sas.PageConfirm:
		c.URLPost = base + pathDeviceAnswer
	}
	if refusal != nil {
		c.ErrorCode, c.ErrorText = fmt.Sprint(int(refusal.Code)), refusal.Sentence
	}
	return s.show(w, http.StatusOK, c)
}

// show answers a page.
func (s *server) show(w http.ResponseWriter, status int, c sas.Config) error {
	nonce, err := s.pageNonce()
	if err != nil {
		return err
	}
	body, err := c.Page(nonce)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", sas.Policy(nonce))
	w.Header().Set("Referrer-Policy", "no-referrer")
	reply(w, status, typeHTML, body)
	return nil
}

// pageNonce names what a page's content security policy allows.
func (s *server) pageNonce() (string, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(s.env.Rand, raw); err != nil {
		return "", fmt.Errorf("page nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// login takes the form of the sign-in page.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, oauth.NewError(oauth.RequestMalformed))
		return
	}
	form := sas.ParseLogin(r.PostForm)
	f, err := s.openFlow(form.Ctx, form.FlowToken, stepLogin)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	f.LoginHint = form.Login
	if s.checkedElsewhere(form.Login) {
		if err := s.sendToFederation(w, r, f, f.Demands.MFA); err != nil {
			s.redirectError(w, r, f, err)
		}
		return
	}
	u, err := s.checkPassword(ctx, form.Login, form.Password, f.DeviceID)
	if err != nil {
		s.askAgain(w, r, f, err)
		return
	}
	p := passwordProof(u, s.env.Now())
	if f.DeviceID != "" {
		p.addDevice(f.DeviceID)
	}
	s.step(ctx, event.EntraID, actorOf(f.ClientID), "first_factor_verified", "Entra ID verifies user name and password.", map[string]any{"user": u.UPN, "amr": p.AMR})
	if err := s.proved(w, r, f, p, u); err != nil {
		s.redirectError(w, r, f, err)
	}
}

// proved goes on with a flow whose first factor is proved.
func (s *server) proved(w http.ResponseWriter, r *http.Request, f *flow, p proof, u *user) error {
	f.Proof, f.LoginHint = &p, u.UPN
	demand := s.demandAt(r.Context(), f, p, u)
	if demand == nil {
		return s.endFlow(w, r, f)
	}
	s.tellDemand(r.Context(), f.ClientID, demand)
	return s.mend(w, r, f, demand, u)
}

// mend goes on with a flow whose proof does not do: with a second factor, where
// that is what lacks, at the federation service or here; else with the refusal.
func (s *server) mend(w http.ResponseWriter, r *http.Request, f *flow, demand error, u *user) error {
	switch {
	case !errors.Is(demand, &oauth.Error{Code: oauth.StrongAuthRequired}):
		return demand
	case s.elsewhere() && !f.AskedMFA:
		return s.sendToFederation(w, r, f, true)
	case s.cfg.federated() && s.behavior() == behaviorEnforce || !u.hasMFA():
		return demand
	}
	f.Step = stepMFA
	return s.page(w, f, sas.PageTFA, nil)
}

// askAgain shows the sign-in page again with the refusal.
func (s *server) askAgain(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "first_factor_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	if err := s.page(w, f, sas.PageSignIn, e); err != nil {
		s.errorPage(w, r, err)
	}
}

// endFlow ends the conversation: with an authorization code, or, where another
// device waits, with the question whether it is the user's.
func (s *server) endFlow(w http.ResponseWriter, r *http.Request, f *flow) error {
	if f.UserCode != "" {
		f.Step = stepConfirm
		return s.page(w, f, sas.PageConfirm, nil)
	}
	family, err := s.newFamily()
	if err != nil {
		return err
	}
	code, err := s.seal.Seal(purposeCode, authCode{proof: *f.Proof, ClientID: f.ClientID, RedirectURI: f.RedirectURI, Challenge: f.Challenge,
		Resource: f.Resource, Scope: f.Scope, Nonce: f.Nonce, Demands: f.Demands, Family: family, Expires: s.env.Now().Add(codeLife).Unix()})
	if err != nil {
		return err
	}
	s.step(r.Context(), event.EntraID, actorOf(f.ClientID), "code_issued", "Entra ID returns an authorization code.", map[string]any{"user": f.Proof.UPN, "amr": f.Proof.AMR})
	return s.sendBack(w, f, url.Values{"code": {code}, "session_state": {f.ID}})
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
	if f.Mode == "form_post" {
		body, err := sas.FormPost(f.RedirectURI, v, nonce)
		if err != nil {
			return err
		}
		reply(w, http.StatusOK, typeHTML, body)
		return nil
	}
	separator := "?"
	if f.Mode == "fragment" {
		separator = "#"
	}
	location := f.RedirectURI + separator + v.Encode()
	w.Header().Set("Location", location)
	// One public client takes the code from the body's link.
	reply(w, http.StatusFound, typeHTML, fmt.Appendf(nil, "<html><body><a href=\"%s\">here</a></body></html>\n", html.EscapeString(location)))
	return nil
}

// redirectError answers a refusal to the client's redirect URI; a flow that
// has none shows it.
func (s *server) redirectError(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	if f.RedirectURI == "" {
		s.errorPage(w, r, err)
		return
	}
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "authorization_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	name := e.OAuth
	if e.Interactive() {
		name = "interaction_required"
	}
	v := url.Values{"error": {name}, "error_description": {e.Error()}, "error_codes": {fmt.Sprint(int(e.Code))}}
	if e.SubError != "" {
		v.Set("error_subcode", e.SubError)
	}
	if err := s.sendBack(w, f, v); err != nil {
		s.errorPage(w, r, err)
	}
}

// errorPage answers a refusal that may be sent nowhere.
func (s *server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "authorization_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	c := sas.Config{PageID: sas.PageError, CorrelationID: web.Correlation(r.Context()), ErrorCode: fmt.Sprint(int(e.Code)), ErrorText: e.Sentence}
	if err := s.show(w, e.Status, c); err != nil {
		http.Error(w, e.Sentence, e.Status)
	}
}
