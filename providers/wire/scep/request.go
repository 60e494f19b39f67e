package scep

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidChallenge     = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7} // challengePassword
	oidSHA256WithRSA = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	tagAttributes    = asn1.Tag(0).ContextSpecific().Constructed()
)

// maxChallenge bounds a challenge, in bytes (RFC 2985 5.4.1: ub-pkcs9-string).
const maxChallenge = 255

// NewRequest makes a PKCS #10 request for an RSA key with a challenge in it
// (challengePassword, RFC 2985 5.4.1). The key signs once, with PKCS #1 v1.5 and
// SHA-256. The subject may be empty.
//
//	CertificationRequest ::= SEQUENCE {
//	    SEQUENCE { version INTEGER (0), subject Name, subjectPKInfo,
//	               attributes [0] IMPLICIT SET OF SEQUENCE { type OID, values SET OF ANY } },
//	    signatureAlgorithm, signature BIT STRING }
func NewRequest(rand io.Reader, key crypto.Signer, subject pkix.Name, challenge string) ([]byte, error) {
	if _, ok := key.Public().(*rsa.PublicKey); !ok {
		return nil, fmt.Errorf("request a certificate: a key of type %T", key.Public())
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	name, err := stdasn1.Marshal(subject.ToRDNSequence())
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(name)
		b.AddBytes(spki)
		b.AddASN1(tagAttributes, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidChallenge)
				b.AddBytes(text(asn1.UTF8String, challenge))
			})
		})
	})
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(info)
	signature, err := key.Sign(rand, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate request: %w", err)
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA256WithRSA)
			b.AddASN1NULL()
		})
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// challengeOf reads the challenge of a request; "" when it has none.
func challengeOf(csr []byte) (string, error) {
	in, request, info := cryptobyte.String(csr), cryptobyte.String(nil), cryptobyte.String(nil)
	var version int64
	var attributes cryptobyte.String
	if !in.ReadASN1(&request, asn1.SEQUENCE) || !in.Empty() || !request.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1Integer(&version) ||
		!info.SkipASN1(asn1.SEQUENCE) || !info.SkipASN1(asn1.SEQUENCE) || !info.ReadASN1(&attributes, tagAttributes) || !info.Empty() {
		return "", syntax("PKCS #10 request")
	}
	challenge := ""
	for !attributes.Empty() {
		var one, values, value cryptobyte.String
		var id stdasn1.ObjectIdentifier
		var tag asn1.Tag
		if !attributes.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&id) || !one.ReadASN1(&values, asn1.SET) || !one.Empty() {
			return "", syntax("attributes of the request")
		}
		if !id.Equal(oidChallenge) {
			continue
		}
		if challenge != "" || !values.ReadAnyASN1(&value, &tag) || !values.Empty() || len(value) == 0 || len(value) > maxChallenge || !utf8.Valid(value) ||
			tag != asn1.UTF8String && tag != asn1.PrintableString && tag != asn1.IA5String {
			return "", syntax("challenge")
		}
		challenge = string(value)
	}
	return challenge, nil
}
