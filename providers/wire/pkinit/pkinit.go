// Package pkinit is public key cryptography for initial authentication in
// Kerberos: its structures, Diffie-Hellman groups and key derivations, and the
// cryptographic steps of both sides as functions on values. Nothing here does
// I/O, reads a clock or decides whom to trust.
//
// The client makes PA-PK-AS-REQ with an Initiator and gets the reply key from
// its Attempt; a KDC reads a request with ParseRequest, checks its parts in the
// order it likes, and answers with AnswerDH or AnswerRSA.
//
// All tags are explicit but those of OCTET STRINGs marked IMPLICIT beside the
// codecs. Reading is strict: DER, bounded sizes and counts, no trailing bytes;
// extensible structures may end in elements that are not known here.
//
// Sources: RFC 4556, RFC 5349 (elliptic curves), RFC 8070 (freshness), RFC 8636
// (key derivation), MS-PKCA. MIT's and Heimdal's habits were learned from
// recorded exchanges.
package pkinit

import (
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Content types of signed messages (RFC 4556 3.1.2).
var (
	AuthDataOID  = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 1} // AuthPack
	DHKeyDataOID = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 2} // KDCDHKeyInfo
	RKeyDataOID  = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 3} // ReplyKeyPack
)

// Bounds of what is read.
const (
	maxList  = 64  // elements of any list
	maxNonce = 256 // bytes of a DH nonce
	maxToken = 1 << 10
)

// ErrMalformed is wrapped by every error about a structure that cannot be read.
var ErrMalformed = errors.New("malformed PKINIT data")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

func implicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// sequence reads the one SEQUENCE that fills b.
func sequence(b []byte) (cryptobyte.String, bool) {
	in, seq := cryptobyte.String(b), cryptobyte.String(nil)
	ok := in.ReadASN1(&seq, asn1.SEQUENCE) && in.Empty()
	return seq, ok
}

// field reads [n] { value } with read, which must consume the value.
func field(in *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	var value cryptobyte.String
	return in.ReadASN1(&value, explicit(n)) && read(&value) && value.Empty()
}

// optional is field for what may be absent.
func optional(in *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	return !in.PeekASN1Tag(explicit(n)) || field(in, n, read)
}

// extensions skips what later versions of an extensible structure may add.
func extensions(in *cryptobyte.String) bool {
	for n := 0; !in.Empty(); n++ {
		var value cryptobyte.String
		var tag asn1.Tag
		if n == maxList || !in.ReadAnyASN1(&value, &tag) || tag&0xc0 != 0x80 {
			return false
		}
	}
	return true
}

func octets(out *[]byte, max int) func(*cryptobyte.String) bool {
	return func(in *cryptobyte.String) bool {
		return in.ReadASN1Bytes(out, asn1.OCTET_STRING) && len(*out) <= max
	}
}

func integer[T int | int32 | int64 | uint32](out *T) func(*cryptobyte.String) bool {
	return func(in *cryptobyte.String) bool { return in.ReadASN1Integer(out) }
}

// kerberosTime reads a GeneralizedTime without fractions, in UTC.
func kerberosTime(out *time.Time) func(*cryptobyte.String) bool {
	return func(in *cryptobyte.String) bool {
		var text cryptobyte.String
		if !in.ReadASN1(&text, asn1.GeneralizedTime) {
			return false
		}
		t, err := time.Parse("20060102150405Z", string(text))
		*out = t
		return err == nil
	}
}

// list reads a SEQUENCE OF with one for each element.
func list(one func(*cryptobyte.String) bool) func(*cryptobyte.String) bool {
	return func(in *cryptobyte.String) bool {
		var seq cryptobyte.String
		if !in.ReadASN1(&seq, asn1.SEQUENCE) {
			return false
		}
		for n := 0; !seq.Empty(); n++ {
			if n == maxList || !one(&seq) {
				return false
			}
		}
		return true
	}
}

// put writes [n] { value }.
func put(b *cryptobyte.Builder, n uint8, value func(*cryptobyte.Builder)) {
	b.AddASN1(explicit(n), value)
}

func putOctets(b *cryptobyte.Builder, n uint8, value []byte) {
	put(b, n, func(b *cryptobyte.Builder) { b.AddASN1OctetString(value) })
}

func putInt(b *cryptobyte.Builder, n uint8, v int64) {
	put(b, n, func(b *cryptobyte.Builder) { b.AddASN1Int64(v) })
}

func putTime(b *cryptobyte.Builder, n uint8, t time.Time) {
	put(b, n, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(t.UTC()) })
}

// putImplicit writes [n] IMPLICIT OCTET STRING.
func putImplicit(b *cryptobyte.Builder, n uint8, value []byte) {
	b.AddASN1(implicit(n), func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

// encode writes one SEQUENCE.
func encode(body func(*cryptobyte.Builder)) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, body)
	return b.Bytes()
}

// putAlgorithms writes a SEQUENCE OF AlgorithmIdentifier without parameters.
func putAlgorithms(b *cryptobyte.Builder, ids []stdasn1.ObjectIdentifier) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, id := range ids {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
		}
	})
}

// readAlgorithm reads an AlgorithmIdentifier; its parameters go by.
func readAlgorithm(in *cryptobyte.String, id *stdasn1.ObjectIdentifier) bool {
	var seq, parameters cryptobyte.String
	var tag asn1.Tag
	return in.ReadASN1(&seq, asn1.SEQUENCE) && seq.ReadASN1ObjectIdentifier(id) &&
		(seq.Empty() || seq.ReadAnyASN1(&parameters, &tag)) && seq.Empty()
}

func algorithms(out *[]stdasn1.ObjectIdentifier) func(*cryptobyte.String) bool {
	return list(func(in *cryptobyte.String) bool {
		var id stdasn1.ObjectIdentifier
		ok := readAlgorithm(in, &id)
		*out = append(*out, id)
		return ok
	})
}
