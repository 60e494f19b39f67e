package entra

import (
	"errors"
	"net/http"
	"time"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// flow is the state of one interactive sign-in. It travels sealed in the
// page's sCtx, so that half-finished sign-ins cost the tenant nothing.
type flow struct {
	ID          string        `json:"id"`
	Step        string        `json:"step"`
	Version     oauth.Version `json:"ver"`
	ClientID    string        `json:"client_id"`
	RedirectURI string        `json:"redirect_uri,omitempty"`
	Mode        string        `json:"response_mode,omitempty"`
	State       string        `json:"state,omitempty"`
	Nonce       string        `json:"nonce,omitempty"`
	Challenge   string        `json:"challenge,omitempty"`
	Resource    string        `json:"resource,omitempty"`
	Scope       string        `json:"scope,omitempty"`
	Demands     oauth.Demands `json:"demands,omitzero"`
	LoginHint   string        `json:"login_hint,omitempty"`
	DeviceID    string        `json:"deviceid,omitempty"`  // proved by its key
	Proof       *proof        `json:"proof,omitempty"`     // of the first factor
	UserCode    string        `json:"user_code,omitempty"` // of the device that the tokens are for; else a code goes to RedirectURI
	Method      string        `json:"method,omitempty"`    // second factor that was begun
	Pushed      string        `json:"pushed,omitempty"`    // id of the notification that was sent
	Number      int           `json:"number,omitempty"`    // that the page shows for it
	AskedMFA    bool          `json:"asked_mfa,omitempty"` // the federation service was asked for a second factor
	Expires     int64         `json:"exp"`
}

// Steps of a flow.
const (
	stepLogin     = "login"
	stepMFA       = "mfa"
	stepBegun     = "begun" // BeginAuth was called
	stepDone      = "done"
	stepFederated = "federated" // the browser is at the federation service
	stepConfirm   = "confirm"   // the user is asked whether the device is theirs
)

const (
	flowLife = 15 * time.Minute
	codeLife = 10 * time.Minute // RFC 6749 4.1.2
)

// authCode is what an authorization code holds, sealed.
type authCode struct {
	proof
	ClientID    string        `json:"client_id"`
	RedirectURI string        `json:"redirect_uri"`
	Challenge   string        `json:"challenge,omitempty"`
	Resource    string        `json:"resource,omitempty"`
	Scope       string        `json:"scope,omitempty"`
	Nonce       string        `json:"nonce,omitempty"`
	Demands     oauth.Demands `json:"demands,omitzero"`
	Family      string        `json:"family"`
	Expires     int64         `json:"exp"`
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
	f, err := s.newFlow(v, req.ClientID)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	f.RedirectURI, f.Mode, f.State, f.Nonce, f.Challenge = req.RedirectURI, req.ResponseMode, req.State, req.Nonce, req.CodeChallenge
	f.Resource, f.Scope, f.LoginHint = req.Resource, req.Scope, req.LoginHint
	if err := s.beginFlow(w, r, f, req); err != nil {
		s.redirectError(w, r, f, err)
	}
}

func (s *server) newFlow(v oauth.Version, clientID string) (*flow, error) {
	id, err := guid.New(s.env.Rand)
	return &flow{ID: id.String(), Step: stepLogin, Version: v, ClientID: clientID, Expires: s.env.Now().Add(flowLife).Unix()}, err
}

// checkAuthorize validates client and redirect URI.
func (s *server) checkAuthorize(req oauth.AuthorizeRequest) error {
	if req.ClientID == "" {
		return missing("client_id")
	}
	app, err := s.client(req.ClientID)
	switch {
	case err != nil:
		return err
	case app != nil && !app.allows(req.RedirectURI), app == nil && !s.allowsRedirect(req.ClientID, req.RedirectURI):
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
	if f.Demands, err = demandsOf(req.AMRValues, req.Claims, req.ClientID, t); err != nil {
		return err
	}
	if answered, err := s.readCredentials(w, r, f, req); err != nil || answered {
		return err
	}
	if f.Proof != nil && req.Prompt != "login" && !endedBy(f.Demands, *f.Proof) {
		u, _, err := s.standing(*f.Proof)
		if err != nil {
			return err
		}
		demand := s.demandAt(ctx, f, *f.Proof, u)
		if demand == nil {
			return s.endFlow(w, r, f)
		}
		s.tellDemand(ctx, f.ClientID, demand)
		f.LoginHint = u.UPN
		if req.Prompt == "none" {
			return demand
		}
		return s.mend(w, r, f, demand, u)
	}
	if req.Prompt == "none" {
		return oauth.NewError(oauth.UserPromptRequired)
	}
	f.Proof = nil
	if s.checkedElsewhere(f.LoginHint) {
		return s.sendToFederation(w, r, f, f.Demands.MFA)
	}
	return s.page(w, f, sas.PageSignIn, nil)
}
