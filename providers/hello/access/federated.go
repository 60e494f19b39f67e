package access

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// passwordElsewhere is the code for which the federation service of the tenant that
// the sign-in is to does not take the user's password; "" when it does, or the
// tenant checks passwords itself.
func (s *signingIn) passwordElsewhere() string {
	t := s.world.Tenants[string(s.tenant())]
	if t == nil || !hello.Authentication(t.In.Authentication).Federated() {
		return ""
	}
	sts := s.world.Federations[string(t.In.Federation)]
	_, suffix, _ := strings.Cut(s.u.In.UPN, "@")
	switch {
	case !slices.ContainsFunc(t.In.Domains, func(d string) bool { return strings.EqualFold(d, suffix) }):
		return "upn_suffix_unknown"
	case sts == nil, !sts.In.Enabled:
		return "federation_unreachable"
	case !byMessage(sts):
		return "federation_without_password_endpoint"
	case sts.In.Kind == spec.FederationThirdParty:
		if !s.account.Elsewhere || sts.In.MFARule == spec.MFAAlways {
			return "wrong_password"
		}
		return ""
	case s.u.In.Domain != sts.In.Domain, !s.u.In.EnabledInDomain, s.account.Locked, s.passwordOver(),
		!s.account.AccountExpires.IsZero() && !s.facts.Now.Before(s.account.AccountExpires),
		sts.In.MFARule == spec.MFAAlways: // a request by message cannot bring a second factor
		return "wrong_password" // AD FS says no more
	}
	return ""
}

// byMessage says whether a service takes a name and a password by message.
func byMessage(sts *hello.Federation) bool { return sts.In.Passwords == nil || *sts.In.Passwords }

// passwordHere is the code for which the tenant does not take what proves a user's
// password to it: of a federated one, an assertion that is signed by a certificate
// which it does not know yet; of a managed one, a password that it has none of.
func (s *signingIn) passwordHere() string {
	addr := string(s.tenant())
	t := s.world.Tenants[addr]
	switch {
	case t == nil:
	case !hello.Authentication(t.In.Authentication).Federated():
		if s.account.NoSecret {
			return "wrong_password"
		}
	case s.facts.Tenants[addr] != nil && s.facts.Tenants[addr].Stale:
		return "assertion_refused"
	}
	return ""
}

// secondFactor is the code for which the user does not pass phase A of a
// provisioning flow with two factors; "" when the user does.
func (s *signingIn) secondFactor() string {
	registered := s.u.In.MFA != "none" && s.u.In.MFA != ""
	sts := s.world.Federations[s.world.TokenServiceOf(s.u)]
	if sts == nil {
		if !registered {
			return "mfa_not_registered"
		}
		return ""
	}
	// A tenant that does not count what the federation service verified (reject) asks
	// for its own after that.
	switch {
	case !sts.In.Enabled:
		return "federation_unreachable"
	case sts.In.MFARule == spec.MFANever:
		return "mfa_required" // AD FS waives it
	case sts.In.MFA == spec.AdapterNone:
		return "federation_refused"
	case !registered:
		return "adapter_not_registered"
	}
	return ""
}

// federatedTenant is the service that checks the passwords of a tenant's users; nil of
// a managed one.
func federatedTenant(w *hello.World, t *hello.Tenant) *hello.Federation {
	if t == nil || !hello.Authentication(t.In.Authentication).Federated() {
		return nil
	}
	return w.Federations[string(t.In.Federation)]
}

// metadataEvery is how often a tenant reads the metadata of its federation service.
const metadataEvery = 24 * time.Hour

