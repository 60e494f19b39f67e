package access

import (
	"time"

	"hellolab/providers/hello"
)

// protects is how often a domain protects its administrators.
var protects = pace{on: true, enabled: true, interval: time.Hour}

// protect writes AdminSDHolder's list to the administrators of a domain, when it is
// time. Who is none any more keeps what was written.
func (p *planning) protect(d *hello.Domain) {
	held := p.Domains[d.Addr]
	if held == nil {
		return
	}
	at, due := protects.due(held.Protection, p.Now)
	held.Protection = at
	if !due {
		return
	}
	for _, user := range p.is.ProtectedIn(d.Addr) {
		if a := p.Accounts[user]; a != nil {
			a.Guarded = !d.In.ProtectedKeys
		}
	}
}

// protections notes those that change what becomes of keys, and says in which
// domains.
func (c *calendar) protections(note func(time.Time), f *Facts) map[string]bool {
	changes := map[string]bool{}
	for addr, d := range c.world.Domains {
		held := f.Domains[addr]
		if held == nil {
			continue
		}
		for _, user := range c.protected(addr) {
			if a := f.Accounts[user]; a != nil && a.Guarded == d.In.ProtectedKeys {
				note(held.Protection.Next)
				changes[addr] = true
				break
			}
		}
	}
	return changes
}

// protected are the administrators of a domain, who do not change.
func (c *calendar) protected(domain string) []string {
	users, ok := c.admins[domain]
	if !ok {
		users = c.world.ProtectedIn(domain)
		c.admins[domain] = users
	}
	return users
}

// guarded reports whether the domain refuses the user's key when a sync would write
// it next: its protection, which comes first, may come before.
func (s *signingIn) guarded(sync *hello.Sync) bool {
	domain := string(s.u.In.Domain)
	d, held := s.world.Domains[domain], s.facts.Domains[domain]
	if d == nil || held == nil || !s.world.Protected(s.user, domain) {
		return s.account.Guarded
	}
	next := s.facts.Syncs[sync.Addr].Keys.Next
	if held.Protection.Next.IsZero() || next.IsZero() || next.Before(held.Protection.Next) {
		return s.account.Guarded
	}
	return !d.In.ProtectedKeys
}
