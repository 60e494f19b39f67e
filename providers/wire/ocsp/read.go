package ocsp

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"hellolab/providers/wire/crl"
)

// Bounds of what ReadResponse takes.
const (
	maxSingles      = 256
	maxCertificates = 16
)

// Response is a response taken apart and not verified, for who looks at one
// without the certificate it is about. ParseResponse is for who believes it.
type Response struct {
	ResponderName []byte // DER Name; nil: the responder is named by its key
	ResponderKey  []byte // SHA-1 of its key
	ProducedAt    time.Time
	Nonce         []byte
	Certificates  []*x509.Certificate
	Algorithm     asn1.ObjectIdentifier
	Singles       []Single

	signed, signature []byte
}

// Single is what a response says of one certificate.
type Single struct {
	Serial                *big.Int
	Hash                  crypto.Hash // of the issuer's name and key; 0: not known
	IssuerName, IssuerKey []byte
	Status                Status
	RevokedAt             time.Time
	Reason                crl.Reason
	ThisUpdate            time.Time
	NextUpdate            time.Time // zero: newer information is always there
}

// ReadResponse takes a response apart. One that is not signed is a *StatusError.
func ReadResponse(der []byte) (*Response, error) {
	basic, data, err := open(der)
	if err != nil {
		return nil, err
	}
	if len(data.Responses) > maxSingles || len(basic.Certificates) > maxCertificates {
		return nil, fmt.Errorf("%w: too many certificates", ErrResponse)
	}
	r := &Response{ProducedAt: data.Produced, Algorithm: basic.Algorithm.Algorithm, signed: basic.Data.FullBytes, signature: basic.Signature.RightAlign()}
	if r.Nonce, err = readExtensions(data.Extensions); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	const byName, byKey = 1, 2
	switch id := data.Responder; {
	case id.Class == asn1.ClassContextSpecific && id.Tag == byName:
		r.ResponderName = id.Bytes
	case id.Class == asn1.ClassContextSpecific && id.Tag == byKey:
		if err := whole(id.Bytes, &r.ResponderKey); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: responder", ErrResponse)
	}
	for _, raw := range basic.Certificates {
		cert, err := x509.ParseCertificate(raw.FullBytes)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate: %w", ErrResponse, err)
		}
		r.Certificates = append(r.Certificates, cert)
	}
	for _, s := range data.Responses {
		if !bool(s.Good) && !bool(s.Unknown) && s.Revoked.At.IsZero() {
			return nil, fmt.Errorf("%w: no status", ErrResponse)
		}
		r.Singles = append(r.Singles, s.read())
	}
	return r, nil
}

func (s singleResponse) read() Single {
	out := Single{Serial: s.ID.Serial, IssuerName: s.ID.Name, IssuerKey: s.ID.Key, Status: Unknown, ThisUpdate: s.ThisUpdate, NextUpdate: s.NextUpdate}
	for _, h := range hashes {
		if h.id.Equal(s.ID.Algorithm.Algorithm) {
			out.Hash = h.hash
		}
	}
	switch {
	case bool(s.Good):
		out.Status = Good
	case !bool(s.Unknown):
		out.Status, out.RevokedAt, out.Reason = Revoked, s.Revoked.At, crl.Reason(s.Revoked.Reason)
	}
	return out
}

// algorithms sign responses that are taken today.
var algorithms = []struct {
	id        asn1.ObjectIdentifier
	algorithm x509.SignatureAlgorithm
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
}

// CheckSignature says whether the key of cert made the signature. Whether it
// may answer for anybody is another question. Errors wrap ErrSignature.
func (r *Response) CheckSignature(cert *x509.Certificate) error {
	for _, a := range algorithms {
		if !a.id.Equal(r.Algorithm) {
			continue
		}
		if err := cert.CheckSignature(a.algorithm, r.signed, r.signature); err != nil {
			return fmt.Errorf("%w: %w", ErrSignature, err)
		}
		return nil
	}
	return fmt.Errorf("%w: algorithm %v", ErrSignature, r.Algorithm)
}
