package adcert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

var alice = sid.New(5, 21, 1, 2, 3).Account(1105)

// issue makes a self-signed certificate with extensions.
func issue(t testing.TB, subject pkix.Name, ext ...pkix.Extension) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber:    big.NewInt(0x0102030405),
		Subject:         subject,
		SubjectKeyId:    []byte{1, 2, 3},
		NotBefore:       time.Unix(1795000000, 0),
		NotAfter:        time.Unix(1796000000, 0),
		ExtraExtensions: ext,
	}, &x509.Certificate{Subject: subject}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestNames(t *testing.T) {
	id := must[guid.GUID](t)(guid.Parse("00112233-4455-6677-8899-aabbccddeeff"))
	n := SAN{
		UPNs:       []string{"alice@corp.example"},
		Principals: []PrincipalName{{Realm: "CORP.EXAMPLE", Type: 1, Parts: []string{"alice"}}, KDCName("CORP.EXAMPLE")},
		ObjectGUID: id,
		Emails:     []string{"alice@mail.example"},
		DNSNames:   []string{"dc1.corp.example", "corp.example"},
		URIs:       []string{SIDURI(alice)},
		Addresses:  []netip.Addr{netip.MustParseAddr("127.0.0.1")},
	}
	cert := issue(t, pkix.Name{CommonName: "x"}, must[pkix.Extension](t)(n.Extension(false)))
	got, err := Names(cert)
	if err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("read %+v, %v", got, err)
	}
	if !reflect.DeepEqual(cert.DNSNames, n.DNSNames) {
		t.Errorf("crypto/x509 reads %v", cert.DNSNames)
	}
	if got.Principals[1].String() != "krbtgt/CORP.EXAMPLE@CORP.EXAMPLE" || got.Principals[0].Equal(got.Principals[1]) {
		t.Error("principals")
	}
	for name, bad := range map[string]SAN{"dns": {DNSNames: []string{"bücher.example"}}, "upn": {UPNs: []string{"\xff"}}, "empty": {URIs: []string{""}}} {
		if _, err := bad.Extension(false); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

// A certificate without subject has a critical SAN; crypto/x509 does not know
// otherName and calls it unhandled.
func TestUnderstandCritical(t *testing.T) {
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	cert := issue(t, pkix.Name{}, must[pkix.Extension](t)(SAN{UPNs: []string{"a@b"}}.Extension(true)), unknown)
	if len(cert.UnhandledCriticalExtensions) != 2 {
		t.Fatalf("crypto/x509 left %v", cert.UnhandledCriticalExtensions)
	}
	if _, err := Understand(cert); err != nil {
		t.Fatal(err)
	}
	if len(cert.UnhandledCriticalExtensions) != 1 || !cert.UnhandledCriticalExtensions[0].Equal(unknown.Id) {
		t.Errorf("left %v", cert.UnhandledCriticalExtensions)
	}
}

func TestSID(t *testing.T) {
	bob := sid.New(5, 21, 1, 2, 3).Account(1106)
	uri := func(s string) pkix.Extension { return must[pkix.Extension](t)(SAN{URIs: []string{s}}.Extension(false)) }
	for name, c := range map[string]struct {
		ext  []pkix.Extension
		want sid.SID
		bad  bool
	}{
		"none":         {},
		"extension":    {ext: []pkix.Extension{SIDExtension(alice)}, want: alice},
		"uri":          {ext: []pkix.Extension{uri(SIDURI(alice))}, want: alice},
		"both":         {ext: []pkix.Extension{SIDExtension(alice), uri(SIDURI(alice))}, want: alice},
		"contradicts":  {ext: []pkix.Extension{SIDExtension(alice), uri(SIDURI(bob))}, bad: true},
		"bad uri":      {ext: []pkix.Extension{uri(sidURI + "S-1-")}, bad: true},
		"other uri":    {ext: []pkix.Extension{uri("http://x/" + SIDURI(alice))}},
		"not an asn.1": {ext: []pkix.Extension{{Id: ExtSID, Value: []byte(alice.String())}}, bad: true},
		"trailing":     {ext: []pkix.Extension{{Id: ExtSID, Value: append(SIDExtension(alice).Value, 0)}}, bad: true},
	} {
		got, found, err := SID(issue(t, pkix.Name{CommonName: "x"}, c.ext...))
		if (err != nil) != c.bad || err != nil && !errors.Is(err, ErrExtension) {
			t.Errorf("%s: error %v", name, err)
		}
		if err == nil && (got != c.want || found == c.want.IsZero()) {
			t.Errorf("%s: %s, %v", name, got, found)
		}
	}
	// The layout of a certificate that a Windows CA issued: its length fields
	// and the ASCII text are in the open (MS-WCCE 2.2.2.7.7.4).
	want := "3025a023060a2b060104018237190201a0150413" + hex.EncodeToString([]byte(alice.String()))
	if got := hex.EncodeToString(SIDExtension(alice).Value); got != want {
		t.Errorf("extension is %s, want %s", got, want)
	}
}

func TestTemplateAndPolicies(t *testing.T) {
	v2 := Template{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 8, 1, 2, 3}, Major: 100, Minor: 7}
	v1 := Template{Name: "SmartcardUser"}
	for _, want := range []Template{v1, v2} {
		cert := issue(t, pkix.Name{CommonName: "x"}, must[pkix.Extension](t)(want.Extension()))
		if got, found, err := TemplateOf(cert); err != nil || !found || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, %v, %v", got, found, err)
		}
	}
	if e := must[pkix.Extension](t)(v1.Extension()); !strings.HasPrefix(hex.EncodeToString(e.Value), "1e1a0053006d0061") {
		t.Errorf("name is %x", e.Value)
	}
	purposes := []asn1.ObjectIdentifier{EKUSmartCardLogon, EKUClientAuth}
	cert := issue(t, pkix.Name{CommonName: "x"}, must[pkix.Extension](t)(ApplicationPolicies(purposes)))
	if got, err := ApplicationPoliciesOf(cert); err != nil || !reflect.DeepEqual(got, purposes) {
		t.Errorf("read %v, %v", got, err)
	}
	if _, found, err := TemplateOf(cert); found || err != nil {
		t.Errorf("template: %v, %v", found, err)
	}
	for _, bad := range []pkix.Extension{
		{Id: ExtTemplate, Value: []byte{0x30, 0}},
		{Id: ExtTemplateName, Value: []byte{0x1e, 1, 'a'}},
		{Id: ExtTemplate, Value: make([]byte, maxExtension+1)},
	} {
		if _, found, err := TemplateOf(issue(t, pkix.Name{CommonName: "x"}, bad)); !found || !errors.Is(err, ErrExtension) {
			t.Errorf("%x: %v, %v", bad.Value[:min(8, len(bad.Value))], found, err)
		}
	}
}

