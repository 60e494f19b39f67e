package cms

import (
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// CertsOnly makes a ContentInfo of a SignedData that nobody signs and that holds
// nothing but certificates (RFC 5652 5.1, "degenerate"); ParseCertificates reads
// it.
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
