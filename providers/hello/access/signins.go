package access

import (
	"iter"
	"strings"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// SignIns are those that people with a Hello credential can try: for each
// enrollment, by PIN and by each of its gestures, to Windows, the tenant and its
// applications, and the user's domain and its services; and the unlock of a session
// where that ends otherwise than the sign-in.
func (l *Lab) SignIns() iter.Seq[Request] {
	return func(yield func(Request) bool) {
		to := map[[2]providers.Ref][]string{}
		for _, addr := range sorted(l.world.Enrollments) {
			e := l.world.Enrollments[addr]
			u, d := l.world.Users[string(e.In.User)], l.world.Devices[string(e.In.Device)]
			if u == nil || d == nil {
				continue
			}
			key := [2]providers.Ref{u.In.Tenant, u.In.Domain}
			if to[key] == nil {
				to[key] = l.targets(u)
			}
			for _, g := range append([]string{"pin"}, e.In.Gestures...) {
				if l.Unlocks(string(e.In.User), string(e.In.Device), g) && !yield(Request{User: string(e.In.User), Device: string(e.In.Device), To: ToUnlock, Gesture: g}) {
					return
				}
				for _, t := range to[key] {
					if !yield(Request{User: string(e.In.User), Device: string(e.In.Device), To: t, Gesture: g}) {
						return
					}
				}
			}
		}
	}
}

// ByPassword are the sign-ins by password, to Windows and the tenant, of people with a
// Hello credential in some tenants. They are worth a look where it changes who checks
// passwords, or what comes of it: Hello needs none of that.
func (l *Lab) ByPassword(tenants map[string]bool) iter.Seq[Request] {
	return func(yield func(Request) bool) {
		for _, addr := range sorted(l.world.Enrollments) {
			e := l.world.Enrollments[addr]
			u := l.world.Users[string(e.In.User)]
			if u == nil || l.world.Devices[string(e.In.Device)] == nil || !tenants[string(u.In.Tenant)] {
				continue
			}
			for _, to := range []string{"", string(u.In.Tenant)} {
				if !yield(Request{User: string(e.In.User), Device: string(e.In.Device), To: to, Gesture: ByPassword}) {
					return
				}
			}
		}
	}
}

// PasswordsMove are the tenants whose users' passwords are checked elsewhere in another
// lab, or otherwise: by another service, one that runs or does not, that takes passwords
// by message or does not, one that signs by a certificate that the tenant knows or does
// not.
func (l *Lab) PasswordsMove(then *Lab) map[string]bool {
	moved := map[string]bool{}
	for _, addr := range sorted(then.world.Tenants) {
		if t := l.world.Tenants[addr]; t != nil && l.checkedBy(t) != then.checkedBy(then.world.Tenants[addr]) {
			moved[addr] = true
		}
	}
	return moved
}

// checker is who checks the passwords of a tenant's users; zero: the tenant itself.
type checker struct {
	service   string
	runs      bool
	byMessage bool
	rule      string
	stale     bool
}

func (l *Lab) checkedBy(t *hello.Tenant) checker {
	sts := federatedTenant(l.world, t)
	if sts == nil {
		return checker{}
	}
	held := l.facts.Tenants[t.Addr]
	return checker{
		service: sts.Addr, runs: sts.In.Enabled, byMessage: byMessage(sts), rule: sts.In.MFARule,
		stale: held != nil && held.Stale,
	}
}

// Stale are the tenants that do not know the certificate by which their federation
// services sign.
func (l *Lab) Stale() map[string]bool {
	stale := map[string]bool{}
	for addr, held := range l.facts.Tenants {
		stale[addr] = held.Stale
	}
	return stale
}

// targets are where a user can want to go, Windows first.
func (l *Lab) targets(u *hello.User) []string {
	out := []string{""}
	if l.world.Tenants[string(u.In.Tenant)] != nil {
		out = append(out, string(u.In.Tenant))
	}
	for _, addr := range sorted(l.world.Applications) {
		if l.world.Applications[addr].In.Tenant == u.In.Tenant {
			out = append(out, addr)
		}
	}
	if l.world.Domains[string(u.In.Domain)] != nil {
		out = append(out, string(u.In.Domain))
	}
	for _, addr := range sorted(l.world.Services) {
		s := l.world.Services[addr]
		if s.In.Domain == u.In.Domain {
			out = append(out, addr)
		}
	}
	return out
}

// Unsettled names what is declared and not known yet that decides sign-ins, as
// sentences: the preview takes it as absent.
func Unsettled(w *hello.World) (sentences []string) {
	note := func(addr string, knows func(...string) bool, attributes ...string) {
		var open []string
		for _, a := range attributes {
			if !knows(a) {
				open = append(open, a)
			}
		}
		if len(open) > 0 {
			sentences = append(sentences, addr+": "+strings.Join(open, ", ")+" is known only when the plan is applied.")
		}
	}
	for _, addr := range sorted(w.Users) {
		note(addr, w.Users[addr].Knows, "tenant", "domain", "groups", "enabled_in_tenant", "enabled_in_domain", "password_expired", "risk")
	}
	for _, addr := range sorted(w.Devices) {
		note(addr, w.Devices[addr].Knows, "join", "tenant", "domain", "network", "trusted_roots", "enabled_in_tenant", "enabled_in_domain", "compliant", "strict_kdc_validation", "revocation_unknown")
	}
	for _, addr := range sorted(w.Policies) {
		note(addr, w.Policies[addr].Knows, "assign", "trust", "use_passport_for_work", "require_security_device", "pin_complexity", "biometrics", "use_cloud_trust_for_on_prem_auth", "use_certificate_for_on_prem_auth")
	}
	for _, addr := range sorted(w.Applications) {
		note(addr, w.Applications[addr].Knows, "tenant", "require")
	}
	for _, addr := range sorted(w.Services) {
		note(addr, w.Services[addr].Knows, "domain", "authorize", "enabled")
	}
	for _, addr := range sorted(w.Certificates) {
		note(addr, w.Certificates[addr].Knows, "enrollment", "authority", "purpose")
	}
	for _, addr := range sorted(w.Syncs) {
		note(addr, w.Syncs[addr].Knows, "interval", "enabled", "staging", "key_export", "key_writeback_right", "scope")
	}
	for _, addr := range sorted(w.Domains) {
		note(addr, w.Domains[addr].Knows, "controller", "cached_logons", "force_network_logon", "password_policy")
	}
	for _, addr := range sorted(w.Settings) {
		note(addr, w.Settings[addr].Knows, "applies_to", "precedence", "max_age")
	}
	for _, addr := range sorted(w.Authorities) {
		note(addr, w.Authorities[addr].Knows, "crl", "template", "parent")
	}
	return sentences
}
