package ocsp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"hellolab/providers/wire/crl"
)

// Status is what a responder says of a certificate.
type Status int

// Statuses.
const (
	Good Status = iota
	Revoked
	Unknown // the responder does not know the certificate
)

// Answer is the content of a signed response.
type Answer struct {
	Status     Status
	RevokedAt  time.Time
	Reason     crl.Reason
	ProducedAt time.Time
	ThisUpdate time.Time
	NextUpdate time.Time // zero: newer information is always there
	Nonce      []byte    // nil: none
}

// OCSPResponse (RFC 6960 4.2.1).
type responseASN1 struct {
	Status asn1.Enumerated
	Bytes  responseBytes `asn1:"explicit,tag:0,optional"`
}

type responseBytes struct {
	Type  asn1.ObjectIdentifier
	Value []byte
}

type basicResponse struct {
	Data         asn1.RawValue
	Algorithm    pkix.AlgorithmIdentifier
	Signature    asn1.BitString
	Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type responseData struct {
	Version    int `asn1:"optional,default:0,explicit,tag:0"`
	Responder  asn1.RawValue
	Produced   time.Time `asn1:"generalized"`
	Responses  []singleResponse
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type singleResponse struct {
	ID         certID
	Good       asn1.Flag        `asn1:"tag:0,optional"`
	Revoked    revokedInfo      `asn1:"tag:1,optional"`
	Unknown    asn1.Flag        `asn1:"tag:2,optional"`
	ThisUpdate time.Time        `asn1:"generalized"`
	NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type revokedInfo struct {
	At     time.Time       `asn1:"generalized"`
	Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
}

// Sign answers a request: responder's certificate is sent along, key is its
// key (RSA or ECDSA, with SHA-256).
func (a Answer) Sign(rand io.Reader, r *Request, responder *x509.Certificate, key crypto.Signer) ([]byte, error) {
	s := singleResponse{ID: r.id, ThisUpdate: a.ThisUpdate.UTC(), NextUpdate: a.NextUpdate.UTC()}
	if a.NextUpdate.IsZero() {
		s.NextUpdate = time.Time{}
	}
	switch a.Status {
	case Good:
		s.Good = true
	case Revoked:
		s.Revoked = revokedInfo{a.RevokedAt.UTC(), asn1.Enumerated(a.Reason)}
	default:
		s.Unknown = true
	}
	data := responseData{
		Responder: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: responder.RawSubject}, // byName
		Produced:  a.ProducedAt.UTC(), Responses: []singleResponse{s},
	}
	if len(a.Nonce) > 0 {
		ext, err := nonceExtension(a.Nonce)
		if err != nil {
			return nil, err
		}
		data.Extensions = []pkix.Extension{ext}
	}
	raw, err := asn1.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("OCSP response: %w", err)
	}
	algorithm, err := signatureAlgorithm(key.Public())
	if err != nil {
		return nil, err
	}
	h := crypto.SHA256.New()
	h.Write(raw)
	signature, err := key.Sign(rand, h.Sum(nil), crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign OCSP response: %w", err)
	}
	basic, err := asn1.Marshal(basicResponse{asn1.RawValue{FullBytes: raw}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
		[]asn1.RawValue{{FullBytes: responder.Raw}}})
	if err != nil {
		return nil, fmt.Errorf("OCSP response: %w", err)
	}
	return asn1.Marshal(responseASN1{Bytes: responseBytes{oidBasic, basic}})
}

func signatureAlgorithm(pub crypto.PublicKey) (pkix.AlgorithmIdentifier, error) {
	switch pub.(type) {
	case *rsa.PublicKey:
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}, nil
	case *ecdsa.PublicKey:
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}, nil
	}
	return pkix.AlgorithmIdentifier{}, fmt.Errorf("OCSP response: a responder's key is a %T", pub)
}

// Errors of ParseResponse. A responder that answers with a status of its own
// instead of a signed response gives a *StatusError.
var (
	ErrResponse  = errors.New("malformed OCSP response")
	ErrSignature = errors.New("OCSP response has a bad signature")
	ErrResponder = errors.New("OCSP response is signed by somebody who may not")
	ErrOther     = errors.New("OCSP response is about another certificate")
)

// StatusError is an answer that is not signed, such as "unauthorized" (6).
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	return "OCSP responder answers: " + ocsp.ResponseStatus(e.Code).String()
}

