package adfs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
)

// flow is the state of one sign-in at the pages. It travels sealed in the page's
// Context, so that half-finished sign-ins cost the service nothing.
type flow struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"` // what it ends with: flowCode, …
	Step    string `json:"step"` // what the page asked for: stepLogin, …
	Asked   demand `json:"asked,omitzero"`
	Hint    string `json:"hint,omitempty"` // user name to begin with
	Expires int64  `json:"exp"`

	Proof    *farm.Proof `json:"proof,omitempty"`    // so far
	DeviceID string      `json:"deviceid,omitempty"` // proved by its key
	silent   bool        // nobody may be asked; a form is never of such a flow

	// Of OAuth 2.0.
	ClientID    string `json:"client_id,omitempty"`
	RedirectURI string `json:"redirect_uri,omitempty"`
	Mode        string `json:"response_mode,omitempty"`
	State       string `json:"state,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	Challenge   string `json:"challenge,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Scope       string `json:"scope,omitempty"`
	UserCode    string `json:"user_code,omitempty"` // of a device that waits

	// Of WS-Federation.
	Realm   string `json:"realm,omitempty"`
	Reply   string `json:"reply,omitempty"`
	Ctx     string `json:"wctx,omitempty"`
	Windows bool   `json:"windows,omitempty"` // the window of Windows' account manager asks, no browser
}

// What a flow ends with.
const (
	flowCode      = "code"      // an authorization code for RedirectURI
	flowAssertion = "assertion" // an assertion for Reply
	flowDevice    = "device"    // the question whether the device is the user's
)

// What a page asks for.
const (
	stepLogin   = "login"
	stepFactor  = "factor"
	stepConfirm = "confirm"
)

const (
	flowLife = 15 * time.Minute
	codeLife = 10 * time.Minute // RFC 6749 4.1.2

	purposeFlow    = "flow"
	purposeCode    = "code"
	purposeRefresh = "refresh"
	purposeDevice  = "device code"
	purposeSubject = "subject"
)

func (s *server) newFlow(kind string) (*flow, error) {
	id, err := guid.New(s.env.Rand)
	return &flow{ID: id.String(), Kind: kind, Step: stepLogin, Expires: s.env.Now().Add(flowLife).Unix()}, err
}

// path is where a flow's pages post to.
func (f *flow) path() string {
	switch f.Kind {
	case flowAssertion:
		return adfs.PathPassive + "/"
	case flowDevice:
		return adfs.PathDeviceAuth
	}
	return adfs.PathAuthorize
}

// peer is who waits for the end of a flow, for the trace only.
func (f *flow) peer() event.Actor {
	switch {
	case f.Kind != flowAssertion:
		return actorOf(f.ClientID)
	case f.Windows:
		return event.WAM
	}
	return ""
}

// actorOf guesses who talks to the service, for the trace only: it decides
// nothing.
func actorOf(clientID string) event.Actor {
	switch clientID {
	case oauth.ClientCloudAP:
		return event.CloudAP
	case oauth.ClientBroker, oauth.ClientProvisioning:
		return event.WAM
	}
	return ""
}

// begin begins a sign-in: with a ticket where there is one, else with the page.
// fresh asks for a password whatever the client brings.
func (s *server) begin(w http.ResponseWriter, r *http.Request, f *flow, fresh, silent bool) error {
	f.silent = silent
	if err := s.device(r, f); err != nil {
		return err
	}
	a, err := s.credential(r, f)
	if err != nil {
		return err
	}
	if a != nil && !fresh {
		return s.next(w, r, f, a)
	}
	f.Proof = nil
	if !fresh {
		var offer http.Header
		if offersWindows(r) || r.Header.Get("Authorization") != "" {
			offer = w.Header()
		} else {
			offer = http.Header{}
		}
		if a, err = s.negotiate(offer, r); err != nil {
			return err
		}
		if a != nil {
			f.Proof = s.proofOf(a, oauthAMR(adfs.MethodWindows), adfs.MethodWindows)
			f.Proof.DeviceID = f.DeviceID
			s.step(r.Context(), f.peer(), "first_factor_verified", "takes the Kerberos ticket of a member of the domain.", map[string]any{"account": a.Qualified(), "amr": f.Proof.AMR})
			return s.next(w, r, f, a)
		}
	}
	if silent {
		return adfs.NewError(adfs.LoginRequired, adfs.CodeInteraction, "Interaction is required by the token broker to resolve the issue: nobody is signed in.").WithHint("Sign in interactively.")
	}
	status := http.StatusOK
	if !fresh && s.set.adfs() && offersWindows(r) && r.Header.Get("Authorization") == "" {
		status = http.StatusUnauthorized // with the page for who has no ticket
	}
	f.Step = stepLogin
	return s.page(w, status, f, nil)
}

