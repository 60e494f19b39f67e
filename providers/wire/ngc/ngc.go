// Package ngc is the Windows Hello for Business credential on the wire (NGC,
// "next generation credential", is the protocols' name for it): the key's id,
// the assertion that signs a nonce (MS-OAPXBC 3.2.5.1.2.1.2), and the
// statement that attests the key.
package ngc

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/prt"
)

// Use is the header member that marks an assertion made with a Hello key.
const Use = "ngc"

// KeyID returns the kid of a registered key: standard base64 of the SHA-256 of
// the whole CNG blob. It equals keyIdentifier in the user's searchableDeviceKey.
func KeyID(blob []byte) string {
	sum := sha256.Sum256(blob)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Claims are an assertion's claims.
type Claims struct {
	Issuer       string   `json:"iss"` // user principal name
	Audience     string   `json:"aud"` // "common" or the tenant
	IssuedAt     prt.Time `json:"iat"`
	Expires      prt.Time `json:"exp"`
	RequestNonce string   `json:"request_nonce"`
	Scope        string   `json:"scope"` // "openid aza ugs"
}

// SignAssertion makes an assertion with the user's private key.
func SignAssertion(key crypto.Signer, keyID string, c Claims) (string, error) {
	return jose.SignRS256(key, jose.Header{Type: "JWT", KeyID: keyID, Use: Use}, c)
}

// Assertion is an assertion taken apart. Token verifies it.
type Assertion struct {
	KeyID  string
	Claims Claims
	Token  *jose.Token
}

// ErrAssertion is wrapped by errors of ParseAssertion.
var ErrAssertion = errors.New("not a Hello assertion")

// ParseAssertion takes an assertion apart without verifying it.
func ParseAssertion(s string) (*Assertion, error) {
	t, err := jose.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	a := &Assertion{KeyID: t.Header.KeyID, Token: t}
	if t.Header.Use != Use || a.KeyID == "" {
		return nil, fmt.Errorf("%w: its header does not name a Hello key", ErrAssertion)
	}
	if err := t.Claims(&a.Claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	return a, nil
}
