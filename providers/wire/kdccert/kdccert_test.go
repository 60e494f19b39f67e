package kdccert_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/kdccert"
	"hellolab/providers/wire/krb"
)

var at = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func sign(t testing.TB, template x509.Certificate, by *pair) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = at.Add(-time.Hour), at.Add(time.Hour)
	}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		by = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

// Fault 68: each of the five checks refuses for itself, and no other does.
func TestFiveChecks(t *testing.T) {
	root, other := sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "root"}}, nil), sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "other"}}, nil)
	kdcEKU := []asn1.ObjectIdentifier{adcert.EKUKPKdc}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	good := x509.Certificate{DNSNames: []string{"dc1.corp.contoso.com", "CORP.contoso.com"}, ExtKeyUsage: server, UnknownExtKeyUsage: kdcEKU}
	with := func(change func(*x509.Certificate)) x509.Certificate { c := good; change(&c); return c }
	revoked := errors.New("revoked")
	for name, c := range map[string]struct {
		cert   x509.Certificate
		by     *pair
		relax  bool
		revoke bool
		want   kdccert.Check
		code   krb.Code
	}{
		"good":                       {good, root, false, false, "", 0},
		"good, not strict":           {good, root, true, false, "", 0},
		"unknown root":               {good, other, false, false, kdccert.Root, krb.ErrKDCNotTrusted},
		"self-signed":                {good, nil, false, false, kdccert.Root, krb.ErrKDCNotTrusted},
		"expired":                    {with(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = at.Add(-2*time.Hour), at.Add(-time.Hour) }), root, false, false, kdccert.Life, krb.ErrKDCNotTrusted},
		"not yet valid":              {with(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = at.Add(time.Hour), at.Add(2*time.Hour) }), root, true, false, kdccert.Life, krb.ErrKDCNotTrusted},
		"revoked":                    {good, root, false, true, kdccert.Revocation, krb.ErrKDCNotTrusted},
		"no KDC purpose":             {with(func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }), root, false, false, kdccert.Purpose, krb.ErrKDCNotTrusted},
		"no KDC purpose, not strict": {with(func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }), root, true, false, "", 0},
		"no purpose, not strict": {with(func(c *x509.Certificate) {
			c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), root, true, false, kdccert.Purpose, krb.ErrKDCNotTrusted},
		"another domain":             {with(func(c *x509.Certificate) { c.DNSNames = []string{"dc1.other.com", "other.com"} }), root, false, false, kdccert.Domain, krb.ErrKDCNameMismatch},
		"another domain, not strict": {with(func(c *x509.Certificate) { c.DNSNames = []string{"dc1.other.com", "other.com"} }), root, true, false, "", 0},
		"only the controller's name": {with(func(c *x509.Certificate) { c.DNSNames = []string{"dc1.corp.contoso.com"} }), root, false, false, kdccert.Domain, krb.ErrKDCNameMismatch},
	} {
		client := &kdccert.Client{Roots: []*x509.Certificate{root.cert}, Domain: "corp.contoso.com", Strict: !c.relax}
		client.Revoked = func(_ context.Context, chain []*x509.Certificate, _ time.Time) error {
			if len(chain) != 2 || !c.revoke {
				return nil
			}
			return revoked
		}
		kdc := sign(t, c.cert, c.by).cert
		err := client.Trust(t.Context(), func() time.Time { return at })(kdc, nil)
		var refusal *kdccert.Refusal
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &refusal) || refusal.Check != c.want || !errors.Is(err, c.code):
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
		if c.revoke && !errors.Is(err, revoked) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
}
