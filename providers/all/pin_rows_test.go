package all_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

const newer = "271828"

// changePIN changes alice's PIN at a device.
func (l *lab) changePIN(device, was, now string) windows.Verdict {
	l.t.Helper()
	v, err := l.windows.ChangePIN(l.t.Context(), l.For(device), windows.PINChange{User: alice, Device: device, Old: providers.Secret(was), New: providers.Secret(now)})
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// resetPIN resets alice's PIN at a device.
func (l *lab) resetPIN(device, now string, change ...func(*windows.PINReset)) windows.Verdict {
	l.t.Helper()
	r := windows.PINReset{User: alice, Device: device, New: providers.Secret(now)}
	for _, c := range change {
		c(&r)
	}
	v, err := l.windows.ResetPIN(l.t.Context(), l.For(device), r)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// withPassword gives a reset the password of the user.
func withPassword(p string) func(*windows.PINReset) {
	return func(r *windows.PINReset) { r.Password = providers.Secret(p) }
}

func TestPINChange(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	out := l.enroll("face")
	l.expect(byPIN(pin), "success")
	for what, c := range map[string]struct{ was, now, code string }{
		"the old one is wrong":   {"000111", newer, "wrong_pin"},
		"the new one is short":   {pin, "187", "pin_too_short"},
		"the new one is simple":  {pin, "123456", "pin_too_simple"},
		"the new one has letter": {pin, "18a246", "pin_class_forbidden"},
	} {
		if v := l.changePIN(laptop, c.was, c.now); v.Code != c.code {
			t.Errorf("%s: %s %+v", what, v.Code, v.Reason)
		}
		if s := l.story("pin"); s.has("pin_changed") || s.events[len(s.events)-1].Step != "pin_not_changed" {
			t.Errorf("%s\n%s", what, s)
		}
	}
	l.expect(byPIN(pin), "success")
	before := stored[containerState](l, laptop, "container", l.sid("alice"))
	if v := l.changePIN(laptop, pin, newer); v.Code != "success" || v.Flow != "pin" || v.ID == "" {
		t.Fatalf("%+v", v)
	}
	s := l.story("pin")
	s.inOrder(t, "pin_change_asked", "key_released", "pin_changed")
	s.by(t, "", event.Winlogon, event.Container, "pin_changed")
	for _, e := range s.events {
		if e.Protocol == "HTTPS" {
			t.Errorf("the tenant hears of it: %s", e.Step)
		}
	}
	l.expect(byPIN(pin), "wrong_pin")
	l.expect(byPIN(newer), "success")
	l.expect(windows.Request{Gesture: "face"}, "success")
	after := stored[containerState](l, laptop, "container", l.sid("alice"))
	if after.AuthKey.ID != before.AuthKey.ID || after.UserKeys[0].ID != out.KeyID || len(l.helloKeys("alice")) != 1 {
		t.Error("more than the PIN changed")
	}
	if v, err := l.windows.ChangePIN(t.Context(), l.For(laptop), windows.PINChange{User: "user.nobody", Device: laptop}); err == nil {
		t.Errorf("nobody: %+v", v)
	}
	l.user("bo")
	v, err := l.windows.ChangePIN(t.Context(), l.For(laptop), windows.PINChange{User: "user.bo", Device: laptop, Old: providers.Secret(pin), New: providers.Secret(newer)})
	if err != nil || v.Code != "no_hello_credential" {
		t.Errorf("one who is not enrolled: %+v %v", v, err)
	}
}

func TestDestructivePINReset(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	out := l.enroll("face")
	l.expect(byPIN(pin), "success")
	sid := l.sid("alice")
	before, entry := stored[containerState](l, laptop, "container", sid), l.helloKeys("alice")[0]
	if v := l.resetPIN(laptop, "123456"); v.Code != "pin_too_simple" {
		t.Errorf("a PIN that policy does not take: %+v", v)
	}
	l.expect(byPIN(pin), "success")

	l.Advance(time.Minute) // the authenticator's next code
	if v := l.resetPIN(laptop, newer); v.Code != "success" || v.Flow != "P1" {
		t.Fatalf("%+v", v)
	}
	s := l.story("P1")
	s.inOrder(t, "pin_forgotten", "first_factor", "drs_token", "authentication_key_created", "user_key_bound", "key_registration", "key_written", "key_id_stored", "pin_reset")
	after, keys := stored[containerState](l, laptop, "container", sid), l.helloKeys("alice")
	if after.ID == before.ID || after.AuthKey.ID == before.AuthKey.ID || after.UserKeys[0].ID == out.KeyID {
		t.Error("what was reset is still there")
	}
	if len(keys) != 1 || keys[0].KeyIdentifier != after.UserKeys[0].ID || keys[0].ID == entry.ID {
		t.Errorf("the tenant has %+v", keys)
	}
	if n := len(l.keysOf(laptop, "keypool")); n != 1 || !s.has("pool_refill") {
		t.Errorf("%d keys lie ready for the next user", n)
	}
	l.expect(byPIN(pin), "wrong_pin")
	l.expect(byPIN(newer), "success")
	l.expect(windows.Request{Gesture: "face"}, "success")
	// The enrollment is the same one: it has another key.
	if _, err := l.Read(t.Context(), enrolled); err != nil {
		t.Fatal(err)
	}
	if now := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, enrolled).Out; now.KeyID != after.UserKeys[0].ID || now.DeviceID != out.DeviceID {
		t.Errorf("%+v", now)
	}

	t.Run("from the lock screen", func(t *testing.T) {
		if err := l.windows.SignOut(t.Context(), l.For(laptop), alice, laptop); err != nil {
			t.Fatal(err)
		}
		if v := l.resetPIN(laptop, pin); v.Code != "pin_reset_needs_password" {
			t.Errorf("nobody said who they are: %+v", v)
		}
		if v := l.resetPIN(laptop, pin, withPassword("guess")); v.Code != "wrong_password" {
			t.Errorf("a wrong password: %+v", v)
		}
		l.expect(byPIN(newer), "success")
		if err := l.windows.Lock(t.Context(), l.For(laptop), alice, laptop); err != nil {
			t.Fatal(err)
		}
		l.Advance(time.Hour) // the second factor is not current any more
		if v := l.resetPIN(laptop, pin, withPassword(password)); v.Code != "success" {
			t.Fatalf("%+v", v)
		}
		l.story("P1").inOrder(t, "pin_forgotten", "first_factor", "mfa_window", "mfa_prompt", "drs_token", "pin_reset")
		l.expect(byPIN(pin), "success")
	})
	t.Run("no second factor, no reset", func(t *testing.T) { // facts: M1
		l.Advance(time.Hour)
		l.windows.Hands = func(p windows.Prompt, has []byte) ([]byte, bool) { return has, p != windows.PromptCode }
		defer func() { l.windows.Hands = nil }()
		if v := l.resetPIN(laptop, newer); v.Code != "cancelled" {
			t.Errorf("%+v", v)
		}
		l.expect(byPIN(pin), "success")
	})
}

// pinPolicy is a policy that reaches everybody.
func (l *lab) pinPolicy(change func(*spec.Policy)) {
	p := spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{}}
	change(&p)
	if _, err := l.For(laptop).Objects.Lookup("policy.pin"); err == nil {
		l.Update("policy.pin", p)
		return
	}
	l.Create("policy.pin", p)
}

