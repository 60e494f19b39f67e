package entra

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// flow is the state of one interactive sign-in. It travels sealed in the
// page's sCtx, so that half-finished sign-ins cost the tenant nothing.
type flow struct {
	ID          string        `json:"id"`
	Step        string        `json:"step"` // stepLogin, stepMFA, stepDone
	Version     oauth.Version `json:"ver"`
	ClientID    string        `json:"client_id"`
	RedirectURI string        `json:"redirect_uri"`
	Mode        string        `json:"response_mode"`
	State       string        `json:"state"`
	Nonce       string        `json:"nonce"`
	Challenge   string        `json:"challenge"`
	Resource    string        `json:"resource"`
	Scope       string        `json:"scope"`
	Fresh       bool          `json:"fresh"` // a fresh second factor is demanded
	LoginHint   string        `json:"login_hint"`
	DeviceID    string        `json:"deviceid"` // proved by its key
	Proof       *proof        `json:"proof"`    // of the first factor
	Expires     int64         `json:"exp"`
}

const (
	stepLogin = "login"
	stepMFA   = "mfa"
	stepBegun = "begun" // BeginAuth was called
	stepDone  = "done"
)

const (
	flowLife = 15 * time.Minute
	codeLife = 10 * time.Minute // RFC 6749 4.1.2
)

// authCode is what an authorization code holds, sealed.
type authCode struct {
	proof
	ClientID    string `json:"client_id"`
	RedirectURI string `json:"redirect_uri"`
	Challenge   string `json:"challenge,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Scope       string `json:"scope,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	Fresh       bool   `json:"fresh,omitempty"`
	Family      string `json:"family"`
	Expires     int64  `json:"exp"`
}

// authorize answers the authorization endpoint: a code when the request
// carries enough proof, else the sign-in page or the second factor's.
func (s *server) authorize(w http.ResponseWriter, r *http.Request, v oauth.Version) {
	req, err := oauth.ParseAuthorizeRequest(r.URL.Query())
	if err == nil {
		err = s.checkAuthorize(req)
	}
	if err != nil {
		// Before the redirect URI is known to be the client's, nothing is sent there.
		if errors.Is(err, oauth.ErrRepeated) {
			err = oauth.NewError(oauth.RequestMalformed, "The request gives a parameter twice.")
		}
		s.errorPage(w, r, err)
		return
	}
	id, err := guid.New(s.env.Rand)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	f := &flow{ID: id.String(), Step: stepLogin, Version: v, ClientID: req.ClientID, RedirectURI: req.RedirectURI, Mode: req.ResponseMode,
		State: req.State, Nonce: req.Nonce, Challenge: req.CodeChallenge, Resource: req.Resource, Scope: req.Scope, LoginHint: req.LoginHint,
		Expires: s.env.Now().Add(flowLife).Unix()}
	if err := s.beginFlow(w, r, f, req); err != nil {
		s.redirectError(w, r, f, err)
	}
}

// checkAuthorize validates client and redirect URI.
func (s *server) checkAuthorize(req oauth.AuthorizeRequest) error {
	switch {
	case req.ClientID == "":
		return missing("client_id")
	case !knowsClient(req.ClientID):
		return oauth.NewError(oauth.ApplicationNotFound, "Application with identifier '%.64s' was not found in the tenant.", req.ClientID)
	case !s.allowsRedirect(req.ClientID, req.RedirectURI):
		return oauth.NewError(oauth.RedirectMismatch)
	}
	return nil
}

