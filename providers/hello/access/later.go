package access

import (
	"slices"
	"strings"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// Later returns the facts of a later time, or of the same when what is due by
// now has been done: administrators are protected, Connect's cycles run, controllers
// enroll and renew their certificates. w is the lab that this happens in.
func (f *Facts) Later(w *hello.World, at time.Time) *Facts {
	p := &planning{Facts: f.clone(), is: w}
	p.Now = at
	for _, addr := range sorted(w.Domains) {
		p.protect(w.Domains[addr])
	}
	for _, addr := range sorted(w.Syncs) {
		p.run(w.Syncs[addr])
	}
	for _, addr := range sorted(w.Domains) {
		p.enroll(w.Domains[addr])
	}
	for _, addr := range sorted(w.Federations) {
		if held := p.Federations[addr]; held != nil {
			p.agent(w.Federations[addr], held)
		}
	}
	for _, addr := range sorted(w.Tenants) {
		p.reread(w.Tenants[addr])
	}
	return p.Facts
}

// pace is how often something runs.
type pace struct {
	on, enabled, own bool // done at all; by itself; apart from the cycles
	interval         time.Duration
}

func cyclesOf(s *hello.Sync) pace { return pace{true, s.In.Enabled, false, s.In.Interval} }

func keysOf(s *hello.Sync) pace { return cyclesOf(s).with(s.In.KeyExport, s.In.KeySchedule) }

func devicesOf(s *hello.Sync) pace {
	return cyclesOf(s).with(s.In.DeviceWriteback, s.In.DeviceSchedule)
}

func (p pace) with(on bool, own *spec.SyncSchedule) pace {
	p.on = on
	if own != nil {
		p.own, p.enabled = true, own.Enabled == nil || *own.Enabled
		if own.Interval != nil {
			p.interval = *own.Interval
		}
	}
	return p
}

// from is when it runs next: an interval after it ran last, or after now.
func (p pace) from(at Timing, now time.Time) Timing {
	began := at.Last
	if began.IsZero() {
		began = now
	}
	at.Next = began.Add(p.interval)
	return at
}

// due is when it ran and runs once it has run at each time that was due.
func (p pace) due(at Timing, now time.Time) (Timing, bool) {
	if !p.on || !p.enabled || at.Next.IsZero() || at.Next.After(now) || p.interval <= 0 {
		return at, false
	}
	next := at.Next.Add((now.Sub(at.Next)/p.interval + 1) * p.interval)
	return Timing{Next: next, Last: next.Add(-p.interval)}, true
}

// run has a Connect server do what is due.
func (p *planning) run(s *hello.Sync) {
	at := p.Syncs[s.Addr]
	cycles, runs := cyclesOf(s).due(at.Cycles, p.Now)
	if runs {
		p.accounts(s)
	}
	at.Cycles = cycles
	part := func(is pace, own Timing, do func(*hello.Sync)) Timing {
		timing, due := cycles, runs
		if is.own {
			timing, due = is.due(own, p.Now)
		}
		if due {
			do(s)
		}
		if is.own || runs {
			return timing
		}
		return own
	}
	at.Keys = part(keysOf(s), at.Keys, p.keys)
	at.Devices = part(devicesOf(s), at.Devices, p.writeBack)
	p.Syncs[s.Addr] = at
}

// cycle is a cycle of Connect that somebody asks for.
func (p *planning) cycle(s *hello.Sync) {
	if s == nil {
		return
	}
	at := p.Syncs[s.Addr]
	at.Cycles = Timing{Next: p.Now.Add(s.In.Interval), Last: p.Now}
	p.accounts(s)
	if !keysOf(s).own {
		p.keys(s)
		at.Keys = at.Cycles
	}
	if !devicesOf(s).own {
		p.writeBack(s)
		at.Devices = at.Cycles
	}
	p.Syncs[s.Addr] = at
}

// accounts carries up whether computers are enabled, and takes from the tenant
// who and what is not in scope any more. A user who comes back into scope is
// another there, without keys; a device has to register again.
func (p *planning) accounts(s *hello.Sync) {
	if s.In.Staging {
		return
	}
	for addr, a := range p.Accounts {
		u := p.is.Users[addr]
		if u == nil || u.In.Tenant != s.In.Tenant || u.In.Domain != s.In.Domain {
			continue
		}
		if a.Absent = !hello.InScope(s.In.Scope, p.placeOf(u)); a.Absent {
			a.TenantKeys = nil
		}
	}
	for addr, m := range p.Machines {
		d := p.is.Devices[addr]
		if d == nil || d.In.Tenant != s.In.Tenant || d.In.Domain != s.In.Domain {
			continue
		}
		// What registered through AD FS Connect does not know: it has no certificate.
		m.Absent = m.Absent || m.Carried != nil && !hello.InScope(s.In.Scope, computer(p.is, d))
		enabled := p.enabledInDomain(d)
		if m.Carried == nil || *m.Carried == enabled {
			continue
		}
		m.Enabled, m.Carried = &enabled, &enabled
	}
}

// enabledInDomain is whether a computer's account is enabled: as planned, once the
// plan has come to the device.
func (p *planning) enabledInDomain(d *hello.Device) bool {
	if p.was != nil && !p.reached[d.Addr] && p.was.Devices[d.Addr] != nil {
		return p.was.Devices[d.Addr].In.EnabledInDomain
	}
	return d.In.EnabledInDomain
}

// keys carries keys down.
func (p *planning) keys(s *hello.Sync) {
	if s.In.Staging || !s.In.KeyExport || !s.In.KeyRight {
		return
	}
	for addr, a := range p.Accounts {
		u := p.is.Users[addr]
		if u == nil || u.In.Tenant != s.In.Tenant || u.In.Domain != s.In.Domain {
			continue
		}
		if a.Guarded {
			continue // the domain refuses to take one, and to give one back
		}
		a.DomainKeys = a.DomainKeys[:0]
		if !hello.InScope(s.In.Scope, p.placeOf(u)) {
			continue // Connect takes its keys back
		}
		for _, k := range a.TenantKeys {
			a.DomainKeys = append(a.DomainKeys, k.ID)
		}
	}
}

// writeBack carries registered devices down, as the tenant has them. What was
// written stays when nothing is written any more.
func (p *planning) writeBack(s *hello.Sync) {
	if s.In.Staging || !s.In.DeviceWriteback {
		return
	}
	for addr, m := range p.Machines {
		d := p.is.Devices[addr]
		if d == nil || d.In.Tenant != s.In.Tenant || m.DeviceID == "" {
			continue
		}
		enabled := d.In.EnabledInTenant
		if m.Enabled != nil {
			enabled = *m.Enabled
		}
		m.Written = enabled && !m.Absent
	}
}

// templateNames are the templates of spec.KDCCertificate as authorities call them.
var templateNames = map[string]string{
	spec.TemplateKerberosAuthentication:         "KerberosAuthentication",
	spec.TemplateDomainControllerAuthentication: "DomainControllerAuthentication",
	spec.TemplateDomainController:               "DomainController",
}

// certificateLife is that of the templates (Windows' own); backdate, how far back
// lives begin (ClockSkewMinutes of AD CS).
const (
	certificateLife = 365 * 24 * time.Hour
	backdate        = 10 * time.Minute
)

// enroll is the autoenrollment of a domain's controllers: each gets the
// certificate that it is to have, renews it in the last fifth of its life, and
// gives one up that it is not to have.
func (p *planning) enroll(d *hello.Domain) {
	held := p.Domains[d.Addr]
	if held == nil {
		return
	}
	names, by := hello.Controllers(d.In)
	kept := map[string]*Certificate{}
	for _, name := range names {
		template := spec.TemplateKerberosAuthentication
		if c := by[name].KDCCertificate; c != nil && c.Template != "" {
			template = c.Template
		}
		if c := p.enrolled(d, held.Certificates[strings.ToLower(name)], template); c != nil {
			kept[strings.ToLower(name)] = c
		}
	}
	held.Certificates = kept
}

func (p *planning) enrolled(d *hello.Domain, have *Certificate, template string) *Certificate {
	if template == spec.TemplateNone {
		return nil
	}
	from := p.issuing(d, template)
	if len(from) == 0 {
		return have
	}
	if have != nil && have.Template == template && slices.ContainsFunc(from, func(a *hello.Authority) bool { return a.Addr == have.Authority }) {
		if p.Now.Before(have.renewal()) {
			return have
		}
	}
	ends := p.Now.Add(certificateLife)
	if own := endOf(from[0]); !own.IsZero() {
		if !p.Now.Before(own) {
			return have // an authority that has ended issues nothing
		}
		if own.Before(ends) {
			ends = own
		}
	}
	kerberos := template == spec.TemplateKerberosAuthentication
	return &Certificate{
		Template: template, Authority: from[0].Addr, NotBefore: p.Now.Add(-backdate), NotAfter: ends,
		ForKDC: kerberos, ForServer: true, Named: kerberos, Responder: from[0].In.OCSP,
	}
}

// issuing are the domain's authorities that offer a template, by name.
func (p *planning) issuing(d *hello.Domain, template string) []*hello.Authority {
	var from []*hello.Authority
	for _, addr := range sorted(p.is.Authorities) {
		a := p.is.Authorities[addr]
		if string(a.In.Domain) != d.Addr {
			continue
		}
		if t := a.In.Templates[templateNames[template]]; t != nil && !t.Enabled {
			continue
		}
		from = append(from, a)
	}
	slices.SortStableFunc(from, func(a, b *hello.Authority) int {
		return strings.Compare(strings.ToLower(a.In.CommonName), strings.ToLower(b.In.CommonName))
	})
	return from
}
