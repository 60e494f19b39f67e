package tpm

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"hellolab/providers/windows/tpm/worker"
)

func TestRecordRoundTrip(t *testing.T) {
	raw := bytes.Repeat([]byte{1, 2, 3, 0xff}, worker.ImageSize/4)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	r, err := new(packer).record(version{7}, at, raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseRecord(r.bytes())
	if err != nil || got.version != r.version || !got.savedAt.Equal(at) {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := got.inflate(); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("memory differs: %v", err)
	}
}

func TestDamagedRecord(t *testing.T) {
	short, err := new(packer).record(version{7}, time.Time{}, []byte("short"))
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := new(packer).record(version{7}, time.Time{}, make([]byte, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut": short.bytes()[:24], "format": append([]byte{9}, make([]byte, 40)...),
		"short memory": short.bytes(), "long memory": bomb.bytes(), "noise": append([]byte{recordFormat}, bytes.Repeat([]byte{0xa5}, 99)...),
	} {
		r, err := parseRecord(b)
		if err == nil {
			_, err = r.inflate()
		}
		if !errors.Is(err, errRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	r, err := new(packer).record(version{1}, time.UnixMilli(5), make([]byte, worker.ImageSize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.bytes(), b) {
			t.Fatal("does not survive a round trip")
		}
		if raw, err := r.inflate(); err == nil && len(raw) != worker.ImageSize {
			t.Fatalf("memory of %d bytes", len(raw))
		}
	})
}

func FuzzSplitBlob(f *testing.F) {
	f.Add(joinBlob([]byte("public"), []byte("private")))
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		public, private, err := splitBlob(b)
		if err == nil && !bytes.Equal(joinBlob(public, private), b) {
			t.Fatal("does not survive a round trip")
		}
	})
}
