package windows

import (
	"context"
	"errors"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/oauth"
)

// cachedSignIn is what Cloud AP keeps of a user's sign-in to the tenant, to sign
// them in on an Entra joined device where the tenant is out of reach ("Understanding
// Primary Refresh Token": it caches the token "to enable cached sign in"). It has
// no end of its own: the token in it has. A session that it opened has no other
// token, until a later sign-in reaches the tenant.
type cachedSignIn struct {
	cachedLogon
	Token *prtRecord `json:"token,omitempty"` // nil: provisioning alone left it
}

// keepsSignIns reports whether Cloud AP is who signs users in, and so keeps their
// sign-ins: in a domain that is LSASS's, and a personal device's session is its
// owner's.
func (m *machine) keepsSignIns() bool { return m.in.Join == string(hello.EntraJoined) }

// shownToCloud is what a user shows who signs in to the tenant; by which trust a key
// is proven to a domain is no matter.
func (s *signingIn) shownToCloud() shown {
	if s.released == nil {
		return shown{password: s.request.Password}
	}
	return shown{kid: s.kid, trust: hello.KeyTrust}
}

// keepSignIn has Cloud AP keep a sign-in that the tenant took.
func (s *signingIn) keepSignIn(ctx context.Context) error {
	if !s.keepsSignIns() {
		return nil
	}
	by := s.shownToCloud()
	logon, err := s.logonBy(by)
	if err != nil {
		return err
	}
	return s.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableCloudCache, s.user.sid+"|"+by.credential(), cachedSignIn{logon, s.prt})
	})
}

// provisionCache has Cloud AP keep what a new Hello key signs in with, and the
// password that came before it: whoever provisions has signed in.
func (p *provisioning) provisionCache() (func(providers.Writer) error, error) {
	if !p.keepsSignIns() {
		return func(providers.Writer) error { return nil }, nil
	}
	kept := map[string]cachedSignIn{byHello: {cachedLogon: cachedLogon{At: p.env.Now(), KeyID: p.key.ID}}}
	if len(p.user.password) > 0 {
		logon, err := p.logonBy(shown{password: p.user.password})
		if err != nil {
			return nil, err
		}
		kept[byPassword] = cachedSignIn{cachedLogon: logon}
	}
	return func(w providers.Writer) error {
		var failed error
		for credential, c := range kept {
			key := p.user.sid + "|" + credential
			had, _, err := load[cachedSignIn](w, tableCloudCache, key)
			if credential == byPassword {
				c.Token = had.Token
			}
			failed = errors.Join(failed, err, put(w, tableCloudCache, key, c))
		}
		return failed
	}, nil
}

// renewCached brings a token that was renewed into what Cloud AP keeps.
func (c *cloudAP) renewCached(w providers.Writer, rec prtRecord) error {
	kept, ok, err := load[cachedSignIn](w, tableCloudCache, rec.key())
	if err != nil || !ok || c.sts != nil {
		return err
	}
	kept.Token = &rec
	return put(w, tableCloudCache, rec.key(), kept)
}

// notTaken are the tenant's refusals by which Cloud AP learns what is good no more: it
// forgets the sign-ins that it keeps of that key, of that user by whatever they show,
// or of everybody on that device.
var notTaken = map[string]string{
	"key_not_found": aKey, "key_device_disabled": aKey, "key_device_unknown": aKey,
	"user_disabled": aUser, "user_unknown": aUser,
	"device_disabled": aDevice, "device_unknown": aDevice,
}

const (
	aKey    = "key"
	aUser   = "user"
	aDevice = "device"
)

// forgetSignIn drops what Cloud AP keeps of what the tenant refuses.
func (s *signingIn) forgetSignIn(ctx context.Context, refusal error) error {
	var token *oauth.Error
	if !s.keepsSignIns() || !errors.As(refusal, &token) {
		return nil
	}
	what, known := notTaken[reasonOf(refusal).Code]
	if !known {
		return nil
	}
	of := map[string]string{aKey: s.user.sid + "|" + byHello, aUser: s.user.sid + "|", aDevice: ""}[what]
	return s.env.Section.Record(ctx, func(w providers.Writer) error {
		keys, err := keysOf(w, tableCloudCache, of)
		for _, key := range keys {
			err = errors.Join(err, w.Delete(tableCloudCache, key))
		}
		return err
	})
}

// byCachedSignIn signs the user in by the sign-in that Cloud AP keeps. cause is why
// the tenant was not asked; it is the answer where nothing fits.
func (s *signingIn) byCachedSignIn(cause error) (*prtRecord, error) {
	t, by := s.trace, s.shownToCloud()
	refused := func(err error) error {
		t.refused(event.CloudAP, event.LSASS, local, "cached_sign_in_refused", "Cloud AP keeps no sign-in that signs the user in.", err)
		return err
	}
	c, ok, err := view[cachedSignIn](s.env.Section, tableCloudCache, s.user.sid+"|"+by.credential())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refused(cause)
	}
	proven, err := c.proves(by)
	switch {
	case err != nil:
		return nil, err
	case !proven && by.credential() == byPassword:
		return nil, refused(because("wrong_password", nil, "The password is not that of the last sign-in that %s keeps of %s.", s.addr, s.user.addr))
	case !proven:
		return nil, refused(cause)
	}
	if c.Token != nil && (c.Token.Tenant != s.cloud.tenant.TenantID || !s.env.Now().Before(c.Token.Expires)) {
		c.Token = nil
	}
	m := message{"cached": c.At, "credential": by.credential(), "token": c.Token != nil}
	if c.Token != nil {
		m["expires"] = c.Token.Expires
	}
	t.step(event.CloudAP, event.LSASS, local, "cached_sign_in", "The tenant is out of reach: Cloud AP signs the user in by the sign-in that it keeps, and asks nobody.", m)
	return c.Token, nil
}

// cachedSession is phase E of A1 without the tenant: the session opens, with the
// token that Cloud AP keeps, and gets no other.
func (s *signingIn) cachedSession(ctx context.Context, cause error) error {
	token, err := s.byCachedSignIn(cause)
	if err != nil {
		return err
	}
	s.cloudless = cause
	if token != nil {
		err := s.env.Section.Record(ctx, func(w providers.Writer) error {
			held, ok, err := load[prtRecord](w, tablePRT, token.key())
			if err != nil || ok && held.Obtained.After(token.Obtained) {
				return err
			}
			return put(w, tablePRT, token.key(), token)
		})
		if err != nil {
			return err
		}
	}
	return s.inOrder(ctx, s.desktop, s.reach)
}

// gestureTicketLife is how long Windows lets a sign-in take that began with a Hello
// gesture: "a fixed 120-second timeout window", from when the gesture was taken to
// when the session opens ("Troubleshoot Windows Hello for Business sign-in on
// captive-portal Wi-Fi").
const gestureTicketLife = 120 * time.Second

// ticketLives ends a sign-in whose gesture is too old to open a session.
func (s *signingIn) ticketLives(context.Context) error {
	if s.released == nil || s.personal() || s.env.Now().Sub(s.gestureTaken) < gestureTicketLife {
		return nil
	}
	err := because("hello_ticket_expired", nil, "The sign-in took %s, and the ticket of a Hello gesture lives %s.",
		providers.FormatDuration(s.env.Now().Sub(s.gestureTaken).Round(time.Second)), providers.FormatDuration(gestureTicketLife))
	s.trace.refused(event.Container, event.Winlogon, local, "sign_in_failed", "Windows drops the ticket of the gesture: it waited too long for the session to open.", err)
	return err
}
