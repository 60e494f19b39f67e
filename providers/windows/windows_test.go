package windows

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/oauth"
)

func TestNewPIN(t *testing.T) {
	var inForce hello.InForce
	w, err := hello.NewWorld(nil)
	if err != nil {
		t.Fatal(err)
	}
	inForce = w.InForce("", "")
	for _, c := range []struct{ first, second, code string }{
		{"187246", "187246", ""},
		{"187246", "187247", "pin_mismatch"},
		{"18", "18", "pin_too_short"},
		{"1234", "1234", "pin_too_simple"},
	} {
		err := newPIN(providers.Secret(c.first), providers.Secret(c.second), inForce.PIN())
		got := ""
		if err != nil {
			got = reasonOf(err).Code
		}
		if got != c.code {
			t.Errorf("%s, %s: %q (%v), want %q", c.first, c.second, got, err, c.code)
		}
		if err != nil && strings.Contains(err.Error(), c.first) {
			t.Errorf("the refusal shows the PIN: %v", err)
		}
	}
}

func TestComputerName(t *testing.T) {
	for addr, want := range map[string]string{
		"device.laptop":                      "laptop",
		`device.laptop["bo"]`:                "laptop-bo",
		"device.desk[3]":                     "desk-3",
		`module.corp.device.laptop["a b.c"]`: "laptop-a-b-c",
		"module.device.device.x":             "x",
	} {
		if got := computerName(spec.Device{}, addr); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if got := computerName(spec.Device{Name: "PC 1"}, "device.laptop"); got != "PC 1" {
		t.Errorf("given name: %q", got)
	}
}

func TestRedirectedCode(t *testing.T) {
	redirect := oauth.NativeRedirect(oauth.ClientBroker)
	with := func(base string, kv ...string) string {
		q := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			q.Set(kv[i], kv[i+1])
		}
		return base + "?" + q.Encode()
	}
	if code, err := redirectedCode(redirect, with(redirect, "code", "abc")); err != nil || code != "abc" {
		t.Errorf("%q, %v", code, err)
	}
	for name, location := range map[string]string{
		"elsewhere": with("https://evil.example/", "code", "abc"),
		"nothing":   redirect,
		"no url":    "%zz",
	} {
		if _, err := redirectedCode(redirect, location); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := redirectedCode(redirect, with(redirect, "error", "interaction_required", "error_description", "AADSTS50076: more"))
	if r := reasonOf(err); r.Code != "mfa_required" {
		t.Errorf("error in the redirect: %+v", r)
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{refuse("device_not_joined", nil), "device_not_joined"},
		{oauth.NewError(oauth.HelloKeyNotFound), "key_not_found"},
		{oauth.NewError(oauth.HelloDeviceDisabled), "key_device_disabled"},
		{oauth.NewError(oauth.DeviceDisabled), "device_disabled"},
		{oauth.NewError(oauth.InvalidUserNameOrPassword), "wrong_password"},
		{&url.Error{Op: "Get", URL: "https://login", Err: errors.New("no route")}, "host_unreachable"},
		{&url.Error{Op: "Get", URL: "https://login", Err: &tls.CertificateVerificationError{Err: errors.New("expired")}}, "tls_failed"},
		{&url.Error{Op: "Get", URL: "https://login", Err: context.Canceled}, "cancelled"},
		{&drs.Error{Subcode: "mfa_not_current", Status: 403, Sentence: "Old."}, "mfa_expired"},
		{&drs.Error{Subcode: "attestation_signature", Status: 403, Sentence: "No."}, "attestation_failed"},
		{errors.New("something"), codeInternal},
	} {
		if got := reasonOf(c.err); got.Code != c.code || got.Sentence == "" {
			t.Errorf("%v: %+v, want %s", c.err, got, c.code)
		}
	}
}

// TestRefuseKnowsItsCodes: every code this package refuses with is one that a
// check may expect.
func TestRefuseKnowsItsCodes(t *testing.T) {
	for _, code := range []string{
		"device_not_joined", "no_hello_credential", "mfa_not_registered", "mfa_failed", "wrong_password", "tpm_missing",
		"gesture_not_enrolled", "biometrics_disabled", "unsupported_deployment", "wrong_pin", "pin_locked_out",
		"credential_damaged", "pin_challenge", "pin_disabled_until_restart", "biometric_failed", "cancelled", "host_unreachable",
		"registration_refused", "mfa_expired", "attestation_failed", "device_quota",
	} {
		if _, ok := hello.ReasonFor(code); !ok {
			t.Errorf("package hello has no reason %q", code)
		}
	}
}
