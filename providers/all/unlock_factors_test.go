package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestMultiFactorUnlock: policy with two groups of factors demands one of each,
// at the sign-in and at the lock screen, and each must be right.
func TestMultiFactorUnlock(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll("face", "fingerprint")
	both := func(p, gesture string) windows.Request {
		return windows.Request{PIN: providers.Secret(p), Gesture: gesture}
	}
	if _, err := l.windows.SignIn(t.Context(), l.For(laptop), windows.Request{User: alice, Device: laptop, PIN: providers.Secret(pin), Gesture: "face"}); err == nil {
		t.Error("two factors where one does")
	}
	l.Create("policy.unlock", spec.Policy{DeviceUnlock: &spec.DeviceUnlock{GroupA: []string{"face"}, GroupB: []string{"pin"}}})
	for _, c := range []struct {
		name    string
		request windows.Request
		want    string
	}{
		{"the PIN alone", byPIN(pin), "unlock_factor_missing"},
		{"the face alone", windows.Request{Gesture: "face"}, "unlock_factor_missing"},
		{"both", both(pin, "face"), "success"},
		{"a finger is in no group", both(pin, "fingerprint"), "unlock_factor_missing"},
		{"a wrong PIN beside the face", both("000000", "face"), "wrong_pin"},
		{"a wrong PIN alone counts, too", byPIN("000000"), "wrong_pin"},
		{"a password is no matter of Hello", windows.Request{Password: providers.Secret(password)}, "success"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.expect(c.request, c.want)
		})
	}
	lock := both(pin, "face")
	l.expect(lock, "success")
	if err := l.windows.Lock(t.Context(), l.For(laptop), alice, laptop); err != nil {
		t.Fatal(err)
	}
	alone := byPIN(pin)
	alone.Unlock = true
	l.expect(alone, "unlock_factor_missing")
	again := both(pin, "face")
	again.Unlock = true
	l.expect(again, "success")
	e := l.story("A1").at(t, "unlock_factors")
	if e.Message["presented"] != "face,pin" {
		t.Errorf("%+v", e)
	}
}
