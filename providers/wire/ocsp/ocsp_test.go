package ocsp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
)

// now is the machine's time: openssl compares with it.
var now = time.Now().Truncate(time.Second).UTC()

type party struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func certify(t testing.TB, template *x509.Certificate, by *party) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(24*time.Hour)
	}
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &party{cert, key}
}

func authority(t testing.TB, name string) *party {
	return certify(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}, nil)
}

func responder(t testing.TB, ca *party, change func(*x509.Certificate)) *party {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "responder"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, ExtraExtensions: []pkix.Extension{{Id: ExtNoCheck, Value: asn1.NullBytes}}}
	if change != nil {
		change(template)
	}
	return certify(t, template, ca)
}

func leaf(t testing.TB, ca *party, serial int64) *party {
	return certify(t, &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "leaf"}}, ca)
}

func ask(t testing.TB, cert, issuer *party, nonce []byte) *Request {
	t.Helper()
	der, err := NewRequest(cert.cert, issuer.cert, nonce)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t testing.TB, a Answer, r *Request, by *party) []byte {
	t.Helper()
	der, err := a.Sign(rand.Reader, r, by.cert, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestRoundTrip(t *testing.T) {
	ca := authority(t, "ca")
	cert := leaf(t, ca, 77)
	for name, by := range map[string]*party{"delegate": responder(t, ca, nil), "issuer": ca} {
		r := ask(t, cert, ca, []byte("0123456789abcdef"))
		if r.Serial.Int64() != 77 || !r.Of(ca.cert) || r.Of(authority(t, "ca").cert) || string(r.Nonce) != "0123456789abcdef" {
			t.Errorf("%s: request %+v", name, r)
		}
		for _, want := range []Answer{
			{Status: Good, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Nonce: r.Nonce},
			{Status: Revoked, RevokedAt: now.Add(-time.Minute), Reason: crl.KeyCompromise, ProducedAt: now, ThisUpdate: now},
			{Status: Unknown, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour)},
		} {
			got, err := ParseResponse(sign(t, want, r, by), cert.cert, ca.cert, now)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got.Status != want.Status || got.Reason != want.Reason || !got.RevokedAt.Equal(want.RevokedAt) || !got.ProducedAt.Equal(want.ProducedAt) ||
				!got.ThisUpdate.Equal(want.ThisUpdate) || !got.NextUpdate.Equal(want.NextUpdate) || !bytes.Equal(got.Nonce, want.Nonce) {
				t.Errorf("%s: read %+v, want %+v", name, got, want)
			}
		}
	}
}

// Who may not sign, and what is not the answer to the question.
func TestRefused(t *testing.T) {
	ca, namesake := authority(t, "ca"), authority(t, "ca")
	cert := leaf(t, ca, 77)
	r := ask(t, cert, ca, nil)
	a := Answer{Status: Good, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	good := sign(t, a, r, ca)
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"another issuer's key":        {sign(t, a, r, namesake), ErrResponder},
		"delegate of another issuer":  {sign(t, a, r, responder(t, namesake, nil)), ErrResponder},
		"delegate for other purposes": {sign(t, a, r, responder(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage[0] = x509.ExtKeyUsageServerAuth })), ErrResponder},
		"an ordinary certificate":     {sign(t, a, r, cert), ErrResponder},
		"delegate without no-check":   {sign(t, a, r, responder(t, ca, func(c *x509.Certificate) { c.ExtraExtensions = nil })), ErrResponder},
		"delegate out of life": {sign(t, a, r, responder(t, ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
		})), ErrResponder},
		"key not for signatures":      {sign(t, a, r, responder(t, ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })), ErrResponder},
		"another serial":              {sign(t, a, ask(t, leaf(t, ca, 78), ca, nil), ca), ErrResponse},
		"same serial, another issuer": {sign(t, a, ask(t, leaf(t, namesake, 77), namesake, nil), ca), ErrOther},
		"changed":                     {bytes.Replace(good, []byte{0x80, 0, 0x18}, []byte{0x82, 0, 0x18}, 1), ErrResponse},
		"trailing":                    {append(good[:len(good):len(good)], 0), ErrResponse},
		"cut":                         {good[:len(good)-1], ErrResponse},
		"huge":                        {make([]byte, MaxResponse+1), ErrResponse},
		"empty":                       {nil, ErrResponse},
		"unknown reason":              {sign(t, Answer{Status: Revoked, Reason: 7, RevokedAt: now, ProducedAt: now, ThisUpdate: now}, r, ca), ErrResponse},
	} {
		if bytes.Equal(c.der, good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if got, err := ParseResponse(c.der, cert.cert, ca.cert, now); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var status *StatusError
	if _, err := ParseResponse(Unsigned(Unauthorized), cert.cert, ca.cert, now); !errors.As(err, &status) || status.Code != Unauthorized {
		t.Errorf("unsigned: %v", err)
	}
}

func TestRequestsRefused(t *testing.T) {
	ca := authority(t, "ca")
	der, err := NewRequest(leaf(t, ca, 5).cert, ca.cert, []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	var two requestASN1
	if _, err := asn1.Unmarshal(der, &two); err != nil {
		t.Fatal(err)
	}
	two.TBS.List = append(two.TBS.List, two.TBS.List[0])
	several, err := asn1.Marshal(two)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "huge": make([]byte, MaxRequest+1), "trailing": append(der[:len(der):len(der)], 0), "two": several} {
		if r, err := ParseRequest(b); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := NewRequest(ca.cert, ca.cert, make([]byte, MaxNonce+1)); err == nil {
		t.Error("a nonce beyond the bound was sent")
	}
}

func openssl(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: `make deps-test` installs it")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t *testing.T, dir, name, kind string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if kind != "" {
		b = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// OpenSSL verifies our answers, and we verify OpenSSL's.
func TestOpenSSL(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, "ca")
	good, revoked := leaf(t, ca, 0x77), leaf(t, ca, 0x78)
	delegate := responder(t, ca, nil)
	caPath := write(t, dir, "ca.pem", "CERTIFICATE", ca.cert.Raw)
	goodPath := write(t, dir, "good.pem", "CERTIFICATE", good.cert.Raw)

	r := ask(t, good, ca, nil)
	resp := write(t, dir, "ours.der", "", sign(t, Answer{Status: Good, ProducedAt: now, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}, r, delegate))
	out := openssl(t, "ocsp", "-respin", resp, "-issuer", caPath, "-cert", goodPath, "-CAfile", caPath, "-no_nonce")
	if !strings.Contains(out, "Response verify OK") || !strings.Contains(out, ": good") {
		t.Errorf("openssl of our answer: %s", out)
	}

	key, err := x509.MarshalPKCS8PrivateKey(delegate.key)
	if err != nil {
		t.Fatal(err)
	}
	keyPath := write(t, dir, "responder.key", "PRIVATE KEY", key)
	delegatePath := write(t, dir, "responder.pem", "CERTIFICATE", delegate.cert.Raw)
	index := write(t, dir, "index.txt", "", fmt.Appendf(nil, "V\t%s\t\t77\tunknown\t/CN=leaf\nR\t%s\t%s,keyCompromise\t78\tunknown\t/CN=leaf\n",
		now.Add(24*time.Hour).Format("060102150405Z"), now.Add(24*time.Hour).Format("060102150405Z"), now.Format("060102150405Z")))
	for _, c := range []struct {
		of   *party
		want Status
	}{{good, Good}, {revoked, Revoked}} {
		der, err := NewRequest(c.of.cert, ca.cert, []byte("nonce of ours"))
		if err != nil {
			t.Fatal(err)
		}
		req, resp := write(t, dir, "req.der", "", der), filepath.Join(dir, "resp.der")
		openssl(t, "ocsp", "-index", index, "-CA", caPath, "-rsigner", delegatePath, "-rkey", keyPath, "-reqin", req, "-respout", resp, "-nmin", "60")
		answer, err := os.ReadFile(resp)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseResponse(answer, c.of.cert, ca.cert, now)
		if err != nil || got.Status != c.want || string(got.Nonce) != "nonce of ours" || got.NextUpdate.IsZero() {
			t.Errorf("openssl's answer: %+v, %v", got, err)
		}
		if c.want == Revoked && (got.Reason != crl.KeyCompromise || !got.RevokedAt.Equal(now)) {
			t.Errorf("openssl's answer: %+v", got)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	ca := authority(f, "ca")
	cert := leaf(f, ca, 77)
	r := ask(f, cert, ca, nil)
	f.Add(sign(f, Answer{Status: Revoked, RevokedAt: now, ProducedAt: now, ThisUpdate: now, Nonce: []byte{1}}, r, responder(f, ca, nil)))
	f.Add(sign(f, Answer{ProducedAt: now, ThisUpdate: now, NextUpdate: now}, r, ca))
	f.Add(Unsigned(TryLater))
	f.Fuzz(func(t *testing.T, der []byte) {
		if a, err := ParseResponse(der, cert.cert, ca.cert, now); err == nil && a == nil {
			t.Error("neither answer nor error")
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	ca := authority(f, "ca")
	der, err := NewRequest(leaf(f, ca, 5).cert, ca.cert, []byte{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, err := ParseRequest(der); err == nil {
			r.Of(ca.cert)
		}
	})
}

// A certificate of a key of a size nobody has is refused before anything is
// verified with it: that would take seconds.
func TestHugeKey(t *testing.T) {
	ca := authority(t, "ca")
	cert := leaf(t, ca, 77)
	huge, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(3)}, ca.cert, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), maxRSA, 1), E: 65537}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	basic, _, err := open(sign(t, Answer{Status: Good, ProducedAt: now, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, ask(t, cert, ca, nil), ca))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, ErrResponse} {
		value, err := asn1.Marshal(basic)
		if err != nil {
			t.Fatal(err)
		}
		der, err := asn1.Marshal(responseASN1{Bytes: responseBytes{oidBasic, value}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseResponse(der, cert.cert, ca.cert, now); !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
		basic.Certificates = append(basic.Certificates, asn1.RawValue{FullBytes: huge})
	}
}
