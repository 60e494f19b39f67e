package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"testing"

	"hellolab/providers/conformance/ready"
)

// rsaKeys are the RSA keys of labs that have ended, by their bits: to make them
// anew was a third of what the tests of whole labs cost.
var rsaKeys ready.Shelf[int, *rsa.PrivateKey]

// randomness is crypto/rand with RSA keys that no other lab has: a rsakey.Maker.
type randomness struct {
	io.Reader
	keys *ready.Loan[int, *rsa.PrivateKey]
}

// newRandomness returns that of one lab. A benchmark's makes all keys anew.
func newRandomness(tb testing.TB) *randomness {
	shelf := &rsaKeys
	if _, measured := tb.(*testing.B); measured {
		shelf = new(ready.Shelf[int, *rsa.PrivateKey])
	}
	return &randomness{rand.Reader, shelf.Lend()}
}

// RSAKey implements rsakey.Maker.
func (r *randomness) RSAKey(bits int) (*rsa.PrivateKey, error) {
	if key, ok := r.keys.Take(bits); ok {
		return key, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err == nil {
		r.keys.Made(bits, key)
	}
	return key, err
}
