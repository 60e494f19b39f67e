package pkinit

import (
	"crypto/ecdh"
	"crypto/elliptic"
	stdasn1 "encoding/asn1"
	"math/big"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Group is one in which keys are agreed. There are six: a group that is not
// one of them is refused without looking at its numbers.
type Group struct {
	Name string
	Bits int // of the prime

	p, q         *big.Int // MODP: the safe prime and (p-1)/2; the generator is 2
	exponentBits int
	powers       func() [][]*big.Int

	curve ecdh.Curve // elliptic curves
	id    stdasn1.ObjectIdentifier
}

// The groups: of RFC 2409 and RFC 3526 (required by RFC 4556 3.2.1 but for the
// first, which is too small today), and the curves of RFC 5349.
var (
	MODP1024 = modp("MODP group 2 (1024 bits)", 1024, 129093, 256)
	MODP2048 = modp("MODP group 14 (2048 bits)", 2048, 124476, 256)
	MODP4096 = modp("MODP group 16 (4096 bits)", 4096, 240904, 384)
	P256     = &Group{Name: "P-256", Bits: 256, curve: ecdh.P256(), id: stdasn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}}
	P384     = &Group{Name: "P-384", Bits: 384, curve: ecdh.P384(), id: stdasn1.ObjectIdentifier{1, 3, 132, 0, 34}}
	P521     = &Group{Name: "P-521", Bits: elliptic.P521().Params().BitSize, curve: ecdh.P521(), id: stdasn1.ObjectIdentifier{1, 3, 132, 0, 35}}
)

func groups() []*Group { return []*Group{MODP2048, MODP4096, P256, P384, P521, MODP1024} }

// DefaultGroups are those that a KDC accepts unless told otherwise, the one
// that every client speaks first.
func DefaultGroups() []*Group { return groups()[:5] }

// Algorithms of SubjectPublicKeyInfo.
var (
	oidDHPublicNumber = stdasn1.ObjectIdentifier{1, 2, 840, 10046, 2, 1}
	oidECPublicKey    = stdasn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

// modp makes the group of n bits whose prime is, by RFC 2409 6 and RFC 3526,
//
//	2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c)
func modp(name string, n uint, c int64, exponentBits int) *Group {
	one := big.NewInt(1)
	p := piBits(n - 130)
	p.Add(p, big.NewInt(c))
	p.Lsh(p, 64)
	p.Add(p, new(big.Int).Lsh(one, n))
	p.Sub(p, new(big.Int).Lsh(one, n-64))
	p.Sub(p, one)
	g := &Group{Name: name, Bits: int(n), p: p, q: new(big.Int).Rsh(p, 1), exponentBits: exponentBits}
	g.powers = sync.OnceValue(g.fixedBase)
	return g
}

// piBits is floor(2^n * pi), by Machin's formula.
func piBits(n uint) *big.Int {
	const guard = 64
	arctan := func(x int64) *big.Int { // 2^(n+guard) * arctan(1/x)
		term := new(big.Int).Lsh(big.NewInt(1), n+guard)
		term.Quo(term, big.NewInt(x))
		sum := new(big.Int).Set(term)
		square, part := big.NewInt(x*x), new(big.Int)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, square)
			part.Quo(term, big.NewInt(k))
			if k&2 != 0 {
				sum.Sub(sum, part)
			} else {
				sum.Add(sum, part)
			}
		}
		return sum
	}
	pi := arctan(5)
	pi.Lsh(pi, 2).Sub(pi, arctan(239))
	return pi.Lsh(pi, 2).Rsh(pi, guard)
}

// PublicValue is a SubjectPublicKeyInfo with a key of a group.
//
//	SEQUENCE { algorithm SEQUENCE { algorithm OID, parameters ANY }, subjectPublicKey BIT STRING }
//	    dhpublicnumber: DomainParameters SEQUENCE { p INTEGER, g INTEGER, q INTEGER OPTIONAL, ... };
//	        the key is a DER INTEGER
//	    ecPublicKey: named curve OID; the key is the uncompressed point
type PublicValue struct {
	Group *Group // nil: none that is known here
	Key   []byte // what the BIT STRING holds
}

func readPublicValue(in *cryptobyte.String) (*PublicValue, bool) {
	var v PublicValue
	var seq, algorithm cryptobyte.String
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!seq.ReadASN1BitStringAsBytes(&v.Key) || !seq.Empty() {
		return nil, false
	}
	var ok bool
	v.Group, ok = readGroup(&algorithm)
	return &v, ok
}

func (v *PublicValue) build(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		v.Group.build(b)
		b.AddASN1BitString(v.Key)
	})
}

// readGroup reads the AlgorithmIdentifier of a group; nil is a well-formed one
// that is not known here.
func readGroup(in *cryptobyte.String) (*Group, bool) {
	var seq, parameters cryptobyte.String
	var id stdasn1.ObjectIdentifier
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&id) {
		return nil, false
	}
	switch {
	case id.Equal(oidDHPublicNumber):
		var p, generator, q []byte
		if !seq.ReadASN1(&parameters, asn1.SEQUENCE) || !seq.Empty() ||
			!parameters.ReadASN1Integer(&p) || !parameters.ReadASN1Integer(&generator) ||
			parameters.PeekASN1Tag(asn1.INTEGER) && !parameters.ReadASN1Integer(&q) {
			return nil, false
		}
		i := slices.IndexFunc(groups(), func(g *Group) bool {
			return g.p != nil && equal(g.p, p) && (q == nil || equal(g.q, q))
		})
		if i < 0 || len(generator) != 1 || generator[0] != 2 {
			return nil, true
		}
		return groups()[i], true
	case id.Equal(oidECPublicKey):
		var curve stdasn1.ObjectIdentifier
		if !seq.ReadASN1ObjectIdentifier(&curve) || !seq.Empty() {
			return nil, true
		}
		for _, g := range groups() {
			if g.id.Equal(curve) {
				return g, true
			}
		}
	}
	return nil, true
}

// equal compares with the big-endian bytes of a positive number.
func equal(n *big.Int, b []byte) bool {
	return len(b)*8 <= n.BitLen()+7 && new(big.Int).SetBytes(b).Cmp(n) == 0
}

func (g *Group) build(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if g.curve != nil {
			b.AddASN1ObjectIdentifier(oidECPublicKey)
			b.AddASN1ObjectIdentifier(g.id)
			return
		}
		b.AddASN1ObjectIdentifier(oidDHPublicNumber)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(g.p)
			b.AddASN1Int64(2)
			b.AddASN1BigInt(g.q)
		})
	})
}

// EncodeDHParameters writes TD-DH-PARAMETERS, the groups that a KDC accepts in
// its order of preference: SEQUENCE OF AlgorithmIdentifier.
func EncodeDHParameters(accepted []*Group) ([]byte, error) {
	return encode(func(b *cryptobyte.Builder) {
		for _, g := range accepted {
			g.build(b)
		}
	})
}

// ParseDHParameters reads TD-DH-PARAMETERS; groups that are not known here are
// left out.
func ParseDHParameters(value []byte) ([]*Group, error) {
	var known []*Group
	in := cryptobyte.String(value)
	ok := list(func(in *cryptobyte.String) bool {
		g, ok := readGroup(in)
		if g != nil {
			known = append(known, g)
		}
		return ok
	})(&in)
	if !ok || !in.Empty() {
		return nil, malformed("TD-DH-PARAMETERS")
	}
	return known, nil
}
