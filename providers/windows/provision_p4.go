package windows

import (
	"context"

	"hellolab/providers/event"
)

// domainFirst is the part of the first sign-in on a hybrid joined device that
// goes before the tenant's: the password proves the user to the domain, and
// LSASS keeps ticket and logon.
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
	if err != nil {
		t.refused(event.Kerberos, event.LSASS, protocolKerberos, "domain_sign_in_refused", "The Kerberos provider reports that the domain did not let the user in.", err)
		return err
	}
	if err := p.keepKerberos(ctx, p.user, session); err != nil {
		return err
	}
	return p.cacheLogon(ctx, p.user, "", p.user.password, d.In)
}
