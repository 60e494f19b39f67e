package all_test

import (
	"context"
	"crypto/rsa"
	"sync"
	"testing"

	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm/tpmtest"
)

// image keeps the memory of one TPM.
type image struct {
	mu sync.Mutex
	b  []byte
}

func (i *image) LoadImage() ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.b, nil
}

func (i *image) SaveImage(_ context.Context, b []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.b = b
	return nil
}

// A key that never left its TPM signs in: the TPM signs the certificate around
// the key, and the pre-authentication data.
func TestKerberosTPMKey(t *testing.T) {
	tpmtest.NeedsSimulator(t)
	l := newCorpLab(t, spec.Domain{}, spec.Authority{})
	pool := tpmtest.NewLabPool(t, 1)
	baked, err := pool.Take(t.Context(), l.Now())
	if err != nil {
		t.Fatal(err)
	}
	chip := pool.TPM("device.laptop", &image{b: baked.Image}, l.Now)
	signer, err := ksp.Signer(t.Context(), chip, baked.User, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.registerPublic(signer.Public().(*rsa.PublicKey))
	s, err := l.pc("onsite").SignInKey(t.Context(), kerberos.Client("alice@contoso.com"), kerberos.Key{Signer: signer, Subject: "alice"})
	if err != nil || s.Account != "alice" {
		t.Fatalf("%+v, %v", s, err)
	}
}
