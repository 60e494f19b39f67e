package windows

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// AD FS issues a primary refresh token of its own, the enterprise token (MS-OAPXBC
// 3.2.5.1; seed 002, the note after A4). LSASS keeps it beside the tenant's, or in
// its place where there is no tenant. Nobody's desktop waits for it.

// asksEnterprise is the AD FS that Cloud AP gets an enterprise token from, for a
// user on the machine; nil where it asks for none. On-premises AD FS is all there
// is; of a hybrid deployment certificate trust needs it.
func (m *machine) asksEnterprise(user person, route hello.Route) (*federationObject, error) {
	wanted := route.Deployment == hello.OnPremises || route.Trust == hello.CertTrust && route.Delivery == hello.RegistrationAuthority
	if !wanted || !m.inDomain() || m.identity() == nil || user.domain != m.in.Domain {
		return nil, nil
	}
	return adfsOn(m.env, m.in.Domain)
}

// towards is Cloud AP as it asks AD FS.
func (c *cloudAP) towards(sts *federationObject) *cloudAP {
	other := *c
	other.sts, other.tgt = sts, false
	return &other
}

// enterpriseByPassword gets the token by the password, which the first sign-in has.
func (c *cloudAP) enterpriseByPassword(ctx context.Context, user person, password providers.Secret) (*prtRecord, error) {
	c.trace.step(event.LSASS, event.CloudAP, local, "enterprise_credentials", "While the desktop loads, LSASS passes the credentials to Cloud AP for AD FS, too.", nil)
	nonce, err := c.nonce(ctx)
	if err != nil {
		return nil, err
	}
	return c.enterprise(ctx, user, byPassword, prt.Request{GrantType: oauth.GrantPassword, Username: user.upnOnPrem, Password: string(password), RequestNonce: nonce})
}

// enterprise asks AD FS for the token by a proof over its nonce, and has LSASS
// keep it.
func (c *cloudAP) enterprise(ctx context.Context, user person, credential string, r prt.Request) (*prtRecord, error) {
	t := c.trace
	t.step(event.CloudAP, event.STS, https, "enterprise_prt_request", "Cloud AP asks AD FS for its primary refresh token, in a request signed with the device key.",
		message{"grant_type": r.GrantType, "scope": c.at().scope, "device_id": c.m.identity().DeviceID})
	reply, err := c.exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	rec, err := c.keep(ctx, reply, credential, user.upn)
	if err != nil {
		return nil, err
	}
	rec.SID = user.sid
	err = c.m.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableEnterprise, rec.key(), rec) })
	if err != nil {
		return nil, err
	}
	failpoint(c.m.env, "device:enterprise-prt")
	t.step(event.LSASS, "", local, "enterprise_prt_cached", "LSASS caches the primary refresh token of AD FS.",
		message{"credential": credential, "expires": rec.Expires, "claims": claims(reply.IDToken)})
	return rec, nil
}

// heldEnterprise is the token that LSASS has for a user, that which ends last; nil
// when there is none that is good.
func (m *machine) heldEnterprise(user person) (best *prtRecord, err error) {
	for _, credential := range []string{byHello, byPassword} {
		rec, ok, err := view[prtRecord](m.env.Section, tableEnterprise, user.sid+"|"+credential)
		if err != nil {
			return nil, err
		}
		if ok && m.env.Now().Before(rec.Expires) && (best == nil || rec.Expires.After(best.Expires)) {
			best = &rec
		}
	}
	return best, nil
}

// enterpriseAtFirst gets the token at the first sign-in, before Windows looks
// whether to offer Hello. Without one the session stays.
func (p *provisioning) enterpriseAtFirst(ctx context.Context) error {
	sts, err := p.asksEnterprise(p.user, p.route)
	if err != nil || sts == nil {
		return err
	}
	if p.enterprise, err = p.heldEnterprise(p.user); err != nil || p.enterprise != nil {
		return err
	}
	if p.enterprise, err = p.cloud.towards(sts).enterpriseByPassword(ctx, p.user, p.user.password); err != nil {
		p.trace.refused(event.CloudAP, event.LSASS, local, "enterprise_prt_missing", "There is no primary refresh token of AD FS; the session in Windows stays.", err)
	}
	return ctx.Err()
}

// enterpriseBehindDesktop is the end of A7, and of A8: Cloud AP gets the token of
// AD FS by what the user signed in with. An unlock goes on with the session's. What
// stops it does not end the session.
func (s *signingIn) enterpriseBehindDesktop(ctx context.Context) error {
	sts, err := s.asksEnterprise(s.user, s.route)
	if err != nil || sts == nil {
		return err
	}
	if s.enterprise, err = s.enterpriseToken(ctx, s.cloud.towards(sts)); err != nil && !s.trace.refusing {
		s.trace.refused(event.CloudAP, event.LSASS, local, "enterprise_prt_missing", "There is no primary refresh token of AD FS; the session in Windows stays.", err)
	}
	return ctx.Err()
}

func (s *signingIn) enterpriseToken(ctx context.Context, c *cloudAP) (*prtRecord, error) {
	if s.request.Unlock {
		held, err := s.heldEnterprise(s.user)
		if err != nil {
			return nil, err
		}
		if held != nil {
			if err = c.renewIfDue(ctx, held); err == nil || !isOver(err) {
				return held, err
			}
		}
	}
	if s.released == nil {
		return c.enterpriseByPassword(ctx, s.user, s.request.Password)
	}
	s.trace.step(event.LSASS, event.CloudAP, local, "enterprise_credentials", "While the desktop loads, LSASS passes the credentials to Cloud AP for AD FS, too.", nil)
	nonce, err := c.nonce(ctx)
	if err != nil {
		return nil, err
	}
	assertion, err := s.signFor(ctx, c, nonce)
	if err != nil {
		return nil, err
	}
	if s.route.Deployment == hello.OnPremises {
		s.trace.in("G")
	}
	return c.enterprise(ctx, s.user, byHello, prt.Request{GrantType: oauth.GrantJWTBearer, Username: s.user.upnOnPrem, Assertion: assertion, RequestNonce: nonce})
}
