// Package container is the Windows Hello container: a logical group of the key
// material of one user on one device (seed 004, "Container details"). There is
// no file that is the container; it is a value whose parts a device keeps in
// its tables.
//
//	gesture ──▶ protector ──▶ three secrets ──▶ authentication key ──▶ user id keys
//
// Each gesture has a protector of its own, which keeps its own copy of the same
// three 32-byte secrets (external, decrypt, sign; names and number as reverse
// engineering of Windows shows them). The PIN's is a TPM seal with the PIN as
// authorization value; a biometric gesture's is sealed with what the sensor
// hands out on a match. The decrypt secret is the authorization value of the
// authentication key, a P-256 key; only its agreement with the container's
// point, together with the sign secret, gives the authorization values of the
// user id keys. So neither state nor administrator opens a user id key without
// a gesture, and a new authentication key makes every old copy useless.
//
// The PIN is used as bytes and never kept.
package container

import (
	"context"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hellolab/providers/windows/ksp"
)

// Gesture is what a user does to release the container's keys.
type Gesture string

const (
	PIN         Gesture = "pin"
	Face        Gesture = "face"
	Fingerprint Gesture = "fingerprint"
)

// Errors, for errors.Is; those of ksp come through as they are.
var (
	ErrNoProtector = errors.New("the container has no protector for this gesture")
	ErrNoKey       = errors.New("the container has no such key")
	ErrOtherTenant = errors.New("the device is not registered with this organisation")
	// ErrDamaged: the gesture was right, and the keys behind it do not open.
	ErrDamaged = errors.New("the container's keys do not belong together")
)

const secretSize = 32

// Container is the key material of one user on one device, all of it wrapped.
type Container struct {
	ID         string      `json:"id"`  // GUID
	SID        string      `json:"sid"` // whose
	Storage    ksp.Storage `json:"storage"`
	Created    time.Time   `json:"created"`
	Protectors []Protector `json:"protectors"`
	AuthKey    AuthKey     `json:"authentication_key"`
	UserKeys   []UserKey   `json:"user_keys"`
	Gate       Gate        `json:"gate"`
	PIN        PINState    `json:"pin"`

	Administrative *AdministrativeKey `json:"administrative_key,omitempty"` // nil where policy does not ask for one
}

// Protector is one gesture's copy of the secrets.
type Protector struct {
	ID      string     `json:"id"` // GUID
	Gesture Gesture    `json:"gesture"`
	Sealed  ksp.Sealed `json:"sealed"`
}

// AuthKey is the container's one authentication key. Point is the public point
// it agrees with; nobody holds the private half of it.
type AuthKey struct {
	ID    string  `json:"id"` // GUID
	Key   ksp.Key `json:"key"`
	Point []byte  `json:"point"`
}

// UserKey is a user id key: what proves the user to one identity provider.
type UserKey struct {
	ID       string    `json:"id"`       // the kid: base64 SHA-256 of the registered public key
	Name     string    `json:"name"`     // login.windows.net/<tenant>/<upn>
	Provider string    `json:"provider"` // tenant id, or Consumer: keys are kept apart by identity provider
	Key      ksp.Key   `json:"key"`
	Created  time.Time `json:"created"`

	// Domain is the DNS name of the domain that the key's user has an account in,
	// the hint by which Kerberos finds a controller; "" where there is none.
	Domain string `json:"domain,omitempty"`
	// Certificates that authorities issued for the key, by the SHA-1 thumbprints
	// under which the user's Personal store has them, the oldest first.
	Certificates []string `json:"certificates,omitempty"`

	// Hinted tells that Domain was noted when the key was made. Versions that did
	// not note it took the user's domain as it was at the sign-in.
	Hinted bool `json:"hinted,omitempty"`
}

// Maker makes containers: the provider of the device and its random source.
type Maker struct {
	Provider ksp.Provider
	Rand     io.Reader
	NewGUID  func() string
}

// Create makes a container with its PIN protector and its authentication key,
// released. The caller closes what is released.
func (m Maker) Create(ctx context.Context, sid string, pin []byte, now time.Time) (*Container, *Released, error) {
	c := &Container{ID: m.NewGUID(), SID: sid, Storage: m.Provider.Storage(), Created: now}
	r, err := m.fill(ctx, c, pin, now)
	if err != nil {
		return nil, nil, err
	}
	return c, r, nil
}

// fill gives an empty container secrets, a PIN protector and an authentication key.
func (m Maker) fill(ctx context.Context, c *Container, pin []byte, now time.Time) (*Released, error) {
	r := &Released{c: c, provider: m.Provider}
	if _, err := io.ReadFull(m.Rand, r.secrets[:]); err != nil {
		return nil, fmt.Errorf("make container secrets: %w", err)
	}
	auth := c.pinAuth(pin)
	defer clear(auth)
	if err := m.AddProtector(ctx, r, PIN, auth); err != nil {
		return nil, err
	}
	r.remember(pin, now)
	key, err := m.Provider.CreateKey(ctx, ksp.Agree, r.decrypt())
	if err != nil {
		return nil, fmt.Errorf("authentication key: %w", err)
	}
	// The point's private half is dropped here and now.
	point, err := ecdh.P256().GenerateKey(m.Rand)
	if err != nil {
		return nil, fmt.Errorf("authentication key: %w", err)
	}
	c.AuthKey = AuthKey{ID: m.NewGUID(), Key: key, Point: point.PublicKey().Bytes()}
	return r, nil
}

