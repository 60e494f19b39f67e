package windows

import (
	"context"
	"errors"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// firstSignIn signs a user in before they have a Hello credential: with the
// password, or, right after the user joined the device, with what the
// out-of-box sign-in left. Either brings a primary refresh token; only the
// second one's has a second factor in it. A user who is signed in already
// stays so.
func (c *cloudAP) firstSignIn(ctx context.Context, p person) (*prtRecord, error) {
	for _, credential := range []string{byRefresh, byPassword} {
		rec, ok, err := view[prtRecord](c.m.env.Section, tablePRT, p.sid+"|"+credential)
		if err != nil {
			return nil, err
		}
		if ok && rec.Tenant == c.tenant.TenantID && c.m.env.Now().Before(rec.Expires) {
			c.trace.step(event.User, c.door(), local, "first_factor", "The user is signed in with the first factor.",
				message{"user": p.upn, "credential": credential, "since": rec.Obtained})
			return &rec, nil
		}
	}
	left, ok, err := view[wamRecord](c.m.env.Section, tableWAM, p.sid)
	if err != nil {
		return nil, err
	}
	if ok {
		rec, err := c.signInWith(ctx, p, byRefresh, left.SecondFactor, func(context.Context) (prt.Request, error) {
			return prt.Request{GrantType: oauth.GrantRefreshToken, RefreshToken: left.RefreshToken}, nil
		})
		var refusal *oauth.Error
		if err == nil || !errors.As(err, &refusal) {
			return rec, err
		}
		c.trace.skip(event.CloudAP, "oobe_sign_in_over", "The tenant does not take that sign-in any more: the user types the password.", reasonOf(refusal).Code)
	}
	return c.passwordSignIn(ctx, p)
}

// passwordSignIn is a sign-in with user name and password.
func (c *cloudAP) passwordSignIn(ctx context.Context, p person) (*prtRecord, error) {
	if len(p.password) == 0 {
		return nil, because("wrong_password", nil, "The password of %s is not known in this run.", p.addr)
	}
	return c.signInWith(ctx, p, byPassword, time.Time{}, func(ctx context.Context) (prt.Request, error) { return c.byPasswordOf(ctx, p, p.password) })
}

// signInWith goes from Winlogon to a primary refresh token by a proof that is
// not a Hello key. second is when a second factor was given with it; zero: none was.
func (c *cloudAP) signInWith(ctx context.Context, p person, credential string, second time.Time, proof func(context.Context) (prt.Request, error)) (*prtRecord, error) {
	t := c.trace
	if c.m.personal() {
		c.accountSignIn(p.upn, credential)
	} else {
		t.step(event.User, event.Winlogon, local, "first_factor", "The user signs in with the first factor.", message{"user": p.upn, "credential": credential})
		t.step(event.Winlogon, event.LSASS, local, "credentials_to_lsass", "Winlogon passes the credentials to LSASS.", nil)
		t.step(event.LSASS, event.CloudAP, local, "credentials_to_cloud_ap", "LSASS passes the credentials to Cloud AP.", nil)
	}
	r, err := proof(ctx)
	if err != nil {
		return nil, err
	}
	rec, reply, err := c.prove(ctx, p, credential, r)
	if err != nil {
		return nil, err
	}
	rec.SecondFactor = second
	if err := c.cache(ctx, p.sid, rec, true); err != nil {
		return nil, err
	}
	t.step(event.LSASS, "", local, "prt_cached", "LSASS caches the primary refresh token.", message{"claims": claims(reply.IDToken)})
	c.ticketsCached(rec.tickets)
	return rec, nil
}

// prove exchanges a proof that is not a Hello key for a primary refresh token,
// which is nobody's session yet.
func (c *cloudAP) prove(ctx context.Context, p person, credential string, r prt.Request) (*prtRecord, *oauth.TokenResponse, error) {
	nonce, err := c.nonce(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.RequestNonce = nonce
	c.trace.step(event.CloudAP, event.EntraID, https, "prt_request", "Cloud AP asks for a primary refresh token, signed with the device key.",
		message{"grant_type": r.GrantType, "scope": c.at().scope, "device_id": c.m.identity().DeviceID})
	reply, err := c.exchange(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	rec, err := c.keep(ctx, reply, credential, p.upn)
	return rec, reply, err
}

// passwordToken proves user name and password where nobody signs in to Windows: at
// its lock screen.
func (c *cloudAP) passwordToken(ctx context.Context, p person) (*prtRecord, error) {
	r, err := c.byPasswordOf(ctx, p, p.password)
	if err != nil {
		return nil, err
	}
	rec, _, err := c.prove(ctx, p, byPassword, r)
	if rec != nil {
		rec.SID = p.sid
	}
	return rec, err
}
