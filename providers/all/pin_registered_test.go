package all_test

import (
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestPINOfPersonalDevice: the one PIN of a device with a work account on it is
// changed with either's key, and reset only where both keys are kept.
func TestPINOfPersonalDevice(t *testing.T) {
	l := newLab(t)
	l.own()
	l.Create(personal, work(alice, ownerPIN, "face"))
	owner := func(pin string) windows.Request {
		return windows.Request{Device: phonepc, PIN: providers.Secret(pin)}
	}
	canReset := func() string {
		t.Helper()
		s, err := l.windows.Status(l.For(phonepc), phonepc, alice)
		if err != nil {
			t.Fatal(err)
		}
		return string(s.CanReset)
	}
	l.expect(onPhone(ownerPIN), "success")
	if v := l.changePIN(phonepc, ownerPIN, newer); v.Code != "success" {
		t.Fatalf("%+v", v)
	}
	l.expect(onPhone(newer), "success")
	l.expect(owner(newer), "success")
	l.expect(owner(ownerPIN), "wrong_pin")

	if got := canReset(); got != "NotAllowed" {
		t.Errorf("CanReset %s", got)
	}
	if v := l.resetPIN(phonepc, pin); v.Code != "pin_reset_not_allowed" {
		t.Errorf("the owner's key would go: %+v", v)
	}
	before := l.ownersContainer()
	l.Create("policy.pin", spec.Policy{Source: "mdm", Scope: "device", EnablePINRecovery: new(true)})
	l.expect(onPhone(newer), "success")
	if got := canReset(); got != "NonDestructiveOnly" {
		t.Errorf("CanReset %s", got)
	}
	l.Advance(time.Minute)
	if v := l.resetPIN(phonepc, pin); v.Code != "success" || v.Flow != "pin" {
		t.Fatalf("%+v %+v", v, v.Reason)
	}
	l.expect(onPhone(pin), "success")
	l.expect(owner(pin), "success")
	l.expect(windows.Request{User: alice, Device: phonepc, Gesture: "face"}, "success")
	after := l.ownersContainer()
	if len(after.UserKeys) != 2 || after.AuthKey.ID == before.AuthKey.ID {
		t.Errorf("%d keys", len(after.UserKeys))
	}
	l.Advance(time.Minute)
	if v := l.resetPIN(phonepc, newer, func(r *windows.PINReset) { r.Destructive = true }); v.Code != "pin_reset_not_allowed" {
		t.Errorf("destructively: %+v", v)
	}
}
