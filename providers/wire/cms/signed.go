package cms

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// SignedData is a message with one signature, taken apart and not verified.
//
//	SignedData ::= SEQUENCE {
//	    version INTEGER,
//	    digestAlgorithms SET OF AlgorithmIdentifier,
//	    encapContentInfo SEQUENCE { eContentType OID, eContent [0] EXPLICIT OCTET STRING },
//	    certificates [0] IMPLICIT SET OF Certificate OPTIONAL,
//	    crls [1] IMPLICIT SET OPTIONAL,                    -- not looked at
//	    signerInfos SET OF SignerInfo }                    -- exactly one
//
//	SignerInfo ::= SEQUENCE {
//	    version INTEGER, sid Identifier, digestAlgorithm AlgorithmIdentifier,
//	    signedAttrs [0] IMPLICIT SET OF Attribute,         -- required here
//	    signatureAlgorithm AlgorithmIdentifier, signature OCTET STRING,
//	    unsignedAttrs [1] IMPLICIT SET OPTIONAL }          -- not looked at
//
// The slices share memory with the message that was parsed.
type SignedData struct {
	ContentType  stdasn1.ObjectIdentifier // eContentType
	Content      []byte
	Certificates []*x509.Certificate // as sent, in the sender's order
	Signer       Identifier
	Digest       crypto.Hash
	Attributes   []Attribute // signed, in their order

	signature algorithm
	attrs     []byte // signedAttrs as the SET that is signed
	digest    []byte // the messageDigest attribute
	value     []byte
}

// Attribute is a signed attribute. Values is the SET OF them, in DER.
type Attribute struct {
	ID     stdasn1.ObjectIdentifier
	Values []byte
}

// SignatureID names the algorithm of the signature.
func (d *SignedData) SignatureID() stdasn1.ObjectIdentifier { return d.signature.id }

