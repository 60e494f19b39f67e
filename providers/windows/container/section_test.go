package container_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/ksp"
)

// TestProvidersAreKeptApart has keys of two identity providers in one
// container, and each provider's code see and use its own.
func TestProvidersAreKeptApart(t *testing.T) {
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-16")
		seed.Proves(t, "CT-17")
		c, r := m.provision(t, "1872")
		spare, err := m.CreateKey(t.Context(), ksp.UserSign, nil)
		if err != nil {
			t.Fatal(err)
		}
		own := container.UserKey{ID: "own", Key: spare, Created: now}
		if _, err := r.Section(container.Consumer).Adopt(t.Context(), own, container.Consumer); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if r, err = c.ReleaseWithPIN(t.Context(), m, []byte("1872")); err != nil { // one gesture opens both
			t.Fatal(err)
		}
		defer r.Close()
		digest := sha256.Sum256([]byte("nonce"))
		for _, own := range []struct{ provider, kid, others string }{{tenant, "kid", "own"}, {container.Consumer, "own", "kid"}} {
			s := r.Section(own.provider)
			if keys := s.Keys(); len(keys) != 1 || keys[0].ID != own.kid {
				t.Errorf("%s sees %+v", own.provider, keys)
			}
			if _, err := signWith(t, s, own.kid, digest); err != nil {
				t.Errorf("%s cannot use its key: %v", own.provider, err)
			}
			if _, err := s.Signer(t.Context(), own.others); !errors.Is(err, container.ErrNoKey) {
				t.Errorf("%s and the key of the other: %v", own.provider, err)
			}
		}
		if keys := r.Section("another").Keys(); len(keys) != 0 {
			t.Errorf("a third provider sees %+v", keys)
		}
		// Whoever writes another provider's name to a key has not moved it there.
		for i := range c.UserKeys {
			if c.UserKeys[i].ID == "kid" {
				c.UserKeys[i].Provider = container.Consumer
			}
		}
		if _, err := signWith(t, r.Section(container.Consumer), "kid", digest); !errors.Is(err, container.ErrDamaged) {
			t.Errorf("a key that was relabelled: %v", err)
		}
	})
}
