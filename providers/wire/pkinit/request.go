package pkinit

import (
	stdasn1 "encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"hellolab/providers/wire/cms"
)

// PAPKASReq is the value of PA-PK-AS-REQ (16):
//
//	SEQUENCE {
//	    signedAuthPack    [0] IMPLICIT OCTET STRING,   -- SignedData of AuthPack, in a ContentInfo
//	    trustedCertifiers [1] SEQUENCE OF ExternalPrincipalIdentifier OPTIONAL,
//	    kdcPkId           [2] IMPLICIT OCTET STRING OPTIONAL, ... }
type PAPKASReq struct {
	SignedAuthPack    []byte
	TrustedCertifiers []ExternalPrincipalIdentifier
	KDCPKID           []byte
}

// ParsePAPKASReq reads the value.
func ParsePAPKASReq(b []byte) (*PAPKASReq, error) {
	var r PAPKASReq
	seq, ok := sequence(b)
	if !ok || !seq.ReadASN1Bytes(&r.SignedAuthPack, implicit(0)) ||
		!optional(&seq, 1, identifiers(&r.TrustedCertifiers)) ||
		!optionalImplicit(&seq, 2, &r.KDCPKID) || !extensions(&seq) {
		return nil, malformed("PA-PK-AS-REQ")
	}
	return &r, nil
}

// Encode writes the value.
func (r *PAPKASReq) Encode() ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		putImplicit(b, 0, r.SignedAuthPack)
		if len(r.TrustedCertifiers) > 0 {
			put(b, 1, func(b *cryptobyte.Builder) { putIdentifiers(b, r.TrustedCertifiers) })
		}
		if r.KDCPKID != nil {
			putImplicit(b, 2, r.KDCPKID)
		}
	})
}

// optionalImplicit reads [n] IMPLICIT OCTET STRING; nil when absent.
func optionalImplicit(in *cryptobyte.String, n uint8, out *[]byte) bool {
	return !in.PeekASN1Tag(implicit(n)) || in.ReadASN1Bytes(out, implicit(n))
}

// AuthPack is what the client signs:
//
//	SEQUENCE {
//	    pkAuthenticator   [0] PKAuthenticator,
//	    clientPublicValue [1] SubjectPublicKeyInfo OPTIONAL,          -- absent: RSA
//	    supportedCMSTypes [2] SEQUENCE OF AlgorithmIdentifier OPTIONAL,
//	    clientDHNonce     [3] OCTET STRING OPTIONAL,
//	    supportedKDFs     [4] SEQUENCE OF SEQUENCE { [0] OID, ... } OPTIONAL, ... }
type AuthPack struct {
	PKAuthenticator
	PublicValue *PublicValue // nil: the client wants the RSA mode
	CMSTypes    []stdasn1.ObjectIdentifier
	DHNonce     []byte                     // nil: none
	KDFs        []stdasn1.ObjectIdentifier // in the client's order
}

// PKAuthenticator binds the signature to one request and one moment:
//
//	SEQUENCE {
//	    cusec          [0] INTEGER (0..999999),
//	    ctime          [1] KerberosTime,
//	    nonce          [2] INTEGER (0..4294967295),
//	    paChecksum     [3] OCTET STRING OPTIONAL,      -- SHA-1 of KDC-REQ-BODY
//	    freshnessToken [4] OCTET STRING OPTIONAL,      -- RFC 8070
//	    paChecksum2    [5] SEQUENCE { checksum [0] OCTET STRING,
//	        algorithmIdentifier [1] AlgorithmIdentifier } OPTIONAL, ... }   -- MS-PKCA 2.2.3
type PKAuthenticator struct {
	Time           time.Time // ctime and cusec
	Nonce          uint32
	PAChecksum     []byte // nil: none
	FreshnessToken []byte // nil: none; an empty one is one
	PAChecksum2    *PAChecksum2
}

// PAChecksum2 is a checksum of the body with a digest of the client's choice.
type PAChecksum2 struct {
	Digest stdasn1.ObjectIdentifier
	Sum    []byte
}

// ParseAuthPack reads what was signed.
func ParseAuthPack(b []byte) (*AuthPack, error) {
	var a AuthPack
	seq, ok := sequence(b)
	if !ok || !field(&seq, 0, a.readAuthenticator) {
		return nil, malformed("PKAuthenticator")
	}
	kdf := func(in *cryptobyte.String) bool {
		var id stdasn1.ObjectIdentifier
		ok := readKDF(in, &id)
		a.KDFs = append(a.KDFs, id)
		return ok
	}
	if !optional(&seq, 1, a.readPublicValue) ||
		!optional(&seq, 2, algorithms(&a.CMSTypes)) ||
		!optional(&seq, 3, octets(&a.DHNonce, maxNonce)) ||
		!optional(&seq, 4, list(kdf)) || !extensions(&seq) {
		return nil, malformed("AuthPack")
	}
	return &a, nil
}

