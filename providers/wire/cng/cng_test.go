package cng

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

func vector(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/vectors/" + name)
	if err != nil {
		t.Skipf("vectors are not here: %v", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestRecordedHelloKey(t *testing.T) {
	var v struct {
		Blob   []byte `json:"kngc_base64"`
		KeyID  string `json:"kid_base64_sha256_of_blob"`
		Fields struct {
			Exponent int    `json:"exponent"`
			Modulus  string `json:"modulus_hex"`
			Total    int    `json:"total_bytes"`
		} `json:"kngc_fields"`
	}
	vector(t, "hello-key-and-assertion.json", &v)
	pub, err := ParseRSAPublic(v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if pub.E != v.Fields.Exponent || hex.EncodeToString(pub.N.Bytes()) != v.Fields.Modulus || len(v.Blob) != v.Fields.Total {
		t.Error("fields differ from the record")
	}
	if !bytes.Equal(MarshalRSAPublic(pub), v.Blob) {
		t.Error("blob does not survive a round trip")
	}
	sum := sha256.Sum256(v.Blob)
	if base64.StdEncoding.EncodeToString(sum[:]) != v.KeyID {
		t.Error("hash of the blob is not the recorded key id")
	}
}

func TestSpecifiedTransportKey(t *testing.T) {
	var v struct {
		Blob []byte `json:"transport_key_b64"`
		Hash []byte `json:"transport_key_sha256_b64"`
	}
	vector(t, "ms-dvrj-example.json", &v)
	pub, err := ParseRSAPublic(v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(MarshalRSAPublic(pub)); !bytes.Equal(sum[:], v.Hash) {
		t.Error("blob does not survive a round trip")
	}
}

func TestRefusals(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := MarshalRSAPublic(&key.PublicKey)
	if len(good) != 283 {
		t.Fatalf("RSA-2048 blob has %d bytes, want 283", len(good))
	}
	even := rsa.PublicKey{N: key.N, E: 65536}
	evenModulus := rsa.PublicKey{N: new(big.Int).Sub(key.N, big.NewInt(1)), E: 65537}
	small := rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	huge := rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"empty":             {},
		"header only":       good[:headerSize],
		"truncated":         good[:len(good)-1],
		"trailing byte":     append(bytes.Clone(good), 0),
		"private magic":     change(3, '2'),
		"other bit length":  change(4, 1),
		"primes":            change(16, 1),
		"exponent length 0": change(8, 0),
		"padded exponent":   change(headerSize, 0),
		"padded modulus":    change(headerSize+3, 0),
		"even exponent":     MarshalRSAPublic(&even),
		"even modulus":      MarshalRSAPublic(&evenModulus),
		"exponent 1":        MarshalRSAPublic(&rsa.PublicKey{N: key.N, E: 1}),
		"small modulus":     MarshalRSAPublic(&small),
		"huge modulus":      MarshalRSAPublic(&huge),
	} {
		if _, err := ParseRSAPublic(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestDecodeTellsOfWeakKeys: what is refused for its numbers alone is still told of.
func TestDecodeTellsOfWeakKeys(t *testing.T) {
	for name, key := range map[string]*rsa.PublicKey{
		"small":         {N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537},
		"even exponent": {N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 0x01020304},
		"exponent 1":    {N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 1},
	} {
		b := MarshalRSAPublic(key)
		if _, err := ParseRSAPublic(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got, err := DecodeRSAPublic(b); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := DecodeRSAPublic(MarshalRSAPublic(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), MaxBits, 1), E: 3})); err == nil {
		t.Error("a modulus beyond MaxBits is accepted")
	}
}

func FuzzParseRSAPublic(f *testing.F) {
	f.Add([]byte("RSA1"))
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2048), big.NewInt(1))
	f.Add(MarshalRSAPublic(&rsa.PublicKey{N: n, E: 65537}))
	f.Fuzz(func(t *testing.T, b []byte) {
		pub, err := ParseRSAPublic(b)
		if err != nil {
			return
		}
		if !bytes.Equal(MarshalRSAPublic(pub), b) {
			t.Fatal("an accepted blob is not the one blob of its key")
		}
		if loose, err := DecodeRSAPublic(b); err != nil || !loose.Equal(pub) {
			t.Fatalf("read without its checks it is %v, %v", loose, err)
		}
	})
}
