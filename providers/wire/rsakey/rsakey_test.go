package rsakey_test

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"testing"

	"hellolab/providers/wire/rsakey"
)

type maker struct {
	io.Reader
	key   *rsa.PrivateKey
	asked []int
}

func (m *maker) RSAKey(bits int) (*rsa.PrivateKey, error) {
	m.asked = append(m.asked, bits)
	return m.key, nil
}

func TestNew(t *testing.T) {
	if _, ok := rand.Reader.(rsakey.Maker); ok {
		t.Fatal("the program's randomness brings keys of its own")
	}
	key, err := rsakey.New(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if key.N.BitLen() != 2048 || key.Validate() != nil {
		t.Errorf("a key of %d bits: %v", key.N.BitLen(), key.Validate())
	}
	m := &maker{Reader: rand.Reader, key: key}
	if got, err := rsakey.New(m, 3072); err != nil || got != key || len(m.asked) != 1 || m.asked[0] != 3072 {
		t.Errorf("a maker was asked for %v bits and gave %v, %v", m.asked, got, err)
	}
}
