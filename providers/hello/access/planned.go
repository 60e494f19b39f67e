package access

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// ticketLife is that of a domain's ticket-granting tickets (Windows' default).
const ticketLife = 10 * time.Hour

// Planned returns the facts that hold once a plan is applied: f are those of the
// lab as it is, was; is the lab as planned, in which an object that is made, or
// made anew, has no ID. What time alone brings, at the end of an apply and
// later, Later adds.
//
// It follows what an apply does, in its order: what goes, then syncs, users,
// devices, and enrollments. Making or changing a user of both directories, and
// making a hybrid joined device, has Connect run a cycle; making an enrollment
// comes after these, so that its key waits for another.
func Planned(f *Facts, was, is *hello.World) *Facts {
	p := &planning{Facts: f.clone(), was: was, is: is, reached: map[string]bool{}}
	p.certificatesGo()
	p.enrollmentsGo()
	p.objectsGo()
	p.places()
	p.domains()
	p.servers()
	p.syncs()
	p.federations()
	p.tenants()
	p.unvouched()
	p.users()
	p.devices()
	p.enrollmentsCome()
	p.certificatesCome()
	p.passwordless()
	p.leaving()
	return p.Facts
}

// planning is Facts on their way from one World to another.
type planning struct {
	*Facts
	was, is *hello.World
	reached map[string]bool // devices to which the plan has come
}

// stays reports whether an object is the same before and after: neither gone nor
// made anew.
func stays[T any](was, is map[string]T, addr string, exists func(T) bool) bool {
	_, had := was[addr]
	now, has := is[addr]
	return had && has && exists(now)
}

func (p *planning) enrollmentsGo() {
	for addr, e := range p.was.Enrollments {
		if !stays(p.was.Enrollments, p.is.Enrollments, addr, (*hello.Enrollment).Exists) {
			p.forget(e)
		}
	}
}

// forget removes a credential from the device, and its key from the tenant.
func (p *planning) forget(e *hello.Enrollment) {
	user := string(e.In.User)
	m := p.Machines[string(e.In.Device)]
	if m == nil || m.Credentials[user] == nil {
		return
	}
	c := m.Credentials[user]
	if a := p.Accounts[user]; a != nil {
		a.TenantKeys = slices.DeleteFunc(a.TenantKeys, func(k Key) bool { return k.ID == c.KeyID })
	}
	if a := p.Accounts[user]; a != nil && p.Machines[string(e.In.Device)].Enterprise != "" {
		a.DomainKeys = slices.DeleteFunc(a.DomainKeys, func(k string) bool { return k == c.KeyID })
	}
	c.KeyID, c.Gestures, c.Sensed, c.Barred, c.Domain, c.Certificates, c.Further = "", nil, nil, "", "", nil, nil
	if d := p.was.Devices[string(e.In.Device)]; d != nil && d.In.Join != string(hello.Registered) {
		c.Session, c.Ticket, c.Partial, c.Token = false, nil, time.Time{}, nil
	}
}

func (p *planning) objectsGo() {
	for addr := range p.was.Devices {
		if !stays(p.was.Devices, p.is.Devices, addr, (*hello.Device).Exists) {
			delete(p.Machines, addr)
		}
	}
	for addr := range p.was.Users {
		if stays(p.was.Users, p.is.Users, addr, (*hello.User).Exists) {
			continue
		}
		delete(p.Accounts, addr)
		for _, m := range p.Machines {
			delete(m.Credentials, addr) // a device knows people by their identifiers
		}
	}
	for addr := range p.was.Domains {
		if !stays(p.was.Domains, p.is.Domains, addr, (*hello.Domain).Exists) {
			delete(p.Domains, addr)
		}
	}
	for addr := range p.was.Syncs {
		if !stays(p.was.Syncs, p.is.Syncs, addr, (*hello.Sync).Exists) {
			delete(p.Syncs, addr)
		}
	}
}

// places notes where accounts are: one that the plan gives another name stays there.
func (p *planning) places() {
	for addr, a := range p.Accounts {
		if u := p.was.Users[addr]; u != nil {
			a.DN = u.Out.DN
		}
	}
}

