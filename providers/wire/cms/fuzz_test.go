package cms

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
)

func FuzzParseSignedData(f *testing.F) {
	h := ecHolder(f, elliptic.P256())
	f.Add(sign(f, Signer{Key: h.key, Certificates: []*x509.Certificate{h.cert}}, "x"))
	f.Add(ContentInfo(SignedDataOID, sign(f, Signer{Key: h.key, ID: Identifier{SubjectKeyID: []byte{1}}}, "x")))
	r := rsaHolder(f, 2048)
	f.Add(CertsOnly([]*x509.Certificate{h.cert}))
	f.Fuzz(func(t *testing.T, der []byte) {
		certs, bag := ParseCertificates(der)
		d, err := ParseSignedData(der)
		if err != nil {
			return
		}
		if bag != nil || len(certs) != len(d.Certificates) {
			t.Fatal("the certificates of a message are others without its signature")
		}
		d.SignerCertificate()
		if d.Verify(r.key.Public(), Accept{SHA1: true}) == nil {
			t.Fatal("a key that signed nothing verifies")
		}
	})
}

func FuzzParseEnvelopedData(f *testing.F) {
	r := rsaHolder(f, 2048)
	for _, content := range []string{"", "secret"} {
		der, err := Envelope(rand.Reader, r.cert, Data, []byte(content), AES128CBC)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
		f.Add(ContentInfo(EnvelopedOID, der))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if e, err := ParseEnvelopedData(der); err == nil {
			_, _ = e.Open(rand.Reader, r.key.(*rsa.PrivateKey), r.cert)
		}
	})
}
