package hello

// cloudTrustOf returns the trust by which a user's tenant issues partial tickets
// for the user's domain; nil when none does. certain is false while a trust may
// turn out to be one.
func (w *World) cloudTrustOf(u *User) (t *DeclaredTrust, certain bool) {
	certain = u.Knows("tenant", "domain")
	if u.In.Tenant == "" || u.In.Domain == "" {
		return nil, certain
	}
	for _, addr := range sortedKeys(w.Trusts) {
		t := w.Trusts[addr]
		switch {
		case !t.Knows("type", "tenant", "domain"):
			certain = false
		case Trust(t.In.Type) == CloudKerberos && t.In.Tenant == u.In.Tenant && t.In.Domain == u.In.Domain:
			return t, true
		}
	}
	return nil, certain
}

// partialTickets reports whether a sign-in of the user to the tenant brings a
// partial ticket for the domain, as far as is declared.
func (w *World) partialTickets(u *User) bool {
	t, certain := w.cloudTrustOf(u)
	return t != nil || !certain
}

// cloudTrust warns of an enrollment that is to reach its domain by a partial
// ticket that the tenant has no means to issue. Where Windows would not even
// provision, launch says so.
func (v *validation) cloudTrust(e *Enrollment, u *User, route Route, policy InForce) {
	if route.Trust != CloudKerberos || u.In.Domain == "" || v.partialTickets(u) || route.Domain != A2 && !(route.SignIn == A5 && e.Exists()) {
		return
	}
	says := ""
	if origin := policy.UseCloudTrustForOnPremAuth.Origin; origin.Policy != "" {
		says = origin.Policy + " turns cloud Kerberos trust on, and "
	}
	v.warn(e.Addr, "device", "cloud_trust_missing", "No cloud Kerberos trust",
		"%s%s has no Kerberos server object in %s, so it issues no partial ticket for it: %s is not let in there with Hello. Declare a trust of type \"cloud_kerberos\" between the two.", says, u.In.Tenant, u.In.Domain, u.Addr)
}
