package access_test

import (
	"slices"
	"testing"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// An unlock by the key goes on with the session's token: while it is young, whatever
// the tenant thinks; of age, if the tenant renews it. Without one it is a sign-in.
func TestUnlock(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name   string
		change func(o objects, f *access.Facts)
		age    time.Duration // of the token; less than zero: none
		by     string
		want   string // word, reason, phase
		listed bool
	}{
		{"as the sign-in", nil, hour, "pin", "allowed success ", false},
		{"disabled, young", userDisabled, 4 * hour, "pin", "allowed success ", true},
		{"disabled, of age", userDisabled, 4*hour + 1, "pin", "refused user_disabled B", false},
		{"disabled, without a token", userDisabled, -1, "pin", "refused user_disabled C", false},
		{"disabled, over", userDisabled, 15 * 24 * hour, "pin", "refused user_disabled C", false},
		{"disabled, by password", userDisabled, hour, access.ByPassword, "refused user_disabled C", false},
		{"key gone", func(_ objects, f *access.Facts) { f.Accounts[alice].TenantKeys = nil }, 5 * hour, "pin", "allowed success ", true},
		{"device gone", func(_ objects, f *access.Facts) { f.Machines[laptop].Absent = true }, 5 * hour, "pin", "refused device_unknown B", true},
		{"user gone", func(_ objects, f *access.Facts) { f.Accounts[alice].Absent = true }, 5 * hour, "pin", "refused user_unknown B", false},
		{"off every network", network("none"), 5 * hour, "pin", "allowed success ", true},
		{"behind a portal", network("captive"), 5 * hour, "pin", "allowed success ", true},
		{"of a tenant that renews later", func(o objects, f *access.Facts) {
			userDisabled(o, f)
			o[tenant] = spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "managed", Lifetimes: &spec.TenantLifetimes{PRTRenewal: 6 * hour}}
		}, 5 * hour, "pin", "allowed success ", true},
		{"nobody there", func(_ objects, f *access.Facts) { f.Machines[laptop].Credentials[alice].Session = false }, hour, "pin", "none no_hello_credential ", false},
		{"PIN locked", func(_ objects, f *access.Facts) { f.Machines[laptop].Credentials[alice].Barred = "pin_challenge" }, hour, "pin", "refused pin_challenge A", false},
	} {
		o, f := declared(), held()
		if c.age >= 0 {
			f.Machines[laptop].Credentials[alice].Token = &access.Token{Obtained: now.Add(-c.age), Ends: now.Add(14*24*hour - c.age)}
		}
		if c.change != nil {
			c.change(o, f)
		}
		w := world(t, o)
		r := access.Request{User: alice, Device: laptop, To: access.ToUnlock, Gesture: c.by}
		v := access.Decide(w, f, r)
		if got := string(v.Word) + " " + v.Reason + " " + v.Phase; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if v.Word == access.Refused && v.When != access.NextUnlock {
			t.Errorf("%s: from %s on", c.name, v.When)
		}
		if got := slices.Contains(slices.Collect(access.New(w, f).SignIns()), r); got != c.listed {
			t.Errorf("%s: listed: %t", c.name, got)
		}
	}
}

func userDisabled(o objects, _ *access.Facts) {
	u := o[alice].(spec.User)
	u.EnabledInTenant = false
	o[alice] = u
}

func network(place hello.Network) func(objects, *access.Facts) {
	return func(o objects, _ *access.Facts) {
		d := o[laptop].(spec.Device)
		d.Network = string(place)
		o[laptop] = d
	}
}

// Time alone ends what an unlock goes on with: where the tenant would refuse, a timeline
// has the instant at which the token is of age.
func TestUnlockAhead(t *testing.T) {
	o, f := declared(), held()
	userDisabled(o, nil)
	f.Machines[laptop].Credentials[alice].Token = &access.Token{Obtained: now, Ends: now.Add(14 * 24 * time.Hour)}
	w := world(t, o)
	r := access.Request{User: alice, Device: laptop, To: access.ToUnlock}
	word := access.Decide(w, f, r).Word
	for step := range f.Ahead(w, now.Add(24*time.Hour)) {
		if then := access.Decide(w, step.Facts, r).Word; then != word {
			if word != access.Allowed || then != access.Refused || step.From.Sub(now) < 4*time.Hour || step.To.Sub(now) > 4*time.Hour+5*time.Minute {
				t.Errorf("%s becomes %s from %s to %s", word, then, step.From, step.To)
			}
			return
		}
	}
	t.Error("it stays " + string(word))
}
