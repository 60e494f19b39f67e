// Package prt is the primary refresh token protocol of MS-OAPXBC as both ends
// speak it: the request signed with the device key that obtains a PRT, the
// session key that comes with it, and the requests and replies protected with
// keys derived from the session key.
//
// The session key is 32 bytes. On a device it lives in the TPM, so nothing
// here asks for its bytes: a Deriver does, which a TPM implements with one
// TPM2_HMAC over KDFInput.
package prt

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hellolab/providers/wire/jose"
)

// SessionKeySize is the size of a session key in bytes.
const SessionKeySize = 32

// ContextSize is the size of a new KDF context in bytes (MS-OAPXBC 4.3).
const ContextSize = 24

// Bounds of a context that a peer sends: clients send 24 or 32 bytes.
const (
	minContext = 16
	maxContext = 64
)

// KDF versions (MS-OAPXBC 3.1.5.1.3.3, 3.1.5.1.4.3).
const (
	KDFv1 = 1 // the context is ctx
	KDFv2 = 2 // the context is SHA-256(ctx ‖ payload)
)

// ErrContext says that a header's ctx is missing or malformed.
var ErrContext = errors.New("key derivation context is missing or malformed")

// Deriver derives a key from the session key it holds.
type Deriver func(kdfContext []byte) (derived []byte, err error)

// Key is a session key in memory, as the token service and tests hold it.
func Key(sessionKey []byte) Deriver {
	return func(kdfContext []byte) ([]byte, error) {
		if len(sessionKey) != SessionKeySize {
			return nil, fmt.Errorf("session key of %d bytes, want %d", len(sessionKey), SessionKeySize)
		}
		mac := hmac.New(sha256.New, sessionKey)
		mac.Write(KDFInput(kdfContext))
		return mac.Sum(nil), nil
	}
}

// label is the KDF's Label.
const label = "AzureAD-SecureConversation"

// KDFInput returns what HMAC-SHA256 is computed over, one block of SP 800-108
// in counter mode:
//
//	00 00 00 01 ‖ label ‖ 00 ‖ context ‖ 00 00 01 00
func KDFInput(kdfContext []byte) []byte {
	b := make([]byte, 0, 4+len(label)+1+len(kdfContext)+4)
	b = append(b, 0, 0, 0, 1)
	b = append(b, label...)
	b = append(b, 0)
	b = append(b, kdfContext...)
	return append(b, 0, 0, 1, 0)
}

// KDFContext returns the KDF's Context for ctx. payload is the JSON of the
// message as transmitted and counts in version 2 only.
func KDFContext(version int, ctx, payload []byte) ([]byte, error) {
	switch version {
	case 0, KDFv1:
		return ctx, nil
	case KDFv2:
		h := sha256.New()
		h.Write(ctx)
		h.Write(payload)
		return h.Sum(nil), nil
	}
	return nil, fmt.Errorf("key derivation version %d is unknown", version)
}

// parseContext reads a header's ctx: base64 in either alphabet, padded or not.
func parseContext(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	ctx, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(ctx) < minContext || len(ctx) > maxContext {
		return nil, ErrContext
	}
	return ctx, nil
}

// Request is the claims of both requests: the one signed by the device key
// that obtains a PRT, and the one signed by a key of the session key that uses
// it. Which fields count depends on GrantType.
type Request struct {
	ClientID             string   `json:"client_id,omitempty"`
	RequestNonce         string   `json:"request_nonce,omitempty"`
	Scope                string   `json:"scope,omitempty"`    // "openid aza ugs" asks for a PRT
	Resource             string   `json:"resource,omitempty"` // V1
	GrantType            string   `json:"grant_type,omitempty"`
	Username             string   `json:"username,omitempty"`
	Password             string   `json:"password,omitempty"`
	Assertion            string   `json:"assertion,omitempty"` // a Hello assertion
	RefreshToken         string   `json:"refresh_token,omitempty"`
	PreviousRefreshToken string   `json:"previous_refresh_token,omitempty"`
	RedirectURI          string   `json:"redirect_uri,omitempty"`
	AMRValues            string   `json:"amr_values,omitempty"` // "ngcmfa"
	RequestedClaims      string   `json:"claims,omitempty"`     // oauth.FreshMFAClaims
	Issuer               string   `json:"iss,omitempty"`        // "aad:brokerplugin"
	Audience             string   `json:"aud,omitempty"`
	IssuedAt             Time     `json:"iat,omitempty"`
	Expires              Time     `json:"exp,omitempty"`
	WinVer               string   `json:"win_ver,omitempty"`
	GroupSIDs            []string `json:"group_sids,omitempty"`
	TGT                  Flag     `json:"tgt,omitempty"` // of a renewal: ask for Kerberos tickets, too

	// Of the browser credential (MS-OAPXBC 2.2.1.1): "true".
	IsPrimary string `json:"is_primary,omitempty"`
}

// Time is a Unix time that some clients write as a string.
type Time int64

func (t *Time) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%.32q is not a Unix time", text)
	}
	*t = Time(n)
	return nil
}

// Flag is a truth value that some clients write as a string.
type Flag bool

func (f *Flag) UnmarshalJSON(data []byte) error {
	switch text := strings.ToLower(strings.Trim(string(data), `"`)); text {
	case "true", "false":
		*f = text == "true"
		return nil
	}
	return fmt.Errorf("%.32q is neither true nor false", data)
}

// SignDeviceRequest makes the request for a PRT, signed with the device key
// and carrying the device certificate (MS-OAPXBC 3.2.5.1.2.1).
func SignDeviceRequest(deviceKey crypto.Signer, cert []byte, r Request) (string, error) {
	return jose.SignRS256(deviceKey, jose.Header{Type: "JWT", X5C: jose.Chain{cert}, KDFVersion: KDFv2}, r)
}

// SignRequest makes a request signed with a key derived from the session key
// (MS-OAPXBC 3.1.5.1.4.3, version 2). ctx is ContextSize random bytes, new for
// each request.
func SignRequest(session Deriver, ctx []byte, r Request) (string, error) {
	return SignClaims(session, ctx, r)
}

// SignClaims is SignRequest for a request that has further claims: one that asks
// for something else than a token.
func SignClaims(session Deriver, ctx []byte, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	kdfContext, err := KDFContext(KDFv2, ctx, payload)
	if err != nil {
		return "", err
	}
	key, err := session(kdfContext)
	if err != nil {
		return "", fmt.Errorf("derive request key: %w", err)
	}
	defer clear(key)
	h := jose.Header{Type: "JWT", Context: base64.StdEncoding.EncodeToString(ctx), KDFVersion: KDFv2}
	return jose.SignHS256(key, h, json.RawMessage(payload))
}

// VerifyRequest checks that t was signed with a key derived from the session
// key.
func VerifyRequest(t *jose.Token, session Deriver) error {
	ctx, err := parseContext(t.Header.Context)
	if err != nil {
		return err
	}
	kdfContext, err := KDFContext(t.Header.KDFVersion, ctx, t.Payload)
	if err != nil {
		return err
	}
	key, err := session(kdfContext)
	if err != nil {
		return fmt.Errorf("derive request key: %w", err)
	}
	defer clear(key)
	return t.VerifyHS256(key)
}
