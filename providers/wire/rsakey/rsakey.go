// Package rsakey makes the RSA keys of services and of devices without a TPM.
//
// To make one takes some 0.1 s of a processor, and a lab has a dozen. Who brings
// a lab its randomness may therefore bring keys that lie ready: a source of
// randomness that is a Maker is asked for the key itself. crypto/rand, with which
// the program runs, is none.
package rsakey

import (
	"crypto/rsa"
	"io"
)

// Maker is a source of randomness that makes RSA keys itself. It gives a key to
// one lab only, and once.
type Maker interface {
	RSAKey(bits int) (*rsa.PrivateKey, error)
}

// New returns a new key with a modulus of so many bits.
func New(rand io.Reader, bits int) (*rsa.PrivateKey, error) {
	if m, ok := rand.(Maker); ok {
		return m.RSAKey(bits)
	}
	return rsa.GenerateKey(rand, bits)
}
