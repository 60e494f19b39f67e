package all_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestContainerKeys follows a user key from the pool to its uses.
func TestContainerKeys(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.Advance(time.Hour) // a second factor is asked for
	tap := l.listen()
	out := l.enroll()
	s := l.story("P1")
	entry := l.helloKeys("alice")[0]

	t.Run("made here, registered, kept", func(t *testing.T) {
		seed.Proves(t, "CT-33")
		s.inOrder(t, "pool_take", "user_key_bound", "key_registration", "key_written", "key_id_stored")
		s.by(t, "B", event.Container, event.TPM, "user_key_bound")
		s.by(t, "C", event.DRS, event.EntraID, "key_written")
		if entry.KeyIdentifier != out.KeyID || len(entry.KeyMaterial) == 0 {
			t.Errorf("the directory keeps %+v", entry)
		}
		private := l.privateBlobs(laptop)["user key "+out.KeyID]
		if len(private) == 0 || bytes.Contains(l.tenantRecords(), private) {
			t.Error("the private half is not the device's alone")
		}
	})
	t.Run("attestation beside the protector", func(t *testing.T) {
		seed.Proves(t, "CT-20")
		s.inOrder(t, "protector_created", "attestation", "key_registration", "attestation_verified", "key_written")
		if !bytes.Contains(tap.unfolded(), []byte(`"statement"`)) || entry.AttestationLevel != "attested" {
			t.Errorf("%+v", entry)
		}
	})
	t.Run("trust begins with two factors", func(t *testing.T) {
		seed.Proves(t, "CT-22")
		at, ok := s.at(t, "mfa_current").Message["mfa_at"].(time.Time)
		created, err := time.Parse(time.RFC3339, entry.Created)
		if err != nil || !ok || at.IsZero() || created.Before(at) || created.Sub(at) > 10*time.Minute {
			t.Errorf("the second factor at %s, the key at %s", at, created)
		}
		s.inOrder(t, "mfa_prompt", "mfa_code", "mfa_current", "key_written")
	})
	t.Run("released, and signs", func(t *testing.T) {
		seed.Proves(t, "CT-31", "A1")
		seed.Proves(t, "CT-40", "A1")
		l.expect(byPIN(pin), "success")
		a1 := l.story("A1")
		a1.inOrder(t, "key_released", "nonce_signed", "prt_issued")
		if kid := a1.at(t, "nonce_signed").Message["kid"]; kid != out.KeyID || !strings.Contains(a1.at(t, "key_released").Text, "released") {
			t.Errorf("%v signed\n%s", kid, a1)
		}
	})
	t.Run("only policy guarantees hardware", func(t *testing.T) {
		seed.Proves(t, "CT-15")
		l := newLabOf(t, "preferred")
		l.device("laptop", func(d *spec.Device) { d.TPM = "none" })
		l.Create("policy.p", spec.Policy{RequireSecurityDevice: new(true)})
		if _, err := l.TryCreate(t.Context(), enrolled, enrollment(alice, laptop)); err == nil || !strings.Contains(err.Error(), "requires a TPM") {
			t.Fatalf("with the policy: %v", err)
		}
		l.Update("policy.p", spec.Policy{RequireSecurityDevice: new(false)})
		if out := l.enroll(); out.KeyStorage != "software" {
			t.Errorf("without it: %+v", out)
		}
		l.expect(byPIN(pin), "success")
	})
}

// TestOneKeyForBoth signs in to domain and tenant with the same key.
func TestOneKeyForBoth(t *testing.T) {
	seed.Proves(t, "CT-39", "A1", "A6")
	l := newBothLab(t)
	l.cycle()
	out := outOf[spec.Enrollment, spec.EnrollmentOut](l, deskEnrolled)
	l.expect(windows.Request{User: alice, Device: desk, PIN: providers.Secret(pin), To: []string{"tenant.contoso", corp}}, "success")
	a6 := l.story("A6")
	a6.inOrder(t, "key_released", "as_request", "tgt_cached", "explorer_started", "nonce_signed", "prt_cached")
	if kid := a6.at(t, "nonce_signed").Message["kid"]; kid != out.KeyID {
		t.Errorf("the tenant was shown %v", kid)
	}
	if kid := a6.at(t, "key_released").Message["kid"]; kid != out.KeyID {
		t.Errorf("%v was released", kid)
	}
	if subject, _ := a6.at(t, "as_request").Message["subject"].(string); !strings.Contains(strings.ReplaceAll(subject, `\`, ""), out.KeyID) {
		t.Errorf("the domain was shown %q", subject)
	}
}
