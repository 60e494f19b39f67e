package cms

import (
	"bytes"
	"crypto/x509"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Identifier says whose key a signer or a recipient uses. One of the two forms
// is set.
//
//	CHOICE { issuerAndSerialNumber SEQUENCE { issuer Name, serialNumber INTEGER },
//	         subjectKeyIdentifier [0] IMPLICIT OCTET STRING }
//
// Heimdal writes the second as [0] constructed around an OCTET STRING; that is
// read, too.
type Identifier struct {
	Issuer       []byte // DER Name
	Serial       *big.Int
	SubjectKeyID []byte
}

// Names says whether the identifier is that of cert.
func (id Identifier) Names(cert *x509.Certificate) bool {
	if id.Serial != nil {
		return cert.SerialNumber != nil && id.Serial.Cmp(cert.SerialNumber) == 0 && bytes.Equal(id.Issuer, cert.RawIssuer)
	}
	return len(id.SubjectKeyID) > 0 && bytes.Equal(id.SubjectKeyID, cert.SubjectKeyId)
}

// BySerial is the identifier of cert by issuer and serial number.
func BySerial(cert *x509.Certificate) Identifier {
	return Identifier{Issuer: cert.RawIssuer, Serial: cert.SerialNumber}
}

func (id Identifier) build(b *cryptobyte.Builder) {
	if id.Serial == nil {
		b.AddASN1(context(0), func(b *cryptobyte.Builder) { b.AddBytes(id.SubjectKeyID) })
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(id.Issuer)
		b.AddASN1BigInt(id.Serial)
	})
}

// version is that of the SignerInfo or RecipientInfo that holds the identifier:
// the first of the two for an issuer and serial number.
func (id Identifier) version(serial, ski int64) int64 {
	if id.Serial != nil {
		return serial
	}
	return ski
}

func readIdentifier(in *cryptobyte.String) (Identifier, bool) {
	var id Identifier
	var inner, key cryptobyte.String
	switch {
	case in.PeekASN1Tag(asn1.SEQUENCE):
		var issuer cryptobyte.String
		id.Serial = new(big.Int)
		if !in.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
			!inner.ReadASN1Integer(id.Serial) || !inner.Empty() {
			return Identifier{}, false
		}
		id.Issuer = issuer
		return id, true
	case in.PeekASN1Tag(context(0)):
		if !in.ReadASN1(&key, context(0)) {
			return Identifier{}, false
		}
	default:
		if !in.ReadASN1(&inner, explicit(0)) || !inner.ReadASN1(&key, asn1.OCTET_STRING) || !inner.Empty() {
			return Identifier{}, false
		}
	}
	id.SubjectKeyID = key
	return id, len(key) > 0
}
