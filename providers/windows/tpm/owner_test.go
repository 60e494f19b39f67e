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
