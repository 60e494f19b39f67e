package tpm_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"hellolab/providers/windows/ksp"
)

func TestPoolBakesAhead(t *testing.T) {
	p := newPool(t, 2)
	p.Expect(3)
	deadline := time.Now().Add(30 * time.Second)
	for p.Level().Baked < 3 {
		if time.Now().After(deadline) {
			t.Fatalf("level %+v", p.Level())
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if l := p.Level(); l.Baked != 3 || l.Baking != 0 {
		t.Fatalf("level %+v, want what was announced and no more", l)
	}
	eks := map[string]bool{}
	for range 4 { // one more than announced
		d := newDevice(t, p, "device.x", newClock())
		if _, err := d.SignSHA256(t.Context(), d.Device, nil, ksp.PKCS1, sha256.Sum256(nil)); err != nil {
			t.Fatal(err)
		}
		eks[string(d.EK)] = true
	}
	if len(eks) != 4 {
		t.Errorf("%d different TPMs of 4", len(eks))
	}
}
