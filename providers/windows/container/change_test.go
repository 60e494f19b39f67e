package container_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
)

// opens reports whether a PIN opens a container and its key signs.
func opens(t *testing.T, m machine, c *container.Container, pin string) error {
	t.Helper()
	r, err := c.ReleaseWithPIN(t.Context(), m, []byte(pin))
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = sign(t, r, "kid", sha256.Sum256(nil))
	return err
}

func TestChangePIN(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		c, r := m.provision(t, "1872")
		auth, key, later := c.AuthKey.ID, c.UserKeys[0].Key, now.Add(time.Hour)
		c.Gate.Wrong = 2
		if err := m.maker().ChangePIN(t.Context(), r, []byte("271828"), later); err != nil {
			t.Fatal(err)
		}
		if err := opens(t, m, c, "271828"); err != nil {
			t.Errorf("the new PIN: %v", err)
		}
		if err := opens(t, m, c, "1872"); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("the old PIN: %v", err)
		}
		// CT-25: a change does not have to replace the authentication key, and does not.
		if c.AuthKey.ID != auth || !bytes.Equal(c.UserKeys[0].Key.Blob, key.Blob) || len(c.Protectors) != 1 {
			t.Error("more than the PIN's protector changed")
		}
		if !c.PIN.Set.Equal(later) || c.PIN.Shape.Length != 6 || c.Gate.Wrong != 0 {
			t.Errorf("%+v, gate %+v", c.PIN, c.Gate)
		}
	})
}

func TestHistory(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		// The PINs are long, so that chance does not put one into a key's base64.
		c, r := m.provision(t, "1872")
		for i := range container.MaxHistory + 2 {
			if err := m.maker().ChangePIN(t.Context(), r, fmt.Appendf(nil, "90314159%02d", i), now); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.PIN.History) != container.MaxHistory {
			t.Errorf("%d remembered", len(c.PIN.History))
		}
		newest := fmt.Sprintf("90314159%02d", container.MaxHistory+1)
		for _, test := range []struct {
			pin  string
			n    int
			used bool
		}{
			{newest, 0, false}, {newest, 1, true}, {"9031415950", 1, false}, {"9031415950", 2, true}, {"9031415902", 50, true}, {"1872", 50, false}, {"5555", 50, false},
		} {
			if used := r.Used([]byte(test.pin), test.n); used != test.used {
				t.Errorf("%s among the last %d: %t", test.pin, test.n, used)
			}
		}
		// The marks are of no use without the secret that the TPM gives out.
		state, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(newest))
		if bytes.Contains(state, []byte(newest)) || slices.ContainsFunc(c.PIN.History, func(m []byte) bool { return bytes.Equal(m, sum[:]) }) {
			t.Error("the history tells the PIN")
		}
		other, ro := m.provisionAnother(t, newest)
		if bytes.Equal(other.PIN.History[0], c.PIN.History[0]) {
			t.Error("one PIN has one mark on two containers")
		}
		r.Close()
		if r.Used([]byte(newest), 50) || !ro.Used([]byte(newest), 1) {
			t.Error("the history opens without a gesture")
		}
	})
}

func TestRenew(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-25")
		seed.Proves(t, "CT-26")
		c, r := m.provision(t, "1872")
		_, face, err := sensor.Enroll(rand.Reader, "face", sid, sensor.Sample("face", "alice@contoso.com"))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []container.Gesture{container.Face, container.Fingerprint} {
			if err := m.maker().AddProtector(t.Context(), r, g, face); err != nil {
				t.Fatal(err)
			}
		}
		before, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		later := now.Add(time.Hour)
		renewed, nr, err := m.maker().Renew(t.Context(), r, []byte("271828"), map[container.Gesture][]byte{container.Face: face}, later)
		if err != nil {
			t.Fatal(err)
		}
		nr.Close()
		if after, err := json.Marshal(c); err != nil || !bytes.Equal(before, after) {
			t.Error("the old container changed")
		}
		if renewed.ID != c.ID || renewed.AuthKey.ID == c.AuthKey.ID || bytes.Equal(renewed.AuthKey.Key.Public, c.AuthKey.Key.Public) {
			t.Error("the authentication key is the old one, or the container another")
		}
		if k := renewed.UserKeys; len(k) != 1 || k[0].ID != "kid" || !bytes.Equal(k[0].Key.Public, c.UserKeys[0].Key.Public) || bytes.Equal(k[0].Key.Blob, c.UserKeys[0].Key.Blob) {
			t.Error("the user key is not the same one, wrapped anew")
		}
		if err := opens(t, m, renewed, "271828"); err != nil {
			t.Errorf("the new PIN: %v", err)
		}
		if err := opens(t, m, renewed, "1872"); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("the old PIN: %v", err)
		}
		rf, err := renewed.Release(t.Context(), m, container.Face, face)
		if err != nil {
			t.Fatal(err)
		}
		defer rf.Close()
		if _, err := sign(t, rf, "kid", sha256.Sum256(nil)); err != nil {
			t.Errorf("the face: %v", err)
		}
		if renewed.Has(container.Fingerprint) {
			t.Error("a gesture that was not given has a protector")
		}
		// The old copies are useless: their secrets do not open the new keys.
		stale := *renewed
		stale.Protectors = c.Protectors
		if err := opens(t, m, &stale, "1872"); !errors.Is(err, container.ErrDamaged) {
			t.Errorf("an old copy: %v", err)
		}
		// A reset never preserves the history (facts: N3).
		if len(renewed.PIN.History) != 1 || !renewed.PIN.Set.Equal(later) {
			t.Errorf("%+v", renewed.PIN)
		}
	})
}

