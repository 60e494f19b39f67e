package hello

import "slices"

// protectedGroups are those of the declared well-known groups whose members
// AdminSDHolder protects (MS-ADTS 3.1.1.6.1.2).
var protectedGroups = []string{"domain_admins", "enterprise_admins"}

// Protected reports whether a domain protects a user by AdminSDHolder, by the groups
// that are declared.
func (w *World) Protected(user, domain string) bool {
	u := w.Users[user]
	if u == nil || string(u.In.Domain) != domain {
		return false
	}
	return slices.ContainsFunc(w.GroupsOf(user), func(addr string) bool { return w.protects(addr, domain) })
}

func (w *World) protects(group, domain string) bool {
	g := w.Groups[group]
	return g != nil && string(g.In.Domain) == domain && slices.Contains(protectedGroups, g.In.WellKnown)
}

// ProtectedIn are the users whom a domain protects, in address order.
func (w *World) ProtectedIn(domain string) (users []string) {
	for group := range w.Groups {
		if !w.protects(group, domain) {
			continue
		}
		for _, user := range sortedKeys(w.Users) {
			if w.Protected(user, domain) {
				users = append(users, user)
			}
		}
		return users
	}
	return nil
}
