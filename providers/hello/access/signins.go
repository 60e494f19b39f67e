package access

import (
	"iter"
	"strings"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// SignIns are those that people with a Hello credential can try: for each
// enrollment, by PIN and by each of its gestures, to Windows, the tenant and its
// applications, and the user's domain and its services.
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
				for _, t := range to[key] {
					if !yield(Request{User: string(e.In.User), Device: string(e.In.Device), To: t, Gesture: g}) {
						return
					}
				}
			}
		}
	}
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
	for _, addr := range sorted(w.Authorities) {
		note(addr, w.Authorities[addr].Knows, "crl", "template", "parent")
	}
	return sentences
}