func ptr[T any](v T) *T { return &v }

// TestPINExpiration has a PIN grow older than policy lets it (facts: N4), look
// otherwise than policy now wants it (N1), and come back too early (N3).
func TestPINExpiration(t *testing.T) {
	const day = 24 * time.Hour
	l := newLab(t)
	l.device("laptop")
	out := l.enroll("face")
	set := l.Now()
	l.pinPolicy(func(p *spec.Policy) { p.PINComplexity.Expiration, p.PINComplexity.History = ptr(30), ptr(2) })
	renewing := func(was, now string) windows.Request {
		return windows.Request{PIN: providers.Secret(was), NewPIN: providers.Secret(now)}
	}
	state := func() containerState { return stored[containerState](l, laptop, "container", l.sid("alice")) }

	t.Run("by age", func(t *testing.T) {
		seed.Proves(t, "PW-06")
		seed.Proves(t, "POL-06", "A1")
		l.Advance(30*day - time.Minute)
		l.expect(byPIN(pin), "success")
		l.Advance(time.Minute)
		v := l.expect(byPIN(pin), "change_pin_prompt")
		if v.Flow != "A1" || v.Phase != "A" || !strings.Contains(v.Reason.Sentence, "30 days old") {
			t.Errorf("%+v %+v", v, v.Reason)
		}
		s := l.story("A1")
		s.by(t, "A", event.Winlogon, event.User, "pin_change_prompt")
		s.inOrder(t, "gesture_provided", "pin_change_prompt", "pin_not_changed")
		if s.has("key_released") || s.has("nonce_request") {
			t.Errorf("the sign-in went on\n%s", s)
		}
		l.expect(windows.Request{Gesture: "face"}, "success") // asks for no PIN, and so for no new one
		l.expect(byPIN("000111"), "wrong_pin")                // nobody else is asked
	})
	t.Run("a new one is judged as at provisioning, and remembered", func(t *testing.T) {
		l.expect(renewing(pin, "1234"), "pin_too_simple")
		l.expect(renewing(pin, pin), "pin_used_before")
		l.expect(byPIN(pin), "change_pin_prompt")
		v := l.expect(renewing(pin, newer), "success")
		if v.Flow != "A1" {
			t.Errorf("%+v", v)
		}
		l.story("A1").inOrder(t, "pin_change_prompt", "pin_changed", "key_released", "nonce_signed", "prt_cached", "explorer_started")
		l.expect(byPIN(pin), "wrong_pin")
		l.expect(byPIN(newer), "success")
		now := state()
		if !now.PIN.Set.Equal(set.Add(30*day)) || now.PIN.Shape.Length != 6 || len(now.PIN.History) != 2 || now.UserKeys[0].ID != out.KeyID {
			t.Errorf("%+v", now.PIN)
		}
		if v := l.changePIN(laptop, newer, pin); v.Code != "pin_used_before" {
			t.Errorf("the one before: %+v", v)
		}
		l.pinPolicy(func(p *spec.Policy) { p.PINComplexity.Expiration, p.PINComplexity.History = ptr(30), ptr(1) })
		if v := l.changePIN(laptop, newer, pin); v.Code != "success" {
			t.Errorf("the one before, where policy remembers one: %+v", v)
		}
		l.expect(byPIN(pin), "success")
	})
	t.Run("at an unlock", func(t *testing.T) {
		if err := l.windows.Lock(t.Context(), l.For(laptop), alice, laptop); err != nil {
			t.Fatal(err)
		}
		l.Advance(31 * day)
		l.expect(windows.Request{PIN: providers.Secret(pin), Unlock: true}, "change_pin_prompt")
		l.expect(windows.Request{PIN: providers.Secret(pin), NewPIN: providers.Secret(newer), Unlock: true}, "success")
	})
	t.Run("one that does not fit any more", func(t *testing.T) {
		l.pinPolicy(func(p *spec.Policy) { p.PINComplexity.MinimumPINLength = ptr(8) })
		v := l.expect(byPIN(newer), "change_pin_prompt")
		if !strings.Contains(v.Reason.Sentence, "shorter than 8") {
			t.Errorf("%+v", v.Reason)
		}
		l.expect(renewing(newer, pin), "pin_too_short")
		l.expect(renewing(newer, "27182818"), "success")
		l.expect(byPIN("27182818"), "success")
		l.pinPolicy(func(p *spec.Policy) { p.PINComplexity.MinimumPINLength = ptr(4) }) // looser: nobody is asked (N2)
		l.expect(byPIN("27182818"), "success")
	})
	t.Run("a reset begins anew", func(t *testing.T) { // N3
		l.pinPolicy(func(p *spec.Policy) { p.PINComplexity.History = ptr(50) })
		l.Advance(time.Minute)
		if v := l.resetPIN(laptop, "27182818"); v.Code != "success" {
			t.Errorf("%+v", v)
		}
		if n := len(state().PIN.History); n != 1 {
			t.Errorf("%d PINs remembered", n)
		}
	})
}