// AddProtector gives a gesture its own copy of the released secrets. secret
// is what the gesture yields: derived from the PIN, or handed out by a sensor.
func (m Maker) AddProtector(ctx context.Context, r *Released, g Gesture, secret []byte) error {
	sealed, err := m.Provider.Seal(ctx, r.secrets[:], secret)
	if err != nil {
		return fmt.Errorf("%s protector: %w", g, err)
	}
	r.c.Protectors = append(r.c.Protectors, Protector{ID: m.NewGUID(), Gesture: g, Sealed: sealed})
	return nil
}

// pinAuth makes the authorization value of a PIN: SHA-256 over the container's
// id and the PIN as UTF-16, little-endian, so that one PIN has nothing in
// common on two containers.
func (c *Container) pinAuth(pin []byte) []byte {
	h := sha256.New()
	io.WriteString(h, c.ID)
	h.Write([]byte{0})
	h.Write(utf16LE(pin))
	return h.Sum(nil)
}

// ReleaseWithPIN opens the container with the PIN. A wrong one is
// ksp.ErrWrongAuth, and counts towards the TPM's lockout.
func (c *Container) ReleaseWithPIN(ctx context.Context, p ksp.Provider, pin []byte) (*Released, error) {
	auth := c.pinAuth(pin)
	defer clear(auth)
	return c.Release(ctx, p, PIN, auth)
}

// Release opens the container with what a gesture yields ("releasing the key",
// seed 004).
func (c *Container) Release(ctx context.Context, p ksp.Provider, g Gesture, secret []byte) (*Released, error) {
	for _, pr := range c.Protectors {
		if pr.Gesture != g {
			continue
		}
		data, err := p.Unseal(ctx, pr.Sealed, secret)
		if err != nil {
			return nil, fmt.Errorf("open the %s protector: %w", g, err)
		}
		defer clear(data)
		r := &Released{c: c, provider: p}
		if copy(r.secrets[:], data) != len(r.secrets) || len(data) != len(r.secrets) {
			return nil, fmt.Errorf("the %s protector holds %d bytes", g, len(data))
		}
		return r, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoProtector, g)
}

// Has reports whether a gesture has a protector.
func (c *Container) Has(g Gesture) bool {
	for _, p := range c.Protectors {
		if p.Gesture == g {
			return true
		}
	}
	return false
}

// UserKey returns the key that proves the user to an identity provider.
func (c *Container) UserKey(provider string) (UserKey, bool) {
	if own := c.keysOf(provider); len(own) > 0 {
		return own[0], true
	}
	return UserKey{}, false
}

// RemoveKey removes the keys of an identity provider, and reports whether the
// container has others.
func (c *Container) RemoveKey(provider string) (others bool) {
	c.UserKeys = slices.DeleteFunc(c.UserKeys, func(k UserKey) bool { return k.Provider == provider })
	return len(c.UserKeys) > 0
}

// RemoveProtector removes a gesture's copy of the secrets.
func (c *Container) RemoveProtector(g Gesture) {
	c.Protectors = slices.DeleteFunc(c.Protectors, func(p Protector) bool { return p.Gesture == g })
}

// Released is a container that a gesture has opened. Applications use its keys
// by the verbs of a Section; none returns a key. Close ends it.
type Released struct {
	c        *Container
	provider ksp.Provider
	secrets  [3 * secretSize]byte // external, decrypt, sign
}

func (r *Released) external() []byte { return r.secrets[:secretSize] }
func (r *Released) decrypt() []byte  { return r.secrets[secretSize : 2*secretSize] }
func (r *Released) sign() []byte     { return r.secrets[2*secretSize:] }

// Container is what is open.
func (r *Released) Container() *Container { return r.c }

// Close forgets the secrets.
func (r *Released) Close() { clear(r.secrets[:]) }

// userAuth asks the authentication key for the authorization value of a user
// key: HMAC-SHA256 under the agreed secret, over the sign secret, the key's
// digest and the identity provider it is for.
func (r *Released) userAuth(ctx context.Context, k UserKey) ([]byte, error) {
	z, err := r.provider.Agree(ctx, r.c.AuthKey.Key, r.decrypt(), r.c.AuthKey.Point)
	if err != nil {
		return nil, fmt.Errorf("authentication key: %w", mismatch(err))
	}
	defer clear(z)
	m := hmac.New(sha256.New, z)
	m.Write(r.sign())
	d := k.Key.Digest()
	m.Write(d[:])
	io.WriteString(m, k.Provider)
	return m.Sum(nil), nil
}

// mismatch tells a wrong authorization behind a gesture that was right from a
// wrong gesture.
func mismatch(err error) error {
	if errors.Is(err, ksp.ErrWrongAuth) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