func TestEKU(t *testing.T) {
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{EKUSmartCardLogon},
	}, &x509.Certificate{}, &key.PublicKey, key))
	cert := must[*x509.Certificate](t)(x509.ParseCertificate(der))
	if !HasEKU(cert, EKUKPClientAuth, EKUSmartCardLogon) || !HasEKU(cert, EKUClientAuth) || HasEKU(cert, EKUKPClientAuth) || HasEKU(cert, EKUAnyPurpose) {
		t.Errorf("purposes %v", EKUs(cert))
	}
	if HasEKU(issue(t, pkix.Name{CommonName: "x"}), EKUClientAuth) {
		t.Error("no extension is not every purpose")
	}
}

// Names that other programs wrote: the certificates of a recorded exchange.
func TestRecordedCertificates(t *testing.T) {
	dir := "../../../../shared/vectors/pkinit/pki"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	for file, check := range map[string]func(SAN) bool{
		"alice":   func(n SAN) bool { return len(n.Principals) == 1 && n.Principals[0].String() == "alice@CORP.EXAMPLE" },
		"alicems": func(n SAN) bool { return len(n.UPNs) == 1 && n.UPNs[0] == "alice@CORP.EXAMPLE" },
		"kdc":     func(n SAN) bool { return len(n.Principals) == 1 && n.Principals[0].Equal(KDCName("CORP.EXAMPLE")) },
		"kdcdns":  func(n SAN) bool { return len(n.DNSNames) == 2 },
	} {
		data := must[[]byte](t)(os.ReadFile(filepath.Join(dir, file+".pem")))
		block, _ := pem.Decode(data)
		if n, err := Names(must[*x509.Certificate](t)(x509.ParseCertificate(block.Bytes))); err != nil || !check(n) {
			t.Errorf("%s: %+v, %v", file, n, err)
		}
	}
}

func TestOpenSSLReadsUPN(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cert := issue(t, pkix.Name{CommonName: "x"}, must[pkix.Extension](t)(SAN{UPNs: []string{"alice@corp.example"}, DNSNames: []string{"a.example"}}.Extension(false)))
	cmd := exec.Command(openssl, "x509", "-inform", "DER", "-noout", "-ext", "subjectAltName")
	cmd.Stdin = bytes.NewReader(cert.Raw)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("UPN::alice@corp.example")) || !bytes.Contains(out, []byte("DNS:a.example")) {
		t.Errorf("openssl: %s, %v", out, err)
	}
}

func FuzzExtensions(f *testing.F) {
	san, _ := SAN{UPNs: []string{"a@b"}, Principals: []PrincipalName{KDCName("R")}, DNSNames: []string{"d"}}.Extension(false)
	tmpl, _ := Template{ID: asn1.ObjectIdentifier{1, 2, 3}, Major: 1}.Extension()
	name, _ := Template{Name: "User"}.Extension()
	for _, e := range []pkix.Extension{san, tmpl, name, SIDExtension(alice)} {
		f.Add(e.Value)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, id := range []asn1.ObjectIdentifier{ExtSubjectAltName, ExtTemplate, ExtTemplateName, ExtSID, ExtApplicationPolicies, extExtendedKeyUsage} {
			cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: id, Value: b}}}
			EKUs(cert)
			_, _, _ = SID(cert)
			_, _, _ = TemplateOf(cert)
			_, _ = ApplicationPoliciesOf(cert)
			if n, err := Understand(cert); err == nil && id.Equal(ExtSubjectAltName) && n.Others == 0 {
				e, err := n.Extension(false)
				if err != nil {
					continue // an empty name is read, not written
				}
				if again, err := parseSAN(e.Value); err != nil || !reflect.DeepEqual(again, n) {
					t.Fatalf("%+v became %+v, %v", n, again, err)
				}
			}
		}
	})
}
