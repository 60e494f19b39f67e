package cms

import (
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func TestParseCertificates(t *testing.T) {
	h := ecHolder(t, elliptic.P256())
	one, two := h.cert, ecHolder(t, elliptic.P256()).cert
	signed := sign(t, Signer{Key: h.key, Certificates: []*x509.Certificate{one, two}}, "x")
	b := cryptobyte.NewBuilder(nil) // nobody signs it, and it has no content
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(Data) })
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(one.Raw); b.AddBytes(two.Raw) })
		b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
	})
	bag := ContentInfo(SignedDataOID, b.BytesOrPanic())
	for name, der := range map[string][]byte{"signed": signed, "signed, in a content info": ContentInfo(SignedDataOID, signed), "certificates only": bag} {
		got, err := ParseCertificates(der)
		if err != nil || len(got) != 2 || !(got[0].Equal(one) && got[1].Equal(two) || got[0].Equal(two) && got[1].Equal(one)) {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, bag[:len(bag)-1], append(bag, 0), ContentInfo(Data, nil)} {
		if _, err := ParseCertificates(bad); !errors.Is(err, ErrSyntax) {
			t.Errorf("%x: %v", bad[:min(len(bad), 8)], err)
		}
	}
}
