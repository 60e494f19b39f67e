package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// Controllers of a build that deletes a key which has signed in: the verdict names
// them, says who keeps it, and whether anybody brings it back.
func TestKeyThatWillBeDeleted(t *testing.T) {
	deletes := &spec.Controller{OS: "windows-server-2016", Build: "14393.3930"}
	with := func(by map[string]*spec.Controller, more ...func(objects)) objects {
		return declared(append(more, func(o objects) {
			d := o[corp].(spec.Domain)
			d.Controllers = by
			o[corp] = d
		})...)
	}
	facts := func() *access.Facts {
		f := held()
		f.Domains[corp].Certificates["dc2"] = f.Domains[corp].Certificates["dc1"]
		return f
	}
	paused := func(o objects) {
		s := o["sync.corp"].(spec.Sync)
		s.Enabled = false
		o["sync.corp"] = s
	}
	const again, never, chance = "The next one fails until a cycle of Connect writes it again.", "no cycle of Connect writes it again.", "Another controller that the device may find keeps it."
	for name, c := range map[string]struct {
		o    objects
		says []string
		not  string
	}{
		"one":                   {with(map[string]*spec.Controller{"dc1": deletes}), []string{"dc1 is of build 14393.3930, which deletes", again}, chance},
		"one of two":            {with(map[string]*spec.Controller{"dc1": {OS: "windows-server-2022"}, "DC2": deletes}), []string{"DC2 is of build 14393.3930, which deletes", again, chance}, "dc1"},
		"both":                  {with(map[string]*spec.Controller{"dc1": deletes, "dc2": deletes}), []string{"dc1 is of build", "dc2 is of build", again}, chance},
		"no cycle runs":         {with(map[string]*spec.Controller{"dc1": deletes}, paused), []string{never}, again},
		"no sync":               {with(map[string]*spec.Controller{"dc1": deletes}, func(o objects) { delete(o, "sync.corp") }), []string{never}, again},
		"a Hello that is ended": {with(map[string]*spec.Controller{"dc1": deletes}, func(o objects) { delete(o, "policy.hello") }), []string{again}, chance},
	} {
		v := decide(t, c.o, facts(), desk, "")
		if v.Word != access.AtRisk || v.Reason != "key_deleted_at_sign_in" || v.Rule != "D4" || v.Action != access.AdminFix {
			t.Errorf("%s: %+v", name, v)
		}
		for _, says := range c.says {
			if !strings.Contains(v.Sentence, says) {
				t.Errorf("%s: %q does not say %q", name, v.Sentence, says)
			}
		}
		if strings.Contains(v.Sentence, c.not) {
			t.Errorf("%s: %q says %q", name, v.Sentence, c.not)
		}
	}
	o := with(map[string]*spec.Controller{"dc1": deletes})
	if v := access.Decide(world(t, o), facts(), access.Request{User: alice, Device: desk, Gesture: access.ByPassword}); v.Word != access.Allowed {
		t.Errorf("by password: %+v", v)
	}
	f := facts()
	f.Accounts[alice].DomainKeys = nil
	if v := decide(t, o, f, desk, ""); v.Reason != "key_not_synced" || v.Action != access.WaitForSync || v.Rule != "D4" || !strings.Contains(v.Sentence, "loses it with the next sign-in: dc1") {
		t.Errorf("once it is gone: %+v", v)
	}
	if v := decide(t, with(map[string]*spec.Controller{"dc1": deletes}, paused), f, desk, ""); v.Action != access.AdminFix || v.Rule != "C1" {
		t.Errorf("gone, and no cycle runs: %+v", v)
	}
}

// A password's end moves with the policy on it, also when a membership changes, and
// is left where it is by all else; a verdict names settings that ended it.
func TestPasswordThatEndsBySettings(t *testing.T) {
	const day = 24 * time.Hour
	domainsEnd := now.Add(42 * day)
	was := declared(func(o objects) {
		o["group.staff"] = spec.Group{Domain: corp}
		o["password_settings.staff"] = spec.PasswordSettings{Domain: corp, Precedence: 1, AppliesTo: []providers.Ref{"group.staff"}, MaxAge: 2 * day}
	})
	f := held()
	f.Accounts[alice].PasswordExpires = domainsEnd
	plan := func(change func(objects)) *access.Facts {
		is := declared(func(o objects) {
			for addr, in := range was {
				o[addr] = in
			}
			change(o)
		})
		return access.Planned(f, world(t, was), world(t, is))
	}
	joins := func(o objects) { o["group.staff"] = spec.Group{Domain: corp, Members: []providers.Ref{alice}} }
	for name, c := range map[string]struct {
		change func(objects)
		ends   time.Time
	}{
		"nothing":             {func(objects) {}, domainsEnd},
		"she joins the group": {joins, now.Add(2 * day)},
		"settings without end come": {func(o objects) {
			o["password_settings.own"] = spec.PasswordSettings{Domain: corp, Precedence: 9, AppliesTo: []providers.Ref{alice}}
		}, time.Time{}},
		"the group's go": {func(o objects) { joins(o); delete(o, "password_settings.staff") }, domainsEnd},
	} {
		if got := plan(c.change).Accounts[alice].PasswordExpires; !got.Equal(c.ends) {
			t.Errorf("%s: ends %s, want %s", name, got, c.ends)
		}
	}
	late := plan(joins)
	late.Now = now.Add(3 * day)
	is := declared(func(o objects) {
		for addr, in := range was {
			o[addr] = in
		}
		joins(o)
	})
	v := access.Decide(world(t, is), late, access.Request{User: alice, Device: desk, Gesture: access.ByPassword})
	if v.Reason != "password_expired_on_prem" || v.When != access.PasswordEnds || !v.At.Equal(now.Add(2*day)) || !strings.Contains(v.Sentence, "password_settings.staff has passwords end after 2d") {
		t.Errorf("%+v", v)
	}
	told := false
	for step := range plan(joins).Ahead(world(t, is), now.Add(3*day)) {
		told = told || !step.From.After(now.Add(2*day)) && !step.To.Before(now.Add(2*day)) && step.Concerns(alice)
	}
	if !told {
		t.Error("the times ahead do not tell of the password's end")
	}
}
