package all_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// byPassword is a sign-in with a password.
func byPassword(p string) windows.Request { return windows.Request{Password: providers.Secret(p)} }

// TestPINRules: a PIN that policy does not want ends the flow with nothing made.
func TestPINRules(t *testing.T) {
	l := newLab(t)
	six := 6
	l.device("laptop")
	l.Create("policy.p", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: &six}})
	for bad, want := range map[string]string{"1872": "shorter", "123456": "simple"} {
		e := enrollment(alice, laptop)
		e.PIN = providers.Secret(bad)
		_, err := l.TryCreate(t.Context(), enrolled, e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the PIN: %v", err)
		}
	}
	if l.has("pool_take") || l.has("container_created") || len(l.helloKeys("alice")) != 0 {
		t.Errorf("something was made\n%s", l.trace())
	}
	l.enroll()
	l.expect(byPIN(pin), "success")
}

func TestDeleteRemovesTheKey(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.device("desk")
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	if n := len(l.helloKeys("alice")); n != 2 {
		t.Fatalf("%d keys", n)
	}
	l.Delete(enrolled)
	if keys := l.helloKeys("alice"); len(keys) != 1 || keys[0].DeviceID == "" {
		t.Fatalf("%d keys left", len(keys))
	}
	l.expect(byPIN(pin), "no_hello_credential")
	l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "success")
}

// TestKeyDeletedInTheDirectory: the other half gone, the credential is gone.
func TestKeyDeletedInTheDirectory(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	keys := l.helloKeys("alice")
	err := l.directory().Delete(t.Context(), "users", "alice@contoso.com", "authentication", "windowsHelloForBusinessMethods", keys[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	l.expect(byPIN(pin), "key_not_found")
	if _, err := l.Read(t.Context(), enrolled); !errors.Is(err, providers.ErrGone) {
		t.Errorf("read: %v", err)
	}
	l.enroll() // made anew, though the device remembers the old one
	l.expect(byPIN(pin), "success")
	if n := len(l.helloKeys("alice")); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// TestDeviceDeletedInTheDirectory: what is made anew begins from nothing.
func TestDeviceDeletedInTheDirectory(t *testing.T) {
	l := newLab(t)
	was := l.device("laptop")
	l.enroll()
	if err := l.directory().Delete(t.Context(), "devices", was.ObjectID); err != nil {
		t.Fatal(err)
	}
	if v := l.signIn(byPIN(pin)); v.Code == "success" {
		t.Error("signed in from a device that is gone")
	}
	if _, err := l.Read(t.Context(), laptop); !errors.Is(err, providers.ErrGone) {
		t.Fatalf("read: %v", err)
	}
	is := l.device("laptop")
	if is.DeviceID == was.DeviceID || is.EKHash != was.EKHash {
		t.Errorf("device was %+v, is %+v", was, is)
	}
	if _, err := l.Read(t.Context(), enrolled); !errors.Is(err, providers.ErrGone) {
		t.Errorf("read of the enrollment: %v", err)
	}
	l.enroll()
	l.expect(byPIN(pin), "success")
}

// TestManyEnrollments is a day's work: users and devices side by side.
func TestManyEnrollments(t *testing.T) {
	l := newLab(t)
	const n = 6
	for i := range n {
		l.user(fmt.Sprintf("u%d", i))
	}
	errs := make(chan error, n)
	for i := range n {
		go func() {
			device, user := fmt.Sprintf("device.d%d", i), fmt.Sprintf("user.u%d", i)
			_, err := l.TryCreate(t.Context(), device, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(user)})
			if err == nil {
				_, err = l.TryCreate(t.Context(), fmt.Sprintf("enrollment.e%d", i), enrollment(user, device))
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		l.expect(windows.Request{User: fmt.Sprintf("user.u%d", i), Device: fmt.Sprintf("device.d%d", i), PIN: providers.Secret(pin)}, "success")
	}
}
