package krb

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/rfc3961"
)

// RFC 3962 appendix B: ciphertext stealing.
func TestCTS(t *testing.T) {
	block, err := aes.NewCipher([]byte("chicken teriyaki"))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("I would like the General Gau's Chicken, please, and wonton soup.")
	for _, c := range []struct {
		n    int
		want string
	}{
		{17, "c6353568f2bf8cb4d8a580362da7ff7f97"},
		{31, "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"},
		{32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"},
		{47, "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5"},
		{48, "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8"},
		{64, "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8"},
	} {
		b := bytes.Clone(text[:c.n])
		(&cts{Block: block}).encrypt(b)
		if got := hex.EncodeToString(b); got != c.want {
			t.Errorf("%d bytes: %s", c.n, got)
		}
		(&cts{Block: block}).decrypt(b)
		if !bytes.Equal(b, text[:c.n]) {
			t.Errorf("%d bytes: opens to %q", c.n, b)
		}
	}
}

// Keys, ciphertexts and checksums are gokrb5's, of any length and usage.
func TestAESAsGokrb5(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		k := key(t, []int32{AES128, AES256}[r.IntN(2)])
		theirs, err := crypto.GetEtype(k.EType)
		if err != nil {
			t.Fatal(err)
		}
		derived, err := newAESKey(k.Value)
		if err != nil {
			t.Fatal(err)
		}
		constant := binary.BigEndian.AppendUint64(nil, r.Uint64())[3:]
		usage, kind := binary.BigEndian.Uint32(constant), constant[4]
		if got := fold(uint64(usage)<<8 | uint64(kind)); !bytes.Equal(got[:], rfc3961.Nfold(constant, 128)) {
			t.Fatalf("%x folds to %x", constant, got)
		}
		if want, err := theirs.DeriveKey(k.Value, constant); err != nil || !bytes.Equal(derived.derive(usage, kind), want) {
			t.Fatalf("%x: %x, want %x, %v", constant, derived.derive(usage, kind), want, err)
		}
		plain := make([]byte, i%300)
		for j := range plain {
			plain[j] = byte(r.Uint32())
		}
		sealed, err := k.Encrypt(usage, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := theirs.DecryptMessage(k.Value, sealed, usage); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: they open %x, %v", len(plain), got, err)
		}
		_, sealed, err = theirs.EncryptMessage(k.Value, plain, usage)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Decrypt(usage, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: opens to %x, %v", len(plain), got, err)
		}
		sealed[r.IntN(len(sealed))] ^= 1 << r.IntN(8)
		if _, err := k.Decrypt(usage, sealed); !errors.Is(err, ErrDecrypt) {
			t.Fatalf("%d bytes, changed: %v", len(plain), err)
		}
		sum, err := k.Checksum(usage, plain)
		if want, err2 := theirs.GetChecksumHash(k.Value, plain, usage); err != nil || err2 != nil || !bytes.Equal(sum.Sum, want) {
			t.Fatalf("%d bytes: %x, want %x, %v %v", len(plain), sum.Sum, want, err, err2)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k, plain := Key{AES256, make([]byte, 32)}, make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Encrypt(UsageTicket, plain); err != nil {
			b.Fatal(err)
		}
	}
}
