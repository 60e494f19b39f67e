package all_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/container"
)

// TestEmptyPool: a pool with nothing in it makes a key on demand.
func TestEmptyPool(t *testing.T) {
	seed.Proves(t, "PB-06", "P1")
	l := newLab(t)
	l.device("laptop")
	l.drop(laptop, "keypool")
	out := l.enroll()
	e := l.story("P1").at(t, "pool_take")
	if e.Message["pregenerated"] != false || e.Message["key_id"] != out.KeyID {
		t.Errorf("%+v", e)
	}
	if keys := l.helloKeys("alice"); keys[0].AttestationLevel != "attested" {
		t.Errorf("%+v", keys[0])
	}
	l.expect(byPIN(pin), "success")
}

// TestGestures goes every way through the gestures: each ends with a PIN that
// signs in, and a device without a sensor has no choice to make.
func TestGestures(t *testing.T) {
	l := newLab(t)
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "preferred"})
	protectors := func(t *testing.T, device string) (gestures []container.Gesture) {
		for _, p := range l.containerOf(device, "alice").Protectors {
			gestures = append(gestures, p.Gesture)
		}
		return gestures
	}
	provision := func(t *testing.T, name string, sensors []string, tpm string, gestures ...string) story {
		t.Helper()
		l.Advance(11 * time.Minute) // the authenticator app shows a new code, and the tenant asks for it
		l.device(name, func(d *spec.Device) { d.Biometrics, d.TPM = sensors, tpm })
		l.Create("enrollment."+name, enrollment(alice, "device."+name, gestures...))
		return l.story("P1")
	}
	t.Run("no sensor", func(t *testing.T) {
		seed.Proves(t, "PB-01", "P1")
		seed.Proves(t, "PB-03", "P1")
		s := provision(t, "bare", nil, "2.0")
		s.phase("B").inOrder(t, "sensor_check", "pin_confirmed")
		if s.at(t, "sensor_check").Message["sensors"] != 0 || s.has("biometrics_skipped") || s.has("biometrics_chosen") || s.index("sensor_check") < s.index("drs_token") {
			t.Errorf("not straight to the PIN:\n%s", s)
		}
		if got := protectors(t, "device.bare"); !slices.Equal(got, []container.Gesture{container.PIN}) {
			t.Errorf("protectors %v", got)
		}
		l.expect(windows.Request{Device: "device.bare", PIN: []byte(pin)}, "success")
	})
	for _, c := range []struct {
		name     string
		tpm      string
		gestures []string
		step     string
	}{
		{"skipped", "2.0", nil, "biometrics_skipped"},
		{"face", "2.0", []string{"face"}, "biometrics_chosen"},
		{"both", "2.0", []string{"face", "fingerprint"}, "biometrics_chosen"},
		{"software", "none", []string{"fingerprint"}, "biometrics_chosen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed.Proves(t, "PB-01", "P1")
			seed.Proves(t, "PB-02", "P1")
			seed.Proves(t, "PB-03", "P1")
			s := provision(t, c.name, []string{"face", "fingerprint"}, c.tpm, c.gestures...)
			s.phase("B").inOrder(t, "sensor_check", c.step, "pin_confirmed")
			got := protectors(t, "device."+c.name)
			if len(got) != 1+len(c.gestures) || got[0] != container.PIN {
				t.Errorf("protectors %v", got)
			}
			l.expect(windows.Request{Device: "device." + c.name, PIN: []byte(pin)}, "success")
			for _, g := range c.gestures {
				l.expect(windows.Request{Device: "device." + c.name, Gesture: g}, "success")
			}
		})
	}
	t.Run("a failing gesture", func(t *testing.T) {
		seed.Proves(t, "PB-04", "P1", "A1")
		l.windows.Hands = types(windows.PromptFace, another)
		defer func() { l.windows.Hands = nil }()
		v := l.expect(windows.Request{Device: "device.face", Gesture: "face"}, "biometric_failed")
		if v.Phase != "A" || !strings.Contains(v.Reason.Hint, "PIN") {
			t.Errorf("%+v", v)
		}
		l.expect(windows.Request{Device: "device.face", PIN: []byte(pin)}, "success")
	})
	t.Run("a sensor that is not there", func(t *testing.T) {
		l.device("poor", func(d *spec.Device) { d.Biometrics = nil })
		if _, err := l.TryCreate(t.Context(), "enrollment.poor", enrollment(alice, "device.poor", "face")); err == nil || !strings.Contains(err.Error(), "face") {
			t.Errorf("%v", err)
		}
	})
	t.Run("against policy", func(t *testing.T) {
		no := false
		l.Create("policy.p", spec.Policy{Biometrics: &spec.Biometrics{UseBiometrics: &no}})
		l.expect(windows.Request{Device: "device.face", Gesture: "face"}, "biometrics_disabled")
		l.expect(windows.Request{Device: "device.face", PIN: []byte(pin)}, "success")
	})
}

// TestPINTwice: two different entries are refused, and nothing is made.
func TestPINTwice(t *testing.T) {
	seed.Proves(t, "PB-05", "P1")
	l := newLab(t)
	l.device("laptop")
	l.windows.Hands = types(windows.PromptPINAgain, another)
	_, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop))
	if err == nil || !strings.Contains(err.Error(), "not the same") || strings.Contains(err.Error(), pin) {
		t.Fatalf("%v", err)
	}
	if e := l.story("P1").at(t, "pin_refused"); e.Reason.Code != "pin_mismatch" || e.Phase != "B" {
		t.Errorf("%+v", e)
	}
	l.nothingMade(t, laptop, "alice")
	l.windows.Hands = nil
	l.enroll()
	l.story("P1").by(t, "B", event.User, event.CXH, "pin_confirmed")
	l.expect(byPIN(pin), "success")
}
