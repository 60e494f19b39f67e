package pkinit

import (
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ExternalPrincipalIdentifier names a certificate: in trustedCertifiers, and in
// the e-data of errors about certificates. Each part is the DER of a structure:
//
//	SEQUENCE {
//	    subjectName           [0] IMPLICIT OCTET STRING OPTIONAL,   -- Name
//	    issuerAndSerialNumber [1] IMPLICIT OCTET STRING OPTIONAL,   -- IssuerAndSerialNumber
//	    subjectKeyIdentifier  [2] IMPLICIT OCTET STRING OPTIONAL, ... }  -- OCTET STRING
type ExternalPrincipalIdentifier struct {
	SubjectName           []byte
	IssuerAndSerialNumber []byte
	SubjectKeyIdentifier  []byte
}

// IdentifierOf names a certificate in all three ways, as far as it has them.
func IdentifierOf(cert *x509.Certificate) (ExternalPrincipalIdentifier, error) {
	id := ExternalPrincipalIdentifier{SubjectName: cert.RawSubject}
	var err error
	if id.IssuerAndSerialNumber, err = encode(func(b *cryptobyte.Builder) {
		b.AddBytes(cert.RawIssuer)
		b.AddASN1BigInt(cert.SerialNumber)
	}); err != nil {
		return ExternalPrincipalIdentifier{}, err
	}
	if len(cert.SubjectKeyId) > 0 {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1OctetString(cert.SubjectKeyId)
		id.SubjectKeyIdentifier, err = b.Bytes()
	}
	return id, err
}

func identifiers(out *[]ExternalPrincipalIdentifier) func(*cryptobyte.String) bool {
	return list(func(in *cryptobyte.String) bool {
		var id ExternalPrincipalIdentifier
		var seq cryptobyte.String
		ok := in.ReadASN1(&seq, asn1.SEQUENCE) &&
			optionalImplicit(&seq, 0, &id.SubjectName) &&
			optionalImplicit(&seq, 1, &id.IssuerAndSerialNumber) &&
			optionalImplicit(&seq, 2, &id.SubjectKeyIdentifier) && extensions(&seq)
		*out = append(*out, id)
		return ok
	})
}

func putIdentifiers(b *cryptobyte.Builder, ids []ExternalPrincipalIdentifier) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, id := range ids {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for n, part := range [][]byte{id.SubjectName, id.IssuerAndSerialNumber, id.SubjectKeyIdentifier} {
					if part != nil {
						putImplicit(b, uint8(n), part)
					}
				}
			})
		}
	})
}

// EncodeIdentifiers writes TD-TRUSTED-CERTIFIERS or TD-INVALID-CERTIFICATES,
// which are alike.
func EncodeIdentifiers(ids []ExternalPrincipalIdentifier) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	putIdentifiers(b, ids)
	return b.Bytes()
}

// ParseIdentifiers reads what EncodeIdentifiers writes.
func ParseIdentifiers(value []byte) ([]ExternalPrincipalIdentifier, error) {
	var ids []ExternalPrincipalIdentifier
	if in := cryptobyte.String(value); !identifiers(&ids)(&in) || !in.Empty() {
		return nil, malformed("certificate identifiers")
	}
	return ids, nil
}
