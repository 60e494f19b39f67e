package scep_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	outside "github.com/smallstep/scep"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/scep"
)

var ctx = context.Background()

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authority certifies whoever knows the challenge.
type authority struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	ra   scep.RA

	mu     sync.Mutex
	serial int64
	wrap   func([]byte) []byte // changes answers
	url    string
}

func (a *authority) sign(pub crypto.PublicKey, template x509.Certificate) *x509.Certificate {
	a.mu.Lock()
	a.serial++
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(a.serial), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	a.mu.Unlock()
	above := a.cert
	if above == nil {
		above = &template
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, above, pub, a.key)
	if err != nil {
		panic(err) // a fuzz target may not touch its *testing.F
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t), wrap: func(b []byte) []byte { return b }}
	a.cert = a.sign(a.key.Public(), x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.ra.Key = newKey(t)
	a.ra.Chain = []*x509.Certificate{a.sign(a.ra.Key.Public(), x509.Certificate{Subject: pkix.Name{CommonName: "RA"}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{adcert.EKUCertificateRequestAgent}}), a.cert}
	service := &scep.Server{RA: func() (*scep.RA, error) { return &a.ra, nil }, Issue: a.issue, Rand: rand.Reader, Fail: func(err error) { t.Error(err) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		service.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		_, _ = w.Write(a.wrap(rec.Body.Bytes()))
	}))
	t.Cleanup(server.Close)
	a.url = server.URL + scep.Path
	return a
}

// A certificate of the pinned authority that is not for enrollment agents, a user's
// say, is no registration authority's.
func TestAnotherCertificateOfTheAuthority(t *testing.T) {
	a := newAuthority(t)
	a.ra.Chain[0] = a.sign(a.ra.Key.Public(), x509.Certificate{Subject: pkix.Name{CommonName: "Mallory"}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment})
	if _, err := a.client().Enroll(ctx, request(t, newKey(t), "let me in")); err == nil {
		t.Error("it was believed")
	}
}

func (a *authority) issue(_ context.Context, r *scep.Request) ([]*x509.Certificate, error) {
	if r.Challenge != "let me in" {
		return nil, &scep.Refusal{Info: scep.BadRequest, Text: "The challenge is not known."}
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil || csr.CheckSignature() != nil {
		return nil, &scep.Refusal{Info: scep.BadRequest}
	}
	return []*x509.Certificate{a.sign(csr.PublicKey, x509.Certificate{Subject: pkix.Name{CommonName: "Alice"}}), a.cert}, nil
}

func (a *authority) thumbprint() string {
	sum := sha1.Sum(a.cert.Raw)
	return hex.EncodeToString(sum[:])
}

func (a *authority) client() *scep.Client {
	return &scep.Client{URL: a.url, Thumbprint: a.thumbprint(), Now: time.Now, Rand: rand.Reader, Dial: func(ctx context.Context, host string, port int) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, big.NewInt(int64(port)).String()))
	}}
}

func request(t testing.TB, key crypto.Signer, challenge string) []byte {
	t.Helper()
	csr, err := scep.NewRequest(rand.Reader, key, pkix.Name{CommonName: "whatever"}, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func TestEnroll(t *testing.T) {
	a := newAuthority(t)
	key := newKey(t)
	chain, err := a.client().Enroll(ctx, request(t, key, "let me in"))
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) != 2 || !key.PublicKey.Equal(chain[0].PublicKey) || chain[0].Subject.CommonName != "Alice" || !chain[1].Equal(a.cert) {
		t.Errorf("a chain of %d", len(chain))
	}
	var no *scep.Refusal
	if _, err := a.client().Enroll(ctx, request(t, key, "let me out")); !errors.As(err, &no) || no.Info != scep.BadRequest || no.Text != "The challenge is not known." {
		t.Errorf("another challenge: %v", err)
	}
	c := a.client()
	c.Thumbprint = "00"
	if _, err := c.Enroll(ctx, request(t, key, "let me in")); err == nil {
		t.Error("an authority that is not pinned was believed")
	}
}

// Fault 76: answers that were changed on the way, or are to another message.
func TestAnswersChanged(t *testing.T) {
	a := newAuthority(t)
	key := newKey(t)
	var answers [][]byte
	a.wrap = func(b []byte) []byte {
		if signed, err := cms.ParseSignedAttributes(b); err == nil && len(signed.Attributes) > 2 {
			answers = append(answers, b)
		}
		return b
	}
	if _, err := a.client().Enroll(ctx, request(t, key, "let me in")); err != nil || len(answers) != 1 {
		t.Fatal(err)
	}
	other := newAuthority(t)
	for name, change := range map[string]func([]byte) []byte{
		"an earlier answer":    func([]byte) []byte { return answers[0] },
		"a broken signature":   func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b },
		"cut short":            func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":              func([]byte) []byte { return nil },
		"without the envelope": func([]byte) []byte { return cms.CertsOnly(a.ra.Chain) },
		"another RA's":         func([]byte) []byte { return resigned(t, &other.ra, answers[0]) },
	} {
		a.wrap = func(b []byte) []byte {
			if signed, err := cms.ParseSignedAttributes(b); err == nil && len(signed.Attributes) > 2 {
				return change(b)
			}
			return b
		}
		if _, err := a.client().Enroll(ctx, request(t, key, "let me in")); err == nil {
			t.Errorf("%s was believed", name)
		}
	}
}

