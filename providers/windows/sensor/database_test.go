package sensor_test

import (
	"bytes"
	"crypto/rand"
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

func enroll(t *testing.T, kind, sid string) sensor.Template {
	t.Helper()
	tpl, _, err := sensor.Enroll(rand.Reader, kind, sid, sensor.Sample(kind, "alice@contoso.com"))
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestDatabase(t *testing.T) {
	p := software(t)
	databases := map[string]sensor.Database{}
	for _, kind := range []string{"face", "fingerprint"} {
		d, err := sensor.NewDatabase(t.Context(), p, rand.Reader, kind)
		if err != nil {
			t.Fatal(err)
		}
		databases[kind] = d
	}
	if bytes.Equal(databases["face"].Key.Blob, databases["fingerprint"].Key.Blob) {
		t.Error("two sensors share a key")
	}
	face := databases["face"]
	tpl := enroll(t, "face", "S-1-1")
	r, err := face.Encrypt(t.Context(), p, rand.Reader, tpl)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(r.Data, tpl.Wrapped) {
		t.Error("the template lies in clear")
	}
	got, err := face.Decrypt(t.Context(), p, r)
	if err != nil || !bytes.Equal(got.Wrapped, tpl.Wrapped) || got.SID != tpl.SID {
		t.Errorf("%+v, %v", got, err)
	}
	again, err := face.Encrypt(t.Context(), p, rand.Reader, tpl)
	if err != nil || bytes.Equal(again.Data, r.Data) {
		t.Errorf("one template, one record: %v", err)
	}
	if _, err := face.Encrypt(t.Context(), p, rand.Reader, enroll(t, "fingerprint", "S-1-1")); !errors.Is(err, sensor.ErrDatabase) {
		t.Errorf("a fingerprint in the camera's: %v", err)
	}
	other, err := sensor.NewDatabase(t.Context(), p, rand.Reader, "face")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Decrypt(t.Context(), p, r); !errors.Is(err, sensor.ErrDatabase) {
		t.Errorf("another sensor's key: %v", err)
	}
	if _, err := face.Decrypt(t.Context(), software(t), r); !errors.Is(err, ksp.ErrForeignKey) {
		t.Errorf("another device: %v", err)
	}
	for name, change := range map[string]func(*sensor.Record){
		"another user":  func(r *sensor.Record) { r.SID = "S-1-2" },
		"another kind":  func(r *sensor.Record) { r.Kind = "fingerprint" },
		"one bit":       func(r *sensor.Record) { r.Data[len(r.Data)-20] ^= 1 },
		"the length":    func(r *sensor.Record) { r.Data[len("0123456789abcdef")+30] ^= 1 },
		"cut off":       func(r *sensor.Record) { r.Data = r.Data[:40] },
		"half a block":  func(r *sensor.Record) { r.Data = r.Data[:len(r.Data)-7] },
		"empty":         func(r *sensor.Record) { r.Data = nil },
		"much too long": func(r *sensor.Record) { r.Data = make([]byte, 1<<16) },
	} {
		changed := sensor.Record{Kind: r.Kind, SID: r.SID, Data: bytes.Clone(r.Data)}
		change(&changed)
		if _, err := face.Decrypt(t.Context(), p, changed); !errors.Is(err, sensor.ErrDatabase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
