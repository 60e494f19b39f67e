package cms

import (
	"bytes"
	"crypto/x509"
	stdasn1 "encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ParseCertificates reads the certificates of a SignedData of any content,
// signed or not. None is verified.
func ParseCertificates(der []byte) ([]*x509.Certificate, error) {
	in, err := unwrap(der, SignedDataOID)
	if err != nil {
		return nil, err
	}
	var version int64
	var digests, encap cryptobyte.String
	var id stdasn1.ObjectIdentifier
	if !in.ReadASN1Integer(&version) || version < 1 || version > 5 || !in.ReadASN1(&digests, asn1.SET) || !readAlgorithms(digests) ||
		!in.ReadASN1(&encap, asn1.SEQUENCE) || !encap.ReadASN1ObjectIdentifier(&id) {
		return nil, syntax("head of signed data")
	}
	return readCertificates(&in)
}

// Chain puts the certificates above a leaf, as far as they are among others, in
// order behind it.
func Chain(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	out := []*x509.Certificate{leaf}
	for at := leaf; !bytes.Equal(at.RawIssuer, at.RawSubject); {
		var above *x509.Certificate
		for _, o := range others {
			if bytes.Equal(o.RawSubject, at.RawIssuer) && at.CheckSignatureFrom(o) == nil {
				above = o
			}
		}
		if above == nil || len(out) > len(others) {
			break
		}
		out = append(out, above)
		at = above
	}
	return out
}