func (s *server) beginFlow(w http.ResponseWriter, r *http.Request, f *flow, req oauth.AuthorizeRequest) error {
	ctx := r.Context()
	switch {
	case req.ResponseType != "code":
		return oauth.NewError(oauth.ResponseTypeUnsupported)
	case req.CodeChallenge != "" && (req.CodeChallengeMethod != "S256" || len(req.CodeChallenge) != 43):
		return oauth.NewError(oauth.ChallengeMissing, "The code challenge is malformed or its method is not S256.")
	case req.ResponseMode != "" && req.ResponseMode != "query" && req.ResponseMode != "fragment" && req.ResponseMode != "form_post":
		return oauth.NewError(oauth.RequestMalformed, "The response mode is not supported.")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	f.Fresh = wantsMFA(oauth.WantsFreshMFA(req.AMRValues, req.Claims), req.ClientID, t)
	if err := s.readCredentials(ctx, r, f); err != nil {
		return err
	}
	if f.Proof != nil && req.Prompt != "login" {
		u, _, err := s.standing(*f.Proof)
		if err != nil {
			return err
		}
		demand := s.demandMFA(f.Fresh, *f.Proof, u)
		if demand == nil {
			return s.sendCode(w, r, f)
		}
		s.tellDemand(ctx, f.ClientID, demand)
		if req.Prompt == "none" || !u.hasMFA() {
			return demand
		}
		f.Step = stepMFA
		return s.page(w, f, sas.PageTFA, nil)
	}
	if req.Prompt == "none" {
		return oauth.NewError(oauth.UserPromptRequired)
	}
	f.Proof = nil
	return s.page(w, f, sas.PageSignIn, nil)
}

// readCredentials takes what the device added to the request (MS-OAPXBC
// 3.2.5.2.1): a PRT, or else the device's own signature. One that is not valid
// is ignored, and sign-in goes on without it; the trace says why.
func (s *server) readCredentials(ctx context.Context, r *http.Request, f *flow) error {
	if text := credential(r, oauth.HeaderRefreshTokenCredential); text != "" {
		p, err := s.readPRTCredential(ctx, text)
		if err == nil {
			f.Proof, f.DeviceID = p, p.DeviceID
			return nil
		}
		if err := s.ignored(ctx, oauth.HeaderRefreshTokenCredential, err); err != nil {
			return err
		}
	}
	if text := credential(r, oauth.HeaderDeviceCredential); text != "" {
		id, err := s.readDeviceCredential(ctx, text)
		if err == nil {
			f.DeviceID = id
			return nil
		}
		return s.ignored(ctx, oauth.HeaderDeviceCredential, err)
	}
	return nil
}

// credential reads a header, or the cookie of the same name.
func credential(r *http.Request, name string) string {
	if h := r.Header.Get(name); h != "" {
		return h
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func (s *server) ignored(ctx context.Context, name string, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return err
	}
	s.refused(ctx, event.EntraID, "credential_ignored", event.Reason{Code: e.Code.ID(), Name: name, Sentence: e.Sentence, Hint: e.Hint})
	return nil
}

func (s *server) readPRTCredential(ctx context.Context, text string) (*proof, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	var c prt.Request
	if err := t.Claims(&c); err != nil {
		return nil, oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	token, err := s.openPRT(c.RefreshToken)
	if err != nil {
		return nil, err
	}
	if prt.VerifyRequest(t, prt.Key(token.SessionKey)) != nil {
		return nil, oauth.NewError(oauth.SessionKeyInvalid)
	}
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return nil, err
	}
	return &token.proof, nil
}

func (s *server) readDeviceCredential(ctx context.Context, text string) (string, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return "", oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	var c prt.Request
	if err := t.Claims(&c); err != nil || c.GrantType != oauth.GrantDeviceAuth {
		return "", oauth.NewError(oauth.RequestMalformed, "The credential is malformed.")
	}
	dp, err := s.verifyDeviceRequest(t)
	if err != nil {
		return "", err
	}
	if err := s.takeNonces(ctx, c.RequestNonce); err != nil {
		return "", err
	}
	d, err := s.signInDevice(dp)
	if err != nil {
		return "", err
	}
	return d.DeviceID, nil
}

// openFlow reads the state that a page sent back.
func (s *server) openFlow(ctx, flowToken string, steps ...string) (*flow, error) {
	var f flow
	expired := oauth.NewError(oauth.GrantInvalid, "The sign-in page is not valid any more.")
	if s.seal.open(purposeFlow, ctx, &f) != nil || f.ID != flowToken || s.env.Now().After(time.Unix(f.Expires, 0)) {
		return nil, expired
	}
	for _, step := range steps {
		if f.Step == step {
			return &f, nil
		}
	}
	return nil, expired
}

// page answers a page of the conversation. refusal, when given, is shown.
func (s *server) page(w http.ResponseWriter, f *flow, id string, refusal *oauth.Error) error {
	ctx, err := s.seal.seal(purposeFlow, f)
	if err != nil {
		return err
	}
	base := "https://" + s.hosts.login + "/common"
	c := sas.Config{PageID: id, SessionID: f.ID, FlowToken: f.ID, Ctx: ctx, Canary: f.ID, APICanary: f.ID, Username: f.LoginHint, URLPost: base + "/login"}
	if id == sas.PageTFA {
		c.URLPost, c.URLBeginAuth, c.URLEndAuth = base+"/SAS/ProcessAuth", base+"/SAS/BeginAuth", base+"/SAS/EndAuth"
		c.UserProofs = []sas.Proof{{AuthMethodID: sas.MethodAppOTP, Data: sas.MethodAppOTP, Display: "Authenticator app", IsDefault: true}}
		c.MaxPollAttempts, c.PollingInterval = 10, 1000
	}
	if refusal != nil {
		c.ErrorCode, c.ErrorText = fmt.Sprint(int(refusal.Code)), refusal.Sentence
	}
	body, err := c.Page()
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, typeHTML, body)
	return nil
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
	u, err := s.checkPassword(ctx, form.Login, form.Password, f.DeviceID)
	if err != nil {
		s.askAgain(w, r, f, err)
		return
	}
	p := passwordProof(u, s.env.Now())
	if f.DeviceID != "" {
		p.addDevice(f.DeviceID)
	}
	f.Proof = &p
	s.step(ctx, event.EntraID, actorOf(f.ClientID), "first_factor_verified", "Entra ID verifies user name and password.", map[string]any{"user": u.UPN, "amr": p.AMR})
	switch demand := s.demandMFA(f.Fresh, p, u); {
	case demand == nil:
		err = s.sendCode(w, r, f)
	case u.hasMFA():
		s.tellDemand(ctx, f.ClientID, demand)
		f.Step = stepMFA
		err = s.page(w, f, sas.PageTFA, nil)
	default:
		err = demand
	}
	if err != nil {
		s.redirectError(w, r, f, err)
	}
}

// askAgain shows the sign-in page again with the refusal.
func (s *server) askAgain(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "first_factor_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	if err := s.page(w, f, sas.PageSignIn, e); err != nil {
		s.errorPage(w, r, err)
	}
}

