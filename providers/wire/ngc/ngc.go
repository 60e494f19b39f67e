// Package ngc is the Windows Hello for Business credential on the wire (NGC,
// "next generation credential", is the protocols' name for it): the key's id,
// the assertion that signs a nonce (MS-OAPXBC 3.2.5.1.2.1.2 and .4), and the
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

// SignByCertificate makes an assertion with the private key of a user's certificate,
// in DER (MS-OAPXBC 3.2.5.1.2.1.4): the certificate stands where the key's name does.
func SignByCertificate(key crypto.Signer, certificate []byte, c Claims) (string, error) {
	return jose.SignRS256(key, jose.Header{Type: "JWT", X5C: jose.Chain{certificate}}, c)
}

// Assertion is an assertion taken apart. Token verifies it.
type Assertion struct {
	KeyID       string
	Certificate []byte // DER, of one by certificate, which has no KeyID; nil otherwise
	Claims      Claims
	Token       *jose.Token
}

// ErrAssertion is wrapped by errors of ParseAssertion.
var ErrAssertion = errors.New("not a Hello assertion")

// ParseAssertion takes an assertion by a Hello key apart without verifying it.
func ParseAssertion(s string) (*Assertion, error) {
	a, err := ParseUserAssertion(s)
	if err == nil && a.Certificate != nil {
		return nil, fmt.Errorf("%w: its header does not name a Hello key", ErrAssertion)
	}
	return a, err
}

// ParseUserAssertion is ParseAssertion for one by a certificate, too. Of its chain
// the first certificate alone is read.
func ParseUserAssertion(s string) (*Assertion, error) {
	t, err := jose.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	a, h := &Assertion{Token: t}, t.Header
	switch {
	case h.Use == Use && h.KeyID != "" && len(h.X5C) == 0:
		a.KeyID = h.KeyID
	case h.Use == "" && h.KeyID == "" && len(h.X5C) > 0 && len(h.X5C[0]) > 0:
		a.Certificate = h.X5C[0]
	default:
		return nil, fmt.Errorf("%w: its header names neither a Hello key nor a certificate", ErrAssertion)
	}
	if err := t.Claims(&a.Claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	return a, nil
}
