package access

import (
	"slices"
	"time"

	"hellolab/providers/hello"
)

// Instants are the times after now, up to a last one, at which a sign-in may
// begin to end otherwise though nobody changes anything: cycles of Connect,
// certificates, passwords, accounts and PINs that end, cached logons and tickets
// that are too old. They are in order, each once.
func (f *Facts) Instants(w *hello.World, last time.Time) []time.Time {
	var all []time.Time
	note := func(at time.Time) {
		if at.After(f.Now) && !at.After(last) {
			all = append(all, at.UTC())
		}
	}
	for _, s := range f.Syncs {
		note(s.Cycles.Next)
		note(s.Keys.Next)
	}
	for _, d := range f.Domains {
		for _, c := range d.Certificates {
			note(c.NotAfter)
		}
	}
	for _, a := range w.Authorities {
		if ends, err := time.Parse(time.RFC3339, a.Out.NotAfter); err == nil {
			note(ends)
		}
	}
	for _, a := range f.Accounts {
		note(a.PasswordExpires)
		note(a.AccountExpires)
	}
	for device, m := range f.Machines {
		d := w.Devices[device]
		if d == nil {
			continue
		}
		force := time.Duration(0)
		if home := w.Domains[string(d.In.Domain)]; home != nil {
			force = home.In.ForceNetwork
		}
		for user, c := range m.Credentials {
			if c.KeyID == "" {
				continue
			}
			if days := w.InForce(user, device).PINExpiration.Value; days > 0 {
				note(c.PINSet.Add(time.Duration(days) * 24 * time.Hour))
			}
			if c.CachedKey != nil && force > 0 {
				note(c.CachedKey.At.Add(force + time.Second))
			}
			if c.Ticket != nil {
				note(c.Ticket.Ends)
			}
			note(c.Partial)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}