// sendCode ends the conversation with an authorization code.
func (s *server) sendCode(w http.ResponseWriter, r *http.Request, f *flow) error {
	family, err := s.newFamily()
	if err != nil {
		return err
	}
	code, err := s.seal.seal(purposeCode, authCode{proof: *f.Proof, ClientID: f.ClientID, RedirectURI: f.RedirectURI, Challenge: f.Challenge,
		Resource: f.Resource, Scope: f.Scope, Nonce: f.Nonce, Fresh: f.Fresh, Family: family, Expires: s.env.Now().Add(codeLife).Unix()})
	if err != nil {
		return err
	}
	s.step(r.Context(), event.EntraID, actorOf(f.ClientID), "code_issued", "Entra ID returns an authorization code.", map[string]any{"user": f.Proof.UPN, "amr": f.Proof.AMR})
	s.sendBack(w, f, url.Values{"code": {code}, "session_state": {f.ID}})
	return nil
}

// sendBack answers values to the client's redirect URI.
func (s *server) sendBack(w http.ResponseWriter, f *flow, v url.Values) {
	if f.State != "" {
		v.Set("state", f.State)
	}
	if f.Mode == "form_post" {
		body := fmt.Sprintf("<!DOCTYPE html>\n<html><body><form method=\"post\" action=\"%s\">", html.EscapeString(f.RedirectURI))
		for name := range v {
			body += fmt.Sprintf("<input type=\"hidden\" name=\"%s\" value=\"%s\">", html.EscapeString(name), html.EscapeString(v.Get(name)))
		}
		reply(w, http.StatusOK, typeHTML, []byte(body+"</form></body></html>\n"))
		return
	}
	separator := "?"
	if f.Mode == "fragment" {
		separator = "#"
	}
	location := f.RedirectURI + separator + v.Encode()
	w.Header().Set("Location", location)
	// One public client takes the code from the body's link.
	reply(w, http.StatusFound, typeHTML, fmt.Appendf(nil, "<html><body><a href=\"%s\">here</a></body></html>\n", html.EscapeString(location)))
}

// redirectError answers a refusal to the client's redirect URI.
func (s *server) redirectError(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "authorization_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	name := e.OAuth
	if e.SubError == "basic_action" {
		name = "interaction_required"
	}
	s.sendBack(w, f, url.Values{"error": {name}, "error_description": {e.Error()}, "error_subcode": {e.SubError}, "error_codes": {fmt.Sprint(int(e.Code))}})
}

// errorPage answers a refusal that may be sent nowhere.
func (s *server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "authorization_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	page, err := sas.Config{PageID: sas.PageError, CorrelationID: web.Correlation(r.Context()), ErrorCode: fmt.Sprint(int(e.Code)), ErrorText: e.Sentence}.Page()
	if err != nil {
		http.Error(w, e.Sentence, e.Status)
		return
	}
	reply(w, e.Status, typeHTML, page)
}
