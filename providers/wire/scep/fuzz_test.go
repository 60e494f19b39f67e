package scep

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"errors"
	"testing"

	"hellolab/providers/wire/cms"
)

// What a device sends inside the envelope is read, or is malformed.
func FuzzChallenge(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	csr, err := NewRequest(rand.Reader, key, pkix.Name{CommonName: "x"}, "let me in")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(csr)
	f.Fuzz(func(t *testing.T, csr []byte) {
		if challenge, err := challengeOf(csr); len(challenge) > maxChallenge || err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("%d bytes, %v", len(challenge), err)
		}
	})
}

// What a message says of itself is written back as it was read.
func FuzzAttributes(f *testing.F) {
	a := about{kind: certRep, status: failure, fail: BadRequest, transaction: "1", sender: "nonce", recipient: "nonce", text: "no"}
	for _, attribute := range a.attributes() {
		f.Add(attribute.Values)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, k := range known {
			list := append((&about{kind: pkcsReq, transaction: "1", sender: "nonce"}).attributes(), cms.Attribute{ID: k.id, Values: value})
			got, err := read(list)
			if err != nil {
				if !errors.Is(err, ErrSyntax) {
					t.Error(err)
				}
				continue
			}
			again, err := read(got.attributes())
			if err != nil || *again != *got {
				t.Errorf("%+v, %v, want %+v", again, err, got)
			}
		}
	})
}
