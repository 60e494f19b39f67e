package windows

import (
	"context"

	"hellolab/providers/event"
	"hellolab/providers/windows/kerberos"
)

// partialTicket reports whether the first factor brought a partial ticket, where
// one is asked for: with the token, else to the session. One that began before
// there was any to have gets it with the next token.
func (p *provisioning) partialTicket(ctx context.Context) (bool, error) {
	if !p.cloud.tgt || p.prt == nil {
		return false, nil
	}
	if came := p.prt.tickets; came != nil {
		return kerberos.Usable(came.Domain, p.env.Now()), nil
	}
	held, err := p.cloudTickets(p.user)
	if err == nil && !kerberos.Usable(held.Domain, p.env.Now()) && p.prt.Obtained.Before(p.env.Now()) {
		if err = p.cloud.renew(ctx, p.prt); err != nil {
			return false, err
		}
		held, err = p.cloudTickets(p.user)
	}
	return kerberos.Usable(held.Domain, p.env.Now()), err
}

// domainFirst is the part of the first sign-in on a hybrid joined device that
// goes before the tenant's: the password proves the user to the domain, and
// LSASS keeps ticket and logon. Where no controller is in sight, a password that was
// used there before still opens the session.
func (p *provisioning) domainFirst(ctx context.Context) error {
	t := p.trace
	provider, d, err := p.kerberosOf(p.in.Domain, kerberosLane(t, nil))
	if err != nil {
		return err
	}
	if p.user.upnOnPrem == "" {
		err := refuse("not_domain_account", nil)
		t.refused(event.Kerberos, event.LSASS, local, "domain_account_missing", "The Kerberos provider knows no account of the user in the domain.", err)
		return err
	}
	session, err := provider.SignInPassword(ctx, p.user.onPremName(), string(p.user.password))
	if outOfSight(err) {
		return p.cachedSignIn(t, p.user, shown{password: p.user.password}, d.In, err)
	}
	if err != nil {
		t.refused(event.Kerberos, event.LSASS, protocolKerberos, "domain_sign_in_refused", "The Kerberos provider reports that the domain did not let the user in.", err)
		return err
	}
	if err := p.keepKerberos(ctx, p.user, session); err != nil {
		return err
	}
	return p.cacheLogon(ctx, p.user, shown{password: p.user.password}, d.In)
}