// tenants: one that is made or changed reads the metadata of its federation service,
// if it does not know the certificate that the service signs by; another goes on by
// what it read.
func (p *planning) tenants() {
	for addr := range p.was.Tenants {
		if p.is.Tenants[addr] == nil {
			delete(p.Tenants, addr)
		}
	}
	for _, addr := range sorted(p.is.Tenants) {
		t, was := p.is.Tenants[addr], p.was.Tenants[addr]
		sts := federatedTenant(p.is, t)
		if sts == nil {
			delete(p.Tenants, addr)
			continue
		}
		before := p.was.Federations[sts.Addr]
		held := p.Tenants[addr]
		if held == nil {
			held = &Tenant{Next: p.Now.Add(metadataEvery)}
			p.Tenants[addr] = held
		}
		if before == nil || !sts.Exists() || before.In.SigningVersion != sts.In.SigningVersion {
			held.Stale = true
		}
		made := was == nil || !t.Exists() || federatedTenant(p.was, was) == nil || was.In.Federation != t.In.Federation
		if made || held.Stale && sts.In.Enabled && !reflect.DeepEqual(was.In, t.In) {
			held.Stale, held.Next = false, p.Now.Add(metadataEvery)
		}
	}
}

// unvouched tells among the gaps which devices the plan makes that cannot join: AD FS
// vouches for them by a certificate that their tenant does not know yet, which it learns
// at its next reading.
func (p *planning) unvouched() {
	for _, addr := range sorted(p.is.Devices) {
		d := p.is.Devices[addr]
		f := p.is.JoinsThrough(d)
		if f == nil || d.Exists() && p.was.Devices[addr] != nil {
			continue
		}
		if held := p.Tenants[string(d.In.Tenant)]; held != nil && held.Stale {
			when := "once a day"
			if held.Next.After(p.Now) {
				when = "at " + held.Next.UTC().Format(time.RFC3339)
			}
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s joins through %s, which signs by a certificate that %s does not know yet: the tenant refuses it (AADSTS50008), and the apply stops there. The tenant reads the metadata %s; add the device after that.", addr, f.Addr, d.In.Tenant, when))
		}
	}
}

// reread is a tenant that reads the metadata of its federation service again, when it
// is time; one that does not answer it asks the next time.
func (p *planning) reread(t *hello.Tenant) {
	held, sts := p.Tenants[t.Addr], federatedTenant(p.is, t)
	if held == nil || sts == nil || !sts.In.Enabled || held.Next.IsZero() || held.Next.After(p.Now) {
		return
	}
	held.Stale, held.Next = false, p.Now.Add(metadataEvery)
}

// givesPassword puts the password of a user, who is made or gets another, where it is
// checked: with another vendor's service, else with the tenant.
func (p *planning) givesPassword(u *hello.User, a *Account, made bool) {
	sts := federatedTenant(p.is, p.is.Tenants[string(u.In.Tenant)])
	switch {
	case !u.HasPassword:
	case sts != nil && sts.In.Kind == spec.FederationThirdParty:
		a.Elsewhere = true
		a.NoSecret = (a.NoSecret || made) && u.In.Domain == "" // Connect carries it up, whoever checks it
	default:
		a.NoSecret = false
	}
}

// passwordless tells among the gaps whose password is not where it is checked once a
// plan has another check the passwords of a tenant.
func (p *planning) passwordless() {
	for _, addr := range sorted(p.is.Tenants) {
		t, was := p.is.Tenants[addr], p.was.Tenants[addr]
		sts := federatedTenant(p.is, t)
		third := sts != nil && sts.In.Kind == spec.FederationThirdParty
		if was == nil || sts != nil && !third || !third && federatedTenant(p.was, was) == nil || third && sts.Exists() && was.In.Federation == t.In.Federation {
			continue
		}
		var who []string
		for _, user := range sorted(p.is.Users) {
			a, u := p.Accounts[user], p.is.Users[user]
			if a != nil && u.In.Tenant == providers.Ref(addr) && u.HasPassword && (third && !a.Elsewhere || !third && a.NoSecret) {
				who = append(who, user)
			}
		}
		holder := addr
		if third {
			holder = sts.Addr
		}
		if n := len(who); n > 0 {
			if n > 5 {
				who = append(who[:4], fmt.Sprintf("and %d more", n-4))
			}
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s will have no password of %s: sign-ins by password are refused until password_version is raised.", holder, strings.Join(who, ", ")))
		}
	}
}
