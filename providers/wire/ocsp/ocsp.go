// Package ocsp is the certificate status protocol on both sides: requests about
// one certificate (the lightweight profile, which Windows speaks) and signed
// answers.
//
// golang.org/x/crypto/ocsp reads and verifies what it can. Here is what it
// leaves open: the time of an answer comes from the caller's clock, a nonce is
// carried, an answer must be for the very issuer that was asked about, and
// whoever signed it must be allowed to (RFC 6960 4.2.2.2).
//
// Sources: RFC 6960, RFC 5019, RFC 9654 (nonce).
package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ocsp"
)

const (
	// MaxRequest and MaxResponse bound what is read, in bytes.
	MaxRequest  = 4 << 10
	MaxResponse = 64 << 10
	// MaxNonce is the longest nonce of RFC 9654, in bytes.
	MaxNonce = 128
)

// Media types of the protocol over HTTP.
const (
	TypeRequest  = "application/ocsp-request"
	TypeResponse = "application/ocsp-response"
)

var (
	oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}

	// ExtNoCheck in a responder's own certificate says that its status is not
	// to be asked for.
	ExtNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// hashes are the ways to name an issuer.
var hashes = []struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

// certID names a certificate by its issuer and serial number.
type certID struct {
	Algorithm pkix.AlgorithmIdentifier
	Name      []byte // hash of the issuer's name
	Key       []byte // hash of the issuer's public key
	Serial    *big.Int
}

// of says whether the certificate is one of issuer's.
func (c certID) of(issuer *x509.Certificate) bool {
	for _, h := range hashes {
		if c.Algorithm.Algorithm.Equal(h.id) {
			name, key, err := issuerHashes(issuer, h.hash)
			return err == nil && bytes.Equal(c.Name, name) && bytes.Equal(c.Key, key)
		}
	}
	return false
}

func issuerHashes(issuer *x509.Certificate, hash crypto.Hash) (name, key []byte, err error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, nil, fmt.Errorf("issuer's key: %w", err)
	}
	h := hash.New()
	h.Write(issuer.RawSubject)
	name = h.Sum(nil)
	h.Reset()
	h.Write(spki.Key.RightAlign())
	return name, h.Sum(nil), nil
}

// OCSPRequest (RFC 6960 4.1.1), signature left out.
type requestASN1 struct {
	TBS tbsRequest
}

type tbsRequest struct {
	Version    int           `asn1:"explicit,tag:0,default:0,optional"`
	Requestor  asn1.RawValue `asn1:"explicit,tag:1,optional"`
	List       []singleRequest
	Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
}

type singleRequest struct {
	ID         certID
	Extensions []pkix.Extension `asn1:"explicit,tag:0,optional"`
}

// ErrRequest is wrapped by every error of ParseRequest.
var ErrRequest = errors.New("malformed OCSP request")

// Request asks for the status of one certificate.
type Request struct {
	Serial *big.Int
	Nonce  []byte // nil: none
	id     certID
}

// NewRequest encodes a request about cert, with a nonce unless it is empty.
func NewRequest(cert, issuer *x509.Certificate, nonce []byte) ([]byte, error) {
	der, err := ocsp.CreateRequest(cert, issuer, nil) // SHA-1 names the issuer: every responder knows it
	if err != nil || len(nonce) == 0 {
		return der, err
	}
	var r requestASN1
	if _, err := asn1.Unmarshal(der, &r); err != nil {
		return nil, fmt.Errorf("OCSP request: %w", err)
	}
	ext, err := nonceExtension(nonce)
	if err != nil {
		return nil, err
	}
	r.TBS.Extensions = []pkix.Extension{ext}
	return asn1.Marshal(r)
}

// ParseRequest reads a request. Signed requests, and requests about several
// certificates, are refused.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, fmt.Errorf("%w: %d bytes", ErrRequest, len(der))
	}
	if _, err := ocsp.ParseRequest(der); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	var r requestASN1
	if _, err := asn1.Unmarshal(der, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if len(r.TBS.List) != 1 || r.TBS.Version != 0 {
		return nil, fmt.Errorf("%w: %d certificates", ErrRequest, len(r.TBS.List))
	}
	nonce, err := readExtensions(append(r.TBS.Extensions, r.TBS.List[0].Extensions...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	id := r.TBS.List[0].ID
	return &Request{Serial: id.Serial, Nonce: nonce, id: id}, nil
}

// Of says whether the request is about a certificate of issuer.
func (r *Request) Of(issuer *x509.Certificate) bool { return r.id.of(issuer) }

// readExtensions returns the nonce; what is critical must be known.
func readExtensions(extensions []pkix.Extension) (nonce []byte, err error) {
	for _, ext := range extensions {
		switch {
		case ext.Id.Equal(oidNonce) && nonce == nil:
			rest, err := asn1.Unmarshal(ext.Value, &nonce)
			if err != nil || len(rest) > 0 || len(nonce) == 0 || len(nonce) > MaxNonce {
				return nil, errors.New("malformed nonce")
			}
		case ext.Critical, ext.Id.Equal(oidNonce):
			return nil, fmt.Errorf("extension %s", ext.Id)
		}
	}
	return nonce, nil
}

func nonceExtension(nonce []byte) (pkix.Extension, error) {
	if len(nonce) > MaxNonce {
		return pkix.Extension{}, fmt.Errorf("a nonce of %d bytes is too long", len(nonce))
	}
	value, err := asn1.Marshal(nonce)
	return pkix.Extension{Id: oidNonce, Value: value}, err
}
