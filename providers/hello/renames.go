package hello

import (
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// userNames are the names that a directory has once, each with its attribute; what of
// it is "" is no name there.
var userNames = []struct {
	attribute, what string
	of              func(spec.User) string
}{
	{"upn", "name", func(u spec.User) string { return u.UPN }},
	{"sam_account_name", "account name", func(u spec.User) string {
		if u.Domain == "" {
			return ""
		}
		return SAMAccountName(u)
	}},
	{"upn_onprem", "name in the domain", func(u spec.User) string {
		if u.Domain == "" {
			return ""
		}
		return DomainUPN(u)
	}},
}

// Renames are the names that users cannot take from each other within one apply. An
// apply frees a user principal name before it gives it to another, and other names only
// where they go the same way; users who take each other's in a ring have no order.
// Records before are those of the lab as it is, after those as planned.
func (r *Rules) Renames(before, after []providers.Record) []Problem {
	was, err := NewWorld(usersAmong(before))
	if err != nil {
		return nil // what the lab holds cannot be read: Validate, or an apply, says so
	}
	is, err := NewWorld(usersAmong(after))
	if err != nil {
		return nil
	}
	v := &validation{World: is}
	told := map[string]bool{}
	for n := range userNames {
		holders := map[string]string{}
		for _, addr := range sortedKeys(was.Users) {
			if key := nameKey(n, was.Users[addr].In); key != "" {
				holders[key] = addr
			}
		}
		for _, addr := range sortedKeys(is.Users) {
			if !told[addr] {
				v.rename(was, n, addr, holders, told)
			}
		}
	}
	return v.problems
}

// rename tells of a user who takes a name that another has before the apply.
func (v *validation) rename(was *World, n int, addr string, holders map[string]string, told map[string]bool) {
	u, name := v.Users[addr], userNames[n]
	if !u.Knows("upn", "sam_account_name", "upn_onprem", "tenant", "domain") {
		return
	}
	holder := holders[nameKey(n, u.In)]
	if holder == "" || holder == addr {
		return
	}
	if n == 0 {
		ring := v.ring(addr, holders)
		if len(ring) == 0 {
			return
		}
		for _, a := range ring {
			told[a] = true
		}
		v.problem(addr, name.attribute, "names_in_a_ring", "Names change places",
			"%s take each other's names in one apply, and a directory has every name once: the first rename would be refused, and the apply end half done. Do it in two applies: first give %s a name that nobody has, then all the names as they are here.",
			listed(ring), addr)
		return
	}
	if there := was.Users[holder]; nameKey(0, u.In) == nameKey(0, there.In) { // it is freed first
		return
	}
	if now := v.Users[holder]; now != nil && (!now.Knows("upn", "sam_account_name", "upn_onprem") || nameKey(n, now.In) == nameKey(n, u.In)) {
		return // who has it keeps it, which is told elsewhere, or nobody knows
	}
	told[addr] = true
	v.problem(addr, name.attribute, "name_not_free_yet", "Name not free yet",
		"%s takes the %s %q, which %s has until this apply, and nothing says which of the two comes first. Do it in two applies: first give %s another or remove it, then %s this one.",
		addr, name.what, name.of(u.In), holder, holder, addr)
}

// ring are the users who take each other's user principal names, from addr on; none
// where somebody's becomes free.
func (v *validation) ring(addr string, holders map[string]string) (ring []string) {
	seen := map[string]bool{}
	for at := addr; ; {
		u := v.Users[at]
		if u == nil || !u.Exists() || !u.Knows("upn") || seen[at] {
			return nil
		}
		seen[at] = true
		ring = append(ring, at)
		next := holders[nameKey(0, u.In)]
		if next == "" || next == at {
			return nil
		}
		if next == addr {
			return ring
		}
		at = next
	}
}

// nameKey is one of a user's names as its directory compares it.
func nameKey(n int, u spec.User) string {
	name := userNames[n].of(u)
	if name == "" || n == 0 {
		return strings.ToLower(name)
	}
	return fmt.Sprintf("%s %s", u.Domain, strings.ToLower(name))
}

func usersAmong(records []providers.Record) (users []providers.Record) {
	for _, r := range records {
		if r.Kind == "user" {
			users = append(users, r)
		}
	}
	return users
}

// listed is "a and b", or "a, b and c".
func listed(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
