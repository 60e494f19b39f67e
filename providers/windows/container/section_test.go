package container_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
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

// TestVerbs: what code has of a released container is verbs. It lists keys, takes
// one in, and signs; no call returns a key, and what signing returns is a signature.
func TestVerbs(t *testing.T) {
	var verbs []string
	for _, of := range []reflect.Type{reflect.TypeFor[*container.Section](), reflect.TypeFor[*container.Released](), reflect.TypeFor[ksp.Provider]()} {
		for i := range of.NumMethod() {
			m := of.Method(i)
			for out := range m.Type.NumOut() {
				if r := m.Type.Out(out); slices.Contains([]string{"PrivateKey", "Decrypter"}, r.Name()) {
					t.Errorf("%s.%s returns %s", of, m.Name, r)
				}
			}
			if of == reflect.TypeFor[*container.Section]() {
				verbs = append(verbs, m.Name)
			}
		}
	}
	if !slices.Equal(verbs, []string{"Adopt", "Keys", "Signer"}) {
		t.Errorf("a section's verbs: %q", verbs)
	}
	both(t, func(t *testing.T, m machine) {
		seed.Proves(t, "CT-42")
		seed.Proves(t, "CT-43")
		c, r := m.provision(t, "1872")
		defer r.Close()
		key := c.UserKeys[0]
		signer, err := r.Section(tenant).Signer(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		pub, ok := signer.Public().(*rsa.PublicKey)
		if !ok {
			t.Fatalf("%T", signer.Public())
		}
		if of := reflect.TypeOf(signer); of.NumMethod() != 2 { // Public and Sign
			t.Errorf("a signer has %d methods", of.NumMethod())
		}
		for _, text := range []string{"one", "two", "three"} { // one gesture, three operations
			digest := sha256.Sum256([]byte(text))
			sig, err := signer.Sign(nil, digest[:], crypto.SHA256)
			if err != nil || rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) != nil || len(sig) != pub.Size() {
				t.Fatalf("%d bytes, %v", len(sig), err)
			}
			for i := 0; i+8 <= len(key.Key.Blob); i += 8 {
				if bytes.Contains(sig, key.Key.Blob[i:i+8]) {
					t.Error("the reply has bytes of the key")
				}
			}
		}
		if err := m.Export(t.Context(), key.Key); !errors.Is(err, ksp.ErrNotExportable) {
			t.Errorf("the raw key: %v", err)
		}
	})
}
