package tpm_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
	"hellolab/providers/wire/attest"
)

func TestCertifyAndActivate(t *testing.T) {
	p := newPool(t, 1)
	d := newDevice(t, p, "device.laptop", newClock())
	ctx := t.Context()
	seed.Proves(t, "DR-18")
	bound, err := d.ChangeAuth(ctx, d.User, nil, bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Certify(ctx, bound, d.AIK, []byte("challenge"))
	if err != nil {
		t.Fatal(err)
	}
	words, err := tpm2.Unmarshal[tpm2.TPMSAttest](c.Attest)
	if err != nil {
		t.Fatal(err)
	}
	info, err := words.Attested.Certify()
	if err != nil || string(words.ExtraData.Buffer) != "challenge" {
		t.Fatalf("attest %+v, %v", words, err)
	}
	public, err := tpm.Public(bound)
	if err != nil {
		t.Fatal(err)
	}
	area, err := attest.ParsePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(info.Name.Buffer, area.Name()) {
		t.Error("the attested name is not the key's")
	}
	aik, err := d.AIK.RSA()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(c.Attest)
	if err := rsa.VerifyPKCS1v15(aik, crypto.SHA256, digest[:], c.Signature); err != nil {
		t.Errorf("the identity key did not sign the attestation: %v", err)
	}
	// A key of another TPM cannot be certified here.
	other := newDevice(t, p, "device.other", d.clock)
	if _, err := d.Certify(ctx, other.User, d.AIK, nil); !errors.Is(err, ksp.ErrForeignKey) {
		t.Errorf("certify a foreign key: %v", err)
	}

	ek, err := attest.ParsePublic(d.EK)
	if err != nil {
		t.Fatal(err)
	}
	aikPublic, err := tpm.Public(d.AIK)
	if err != nil {
		t.Fatal(err)
	}
	aikArea, err := attest.ParsePublic(aikPublic)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ek.CheckEK(), aikArea.CheckAIK()); err != nil {
		t.Error(err)
	}
	id, secret, err := attest.MakeCredential(rand.Reader, ek, aikArea, []byte("certificate key"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.ActivateCredential(ctx, d.AIK, id, secret)
	if err != nil || string(got) != "certificate key" {
		t.Fatalf("activate: %q, %v", got, err)
	}
	if _, err := other.ActivateCredential(ctx, other.AIK, id, secret); err == nil {
		t.Error("another TPM activated the credential")
	}
}
