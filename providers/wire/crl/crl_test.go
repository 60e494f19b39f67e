package crl_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// authority makes a self-signed authority that may sign lists.
func authority(t testing.TB, name string) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := sha1.Sum([]byte(name))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: id[:]}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func create(t testing.TB, template crl.Template, issuer *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	der, err := crl.Create(rand.Reader, template, issuer, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func baseTemplate() crl.Template {
	return crl.Template{Number: 7, ThisUpdate: now.Add(-10 * time.Minute), NextUpdate: now.AddDate(0, 0, 8), NextPublish: now.AddDate(0, 0, 7), CAVersion: 65536,
		Freshest: []string{"http://ca.corp.example/CertEnroll/Issuing+.crl", "ldap:///CN=Issuing,DC=corp?deltaRevocationList"},
		Entries: []crl.Entry{{Serial: big.NewInt(300), At: now, Reason: crl.KeyCompromise}, {Serial: big.NewInt(301), At: now, Reason: crl.CertificateHold},
			{Serial: big.NewInt(302), At: now}}}
}

func TestRoundTrip(t *testing.T) {
	issuer, key := authority(t, "Issuing")
	want := baseTemplate()
	l, err := crl.Parse(create(t, want, issuer, key))
	if err != nil {
		t.Fatal(err)
	}
	if l.Delta() || l.Number.Int64() != 7 || !l.ThisUpdate.Equal(want.ThisUpdate) || !l.NextUpdate.Equal(want.NextUpdate) || !l.NextPublish.Equal(want.NextPublish) ||
		l.CAVersion != want.CAVersion || !reflect.DeepEqual(l.Freshest, want.Freshest) || !reflect.DeepEqual(l.Entries(), want.Entries) {
		t.Errorf("read %+v", l)
	}
	if err := l.VerifyFrom(issuer); err != nil {
		t.Error(err)
	}
	if e, ok := l.Find(big.NewInt(301)); !ok || e.Reason != crl.CertificateHold {
		t.Errorf("301: %+v, %t", e, ok)
	}
	for _, serial := range []int64{303, -300, 0} {
		if e, ok := l.Find(big.NewInt(serial)); ok {
			t.Errorf("%d: %+v", serial, e)
		}
	}

	delta := crl.Template{Number: 9, Base: 7, ThisUpdate: now, NextUpdate: now.AddDate(0, 0, 1), Entries: []crl.Entry{{Serial: big.NewInt(301), At: now, Reason: crl.RemoveFromCRL}}}
	if l, err = crl.Parse(create(t, delta, issuer, key)); err != nil || !l.Delta() || l.Base.Int64() != 7 {
		t.Errorf("delta: %+v, %v", l, err)
	}
}

func TestIssuer(t *testing.T) {
	issuer, key := authority(t, "Issuing")
	namesake, _ := authority(t, "Issuing") // same name and key identifier, another key
	other, _ := authority(t, "Other")
	l, err := crl.Parse(create(t, baseTemplate(), issuer, key))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.VerifyFrom(other); !errors.Is(err, crl.ErrIssuer) {
		t.Errorf("other issuer: %v", err)
	}
	if err := l.VerifyFrom(namesake); !errors.Is(err, crl.ErrSignature) {
		t.Errorf("namesake: %v", err)
	}
}

// Fault 74: bytes behind a list; fault 80: a huge list.
func TestRefused(t *testing.T) {
	issuer, key := authority(t, "Issuing")
	good := create(t, baseTemplate(), issuer, key)
	extended := func(ext ...pkix.Extension) []byte {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now, ExtraExtensions: ext}, issuer, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	value := func(v any, params string) []byte {
		b, err := asn1.MarshalWithParams(v, params)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	indirect := value(struct {
		Indirect bool `asn1:"optional,tag:4"`
	}{true}, "")
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"empty":            {nil, crl.ErrSyntax},
		"cut":              {good[:len(good)-1], crl.ErrSyntax},
		"trailing":         {append(good[:len(good):len(good)], 0), crl.ErrSyntax},
		"huge":             {make([]byte, crl.MaxSize+1), crl.ErrSize},
		"twice":            {extended(pkix.Extension{Id: crl.ExtCAVersion, Value: value(1, "")}, pkix.Extension{Id: crl.ExtCAVersion, Value: value(1, "")}), crl.ErrSyntax},
		"unknown critical": {extended(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: value(1, "")}), crl.ErrUnsupported},
		"indirect":         {extended(pkix.Extension{Id: crl.ExtIssuingPoint, Critical: true, Value: indirect}), crl.ErrUnsupported},
		"negative base":    {extended(pkix.Extension{Id: crl.ExtDeltaIndicator, Critical: true, Value: value(-1, "")}), crl.ErrSyntax},
		"no base":          {extended(pkix.Extension{Id: crl.ExtDeltaIndicator, Critical: true, Value: value("x", "")}), crl.ErrSyntax},
		"no points":        {extended(pkix.Extension{Id: crl.ExtFreshest, Value: value("x", "")}), crl.ErrSyntax},
	} {
		if l, err := crl.Parse(c.der); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if _, err := crl.Parse(extended(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: value(1, "")})); err != nil {
		t.Errorf("an unknown extension that is not critical: %v", err)
	}
	big := baseTemplate()
	big.Entries = make([]crl.Entry, crl.MaxEntries+1)
	if _, err := crl.Create(rand.Reader, big, issuer, key); !errors.Is(err, crl.ErrSize) {
		t.Errorf("too many entries: %v", err)
	}
	if _, err := crl.Points(crl.ExtPoints, []string{"http://ümlaut"}); err == nil {
		t.Error("an address that is not ASCII was written")
	}
}

// The largest list that is written is still read.
func TestLargest(t *testing.T) {
	issuer, key := authority(t, "Issuing")
	template := baseTemplate()
	serial := new(big.Int).Lsh(big.NewInt(1), 150) // 19 bytes
	template.Entries = nil
	for i := range crl.MaxEntries {
		template.Entries = append(template.Entries, crl.Entry{Serial: new(big.Int).Add(serial, big.NewInt(int64(i))), At: now, Reason: crl.Superseded})
	}
	l, err := crl.Parse(create(t, template, issuer, key))
	if err != nil || len(l.Entries()) != crl.MaxEntries {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(l.Raw))
}

// OpenSSL reads what is written.
func TestOpenSSLReads(t *testing.T) {
	issuer, key := authority(t, "Issuing")
	path := filepath.Join(t.TempDir(), "delta.crl")
	template := baseTemplate()
	template.Base = 5
	if err := os.WriteFile(path, create(t, template, issuer, key), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "crl", "-inform", "DER", "-in", path, "-noout", "-text").CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	for _, want := range []string{"X509v3 Delta CRL Indicator: critical", "X509v3 CRL Number", "X509v3 Freshest CRL", "URI:http://ca.corp.example/CertEnroll/Issuing+.crl",
		"Key Compromise", "Certificate Hold", "Serial Number: 012C", "1.3.6.1.4.1.311.21.4"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("openssl does not show %q:\n%s", want, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	issuer, key := authority(f, "Issuing")
	f.Add(create(f, baseTemplate(), issuer, key))
	delta := baseTemplate()
	delta.Base = 3
	f.Add(create(f, delta, issuer, key))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		l, err := crl.Parse(der)
		if err != nil {
			return
		}
		for _, e := range l.Entries() {
			if _, ok := l.Find(e.Serial); !ok {
				t.Errorf("serial %v is in the list and not found", e.Serial)
			}
		}
		_ = l.VerifyFrom(issuer)
	})
}
