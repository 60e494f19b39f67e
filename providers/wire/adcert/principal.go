package adcert

import (
	"errors"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// PrincipalName is a Kerberos principal with its realm, as id-pkinit-san and
// the key derivation of RFC 8636 carry it:
//
//	KRB5PrincipalName ::= SEQUENCE {
//	    realm         [0] GeneralString,
//	    principalName [1] SEQUENCE {
//	        name-type   [0] Int32,
//	        name-string [1] SEQUENCE OF GeneralString } }
type PrincipalName struct {
	Realm string
	Type  int32 // NT-PRINCIPAL 1, NT-SRV-INST 2, …
	Parts []string
}

// maxParts bounds the components of a principal's name.
const maxParts = 16

// ErrPrincipal is what ReadPrincipalName answers for anything else than one
// KRB5PrincipalName.
var ErrPrincipal = errors.New("malformed Kerberos principal name")

// KDCName is the principal of a realm's ticket-granting service, which a KDC's
// certificate names.
func KDCName(realm string) PrincipalName {
	return PrincipalName{Realm: realm, Type: 2, Parts: []string{"krbtgt", realm}}
}

// String returns parts/…@REALM, for people.
func (p PrincipalName) String() string { return strings.Join(p.Parts, "/") + "@" + p.Realm }

// Equal compares realm and components, letter case included. The type is only a
// hint (RFC 4120 6.2) and does not count.
func (p PrincipalName) Equal(q PrincipalName) bool {
	if p.Realm != q.Realm || len(p.Parts) != len(q.Parts) {
		return false
	}
	for i := range p.Parts {
		if p.Parts[i] != q.Parts[i] {
			return false
		}
	}
	return true
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// Build appends the KRB5PrincipalName.
func (p PrincipalName) Build(b *cryptobyte.Builder) {
	general := func(s string) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.GeneralString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
		}
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), general(p.Realm))
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(p.Type)) })
				b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, part := range p.Parts {
							general(part)(b)
						}
					})
				})
			})
		})
	})
}

// ReadPrincipalName reads a KRB5PrincipalName off the front of in.
func ReadPrincipalName(in *cryptobyte.String) (PrincipalName, error) {
	var p PrincipalName
	var seq, realm, name, typ, parts cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) ||
		!seq.ReadASN1(&realm, explicit(0)) || !readGeneral(&realm, &p.Realm) || !realm.Empty() ||
		!seq.ReadASN1(&name, explicit(1)) || !seq.Empty() ||
		!unwrap(&name) ||
		!name.ReadASN1(&typ, explicit(0)) || !typ.ReadASN1Integer(&p.Type) || !typ.Empty() ||
		!name.ReadASN1(&parts, explicit(1)) || !name.Empty() ||
		!unwrap(&parts) {
		return PrincipalName{}, ErrPrincipal
	}
	for !parts.Empty() {
		var part string
		if len(p.Parts) == maxParts || !readGeneral(&parts, &part) {
			return PrincipalName{}, ErrPrincipal
		}
		p.Parts = append(p.Parts, part)
	}
	return p, nil
}

// unwrap replaces s by the inside of the one SEQUENCE that it holds.
func unwrap(s *cryptobyte.String) bool {
	var in cryptobyte.String
	if !s.ReadASN1(&in, asn1.SEQUENCE) || !s.Empty() {
		return false
	}
	*s = in
	return true
}

func readGeneral(in *cryptobyte.String, out *string) bool {
	var b cryptobyte.String
	if !in.ReadASN1(&b, asn1.GeneralString) {
		return false
	}
	*out = string(b)
	return !strings.ContainsRune(*out, 0)
}