// credential takes the primary refresh token that the device added to the request
// (MS-OAPXBC 3.2.5.2.1). One that proves nobody is ignored, and sign-in goes on
// without it; the trace says so.
func (s *server) credential(r *http.Request, f *flow) (*farm.Account, error) {
	text := s.credentialText(r, oauth.HeaderRefreshTokenCredential)
	if text == "" {
		return nil, nil
	}
	a, p, err := s.primary.Credential(r.Context(), text)
	if err != nil {
		return nil, s.ignored(r, err)
	}
	f.Proof, f.DeviceID = p, p.DeviceID
	s.step(r.Context(), f.peer(), "session_credential_verified", "knows user and device by the enterprise primary refresh token.", map[string]any{"account": a.Qualified(), "device_id": p.DeviceID, "amr": p.AMR})
	return a, nil
}

// device takes the device's own signature (MS-OAPXBC 3.2.5.2.1.2), where there is no
// session that it belongs to.
func (s *server) device(r *http.Request, f *flow) error {
	text := s.credentialText(r, oauth.HeaderDeviceCredential)
	if text == "" || s.credentialText(r, oauth.HeaderRefreshTokenCredential) != "" {
		return nil
	}
	id, err := s.primary.DeviceCredential(r.Context(), text)
	if err != nil {
		return s.ignored(r, err)
	}
	f.DeviceID = id
	return nil
}

// credentialText is a credential of a device, in a header or in the cookie of the
// same name; "" where there is none, or nobody here reads it.
func (s *server) credentialText(r *http.Request, name string) string {
	if s.primary == nil {
		return ""
	}
	if text := r.Header.Get(name); text != "" {
		return text
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

// ignored passes over a credential that proves nobody.
func (s *server) ignored(r *http.Request, err error) error {
	if !errors.Is(err, prt.ErrNoCredential) {
		return err
	}
	s.refused(r.Context(), "credential_ignored", adfs.NewError(adfs.InvalidGrant, adfs.CodeRefreshInvalid, "The device's credential proves nothing; the sign-in goes on without it."))
	return nil
}

// offersWindows says whether a client is offered integrated sign-in.
func offersWindows(r *http.Request) bool {
	agent := r.Header.Get("User-Agent")
	return len(agent) >= len(adfs.AgentWindows) && agent[:len(adfs.AgentWindows)] == adfs.AgentWindows
}

func oauthAMR(method string) []string {
	if method == adfs.MethodWindows {
		return []string{adfs.AMRWindows}
	}
	return []string{oauth.AMRPassword}
}

// proofOf is the proof of a first factor that was just verified.
func (s *server) proofOf(a *farm.Account, amr []string, method string) *farm.Proof {
	p := &farm.Proof{UPN: a.UPN, AMR: amr, Method: method, At: s.env.Now().Unix()}
	if a.SID.IsZero() {
		p.Anchor = a.ImmutableID
	} else {
		p.SID = a.SID.String()
	}
	return p
}

// submitted takes the form of a page.
func (s *server) submitted(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, adfs.NewError(adfs.InvalidRequest, "", "The form cannot be read."))
		return
	}
	f, err := s.openFlow(r.PostForm.Get(adfs.FieldContext))
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	switch f.Step {
	case stepLogin:
		err = s.submittedLogin(w, r, f)
	case stepFactor:
		err = s.submittedCode(w, r, f)
	case stepConfirm:
		err = s.answerDevice(w, r, f)
	default:
		err = expiredPage()
	}
	if err != nil {
		s.fail(w, r, f, err)
	}
}

func expiredPage() *adfs.Error {
	return adfs.NewError(adfs.InvalidRequest, "", "The sign-in page is not valid any more.").WithHint("Begin the sign-in again.")
}

func (s *server) openFlow(text string) (*flow, error) {
	var f flow
	if s.seal.Open(purposeFlow, text, &f) != nil || s.env.Now().After(time.Unix(f.Expires, 0)) {
		return nil, expiredPage()
	}
	return &f, nil
}

