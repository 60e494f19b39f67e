package all_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows"
	"hellolab/providers/windows/container"
)

func amr(v windows.Verdict) (methods []string) {
	list, _ := v.Claims["amr"].([]any)
	for _, m := range list {
		s, _ := m.(string)
		methods = append(methods, s)
	}
	return methods
}

func TestHelloIsTwoFactors(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "MOD-09")
	l.device("laptop")
	l.enroll()
	to := []string{"tenant.contoso"}
	hello := l.expect(windows.Request{PIN: providers.Secret(pin), To: to}, "success")
	if got := amr(hello); !slices.Contains(got, "mfa") || !slices.Contains(got, "rsa") {
		t.Errorf("Hello: amr %v", got)
	}
	plain := l.expect(windows.Request{Password: providers.Secret(password), To: to}, "success")
	if got := amr(plain); slices.Contains(got, "mfa") || !slices.Contains(got, "pwd") {
		t.Errorf("password: amr %v", got)
	}
	l.inOrder("prt_cached", "app_token_request", "app_token")
}

// wireSteps are a run's steps that others can see, with what does not change
// from run to run.
func (l *lab) wireSteps(id string) []string {
	var steps []string
	for _, e := range l.Events() {
		if e.Correlation == id && e.Protocol == "HTTPS" {
			steps = append(steps, e.Phase+" "+string(e.Actor)+" "+string(e.Peer)+" "+e.Step)
		}
	}
	return steps
}

func TestGestureDoesNotChangeTheProtocol(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "MOD-10")
	l.device("laptop")
	l.enroll("face")
	pinRun := l.expect(byPIN(pin), "success")
	faceRun := l.expect(windows.Request{Gesture: "face"}, "success")
	a, b := l.wireSteps(pinRun.ID), l.wireSteps(faceRun.ID)
	if len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("PIN:\n%s\nface:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	l.expect(windows.Request{Gesture: "fingerprint"}, "gesture_not_enrolled")
	l.expect(byPIN(pin), "success") // the PIN is the fallback
}

func TestWrongPINs(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-12")
	l.device("laptop")
	l.enroll()
	for i := range 4 {
		v := l.expect(byPIN("000000"), "wrong_pin")
		if v.Phase != "A" || strings.Contains(v.Reason.Sentence, "000000") {
			t.Errorf("try %d: phase %s, %+v", i+1, v.Phase, v.Reason)
		}
	}
	l.expect(byPIN(pin), "pin_challenge") // not even the right one
	l.expect(windows.Request{PIN: providers.Secret(pin), Phrase: "a1b2c3"}, "pin_challenge")
	l.expect(windows.Request{PIN: providers.Secret("000000"), Phrase: container.ChallengePhrase}, "wrong_pin")
	l.expect(windows.Request{PIN: providers.Secret(pin), Phrase: container.ChallengePhrase}, "pin_disabled_until_restart")
	l.expect(byPassword(password), "success") // another credential provider
	l.restart()
	l.expect(byPIN(pin), "success")
	l.expect(byPIN("000000"), "wrong_pin") // and the gate counts from the start
	l.expect(byPIN(pin), "success")
}

func (l *lab) restart() {
	l.t.Helper()
	if err := l.windows.Restart(l.t.Context(), l.For(laptop), laptop); err != nil {
		l.t.Fatal(err)
	}
}

// TestTPMLockout gets past Windows' gate by restarting, and meets the TPM's.
func TestTPMLockout(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	wrong := 0
	for wrong < 32 {
		l.restart()
		for range min(4, 32-wrong) {
			l.expect(byPIN("000000"), "wrong_pin")
			wrong++
		}
	}
	l.restart()
	v := l.expect(byPIN(pin), "pin_locked_out")
	if v.Reason.Code != "0x80280921" {
		t.Errorf("reason %+v", v.Reason)
	}
	l.expect(byPassword(password), "success") // the device key does not lock
	l.Advance(10*time.Minute + time.Second)
	l.expect(byPIN(pin), "success")
}

func TestOneTenantKeyOneDevice(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "MOD-11")
	l.device("laptop")
	l.enroll()
	l.expect(byPIN(pin), "success")
	l.device("desk")
	l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "no_hello_credential")
	// A thief copies everything that the laptop keeps of alice to the desk.
	from, to := l.For(laptop).Section, l.For("device.desk").Section
	loot := map[[2]string][]byte{}
	err := from.View(func(r providers.Reader) error {
		for _, table := range []string{"container", "prt", "enrollment"} {
			if err := r.Scan(table, "", func(key string, v []byte) error {
				loot[[2]string{table, key}] = bytes.Clone(v)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(loot) < 3 {
		t.Fatalf("%d things copied, %v", len(loot), err)
	}
	err = to.Update(t.Context(), func(w providers.Writer) error {
		for at, v := range loot {
			if err := w.Put(at[0], at[1], v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v := l.expect(windows.Request{Device: "device.desk", PIN: providers.Secret(pin)}, "credential_damaged")
	if v.Phase != "A" {
		t.Errorf("refused in phase %s", v.Phase)
	}
}

func TestUnknownPeople(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.user("bo")
	l.expect(windows.Request{User: "user.bo", PIN: providers.Secret(pin)}, "no_hello_credential")
	l.expect(windows.Request{User: "user.bo", Password: providers.Secret("wrong")}, "wrong_password")
	if _, err := l.windows.SignIn(t.Context(), l.For(laptop), windows.Request{User: "user.nobody", Device: laptop, PIN: providers.Secret(pin)}); !errors.Is(err, providers.ErrUnknownObject) {
		t.Errorf("nobody: %v", err)
	}
}

// TestNoSecretIsKept looks for PIN and password in everything that the lab
// keeps or says.
func TestNoSecretIsKept(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-45")
	l.device("laptop")
	l.enroll("face")
	l.expect(byPIN(pin), "success")
	l.expect(byPassword(password), "success")
	told, err := json.Marshal(l.Events())
	if err != nil {
		t.Fatal(err)
	}
	told = append(told, l.Logged()...)
	for _, section := range []string{laptop, alice, "tenant.contoso"} {
		err := l.For(section).Section.View(func(r providers.Reader) error {
			for _, table := range []string{"machine", "tpm", "keypool", "container", "winbio", "sensormodule", "enrollment", "session", "prt", "wam"} {
				if err := r.Scan(table, "", func(key string, v []byte) error {
					told = append(append(told, key...), v...)
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{password, `"` + pin + `"`} {
		if bytes.Contains(told, []byte(secret)) {
			t.Errorf("%q is kept or told", secret)
		}
	}
}
