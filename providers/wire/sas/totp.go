package sas

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Parameters of the authenticator app's codes (RFC 6238 with the defaults that
// Entra ID and every app use: SHA-1, 30 seconds, six digits).
const (
	totpStep   = 30 * time.Second
	totpDigits = 6
	totpModulo = 1_000_000

	// TOTPSecretSize is the size of a new secret in bytes: the HMAC's output,
	// as RFC 4226 section 4 recommends.
	TOTPSecretSize = 20
)

// TOTP returns the code of secret at an instant.
func TOTP(secret []byte, at time.Time) string { return code(secret, step(at)) }

// CheckTOTP looks for a code among those of the step of at and its two
// neighbours (RFC 6238 5.2) and returns the step it belongs to. The caller
// keeps that number while StepCurrent says so, and refuses a second code of the
// step: a code works once.
func CheckTOTP(secret []byte, got string, at time.Time) (usedStep int64, ok bool) {
	now := step(at)
	for s := now - 1; s <= now+1; s++ {
		if subtle.ConstantTimeCompare([]byte(code(secret, s)), []byte(got)) == 1 {
			usedStep, ok = s, true
		}
	}
	return usedStep, ok
}

// StepCurrent says whether a code of a step would be accepted at an instant.
func StepCurrent(s int64, at time.Time) bool { return s >= step(at)-1 && s <= step(at)+1 }

func step(at time.Time) int64 { return at.Unix() / int64(totpStep/time.Second) }

func code(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%totpModulo)
}

// EncodeTOTPSecret writes a secret as apps take it: base32 without padding.
func EncodeTOTPSecret(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// ParseTOTPSecret reads base32 in either letter case, padded or not.
func ParseTOTPSecret(s string) ([]byte, error) {
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(strings.ToUpper(s), "="))
	if err != nil || len(secret) == 0 {
		return nil, errors.New("the authenticator secret is not base32") // without quoting it
	}
	return secret, nil
}