func (p *planning) domains() {
	for addr := range p.is.Domains {
		if p.Domains[addr] == nil {
			p.Domains[addr] = &Domain{Certificates: map[string]*Certificate{}, Protection: Timing{Last: p.Now, Next: p.Now.Add(protects.interval)}}
		}
	}
}

// servers: what makes or changes a trust makes its server object whole, with one
// key in both places.
func (p *planning) servers() {
	for addr, t := range p.is.Trusts {
		if was := p.was.Trusts[addr]; was == nil || !t.Exists() || !reflect.DeepEqual(was.In, t.In) {
			delete(p.Servers, addr)
		}
	}
}

// syncs: a new scheduler, and one that is started again or changes its pace,
// begins a new interval.
func (p *planning) syncs() {
	for addr, s := range p.is.Syncs {
		was := p.was.Syncs[addr]
		switch {
		case was == nil || !s.Exists():
			p.Syncs[addr] = Schedule{Cycles: cyclesOf(s).from(Timing{}, p.Now), Keys: keysOf(s).from(Timing{}, p.Now), Devices: devicesOf(s).from(Timing{}, p.Now)}
		default:
			at := p.Syncs[addr]
			if cyclesOf(s) != cyclesOf(was) {
				at.Cycles = cyclesOf(s).from(at.Cycles, p.Now)
			}
			at.Keys = keysOf(s).again(keysOf(was), at.Keys, at.Cycles, p.Now)
			at.Devices = devicesOf(s).again(devicesOf(was), at.Devices, at.Cycles, p.Now)
			p.Syncs[addr] = at
		}
	}
}

// federations: a registration authority that comes gets its enrollment agent
// certificate.
func (p *planning) federations() {
	for addr, f := range p.is.Federations {
		was, had := p.was.Federations[addr]
		if !had || !f.Exists() {
			p.Federations[addr] = &Federation{}
		}
		held := p.Federations[addr]
		if held == nil {
			held = &Federation{}
			p.Federations[addr] = held
		}
		if had && was.In.Authority != f.In.Authority {
			held.Agent = nil
		}
		p.agent(f, held)
	}
	for addr := range p.was.Federations {
		if p.is.Federations[addr] == nil {
			delete(p.Federations, addr)
		}
	}
}

// again is when a part of a sync runs whose pace was another: with the cycles, or,
// by a schedule of its own, after a new interval.
func (p pace) again(was pace, own, cycles Timing, now time.Time) Timing {
	switch {
	case !p.own:
		own.Next = cycles.Next
	case p != was:
		own = p.from(own, now)
	}
	return own
}

func (p *planning) users() {
	for _, addr := range sorted(p.is.Users) {
		u, was := p.is.Users[addr], p.was.Users[addr]
		a := p.Accounts[addr]
		changed := false
		if a == nil {
			a = &Account{PasswordSet: p.Now, MustChange: u.In.PasswordExpired, NoPassword: !u.HasPassword}
			p.Accounts[addr], changed = a, true
			p.givesPassword(u, a, true)
		} else if was != nil {
			changed = !reflect.DeepEqual(was.In, u.In)
			if was.In.PasswordVersion != u.In.PasswordVersion || was.In.PasswordExpired != u.In.PasswordExpired {
				a.PasswordSet, a.MustChange = p.Now, u.In.PasswordExpired
			}
			if was.In.PasswordVersion != u.In.PasswordVersion {
				p.givesPassword(u, a, false)
			}
		}
		if u.In.Domain == "" {
			continue
		}
		a.PasswordExpires = p.expiry(u, a)
		if changed && u.In.Tenant != "" {
			p.unreached(u)
			p.notRenamed(was, u)
			p.cycle(p.is.SyncBetween(u.In.Tenant, u.In.Domain))
		}
	}
}

// unreached tells of a user who is changed and whom Connect does not carry: the
// apply waits for it in vain, and ends.
func (p *planning) unreached(u *hello.User) {
	if s := p.is.SyncBetween(u.In.Tenant, u.In.Domain); s != nil && !hello.InScope(s.In.Scope, p.placeOf(u)) {
		p.Gaps = append(p.Gaps, fmt.Sprintf("%s is not in the scope of %s: an apply that changes it stops there.", u.Addr, s.Addr))
	}
}

