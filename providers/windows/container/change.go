package container

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"
	"unicode/utf16"

	"hellolab/providers/hello"
	"hellolab/providers/windows/ksp"
)

// MaxHistory is how many PINs the container remembers: the most that policy may
// ask for (PassportForWork DDF, PINComplexity/History).
const MaxHistory = 50

// PINState is what is known of the PIN without it: since when it is the PIN, what
// it looks like, so that a policy can be judged before anybody types it, and
// marks of it and of those before it, the newest first.
type PINState struct {
	Set     time.Time      `json:"set"`
	Shape   hello.PINShape `json:"shape"`
	History [][]byte       `json:"history,omitempty"`
}

// mark is what the history keeps of a PIN: HMAC-SHA256 under a key that is made
// of the external secret. Whoever has the state alone can try no PIN against it:
// the secret comes out of the TPM's seal, by a gesture.
func (r *Released) mark(pin []byte) []byte {
	key := hmac.New(sha256.New, r.external())
	io.WriteString(key, "pin history")
	m := hmac.New(sha256.New, key.Sum(nil))
	m.Write(utf16LE(pin))
	return m.Sum(nil)
}

// Used reports whether a PIN is among the last n, the one in use included.
func (r *Released) Used(pin []byte, n int) bool {
	mark, used := r.mark(pin), false
	for i, old := range r.c.PIN.History {
		if i < n && hmac.Equal(mark, old) {
			used = true
		}
	}
	return used
}

// remember notes a PIN as the one in use.
func (r *Released) remember(pin []byte, now time.Time) {
	c := r.c
	c.PIN.Set, c.PIN.Shape = now, hello.ShapeOfPIN(pin)
	c.PIN.History = append([][]byte{r.mark(pin)}, c.PIN.History...)
	c.PIN.History = c.PIN.History[:min(len(c.PIN.History), MaxHistory)]
}

// ChangePIN gives the released container another PIN: its protector is sealed
// anew, and nothing else changes. Who calls it has shown the old one.
func (m Maker) ChangePIN(ctx context.Context, r *Released, pin []byte, now time.Time) error {
	auth := r.c.pinAuth(pin)
	defer clear(auth)
	sealed, err := m.Provider.Seal(ctx, r.secrets[:], auth)
	if err != nil {
		return fmt.Errorf("%s protector: %w", PIN, err)
	}
	for i := range r.c.Protectors {
		if p := &r.c.Protectors[i]; p.Gesture == PIN {
			p.Sealed = sealed
			r.remember(pin, now)
			r.c.Gate = Gate{}
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrNoProtector, PIN)
}

// Renew is a reset that keeps the user keys (seed 004: "everything that the old
// key protected is decrypted and encrypted again"): new secrets, a new
// authentication key, each user key under an authorization value of the new
// ones, protectors for the new PIN and for the gestures given, what each yields.
// The history is lost. r is left as it was, so that a reset that fails changes
// nothing; the caller closes what is released.
func (m Maker) Renew(ctx context.Context, r *Released, pin []byte, gestures map[Gesture][]byte, now time.Time) (*Container, *Released, error) {
	old := r.c
	c := &Container{ID: old.ID, SID: old.SID, Storage: old.Storage, Created: old.Created}
	fresh, err := m.fill(ctx, c, pin, now)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range old.Protectors {
		if secret, ok := gestures[p.Gesture]; ok && p.Gesture != PIN {
			if err := m.AddProtector(ctx, fresh, p.Gesture, secret); err != nil {
				fresh.Close()
				return nil, nil, err
			}
		}
	}
	for _, k := range old.UserKeys {
		if k.Key, err = rebind(ctx, m.Provider, r, fresh, k); err != nil {
			fresh.Close()
			return nil, nil, fmt.Errorf("user key %s: %w", k.ID, err)
		}
		c.UserKeys = append(c.UserKeys, k)
	}
	return c, fresh, nil
}

// rebind takes a user key from under one authentication key to another.
func rebind(ctx context.Context, p ksp.Provider, from, to *Released, k UserKey) (ksp.Key, error) {
	was, err := from.userAuth(ctx, k)
	if err != nil {
		return ksp.Key{}, err
	}
	defer clear(was)
	auth, err := to.userAuth(ctx, k)
	if err != nil {
		return ksp.Key{}, err
	}
	defer clear(auth)
	key, err := p.ChangeAuth(ctx, k.Key, was, auth)
	return key, mismatch(err)
}

func utf16LE(text []byte) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(string(text))) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