func (a *AuthPack) readPublicValue(in *cryptobyte.String) bool {
	var ok bool
	a.PublicValue, ok = readPublicValue(in)
	return ok
}

func (p *PKAuthenticator) readAuthenticator(in *cryptobyte.String) bool {
	var seq cryptobyte.String
	var micro int
	if !in.ReadASN1(&seq, asn1.SEQUENCE) ||
		!field(&seq, 0, integer(&micro)) || micro < 0 || micro > 999999 ||
		!field(&seq, 1, kerberosTime(&p.Time)) ||
		!field(&seq, 2, integer(&p.Nonce)) ||
		!optional(&seq, 3, octets(&p.PAChecksum, maxToken)) ||
		!optional(&seq, 4, octets(&p.FreshnessToken, maxToken)) ||
		!optional(&seq, 5, p.readChecksum2) {
		return false
	}
	p.Time = p.Time.Add(time.Duration(micro) * time.Microsecond)
	return extensions(&seq)
}

func (p *PKAuthenticator) readChecksum2(in *cryptobyte.String) bool {
	var seq cryptobyte.String
	p.PAChecksum2 = &PAChecksum2{}
	return in.ReadASN1(&seq, asn1.SEQUENCE) &&
		field(&seq, 0, octets(&p.PAChecksum2.Sum, maxToken)) &&
		field(&seq, 1, func(in *cryptobyte.String) bool { return readAlgorithm(in, &p.PAChecksum2.Digest) }) &&
		extensions(&seq)
}

// Encode writes what is to be signed.
func (a *AuthPack) Encode() ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		put(b, 0, a.buildAuthenticator)
		if a.PublicValue != nil {
			put(b, 1, a.PublicValue.build)
		}
		if a.CMSTypes != nil {
			put(b, 2, func(b *cryptobyte.Builder) { putAlgorithms(b, a.CMSTypes) })
		}
		if a.DHNonce != nil {
			putOctets(b, 3, a.DHNonce)
		}
		if a.KDFs != nil {
			put(b, 4, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, id := range a.KDFs {
						putKDF(b, id)
					}
				})
			})
		}
	})
}

func (p *PKAuthenticator) buildAuthenticator(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		putInt(b, 0, int64(p.Time.Nanosecond()/1000))
		putTime(b, 1, p.Time)
		putInt(b, 2, int64(p.Nonce))
		if p.PAChecksum != nil {
			putOctets(b, 3, p.PAChecksum)
		}
		if p.FreshnessToken != nil {
			putOctets(b, 4, p.FreshnessToken)
		}
		if c := p.PAChecksum2; c != nil {
			put(b, 5, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					putOctets(b, 0, c.Sum)
					put(b, 1, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(c.Digest) })
					})
				})
			})
		}
	})
}

// readKDF reads a KDFAlgorithmId: SEQUENCE { kdf-id [0] OID, ... }.
func readKDF(in *cryptobyte.String, id *stdasn1.ObjectIdentifier) bool {
	var seq cryptobyte.String
	return in.ReadASN1(&seq, asn1.SEQUENCE) &&
		field(&seq, 0, func(in *cryptobyte.String) bool { return in.ReadASN1ObjectIdentifier(id) }) && extensions(&seq)
}

func putKDF(b *cryptobyte.Builder, id stdasn1.ObjectIdentifier) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		put(b, 0, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
	})
}

// Request is a client's PA-PK-AS-REQ taken apart. Nothing in it is verified:
// Signed.Verify tells who signed the AuthPack.
type Request struct {
	PAPKASReq
	Signed   *cms.SignedData
	AuthPack *AuthPack
}

// ParseRequest reads the value of PA-PK-AS-REQ down to the AuthPack. Errors
// wrap ErrMalformed or those of package cms.
func ParseRequest(value []byte) (*Request, error) {
	outer, err := ParsePAPKASReq(value)
	if err != nil {
		return nil, err
	}
	r := &Request{PAPKASReq: *outer}
	if r.Signed, err = cms.ParseSignedData(r.SignedAuthPack); err != nil {
		return nil, err
	}
	if !r.Signed.ContentType.Equal(AuthDataOID) {
		return nil, malformed("the signed content is no AuthPack")
	}
	if r.AuthPack, err = ParseAuthPack(r.Signed.Content); err != nil {
		return nil, err
	}
	return r, nil
}