// TestPINResetService has a forgotten PIN reset with all keys kept.
func TestPINResetService(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	recovery := func(on bool) func(*spec.Policy) { return func(p *spec.Policy) { p.EnablePINRecovery = &on } }
	l.pinPolicy(recovery(true))
	tap := l.listen()
	out := l.enroll("face", "fingerprint")
	sid := l.sid("alice")
	state := func() containerState { return stored[containerState](l, laptop, "container", sid) }
	canReset := func() string {
		t.Helper()
		s, err := l.windows.Status(l.For(laptop), laptop, alice)
		if err != nil {
			t.Fatal(err)
		}
		return string(s.CanReset)
	}
	before := state()

	t.Run("provisioning makes an administrative key", func(t *testing.T) {
		seed.Proves(t, "CT-18")
		seed.Proves(t, "POL-07")
		a := before.Administrative
		if a == nil || a.ID == "" || len(a.Sealed) == 0 || a.Wrapped == "" {
			t.Fatalf("%+v", a)
		}
		l.story("P1").by(t, "B", event.Container, "", "administrative_key_created")
		if got := canReset(); got != "DestructiveAndNonDestructive" {
			t.Errorf("CanReset %s", got)
		}
		if bytes.Contains(tap.unfolded(), []byte(a.Wrapped)) {
			t.Error("the protected key left the device, and nobody asked for it")
		}
	})
	t.Run("the service opens the container", func(t *testing.T) {
		seed.Proves(t, "CT-19")
		seed.Proves(t, "CT-26")
		seed.Proves(t, "COMP-28")
		seed.Proves(t, "KEY-12")
		l.Advance(time.Hour)
		if v := l.resetPIN(laptop, newer); v.Code != "success" || v.Flow != "pin" {
			t.Fatalf("%+v %+v", v, v.Reason)
		}
		s := l.story("pin")
		s.inOrder(t, "pin_forgotten", "first_factor", "mfa_window", "pin_reset_request", "token_validated", "pin_reset_key_returned", "administrative_release", "pin_confirmed", "administrative_key_created", "pin_reset")
		s.by(t, "", event.DRS, event.CXH, "pin_reset_key_returned")
		now := state()
		if now.ID != before.ID || now.AuthKey.ID == before.AuthKey.ID || now.UserKeys[0].ID != out.KeyID || now.Administrative.ID == before.Administrative.ID {
			t.Errorf("%+v", now)
		}
		if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].KeyIdentifier != out.KeyID {
			t.Errorf("the tenant has %+v", keys)
		}
		l.expect(byPIN(pin), "wrong_pin")
		l.expect(byPIN(newer), "success")
		l.expect(windows.Request{Gesture: "face"}, "success")
		l.expect(windows.Request{Gesture: "fingerprint"}, "success")
		// The old copies are useless.
		stolen := before
		stolen.AuthKey = now.AuthKey
		stolen.UserKeys = now.UserKeys
		l.keep(laptop, "container", sid, stolen)
		l.expect(byPIN(pin), "credential_damaged")
		l.keep(laptop, "container", sid, now)
		l.expect(byPIN(newer), "success")
	})
	t.Run("a gesture that is not shown is lost", func(t *testing.T) {
		l.Advance(time.Hour)
		l.windows.Hands = func(p windows.Prompt, has []byte) ([]byte, bool) { return has, p != windows.PromptFace }
		defer func() { l.windows.Hands = nil }()
		if v := l.resetPIN(laptop, pin); v.Code != "success" {
			t.Fatalf("%+v", v)
		}
		l.windows.Hands = nil
		l.expect(windows.Request{Gesture: "face"}, "gesture_not_enrolled")
		l.expect(windows.Request{Gesture: "fingerprint"}, "success")
		l.expect(byPIN(pin), "success")
	})
	t.Run("for nobody else", func(t *testing.T) {
		l.user("bo")
		l.Create("enrollment.bo_laptop", enrollment("user.bo", laptop))
		l.Advance(time.Hour)
		own := state()
		bos := own
		bos.Administrative = stored[containerState](l, laptop, "container", l.sid("bo")).Administrative
		l.keep(laptop, "container", sid, bos)
		if v := l.resetPIN(laptop, newer); v.Code != "pin_reset_refused" || !strings.Contains(v.Reason.Sentence, "another user") {
			t.Errorf("another user's key: %+v %+v", v, v.Reason)
		}
		spoiled := own
		a := *own.Administrative
		a.Wrapped = a.Wrapped[:20] + "A" + a.Wrapped[21:]
		spoiled.Administrative = &a
		l.keep(laptop, "container", sid, spoiled)
		l.Advance(time.Hour)
		if v := l.resetPIN(laptop, newer); v.Code != "pin_reset_refused" {
			t.Errorf("a spoiled key: %+v %+v", v, v.Reason)
		}
		l.keep(laptop, "container", sid, own)
		l.expect(byPIN(pin), "success")
	})
	t.Run("off again", func(t *testing.T) { // facts: R2
		seed.Proves(t, "POL-07")
		l.pinPolicy(recovery(false))
		if got := canReset(); got != "DestructiveOnly" {
			t.Errorf("CanReset %s", got)
		}
		l.Advance(time.Hour)
		if v := l.resetPIN(laptop, newer); v.Code != "success" || v.Flow != "P1" {
			t.Fatalf("%+v", v)
		}
		if now := state(); now.Administrative != nil || now.UserKeys[0].ID == out.KeyID {
			t.Errorf("%+v", now)
		}
	})
	t.Run("on again: at the next sign-in", func(t *testing.T) { // facts: R1
		l.pinPolicy(recovery(true))
		if got := canReset(); got != "DestructiveOnly" {
			t.Errorf("CanReset %s before a sign-in", got)
		}
		l.expect(byPIN(newer), "success")
		l.story("A1").inOrder(t, "prt_cached", "administrative_key_created")
		if got := canReset(); got != "DestructiveAndNonDestructive" {
			t.Errorf("CanReset %s", got)
		}
		l.Advance(time.Hour)
		if v := l.resetPIN(laptop, pin, func(r *windows.PINReset) { r.Destructive = true }); v.Code != "success" || v.Flow != "P1" {
			t.Errorf("destructively by choice: %+v", v)
		}
	})
}

