package container_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/windows/tpm/tpmtest"
)

func TestMain(m *testing.M) { tpmtest.Main(m) }

const (
	sid    = "S-1-12-1-1-2-3-4"
	tenant = "4a1e3e55-0000-4000-8000-000000000001"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type image struct{ b []byte }

func (s *image) LoadImage() ([]byte, error)                  { return s.b, nil }
func (s *image) SaveImage(_ context.Context, b []byte) error { s.b = b; return nil }

// machine is a device's key storage provider with one key from its pool.
type machine struct {
	ksp.Provider
	spare ksp.Key
}

func platform(t *testing.T) machine {
	tpmtest.NeedsSimulator(t)
	p := tpmtest.NewLabPool(t, 1)
	b, err := p.Take(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return machine{p.TPM("device.laptop", &image{b.Image}, func() time.Time { return now }), b.User}
}

func software(t *testing.T) machine {
	key := make([]byte, ksp.MachineKeySize)
	rand.Read(key)
	s, err := ksp.NewSoftware(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateKey(t.Context(), ksp.UserSign, nil)
	if err != nil {
		t.Fatal(err)
	}
	return machine{s, k}
}

// both runs a test with either provider: how wrapping is done is the
// protector's own affair.
func both(t *testing.T, test func(*testing.T, machine)) {
	t.Run("tpm", func(t *testing.T) { test(t, platform(t)) })
	t.Run("software", func(t *testing.T) { test(t, software(t)) })
}

func (m machine) maker() container.Maker {
	return container.Maker{Provider: m.Provider, Rand: rand.Reader, NewGUID: uuid.NewString}
}

func (m machine) provision(t *testing.T, pin string) (*container.Container, *container.Released) {
	t.Helper()
	c, r, err := m.maker().Create(t.Context(), sid, []byte(pin), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if _, err := r.Section(tenant).Adopt(t.Context(), container.UserKey{ID: "kid", Key: m.spare, Created: now}, tenant); err != nil {
		t.Fatal(err)
	}
	return c, r
}

// provisionAnother is provision of a container without a user key.
func (m machine) provisionAnother(t *testing.T, pin string) (*container.Container, *container.Released) {
	t.Helper()
	c, r, err := m.maker().Create(t.Context(), sid, []byte(pin), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return c, r
}

// sign uses a key as an application does.
func sign(t *testing.T, r *container.Released, kid string, digest [sha256.Size]byte) ([]byte, error) {
	return signWith(t, r.Section(tenant), kid, digest)
}

func signWith(t *testing.T, s *container.Section, kid string, digest [sha256.Size]byte) ([]byte, error) {
	k, err := s.Signer(t.Context(), kid)
	if err != nil {
		return nil, err
	}
	return k.Sign(nil, digest[:], crypto.SHA256)
}

func TestReleaseAndSign(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-38")
		c, r := m.provision(t, "1872")
		r.Close()
		digest := sha256.Sum256([]byte("nonce"))
		r, err := c.ReleaseWithPIN(t.Context(), m, []byte("1872"))
		if err != nil {
			t.Fatal(err)
		}
		sig, err := sign(t, r, "kid", digest)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := m.spare.RSA()
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig); err != nil {
			t.Error(err)
		}
		seed.Proves(t, "CT-09")
		r.Close() // the secrets are gone, and with them the authentication key
		if _, err := sign(t, r, "kid", digest); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("after close: %v", err)
		}
		if _, err := sign(t, r, "other", digest); !errors.Is(err, container.ErrNoKey) {
			t.Errorf("unknown key: %v", err)
		}
	})
}

func TestWrongPIN(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-13")
		c, _ := m.provision(t, "1872")
		if _, err := c.ReleaseWithPIN(t.Context(), m, []byte("1873")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Fatal(err)
		}
	})
}

func TestEachGestureHasItsProtector(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-06")
		seed.Proves(t, "CT-07")
		seed.Proves(t, "CT-10")
		c, r := m.provision(t, "1872")
		templates := map[container.Gesture]sensor.Template{}
		for _, g := range []container.Gesture{container.Face, container.Fingerprint} {
			tpl, secret, err := sensor.Enroll(rand.Reader, string(g), sid, sensor.Sample(string(g), "alice@contoso.com"))
			if err != nil {
				t.Fatal(err)
			}
			if err := m.maker().AddProtector(t.Context(), r, g, secret); err != nil {
				t.Fatal(err)
			}
			templates[g] = tpl
		}
		ids := map[string]bool{}
		for _, p := range c.Protectors {
			ids[p.ID] = true
		}
		if len(c.Protectors) != 3 || len(ids) != 3 {
			t.Errorf("%d protectors with %d ids", len(c.Protectors), len(ids))
		}
		for g, tpl := range templates {
			if _, err := tpl.Match(sensor.Sample(string(g), "mallory@contoso.com")); !errors.Is(err, sensor.ErrNoMatch) {
				t.Errorf("another's %s: %v", g, err)
			}
			secret, err := tpl.Match(sensor.Sample(string(g), "alice@contoso.com"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Release(t.Context(), m, g, secret)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sign(t, r, "kid", sha256.Sum256(nil)); err != nil {
				t.Errorf("sign after %s: %v", g, err)
			}
			r.Close()
		}
	})
}

