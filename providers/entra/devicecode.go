package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

// deviceCode is one device that waits for its user to sign in elsewhere (RFC
// 8628). What the device polls with is sealed and names its entry.
type deviceCode struct {
	ID       string        `json:"id"` // what the sealed device code holds, too
	ClientID string        `json:"client_id"`
	Resource string        `json:"resource,omitempty"`
	Scope    string        `json:"scope,omitempty"`
	Demands  oauth.Demands `json:"demands,omitzero"`
	Expires  time.Time     `json:"expires"`
	State    string        `json:"state,omitempty"`
	Proof    *proof        `json:"proof,omitempty"`  // once approved
	Family   string        `json:"family,omitempty"` // of the tokens, once redeemed
}

// States of a deviceCode.
const (
	codePending  = ""
	codeApproved = "approved"
	codeDeclined = "declined"
	codeRedeemed = "redeemed"
)

// sealedDeviceCode is what a device polls with.
type sealedDeviceCode struct {
	UserCode string `json:"user_code"`
	ID       string `json:"id"`
	Expires  int64  `json:"exp"`
}

const (
	deviceCodeLife     = 15 * time.Minute // of Entra ID
	deviceCodeInterval = 5                // seconds
	maxDeviceCodes     = 1000             // that wait at once

	pathDeviceCode   = "/oauth2/deviceauth"
	pathDeviceAnswer = "/oauth2/deviceauth/answer"
)

// startDeviceCode answers the device authorization endpoint.
func (s *server) startDeviceCode(w http.ResponseWriter, r *http.Request, v oauth.Version) {
	if err := s.deviceAuthorization(w, r, v); err != nil {
		s.refuseToken(w, r, v, "device_code_refused", err)
	}
}

func (s *server) deviceAuthorization(w http.ResponseWriter, r *http.Request, v oauth.Version) error {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The form cannot be read.")
	}
	req, err := oauth.ParseTokenRequest(r.PostForm)
	if err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The request gives a parameter twice.")
	}
	if req.ClientID == "" {
		return missing("client_id")
	}
	if err := s.checkClient(req.ClientID); err != nil {
		return err
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	d := deviceCode{ClientID: req.ClientID, Resource: req.Resource, Scope: req.Scope, Expires: s.env.Now().Add(deviceCodeLife)}
	if d.Demands, err = demandsOf(req.AMRValues, req.Claims, req.ClientID, t); err != nil {
		return err
	}
	userCode, text, err := s.newDeviceCode(ctx, &d)
	if err != nil {
		return err
	}
	page := "https://" + s.hosts.login + "/common" + pathDeviceCode
	body, err := oauth.DeviceAuthorization{
		UserCode: userCode, DeviceCode: text, VerificationURI: page, VerificationURL: page,
		ExpiresIn: oauth.Seconds(deviceCodeLife / time.Second), Interval: deviceCodeInterval,
		Message: fmt.Sprintf("To sign in, use a web browser to open the page %s and enter the code %s to authenticate.", page, userCode),
	}.Encode(v)
	if err != nil {
		return err
	}
	s.step(ctx, event.EntraID, "", "device_code_issued", "Entra ID gives a device a code for its user to enter elsewhere.",
		map[string]any{"client_id": d.ClientID, "expires": d.Expires.UTC()})
	reply(w, http.StatusOK, typeJSON, body)
	return nil
}

// newDeviceCode keeps d under a new user code and seals what its device polls with.
func (s *server) newDeviceCode(ctx context.Context, d *deviceCode) (userCode, text string, err error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return "", "", err
	}
	d.ID = id.String()
	for userCode == "" {
		candidate, err := oauth.NewUserCode(s.env.Rand)
		if err != nil {
			return "", "", err
		}
		err = s.env.Section.Record(ctx, func(w providers.Writer) error {
			userCode = ""
			if _, taken, err := w.Get(tableDeviceCodes, candidate); err != nil || taken {
				return err
			}
			waiting, err := s.purgeDeviceCodes(w)
			if err != nil {
				return err
			}
			if waiting >= maxDeviceCodes {
				return oauth.NewError(oauth.InternalError, "Too many device codes wait for their users.")
			}
			userCode = candidate
			return put(w, tableDeviceCodes, candidate, d)
		})
		if err != nil {
			return "", "", err
		}
	}
	sealed, err := s.seal.Seal(purposeDevice, sealedDeviceCode{UserCode: userCode, ID: d.ID, Expires: d.Expires.Unix()})
	return userCode, s.tokenText(devicePrefix, sealed), err
}

