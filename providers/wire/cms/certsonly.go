package cms

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// CertsOnly makes a ContentInfo of a SignedData that nobody signs and that holds
// nothing but certificates (RFC 5652 5.1, "degenerate").
func CertsOnly(certs []*x509.Certificate) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(Data) })
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			for _, cert := range sorted(certs) {
				b.AddBytes(cert)
			}
		})
		b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
	})
	return ContentInfo(SignedDataOID, b.BytesOrPanic())
}

// ParseCertsOnly reads what CertsOnly makes, in a ContentInfo or bare, and returns
// its certificates in their order there. Whom they are of, nothing says.
func ParseCertsOnly(der []byte) ([]*x509.Certificate, error) {
	in, err := unwrap(der, SignedDataOID)
	if err != nil {
		return nil, err
	}
	var version int64
	var digests, encap, infos cryptobyte.String
	if !in.ReadASN1Integer(&version) || version < 1 || version > 5 || !in.ReadASN1(&digests, asn1.SET) || !readAlgorithms(digests) ||
		!in.ReadASN1(&encap, asn1.SEQUENCE) {
		return nil, syntax("head of signed data")
	}
	certs, err := readCertificates(&in)
	if err != nil {
		return nil, err
	}
	if !in.SkipOptionalASN1(explicit(1)) || !in.ReadASN1(&infos, asn1.SET) || !in.Empty() || !infos.Empty() {
		return nil, fmt.Errorf("%w: it is signed, or has a tail", ErrSyntax)
	}
	return certs, nil
}