// TestPINResetCutOff kills the process at each instant of a reset: the user can
// reset again, or the plan makes the enrollment anew.
func TestPINResetCutOff(t *testing.T) {
	for n, died := 1, true; died; n += 3 {
		l := newLab(t)
		l.device("laptop")
		l.enroll()
		l.expect(byPIN(pin), "success")
		l.Advance(time.Minute)
		reset := windows.PINReset{User: alice, Device: laptop, New: providers.Secret(newer)}
		died = l.KillAt(t.Context(), n, func(ctx context.Context) { _, _ = l.windows.ResetPIN(ctx, l.For(laptop), reset) })
		l.Advance(time.Minute)
		v := l.resetPIN(laptop, newer, withPassword(password))
		if v.Code == "no_hello_credential" { // nothing was kept: provisioned anew
			if _, err := l.Read(t.Context(), enrolled); !errors.Is(err, providers.ErrGone) {
				t.Errorf("instant %d: %v", n, err)
			}
			continue
		}
		if v.Code != "success" {
			t.Errorf("instant %d: %+v %+v", n, v, v.Reason)
			continue
		}
		l.expect(byPIN(newer), "success")
		if keys := l.helloKeys("alice"); len(keys) != 1 {
			t.Errorf("instant %d: %d keys", n, len(keys))
		}
	}
}
