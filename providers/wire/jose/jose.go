// Package jose makes and takes apart the signed tokens of Entra ID's protocols:
// compact JWS (RFC 7515) with RS256 or HS256 and the header members that
// MS-OAPXBC adds (ctx, kdf_ver, use).
//
// There is no "verify by what the header says": the caller names the algorithm
// and brings the key, and header members that point at keys (jwk, jku, x5u)
// are not even read. x5c is read for the one caller that validates the chain.
package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"hellolab/providers/wire/strict"
)

// MaxToken bounds the text of one token.
const MaxToken = 128 << 10

var (
	// ErrMalformed is wrapped by errors about a token's form.
	ErrMalformed = errors.New("malformed token")
	// ErrAlgorithm says that the header names another algorithm than the one
	// the key is for.
	ErrAlgorithm = errors.New("token is signed with another algorithm")
	// ErrSignature says that the signature does not verify.
	ErrSignature = errors.New("token signature is wrong")
)

// Header is the protected header of every token the lab makes or reads.
type Header struct {
	Algorithm  string `json:"alg"`
	Type       string `json:"typ,omitempty"`
	KeyID      string `json:"kid,omitempty"`
	Use        string `json:"use,omitempty"` // "ngc" on a Hello assertion
	X5T        string `json:"x5t,omitempty"` // base64url SHA-1 of the signing certificate
	X5C        Chain  `json:"x5c,omitempty"`
	Context    string `json:"ctx,omitempty"`     // base64 KDF context
	KDFVersion int    `json:"kdf_ver,omitempty"` // 2, or absent for 1

	// Critical lists extensions a reader must understand. None are, so a
	// token with any is refused.
	Critical []string `json:"crit,omitempty"`
}

// Chain is certificates in DER. RFC 7515 has an array of base64 texts; Windows
// sends one certificate as a bare text (facts of MS-OAPXBC clients). Both are
// read; one certificate is written the Windows way.
type Chain [][]byte

// maxChain bounds the certificates of one header.
const maxChain = 8

func (c Chain) MarshalJSON() ([]byte, error) {
	if len(c) == 1 {
		return json.Marshal(base64.StdEncoding.EncodeToString(c[0]))
	}
	return json.Marshal([][]byte(c))
}

func (c *Chain) UnmarshalJSON(data []byte) error {
	var one string
	var many []string
	if err := json.Unmarshal(data, &one); err == nil {
		many = []string{one}
	} else if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("x5c is neither a certificate nor a list of them")
	}
	if len(many) == 0 || len(many) > maxChain {
		return fmt.Errorf("x5c has %d certificates, want 1 to %d", len(many), maxChain)
	}
	*c = make(Chain, len(many))
	for i, text := range many {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("x5c: %w", err)
		}
		(*c)[i] = der
	}
	return nil
}

// Token is a compact token taken apart. Nothing in it is verified until one of
// the Verify methods has returned nil.
type Token struct {
	Header  Header
	Payload []byte // JSON as transmitted, before decoding: KDF version 2 hashes it

	signingInput string
	signature    []byte
}

// Parse takes a compact token apart.
func Parse(s string) (*Token, error) {
	if len(s) > MaxToken {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrMalformed, len(s), MaxToken)
	}
	header, rest, ok1 := strings.Cut(s, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || strings.Contains(signature, ".") {
		return nil, fmt.Errorf("%w: it does not have three parts", ErrMalformed)
	}
	t := &Token{signingInput: s[:len(header)+1+len(payload)]}
	raw, err := decode(header)
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	if err := strict.Unmarshal(raw, &t.Header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	if len(t.Header.Critical) > 0 {
		return nil, fmt.Errorf("%w: header demands extensions", ErrMalformed)
	}
	if t.Payload, err = decode(payload); err != nil {
		return nil, fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	if t.signature, err = decode(signature); err != nil {
		return nil, fmt.Errorf("%w: signature: %w", ErrMalformed, err)
	}
	return t, nil
}

// decode reads base64url without padding, the one form of RFC 7515.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // encoding/base64 skips them
		return nil, errors.New("line break in base64")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// Claims decodes the payload into v.
func (t *Token) Claims(v any) error { return strict.Unmarshal(t.Payload, v) }

// maxRSA bounds the modulus of a key, in bits, as crypto/tls does: a key may come
// with the token, in a certificate that nobody has judged yet, and the work grows
// with its square.
const maxRSA = 8192

// VerifyRS256 checks the signature with an RSA key.
func (t *Token) VerifyRS256(pub *rsa.PublicKey) error {
	if bits := pub.N.BitLen(); bits > maxRSA {
		return fmt.Errorf("%w: its key has %d bits, at most %d are taken", ErrSignature, bits, maxRSA)
	}
	return t.verify(jwt.SigningMethodRS256, pub)
}

// VerifyHS256 checks the signature with a shared key.
func (t *Token) VerifyHS256(key []byte) error {
	return t.verify(jwt.SigningMethodHS256, key)
}

func (t *Token) verify(m jwt.SigningMethod, key any) error {
	if t.Header.Algorithm != m.Alg() {
		return fmt.Errorf("%w: %.16q, the key is for %s", ErrAlgorithm, t.Header.Algorithm, m.Alg())
	}
	if err := m.Verify(t.signingInput, t.signature, key); err != nil {
		return ErrSignature
	}
	return nil
}

// SignRS256 makes a token signed by an RSA key, which may live in a TPM.
func SignRS256(key crypto.Signer, h Header, claims any) (string, error) {
	if _, ok := key.Public().(*rsa.PublicKey); !ok {
		return "", fmt.Errorf("sign token: key is a %T, want RSA", key.Public())
	}
	h.Algorithm = jwt.SigningMethodRS256.Alg()
	input, err := signingInput(h, claims)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(input))
	// PKCS #1 v1.5 signatures are deterministic: the reader only blinds.
	sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// SignHS256 makes a token authenticated with a shared key.
func SignHS256(key []byte, h Header, claims any) (string, error) {
	h.Algorithm = jwt.SigningMethodHS256.Alg()
	input, err := signingInput(h, claims)
	if err != nil {
		return "", err
	}
	sig, err := jwt.SigningMethodHS256.Sign(input, key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// Unsigned makes a token with algorithm "none", the form of the id_token that
// a token endpoint returns over TLS (OpenID Connect Core 3.1.3.7, rule 6).
func Unsigned(claims any) (string, error) {
	input, err := signingInput(Header{Algorithm: "none", Type: "JWT"}, claims)
	return input + ".", err
}

func signingInput(h Header, claims any) (string, error) {
	header, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("encode token header: %w", err)
	}
	payload, ok := claims.(json.RawMessage)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			return "", fmt.Errorf("encode token claims: %w", err)
		}
	}
	return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload), nil
}
