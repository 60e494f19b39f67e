// Package sensor is a Windows Hello biometric sensor, simulated: no camera and
// no finger, but the part that security rests on. A body presents a sample;
// the sensor keeps of it a template that cannot be turned back, and hands out,
// on a match only, the secret that opens the protector of its gesture.
//
// A sample is a trait of a person, derived from who they are, because a lab
// has nobody to look at; whoever stands before a lab's sensor is whom the
// sign-in names. Everything after the match is real. (Windows: "Biometric data
// storage" of the Hello documentation; templates never leave the device.)
package sensor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoMatch says that the sample is not of the enrolled person.
var ErrNoMatch = errors.New("the sample does not match")

// SecretSize is the size of the secret that a match gives.
const SecretSize = 32

// Template is what a sensor keeps of one person. It holds the secret
// encrypted under a key that only a matching sample yields.
type Template struct {
	Kind    string `json:"kind"` // "face", "fingerprint"
	SID     string `json:"sid"`
	Salt    []byte `json:"salt"`
	Wrapped []byte `json:"wrapped"` // AES-256-GCM, kind and SID as additional data
}

// TemplateSize is the size of a template in a sensor's database.
const TemplateSize = saltSize + SecretSize + 16

const saltSize = 16

// Bytes is the template as its sensor's database has it: salt, then what is
// wrapped. The database knows whose it is.
func (t Template) Bytes() []byte { return append(append([]byte(nil), t.Salt...), t.Wrapped...) }

// ParseTemplate reads the template of a person in the database of a sensor.
func ParseTemplate(kind, sid string, b []byte) (Template, error) {
	if len(b) != TemplateSize {
		return Template{}, fmt.Errorf("a template of %d bytes", len(b))
	}
	return Template{Kind: kind, SID: sid, Salt: b[:saltSize:saltSize], Wrapped: b[saltSize:]}, nil
}

// Sample is what the sensor of a kind sees of a person, by what never changes of
// them: a SID.
func Sample(kind, person string) []byte {
	s := sha256.Sum256([]byte("trait\x00" + kind + "\x00" + strings.ToLower(person)))
	return s[:]
}

// Enroll makes a template of a sample, and the secret it guards.
func Enroll(rand io.Reader, kind, sid string, sample []byte) (Template, []byte, error) {
	secret := make([]byte, SecretSize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return Template{}, nil, fmt.Errorf("enroll %s: %w", kind, err)
	}
	t, err := EnrollFor(rand, kind, sid, sample, secret)
	return t, secret, err
}

// EnrollFor makes a template of a sample that guards a secret which there is.
func EnrollFor(rand io.Reader, kind, sid string, sample, secret []byte) (Template, error) {
	t := Template{Kind: kind, SID: sid, Salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(rand, t.Salt); err != nil {
		return Template{}, fmt.Errorf("enroll %s: %w", kind, err)
	}
	aead, err := t.cipher(sample)
	if err != nil {
		return Template{}, err
	}
	// The key is used once, for this message: its nonce may be constant.
	t.Wrapped = aead.Seal(nil, make([]byte, aead.NonceSize()), secret, t.additional())
	return t, nil
}

// Match returns the secret when sample is of the enrolled person, else ErrNoMatch.
func (t Template) Match(sample []byte) ([]byte, error) {
	aead, err := t.cipher(sample)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, make([]byte, aead.NonceSize()), t.Wrapped, t.additional())
	if err != nil {
		return nil, ErrNoMatch
	}
	return secret, nil
}

func (t Template) additional() []byte { return []byte(t.Kind + "\x00" + t.SID) }

func (t Template) cipher(sample []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, sample, t.Salt, "hellolab biometric template", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
