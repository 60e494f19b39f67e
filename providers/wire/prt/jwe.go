package prt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers/wire/strict"
)

// ErrDecrypt is the one answer to every JWE that does not open: which check
// failed is nobody's business.
var ErrDecrypt = errors.New("encrypted message does not open")

// maxJWE bounds the text of one JWE.
const maxJWE = 256 << 10

type jweHeader struct {
	Algorithm   string
	Encryption  string
	Context     string
	Compression string
	KeyID       string
}

// parseHeader reads a header, whose names count by the letter (RFC 7515 4),
// which encoding/json does not see to for the fields of a struct.
func parseHeader(data []byte) (h jweHeader, err error) {
	var members map[string]json.RawMessage
	if err := strict.Unmarshal(data, &members); err != nil {
		return h, err
	}
	for name, to := range map[string]*string{"alg": &h.Algorithm, "enc": &h.Encryption, "ctx": &h.Context, "zip": &h.Compression, "kid": &h.KeyID} {
		if v, ok := members[name]; ok {
			err = errors.Join(err, json.Unmarshal(v, to))
		}
	}
	return h, err
}

// jwe is a compact JWE (RFC 7516 7.1) taken apart.
type jwe struct {
	header             jweHeader
	protected          string // base64url text: the additional data of the standard
	key, iv, text, mac []byte
}

func parseJWE(s string) (*jwe, error) {
	if len(s) > maxJWE || strings.Count(s, ".") != 4 {
		return nil, ErrDecrypt
	}
	parts := strings.Split(s, ".")
	var decoded [5][]byte
	for i, p := range parts {
		if strings.ContainsAny(p, "\r\n") {
			return nil, ErrDecrypt
		}
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			return nil, ErrDecrypt
		}
	}
	j := &jwe{protected: parts[0], key: decoded[1], iv: decoded[2], text: decoded[3], mac: decoded[4]}
	// No compression, and no algorithm but the protocol's: the bombs of
	// CVE-2024-28180 and of PBES2 counts have no way in.
	var err error
	if j.header, err = parseHeader(decoded[0]); err != nil || j.header.Compression != "" {
		return nil, ErrDecrypt
	}
	return j, nil
}

func compact(protected string, parts ...[]byte) string {
	var b strings.Builder
	b.WriteString(protected)
	for _, p := range parts {
		b.WriteByte('.')
		b.WriteString(base64.RawURLEncoding.EncodeToString(p))
	}
	return b.String()
}

// sessionKeyHeader is the header exactly as the cloud writes it.
const sessionKeyHeader = `{"enc":"A256GCM","alg":"RSA-OAEP"}`

// WrapSessionKey returns session_key_jwe: the session key is the content
// encryption key itself, encrypted to the device's transport key with RSAES-OAEP
// (SHA-1); the content is one blank under AES-256-GCM without additional data,
// as the cloud sends it (MS-OAPXBC 3.2.5.1.2.2).
func WrapSessionKey(rand io.Reader, transportKey *rsa.PublicKey, sessionKey []byte) (string, error) {
	if len(sessionKey) != SessionKeySize {
		return "", fmt.Errorf("session key of %d bytes, want %d", len(sessionKey), SessionKeySize)
	}
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand, transportKey, sessionKey, nil)
	if err != nil {
		return "", fmt.Errorf("wrap session key: %w", err)
	}
	gcm, err := newGCM(sessionKey)
	if err != nil {
		return "", err
	}
	iv := make([]byte, gcm.NonceSize())
	if _, err := io.ReadFull(rand, iv); err != nil {
		return "", fmt.Errorf("wrap session key: %w", err)
	}
	sealed := gcm.Seal(nil, iv, []byte{' '}, nil)
	text, mac := sealed[:1], sealed[1:]
	return compact(base64.RawURLEncoding.EncodeToString([]byte(sessionKeyHeader)), wrapped, iv, text, mac), nil
}

// EncryptedSessionKey returns the RSA-OAEP (SHA-1, empty label) ciphertext of
// a session_key_jwe, which the holder of the transport key decrypts to the
// session key.
func EncryptedSessionKey(sessionKeyJWE string) ([]byte, error) {
	j, err := parseJWE(sessionKeyJWE)
	if err != nil {
		return nil, err
	}
	if j.header.Algorithm != "RSA-OAEP" || j.header.Encryption != "A256GCM" || len(j.key) < 256 || len(j.key) > 512 {
		return nil, ErrDecrypt
	}
	return j.key, nil
}

