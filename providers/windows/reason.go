package windows

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"hellolab/providers/hello"
	"hellolab/providers/windows/container"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/position"
	"hellolab/providers/windows/sensor"
	"hellolab/providers/windows/winbio"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/soap"
)

// Refusal is an error that a person can act on: a reason with its code.
type Refusal struct {
	Reason hello.Reason
	Err    error // what lies behind, nil when the device itself decided
}

func (r *Refusal) Error() string {
	text := r.Reason.Sentence
	if r.Reason.Status != "" {
		text = r.Reason.Status + ": " + text
	}
	if r.Reason.Hint != "" {
		text += " " + r.Reason.Hint
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Err }

// refuse makes a Refusal of a code of package hello.
func refuse(code string, err error) *Refusal {
	r, ok := hello.ReasonFor(code)
	if !ok {
		r = hello.Reason{Code: code, Sentence: "The device refused: " + code + "."}
	}
	return &Refusal{Reason: r, Err: err}
}

// because is refuse with a sentence of its own.
func because(code string, err error, format string, args ...any) *Refusal {
	r := refuse(code, err)
	r.Reason.Sentence = fmt.Sprintf(format, args...)
	return r
}

// codeInternal is an error that nobody said no with: something broke.
const codeInternal = "internal_error"

// reasonOf finds the reason in an error: the device's own, a protocol's, or
// that of the network.
func reasonOf(err error) hello.Reason {
	var own *Refusal
	if errors.As(err, &own) {
		return own.Reason
	}
	var domain *kerberos.Error
	if errors.As(err, &domain) {
		return domainReason(domain)
	}
	var far *position.NoLineOfSight
	if errors.As(err, &far) {
		r, _ := hello.ReasonFor("no_line_of_sight")
		return r
	}
	var unanswered *position.Unanswered
	if errors.As(err, &unanswered) {
		r, _ := hello.ReasonFor("host_unreachable")
		return r
	}
	var token *oauth.Error
	if errors.As(err, &token) {
		return worded(token.Code.ID(), token.Name, token.Sentence, token.Hint)
	}
	var sts *adfs.Error
	if errors.As(err, &sts) {
		return federationReason(sts)
	}
	var fault *soap.Fault
	if errors.As(err, &fault) {
		return faultReason(fault)
	}
	var enterprise *edrs.Error
	if errors.As(err, &enterprise) {
		return enterpriseReason(enterprise)
	}
	var reg *drs.Error
	if errors.As(err, &reg) {
		return registrationReason(reg)
	}
	code := ""
	var exchange *url.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, winbio.ErrDamaged), errors.Is(err, sensor.ErrEarlier):
		code = "biometric_lost"
	case errors.Is(err, ksp.ErrForeignKey), errors.Is(err, container.ErrDamaged):
		code = "credential_damaged"
	case errors.Is(err, ksp.ErrWrongAuth):
		code = "wrong_pin"
	case errors.Is(err, ksp.ErrLockedOut):
		code = "pin_locked_out"
	case errors.Is(err, container.ErrChallenge):
		code = "pin_challenge"
	case errors.Is(err, container.ErrRestart):
		code = "pin_disabled_until_restart"
	case errors.Is(err, container.ErrNoProtector):
		code = "gesture_not_enrolled"
	case errors.Is(err, container.ErrNoKey):
		code = "no_hello_credential"
	case errors.Is(err, sensor.ErrNoMatch):
		code = "biometric_failed"
	case errors.Is(err, errReply):
		code = "reply_invalid"
	case errors.Is(err, context.Canceled):
		code = "cancelled"
	case errors.As(err, &certificate):
		code = "tls_failed"
	case errors.As(err, &exchange):
		code = "host_unreachable"
	}
	if r, ok := hello.ReasonFor(code); ok {
		return r
	}
	return hello.Reason{Code: codeInternal, Sentence: sentence(err)}
}

// worded is the reason of a protocol's code in the protocol's own words.
func worded(status, name, text, hint string) hello.Reason {
	r, ok := hello.ReasonOfStatus(status)
	if !ok {
		r = hello.Reason{Code: strings.ToLower(status), Status: status}
	}
	if name != "" {
		r.Name = name
	}
	if text != "" {
		r.Sentence = text
	}
	if hint != "" {
		r.Hint = hint
	}
	return r
}

// registrationReason pairs the registration service's refusals with what a
// Windows client shows for them.
func registrationReason(e *drs.Error) hello.Reason {
	code := "registration_refused"
	switch {
	case strings.Contains(e.Subcode, "mfa"):
		code = "mfa_expired"
	case strings.Contains(e.Subcode, "attest"), strings.Contains(e.Subcode, "aik"):
		code = "attestation_failed"
	case strings.Contains(e.Subcode, "quota"):
		code = "device_quota"
	case strings.HasPrefix(e.Subcode, "pin_reset"):
		code = "pin_reset_refused"
	case e.Subcode == "device_disabled":
		code = "device_disabled"
	case e.Subcode == "error_missing_device":
		code = "device_unknown"
	}
	r, _ := hello.ReasonFor(code)
	if e.Sentence != "" {
		r.Sentence = e.Sentence
	}
	r.Name = e.Subcode
	if e.Hint != "" {
		r.Hint = e.Hint
	}
	return r
}

func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return "Something broke."
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
