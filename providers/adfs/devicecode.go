package adfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/oauth"
)

// deviceCode is one device that waits for its user to sign in elsewhere (RFC
// 8628). What the device polls with is sealed and names its entry.
type deviceCode struct {
	ID       string      `json:"id"` // what the sealed device code holds, too
	ClientID string      `json:"client_id"`
	Resource string      `json:"resource,omitempty"`
	Scope    string      `json:"scope,omitempty"`
	Asked    demand      `json:"asked,omitzero"`
	Expires  time.Time   `json:"expires"`
	State    string      `json:"state,omitempty"`
	Proof    *farm.Proof `json:"proof,omitempty"`  // once approved
	Family   string      `json:"family,omitempty"` // of the tokens, once redeemed
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
	deviceCodeLife     = 15 * time.Minute
	deviceCodeInterval = 5    // seconds
	maxDeviceCodes     = 1000 // that wait at once
)

func userCodeInvalid() *adfs.Error {
	return adfs.NewError(adfs.BadVerificationCode, "", "The code is not one that a device waits with.").WithHint("Begin at the device anew.")
}

func deviceCodeExpired() *adfs.Error {
	return adfs.NewError(adfs.ExpiredToken, "", "The device code has expired.").WithHint("Begin at the device anew.")
}

// deviceAuthorization answers the device authorization endpoint.
func (s *server) deviceAuthorization(r *http.Request) ([]byte, error) {
	if err := r.ParseForm(); err != nil {
		return nil, adfs.NewError(adfs.InvalidRequest, "", "The form cannot be read.")
	}
	req, err := oauth.ParseTokenRequest(r.PostForm)
	if err != nil {
		return nil, repeated()
	}
	client, _, err := s.authenticateClient(r, req)
	if err != nil {
		return nil, err
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return nil, err
	}
	d := deviceCode{ClientID: client.ID, Resource: req.Resource, Scope: req.Scope, Expires: s.env.Now().Add(deviceCodeLife)}
	asked, err := asksFactor(req.AMRValues, req.Claims, "")
	if err != nil {
		return nil, err
	}
	d.Asked = asked.and(t)
	userCode, text, err := s.newDeviceCode(r.Context(), &d)
	if err != nil {
		return nil, err
	}
	page := "https://" + s.set.Host + adfs.PathDeviceAuth
	s.step(r.Context(), "", "device_code_issued", "gives a device a code for its user to enter elsewhere.", map[string]any{"client_id": d.ClientID, "expires": d.Expires.UTC()})
	return oauth.DeviceAuthorization{
		UserCode: userCode, DeviceCode: text, VerificationURI: page, VerificationURL: page, ExpiresIn: oauth.Seconds(deviceCodeLife / time.Second), Interval: deviceCodeInterval,
		Message: fmt.Sprintf("To sign in, use a web browser to open the page %s and enter the code %s to authenticate.", page, userCode),
	}.Encode(oauth.V2)
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
			if err := s.purgeDeviceCodes(w); err != nil {
				return err
			}
			userCode = candidate
			return put(w, tableDeviceCodes, candidate, d)
		})
		if err != nil {
			return "", "", err
		}
	}
	text, err = s.seal.Seal(purposeDevice, sealedDeviceCode{UserCode: userCode, ID: d.ID, Expires: d.Expires.Unix()})
	return userCode, text, err
}

