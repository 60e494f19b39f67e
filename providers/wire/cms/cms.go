// Package cms is the part of the Cryptographic Message Syntax (RFC 5652) that
// PKINIT and certificate enrollment need: SignedData with one signer, and
// EnvelopedData for RSA key transport.
//
// Reading is strict: DER, one signer, content inside, signed attributes present
// and in order, every count and size bounded. What a message claims is not
// believed before Verify: the certificates in it are what the sender sent, no
// more. Trust in them is the caller's affair.
//
// Accepted are SHA-256, -384, -512 (SHA-1 only on demand, for reading) with
// RSA PKCS#1 v1.5, RSASSA-PSS and ECDSA on NIST's curves; AES-128, AES-256 and
// triple DES in CBC mode. Everything else is ErrUnsupported.
//
// Sources: RFC 5652, RFC 3370, RFC 5754, RFC 4056, RFC 4556 3.2. How MIT's,
// Heimdal's and OpenSSL's messages look was learned from their bytes.
package cms

import (
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Content types.
var (
	Data          = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	SignedDataOID = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	EnvelopedOID  = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
)

// Bounds of what is read.
const (
	MaxSize         = 64 << 10 // bytes of one message
	maxCertificates = 16
	maxAttributes   = 16
	maxAlgorithms   = 16
	maxRecipients   = 8
	maxChunks       = 64

	// maxCertifiedRSA bounds the keys of certificates that a sender sends, in bits,
	// as crypto/tls does: who looks for a path verifies signatures with them before
	// anything is trusted, and the work grows with the square of their length.
	maxCertifiedRSA = 8192
)

// What can be wrong with a message. Every error of this package wraps one.
var (
	ErrSyntax      = errors.New("malformed CMS message")
	ErrUnsupported = errors.New("unsupported CMS algorithm")
	ErrDigest      = errors.New("digest algorithm is not accepted")
	ErrSignature   = errors.New("CMS signature does not verify")
	ErrDecrypt     = errors.New("CMS content does not decrypt")
)

func syntax(what string) error { return fmt.Errorf("%w: %s", ErrSyntax, what) }

// context is a context-specific tag; explicit one that holds other values.
func context(n uint8) asn1.Tag  { return asn1.Tag(n).ContextSpecific() }
func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// ContentInfo wraps a bare content:
//
//	ContentInfo ::= SEQUENCE { contentType OID, content [0] EXPLICIT ANY }
func ContentInfo(contentType stdasn1.ObjectIdentifier, content []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(contentType)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(content) })
	})
	return b.BytesOrPanic()
}

// unwrap returns the inside of the SEQUENCE that is the content of a message:
// in a ContentInfo of the wanted type, or bare. PKINIT's senders differ in this,
// and the first element (an OID or the version) tells the two apart.
func unwrap(der []byte, want stdasn1.ObjectIdentifier) (cryptobyte.String, error) {
	in, seq := cryptobyte.String(der), cryptobyte.String(nil)
	if len(der) > MaxSize || !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() {
		return nil, syntax("outer sequence")
	}
	if !seq.PeekASN1Tag(asn1.OBJECT_IDENTIFIER) {
		return seq, nil
	}
	var id stdasn1.ObjectIdentifier
	var content, inner cryptobyte.String
	if !seq.ReadASN1ObjectIdentifier(&id) || !seq.ReadASN1(&content, explicit(0)) || !seq.Empty() ||
		!id.Equal(want) || !content.ReadASN1(&inner, asn1.SEQUENCE) || !content.Empty() {
		return nil, syntax("content info")
	}
	return inner, nil
}

// algorithm is an AlgorithmIdentifier: SEQUENCE { algorithm OID, parameters ANY
// OPTIONAL }. parameters holds the whole parameter element, or nothing.
type algorithm struct {
	id         stdasn1.ObjectIdentifier
	parameters cryptobyte.String
}

func readAlgorithm(in *cryptobyte.String, a *algorithm) bool {
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&a.id) {
		return false
	}
	if a.parameters = nil; seq.Empty() {
		return true
	}
	var tag asn1.Tag
	return seq.ReadAnyASN1Element(&a.parameters, &tag) && seq.Empty()
}

// plain says whether the parameters are NULL or absent.
func (a algorithm) plain() bool {
	return len(a.parameters) == 0 || len(a.parameters) == 2 && a.parameters[0] == byte(asn1.NULL) && a.parameters[1] == 0
}

// addAlgorithm writes an AlgorithmIdentifier; null says with NULL parameters.
func addAlgorithm(b *cryptobyte.Builder, id stdasn1.ObjectIdentifier, null bool) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		if null {
			b.AddASN1NULL()
		}
	})
}