// notRenamed tells of a user whose new name Connect does not carry.
func (p *planning) notRenamed(was, is *hello.User) {
	s := p.is.SyncBetween(is.In.Tenant, is.In.Domain)
	if s != nil && s.In.Staging && was != nil && !strings.EqualFold(was.In.UPN, is.In.UPN) {
		p.Gaps = append(p.Gaps, fmt.Sprintf("%s is in staging mode: an apply that gives %s another name changes it in the domain, and stops there.", s.Addr, is.Addr))
	}
}

// expiry is when a password ends by the policy on it, which may come to the user
// from elsewhere than before: as the domain says it, where its age is the same.
func (p *planning) expiry(u *hello.User, a *Account) time.Time {
	policy, by := p.is.PasswordPolicyOf(u.Addr)
	if by == "" || a.PasswordSet.IsZero() {
		return a.PasswordExpires
	}
	if was, had := p.was.PasswordPolicyOf(u.Addr); had != "" && was.MaxAge == policy.MaxAge && !a.PasswordExpires.IsZero() && a.PasswordSet != p.Now {
		return a.PasswordExpires
	}
	if policy.MaxAge > 0 {
		return a.PasswordSet.Add(policy.MaxAge)
	}
	return time.Time{}
}

func (p *planning) devices() {
	for _, addr := range sorted(p.is.Devices) {
		d, was := p.is.Devices[addr], p.was.Devices[addr]
		m := p.Machines[addr]
		p.reached[addr] = true
		if m == nil {
			p.joins(addr, d)
			continue
		}
		if was == nil || reflect.DeepEqual(was.In, d.In) {
			continue
		}
		m.Enabled = nil // the administrator says it again
		if m.Enterprise != "" {
			m.Written = d.In.EnabledInDomain // of the device object that AD FS registered, too
		}
	}
}

// joins makes a device: it registers with its tenant, a member of a domain without
// one with AD FS. Of a hybrid joined one a cycle carries the account first.
func (p *planning) joins(addr string, d *hello.Device) {
	m := &Machine{Credentials: map[string]*Credential{}}
	p.Machines[addr] = m
	switch hello.JoinType(d.In.Join) {
	case hello.HybridJoined:
		s := p.is.SyncBetween(d.In.Tenant, d.In.Domain)
		if p.registersByClaims(d) {
			m.DeviceID = planned(addr)
			p.writesBackNow(s)
			return
		}
		p.cycle(s)
		m.Carried = ptr(true) // it joins enabled, and is disabled afterwards
		m.DeviceID = planned(addr)
	case hello.DomainJoined:
		if p.is.RegistersAt(d) != "" {
			m.Enterprise, m.Written = planned(addr), true
		}
	case hello.NotJoined:
	default:
		m.DeviceID = planned(addr)
	}
}

// writesBackNow has Connect write devices back, which one that registered through AD
// FS asks for.
func (p *planning) writesBackNow(s *hello.Sync) {
	if s == nil || s.In.Staging || !s.In.DeviceWriteback {
		return
	}
	p.writeBack(s)
	at := p.Syncs[s.Addr]
	if at.Devices.Last = p.Now; devicesOf(s).own {
		at.Devices.Next = p.Now.Add(devicesOf(s).interval)
	}
	p.Syncs[s.Addr] = at
}

// registersByClaims reports whether a hybrid joined device registers by what AD FS
// says of its computer, and waits for no cycle.
func (p *planning) registersByClaims(d *hello.Device) bool {
	t := p.is.Tenants[string(d.In.Tenant)]
	if t == nil || !hello.Authentication(t.In.Authentication).Federated() {
		return false
	}
	f := p.is.Federations[string(t.In.Federation)]
	return f != nil && f.In.Kind == spec.FederationADFS && f.In.Domain == d.In.Domain
}

func (p *planning) enrollmentsCome() {
	for _, addr := range sorted(p.is.Enrollments) {
		if e := p.is.Enrollments[addr]; !e.Exists() {
			p.provision(e)
		}
	}
}

// planned is the id of what does not exist yet.
func planned(addr string) string { return "planned:" + addr }

func ptr[T any](v T) *T { return &v }

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
