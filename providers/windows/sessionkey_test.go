package windows

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"hash"
	"strings"
	"testing"
	"time"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/tpm/tpmtest"
	"hellolab/providers/wire/prt"
)

func TestMain(m *testing.M) { tpmtest.Main(m) }

// Fault 45: a session key for another device's transport key, under another
// hash or another padding than the protocol's, or under another tag. The device
// refuses all of them alike, with keys in software and in a TPM.
func TestForeignSessionKeys(t *testing.T) {
	software, err := ksp.NewSoftware(bytes.Repeat([]byte{3}, ksp.MachineKeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := software.CreateKey(t.Context(), ksp.Decrypt, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("software", func(t *testing.T) { foreignSessionKeys(t, software, key) })
	t.Run("tpm", func(t *testing.T) {
		provider, transport := bakedTPM(t)
		foreignSessionKeys(t, provider, transport)
	})
}

func foreignSessionKeys(t *testing.T, provider ksp.Provider, transport ksp.Key) {
	c := &cloudAP{m: &machine{ksp: provider, rec: machineRecord{TransportKey: transport}}}
	public, err := x509.ParsePKIXPublicKey(transport.Public)
	if err != nil {
		t.Fatal(err)
	}
	own := public.(*rsa.PublicKey)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	session := bytes.Repeat([]byte{9}, prt.SessionKeySize)
	good, err := prt.WrapSessionKey(rand.Reader, own, session)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.unwrap(t.Context(), good); err != nil || !bytes.Equal(got, session) {
		t.Fatalf("the tenant's own: %x, %v", got, err)
	}
	foreign, err := prt.WrapSessionKey(rand.Reader, &other.PublicKey, session)
	if err != nil {
		t.Fatal(err)
	}
	oaep := func(h hash.Hash, label string, key []byte) string {
		b, err := rsa.EncryptOAEP(h, rand.Reader, own, key, []byte(label))
		if err != nil {
			t.Fatal(err)
		}
		return withKey(good, b)
	}
	for name, jwe := range map[string]string{
		"another device's":      foreign,
		"OAEP with SHA-256":     oaep(sha256.New(), "", session),
		"OAEP with a label":     oaep(sha1.New(), "x", session),
		"another key, same tag": oaep(sha1.New(), "", bytes.Repeat([]byte{8}, prt.SessionKeySize)),
		"a short key":           oaep(sha1.New(), "", []byte{1}),
		"short cipher text":     withKey(good, []byte{1, 2, 3}),
		"cipher text of zeros":  withKey(good, make([]byte, 256)),
		"larger than modulus":   withKey(good, bytes.Repeat([]byte{0xFF}, 256)),
		"RSA1_5":                withKey(good, pkcs1v15(t, own, session)),
		"nothing":               "",
	} {
		got, err := c.unwrap(t.Context(), jwe)
		if !errors.Is(err, errReply) || err.Error() != errReply.Error() || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		if r := reasonOf(err); r.Code != "reply_invalid" {
			t.Errorf("%s: reason %s", name, r.Code)
		}
	}
}

// withKey puts another encrypted key into a message.
func withKey(jwe string, key []byte) string {
	parts := strings.Split(jwe, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(key)
	return strings.Join(parts, ".")
}

func pkcs1v15(t *testing.T, to *rsa.PublicKey, key []byte) []byte {
	//lint:ignore SA1019 what a wrong peer would send
	b, err := rsa.EncryptPKCS1v15(rand.Reader, to, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bakedTPM is a TPM fresh from the pool, with its transport key.
func bakedTPM(t *testing.T) (ksp.Provider, ksp.Key) {
	tpmtest.NeedsSimulator(t)
	pool := tpmtest.NewLabPool(t, 1)
	now := time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)
	baked, err := pool.Take(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	store := onlyImage(baked.Image)
	return pool.TPM("device.laptop", &store, func() time.Time { return now }), baked.Transport
}

// onlyImage keeps the image of a TPM.
type onlyImage []byte

func (i *onlyImage) LoadImage() ([]byte, error) { return *i, nil }

func (i *onlyImage) SaveImage(_ context.Context, image []byte) error {
	*i = image
	return nil
}
