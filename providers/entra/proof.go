package entra

import (
	"errors"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/oauth"
)

// proof is what a sign-in proved, and when. Codes, refresh tokens and primary
// refresh tokens carry it, sealed; access tokens show it as claims.
type proof struct {
	UserID     string   `json:"oid"`
	UPN        string   `json:"upn"`
	DeviceID   string   `json:"deviceid,omitempty"` // proved by its key
	AMR        []string `json:"amr"`
	AuthTime   int64    `json:"auth_time"`          // Unix milliseconds of the first factor
	MFATime    int64    `json:"mfa_time,omitempty"` // of the second factor; 0 without one
	Credential string   `json:"cred"`               // "pwd", "ngc" or "fed"
	KeyID      string   `json:"kid,omitempty"`      // of the Hello key
}

// Credentials of a proof.
const (
	credentialPassword  = "pwd"
	credentialHello     = "ngc"
	credentialFederated = "fed" // an assertion of the federation service
)

func passwordProof(u *user, now time.Time) proof {
	return proof{UserID: u.ID, UPN: u.UPN, AMR: []string{oauth.AMRPassword}, AuthTime: now.UnixMilli(), Credential: credentialPassword}
}

// byPassword says whether a password was given, here or at the federation service.
func (p *proof) byPassword() bool {
	return p.Credential == credentialPassword || p.Credential == credentialFederated && slices.Contains(p.AMR, oauth.AMRPassword)
}

// addMFA records a second factor.
func (p *proof) addMFA(at time.Time) {
	p.MFATime = at.UnixMilli()
	p.add(oauth.AMRMFA)
}

// addDevice records that the device proved itself with its key.
func (p *proof) addDevice(deviceID string) {
	p.DeviceID = deviceID
	p.add(oauth.AMRRSA)
}

func (p *proof) add(method string) {
	if !slices.Contains(p.AMR, method) {
		p.AMR = append(slices.Clone(p.AMR), method)
	}
}

// mfaFresh says whether the second factor lies within the tenant's window, its
// last instant included.
func (s *server) mfaFresh(p proof) bool {
	return p.MFATime != 0 && !s.env.Now().After(time.UnixMilli(p.MFATime).Add(s.cfg.Lifetimes.MFA))
}

// demandsOf reads what a request for t demands of the sign-in. The Hello
// provisioning application always demands a fresh second factor of a token for
// the registration service, and so does whoever asks for one for the PIN reset
// service.
func demandsOf(amrValues, claims, clientID string, t target) (oauth.Demands, error) {
	d, err := oauth.ParseDemands(amrValues, claims)
	if err != nil {
		return d, oauth.NewError(oauth.RequestMalformed, "The claims parameter is malformed.")
	}
	if clientID == oauth.ClientProvisioning && t.resource == oauth.ResourceDRS || t.resource == oauth.ResourcePINReset {
		d.MFA, d.FreshMFA = true, true
	}
	return d, nil
}

// demandMFA refuses when a second factor is wanted and the proof has none, or
// none that is fresh where that is wanted.
func (s *server) demandMFA(want oauth.Demands, p proof, u *user) error {
	switch {
	case !want.MFA,
		want.FreshMFA && s.mfaFresh(p),
		!want.FreshMFA && slices.Contains(p.AMR, oauth.AMRMFA):
		return nil
	case !u.hasMFA() && !s.elsewhere():
		return oauth.NewError(oauth.StrongAuthEnrollment)
	}
	return oauth.NewError(oauth.StrongAuthRequired)
}

// endedBy says whether a resource has ended the session of a proof: the claims
// challenge that its client passed on demands one that began later.
func endedBy(want oauth.Demands, p proof) bool {
	return want.NotBefore != 0 && p.AuthTime/1000 < want.NotBefore
}

// standing refuses a proof whose user or device may not sign in any more, or
// that was revoked since.
func (s *server) standing(p proof) (*user, *device, error) {
	var u *user
	var d *device
	err := s.env.Section.View(func(r providers.Reader) (err error) {
		if u, err = userByID(r, p.UserID); err != nil || p.DeviceID == "" {
			return err
		}
		d, err = deviceByDeviceID(r, p.DeviceID)
		if errors.Is(err, errNotFound) {
			return oauth.NewError(oauth.DeviceNotFound)
		}
		return err
	})
	switch {
	case errors.Is(err, errNotFound):
		return nil, nil, oauth.NewError(oauth.UserAccountNotFound)
	case err != nil:
		return nil, nil, err
	case !u.Enabled:
		return nil, nil, oauth.NewError(oauth.UserDisabled)
	case d != nil && !d.Enabled:
		return nil, nil, oauth.NewError(oauth.DeviceDisabled)
	case p.AuthTime < u.SessionsValidFrom.UnixMilli():
		return nil, nil, oauth.NewError(oauth.FreshTokenNeeded)
	case p.byPassword() && p.AuthTime < u.passwordChangedFor(p).UnixMilli():
		return nil, nil, oauth.NewError(oauth.FreshTokenNeeded, "The grant has expired because the password was changed; a fresh token is needed.")
	}
	return u, d, nil
}

// passwordChangedFor is when the password changed, as exactly as a proof knows its
// own time: federation services tell whole seconds.
func (u *user) passwordChangedFor(p proof) time.Time {
	if p.Credential == credentialFederated {
		return u.PasswordChanged.Truncate(time.Second)
	}
	return u.PasswordChanged
}
