package drs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/guid"
)

type example struct {
	CSR         []byte `json:"csr_b64"`
	Certificate []byte `json:"device_certificate_b64"`
	Thumbprint  string `json:"published_thumbprint"`
}

func specified(t testing.TB) example {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/ms-dvrj-example.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v example
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSpecifiedCSR(t *testing.T) {
	v := specified(t)
	if _, err := x509.ParseCertificateRequest(v.CSR); err == nil {
		t.Log("crypto/x509 reads Windows' request by now")
	}
	if _, err := ParseCSR(v.CSR); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(v.CSR)
	changed[100] ^= 1
	if _, err := ParseCSR(changed); !errors.Is(err, ErrCSR) {
		t.Errorf("changed request: %v", err)
	}
}

func TestSpecifiedCertificate(t *testing.T) {
	v := specified(t)
	if got := Thumbprint(v.Certificate); got != v.Thumbprint {
		t.Errorf("thumbprint %s, want %s", got, v.Thumbprint)
	}
	cert, err := x509.ParseCertificate(v.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseIdentity(cert)
	if err != nil {
		t.Fatal(err)
	}
	if d.DeviceID.String() != "9d53c6fa-b38e-4509-8fb1-51dedb421aac" || d.UserID != d.DeviceID || !d.Joined || d.DomainID.IsZero() || d.InvocationID.IsZero() || !d.TenantID.IsZero() {
		t.Errorf("identity %+v", d)
	}
	// What is written of it is what the service wrote, extension by extension.
	var published []pkix.Extension
	for _, ext := range cert.Extensions {
		if n := len(oidDevice); len(ext.Id) == n+1 && ext.Id[:n].Equal(oidDevice) {
			published = append(published, ext)
		}
	}
	if own := d.Extensions(); !reflect.DeepEqual(own, published) {
		t.Errorf("extensions %v, want %v", own, published)
	}
}

func TestCSRRoundTrip(t *testing.T) {
	k := key(t)
	der, err := NewCSR(rand.Reader, k)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(der, []byte(CSRCommonName+"\x00")) {
		t.Error("subject lacks Windows' terminator")
	}
	pub, err := ParseCSR(der)
	if err != nil {
		t.Fatal(err)
	}
	if !pub.Equal(&k.PublicKey) {
		t.Error("another key came back")
	}
	// A request as other clients make it.
	plain, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: CSRCommonName}}, k)
	if err != nil {
		t.Fatal(err)
	}
	if pub, err := ParseCSR(plain); err != nil || !pub.Equal(&k.PublicKey) {
		t.Errorf("request of crypto/x509: %v", err)
	}
}

