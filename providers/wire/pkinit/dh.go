package pkinit

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
)

// ErrPublicKey says that a key is no element of its group that may be used.
var ErrPublicKey = errors.New("public key is not acceptable in its group")

// PrivateKey is one side's key of a group.
//
// Exponents are short, as RFC 7919 allows for such groups: 256 bits (384 for
// group 16), twice the strength of the prime. math/big is not constant in time,
// so a MODP key serves one exchange or a few minutes, never longer.
type PrivateKey struct {
	group  *Group
	x      *big.Int         // MODP
	ecdh   *ecdh.PrivateKey // curves
	public []byte           // as in PublicValue.Key
}

// GenerateKey draws a key.
func (g *Group) GenerateKey(rand io.Reader) (*PrivateKey, error) {
	k := &PrivateKey{group: g}
	if g.curve != nil {
		var err error
		if k.ecdh, err = g.curve.GenerateKey(rand); err != nil {
			return nil, fmt.Errorf("generate key on %s: %w", g.Name, err)
		}
		k.public = k.ecdh.PublicKey().Bytes()
		return k, nil
	}
	b := make([]byte, g.exponentBits/8)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, fmt.Errorf("read random exponent: %w", err)
	}
	b[0] |= 0x80 // full length: never 0 or 1
	k.x = new(big.Int).SetBytes(b)
	out := cryptobyte.NewBuilder(nil)
	out.AddASN1BigInt(g.power(b))
	var err error
	k.public, err = out.Bytes()
	return k, err
}

// Group is the key's.
func (k *PrivateKey) Group() *Group { return k.group }

// Public returns the public half as both sides send it.
func (k *PrivateKey) Public() *PublicValue { return &PublicValue{Group: k.group, Key: k.public} }

// Shared is the secret Z of the two sides: the power with leading zeros to the
// length of the prime, or the x coordinate. peer is a PublicValue.Key. A peer's
// 0, 1, p-1 and beyond, or point off the curve, is ErrPublicKey.
func (k *PrivateKey) Shared(peer []byte) ([]byte, error) {
	if k.ecdh != nil {
		pub, err := k.group.curve.NewPublicKey(peer)
		if err != nil {
			return nil, ErrPublicKey
		}
		return k.ecdh.ECDH(pub)
	}
	p := k.group.p
	in, y := cryptobyte.String(peer), new(big.Int)
	if len(peer) > k.group.Bits/8+8 || !in.ReadASN1Integer(y) || !in.Empty() ||
		y.Cmp(big.NewInt(1)) <= 0 || y.Cmp(new(big.Int).Sub(p, big.NewInt(1))) >= 0 {
		return nil, ErrPublicKey
	}
	return new(big.Int).Exp(y, k.x, p).FillBytes(make([]byte, k.group.Bits/8)), nil
}

// The exponent of a power of the generator is cut into teeth rows, one below
// the other, and each row into blocks: one entry of a block's table stands for a
// column of bits, one of each row, and a squaring serves a column of all blocks
// (the comb method, Lim and Lee, CRYPTO 1994).
const (
	teeth  = 8
	blocks = 4
)

// fixedBase makes the tables for power: powers()[j][u] is the product of
// 2^(2^(i*row + j*block)) for the bits i of u. For group 14 they take 260 kB and,
// once, the time of a few exponentiations.
func (g *Group) fixedBase() [][]*big.Int {
	row := g.exponentBits / teeth
	block := row / blocks
	table := make([][]*big.Int, blocks)
	for j := range table {
		table[j] = make([]*big.Int, 1<<teeth)
		table[j][0] = big.NewInt(1)
	}
	square := big.NewInt(2)
	for bit := range g.exponentBits {
		if i, j := bit/row, bit%row/block; bit%block == 0 {
			for u := range 1 << i {
				product := new(big.Int).Mul(table[j][u], square)
				table[j][1<<i|u] = product.Mod(product, g.p)
			}
		}
		square = new(big.Int).Mul(square, square)
		square.Mod(square, g.p)
	}
	return table
}

// power is 2^x mod p for an exponent of g.exponentBits, big-endian: for group 14
// 32 multiplications and 8 squarings, a sixth of what math/big's general
// exponentiation takes.
func (g *Group) power(x []byte) *big.Int {
	table := g.powers()
	row := g.exponentBits / teeth
	block := row / blocks
	acc, product, quotient := big.NewInt(1), new(big.Int), new(big.Int)
	times := func(by *big.Int) {
		product.Mul(acc, by)
		quotient.QuoRem(product, g.p, acc)
	}
	for k := block - 1; k >= 0; k-- {
		times(acc)
		for j := range blocks {
			u := 0
			for i := range teeth {
				at := i*row + j*block + k
				u |= int(x[len(x)-1-at/8]>>(at%8)&1) << i
			}
			times(table[j][u])
		}
	}
	return acc
}
