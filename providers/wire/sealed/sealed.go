// Package sealed encrypts what a service hands out and wants back unchanged:
// codes, refresh tokens, primary refresh tokens, the state of a sign-in page.
// Holding them costs the service no memory, and nobody else can read or make one.
// AES-256-GCM under a key of its own for each purpose, so that what is sealed for
// one does not open as another.
//
//	offset  size  field
//	0       h     head: what the service writes before each of its texts, in clear
//	h       12    initialization vector
//	h+12    n     ciphertext of the JSON
//	h+12+n  16    tag, over the head too, or over the purpose where there is none
package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeySize is the size of a master key.
const KeySize = 32

// MaxText bounds the text of one sealed value.
const MaxText = 16 << 10

// ErrSealed is the one answer to every text that does not open.
var ErrSealed = errors.New("sealed text does not open")

// Sealer seals and opens. It may be shared.
type Sealer struct {
	label  string
	head   []byte
	master []byte
	rand   io.Reader
}

// New returns the sealer of a master key of KeySize. The label keeps services of
// several kinds apart, the head, which may be empty, says whose a text is where
// several of one kind answer on one host.
func New(label string, head, master []byte, rand io.Reader) *Sealer {
	return &Sealer{label, head, master, rand}
}

// Key derives the key of a purpose.
func (s *Sealer) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.master, nil, "hellolab "+s.label+" "+purpose, KeySize)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return key
}

func (s *Sealer) aead(purpose string) (aead cipher.AEAD, bound []byte, err error) {
	block, err := aes.NewCipher(s.Key(purpose))
	if err != nil {
		return nil, nil, err
	}
	if bound = s.head; len(bound) == 0 {
		bound = []byte(purpose)
	}
	aead, err = cipher.NewGCM(block)
	return aead, bound, err
}

// Seal returns v as a text of base64url.
func (s *Sealer) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	defer clear(plain)
	aead, bound, err := s.aead(purpose)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	b := make([]byte, len(s.head)+aead.NonceSize(), len(s.head)+aead.NonceSize()+len(plain)+aead.Overhead())
	iv := b[copy(b, s.head):]
	if _, err := io.ReadFull(s.rand, iv); err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	text := base64.RawURLEncoding.EncodeToString(aead.Seal(b, iv, plain, bound))
	if len(text) > MaxText {
		return "", fmt.Errorf("seal %s: %d characters are too many", purpose, len(text))
	}
	return text, nil
}

// Open reads what Seal made for the same purpose, or returns ErrSealed.
func (s *Sealer) Open(purpose, text string, v any) error {
	// The decoder passes over line ends: one value would have many texts, and a
	// code is used up by its text.
	if len(text) > MaxText || strings.ContainsAny(text, "\r\n") {
		return ErrSealed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return ErrSealed
	}
	b, ours := bytes.CutPrefix(b, s.head)
	aead, bound, err := s.aead(purpose)
	if err != nil || !ours || len(b) < aead.NonceSize() {
		return ErrSealed
	}
	plain, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], bound)
	if err != nil {
		return ErrSealed
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode sealed %s: %w", purpose, err)
	}
	return nil
}
