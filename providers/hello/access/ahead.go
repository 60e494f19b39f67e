package access

import (
	"iter"
	"slices"
	"strings"
	"time"

	"hellolab/providers/hello"
)

// Step is a short time in which time alone changes what systems hold: from the
// first such instant to the last. Facts are those at the last.
type Step struct {
	From, To time.Time
	Facts    *Facts
	Renewed  []Renewal       // by themselves, meanwhile
	Users    map[string]bool // whom it can concern; nil: everybody
}

// Concerns reports whether sign-ins of a user can end otherwise than before.
func (s *Step) Concerns(user string) bool { return s.Users == nil || s.Users[user] }

// Renewal is a certificate that is replaced by itself: that of a KDC, or a
// federation's enrollment agent certificate.
type Renewal struct {
	Address    string // of the domain, or the federation
	Controller string // computer name, in lower case; "" of a federation
	At, Ends   time.Time
}

// Bounds of Ahead: what changes within a window is one step, and there are not
// more steps than these.
const (
	window = 5 * time.Minute
	steps  = 4096
)

// Ahead are the times up to until at which time alone changes something, in a
// lab in which nobody does anything; f are its facts now, with what is due done
// (Later). The last Step of a lab with too much to tell is one at until, whatever
// happened before.
func (f *Facts) Ahead(w *hello.World, until time.Time) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		c := &calendar{world: w, lives: map[[2]string]time.Duration{}, idle: map[string]bool{}, admins: map[string][]string{}}
		for n := 0; ; n++ {
			at, ok := c.next(f)
			if !ok || at.After(until) {
				return
			}
			step := Step{From: at, Users: map[string]bool{}}
			for limit := at.Add(window); ok && !at.After(limit) && !at.After(until); at, ok = c.next(f) {
				was := f
				f = f.Later(w, at)
				step.To, step.Facts, step.Renewed = at, f, append(step.Renewed, renewed(was, f)...)
				step.whom(c.users)
			}
			if n+1 == steps {
				step.To, step.Facts, step.Users = until, f.Later(w, until), nil
			}
			if !yield(step) || n+1 == steps {
				return
			}
		}
	}
}

// whom adds users, of whom "" is everybody.
func (s *Step) whom(users []string) {
	for _, u := range users {
		switch {
		case u == "":
			s.Users = nil
		case s.Users != nil:
			s.Users[u] = true
		}
	}
}

// renewed are the controllers and federations that have another certificate than
// before.
func renewed(was, is *Facts) (out []Renewal) {
	for _, addr := range sorted(is.Domains) {
		for _, name := range sorted(is.Domains[addr].Certificates) {
			c := is.Domains[addr].Certificates[name]
			if before := was.Domains[addr].Certificates[name]; before == nil || !before.NotAfter.Equal(c.NotAfter) {
				out = append(out, Renewal{addr, name, is.Now, c.NotAfter})
			}
		}
	}
	for _, addr := range is.Agents() {
		c := is.Federations[addr].Agent
		if before := was.Federations[addr]; before != nil && (before.Agent == nil || !before.Agent.NotAfter.Equal(c.NotAfter)) {
			out = append(out, Renewal{addr, "", is.Now, c.NotAfter})
		}
	}
	return out
}

// calendar finds the instants at which facts change.
type calendar struct {
	world  *hello.World
	lives  map[[2]string]time.Duration // of PINs by user and device, which do not change
	idle   map[string]bool             // syncs that have nothing to carry, and will not by time alone
	admins map[string][]string         // by domain, whom AdminSDHolder protects
	users  []string                    // whom the instant that was found concerns; "" is everybody
}

// next is the first such instant after the facts' own.
func (c *calendar) next(f *Facts) (at time.Time, ok bool) {
	c.users = nil
	of := func(t time.Time, user string) {
		switch {
		case t.IsZero() || !t.After(f.Now) || ok && t.After(at):
		case ok && t.Equal(at):
			c.users = append(c.users, user)
		default:
			at, ok, c.users = t, true, []string{user}
		}
	}
	for user, a := range f.Accounts {
		of(a.AccountExpires, user)
		of(a.PasswordExpires, user)
	}
	for device, m := range f.Machines {
		for user, k := range m.Credentials {
			c.credential(func(t time.Time) { of(t, user) }, user, device, k)
		}
	}
	note := func(t time.Time) { of(t, "") }
	for _, a := range c.world.Authorities {
		note(endOf(a))
	}
	for addr, d := range f.Domains {
		for _, k := range d.Certificates {
			note(k.NotBefore)
			note(k.NotAfter)
			note(k.RevokedBy)
			if at := c.world.Domains[addr]; at != nil && len((&planning{Facts: f, is: c.world}).issuing(at, k.Template)) > 0 {
				note(k.renewal())
			}
		}
	}
	for addr, held := range f.Federations {
		if held.Agent == nil {
			continue
		}
		note(held.Agent.NotAfter)
		if after := f.clone(); c.world.Federations[addr] != nil {
			renewal := held.Agent.NotAfter.Add(-agentRenewal)
			p := &planning{Facts: after, is: c.world}
			p.Now = renewal
			if p.agent(c.world.Federations[addr], after.Federations[addr]); after.Federations[addr].Agent != held.Agent {
				note(renewal)
			}
		}
	}
	for addr, held := range f.Tenants {
		if sts := federatedTenant(c.world, c.world.Tenants[addr]); held.Stale && sts != nil && sts.In.Enabled {
			note(held.Next)
		}
	}
	c.cycles(note, f, c.protections(note, f))
	return at, ok
}

