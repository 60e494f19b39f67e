package hello

import (
	"strings"

	"hellolab/providers/spec"
)

// scopes warns of users and computers that a sync would carry to its tenant and
// whose container is not in its scope: those that are there the next cycle takes
// away, and new ones never come. What registered through AD FS is none of Connect's.
func (v *validation) scopes() {
	for _, addr := range sortedKeys(v.Syncs) {
		s := v.Syncs[addr]
		if len(s.In.Scope) == 0 || !s.Knows("scope", "tenant", "domain") {
			continue
		}
		home := v.Domains[string(s.In.Domain)]
		if home == nil || !home.Knows("dns_name") {
			continue
		}
		if !InScope(s.In.Scope, within("CN=Users", home.In)) {
			for _, who := range sortedKeys(v.Users) {
				if u := v.Users[who]; u.In.Tenant == s.In.Tenant && u.In.Domain == s.In.Domain && u.Knows("tenant", "domain") {
					v.leftOut(who, s, "CN=Users", u.Exists(), "the account there, its Hello keys and its primary refresh tokens")
				}
			}
		}
		if t := v.Tenants[string(s.In.Tenant)]; t == nil || !t.Knows("authentication") || Authentication(t.In.Authentication).Federated() || InScope(s.In.Scope, within("CN=Computers", home.In)) {
			continue
		}
		for _, what := range sortedKeys(v.Devices) {
			if d := v.Devices[what]; d.In.Join == string(HybridJoined) && d.In.Tenant == s.In.Tenant && d.In.Domain == s.In.Domain && d.Knows("join", "tenant", "domain") {
				v.leftOut(what, s, "CN=Computers", d.Exists(), "its device object there, and what rests on it: sign-ins to the tenant and the keys registered from it")
			}
		}
	}
}

// leftOut warns of one that a sync's scope leaves out; lost is what ends with it.
func (v *validation) leftOut(addr string, s *Sync, container string, exists bool, lost string) {
	if exists {
		v.warn(addr, "", "leaves_scope", "Leaves the scope of Connect",
			"%s is in %s, which the scope of %s leaves out, so the next cycle that runs, within this apply or later, takes it from %s: %s. Settings of the tenant's half then reach nobody. Add the container to scope, or remove %s.",
			addr, container, s.Addr, s.In.Tenant, lost, addr)
		return
	}
	v.warn(addr, "", "not_in_scope", "Not in the scope of Connect",
		"%s is made in %s, which the scope of %s leaves out, so no cycle carries it to %s, and the apply ends where it is awaited there. Add the container to scope.", addr, container, s.Addr, s.In.Tenant)
}

// within is the distinguished name of something in a container of a domain.
func within(container string, d spec.Domain) string {
	return "CN=any," + container + ",DC=" + strings.ReplaceAll(d.DNSName, ".", ",DC=")
}
