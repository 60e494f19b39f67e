package ca_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"hellolab/providers/adcs/ca"
	"hellolab/providers/wire/cmc"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/crl"
)

// signed is a CMC request of an agent for somebody.
type signed struct {
	agent    *x509.Certificate
	key      crypto.Signer
	name     string
	template string
	kind     asn1.ObjectIdentifier
	csr      []byte
	with     []*x509.Certificate // what is sent along
}

func (l *lab) signed(agent *x509.Certificate) signed {
	return signed{agent: agent, key: rsaKey(l.t), name: `CORP\alice`, template: ca.HelloAuthentication, kind: cmc.PKIData,
		csr: csr(l.t, rsaKey(l.t), x509.CertificateRequest{}), with: []*x509.Certificate{agent}}
}

func (s signed) encode(t testing.TB) []byte {
	t.Helper()
	content, err := cmc.Request{CSR: s.csr, Pairs: map[string]string{cmc.RequesterName: s.name, cmc.CertificateTemplate: s.template}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bare, err := cms.Signer{Key: s.key, Certificates: s.with, ID: cms.BySerial(s.agent)}.Sign(rand.Reader, s.kind, content)
	if err != nil {
		t.Fatal(err)
	}
	return cms.ContentInfo(cms.SignedDataOID, bare)
}

// Fault 77: who may sign for others, and for whom.
func TestAgent(t *testing.T) {
	l := newLab(t, config())
	agent := l.issue(admin(), ca.EnrollmentAgent)
	ask := func(s signed) error {
		_, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: s.encode(t)})
		return err
	}
	good := l.signed(agent)
	if name, err := ca.OnBehalfOf(good.encode(t)); err != nil || name != `CORP\alice` {
		t.Errorf("for %q, %v", name, err)
	}
	if name, err := ca.OnBehalfOf(good.csr); err != nil || name != "" {
		t.Errorf("PKCS #10 for %q, %v", name, err)
	}
	if err := ask(good); err != nil {
		t.Fatal(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	later := l.issue(admin(), ca.EnrollmentAgent)
	other := newLab(t, config())
	for name, c := range map[string]struct {
		s    signed
		code ca.Code
	}{
		"a user's certificate":       {l.signed(l.issue(alice(), ca.User)), ca.CodeSignatureRejected},
		"another CA's agent":         {l.signed(other.issue(admin(), ca.EnrollmentAgent)), ca.CodeSignatureRejected},
		"somebody else's key":        {changed(good, func(s *signed) { s.key = stranger }), ca.CodeBadSignature},
		"certificate not sent along": {changed(good, func(s *signed) { s.with = []*x509.Certificate{later} }), ca.CodeSignatureRejected},
		"for somebody else":          {changed(good, func(s *signed) { s.name = `CORP\bob` }), ca.CodeBadRequestSubject},
		"for nobody":                 {changed(good, func(s *signed) { s.name = "" }), ca.CodeInvalidArgument},
		"another content":            {changed(good, func(s *signed) { s.kind = cmc.PKIResponse }), ca.CodeSyntax},
		"content of another form":    {changed(good, func(s *signed) { s.kind = cms.Data }), ca.CodeInvalidArgument},
		"a broken request inside":    {changed(good, func(s *signed) { s.csr = []byte{0x30, 0} }), ca.CodeSyntax},
		"no such template":           {changed(good, func(s *signed) { s.template = "Nonsense" }), ca.CodeUnsupportedTemplate},
		"not a template of hers":     {changed(good, func(s *signed) { s.template = ca.KerberosAuthentication }), ca.CodeTemplateDenied},
	} {
		if err := ask(c.s); !errors.Is(err, &ca.Error{Code: c.code}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := good.encode(t)
	broken[len(broken)-1] ^= 1
	if _, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: broken}); !errors.Is(err, &ca.Error{Code: ca.CodeBadSignature}) {
		t.Errorf("broken signature: %v", err)
	}
	if _, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: good.csr, Template: ca.HelloAuthentication}); !errors.Is(err, &ca.Error{Code: ca.CodeSignatureRequired}) {
		t.Errorf("without an agent: %v", err)
	}
	if err := l.Revoke(ctx, agent.SerialNumber, crl.CessationOfOperation, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := ask(good); !errors.Is(err, &ca.Error{Code: ca.CodeSignatureRejected}) {
		t.Errorf("revoked agent: %v", err)
	}
	l.advance(3 * 365 * 24 * time.Hour)
	if err := ask(l.signed(later)); !errors.Is(err, &ca.Error{Code: ca.CodeSignatureRejected}) {
		t.Errorf("expired agent: %v", err)
	}
}

func changed(s signed, change func(*signed)) signed {
	change(&s)
	return s
}

// A response is signed by the CA and carries the chain and the certificate.
func TestResponse(t *testing.T) {
	l := newLab(t, config())
	cert := l.issue(alice(), ca.User)
	for _, c := range []struct {
		issued *ca.Issued
		status cmc.Status
	}{{&ca.Issued{RequestID: 1, Disposition: ca.DispositionIssued, Certificate: cert}, cmc.Success}, {&ca.Issued{RequestID: 2, Disposition: ca.UnderSubmission}, cmc.Pending}} {
		der, err := l.Response(c.issued)
		if err != nil {
			t.Fatal(err)
		}
		message, err := cms.ParseSignedData(der)
		if err != nil || !message.ContentType.Equal(cmc.PKIResponse) || message.Verify(l.Certificate().PublicKey, cms.Accept{}) != nil {
			t.Fatalf("%+v, %v", message, err)
		}
		r, err := cmc.ParseResponse(message.Content)
		if err != nil || r.Status != c.status {
			t.Fatalf("%+v, %v", r, err)
		}
		found := false
		for _, sent := range message.Certificates {
			hash := sha1.Sum(sent.Raw)
			found = found || bytes.Equal(hash[:], r.CertHash) && sent.Equal(cert)
		}
		if found != (c.status == cmc.Success) || message.SignerCertificate() == nil {
			t.Errorf("certificate found: %t", found)
		}
	}
}

// Whatever a client sends is refused with a code, or is a request.
func FuzzIssue(f *testing.F) {
	l := newLab(f, config())
	agent := l.issue(admin(), ca.EnrollmentAgent)
	f.Add(l.signed(agent).encode(f))
	f.Add(csr(f, rsaKey(f), x509.CertificateRequest{}))
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := ca.OnBehalfOf(der); err != nil {
			var refusal *ca.Error
			if !errors.As(err, &refusal) {
				t.Error(err)
			}
		}
		var refusal *ca.Error
		if _, err := l.Issue(ctx, ca.Request{Requester: alice(), CSR: der, Template: ca.User}); err != nil && !errors.As(err, &refusal) {
			t.Error(err)
		}
	})
}
