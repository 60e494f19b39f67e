package access_test

import (
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// AdminSDHolder's hour comes before a cycle of the same instant: a key that waits for
// one is refused from then on, those that are there stay, also those that the tenant
// has no more; and an entry of its list for Key Admins lets all through.
func TestKeysOfAdministrators(t *testing.T) {
	admins := func(may bool) func(objects) {
		return func(o objects) {
			d := o[corp].(spec.Domain)
			d.ProtectedKeys = may
			o[corp] = d
			o["group.admins"] = spec.Group{Domain: corp, WellKnown: "domain_admins", Members: []providers.Ref{alice}}
		}
	}
	hour := access.Timing{Last: now.Add(-time.Hour), Next: now.Add(time.Hour)}
	waiting := func(cycle time.Duration) *access.Facts {
		f := held()
		f.Accounts[alice].DomainKeys = []string{"k", "old"}
		f.Domains[corp].Protection = hour
		next := access.Timing{Next: now.Add(cycle)}
		f.Syncs["sync.corp"] = access.Schedule{Cycles: next, Keys: next}
		return f
	}
	request := access.Request{User: alice, Device: desk, Gesture: "pin"}
	for name, c := range map[string]struct {
		change func(objects)
		cycle  time.Duration
		at     time.Duration
		word   access.Word
		action access.Action
		rule   string
		keys   int
	}{
		"a cycle before the hour":           {admins(false), 30 * time.Minute, 0, access.Refused, access.WaitForSync, "", 2},
		"a cycle at the hour":               {admins(false), time.Hour, 0, access.Refused, access.AdminFix, "C5", 2},
		"after a cycle before the hour":     {admins(false), 30 * time.Minute, 40 * time.Minute, access.Allowed, "", "", 2},
		"all at once, the hour first":       {admins(false), 30 * time.Minute, 3 * time.Hour, access.Refused, access.AdminFix, "C5", 2},
		"after a cycle at the hour":         {admins(false), time.Hour, 3 * time.Hour, access.Refused, access.AdminFix, "C5", 2},
		"the list lets Key Admins":          {admins(true), time.Hour, 3 * time.Hour, access.Allowed, "", "", 2},
		"nobody is an administrator":        {func(objects) {}, time.Hour, 3 * time.Hour, access.Allowed, "", "", 2},
		"before a cycle that brings it":     {admins(true), time.Hour, 0, access.Refused, access.WaitForSync, "", 2},
		"before the hour, after no cycle":   {admins(false), 2 * time.Hour, 30 * time.Minute, access.Refused, access.AdminFix, "C5", 2},
		"between the hour and a late cycle": {admins(false), 2 * time.Hour, 90 * time.Minute, access.Refused, access.AdminFix, "C5", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t, declared(c.change))
			f := waiting(c.cycle).Later(w, now.Add(c.at))
			v := access.Decide(w, f, request)
			if v.Word != c.word || v.Action != c.action || v.Rule != c.rule || len(f.Accounts[alice].DomainKeys) != c.keys {
				t.Errorf("%+v, keys %q", v, f.Accounts[alice].DomainKeys)
			}
		})
	}

	// A timeline has the hour, and the cycle that nothing comes of is none.
	w := world(t, declared(admins(false)))
	var at []time.Duration
	for step := range waiting(2*time.Hour).Ahead(w, now.Add(5*time.Hour)) {
		at = append(at, step.From.Sub(now))
	}
	if len(at) != 1 || at[0] != time.Hour {
		t.Errorf("steps at %v", at)
	}
	// Who is let through again gets the key with the cycle after.
	w = world(t, declared(admins(true)))
	f := waiting(2 * time.Hour)
	f.Accounts[alice].Guarded = true
	at = nil
	for step := range f.Ahead(w, now.Add(5*time.Hour)) {
		at = append(at, step.From.Sub(now))
	}
	if len(at) != 2 || at[0] != time.Hour || at[1] != 2*time.Hour {
		t.Errorf("steps at %v", at)
	}
}