// Fault 78.
func TestCSRRefusals(t *testing.T) {
	k := key(t)
	good, err := NewCSR(rand.Reader, k)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecCSR, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ec)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKIXPublicKey(&key(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"empty":          nil,
		"trailing":       append(bytes.Clone(good), 0),
		"truncated":      good[:len(good)-1],
		"another key":    bytes.Replace(good, own, other, 1),
		"elliptic curve": ecCSR,
		"too long":       make([]byte, maxCSR+1),
	} {
		if _, err := ParseCSR(der); !errors.Is(err, ErrCSR) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIdentityRoundTrip(t *testing.T) {
	id := func(b byte) guid.GUID { return guid.GUID{b, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} }
	want := Identity{DeviceID: id(1), UserID: id(2), TenantID: id(3), Joined: true, Region: "EU"}
	k := key(t)
	issue := func(cn string, ext []pkix.Extension) *x509.Certificate {
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotAfter: time.Unix(1<<31, 0), ExtraExtensions: ext}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	got, err := ParseIdentity(issue(want.DeviceID.String(), want.Extensions()))
	if err != nil || got != want {
		t.Errorf("read back %+v, %v", got, err)
	}
	short := want.Extensions()
	short[0].Value = longOctets([]byte{1, 2, 3})
	noOctets := want.Extensions()
	noOctets[0].Value = []byte{1, 2, 3}
	for name, cert := range map[string]*x509.Certificate{
		"no extensions":   issue(want.DeviceID.String(), nil),
		"another subject": issue(want.UserID.String(), want.Extensions()),
		"short id":        issue(want.DeviceID.String(), short),
		"no octet string": issue(want.DeviceID.String(), noOctets),
	} {
		if _, err := ParseIdentity(cert); !errors.Is(err, ErrNotDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessages(t *testing.T) {
	req := JoinRequest{CertificateRequest: CertificateRequest{Type: "pkcs10", Data: []byte{1}}, TransportKey: []byte{2}, TargetDomain: "contoso.com",
		DeviceType: "Windows", OSVersion: "10.0.26100", DeviceDisplayName: "laptop", JoinType: JoinEntra, Attributes: map[string]any{"ReuseDevice": "true"}}
	data, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseJoinRequest(data)
	if err != nil || !reflect.DeepEqual(*back, req) {
		t.Errorf("join request: %+v, %v", back, err)
	}
	d := Discovery{
		DeviceJoinService:      Endpoint{"Join", "https://h/EnrollmentServer/device/", "urn:ms-drs:h", "2.0"},
		KeyProvisioningService: Endpoint{"KeyProvision", "https://h/EnrollmentServer/key/", "urn:ms-drs:h", "1.0"},
		NonceService:           Endpoint{"", "https://h/EnrollmentServer/nonce/t/", "urn:ms-drs:h", "1.0"},
	}
	data, err = json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"JoinEndpoint"`, `"KeyProvisionResourceId"`, `"ResourceId"`} {
		if !strings.Contains(string(data), name) {
			t.Errorf("discovery lacks %s: %s", name, data)
		}
	}
	gotD, err := ParseDiscovery(data)
	if err != nil || gotD.DeviceJoinService != d.DeviceJoinService || gotD.NonceService != d.NonceService || gotD.KeyProvisioningService != d.KeyProvisioningService {
		t.Errorf("discovery: %+v, %v", gotD, err)
	}
	refusal := &Error{Type: AuthorizationError, Subcode: "mfa_not_current", Status: 403, Sentence: "The second factor is too old."}
	err = ParseError(403, refusal.Encode("trace", time.Unix(0, 0)))
	var typed *Error
	if !errors.As(err, &typed) || *typed != (Error{refusal.Type, refusal.Subcode, 403, refusal.Sentence, "", "trace"}) || !HasSubcode(err, "mfa_not_current") {
		t.Errorf("refusal: %+v", err)
	}
	if errors.As(ParseError(502, []byte("bad gateway")), &typed) {
		t.Error("a reply of another server became a typed refusal")
	}
}

func TestSpecifiedContract(t *testing.T) {
	data, err := os.ReadFile("../../../../shared/vectors/spec-examples-cloud-adfs.json")
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	var v map[string]json.RawMessage
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	d, err := ParseDiscovery(v["MS-DVRD_4.3.2_contract_api_1.2"])
	if err != nil {
		t.Fatal(err)
	}
	if d.DeviceJoinService.URL != "https://sts.contoso.com/EnrollmentServer/device/" || d.KeyProvisioningService.ResourceID != "urn:ms-drs:434DF4A9-3CF2-4C1D-917E-2CD2B72F515A" {
		t.Errorf("read %+v", d)
	}
	var kpp struct {
		Request struct{ Body json.RawMessage }
	}
	if err := json.Unmarshal(v["MS-KPP_4.1"], &kpp); err != nil {
		t.Fatal(err)
	}
	if r, err := ParseKeyRequest(kpp.Request.Body); err != nil || len(r.PublicKey) == 0 {
		t.Errorf("key request: %+v, %v", r, err)
	}
}

func FuzzParseCSR(f *testing.F) {
	der, err := NewCSR(rand.Reader, key(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		pub, err := ParseCSR(der)
		if err == nil && pub.N.BitLen() < minRSABits {
			t.Fatal("accepted a small key")
		}
		if _, described := DescribeCSR(der); described != nil && !errors.Is(described, ErrCSR) {
			t.Fatal(described)
		}
	})
}

func FuzzParseIdentity(f *testing.F) {
	f.Add("9d53c6fa-b38e-4509-8fb1-51dedb421aac", []byte{4, 0x81, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 2)
	f.Fuzz(func(t *testing.T, cn string, value []byte, arc int) {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: cn}}
		cert.Extensions = []pkix.Extension{{Id: append(append([]int{}, oidDevice...), arc), Value: value}}
		d, err := ParseIdentity(cert)
		if err == nil && !strings.EqualFold(d.DeviceID.String(), cn) {
			t.Fatal("subject and device id differ")
		}
		for _, ext := range cert.Extensions {
			DescribeExtension(ext)
		}
	})
}

func FuzzParseMessages(f *testing.F) {
	f.Add([]byte(`{"CertificateRequest":{"Type":"pkcs10","Data":"AA=="},"JoinType":0,"kngc":"AA==","attestation":{"statement":"AA==","aik_certificates":["AA=="]}}`))
	f.Add([]byte(`{"ServerAdJoinData":{"TargetDomainId":"x","ClientIdentity":{"Type":"sha256signed","Sid":"S-1-5-21-1-2-3-1104.2026-03-02 09:00:00Z","SignedBlob":"AA=="}},"JoinType":6}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ParseJoinRequest(data)
		_, _ = ParseJoinReply(data)
		_, _ = ParseKeyRequest(data)
		if r, err := ParseHybridRequest(data); err == nil {
			if id, at, err := r.ServerAdJoinData.ClientIdentity.Parse(); err == nil && r.ServerAdJoinData.ClientIdentity.Sid != id.String()+"."+at.Format(identityTime) {
				// Other spellings of one identifier and time are not signed alike, and
				// are read; none may come out as another computer's.
				if again, _, err := (ClientIdentity{Type: IdentitySigned, Sid: id.String() + "." + at.Format(identityTime)}).Parse(); err != nil || again != id {
					t.Fatal("an identity reads as two")
				}
			}
		}
		_, _ = ParseKeyReply(data)
		_, _ = ParseDiscovery(data)
		_, _ = ParseNonceReply(data)
		if ParseError(400, data) == nil {
			t.Fatal("a refusal became success")
		}
	})
}