func TestAdministrativeKey(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-18")
		seed.Proves(t, "CT-19")
		c, r := m.provision(t, "1872")
		key, err := m.maker().NewAdministrativeKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.maker().ReleaseWithAdministrativeKey(c, key); !errors.Is(err, container.ErrNoAdministrativeKey) {
			t.Errorf("without one: %v", err)
		}
		if err := m.maker().SetAdministrativeKey(r, key, tenant, "wrapped"); err != nil {
			t.Fatal(err)
		}
		state, err := json.Marshal(c)
		if err != nil || bytes.Contains(c.Administrative.Sealed, key) || bytes.Contains(state, key) {
			t.Error("the key lies beside what it opens")
		}
		opened, err := m.maker().ReleaseWithAdministrativeKey(c, key)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		renewed, nr, err := m.maker().Renew(t.Context(), opened, []byte("271828"), nil, now)
		if err != nil {
			t.Fatal(err)
		}
		nr.Close()
		if err := opens(t, m, renewed, "271828"); err != nil {
			t.Errorf("the new PIN: %v", err)
		}
		if renewed.Administrative != nil {
			t.Error("the old administrative key is kept")
		}
		other := bytes.Clone(key)
		other[0] ^= 1
		for name, k := range map[string][]byte{"another key": other, "a short key": key[:16], "no key": nil} {
			if _, err := m.maker().ReleaseWithAdministrativeKey(c, k); err == nil {
				t.Errorf("%s opens the container", name)
			}
		}
		// Moved to another container it opens nothing.
		moved, _ := m.provisionAnother(t, "1872")
		moved.Administrative = c.Administrative
		if _, err := m.maker().ReleaseWithAdministrativeKey(moved, key); !errors.Is(err, container.ErrDamaged) {
			t.Errorf("moved: %v", err)
		}
	})
}

// TestProtectors: what stands between a gesture and the keys.
func TestProtectors(t *testing.T) {
	sealed := map[ksp.Storage]container.Protector{}
	both(t, func(t *testing.T, m machine) {
		c, r := m.provision(t, "1872")
		_, face, err := sensor.Enroll(rand.Reader, "face", sid, sensor.Sample("face", "alice@contoso.com"))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.maker().AddProtector(t.Context(), r, container.Face, face); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if m.Storage() == ksp.TPM {
			seed.Proves(t, "CT-04")
			if p := c.Protectors[0]; p.Gesture != container.PIN || p.Sealed.Storage != ksp.TPM {
				t.Errorf("the first protector: %s in %s", p.Gesture, p.Sealed.Storage)
			}
		}
		sealed[m.Storage()] = c.Protectors[0]

		seed.Proves(t, "CT-23")
		pub, err := c.AuthKey.Key.PublicKey()
		if pub, ok := pub.(*ecdsa.PublicKey); err != nil || !ok || pub.Curve != elliptic.P256() || c.AuthKey.Key.Use != ksp.Agree {
			t.Errorf("authentication key: %T, %v", pub, err)
		}
		// Each copy opens by its own protector alone.
		seed.Proves(t, "CT-08")
		c.RemoveProtector(container.PIN)
		if err := opens(t, m, c, "1872"); !errors.Is(err, container.ErrNoProtector) {
			t.Errorf("the PIN without its protector: %v", err)
		}
		if _, err := c.Release(t.Context(), m, container.Face, []byte("1872")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("the PIN at the face's protector: %v", err)
		}
		seed.Proves(t, "CT-24")
		for range 2 { // each access wants the gesture again
			rf, err := c.Release(t.Context(), m, container.Face, face)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sign(t, rf, "kid", sha256.Sum256(nil)); err != nil {
				t.Error(err)
			}
			rf.Close()
			if _, err := sign(t, rf, "kid", sha256.Sum256(nil)); err == nil {
				t.Error("the key signs after the release is over")
			}
		}
	})
	t.Run("each wraps in its own way", func(t *testing.T) {
		seed.Proves(t, "CT-11")
		ofTPM, ok := sealed[ksp.TPM]
		if !ok {
			t.Skip("built without cgo: there is no TPM simulator to wrap in")
		}
		if ofTPM.Sealed.Storage == sealed[ksp.Software].Sealed.Storage {
			t.Error("one way")
		}
		if _, err := software(t).Unseal(t.Context(), ofTPM.Sealed, []byte("x")); !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("the TPM's seal at the software provider: %v", err)
		}
		if _, err := platform(t).Unseal(t.Context(), sealed[ksp.Software].Sealed, []byte("x")); !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("the other way round: %v", err)
		}
	})
}