func (s *server) submittedLogin(w http.ResponseWriter, r *http.Request, f *flow) error {
	f.Hint = r.PostForm.Get(adfs.FieldUserName)
	a, err := s.password(r.Context(), f.Hint, r.PostForm.Get(adfs.FieldPassword))
	if err != nil {
		e := s.refusal(r.Context(), err)
		s.refused(r.Context(), "first_factor_refused", e)
		return s.page(w, http.StatusOK, f, e)
	}
	f.Proof, f.Hint = s.proofOf(a, oauthAMR(adfs.MethodPassword), adfs.MethodPassword), a.UPN
	f.Proof.DeviceID = f.DeviceID
	s.step(r.Context(), f.peer(), "first_factor_verified", "verifies user name and password"+s.byWhom()+".", map[string]any{"account": a.Qualified(), "amr": f.Proof.AMR})
	return s.next(w, r, f, a)
}

func (s *server) byWhom() string {
	if s.set.adfs() {
		return " with the domain"
	}
	return ""
}

func (s *server) submittedCode(w http.ResponseWriter, r *http.Request, f *flow) error {
	ctx := r.Context()
	a, err := s.standing(ctx, f.Proof)
	if err != nil {
		return err
	}
	if err := s.checkFactor(ctx, f.Proof, r.PostForm.Get(adfs.FieldCode)); err != nil {
		var e *adfs.Error
		if !errors.As(err, &e) {
			return err
		}
		return s.page(w, http.StatusOK, f, e)
	}
	return s.next(w, r, f, a)
}

// next goes on after a factor: with the second, or to the end.
func (s *server) next(w http.ResponseWriter, r *http.Request, f *flow, a *farm.Account) error {
	need := false
	if !a.Computer { // which has no second factor
		var err error
		if need, err = s.demandsFactor(r.Context(), f.peer(), f.Asked, f.Proof); err != nil {
			return err
		}
	}
	if need && f.silent {
		return adfs.NewError(adfs.InteractionRequired, adfs.CodeInteraction, "Interaction is required by the token broker to resolve the issue: a second factor is needed.").WithHint("Sign in interactively.")
	}
	if need {
		if err := s.challenge(r.Context(), a); err != nil {
			return err
		}
		f.Step, f.Hint = stepFactor, a.UPN
		return s.page(w, http.StatusOK, f, nil)
	}
	first, err := s.useOnce(r.Context(), "flow", f.ID, time.Unix(f.Expires, 0))
	if err != nil {
		return err
	}
	if !first {
		return expiredPage()
	}
	switch f.Kind {
	case flowAssertion:
		return s.endAssertion(w, r, f, a)
	case flowDevice:
		return s.askDevice(w, f, a)
	}
	return s.endCode(w, r, f)
}

// page answers a page of a flow. refusal, when given, is shown.
func (s *server) page(w http.ResponseWriter, status int, f *flow, refusal *adfs.Error) error {
	text, err := s.seal.Seal(purposeFlow, f)
	if err != nil {
		return err
	}
	p := adfs.Page{Action: f.path(), Context: text, UserName: f.Hint, UserCode: f.UserCode, Service: s.serviceOf(f), Method: adfs.MethodForms}
	switch f.Step {
	case stepFactor:
		p.Method, p.Adapter = s.adapter()
	case stepConfirm:
		p.Method = adfs.MethodConfirm
	}
	if refusal != nil {
		p.Error = refusal.Sentence
	}
	return s.show(w, status, p)
}

// serviceOf is who a page says that a sign-in is for.
func (s *server) serviceOf(f *flow) string {
	if f.Kind == flowAssertion {
		return f.Realm
	}
	if a, err := s.application(f.ClientID); err == nil && a != nil {
		return a.Name
	}
	return ""
}

// show answers a page.
func (s *server) show(w http.ResponseWriter, status int, p adfs.Page) error {
	nonce, err := s.pageNonce()
	if err != nil {
		return err
	}
	body, err := p.HTML(nonce)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", adfs.Policy(nonce))
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

// fail answers a refusal to who waits for the end of a flow, where there is
// somebody to send it to.
func (s *server) fail(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	if f.Kind == flowCode && f.RedirectURI != "" {
		s.redirectError(w, r, f, err)
		return
	}
	s.errorPage(w, r, err)
}

// errorPage answers a refusal that may be sent nowhere.
func (s *server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	e := s.refusal(r.Context(), err)
	s.refused(r.Context(), "sign_in_refused", e)
	if err := s.show(w, e.Status, adfs.Page{Error: e.Error()}); err != nil {
		http.Error(w, e.Sentence, e.Status)
	}
}
