package cms

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
)

func TestCertificatesOnly(t *testing.T) {
	h := ecHolder(t, elliptic.P256())
	one, two := h.cert, ecHolder(t, elliptic.P256()).cert
	der, err := CertificatesOnly([]*x509.Certificate{one, two})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCertificates(der)
	if err != nil || len(got) != 2 || !(got[0].Equal(one) && got[1].Equal(two) || got[0].Equal(two) && got[1].Equal(one)) {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	if _, err := ParseSignedData(der); !errors.Is(err, ErrSyntax) {
		t.Errorf("a message that nobody signed is a signed one: %v", err)
	}
	signed, err := Signer{Key: h.key, Certificates: []*x509.Certificate{one}}.Sign(rand.Reader, Data, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseCertificates(signed); err != nil || len(got) != 1 || !got[0].Equal(one) {
		t.Errorf("of a signed message: %d certificates, %v", len(got), err)
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, der[:len(der)-1], append(der, 0)} {
		if _, err := ParseCertificates(bad); !errors.Is(err, ErrSyntax) {
			t.Errorf("%x: %v", bad[:min(len(bad), 8)], err)
		}
	}
}
