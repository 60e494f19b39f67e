package hello

// untrusted warns of keys that are proven to a domain though nobody declared how:
// of a user in both directories, or on a computer of a domain, Windows proves the
// key itself where no policy says otherwise (key trust).
func (v *validation) untrusted() {
	said := map[[2]string]bool{}
	for _, addr := range sortedKeys(v.Enrollments) {
		e := v.Enrollments[addr]
		u, d := v.Users[string(e.In.User)], v.Devices[string(e.In.Device)]
		if u == nil || d == nil || !u.Knows("tenant", "domain") || !d.Knows("join", "domain") {
			continue
		}
		shape, ok := v.ShapeOf(string(e.In.User), string(e.In.Device))
		if !ok || shape.Deployment == CloudOnly || shape.Trust != KeyTrust || v.InForce(string(e.In.User), string(e.In.Device)).Proof().Origin.Policy != "" {
			continue
		}
		tenant, domain := string(u.In.Tenant), string(u.In.Domain)
		if domain == "" || said[[2]string{tenant, domain}] || v.declares(tenant, domain) {
			continue
		}
		said[[2]string{tenant, domain}] = true
		if tenant == "" {
			v.warn(e.Addr, "", "trust_not_declared", "No trust is declared",
				"%s is in %s, and no trust says how the key is proven to it: Windows then proves it by itself, as with key trust, which needs certificates on the controllers. Declare a trust to the domain, and name it in a policy.",
				e.In.User, domain)
			continue
		}
		v.warn(e.Addr, "", "trust_not_declared", "No trust is declared",
			"%s is in %s and in %s, and no trust says how the key is proven to the domain: Windows then proves it by itself, as with key trust, which needs certificates on the controllers and a synchronized key. Declare a trust between the two, and name it in a policy.",
			e.In.User, tenant, domain)
	}
}

// declares reports whether a trust between tenant and domain is declared, or may
// turn out to be.
func (v *validation) declares(tenant, domain string) bool {
	for _, t := range v.Trusts {
		if !t.Knows("tenant", "domain") || string(t.In.Tenant) == tenant && string(t.In.Domain) == domain {
			return true
		}
	}
	return false
}
