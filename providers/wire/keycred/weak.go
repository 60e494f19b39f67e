package keycred

import (
	"crypto"
	"crypto/rsa"
	"math/big"
)

// Weakness is why a key must not be relied upon.
type Weakness string

// Weaknesses.
const (
	WeakSize     Weakness = "RSA of less than 2048 bits"
	WeakExponent Weakness = "the public exponent is even or less than 65537"
	WeakFactor   Weakness = "the modulus has a small factor"
	WeakROCA     Weakness = "made by a library with CVE-2017-15361 (ROCA): its private key can be computed"
)

// Weaknesses tells what is wrong with a public key; nil for nothing that is
// known. Only RSA keys are judged: parsing refuses all but sound curves.
func Weaknesses(pub crypto.PublicKey) []Weakness {
	k, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	var found []Weakness
	if k.N.BitLen() < 2048 {
		found = append(found, WeakSize)
	}
	if k.E < 65537 || k.E&1 == 0 {
		found = append(found, WeakExponent)
	}
	factor, roca := residues(k.N)
	if factor {
		return append(found, WeakFactor)
	}
	if roca {
		found = append(found, WeakROCA)
	}
	return found
}

// residues looks at n modulo the primes to 167. The library of CVE-2017-15361
// takes its primes as k*M + (65537^a mod M), M the product of at least those
// primes; so n is a power of 65537 modulo each of them, as one in some hundred
// million other moduli is (Nemec et al., "The Return of Coppersmith's Attack",
// 2017).
func residues(n *big.Int) (factor, roca bool) {
	roca = true
	var m, r big.Int
	for p := int64(2); p <= 167; p++ {
		if !prime(p) {
			continue
		}
		rest := r.Mod(n, m.SetInt64(p)).Int64()
		if rest == 0 {
			return true, false
		}
		power, found := int64(1), false
		for range p - 1 {
			found = found || power == rest
			power = power * 65537 % p
		}
		roca = roca && found
	}
	return false, roca
}

func prime(p int64) bool {
	for d := int64(2); d*d <= p; d++ {
		if p%d == 0 {
			return false
		}
	}
	return true
}
