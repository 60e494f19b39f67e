package ksp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"hellolab/providers/conformance/seed"
)

func provider(t testing.TB) *SoftwareProvider {
	t.Helper()
	key := make([]byte, MachineKeySize)
	rand.Read(key)
	s, err := NewSoftware(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSoftwareKeys(t *testing.T) {
	s, ctx := provider(t), t.Context()
	seed.Proves(t, "CT-05")
	k, err := s.CreateKey(ctx, UserSign, []byte("auth"))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := k.RSA()
	if err != nil || pub.N.BitLen() != 2048 {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("m"))
	for _, pad := range []Padding{PKCS1, PSS} {
		sig, err := s.SignSHA256(ctx, k, []byte("auth"), pad, digest)
		if err != nil {
			t.Fatal(err)
		}
		if pad == PSS {
			err = rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			err = rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig)
		}
		if err != nil {
			t.Errorf("padding %d: %v", pad, err)
		}
	}
	for name, auth := range map[string][]byte{"wrong": []byte("auti"), "none": nil, "empty": {}} {
		if _, err := s.SignSHA256(ctx, k, auth, PKCS1, digest); !errors.Is(err, ErrWrongAuth) {
			t.Errorf("%s authorization: %v", name, err)
		}
	}
	if _, err := provider(t).SignSHA256(ctx, k, []byte("auth"), PKCS1, digest); !errors.Is(err, ErrForeignKey) {
		t.Errorf("another machine: %v", err)
	}
	d, err := s.CreateKey(ctx, Decrypt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignSHA256(ctx, d, nil, PKCS1, digest); err == nil {
		t.Error("a decryption key signs")
	}
	dpub, err := d.RSA()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Export(ctx, d); !errors.Is(err, ErrNotExportable) {
		t.Errorf("export: %v", err)
	}
	ct, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, dpub, []byte("session key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if pt, err := s.DecryptOAEP(ctx, d, ct); err != nil || string(pt) != "session key" {
		t.Errorf("decrypt: %q, %v", pt, err)
	}
}

// TestKDFParameters: what a protector without a TPM stores names its slow
// derivation. Fault 59, against a stolen state file: BenchmarkGuess says what a
// guess costs.
// What is sealed to the machine opens there, and there alone; it is no one's
// secret, and no one's secret passes for it.
func TestSealToMachine(t *testing.T) {
	s, ctx := provider(t), t.Context()
	sealed, err := s.SealToMachine(ctx, []byte("a database's key"))
	if err != nil || sealed.Storage != Software || bytes.Contains(sealed.Blob, []byte("key")) {
		t.Fatalf("%+v, %v", sealed, err)
	}
	if got, err := s.UnsealFromMachine(ctx, sealed); err != nil || string(got) != "a database's key" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := provider(t).UnsealFromMachine(ctx, sealed); !errors.Is(err, ErrForeignKey) {
		t.Errorf("another machine: %v", err)
	}
	if _, err := s.Unseal(ctx, sealed, []byte("1872")); err == nil {
		t.Error("it opens as a person's")
	}
	persons, err := s.Seal(ctx, []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UnsealFromMachine(ctx, persons); !errors.Is(err, ErrForeignKey) {
		t.Errorf("a person's: %v", err)
	}
}

func TestKDFParameters(t *testing.T) {
	s := provider(t)
	seed.Proves(t, "CT-13")
	sealed, err := s.Seal(t.Context(), []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := gcm(s.machine[:]).Open(nil, sealed.Blob[2:14], sealed.Blob[14:], sealed.Blob[:2])
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.BigEndian.Uint32(inner); n != Iterations {
		t.Errorf("%d iterations", n)
	}
	if _, err := s.Unseal(t.Context(), sealed, []byte("1873")); !errors.Is(err, ErrWrongAuth) {
		t.Errorf("wrong PIN: %v", err)
	}
}

// BenchmarkGuess is one PIN tried against what a protector in software stores,
// with the machine key at hand. Nothing counts such guesses; a PIN of six digits
// is worth a million of them.
func BenchmarkGuess(b *testing.B) {
	s, err := NewSoftware(make([]byte, MachineKeySize), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := s.Seal(b.Context(), []byte("secrets"), []byte("739146"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Unseal(b.Context(), sealed, []byte("000000")); !errors.Is(err, ErrWrongAuth) {
			b.Fatal(err)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	s, err := NewSoftware(make([]byte, MachineKeySize), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.wrap(kindSealed, []byte("x"), []byte("a"), 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.unwrap(Software, kindSealed, b, []byte("a")); err == nil && !bytes.Equal(b, good) {
			t.Fatal("opened what was never sealed")
		}
	})
}
