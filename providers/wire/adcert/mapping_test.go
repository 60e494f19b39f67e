package adcert

import (
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// contoso is a name as AD writes it: DC levels from the root, then CN.
var contoso = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
	{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "com"},
	{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "contoso"},
	{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Smith, Alice <a>"},
}}

func TestNameText(t *testing.T) {
	cert := issue(t, contoso)
	n := must[Name](t)(NameOf(cert.RawSubject))
	const text = `DC=com,DC=contoso,CN="Smith, Alice <a>"`
	if n.String() != text {
		t.Errorf("written %s", n)
	}
	for _, same := range []string{text, `dc=COM, dc=contoso , cn=smith\, alice <a>`, `DC=com,DC=contoso,OID.2.5.4.3="Smith, Alice <a>"`, `DC=com,DC=contoso,2.5.4.3=Smith\2c Alice <a>`} {
		m, err := ParseName(same)
		if err != nil || !n.Equal(m) {
			t.Errorf("%s: read %v, %v", same, m, err)
		}
	}
	for _, other := range []string{`CN="Smith, Alice <a>",DC=contoso,DC=com`, `DC=com,DC=contoso`, `DC=com+DC=contoso,CN=Smith`} {
		if m, err := ParseName(other); err != nil || n.Equal(m) {
			t.Errorf("%s: read %v, %v", other, m, err)
		}
	}
	for _, bad := range []string{"", "x", "=x", "XX=y", `CN="a`, `CN="a"b`, `CN=a\`, "CN=a,", strings.Repeat("CN=a,", 100) + "CN=a", "CN=" + strings.Repeat("a", maxText)} {
		if m, err := ParseName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: read %v, %v", bad, m, err)
		}
	}
	multi := must[Name](t)(ParseName("C=DE,CN=a+OU=b"))
	if !multi.Equal(must[Name](t)(ParseName("C=DE,OU=B+CN=A"))) || multi.String() != "C=DE,CN=a+OU=b" {
		t.Errorf("levels of two attributes: %s", multi)
	}
}

func TestMapping(t *testing.T) {
	san := must[pkix.Extension](t)(SAN{Emails: []string{"Alice@contoso.com"}}.Extension(false))
	cert, other := issue(t, contoso, san), issue(t, pkix.Name{CommonName: "bob"})
	other.SubjectKeyId = []byte{9}
	sum := sha1.Sum(cert.Raw)
	const name = `DC=com,DC=contoso,CN="Smith, Alice <a>"`
	for text, strong := range map[string]bool{
		"X509:<I>" + name + "<SR>0504030201":                              true,
		"X509:<SR>05040302010000<I>" + name:                               true,
		"X509:<SKI>010203":                                                true,
		"X509:<SHA1-PUKEY>" + hex.EncodeToString(sum[:]):                  true,
		"X509:<sha1-pukey>" + strings.ToUpper(hex.EncodeToString(sum[:])): true,
		"X509:<I>" + name + "<S>" + name:                                  false,
		"X509:<S>" + name:                                                 false,
		"X509:<RFC822>alice@CONTOSO.com":                                  false,
	} {
		m, err := ParseMapping(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !m.Match(cert) || m.Match(other) || m.Strong() != strong {
			t.Errorf("%s: matches %v, the other %v, strong %v", text, m.Match(cert), m.Match(other), m.Strong())
		}
		again, err := ParseMapping(m.String())
		if err != nil || !again.Match(cert) || again.Strong() != strong {
			t.Errorf("%s written as %s: %v", text, m, err)
		}
	}
	if m, err := MapIssuerSerial(cert); err != nil || m.String() != "X509:<I>"+name+"<SR>0504030201" {
		t.Errorf("strong mapping %s, %v", m, err)
	}
	if m := MapSHA1(cert); !m.Match(cert) || !m.Strong() {
		t.Errorf("strong mapping %s", m)
	}
	if (Mapping{}).Match(cert) || (Mapping{}).Match(&x509.Certificate{}) {
		t.Error("no mapping matches")
	}
}

func TestMappingRefused(t *testing.T) {
	for _, text := range []string{
		"", "X509:", "Kerberos:alice@CORP", "X509:<I>CN=a", "X509:<SR>01", "X509:<S>", "X509:<I><S>CN=a", "X509:x<S>CN=a",
		"X509:<I>CN=a<S>CN=b<SR>01", "X509:<I>CN=a<I>CN=a", "X509:<SKI>", "X509:<SKI>0", "X509:<SHA1-PUKEY>00", "X509:<RFC822>",
		"X509:<I>CN=a<SR>" + strings.Repeat("00", maxSerial+1), "X509:<I>CN=a<SR>", "X509:<XX>1", "X509:<S", "x509:<S>CN=a",
		"X509:<S>CN=" + strings.Repeat("a", 3*maxText),
	} {
		if m, err := ParseMapping(text); err == nil {
			t.Errorf("%q: read %s", text, m)
		}
	}
}

func FuzzParseMapping(f *testing.F) {
	f.Add(`X509:<I>DC=com,DC=contoso,CN="a, ""b"" <c>"<SR>0102`)
	f.Add("X509:<SKI>01")
	f.Add("X509:<RFC822>a@b")
	f.Add(`X509:<S>CN=a\2cb+OID.1.2=x`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMapping(text)
		if err != nil || m.RFC822 != "" {
			return
		}
		again, err := ParseMapping(m.String())
		if err != nil {
			t.Fatalf("%q written as %q: %v", text, m, err)
		}
		if again.Strong() != m.Strong() || !again.Subject.Equal(m.Subject) || !again.Issuer.Equal(m.Issuer) {
			t.Fatalf("%q written as %q", text, m)
		}
	})
}