// Attributes that must be signed.
var (
	attrContentType   = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	attrMessageDigest = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

// ParseSignedData reads a SignedData in a ContentInfo, or bare.
func ParseSignedData(der []byte) (*SignedData, error) {
	d, err := ParseSignedAttributes(der)
	if err == nil && d.Content == nil {
		err = syntax("detached content")
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ParseSignedAttributes reads a SignedData whose attributes are the message:
// there may be no content, which is nil then.
func ParseSignedAttributes(der []byte) (*SignedData, error) {
	in, err := unwrap(der, SignedDataOID)
	if err != nil {
		return nil, err
	}
	var d SignedData
	var version int64
	var digests, encap, content, infos, info cryptobyte.String
	if !in.ReadASN1Integer(&version) || version < 1 || version > 5 ||
		!in.ReadASN1(&digests, asn1.SET) || !readAlgorithms(digests) {
		return nil, syntax("head of signed data")
	}
	if !in.ReadASN1(&encap, asn1.SEQUENCE) || !encap.ReadASN1ObjectIdentifier(&d.ContentType) {
		return nil, syntax("content")
	}
	if !encap.Empty() && (!encap.ReadASN1(&content, explicit(0)) || !encap.Empty() || !content.ReadASN1Bytes(&d.Content, asn1.OCTET_STRING) || !content.Empty()) {
		return nil, syntax("content")
	}
	if d.Certificates, err = readCertificates(&in); err != nil {
		return nil, err
	}
	if !in.SkipOptionalASN1(explicit(1)) || !in.ReadASN1(&infos, asn1.SET) || !in.Empty() {
		return nil, syntax("tail of signed data")
	}
	if !infos.ReadASN1(&info, asn1.SEQUENCE) || !infos.Empty() {
		return nil, syntax("not exactly one signer")
	}
	if err := d.readSigner(info); err != nil {
		return nil, err
	}
	return &d, nil
}

func readAlgorithms(in cryptobyte.String) bool {
	var a algorithm
	for n := 0; !in.Empty(); n++ {
		if n == maxAlgorithms || !readAlgorithm(&in, &a) {
			return false
		}
	}
	return true
}

func readCertificates(in *cryptobyte.String) ([]*x509.Certificate, error) {
	var set cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&set, &present, explicit(0)) {
		return nil, syntax("certificates")
	}
	var certs []*x509.Certificate
	for !set.Empty() {
		var one cryptobyte.String
		if len(certs) == maxCertificates {
			return nil, syntax("too many certificates")
		}
		if !set.ReadASN1Element(&one, asn1.SEQUENCE) {
			return nil, syntax("certificates")
		}
		cert, err := x509.ParseCertificate(one)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate: %w", ErrSyntax, err)
		}
		if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() > maxCertifiedRSA {
			return nil, syntax("certificate of a key that is too long")
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func (d *SignedData) readSigner(in cryptobyte.String) error {
	var version int64
	var ok bool
	if !in.ReadASN1Integer(&version) {
		return syntax("signer")
	}
	// The version says which form the identifier has, but Heimdal writes 1 for both.
	if d.Signer, ok = readIdentifier(&in); !ok || version != 1 && version != d.Signer.version(1, 3) {
		return syntax("signer's identifier")
	}
	var digest algorithm
	var attrs cryptobyte.String
	if !readAlgorithm(&in, &digest) {
		return syntax("signer's digest")
	}
	if !in.ReadASN1Element(&attrs, explicit(0)) {
		return syntax("no signed attributes")
	}
	if !readAlgorithm(&in, &d.signature) || !in.ReadASN1Bytes(&d.value, asn1.OCTET_STRING) ||
		!in.SkipOptionalASN1(explicit(1)) || !in.Empty() {
		return syntax("signature")
	}
	var err error
	if d.Digest, err = HashOf(digest.id); err != nil {
		return err
	}
	if !digest.plain() {
		return syntax("parameters of a digest")
	}
	// They are stored under [0] and signed as a SET (RFC 5652 5.4).
	d.attrs = bytes.Clone(attrs)
	d.attrs[0] = byte(asn1.SET)
	return d.readAttributes()
}

// readAttributes checks that the signed attributes are in DER's order, none is
// there twice, and the content type is the content's; it keeps the digest.
//
//	Attribute ::= SEQUENCE { attrType OID, attrValues SET OF ANY }
func (d *SignedData) readAttributes() error {
	var set cryptobyte.String
	whole := cryptobyte.String(d.attrs)
	if !whole.ReadASN1(&set, asn1.SET) {
		return syntax("signed attributes")
	}
	var before, one cryptobyte.String
	typed := false
	for ; !set.Empty(); before = one {
		var id stdasn1.ObjectIdentifier
		var attr, all, values, value cryptobyte.String
		if len(d.Attributes) == maxAttributes || !set.ReadASN1Element(&one, asn1.SEQUENCE) {
			return syntax("signed attributes")
		}
		if bytes.Compare(before, one) >= 0 {
			return syntax("order of signed attributes")
		}
		body := one
		if !body.ReadASN1(&attr, asn1.SEQUENCE) || !attr.ReadASN1ObjectIdentifier(&id) || !attr.ReadASN1Element(&all, asn1.SET) || !attr.Empty() {
			return syntax("signed attribute")
		}
		for _, other := range d.Attributes {
			if id.Equal(other.ID) {
				return syntax("signed attribute twice")
			}
		}
		d.Attributes = append(d.Attributes, Attribute{id, all})
		all.ReadASN1(&values, asn1.SET)
		switch {
		case id.Equal(attrContentType):
			var typ stdasn1.ObjectIdentifier
			if !values.ReadASN1ObjectIdentifier(&typ) || !values.Empty() || !typ.Equal(d.ContentType) {
				return syntax("signed content type")
			}
			typed = true
		case id.Equal(attrMessageDigest):
			if !values.ReadASN1(&value, asn1.OCTET_STRING) || !values.Empty() {
				return syntax("signed digest")
			}
			d.digest = value
		}
	}
	if !typed || d.digest == nil {
		return syntax("missing signed attribute")
	}
	return nil
}

// Accept says what a reader takes besides what is good today.
type Accept struct {
	SHA1 bool
}

// Verify checks that the holder of pub signed this content: ErrDigest when the
// digest is not accepted, ErrUnsupported when key and algorithm do not go
// together, else ErrSignature.
func (d *SignedData) Verify(pub crypto.PublicKey, accept Accept) error {
	if d.Digest == crypto.SHA1 && !accept.SHA1 {
		return fmt.Errorf("%w: %s", ErrDigest, d.Digest)
	}
	s, salt, err := schemeOf(d.signature, d.Digest)
	if err != nil {
		return err
	}
	h := d.Digest.New()
	h.Write(d.Content)
	if subtle.ConstantTimeCompare(h.Sum(nil), d.digest) != 1 {
		return fmt.Errorf("%w: digest of the content", ErrSignature)
	}
	h.Reset()
	h.Write(d.attrs)
	return verify(pub, s, salt, d.Digest, h.Sum(nil), d.value)
}

// SignerCertificate returns the certificate among those sent that the signer's
// identifier names; nil when it was not sent.
func (d *SignedData) SignerCertificate() *x509.Certificate {
	for _, cert := range d.Certificates {
		if d.Signer.Names(cert) {
			return cert
		}
	}
	return nil
}
