package all_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestPolicySwitches turns settings on and off at a device that reads them, and
// holds what it then does against them.
func TestPolicySwitches(t *testing.T) {
	no, yes := false, true
	l := newLab(t)
	l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "preferred"})
	l.device("laptop")
	l.device("bare", func(d *spec.Device) { d.TPM = "none" })
	l.Create("policy.p", spec.Policy{})
	policy := func(change func(*spec.Policy)) {
		p := spec.Policy{}
		change(&p)
		l.Update("policy.p", p)
	}
	provision := func(device string, gestures ...string) (spec.EnrollmentOut, error) {
		l.Advance(time.Minute) // a code of the authenticator app is good once
		if _, err := l.TryCreate(t.Context(), "enrollment.x", enrollment(alice, device, gestures...)); err != nil {
			return spec.EnrollmentOut{}, err
		}
		out := conformance.Get[spec.Enrollment, spec.EnrollmentOut](l.Env, "enrollment.x").Out
		l.Delete("enrollment.x")
		return out, nil
	}
	t.Run("Hello", func(t *testing.T) {
		seed.Proves(t, "POL-01", "P1")
		policy(func(p *spec.Policy) { p.UsePassportForWork = &no })
		if _, err := provision(laptop); err == nil || !strings.Contains(err.Error(), "does not enable") {
			t.Errorf("off: %v", err)
		}
		policy(func(p *spec.Policy) { p.UsePassportForWork = &yes })
		if _, err := provision(laptop); err != nil {
			t.Errorf("on: %v", err)
		}
	})
	t.Run("a hardware security device", func(t *testing.T) {
		seed.Proves(t, "POL-02", "P1")
		policy(func(p *spec.Policy) { p.RequireSecurityDevice = &yes })
		if _, err := provision("device.bare"); err == nil || !strings.Contains(err.Error(), "requires a TPM") {
			t.Errorf("on: %v", err)
		}
		if out, err := provision(laptop); err != nil || out.KeyStorage != "tpm" {
			t.Errorf("on, with a TPM: %+v, %v", out, err)
		}
		policy(func(p *spec.Policy) { p.RequireSecurityDevice = &no })
		if out, err := provision("device.bare"); err != nil || out.KeyStorage != "software" {
			t.Errorf("off: %+v, %v", out, err)
		}
	})
	t.Run("biometrics", func(t *testing.T) {
		seed.Proves(t, "POL-05", "P1", "A1")
		policy(func(p *spec.Policy) { p.Biometrics = &spec.Biometrics{UseBiometrics: &no} })
		if _, err := provision(laptop); err != nil {
			t.Errorf("off, none asked for: %v", err)
		}
		if s := l.story("P1").phase("B"); s.at(t, "sensor_check").Message["sensors"] != 0 || s.has("biometrics_skipped") || s.has("biometrics_chosen") {
			t.Errorf("off: the sensor is offered\n%s", s)
		}
		if _, err := provision(laptop, "face"); err == nil {
			t.Error("off: a face is enrolled")
		}
		policy(func(p *spec.Policy) { p.Biometrics = &spec.Biometrics{UseBiometrics: &yes} })
		l.Advance(time.Minute)
		l.enroll("face")
		l.expect(windows.Request{Gesture: "face"}, "success")
		policy(func(p *spec.Policy) { p.Biometrics = &spec.Biometrics{UseBiometrics: &no} })
		l.expect(windows.Request{Gesture: "face"}, "biometrics_disabled")
		l.expect(windows.Request{PIN: providers.Secret(pin)}, "success")
		l.Delete(enrolled)
	})
}

// TestTenantWidePolicyAtTheDevice: a device keeps the tenant-wide policy that it
// was enrolled under, whatever becomes of it; one enrolled later gets the policy
// as it is then (reading R44; E3 of the facts).
func TestTenantWidePolicyAtTheDevice(t *testing.T) {
	seed.Proves(t, "POL-06", "P1")
	l := newLab(t)
	wide := func(length int) spec.Policy {
		return spec.Policy{Source: spec.SourceTenantWide, UsePassportForWork: new(true), PINComplexity: &spec.PINComplexity{MinimumPINLength: &length}}
	}
	l.Create("policy.intune", wide(6))
	l.device("laptop")
	l.Update("policy.intune", wide(10))
	l.device("desk")
	l.enroll() // with a PIN of six
	if _, err := l.TryCreate(t.Context(), "enrollment.desk", enrollment(alice, "device.desk")); err == nil || !strings.Contains(err.Error(), "shorter than 10") {
		t.Errorf("a device that is enrolled later: %v", err)
	}
	l.Delete("policy.intune")
	l.Advance(time.Minute)
	if _, err := l.TryCreate(t.Context(), "enrollment.desk", enrollment(alice, "device.desk")); err == nil || !strings.Contains(err.Error(), "shorter than 10") {
		t.Errorf("once the policy is gone: %v", err)
	}
	l.Create("policy.profile", spec.Policy{PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(6)}})
	l.Advance(time.Minute)
	l.Create("enrollment.desk", enrollment(alice, "device.desk"))
	// Intune's form has a PIN expire.
	l.Advance(42 * 24 * time.Hour)
	l.expect(byPIN(pin), "change_pin_prompt")
}

// TestPolicyOnSensors: a camera that is plugged in, or cannot tell a picture from
// a person, is used where policy lets it; the PIN works whatever it says.
func TestPolicyOnSensors(t *testing.T) {
	seed.Proves(t, "POL-05", "P1", "A1")
	l := newLab(t)
	l.device("laptop", func(d *spec.Device) {
		d.Biometrics, d.Sensors = nil, map[string]*spec.Sensor{"web": {Kind: "face", External: true, AntiSpoofing: ptr(false)}}
	})
	policy := func(anti, ess bool) spec.Policy {
		return spec.Policy{Biometrics: &spec.Biometrics{EnhancedAntiSpoofing: &anti, ESSPeripherals: &ess}}
	}
	l.Create("policy.p", policy(false, true))
	if _, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop, "face")); err == nil || !strings.Contains(err.Error(), "policy lets it use") {
		t.Errorf("blocked by Enhanced Sign-in Security: %v", err)
	}
	l.Update("policy.p", policy(false, false))
	l.Advance(time.Minute)
	l.enroll("face")
	face := windows.Request{Gesture: "face"}
	l.expect(face, "success")
	l.Update("policy.p", policy(false, true))
	l.expect(face, "sensor_blocked")
	l.Update("policy.p", policy(true, false))
	l.expect(face, "anti_spoofing_missing")
	l.expect(byPIN(pin), "success")
	l.Update("policy.p", policy(false, false))
	l.expect(face, "success")
}