// purgeDeviceCodes removes what expired a while ago, and refuses more than
// maxDeviceCodes. An expired code is kept for one life more: whoever polls with it
// learns so.
func (s *server) purgeDeviceCodes(w providers.Writer) error {
	var old []string
	left := 0
	err := w.Scan(tableDeviceCodes, "", func(key string, value []byte) error {
		var d deviceCode
		if err := json.Unmarshal(value, &d); err != nil {
			return fmt.Errorf("decode %s: %w", tableDeviceCodes, err)
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
	if err == nil && left >= maxDeviceCodes {
		err = adfs.NewError(adfs.ServerError, adfs.CodeServerError, "Too many device codes wait for their users.")
	}
	return err
}

// deviceCodePage asks for the user code.
func (s *server) deviceCodePage(w http.ResponseWriter, r *http.Request, typed string, refusal *adfs.Error) {
	p := adfs.Page{Action: adfs.PathDeviceAuth, Method: adfs.MethodDevice, UserCode: typed}
	if refusal != nil {
		p.Error = refusal.Sentence
	}
	if err := s.show(w, http.StatusOK, p); err != nil {
		s.errorPage(w, r, err)
	}
}

// deviceAuth takes what the pages of a device's sign-in post: the user code
// first, and then what every sign-in posts.
func (s *server) deviceAuth(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.deviceCodePage(w, r, oauth.ParseUserCode(r.URL.Query().Get("otc")), nil)
		return
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get(adfs.FieldContext) != "" {
		s.submitted(w, r)
		return
	}
	typed := oauth.ParseUserCode(r.PostForm.Get(adfs.FieldUserCode))
	d, err := s.waitingDevice(typed)
	if err == nil {
		var f *flow
		if f, err = s.newFlow(flowDevice); err == nil {
			f.UserCode, f.ClientID, f.Asked = typed, d.ClientID, d.Asked
			err = s.begin(w, r, f, false, false)
		}
	}
	if err != nil {
		e := s.refusal(r.Context(), err)
		s.refused(r.Context(), "user_code_refused", e)
		s.deviceCodePage(w, r, typed, e)
	}
}

// waitingDevice finds the device that waits for a user code.
func (s *server) waitingDevice(userCode string) (d *deviceCode, err error) {
	err = s.env.Section.View(func(r providers.Reader) error {
		d, err = get[deviceCode](r, tableDeviceCodes, userCode)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case d == nil || d.State != codePending:
		return nil, userCodeInvalid()
	case s.env.Now().After(d.Expires):
		return nil, deviceCodeExpired()
	}
	return d, nil
}

// askDevice asks whether the device that waits is the user's.
func (s *server) askDevice(w http.ResponseWriter, f *flow, a *farm.Account) error {
	f.Step, f.Hint = stepConfirm, a.UPN
	return s.page(w, http.StatusOK, f, nil)
}

// answerDevice takes the user's answer, of several at once the first.
func (s *server) answerDevice(w http.ResponseWriter, r *http.Request, f *flow) error {
	ctx := r.Context()
	if _, err := s.standing(ctx, f.Proof); err != nil {
		return err
	}
	state, step, text, done := codeApproved, "device_code_approved", "The user approves the device that waits.", "You have signed in on your device. You may close this window."
	if r.PostForm.Get(adfs.FieldAnswer) != adfs.AnswerContinue {
		state, step, text, done = codeDeclined, "device_code_declined", "The user declines the device that waits.", "You declined the request. You may close this window."
	}
	err := s.env.Section.Record(ctx, func(w providers.Writer) error {
		d, err := get[deviceCode](w, tableDeviceCodes, f.UserCode)
		switch {
		case err != nil:
			return err
		case d == nil || d.State != codePending:
			return userCodeInvalid()
		case s.env.Now().After(d.Expires):
			return deviceCodeExpired()
		}
		if d.State = state; state == codeApproved {
			p := *f.Proof
			p.DeviceID = "" // proved by the machine of the page; the tokens go to another
			d.Proof = &p
		}
		return put(w, tableDeviceCodes, f.UserCode, d)
	})
	if err != nil {
		return err
	}
	s.emit(ctx, event.Event{Actor: event.User, Peer: s.actor(), Step: step, Text: text, Message: map[string]any{"account": f.Proof.UPN, "client_id": f.ClientID}})
	return s.show(w, http.StatusOK, adfs.Page{Done: done})
}

// deviceCodeGrant answers a poll. Of any number of polls after the approval one
// gets tokens; a later one was copied, and ends them.
func (s *server) deviceCodeGrant(ctx context.Context, client *application, req oauth.TokenRequest) (*tokenGrant, error) {
	text := req.DeviceCode
	if text == "" {
		text = req.Code // some clients name it so
	}
	if text == "" {
		return nil, missing("device_code")
	}
	var c sealedDeviceCode
	if s.seal.Open(purposeDevice, text, &c) != nil {
		return nil, userCodeInvalid()
	}
	d, err := s.redeemDevice(ctx, &c, client.ID)
	if err != nil {
		return nil, err
	}
	t, err := s.targetOf(d.Resource, d.Scope)
	if err != nil {
		return nil, err
	}
	a, err := s.standing(ctx, d.Proof)
	if err != nil {
		return nil, err
	}
	return &tokenGrant{account: a, proof: *d.Proof, client: client, target: t, family: d.Family}, nil
}

func (s *server) redeemDevice(ctx context.Context, c *sealedDeviceCode, clientID string) (d *deviceCode, err error) {
	family, err := s.newFamily()
	if err != nil {
		return nil, err
	}
	copied := false
	err = s.env.Section.Record(ctx, func(w providers.Writer) (err error) {
		copied = false
		d, err = get[deviceCode](w, tableDeviceCodes, c.UserCode)
		switch expired := s.env.Now().After(time.Unix(c.Expires, 0)); {
		case err != nil:
			return err
		case (d == nil || d.ID != c.ID) && expired:
			return deviceCodeExpired()
		case d == nil || d.ID != c.ID:
			return userCodeInvalid()
		case !strings.EqualFold(d.ClientID, clientID):
			return adfs.NewError(adfs.InvalidGrant, "", "The device code was issued to another client.")
		case d.State == codeRedeemed:
			copied = true
			return nil
		case expired:
			return deviceCodeExpired()
		case d.State == codeDeclined:
			return adfs.NewError(adfs.AuthorizationDeclined, "", "The user declined the request.")
		case d.State == codePending:
			return adfs.NewError(adfs.AuthorizationPending, "", "The user has not signed in with the code yet.")
		}
		d.State, d.Family = codeRedeemed, family
		return put(w, tableDeviceCodes, c.UserCode, d)
	})
	if err == nil && copied {
		err = errors.Join(adfs.NewError(adfs.InvalidGrant, "", "The device code was redeemed before."), s.revokeFamily(ctx, d.Family))
	}
	return d, err
}
