package all_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
)

// TestKeyStorage: with a TPM every key is in it; without one it is in
// software, said so, and attests nothing.
func TestKeyStorage(t *testing.T) {
	for _, c := range []struct {
		tpm   string
		where ksp.Storage
	}{{"2.0", ksp.TPM}, {"none", ksp.Software}} {
		t.Run(string(c.where), func(t *testing.T) {
			l := newLab(t)
			l.Update("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}, Attestation: "preferred"})
			l.device("laptop", func(d *spec.Device) { d.TPM = c.tpm })
			tap := l.listen()
			out := l.enroll()
			s := l.story("P1")
			_, body, _ := registered(t, tap.exchanges())
			t.Run("binding", func(t *testing.T) {
				seed.Proves(t, "PB-11", "P1")
				k := l.containerOf(laptop, "alice")
				if out.KeyStorage != string(c.where) || k.Storage != c.where || k.UserKeys[0].Key.Storage != c.where || k.AuthKey.Key.Storage != c.where || k.Protectors[0].Sealed.Storage != c.where {
					t.Errorf("enrollment %s, container %+v", out.KeyStorage, k)
				}
				for _, step := range []string{"pool_take", "protector_created", "container_created"} {
					if got := s.at(t, step).Message["storage"]; got != string(c.where) {
						t.Errorf("%s shows %v", step, got)
					}
				}
				l.expect(byPIN(pin), "success")
				l.expect(byPIN("000000"), "wrong_pin")
			})
			t.Run("attestation", func(t *testing.T) {
				seed.Proves(t, "PB-07", "P1")
				level := map[ksp.Storage]string{ksp.TPM: "attested", ksp.Software: "notAttested"}[c.where]
				if has := body.Attestation != nil; has != (c.where == ksp.TPM) || l.helloKeys("alice")[0].AttestationLevel != level {
					t.Errorf("attestation in the request: %v; directory %+v", has, l.helloKeys("alice")[0])
				}
			})
		})
	}
}

// TestUserKeyStays is a thief with all that the device keeps, and with the
// device's TPM at hand, but without the PIN.
func TestUserKeyStays(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.device("desk")
	l.enroll()
	c := l.containerOf(laptop, "alice")
	key, tpm := c.UserKeys[0], l.tpmOf(laptop)
	digest := sha256.Sum256([]byte("nonce"))

	t.Run("not exportable", func(t *testing.T) {
		seed.Proves(t, "PB-12", "P1")
		if err := tpm.Export(t.Context(), key.Key); !errors.Is(err, ksp.ErrNotExportable) {
			t.Errorf("export: %v", err)
		}
		// What the state holds is wrapped for one TPM: another cannot load it.
		if _, err := l.tpmOf("device.desk").SignSHA256(t.Context(), key.Key, nil, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("on another TPM: %v", err)
		}
		// Nobody prints even that.
		told, err := json.Marshal(l.Events())
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, l.Logged()...)
		blob := key.Key.Blob
		for name, text := range map[string]string{"as it is": string(blob), "in base64": base64.StdEncoding.EncodeToString(blob), "in hex": hex.EncodeToString(blob)} {
			if len(blob) < 96 || bytes.Contains(told, []byte(text)) {
				t.Errorf("the key is told %s", name)
			}
		}
	})
	t.Run("closed without the PIN", func(t *testing.T) {
		seed.Proves(t, "PB-13", "P1")
		for name, auth := range map[string][]byte{"none": nil, "empty": {}, "the container's id": []byte(c.ID), "zeros": make([]byte, 32)} {
			if _, err := tpm.SignSHA256(t.Context(), key.Key, auth, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("user key, authorization value %s: %v", name, err)
			}
			if _, err := tpm.Agree(t.Context(), c.AuthKey.Key, auth, c.AuthKey.Point); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("authentication key, authorization value %s: %v", name, err)
			}
			if _, err := c.Release(t.Context(), tpm, container.PIN, auth); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("protector, authorization value %s: %v", name, err)
			}
		}
		if _, err := c.ReleaseWithPIN(t.Context(), tpm, []byte("000000")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("wrong PIN: %v", err)
		}
		released, err := c.ReleaseWithPIN(t.Context(), tpm, providers.Secret(pin))
		if err != nil {
			t.Fatalf("the PIN: %v", err)
		}
		defer released.Close()
		if _, err := released.Section(key.Provider).Signer(t.Context(), key.ID); err != nil {
			t.Error(err)
		}
	})
}
