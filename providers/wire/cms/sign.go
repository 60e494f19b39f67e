package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Signer signs messages. ID says how it is named; the zero Identifier is
// issuer and serial number of the first certificate.
type Signer struct {
	Key          crypto.Signer
	Hash         crypto.Hash         // 0: SHA-256
	Certificates []*x509.Certificate // what is sent along, the signer's own first; may be none with an ID
	ID           Identifier
	Attributes   []Attribute // further ones that are signed
}

// Sign makes a bare SignedData of version 3 around content, with the attributes
// contentType and messageDigest and the signer's own. Of nil content nothing is
// written, as of detached content. rand is for signature schemes that need it.
func (s Signer) Sign(rand io.Reader, contentType stdasn1.ObjectIdentifier, content []byte) ([]byte, error) {
	hash, id := s.Hash, s.ID
	if hash == 0 {
		hash = crypto.SHA256
	}
	if id.Serial == nil && id.SubjectKeyID == nil {
		if len(s.Certificates) == 0 {
			return nil, fmt.Errorf("sign: signer without certificate and identifier")
		}
		id = BySerial(s.Certificates[0])
	}
	signature, null, err := signatureOID(s.Key.Public(), hash)
	if err != nil {
		return nil, err
	}
	h := hash.New()
	h.Write(content)
	attrs, err := attributes(contentType, h.Sum(nil), s.Attributes)
	if err != nil {
		return nil, err
	}
	h.Reset()
	h.Write(attrs)
	value, err := s.Key.Sign(rand, h.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("sign CMS message: %w", err)
	}
	attrs[0] = byte(explicit(0)) // signed as a SET, stored under [0]

	algo := DigestOID(hash)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, algo, true) })
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(contentType)
			if content != nil {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
			}
		})
		if len(s.Certificates) > 0 {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
				for _, cert := range sorted(s.Certificates) {
					b.AddBytes(cert)
				}
			})
		}
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(id.version(1, 3))
				id.build(b)
				addAlgorithm(b, algo, true)
				b.AddBytes(attrs)
				addAlgorithm(b, signature, null)
				b.AddASN1OctetString(value)
			})
		})
	})
	return b.Bytes()
}

// sorted brings certificates into the order of a DER SET OF.
func sorted(certs []*x509.Certificate) [][]byte {
	raw := make([][]byte, len(certs))
	for i, cert := range certs {
		raw[i] = cert.Raw
	}
	slices.SortFunc(raw, bytes.Compare)
	return raw
}

// attributes is the SET that is signed, in DER's order.
func attributes(contentType stdasn1.ObjectIdentifier, digest []byte, more []Attribute) ([]byte, error) {
	one := func(id stdasn1.ObjectIdentifier, value func(*cryptobyte.Builder)) ([]byte, error) {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(id)
			value(b)
		})
		return b.Bytes()
	}
	set := func(value func(*cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1(asn1.SET, value) }
	}
	typ, err := one(attrContentType, set(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(contentType) }))
	if err != nil {
		return nil, err
	}
	sum, err := one(attrMessageDigest, set(func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) }))
	if err != nil {
		return nil, err
	}
	all := [][]byte{typ, sum}
	for _, a := range more {
		der, err := one(a.ID, func(b *cryptobyte.Builder) { b.AddBytes(a.Values) })
		if err != nil {
			return nil, err
		}
		all = append(all, der)
	}
	slices.SortFunc(all, bytes.Compare)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		for _, der := range all {
			b.AddBytes(der)
		}
	})
	return b.Bytes()
}
