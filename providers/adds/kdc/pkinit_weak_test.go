package kdc

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"hellolab/providers/wire/krb"
)

// smallExponent makes a key that signs and whose public exponent is 3.
func smallExponent(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	one, three := big.NewInt(1), big.NewInt(3)
	for {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
		d := new(big.Int).ModInverse(three, phi)
		if d == nil {
			continue // 3 divides phi
		}
		weak := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: key.N, E: 3}, D: d, Primes: key.Primes}
		weak.Precompute()
		if err := weak.Validate(); err != nil {
			t.Fatal(err)
		}
		return weak
	}
}

// A weak key is refused though it is registered, and says why.
func TestKeyTrustByWeakKey(t *testing.T) {
	l := newKeyLab(t, nil)
	key := smallExponent(t)
	l.register(t, "alice", &key.PublicKey, true, false)
	e := l.send(t, request{signer: certify(pair{}, key, nil).signer()})
	if e == nil || e.Code != krb.ErrClientNotTrusted {
		t.Fatalf("a registered key with the exponent 3: %v", e)
	}
	if got := l.last().Reason; got == nil || !strings.Contains(got.Sentence, "weak") {
		t.Errorf("the event says %+v", got)
	}
}
