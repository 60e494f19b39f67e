package container

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// AdministrativeKeySize is the size of an administrative key.
const AdministrativeKeySize = 32

// ErrNoAdministrativeKey: without one nothing but a gesture opens the container,
// and a reset is destructive.
var ErrNoAdministrativeKey = errors.New("the container has no administrative key")

// AdministrativeKey opens the container without a gesture (seed 004: "an
// administrative key that can be used to reset credentials"): its protector
// keeps a copy of the secrets under it, as a gesture's does. The key itself is
// not here: Wrapped is it, encrypted to the PIN reset service, which gives it
// back to a user who proves who they are.
type AdministrativeKey struct {
	ID       string `json:"id"`       // GUID
	Provider string `json:"provider"` // whose reset service it is: tenant id
	Sealed   []byte `json:"sealed"`   // the secrets: AES-256-GCM, container and key ids as additional data
	Wrapped  string `json:"wrapped"`  // as package wire/pinreset has it
}

// SetAdministrativeKey gives the released container an administrative key in the
// place of the one it has. key is used once, here: its nonce may be constant.
func (m Maker) SetAdministrativeKey(r *Released, key []byte, provider, wrapped string) error {
	a := AdministrativeKey{ID: m.NewGUID(), Provider: provider, Wrapped: wrapped}
	aead, err := gcm(key)
	if err != nil {
		return err
	}
	a.Sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), r.secrets[:], a.additional(r.c))
	r.c.Administrative = &a
	return nil
}

// NewAdministrativeKey makes a key to set.
func (m Maker) NewAdministrativeKey() ([]byte, error) {
	key := make([]byte, AdministrativeKeySize)
	if _, err := io.ReadFull(m.Rand, key); err != nil {
		return nil, fmt.Errorf("make administrative key: %w", err)
	}
	return key, nil
}

// ReleaseWithAdministrativeKey opens the container with the key that the reset
// service gave back.
func (m Maker) ReleaseWithAdministrativeKey(c *Container, key []byte) (*Released, error) {
	if c.Administrative == nil {
		return nil, ErrNoAdministrativeKey
	}
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	data, err := aead.Open(nil, make([]byte, aead.NonceSize()), c.Administrative.Sealed, c.Administrative.additional(c))
	if err != nil {
		return nil, fmt.Errorf("%w: the administrative key does not open them", ErrDamaged)
	}
	defer clear(data)
	r := &Released{c: c, provider: m.Provider}
	if copy(r.secrets[:], data) != len(data) || len(data) != len(r.secrets) {
		return nil, fmt.Errorf("%w: %d bytes of secrets", ErrDamaged, len(data))
	}
	return r, nil
}

func (a AdministrativeKey) additional(c *Container) []byte { return []byte(c.ID + "\x00" + a.ID) }

func gcm(key []byte) (cipher.AEAD, error) {
	if len(key) != AdministrativeKeySize {
		return nil, fmt.Errorf("an administrative key of %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