// purgeDeviceCodes removes what expired a while ago and counts the rest. An
// expired code is kept for one life more: whoever polls with it learns so.
func (s *server) purgeDeviceCodes(w providers.Writer) (left int, err error) {
	var old []string
	err = w.Scan(tableDeviceCodes, "", func(key string, _ []byte) error {
		d, err := get[deviceCode](w, tableDeviceCodes, key)
		if err != nil {
			return err
		}
		if s.env.Now().After(d.Expires.Add(deviceCodeLife)) {
			old = append(old, key)
		} else {
			left++
		}
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, w.Delete(tableDeviceCodes, key))
	}
	return left, err
}

// deviceCodePage asks for the user code. A link may bring it along (otc).
func (s *server) deviceCodePage(w http.ResponseWriter, r *http.Request) {
	if err := s.askUserCode(w, oauth.ParseUserCode(r.URL.Query().Get("otc")), nil); err != nil {
		s.errorPage(w, r, err)
	}
}

func (s *server) askUserCode(w http.ResponseWriter, typed string, refusal *oauth.Error) error {
	c := sas.Config{PageID: sas.PageCode, UserCode: typed, URLPost: "https://" + s.hosts.login + "/common" + pathDeviceCode}
	if refusal != nil {
		c.ErrorCode, c.ErrorText = fmt.Sprint(int(refusal.Code)), refusal.Sentence
	}
	return s.show(w, http.StatusOK, c)
}

// enterUserCode takes the user code and begins the sign-in for its device.
func (s *server) enterUserCode(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, oauth.NewError(oauth.RequestMalformed))
		return
	}
	typed := oauth.ParseUserCode(r.PostForm.Get("otc"))
	d, err := s.waitingDevice(typed)
	if err == nil {
		err = s.beginDeviceFlow(w, typed, d)
	}
	if err == nil {
		return
	}
	e := s.oauthError(r.Context(), err)
	s.refused(r.Context(), event.EntraID, "user_code_refused", event.Reason{Code: e.Code.ID(), Name: e.Name, Sentence: e.Sentence, Hint: e.Hint})
	if err := s.askUserCode(w, typed, e); err != nil {
		s.errorPage(w, r, err)
	}
}

func (s *server) beginDeviceFlow(w http.ResponseWriter, userCode string, d *deviceCode) error {
	f, err := s.newFlow(oauth.V2, d.ClientID)
	if err != nil {
		return err
	}
	f.UserCode, f.Resource, f.Scope, f.Demands = userCode, d.Resource, d.Scope, d.Demands
	return s.page(w, f, sas.PageSignIn, nil)
}

// waitingDevice finds the device that waits for a user code.
func (s *server) waitingDevice(userCode string) (d *deviceCode, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		d, err = get[deviceCode](r, tableDeviceCodes, userCode)
		return err
	})
	switch {
	case errors.Is(err, errNotFound), err == nil && d.State != codePending:
		return nil, oauth.NewError(oauth.UserCodeInvalid)
	case err != nil:
		return nil, err
	case s.env.Now().After(d.Expires):
		return nil, oauth.NewError(oauth.DeviceCodeExpired)
	}
	return d, nil
}

// answerDevice takes the user's answer to the question whether the device is
// theirs, and lets the device have its tokens, or not.
func (s *server) answerDevice(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, r, oauth.NewError(oauth.RequestMalformed))
		return
	}
	form := sas.ParseLogin(r.PostForm)
	f, err := s.openFlow(form.Ctx, form.FlowToken, stepConfirm)
	if err == nil {
		_, _, err = s.standing(*f.Proof)
	}
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	c := sas.Config{PageID: sas.PageDone, AppName: s.clientName(f.ClientID)}
	state, step, text := codeApproved, "device_code_approved", "The user approves the device that waits."
	if r.PostForm.Get("answer") != "continue" {
		state, step, text = codeDeclined, "device_code_declined", "The user declines the device that waits."
		c.ErrorText, c.ErrorCode = "You declined the request.", fmt.Sprint(int(oauth.UserDeclined))
	}
	if err := s.settleDevice(r.Context(), f, state); err != nil {
		s.errorPage(w, r, err)
		return
	}
	s.step(r.Context(), event.User, event.EntraID, step, text, map[string]any{"user": f.Proof.UPN, "client_id": f.ClientID})
	if err := s.show(w, http.StatusOK, c); err != nil {
		s.errorPage(w, r, err)
	}
}

