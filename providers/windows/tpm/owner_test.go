package tpm_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"hellolab/providers/windows/ksp"
)

// After Clear nothing from before opens, and the TPM makes new keys.
func TestClear(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.a", c)
	ctx, digest := t.Context(), sha256.Sum256([]byte("message"))
	before, err := d.CreateKey(ctx, ksp.Sign, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := d.Seal(ctx, []byte("secret"), []byte("739146"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignSHA256(ctx, before, nil, ksp.PKCS1, digest); !errors.Is(err, ksp.ErrForeignKey) {
		t.Errorf("a key from before: %v", err)
	}
	if _, err := d.Unseal(ctx, sealed, []byte("739146")); !errors.Is(err, ksp.ErrForeignKey) {
		t.Errorf("what was sealed before: %v", err)
	}
	after, err := d.CreateKey(ctx, ksp.Sign, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignSHA256(ctx, after, nil, ksp.PKCS1, digest); err != nil {
		t.Errorf("a new key: %v", err)
	}
	if l, err := d.Lockout(ctx); err != nil || l.Max != 32 || l.Failures != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

// LockOut locks what is sealed, until the TPM forgets.
func TestLockOut(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d := newDevice(t, p, "device.a", c)
	ctx := t.Context()
	sealed, err := d.Seal(ctx, []byte("secret"), []byte("739146"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.LockOut(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Unseal(ctx, sealed, []byte("739146")); !errors.Is(err, ksp.ErrLockedOut) {
		t.Errorf("the right PIN: %v", err)
	}
	c.Advance(11 * time.Minute)
	if data, err := d.Unseal(ctx, sealed, []byte("739146")); err != nil || !bytes.Equal(data, []byte("secret")) {
		t.Errorf("after it forgot: %q, %v", data, err)
	}
}

// What is sealed to the machine opens there while PINs are locked out, and nowhere
// else; nor does it when one byte is changed.
func TestSealToMachine(t *testing.T) {
	p := newPool(t, 1)
	c := newClock()
	d, other := newDevice(t, p, "device.a", c), newDevice(t, p, "device.b", c)
	ctx := t.Context()
	sealed, err := d.SealToMachine(ctx, []byte("a database's key"))
	if err != nil || sealed.Storage != ksp.TPM || bytes.Contains(sealed.Blob, []byte("key")) {
		t.Fatalf("%+v, %v", sealed, err)
	}
	if err := d.LockOut(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := d.UnsealFromMachine(ctx, sealed); err != nil || string(got) != "a database's key" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := other.UnsealFromMachine(ctx, sealed); !errors.Is(err, ksp.ErrForeignKey) {
		t.Errorf("another TPM: %v", err)
	}
	for i := range sealed.Blob {
		changed := ksp.Sealed{Storage: ksp.TPM, Blob: bytes.Clone(sealed.Blob)}
		changed.Blob[i] ^= 0x20
		if _, err := d.UnsealFromMachine(ctx, changed); !errors.Is(err, ksp.ErrForeignKey) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	persons, err := other.Seal(ctx, []byte("secrets"), []byte("1872"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.UnsealFromMachine(ctx, persons); err == nil {
		t.Error("a person's opens without them")
	}
}
