package windows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/domainjoin"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/member"
)

// inDomain says whether the device is declared a computer of a domain.
func (m *machine) inDomain() bool {
	return m.in.Join == string(hello.HybridJoined) || m.in.Join == string(hello.DomainJoined)
}

// membership is what it takes to change the machine's account in its domain.
type membership struct {
	provider *kerberos.Provider
	domain   domainjoin.Domain
	admin    domainjoin.Administrator
}

// membershipOf is the machine's membership, seen from where env is: the
// machine's network when it acts, the administrator's when the lab does.
func (m *machine) membershipOf(lane func(string, string, map[string]any)) (membership, error) {
	provider, d, err := m.kerberosOf(m.in.Domain, lane)
	if err != nil {
		return membership{}, err
	}
	provider.Writable()
	return membership{
		provider: provider,
		domain:   domainjoin.Domain{Name: strings.ToLower(d.In.DNSName), Realm: d.Out.Realm, Base: d.Out.DN},
		admin:    domainjoin.Administrator{Account: administer.Account(d.Out), Password: d.Out.AdminPassword},
	}, nil
}

// enterDomain makes the machine a computer of its domain, unless it is one. Its
// password is durable before the account has it; an account that a killed join
// left is taken over with a new one.
func (r *registering) enterDomain(ctx context.Context) error {
	if r.rec.Member != nil {
		return nil
	}
	ms, err := r.membershipOf(kerberosLane(r.trace, nil))
	if err != nil {
		return err
	}
	password, err := member.NewPassword(r.env.Rand)
	if err != nil {
		return err
	}
	name, version := domainjoin.OperatingSystem(r.in.OS)
	r.trace.step(event.Device, event.ActiveDirectory, "LDAP", "domain_join", "An administrator joins the machine to the domain: its account is made.",
		message{"domain": ms.domain.Name, "computer": r.rec.Name, "operating_system": name})
	joined, err := domainjoin.Join(ctx, r.env, ms.provider, ms.domain, ms.admin,
		domainjoin.Computer{Name: r.rec.Name, OS: name, OSVersion: version, Password: password})
	if err != nil {
		return err
	}
	r.rec.Member = joined
	if err := r.save(ctx); err != nil {
		return err
	}
	failpoint(r.env, "device:domain-joined")
	r.trace.step(event.Device, "", local, "domain_joined", "The machine keeps its account's password: it is a computer of the domain.",
		message{"object_guid": joined.ObjectGUID, "sid": joined.SID, "account": joined.Account.Host})
	return nil
}

// computer reads the machine's account as the domain's administrator.
func (m *machine) computer(ctx context.Context) (enabled bool, err error) {
	desk := *m
	desk.env = m.desk
	ms, err := desk.membershipOf(nil)
	if err != nil {
		return false, err
	}
	return domainjoin.Enabled(ctx, m.desk, ms.provider, ms.domain, ms.admin, *m.rec.Member)
}

// inItsDomain is computer; without an account there is nothing to compare with.
func (m *machine) inItsDomain(ctx context.Context) (enabled bool, err error) {
	if m.rec.Member == nil {
		return false, providers.ErrGone
	}
	enabled, err = m.computer(ctx)
	if domainjoin.Gone(err) {
		err = providers.ErrGone
	}
	return enabled, err
}

// changeComputer makes the machine's account, if it has one, what is declared
// of it, as the domain's administrator.
func (m *machine) changeComputer(ctx context.Context) error {
	if m.rec.Member == nil {
		return nil
	}
	if name := computerName(m.in, m.addr); !strings.EqualFold(m.rec.Name, name) {
		return fmt.Errorf("a computer of a domain keeps its name, and it is %s: remove the device, and add it as %s", m.rec.Name, name)
	}
	desk := *m
	desk.env = m.desk
	ms, err := desk.membershipOf(nil)
	if err != nil {
		return err
	}
	if err := m.changeEnterprise(ctx); err != nil {
		return err
	}
	name, version := domainjoin.OperatingSystem(m.in.OS)
	return domainjoin.Change(ctx, m.desk, ms.provider, ms.domain, ms.admin, *m.rec.Member, m.in.EnabledInDomain, name, version)
}

// leaveDomain deletes the machine's account. In a domain that is gone there is
// none.
func (m *machine) leaveDomain(ctx context.Context) error {
	if m.rec.Member == nil {
		return nil
	}
	desk := *m
	desk.env = m.desk
	ms, err := desk.membershipOf(nil)
	if errors.Is(err, providers.ErrUnknownObject) || errors.Is(err, errNotCreated) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := domainjoin.Leave(ctx, m.desk, ms.provider, ms.domain, ms.admin, *m.rec.Member); err != nil {
		return fmt.Errorf("%s: leave the domain: %w", m.addr, err)
	}
	m.rec.Member = nil
	return m.save(ctx)
}
