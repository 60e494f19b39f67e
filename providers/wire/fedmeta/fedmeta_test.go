package fedmeta

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

func certificate(t testing.TB, serial int64) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "ADFS Signing - sts.contoso.com"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}

func example(t testing.TB) (*Metadata, string) {
	t.Helper()
	key, current := certificate(t, 1)
	_, next := certificate(t, 2)
	m := &Metadata{
		Issuer: "http://sts.contoso.com/adfs/services/trust", Signing: []*x509.Certificate{current, next},
		Passive: "https://sts.contoso.com/adfs/ls/", Active: "https://sts.contoso.com/adfs/services/trust/2005/usernamemixed", MEX: "https://sts.contoso.com/adfs/services/trust/mex",
	}
	document, err := m.Marshal("_1", key)
	if err != nil {
		t.Fatal(err)
	}
	return m, string(document)
}

func TestRoundTrip(t *testing.T) {
	m, document := example(t)
	if got, err := Parse([]byte(document)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	// Other roles, and keys for other uses, are passed over.
	more := strings.Replace(document, "<RoleDescriptor ", `<SPSSODescriptor><KeyDescriptor use="signing"/></SPSSODescriptor><RoleDescriptor `, 1)
	more = strings.Replace(more, "<KeyDescriptor ", `<KeyDescriptor use="encryption"/><KeyDescriptor `, 1)
	if got, err := Parse([]byte(more)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (&Metadata{Issuer: "x"}).Marshal("_1", nil); err == nil {
		t.Error("without certificates")
	}
}

func TestRefused(t *testing.T) {
	_, document := example(t)
	role := document[strings.Index(document, "<RoleDescriptor "):strings.Index(document, "</RoleDescriptor>")] + "</RoleDescriptor>"
	for name, bad := range map[string]string{
		"nothing":          "",
		"another document": "<x/>",
		"no issuer":        strings.Replace(document, "entityID=", "x=", 1),
		"no role":          strings.Replace(document, role, "", 1),
		"two services":     strings.Replace(document, role, role+role, 1),
		"no certificate":   strings.ReplaceAll(document, `use="signing"`, `use="encryption"`),
		"no base64":        strings.Replace(document, "<X509Certificate>", "<X509Certificate>!", 1),
		"no X.509":         strings.Replace(document, "<X509Certificate>", "<X509Certificate>AAAA", 1),
		"plain http":       strings.ReplaceAll(document, ">https://sts.contoso.com/adfs/ls/", ">http://sts.contoso.com/adfs/ls/"),
		"doctype":          "<!DOCTYPE x>" + document,
		"size":             document + strings.Repeat(" ", MaxDocument),
	} {
		if m, err := Parse([]byte(bad)); !errors.Is(err, ErrMetadata) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, document := example(f)
	f.Add([]byte(document))
	f.Add([]byte("<x/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMetadata) {
				t.Errorf("untyped: %v", err)
			}
			return
		}
		if m.Issuer == "" || len(m.Signing) == 0 || !strings.HasPrefix(m.Passive, "https://") {
			t.Errorf("%+v", m)
		}
	})
}
