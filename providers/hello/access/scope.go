package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/hello"
)

// leaving tells among the gaps whom a cycle takes from the tenant because a plan
// puts them out of its scope: that comes after the apply, and so is not among
// the sign-ins that change with it.
func (p *planning) leaving() {
	for _, addr := range sorted(p.is.Syncs) {
		s, was := p.is.Syncs[addr], p.was.Syncs[addr]
		if was == nil || slices.Equal(was.In.Scope, s.In.Scope) || s.In.Staging || !s.In.Enabled {
			continue
		}
		then := p.Facts.clone()
		(&planning{Facts: then, is: p.is}).accounts(s)
		users, devices := 0, 0
		for user, a := range then.Accounts {
			if a.Absent && !p.Accounts[user].Absent {
				users++
			}
		}
		for device, m := range then.Machines {
			if m.Absent && !p.Machines[device].Absent {
				devices++
			}
		}
		if users+devices > 0 {
			p.Gaps = append(p.Gaps, fmt.Sprintf("The next cycle of %s takes from the tenant what leaves its scope: users: %d, devices: %d. `-at` a time after it tells which sign-ins that ends.", addr, users, devices))
		}
	}
}

// computer is the distinguished name of a device's account in its domain; "" when
// it has none, or nobody knows it yet.
func computer(w *hello.World, d *hello.Device) string {
	home := w.Domains[string(d.In.Domain)]
	if home == nil || home.Out.DN == "" || d.In.Join != string(hello.HybridJoined) {
		return ""
	}
	_, name, _ := strings.Cut(d.Addr, ".")
	return "CN=" + cmp.Or(d.In.Name, name) + ",CN=Computers," + home.Out.DN
}

// placeOf is the distinguished name of a user's account, that of before where a plan
// gives it another: it stays in its container. "": there is none yet.
func (f *Facts) placeOf(u *hello.User) string {
	if a := f.Accounts[u.Addr]; a != nil && u.Out.DN == "" {
		return a.DN
	}
	return u.Out.DN
}