// ParseResponse reads a response about cert, and verifies it: it is signed by
// issuer or by somebody whom issuer delegated (a certificate of its own with
// the key purpose OCSP signing and ExtNoCheck, in its life at that time), with
// no less than SHA-256. ThisUpdate, NextUpdate and Nonce are the caller's to judge.
func ParseResponse(der []byte, cert, issuer *x509.Certificate, at time.Time) (*Answer, error) {
	basic, data, err := open(der)
	if err != nil {
		return nil, err
	}
	if err := basic.checkKeys(); err != nil {
		return nil, err
	}
	nonce, err := readExtensions(data.Extensions)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	r, err := ocsp.ParseResponseForCert(der, cert, nil) // signature by the certificate that is sent along
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	if err := authorised(r, issuer, at); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(data.Responses, func(s singleResponse) bool { return s.ID.Serial.Cmp(cert.SerialNumber) == 0 })
	if i < 0 || !data.Responses[i].ID.of(issuer) { // the first of that serial is the one that was read
		return nil, ErrOther
	}
	if !crl.Reason(r.RevocationReason).Known() {
		return nil, fmt.Errorf("%w: reason %d", ErrResponse, r.RevocationReason)
	}
	return &Answer{Status: Status(r.Status), RevokedAt: r.RevokedAt, Reason: crl.Reason(r.RevocationReason), ProducedAt: r.ProducedAt,
		ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate, Nonce: nonce}, nil
}

// maxRSA bounds the keys of certificates in a response, in bits, as crypto/tls
// does: its signature is verified with one before the issuer's word for it is.
const maxRSA = 8192

func (b *basicResponse) checkKeys() error {
	for _, raw := range b.Certificates {
		cert, err := x509.ParseCertificate(raw.FullBytes)
		if err != nil {
			return fmt.Errorf("%w: certificate: %w", ErrResponse, err)
		}
		if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() > maxRSA {
			return fmt.Errorf("%w: certificate of a key that is too long", ErrResponse)
		}
	}
	return nil
}

// open reads the structures of a signed response.
func open(der []byte) (basic basicResponse, data responseData, err error) {
	if len(der) > MaxResponse {
		return basic, data, fmt.Errorf("%w: %d bytes", ErrResponse, len(der))
	}
	var outer responseASN1
	if err := whole(der, &outer); err != nil {
		return basic, data, err
	}
	if outer.Status != 0 {
		return basic, data, &StatusError{int(outer.Status)}
	}
	if !outer.Bytes.Type.Equal(oidBasic) {
		return basic, data, fmt.Errorf("%w: not a basic response", ErrResponse)
	}
	if err = whole(outer.Bytes.Value, &basic); err == nil {
		err = whole(basic.Data.FullBytes, &data)
	}
	return basic, data, err
}

// authorised says whether a response is signed by issuer or a delegate.
func authorised(r *ocsp.Response, issuer *x509.Certificate, at time.Time) error {
	if weak(r.SignatureAlgorithm) {
		return fmt.Errorf("%w: algorithm %v", ErrSignature, r.SignatureAlgorithm)
	}
	if r.Certificate == nil || bytes.Equal(r.Certificate.Raw, issuer.Raw) {
		if err := r.CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("%w: %w", ErrSignature, err)
		}
		return nil
	}
	c := r.Certificate
	noCheck := slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(ExtNoCheck) })
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject) || weak(c.SignatureAlgorithm) || c.CheckSignatureFrom(issuer) != nil:
		return fmt.Errorf("%w: the issuer of the certificate did not certify it", ErrResponder)
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) || len(c.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("%w: its certificate is for other purposes", ErrResponder)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%w: its key is not for signatures", ErrResponder)
	case !noCheck:
		return fmt.Errorf("%w: its certificate would have to be checked itself", ErrResponder)
	case at.Before(c.NotBefore) || at.After(c.NotAfter):
		return fmt.Errorf("%w: its certificate is not in its life", ErrResponder)
	}
	return nil
}

func weak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return false
	}
	return true
}

// whole decodes one DER value that fills b.
func whole(b []byte, v any) error {
	rest, err := asn1.Unmarshal(b, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing data")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrResponse, err)
	}
	return nil
}

// Unsigned answers (RFC 6960 2.3), encoded.
func Unsigned(code int) []byte { return []byte{0x30, 0x03, 0x0a, 0x01, byte(code)} }

// Codes of unsigned answers.
const (
	MalformedRequest = 1
	InternalError    = 2
	TryLater         = 3
	Unauthorized     = 6 // not a certificate this responder answers for
)
