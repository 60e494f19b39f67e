package hello

import (
	"slices"

	"hellolab/providers"
)

// CloudTrustOf returns the trust by which a user's tenant issues partial tickets
// for the user's domain; nil when none does. certain is false while a trust may
// turn out to be one.
func (w *World) CloudTrustOf(u *User) (t *DeclaredTrust, certain bool) {
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
	t, certain := w.CloudTrustOf(u)
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

// Groups that every domain has, by spec.Group.WellKnown, which are on the deny
// list of a Kerberos server object unless the trust says otherwise: in the Denied
// RODC Password Replication Group or among Administrators from the beginning.
const (
	allowedReplication = "allowed_rodc_replication"
	deniedReplication  = "denied_rodc_replication"
)

var deniedFromTheBeginning = []string{deniedReplication, "domain_admins", "enterprise_admins", "cert_publishers"}

// CloudKerberosDenies tells why a controller gives a user no full ticket for a
// partial one, by the groups that are declared: a group on the deny list, which
// wins, or that the user is in none on the allow list. Without a trust that issues
// partial tickets it says nothing.
func (w *World) CloudKerberosDenies(user string) (why string, denied bool) {
	u := w.Users[user]
	if u == nil {
		return "", false
	}
	t, _ := w.CloudTrustOf(u)
	if t == nil || !u.Knows("groups") || !t.Knows("allowed", "denied") {
		return "", false
	}
	in := w.GroupsOf(user)
	if g := w.firstListed(in, t.In.Denied, deniedReplication, deniedFromTheBeginning); g != "" {
		return user + " is in " + g + ", which is on the deny list of " + t.Addr, true
	}
	if t.In.Allowed != nil && w.firstListed(in, t.In.Allowed, allowedReplication, []string{allowedReplication}) == "" && w.membersKnown() {
		return user + " is in no group of the allow list of " + t.Addr, true
	}
	return "", false
}

// firstListed is the first of a user's groups that is on a list, or, where the
// list is absent or names the domain's own group for it, is of those that are
// there from the beginning.
func (w *World) firstListed(groups []string, list []providers.Ref, own string, beginning []string) string {
	initial := list == nil || slices.ContainsFunc(list, func(r providers.Ref) bool {
		g := w.Groups[string(r)]
		return g != nil && g.In.WellKnown == own
	})
	for _, addr := range groups {
		g := w.Groups[addr]
		if slices.Contains(list, providers.Ref(addr)) || initial && g != nil && slices.Contains(beginning, g.In.WellKnown) {
			return addr
		}
	}
	return ""
}

// membersKnown reports whether the members of every group are known.
func (w *World) membersKnown() bool {
	for _, g := range w.Groups {
		if !g.Knows("members", "well_known") {
			return false
		}
	}
	return true
}

// listed checks that a trust's lists hold groups of its domain.
func (v *validation) listed(t *DeclaredTrust) {
	for _, list := range []struct {
		attribute string
		groups    []providers.Ref
	}{{"allowed", t.In.Allowed}, {"denied", t.In.Denied}} {
		for _, ref := range list.groups {
			if g := v.Groups[string(ref)]; g != nil && g.Knows("domain") && g.In.Domain != t.In.Domain {
				v.problem(t.Addr, list.attribute, "trust_list_elsewhere", "Group of another directory",
					"%s holds groups of %s, and %s is none. Name a group that lives there.", list.attribute, t.In.Domain, ref)
			}
		}
	}
}

// privileged warns of an enrollment whose user a controller will refuse.
func (v *validation) privileged(e *Enrollment, u *User, d *Device, route Route) {
	why, denied := v.CloudKerberosDenies(u.Addr)
	if !denied || route.Domain != A2 && route.SignIn != A5 {
		return
	}
	what := "signs in to the tenant, and the domain refuses the user (0xC000006D)"
	if route.SignIn == A5 {
		what = "is provisioned, and no sign-in with Hello is taken there (0xC000006D)"
	}
	v.warn(e.Addr, "user", "cloud_kerberos_privileged", "No ticket for the user",
		"%s: on %s the key %s. Prove the keys of privileged users themselves (key trust, and adminsdholder_key_admins of the domain), or change allowed and denied of the trust.", why, d.Addr, what)
}

// protectedKey warns of a new enrollment whose key the domain will refuse, for
// AdminSDHolder protects the user.
func (v *validation) protectedKey(e *Enrollment, u *User, d *Device, route Route) {
	domain := v.Domains[string(u.In.Domain)]
	if route.Trust != KeyTrust || e.Exists() || domain == nil || domain.In.ProtectedKeys || !domain.Knows("adminsdholder_key_admins") || !v.Protected(u.Addr, domain.Addr) {
		return
	}
	v.warn(e.Addr, "user", "key_of_protected_account", "Key of an administrator",
		"%s is an administrator, whom AdminSDHolder protects within an hour: from then on Key Admins may write no key of the account, and a new key on %s never reaches %s. Set adminsdholder_key_admins = true there.", u.Addr, d.Addr, domain.Addr)
}
