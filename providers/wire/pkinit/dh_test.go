package pkinit

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// The prime of group 14 as RFC 3526 3 prints it.
const rfc3526group14 = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF"

func TestPrimes(t *testing.T) {
	want, _ := new(big.Int).SetString(rfc3526group14, 16)
	if MODP2048.p.Cmp(want) != 0 {
		t.Error("group 14 is not RFC 3526's")
	}
	for _, g := range []*Group{MODP1024, MODP2048, MODP4096} {
		if g.p.BitLen() != g.Bits || !g.p.ProbablyPrime(1) || !g.q.ProbablyPrime(1) {
			t.Errorf("%s: not a safe prime", g.Name)
		}
		if big.Jacobi(big.NewInt(2), g.p) != 1 {
			t.Errorf("%s: 2 does not generate the group of order q", g.Name)
		}
	}
}

func TestAgreement(t *testing.T) {
	for _, g := range groups() {
		t.Run(g.Name, func(t *testing.T) {
			a, err := g.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			b, err := g.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if a.x != nil {
				var y []byte
				in := cryptobyte.String(a.public)
				if !in.ReadASN1Integer(&y) || !equal(new(big.Int).Exp(big.NewInt(2), a.x, g.p), y) {
					t.Error("the table of powers is wrong")
				}
			}
			za, errA := a.Shared(b.Public().Key)
			zb, errB := b.Shared(a.Public().Key)
			if errA != nil || errB != nil || !bytes.Equal(za, zb) || len(za) != (g.Bits+7)/8 {
				t.Errorf("secrets of %d and %d bytes, %v, %v", len(za), len(zb), errA, errB)
			}
			out := cryptobyte.NewBuilder(nil)
			a.Public().build(out)
			in := cryptobyte.String(out.BytesOrPanic())
			if v, ok := readPublicValue(&in); !ok || v.Group != g || !bytes.Equal(v.Key, a.public) || a.Group() != g {
				t.Errorf("public value: %+v, %v", v, ok)
			}
		})
	}
}

// A secret that is short by a byte keeps its leading zero.
func TestSecretIsPadded(t *testing.T) {
	g := MODP1024
	z := big.NewInt(7) // as if y^x were small
	k := &PrivateKey{group: g, x: big.NewInt(1)}
	got, err := k.Shared(derInt(z))
	if err != nil || len(got) != 128 || got[127] != 7 || got[0] != 0 {
		t.Errorf("%x, %v", got, err)
	}
}

func derInt(n *big.Int) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(n)
	return b.BytesOrPanic()
}

// Fault 63: values that give the secret away or are no values at all.
func TestPublicKeysRefused(t *testing.T) {
	g := MODP2048
	k, err := g.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := big.NewInt(1)
	for name, y := range map[string][]byte{
		"0":        derInt(new(big.Int)),
		"1":        derInt(one),
		"negative": derInt(big.NewInt(-5)),
		"p-1":      derInt(new(big.Int).Sub(g.p, one)),
		"p":        derInt(g.p),
		"p+2":      derInt(new(big.Int).Add(g.p, big.NewInt(2))),
		"huge":     derInt(new(big.Int).Lsh(one, 100000)),
		"trailing": append(derInt(big.NewInt(5)), 0),
		"no DER":   {4},
		"empty":    nil,
	} {
		if _, err := k.Shared(y); err != ErrPublicKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	ec, err := P256.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point := slices.Clone(ec.public)
	point[40] ^= 1
	compressed := elliptic.MarshalCompressed(elliptic.P256(), new(big.Int).SetBytes(ec.public[1:33]), new(big.Int).SetBytes(ec.public[33:]))
	for name, y := range map[string][]byte{"off the curve": point, "infinity": {0}, "empty": nil, "compressed": compressed} {
		if _, err := ec.Shared(y); err != ErrPublicKey {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Fault 63: a group is known or refused; its numbers are not computed with.
func TestGroupsRead(t *testing.T) {
	domain := func(p, g, q *big.Int) []byte {
		return must(encode(func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidDHPublicNumber)
			b.AddASN1(0x30, func(b *cryptobyte.Builder) {
				b.AddASN1BigInt(p)
				b.AddASN1BigInt(g)
				if q != nil {
					b.AddASN1BigInt(q)
				}
			})
		}))
	}
	p, q := MODP2048.p, MODP2048.q
	two, huge := big.NewInt(2), new(big.Int).Lsh(big.NewInt(1), 200000)
	for name, c := range map[string]struct {
		der  []byte
		want *Group
		bad  bool
	}{
		"with q":          {domain(p, two, q), MODP2048, false},
		"without q":       {domain(p, two, nil), MODP2048, false},
		"wrong q":         {domain(p, two, p), nil, false},
		"wrong generator": {domain(p, big.NewInt(5), q), nil, false},
		"generator 258":   {domain(p, big.NewInt(258), q), nil, false},
		"another prime":   {domain(new(big.Int).Add(p, two), two, nil), nil, false},
		"small prime":     {domain(big.NewInt(23), two, nil), nil, false},
		"huge prime":      {domain(huge, two, nil), nil, false},
		"negative prime":  {domain(new(big.Int).Neg(p), two, nil), nil, true},
		"RSA":             {must(encode(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 1, 1}) })), nil, false},
		"unknown curve": {must(encode(func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidECPublicKey)
			b.AddASN1ObjectIdentifier([]int{1, 3, 132, 0, 33})
		})), nil, false},
		"no OID": {[]byte{0x30, 0}, nil, true},
	} {
		in := cryptobyte.String(c.der)
		if g, ok := readGroup(&in); g != c.want || ok == c.bad {
			t.Errorf("%s: %v, %v", name, g, ok)
		}
	}
	value := must(EncodeDHParameters(groups()))
	if got, err := ParseDHParameters(value); err != nil || !slices.Equal(got, groups()) {
		t.Errorf("TD-DH-PARAMETERS: %v, %v", got, err)
	}
	if _, err := ParseDHParameters(append(value, 0)); err == nil {
		t.Error("trailing byte accepted")
	}
	if slices.Contains(DefaultGroups(), MODP1024) {
		t.Error("group 2 is a default")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkGenerateKey(b *testing.B) {
	for _, g := range groups() {
		b.Run(g.Name, func(b *testing.B) {
			_, _ = g.GenerateKey(rand.Reader) // its table is made once
			for b.Loop() {
				if _, err := g.GenerateKey(rand.Reader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkShared(b *testing.B) {
	for _, g := range groups() {
		k, peer := must(g.GenerateKey(rand.Reader)), must(g.GenerateKey(rand.Reader))
		b.Run(g.Name, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.Shared(peer.public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPrimes is what the groups cost at the start of the program.
func BenchmarkPrimes(b *testing.B) {
	for b.Loop() {
		modp("", 1024, 129093, 256)
		modp("", 2048, 124476, 256)
		modp("", 4096, 240904, 384)
	}
}
