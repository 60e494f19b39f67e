package tpm_test

import (
	"crypto/sha256"
	"testing"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm"
)

func BenchmarkKeyCreation(b *testing.B) {
	for _, use := range []ksp.Use{ksp.UserSign, ksp.Agree} {
		b.Run(string(use), func(b *testing.B) {
			d := newDevice(b, newPool(b, 1), "device.laptop", newClock())
			for b.Loop() {
				if _, err := d.CreateKey(b.Context(), use, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBake(b *testing.B) {
	p, c := newPool(b, 1), newClock()
	for b.Loop() {
		newDevice(b, p, "device.laptop", c)
	}
}

func BenchmarkUnseal(b *testing.B) {
	d := newDevice(b, newPool(b, 1), "device.laptop", newClock())
	s, err := d.Seal(b.Context(), make([]byte, 96), []byte("1872"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Unseal(b.Context(), s, []byte("1872")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSwap signs on two devices in turn with one worker: each signature
// swaps the TPM.
func BenchmarkSwap(b *testing.B) {
	p, c := newPool(b, 1, func(o *tpm.Options) { o.Hosts = 1 }), newClock()
	one, two := newDevice(b, p, "device.a", c), newDevice(b, p, "device.b", c)
	digest := sha256.Sum256(nil)
	for b.Loop() {
		for _, d := range []*device{one, two} {
			if _, err := d.SignSHA256(b.Context(), d.Device, nil, ksp.PKCS1, digest); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSign(b *testing.B) {
	d := newDevice(b, newPool(b, 1), "device.a", newClock())
	digest := sha256.Sum256(nil)
	for b.Loop() {
		if _, err := d.SignSHA256(b.Context(), d.Device, nil, ksp.PKCS1, digest); err != nil {
			b.Fatal(err)
		}
	}
}