// credential notes what of a credential has an end.
func (c *calendar) credential(note func(time.Time), user, device string, k *Credential) {
	note(k.Partial)
	if t, d := k.Token, c.world.Devices[device]; t != nil && k.Session && d != nil {
		note(t.Obtained.Add(RenewalOf(c.world, d) + 1)) // more than that
		note(t.Ends)
	}
	for _, c := range slices.Concat(k.Certificates, k.Further) {
		note(c.NotAfter.Add(1)) // through its last instant it is good
		note(c.RevokedBy)
	}
	if t := k.Ticket; t != nil {
		note(t.Ends)
		for _, end := range t.Services {
			note(end)
		}
	}
	if d := c.world.Devices[device]; d != nil {
		if home := c.world.Domains[string(d.In.Domain)]; home != nil && home.In.ForceNetwork > 0 {
			for _, logon := range []*CachedLogon{k.CachedKey, k.CachedPassword} {
				if logon != nil {
					note(logon.At.Add(home.In.ForceNetwork + 1)) // more than that
				}
			}
		}
	}
	if k.KeyID == "" || c.world.Users[user] == nil || c.world.Devices[device] == nil {
		return
	}
	pair := [2]string{user, device}
	life, ok := c.lives[pair]
	if !ok {
		life = time.Duration(c.world.InForce(user, device).PINExpiration.Value) * 24 * time.Hour
		c.lives[pair] = life
	}
	if life > 0 {
		note(k.PINSet.Add(life))
	}
}

// cycles notes those of Connect that carry something; of others nobody would
// know. In the domains that wake, one that has nothing to carry may have later.
func (c *calendar) cycles(note func(time.Time), f *Facts, wakes map[string]bool) {
	for addr, s := range c.world.Syncs {
		if c.idle[addr] {
			continue
		}
		at, then := f.Syncs[addr], f.clone()
		p := &planning{Facts: then, is: c.world}
		c.idle[addr] = !wakes[string(s.In.Domain)]
		if keys := keysOf(s); keys.on && keys.enabled {
			p.keys(s)
			if !sameKeys(f, then) {
				c.idle[addr] = false
				note(at.Keys.Next)
			}
		}
		if devices := devicesOf(s); devices.on && devices.enabled {
			p.writeBack(s)
			if !sameWritten(f, then) {
				c.idle[addr] = false
				note(at.Devices.Next)
			}
		}
		if s.In.Enabled {
			p.accounts(s)
			if !sameAccounts(f, then) {
				c.idle[addr] = false
				note(at.Cycles.Next)
			}
		}
	}
}

// sameAccounts reports whether the tenant is told nothing new of people and
// devices.
func sameAccounts(f, g *Facts) bool {
	for addr, a := range f.Accounts {
		if a.Absent != g.Accounts[addr].Absent {
			return false
		}
	}
	for addr, m := range f.Machines {
		if then := g.Machines[addr]; m.Carried != then.Carried || m.Absent != then.Absent {
			return false
		}
	}
	return true
}

func sameWritten(f, g *Facts) bool {
	for addr, m := range f.Machines {
		if m.Written != g.Machines[addr].Written {
			return false
		}
	}
	return true
}

func sameKeys(f, g *Facts) bool {
	for addr, a := range f.Accounts {
		have, will := slices.Sorted(slices.Values(a.DomainKeys)), slices.Sorted(slices.Values(g.Accounts[addr].DomainKeys))
		if !slices.Equal(have, will) {
			return false
		}
	}
	return true
}

// endOf is the end of an authority's certificate; zero when nobody knows.
func endOf(a *hello.Authority) time.Time {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(a.Out.NotAfter))
	if err != nil {
		return time.Time{}
	}
	return at
}

// renewal is when autoenrollment replaces a certificate: in the last fifth of
// its life.
func (c *Certificate) renewal() time.Time {
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 5)
}

// SessionEnd is when the primary refresh token that a device holds for a user
// ends.
type SessionEnd struct {
	User, Device string
	Ends         time.Time
}

// Sessions are those of the primary refresh tokens that are good now. No sign-in
// ends with them: each brings another token. The session that nobody renews does.
func (f *Facts) Sessions(w *hello.World) (out []SessionEnd) {
	for _, device := range sorted(f.Machines) {
		for _, user := range sorted(f.Machines[device].Credentials) {
			if ends := f.Machines[device].Credentials[user].PRT; ends.After(f.Now) && w.Users[user] != nil && w.Devices[device] != nil {
				out = append(out, SessionEnd{user, device, ends})
			}
		}
	}
	return out
}