// CheckSessionKey says whether sessionKey is the one of sessionKeyJWE: the tag
// must verify, with or without the header as additional data.
func CheckSessionKey(sessionKeyJWE string, sessionKey []byte) error {
	j, err := parseJWE(sessionKeyJWE)
	if err != nil {
		return err
	}
	if _, err := j.openGCM(sessionKey, nil); err == nil {
		return nil
	}
	_, err = j.openGCM(sessionKey, []byte(j.protected))
	return err
}

// Encryption is the cipher of a reply. The header says A256GCM for both.
type Encryption int

const (
	// CBC is AES-256-CBC with PKCS #7 padding and an empty tag, what the cloud
	// sends (recorded exchange). It has no integrity of its own: TLS gives it.
	CBC Encryption = iota
	// GCM is the standard's AES-256-GCM.
	GCM
	// Session is GCM under a header that names the key "session", as the
	// specification has it, and AD FS.
	Session
)

// SessionKeyID is the kid of a reply that is encrypted under Session.
const SessionKeyID = "session"

// SealResponse encrypts a token response with a key derived from the session
// key under ctx, always by version 1 of the KDF (MS-OAPXBC 3.2.5.1.3.2).
func SealResponse(rand io.Reader, session Deriver, ctx, plaintext []byte, enc Encryption) (string, error) {
	key, err := session(ctx)
	if err != nil {
		return "", fmt.Errorf("derive response key: %w", err)
	}
	defer clear(key)
	header := `{"alg":"dir","enc":"A256GCM","ctx":"` + base64.StdEncoding.EncodeToString(ctx) + `"`
	if enc == Session {
		header += `,"kid":"` + SessionKeyID + `"`
	}
	header += "}"
	protected := base64.RawURLEncoding.EncodeToString([]byte(header))
	switch enc {
	case CBC:
		block, err := aes.NewCipher(key)
		if err != nil {
			return "", err
		}
		iv := make([]byte, aes.BlockSize)
		if _, err := io.ReadFull(rand, iv); err != nil {
			return "", fmt.Errorf("seal response: %w", err)
		}
		pad := aes.BlockSize - len(plaintext)%aes.BlockSize
		text := append(bytes.Clone(plaintext), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
		return compact(protected, nil, iv, text, nil), nil
	case GCM, Session:
		gcm, err := newGCM(key)
		if err != nil {
			return "", err
		}
		iv := make([]byte, gcm.NonceSize())
		if _, err := io.ReadFull(rand, iv); err != nil {
			return "", fmt.Errorf("seal response: %w", err)
		}
		sealed := gcm.Seal(nil, iv, plaintext, []byte(protected))
		cut := len(sealed) - gcm.Overhead()
		return compact(protected, nil, iv, sealed[:cut], sealed[cut:]), nil
	}
	return "", fmt.Errorf("unknown encryption %d", enc)
}

// OpenResponse decrypts a token response. The tag tells the ciphers apart:
// the cloud's CBC has none.
func OpenResponse(response string, session Deriver) ([]byte, error) {
	j, err := parseJWE(response)
	if err != nil {
		return nil, err
	}
	if j.header.Algorithm != "dir" || j.header.Encryption != "A256GCM" || len(j.key) != 0 {
		return nil, ErrDecrypt
	}
	ctx, err := parseContext(j.header.Context)
	if err != nil {
		return nil, err
	}
	key, err := session(ctx)
	if err != nil {
		return nil, fmt.Errorf("derive response key: %w", err)
	}
	defer clear(key)
	if len(j.mac) > 0 {
		return j.openGCM(key, []byte(j.protected))
	}
	return j.openCBC(key)
}

func (j *jwe) openGCM(key, additional []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil || len(j.iv) != gcm.NonceSize() || len(j.mac) != gcm.Overhead() {
		return nil, ErrDecrypt
	}
	plain, err := gcm.Open(nil, j.iv, append(bytes.Clone(j.text), j.mac...), additional)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

func (j *jwe) openCBC(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(j.iv) != aes.BlockSize || len(j.text) == 0 || len(j.text)%aes.BlockSize != 0 {
		return nil, ErrDecrypt
	}
	plain := make([]byte, len(j.text))
	cipher.NewCBCDecrypter(block, j.iv).CryptBlocks(plain, j.text)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrDecrypt
	}
	return plain[:len(plain)-pad], nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