// TestStateAloneOpensNothing has everything the container keeps, and the very
// device, and no gesture.
func TestStateAloneOpensNothing(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-21")
		seed.Proves(t, "PB-13", "P1")
		c, _ := m.provision(t, "1872")
		digest := sha256.Sum256(nil)
		key := c.UserKeys[0].Key
		stored := c.Protectors[0].Sealed.Blob
		for name, auth := range map[string][]byte{"none": nil, "empty": {}, "stored bytes": stored[:32]} {
			if _, err := m.SignSHA256(t.Context(), key, auth, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("user key, authorization %s: %v", name, err)
			}
			if _, err := m.Agree(t.Context(), c.AuthKey.Key, auth, c.AuthKey.Point); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("authentication key, authorization %s: %v", name, err)
			}
			if _, err := m.Unseal(t.Context(), c.Protectors[0].Sealed, auth); !errors.Is(err, ksp.ErrWrongAuth) {
				t.Errorf("protector, authorization %s: %v", name, err)
			}
		}
		if _, err := c.Release(t.Context(), m, container.Face, stored[:32]); !errors.Is(err, container.ErrNoProtector) {
			t.Errorf("a gesture never enrolled: %v", err)
		}
	})
}

func TestForeignDevice(t *testing.T) {
	for name, make := range map[string]func(*testing.T) machine{"tpm": platform, "software": software} {
		t.Run(name, func(t *testing.T) {
			seed.Proves(t, "MOD-11")
			c, _ := make(t).provision(t, "1872")
			if _, err := c.ReleaseWithPIN(t.Context(), make(t), []byte("1872")); !errors.Is(err, ksp.ErrForeignKey) {
				t.Errorf("right PIN, another device: %v", err)
			}
		})
	}
}

func TestPINIsNotStored(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-45")
		const pin = "pin-that-is-easy-to-search"
		c, _ := m.provision(t, pin)
		state, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(pin))
		var raw []byte
		for _, p := range c.Protectors {
			raw = append(raw, p.Sealed.Blob...)
		}
		for _, k := range c.UserKeys {
			raw = append(raw, k.Key.Blob...)
		}
		for _, needle := range [][]byte{[]byte(pin), sum[:], []byte(hex.EncodeToString(sum[:]))} {
			if bytes.Contains(state, needle) || bytes.Contains(raw, needle) {
				t.Errorf("%q is in the container", needle)
			}
		}
	})
}

func TestSamePINUnrelatedKeys(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-47")
		a, ra, err := m.maker().Create(t.Context(), sid, []byte("1872"), now)
		if err != nil {
			t.Fatal(err)
		}
		defer ra.Close()
		b, rb, err := m.maker().Create(t.Context(), "S-1-12-1-5-6-7-8", []byte("1872"), now)
		if err != nil {
			t.Fatal(err)
		}
		defer rb.Close()
		if bytes.Equal(a.Protectors[0].Sealed.Blob, b.Protectors[0].Sealed.Blob) || bytes.Equal(a.AuthKey.Key.Public, b.AuthKey.Key.Public) {
			t.Error("two containers share key material")
		}
		// One user's protector under the other's container does not open.
		b.Protectors = a.Protectors
		if _, err := b.ReleaseWithPIN(t.Context(), m, []byte("1872")); !errors.Is(err, ksp.ErrWrongAuth) {
			t.Errorf("another user's protector: %v", err)
		}
	})
}

func TestOtherTenantIsRefused(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-03")
		c, r, err := m.maker().Create(t.Context(), sid, []byte("1872"), now)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_, err = r.Section("other tenant").Adopt(t.Context(), container.UserKey{ID: "kid", Key: m.spare}, tenant)
		if !errors.Is(err, container.ErrOtherTenant) || len(c.UserKeys) != 0 {
			t.Errorf("%v, %d keys", err, len(c.UserKeys))
		}
	})
}

func TestGate(t *testing.T) {
	for wrong, want := range []struct{ plain, phrase error }{
		0: {nil, nil},
		3: {nil, nil},
		4: {container.ErrChallenge, nil},
		5: {container.ErrRestart, container.ErrRestart},
		6: {container.ErrRestart, container.ErrRestart},
	} {
		g := container.Gate{Wrong: wrong}
		if err := g.Admit(""); err != want.plain {
			t.Errorf("%d wrong: %v, want %v", wrong, err, want.plain)
		}
		if err := g.Admit(container.ChallengePhrase); err != want.phrase {
			t.Errorf("%d wrong, phrase typed: %v, want %v", wrong, err, want.phrase)
		}
	}
}