// resigned is an answer with the signature of somebody else.
func resigned(t testing.TB, ra *scep.RA, answer []byte) []byte {
	t.Helper()
	signed, err := cms.ParseSignedData(answer)
	if err != nil {
		t.Error(err)
		return nil
	}
	der, err := cms.Signer{Key: ra.Key, Certificates: ra.Chain[:1], Attributes: signed.Attributes[2:]}.Sign(rand.Reader, cms.Data, signed.Content)
	if err != nil {
		t.Error(err)
	}
	return cms.ContentInfo(cms.SignedDataOID, der)
}

// An outside client, smallstep's, enrolls at our server.
func TestOutsideClient(t *testing.T) {
	a := newAuthority(t)
	get := func(operation string) []byte {
		t.Helper()
		r, err := http.Get(a.url + "?operation=" + operation)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", operation, r.Status, err)
		}
		return b
	}
	if caps := string(get("GetCACaps")); caps != "AES\nPOSTPKIOperation\nSHA-256\nSCEPStandard\n" {
		t.Errorf("capabilities %q", caps)
	}
	// Its own defaults are DES and SHA-1.
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES128CBC
	if err := pkcs7.SetDefaultDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256); err != nil {
		t.Fatal(err)
	}
	certs, err := outside.CACerts(get("GetCACert"))
	if err != nil || len(certs) != 2 {
		t.Fatalf("%d, %v", len(certs), err)
	}
	key := newKey(t)
	for _, challenge := range []string{"let me in", "let me out"} {
		csr, err := x509.ParseCertificateRequest(request(t, key, challenge))
		if err != nil {
			t.Fatal(err)
		}
		self := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: csr.Subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature}
		der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if self, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		message, err := outside.NewCSRRequest(csr, &outside.PKIMessage{MessageType: outside.PKCSReq, Recipients: a.ra.Chain, SignerCert: self, SignerKey: key},
			outside.WithCertsSelector(outside.EnciphermentCertsSelector()))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.Post(a.url+"?operation=PKIOperation", "application/x-pki-message", bytes.NewReader(message.Raw))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", r.Status, body, err)
		}
		answer, err := outside.ParsePKIMessage(body, outside.WithCACerts(a.ra.Chain))
		if err != nil {
			t.Fatal(err)
		}
		if challenge == "let me out" {
			if answer.PKIStatus != outside.FAILURE || answer.FailInfo != outside.BadRequest {
				t.Errorf("status %s, %s", answer.PKIStatus, answer.FailInfo)
			}
			continue
		}
		if answer.PKIStatus != outside.SUCCESS {
			t.Fatalf("status %s, %s", answer.PKIStatus, answer.FailInfo)
		}
		if err := answer.DecryptPKIEnvelope(self, key); err != nil {
			t.Fatal(err)
		}
		if got := answer.CertRepMessage.Certificate; got.Subject.CommonName != "Alice" || !key.PublicKey.Equal(got.PublicKey) {
			t.Errorf("%s", got.Subject)
		}
	}
}

// Whatever is sent is answered, and nothing panics.
func FuzzServer(f *testing.F) {
	a := newAuthority(f)
	service := &scep.Server{RA: func() (*scep.RA, error) { return &a.ra, nil }, Issue: a.issue, Rand: rand.Reader, Fail: func(error) {}}
	f.Add(cms.CertsOnly(a.ra.Chain))
	c := a.client()
	var seeds [][]byte
	seen := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seeds = append(seeds, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		service.ServeHTTP(w, r)
	})
	server := httptest.NewServer(seen)
	f.Cleanup(server.Close)
	c.URL = server.URL
	if _, err := c.Enroll(ctx, request(f, newKey(f), "let me in")); err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := httptest.NewRecorder()
		service.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/?operation=PKIOperation", bytes.NewReader(body)))
		if rec.Code != http.StatusOK && rec.Code != http.StatusBadRequest && rec.Code != http.StatusInternalServerError {
			t.Error(rec.Code)
		}
	})
}
