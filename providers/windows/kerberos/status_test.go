package kerberos

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/pkinit"
	"hellolab/providers/wire/revocation"
)

func TestFail(t *testing.T) {
	kdc := func(c krb.Code) error { return fmt.Errorf("asked: %w", krb.NewError(c, "")) }
	check := func(c kdccert.Check, r *revocation.Result) error {
		refusal := &kdccert.Refusal{Check: c, Sentence: "No."}
		if r != nil {
			refusal.Cause = &notKnown{*r}
		}
		return refusal
	}
	pin := errors.New("wrong PIN")
	for name, tt := range map[string]struct {
		phase  Phase
		err    error
		want   Phase
		code   krb.Code
		status uint32
	}{
		"no controller":      {PhaseLocate, locate.ErrNoAnswer, PhaseLocate, 0, 0xC000005E},
		"none can":           {PhaseLocate, locate.ErrNoneFits, PhaseLocate, 0, 0xC0000233},
		"controller gone":    {PhaseTGS, &unreachable{"dc1", errors.New("down")}, PhaseLocate, 0, 0xC000005E},
		"wrong password":     {PhaseAS, kdc(krb.ErrPreauthFailed), PhaseAS, 24, 0xC000006A},
		"expired password":   {PhaseAS, kdc(krb.ErrKeyExpired), PhaseAS, 23, 0xC0000071},
		"disabled":           {PhaseAS, kdc(krb.ErrClientRevoked), PhaseAS, 18, 0xC0000072},
		"key not registered": {PhaseAS, kdc(krb.ErrClientNotTrusted), PhaseAS, 62, 0xC000038C},
		"no KDC certificate": {PhaseAS, kdc(krb.ErrPADataTypeNoSupport), PhaseAS, 16, 0xC00000BB},
		"clocks":             {PhaseAS, kdc(krb.ErrSkew), PhaseAS, 37, 0xC0000133},
		"not in the table":   {PhaseAS, kdc(krb.ErrGeneric), PhaseAS, 60, 0xC000006D},
		"unknown service":    {PhaseTGS, kdc(krb.ErrServerUnknown), PhaseTGS, 7, 0xC000018B},
		"on the deny list":   {PhaseExchange, kdc(krb.ErrTGTRevoked), PhaseExchange, 20, 0xC000006D},
		"unknown server":     {PhaseExchange, kdc(krb.ErrServerUnknown), PhaseExchange, 7, 0xC000006D},
		"another key":        {PhaseExchange, kdc(krb.ErrBadIntegrity), PhaseExchange, 31, 0xC000006D},
		"no account":         {PhaseExchange, kdc(krb.ErrClientUnknown), PhaseExchange, 6, 0xC0000064},
		"password over":      {PhaseExchange, kdc(krb.ErrKeyExpired), PhaseExchange, 23, 0xC0000071},
		"account disabled":   {PhaseExchange, kdc(krb.ErrClientRevoked), PhaseExchange, 18, 0xC0000072},
		"not a read-only":    {PhaseExchange, kdc(krb.ErrPolicy), PhaseExchange, 12, 0xC000006D},
		"weak password":      {PhasePassword, &krbclient.PasswordRefused{Code: krb.PasswordSoftError}, PhasePassword, 0, 0xC000006C},
		"root":               {PhaseAS, check(kdccert.Root, nil), PhaseCertificate, 63, 0xC000040D},
		"life":               {PhaseAS, check(kdccert.Life, nil), PhaseCertificate, 63, 0xC000040E},
		"purpose":            {PhaseAS, check(kdccert.Purpose, nil), PhaseCertificate, 63, 0xC0000320},
		"domain":             {PhaseAS, check(kdccert.Domain, nil), PhaseCertificate, 76, 0xC00002F9},
		"revoked":            {PhaseAS, check(kdccert.Revocation, &revocation.Result{Status: revocation.Revoked}), PhaseCertificate, 63, 0xC000040F},
		"not learned":        {PhaseAS, check(kdccert.Revocation, &revocation.Result{Cause: revocation.Unreachable}), PhaseCertificate, 63, 0xC000040C},
		"another reply":      {PhaseAS, fmt.Errorf("reply: %w", pkinit.ErrNonce), PhaseCertificate, 63, 0xC0000320},
	} {
		var e *Error
		if got := fail(tt.phase, tt.err); !errors.As(got, &e) || e.Phase != tt.want || e.Code != tt.code || e.Status.Value != tt.status || e.Sentence == "" || !errors.Is(got, tt.err) {
			t.Errorf("%s: %+v", name, got)
		} else if again := fail(PhaseTGS, got); again != got {
			t.Errorf("%s: told twice: %v", name, again)
		}
	}
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("x: %w", context.Canceled)} {
		if got := fail(PhaseAS, err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	var e *Error
	if got := fail(PhaseAS, pin); !errors.Is(got, pin) || errors.As(got, &e) {
		t.Errorf("what the key's holder says: %v", got)
	}
}

func TestSelfSigned(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	subject := KeySubject("S-1-5-21-1-2-3-1104", "key", "login.windows.net/tenant/alice@contoso.com")
	if subject != "S-1-5-21-1-2-3-1104/key/login.windows.net/tenant/alice@contoso.com" {
		t.Error(subject)
	}
	a, err := SelfSigned(rand.Reader, key, subject)
	if err != nil {
		t.Fatal(err)
	}
	b, err := SelfSigned(rand.Reader, key, subject)
	if err != nil {
		t.Fatal(err)
	}
	if a.Issuer.CommonName != subject || string(a.RawIssuer) != string(a.RawSubject) || a.CheckSignature(a.SignatureAlgorithm, a.RawTBSCertificate, a.Signature) != nil ||
		!adcert.HasEKU(a, adcert.EKUSmartCardLogon) || a.SerialNumber.Cmp(b.SerialNumber) == 0 || a.SerialNumber.Sign() <= 0 {
		t.Errorf("%v", a)
	}
	if a.NotBefore.Year() > 1970 || a.NotAfter.Year() != 9999 {
		t.Errorf("from %s to %s", a.NotBefore, a.NotAfter)
	}
}

func TestGap(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	p := New(Config{Now: func() time.Time { return now }, Network: nowhere{}})
	for d, want := range map[time.Duration]time.Duration{0: 0, time.Minute: 0, -krb.Skew: 0, 6 * time.Minute: 6 * time.Minute, -time.Hour: -time.Hour} {
		if got := p.gap(now.Add(d)); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
	if err := p.Renew(t.Context(), &Session{}); !errors.As(err, new(*Error)) {
		t.Errorf("an empty session is renewed: %v", err)
	}
	if _, err := new(Session).CCache(); err == nil {
		t.Error("an empty session has a cache")
	}
}

type nowhere struct{ Network }
