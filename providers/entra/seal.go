package entra

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

	"hellolab/providers/wire/guid"
)

// sealer encrypts what the tenant hands out and wants back unchanged: primary
// refresh tokens, refresh tokens, codes, the state of a sign-in page. Holding
// them costs the tenant no memory, and nobody else can read or make one.
// AES-256-GCM under a key of its own for each purpose.
//
// A sealed text begins with the tenant's id, in clear and authenticated: where
// several tenants answer on one host, it says whose it is (tenantOf).
type sealer struct {
	tenant guid.GUID
	master []byte
	rand   io.Reader
}

// Purposes: a token sealed for one does not open as another.
const (
	purposePRT     = "prt"
	purposeRefresh = "refresh"
	purposeCode    = "code"
	purposeDevice  = "device code"
	purposeSubject = "subject"
	purposeFlow    = "flow"
	purposeAIK     = "aik"
	purposeNonce   = "nonce"
	purposeGuess   = "guess"
	purposeDelta   = "delta"
	purposePIN     = "pin reset"

	purposeKerberos      = "kerberos server" // keys of domains
	purposeCloudKerberos = "cloud krbtgt"
)

// errSealed is the one answer to every text that does not open.
var errSealed = errors.New("sealed text does not open")

// maxSealed bounds the text of one sealed value.
const maxSealed = 16 << 10

// key derives the key of a purpose.
func (s *sealer) key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.master, nil, "hellolab tenant "+purpose, 32)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return key
}

func (s *sealer) aead(purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.key(purpose))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *sealer) seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	defer clear(plain)
	aead, err := s.aead(purpose)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	head := len(s.tenant) + aead.NonceSize()
	text := make([]byte, head, head+len(plain)+aead.Overhead())
	iv := text[copy(text, s.tenant[:]):]
	if _, err := io.ReadFull(s.rand, iv); err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(text, iv, plain, s.tenant[:])), nil
}

func (s *sealer) open(purpose, text string, v any) error {
	// The decoder passes over line ends: one value would have many texts, and a
	// code is used up by its text.
	if len(text) > maxSealed || strings.ContainsAny(text, "\r\n") {
		return errSealed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return errSealed
	}
	aead, err := s.aead(purpose)
	if err != nil || len(b) < len(s.tenant)+aead.NonceSize() || guid.GUID(b[:len(s.tenant)]) != s.tenant {
		return errSealed
	}
	iv, rest := b[len(s.tenant):][:aead.NonceSize()], b[len(s.tenant)+aead.NonceSize():]
	plain, err := aead.Open(nil, iv, rest, s.tenant[:])
	if err != nil {
		return errSealed
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode sealed %s: %w", purpose, err)
	}
	return nil
}
