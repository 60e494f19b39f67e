package sensor_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"

	"hellolab/providers/windows/ksp"
	"hellolab/providers/windows/sensor"
)

func software(t *testing.T) *ksp.SoftwareProvider {
	t.Helper()
	key := make([]byte, ksp.MachineKeySize)
	rand.Read(key)
	p, err := ksp.NewSoftware(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func enroll(t *testing.T, kind, sid string) (sensor.Template, []byte) {
	t.Helper()
	tpl, secret, err := sensor.Enroll(rand.Reader, kind, sid, sensor.Sample(kind, "alice@contoso.com"))
	if err != nil {
		t.Fatal(err)
	}
	return tpl, secret
}

// A template gives its secret to a sample of the same person, and to nothing else;
// two of one sample have nothing in common.
func TestTemplate(t *testing.T) {
	tpl, secret := enroll(t, "face", "S-1-1")
	sample := sensor.Sample("face", "alice@contoso.com")
	b := tpl.Bytes()
	if len(b) != sensor.TemplateSize || bytes.Contains(b, sample[:8]) || bytes.Contains(b, secret[:8]) {
		t.Errorf("%d bytes, or the sample or the secret in clear", len(b))
	}
	got, err := sensor.ParseTemplate("face", "S-1-1", b)
	if err != nil || !bytes.Equal(got.Bytes(), b) {
		t.Fatalf("%+v, %v", got, err)
	}
	if opened, err := got.Match(sample); err != nil || !bytes.Equal(opened, secret) {
		t.Errorf("%x, %v", opened, err)
	}
	again, other := enroll(t, "face", "S-1-1")
	if bytes.Equal(again.Salt, tpl.Salt) || bytes.Equal(again.Wrapped, tpl.Wrapped) || bytes.Equal(other, secret) {
		t.Error("two templates of one sample are alike")
	}
	for name, of := range map[string]struct{ kind, sid string }{"another's": {"face", "S-1-2"}, "another kind's": {"fingerprint", "S-1-1"}} {
		wrong, err := sensor.ParseTemplate(of.kind, of.sid, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wrong.Match(sample); !errors.Is(err, sensor.ErrNoMatch) {
			t.Errorf("as %s: %v", name, err)
		}
	}
	for _, shown := range [][]byte{sensor.Sample("face", "bo@contoso.com"), sensor.Sample("fingerprint", "alice@contoso.com"), nil, b} {
		if _, err := tpl.Match(shown); !errors.Is(err, sensor.ErrNoMatch) {
			t.Errorf("%x: %v", shown, err)
		}
	}
	for _, size := range []int{0, sensor.TemplateSize - 1, sensor.TemplateSize + 1} {
		if _, err := sensor.ParseTemplate("face", "S-1-1", make([]byte, size)); err == nil {
			t.Errorf("a template of %d bytes", size)
		}
	}
}

// A record of a version before each sensor had a file opens as it did then, and
// only as it was written.
func TestEarlier(t *testing.T) {
	p := software(t)
	secret := make([]byte, 32)
	rand.Read(secret)
	sealed, err := p.ImportHMAC(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.HMAC(t.Context(), sealed, []byte("hellolab sensor database face"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	tpl, _ := enroll(t, "face", "S-1-1")
	text, err := json.Marshal(tpl)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	plain := append(append(sum[:], byte(len(text)>>8), byte(len(text))), text...)
	plain = append(plain, make([]byte, -len(plain)&15)...)
	r := sensor.EarlierRecord{Kind: "face", SID: "S-1-1", Data: make([]byte, 16+len(plain))}
	rand.Read(r.Data[:16])
	cipher.NewCBCEncrypter(block, r.Data[:16]).CryptBlocks(r.Data[16:], plain)

	d := sensor.Earlier{Sensor: "face", Key: sealed}
	got, err := d.Decrypt(t.Context(), p, r)
	if err != nil || !bytes.Equal(got.Bytes(), tpl.Bytes()) || got.SID != tpl.SID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := d.Decrypt(t.Context(), software(t), r); !errors.Is(err, sensor.ErrEarlier) {
		t.Errorf("another device: %v", err)
	}
	for name, change := range map[string]func(*sensor.EarlierRecord){
		"another user":  func(r *sensor.EarlierRecord) { r.SID = "S-1-2" },
		"another kind":  func(r *sensor.EarlierRecord) { r.Kind = "fingerprint" },
		"one bit":       func(r *sensor.EarlierRecord) { r.Data[len(r.Data)-20] ^= 1 },
		"the length":    func(r *sensor.EarlierRecord) { r.Data[16+30] ^= 1 },
		"cut off":       func(r *sensor.EarlierRecord) { r.Data = r.Data[:40] },
		"half a block":  func(r *sensor.EarlierRecord) { r.Data = r.Data[:len(r.Data)-7] },
		"empty":         func(r *sensor.EarlierRecord) { r.Data = nil },
		"much too long": func(r *sensor.EarlierRecord) { r.Data = make([]byte, 1<<16) },
	} {
		changed := sensor.EarlierRecord{Kind: r.Kind, SID: r.SID, Data: bytes.Clone(r.Data)}
		change(&changed)
		if _, err := d.Decrypt(t.Context(), p, changed); !errors.Is(err, sensor.ErrEarlier) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
