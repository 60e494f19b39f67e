package all_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/graph"
)

func unlocking(r windows.Request) windows.Request {
	r.Unlock = true
	return r
}

func (l *lab) lock() {
	l.t.Helper()
	if err := l.windows.Lock(l.t.Context(), l.For(laptop), alice, laptop); err != nil {
		l.t.Fatal(err)
	}
}

// helloPRT is alice's primary refresh token of a Hello sign-in on the laptop.
func (l *lab) helloPRT() prtState {
	l.t.Helper()
	return stored[prtState](l, laptop, "prt", l.sid("alice")+"|ngc")
}

func (l *lab) status() windows.Status {
	l.t.Helper()
	s, err := l.windows.Status(l.For(laptop), laptop, alice)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// ran are the steps of one run.
func (l *lab) ran(v windows.Verdict) (steps []string) {
	for _, e := range l.Events() {
		if e.Correlation == v.ID {
			steps = append(steps, e.Step)
		}
	}
	return steps
}

// TestUnlockRenews: a token younger than four hours stays, an older one is
// renewed under the same session key.
func TestUnlockRenews(t *testing.T) {
	seed.Proves(t, "PRT-04", "A1")
	for _, tt := range []struct {
		age     time.Duration
		renewal time.Duration // of the tenant; 0: not written
		renewed bool
	}{
		{4*time.Hour - time.Minute, 0, false},
		{4*time.Hour + time.Minute, 0, true},
		{4*time.Hour + time.Minute, 6 * time.Hour, false},
		{6*time.Hour + time.Minute, 6 * time.Hour, true},
	} {
		t.Run(tt.age.String(), func(t *testing.T) {
			l := newLab(t)
			if tt.renewal > 0 {
				l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "required", Lifetimes: &spec.TenantLifetimes{
					Nonce: 5 * time.Minute, MFA: 10 * time.Minute, AccessToken: time.Hour, PRT: 14 * 24 * time.Hour, PRTRenewal: tt.renewal}})
			}
			l.device("laptop")
			l.enroll("face")
			l.expect(byPIN(pin), "success")
			before := l.helloPRT()
			l.lock()
			if s := l.status(); !s.Locked || !s.PRT {
				t.Errorf("locked: %+v", s)
			}
			l.Advance(tt.age)
			v := l.expect(unlocking(windows.Request{Gesture: "face", To: []string{"tenant.contoso"}}), "success")
			after := l.helloPRT()
			if steps := l.ran(v); slices.Contains(steps, "prt_renewal") != tt.renewed || slices.Contains(steps, "prt_issued") || !slices.Contains(steps, "session_unlocked") {
				t.Errorf("renewal wanted: %v, steps %v", tt.renewed, steps)
			}
			if changed := after.Token != before.Token; changed != tt.renewed {
				t.Errorf("another token: %v, want %v", changed, tt.renewed)
			}
			if tt.renewed && (!after.Obtained.Equal(l.Now()) || !after.Expires.After(before.Expires)) {
				t.Errorf("obtained %s, expires %s", after.Obtained, after.Expires)
			}
			if string(after.SessionKey.Blob) != string(before.SessionKey.Blob) {
				t.Error("the session key changed")
			}
			if got := amr(v); !slices.Contains(got, "mfa") || !slices.Contains(got, "rsa") {
				t.Errorf("the renewed token's amr %v", got)
			}
			if s := l.status(); s.Locked || !s.PRT || !s.Since.Equal(after.Obtained) {
				t.Errorf("unlocked: %+v", s)
			}
		})
	}
}

// TestUseRenews: an application's request renews a token that is of age, too.
func TestUseRenews(t *testing.T) {
	seed.Proves(t, "PRT-05", "A1")
	l := newLab(t)
	l.device("laptop")
	l.user("bo")
	l.expect(windows.Request{User: "user.bo", Password: providers.Secret(password)}, "success")
	l.Advance(4*time.Hour + time.Minute)
	l.Create("enrollment.bo", enrollment("user.bo", laptop))
	s := l.story("P1")
	s.phase("A").inOrder(t, "drs_token_request", "prt_renewal", "prt_cached", "mfa_demanded", "drs_token")
	if e := s.at(t, "prt_renewal"); e.Actor != event.CloudAP || e.Peer != event.EntraID || e.Message["credential"] != "password" {
		t.Errorf("%+v", e)
	}
}

// TestSessionKeyRolls: after 30 days of renewals the tenant sends another
// session key, and the device goes on with it.
func TestSessionKeyRolls(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	first := l.helloPRT()
	for day := 10; day <= 40; day += 10 {
		l.lock()
		l.Advance(10 * 24 * time.Hour)
		v := l.expect(unlocking(windows.Request{PIN: providers.Secret(pin), To: []string{"tenant.contoso"}}), "success")
		rolled := string(l.helloPRT().SessionKey.Blob) != string(first.SessionKey.Blob)
		if !slices.Contains(l.ran(v), "prt_renewal") || rolled != (day > 30) {
			t.Errorf("day %d: another session key: %v, steps %v", day, rolled, l.ran(v))
		}
	}
}

// TestUnlockWithoutToken: where the tenant does not take the token any more, an
// unlock is a sign-in.
func TestUnlockWithoutToken(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	for name, end := range map[string]func(){
		"expired": func() { l.Advance(15 * 24 * time.Hour) },
		"revoked": func() {
			l.Advance(5 * time.Hour)
			if _, err := graph.Post[struct{}](t.Context(), l.directory(), struct{}{}, "users", "alice@contoso.com", "revokeSignInSessions"); err != nil {
				t.Fatal(err)
			}
			l.Advance(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l.lock()
			end()
			v := l.expect(unlocking(byPIN(pin)), "success")
			if steps := l.ran(v); !slices.Contains(steps, "prt_issued") || !slices.Contains(steps, "logon_session") {
				t.Errorf("steps %v", steps)
			}
			if l.status().Locked {
				t.Error("still locked")
			}
		})
	}
	// The wrong gesture opens nothing, and a disabled device is turned away.
	l.lock()
	l.expect(unlocking(byPIN("000000")), "wrong_pin")
	if !l.status().Locked {
		t.Error("a wrong PIN unlocked the session")
	}
}

// TestSessions: what a session is, and what is left of it.
func TestSessions(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	l.expect(unlocking(byPIN(pin)), "not_locked")
	out := func(user string) error { return l.windows.SignOut(t.Context(), l.For(laptop), user, laptop) }
	if err := out(alice); err != nil {
		t.Fatal(err)
	}
	if s := l.status(); s.PRT || s.Locked || !s.NGC {
		t.Errorf("after signing out: %+v", s)
	}
	for name, err := range map[string]error{
		"again": out(alice),
		"lock":  l.windows.Lock(t.Context(), l.For(laptop), alice, laptop),
	} {
		if refusedWith(err) != "not_signed_in" {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.expect(unlocking(byPIN(pin)), "not_locked")
	l.expect(byPIN(pin), "success")
	if !l.status().PRT {
		t.Error("signed in without a token")
	}
	l.restart()
	if s := l.status(); s.PRT {
		t.Errorf("after a restart: %+v", s)
	}
}

// refusedWith is the code of a device's own refusal.
func refusedWith(err error) string {
	var r *windows.Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Reason.Code
}