// settleDevice records the user's answer, of several at once the first.
func (s *server) settleDevice(ctx context.Context, f *flow, state string) error {
	return s.env.Section.Record(ctx, func(w providers.Writer) error {
		d, err := get[deviceCode](w, tableDeviceCodes, f.UserCode)
		switch {
		case errors.Is(err, errNotFound), err == nil && d.State != codePending:
			return oauth.NewError(oauth.UserCodeInvalid)
		case err != nil:
			return err
		case s.env.Now().After(d.Expires):
			return oauth.NewError(oauth.DeviceCodeExpired)
		}
		d.State = state
		if state == codeApproved {
			d.Proof = f.Proof
		}
		return put(w, tableDeviceCodes, f.UserCode, d)
	})
}

// deviceCodeGrant answers a poll. Of any number of polls after the approval
// one gets tokens; a later one was copied, and ends them.
func (s *server) deviceCodeGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	text := req.DeviceCode
	if text == "" {
		text = req.Code // v1 clients name it so
	}
	if text == "" {
		return missing("device_code")
	}
	var c sealedDeviceCode
	sealed, ok := sealedPart(devicePrefix, text)
	if !ok || s.seal.Open(purposeDevice, sealed, &c) != nil {
		return oauth.NewError(oauth.UserCodeInvalid, "The device code is not valid.")
	}
	d, copied, err := s.redeemDevice(r.Context(), &c, req.ClientID)
	if err != nil {
		return err
	}
	if copied {
		if err := s.revokeFamily(r.Context(), d.Family); err != nil {
			return err
		}
		return oauth.NewError(oauth.CodeRedeemed, "The device code was already redeemed.")
	}
	t, err := s.targetOf(d.Resource, d.Scope)
	if err != nil {
		return err
	}
	u, _, err := s.standing(*d.Proof)
	if err != nil {
		return err
	}
	return s.grantTokens(w, r, v, tokenGrant{user: u, proof: *d.Proof, client: d.ClientID, target: t, family: d.Family, demands: d.Demands, clientInfo: req.ClientInfo})
}

func (s *server) redeemDevice(ctx context.Context, c *sealedDeviceCode, clientID string) (d *deviceCode, copied bool, err error) {
	family, err := s.newFamily()
	if err != nil {
		return nil, false, err
	}
	err = s.env.Section.Record(ctx, func(w providers.Writer) (err error) {
		copied = false
		d, err = get[deviceCode](w, tableDeviceCodes, c.UserCode)
		switch expired := s.env.Now().After(time.Unix(c.Expires, 0)); {
		case errors.Is(err, errNotFound) && expired:
			return oauth.NewError(oauth.DeviceCodeExpired)
		case errors.Is(err, errNotFound):
			return oauth.NewError(oauth.UserCodeInvalid)
		case err != nil:
			return err
		case d.ID != c.ID:
			return oauth.NewError(oauth.UserCodeInvalid)
		case !strings.EqualFold(d.ClientID, clientID):
			return oauth.NewError(oauth.GrantInvalid, "The device code was issued to another application.")
		case d.State == codeRedeemed:
			copied = true
			return nil
		case expired:
			return oauth.NewError(oauth.DeviceCodeExpired)
		case d.State == codeDeclined:
			return oauth.NewError(oauth.UserDeclined)
		case d.State == codePending:
			return oauth.NewError(oauth.AuthorizationPending)
		}
		d.State, d.Family = codeRedeemed, family
		return put(w, tableDeviceCodes, c.UserCode, d)
	})
	return d, copied, err
}
