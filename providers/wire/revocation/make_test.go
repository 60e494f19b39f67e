package revocation_test

import (
	"context"
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
	"sync"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/ocsp"
	"hellolab/providers/wire/revocation"
)

// now is the machine's time: openssl compares with it.
var (
	ctx = context.Background()
	now = time.Now().Truncate(time.Second).UTC()
)

const (
	baseURL  = "http://ca.example/base.crl"
	deltaURL = "http://ca.example/delta.crl"
	ocspURL  = "http://ca.example/ocsp"
)

// authority is a CA of a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	id := sha1.Sum([]byte(name))
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature, SubjectKeyId: id[:]}, 1)
	return a
}

func (a *authority) sign(template *x509.Certificate, serial int64) (*x509.Certificate, crypto.Signer) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(serial), now.Add(-time.Hour), now.AddDate(1, 0, 0)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, crypto.Signer(key)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// leaf certifies somebody whose lists and responder are at these addresses.
func (a *authority) leaf(serial int64, lists, responders []string) *x509.Certificate {
	cert, _ := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, CRLDistributionPoints: lists, OCSPServer: responders}, serial)
	return cert
}

// base is a list that is good for a week.
func (a *authority) base(number int64, entries ...crl.Entry) crl.Template {
	return crl.Template{Number: number, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.AddDate(0, 0, 7), Entries: entries}
}

func (a *authority) list(t crl.Template) []byte {
	a.t.Helper()
	der, err := crl.Create(rand.Reader, t, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func entry(serial int64, reason crl.Reason) crl.Entry {
	return crl.Entry{Serial: big.NewInt(serial), At: now.Add(-time.Hour), Reason: reason}
}

// network is a Fetcher of what a test put there.
type network struct {
	mu      sync.Mutex
	files   map[string][]byte
	answer  func(*ocsp.Request) []byte
	fetched map[string]int
}

func newNetwork() *network { return &network{files: map[string][]byte{}, fetched: map[string]int{}} }

func (n *network) Fetch(_ context.Context, url string, post *revocation.Post, limit int) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fetched[url]++
	body, ok := n.files[url]
	if post != nil && n.answer != nil {
		r, err := ocsp.ParseRequest(post.Body)
		if err != nil || post.Type != ocsp.TypeRequest {
			return nil, errors.New("bad request")
		}
		body, ok = n.answer(r), true
	}
	if !ok {
		return nil, errors.New("nothing is there")
	}
	if len(body) > limit {
		return nil, revocation.ErrTooLarge
	}
	return body, nil
}

// responder answers as a delegate of a.
func (a *authority) responder(answer ocsp.Answer) func(*ocsp.Request) []byte {
	cert, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "responder"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, ExtraExtensions: []pkix.Extension{{Id: ocsp.ExtNoCheck, Value: asn1.NullBytes}}}, 2)
	return func(r *ocsp.Request) []byte {
		der, err := answer.Sign(rand.Reader, r, cert, key)
		if err != nil {
			a.t.Error(err)
		}
		return der
	}
}
