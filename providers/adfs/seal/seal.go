// Package seal encrypts what a federation service hands out and wants back
// unchanged: codes, refresh tokens, primary refresh tokens, the state of a
// sign-in page. Holding them costs the service no memory, and nobody else can
// read or make one. AES-256-GCM under a key of its own for each purpose, so that
// what is sealed for one does not open as another.
//
//	offset  size  field
//	0       12    initialization vector
//	12      n     ciphertext of the JSON
//	12+n    16    tag, over the purpose, too
package seal

import (
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

// maxText bounds the text of one sealed value.
const maxText = 16 << 10

// ErrSealed is the one answer to every text that does not open.
var ErrSealed = errors.New("sealed text does not open")

// Sealer seals and opens. It may be shared.
type Sealer struct {
	master []byte
	rand   io.Reader
}

// New returns the sealer of a master key.
func New(master []byte, rand io.Reader) *Sealer { return &Sealer{master, rand} }

// Key derives the key of a purpose.
func (s *Sealer) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.master, nil, "hellolab federation "+purpose, KeySize)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return key
}

func (s *Sealer) aead(purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.Key(purpose))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal returns v as a text of base64url.
func (s *Sealer) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	defer clear(plain)
	aead, err := s.aead(purpose)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	iv := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := io.ReadFull(s.rand, iv); err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	text := base64.RawURLEncoding.EncodeToString(aead.Seal(iv, iv, plain, []byte(purpose)))
	if len(text) > maxText {
		return "", fmt.Errorf("seal %s: %d characters are too many", purpose, len(text))
	}
	return text, nil
}

// Open reads what Seal made for the same purpose, or returns ErrSealed.
func (s *Sealer) Open(purpose, text string, v any) error {
	// The decoder passes over line ends: one value would have many texts, and a
	// code is used up by its text.
	if len(text) > maxText || strings.ContainsAny(text, "\r\n") {
		return ErrSealed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return ErrSealed
	}
	aead, err := s.aead(purpose)
	if err != nil || len(b) < aead.NonceSize() {
		return ErrSealed
	}
	plain, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], []byte(purpose))
	if err != nil {
		return ErrSealed
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode sealed %s: %w", purpose, err)
	}
	return nil
}
