package drs

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
)

// CSRCommonName is the subject that every join request carries; the service
// ignores it. Windows counts the string's terminator in its length.
const CSRCommonName = "7E980AD9-B86D-4306-9425-9AC066FB014A"

const (
	maxCSR     = 8 << 10
	minRSABits = 2048
	maxRSABits = 4096
)

// ErrCSR is wrapped by every error of ParseCSR.
var ErrCSR = errors.New("certificate request is not valid")

// PKCS #10 (RFC 2986), with subject and attributes left undecoded: Windows'
// NUL inside a PrintableString is no DER that crypto/x509 reads.
type certificationRequest struct {
	Info      certificationRequestInfo
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type certificationRequestInfo struct {
	Raw        asn1.RawContent
	Version    int
	Subject    asn1.RawValue
	PublicKey  publicKeyInfo
	Attributes asn1.RawValue `asn1:"tag:0"`
}

type publicKeyInfo struct {
	Raw       asn1.RawContent
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

var (
	oidSHA256WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidCommonName    = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// ParseCSR returns the public key of a request after checking that the request
// is signed with it (SHA256withRSA). Names and attributes are not read.
func ParseCSR(der []byte) (*rsa.PublicKey, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: %d bytes", ErrCSR, len(der))
	}
	csr, err := parseRequest(der)
	if err != nil {
		return nil, err
	}
	if csr.Info.Version != 0 || !csr.Algorithm.Algorithm.Equal(oidSHA256WithRSA) {
		return nil, fmt.Errorf("%w: want version 0 signed with SHA256withRSA", ErrCSR)
	}
	key, err := x509.ParsePKIXPublicKey(csr.Info.PublicKey.Raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCSR, err)
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok || pub.N.BitLen() < minRSABits || pub.N.BitLen() > maxRSABits {
		return nil, fmt.Errorf("%w: want an RSA key of %d to %d bits", ErrCSR, minRSABits, maxRSABits)
	}
	digest := sha256.Sum256(csr.Info.Raw)
	if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], csr.Signature.RightAlign()); err != nil {
		return nil, fmt.Errorf("%w: it is not signed with its key", ErrCSR)
	}
	return pub, nil
}

func parseRequest(der []byte) (*certificationRequest, error) {
	var csr certificationRequest
	rest, err := asn1.Unmarshal(der, &csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCSR, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: trailing data", ErrCSR)
	}
	return &csr, nil
}

// RequestOutside is what a request shows a person, before anything is checked.
type RequestOutside struct {
	Version       int
	Subject       []NameAttribute
	Algorithm     asn1.ObjectIdentifier // of the signature
	PublicKey     []byte                // PKIX, DER
	AttributeSize int                   // bytes of the attributes
}

// NameAttribute is one attribute of a name; Value may hold what no text of its
// ASN.1 type may, such as Windows' NUL.
type NameAttribute struct {
	Type  asn1.ObjectIdentifier
	Value string
}

// DescribeCSR reads a request as leniently as ParseCSR, any key and algorithm
// included.
func DescribeCSR(der []byte) (*RequestOutside, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: %d bytes", ErrCSR, len(der))
	}
	csr, err := parseRequest(der)
	if err != nil {
		return nil, err
	}
	o := &RequestOutside{Version: csr.Info.Version, Algorithm: csr.Algorithm.Algorithm, PublicKey: csr.Info.PublicKey.Raw, AttributeSize: len(csr.Info.Attributes.Bytes)}
	var rdns []asn1.RawValue
	if _, err := asn1.Unmarshal(csr.Info.Subject.FullBytes, &rdns); err != nil {
		return nil, fmt.Errorf("%w: subject: %w", ErrCSR, err)
	}
	for _, rdn := range rdns {
		for rest := rdn.Bytes; len(rest) > 0; {
			var a struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			if rest, err = asn1.Unmarshal(rest, &a); err != nil {
				return nil, fmt.Errorf("%w: subject: %w", ErrCSR, err)
			}
			o.Subject = append(o.Subject, NameAttribute{a.Type, string(a.Value.Bytes)})
		}
	}
	return o, nil
}

// NewCSR makes the request as Windows does, terminator included.
func NewCSR(rand io.Reader, key crypto.Signer) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	var info certificationRequestInfo
	if _, err := asn1.Unmarshal(spki, &info.PublicKey); err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	cn, err := asn1.Marshal(oidCommonName)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagPrintableString, Bytes: []byte(CSRCommonName + "\x00")})
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	subject, err := nest(append(cn, value...), asn1.TagSequence, asn1.TagSet, asn1.TagSequence)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	info.Subject = asn1.RawValue{FullBytes: subject}
	info.Attributes = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true}
	raw, err := asn1.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	digest := sha256.Sum256(raw)
	sig, err := key.Sign(rand, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign certificate request: %w", err)
	}
	info.Raw = raw
	return asn1.Marshal(certificationRequest{
		Info:      info,
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidSHA256WithRSA, Parameters: asn1.NullRawValue},
		Signature: asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)},
	})
}

// nest wraps content into constructed values, innermost tag first.
func nest(content []byte, tags ...int) ([]byte, error) {
	for _, tag := range tags {
		var err error
		if content, err = asn1.Marshal(asn1.RawValue{Tag: tag, IsCompound: true, Bytes: content}); err != nil {
			return nil, err
		}
	}
	return content, nil
}
