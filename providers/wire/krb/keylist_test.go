package krb

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
)

func TestKeyList(t *testing.T) {
	// What impacket's keylistattack sends: encoder.encode([23], SequenceOf(Integer())).
	impacket := []byte{0x30, 3, 2, 1, 23}
	if b, err := EncodeKeyListReq([]int32{RC4}); err != nil || !bytes.Equal(b, impacket) {
		t.Errorf("wrote %x, %v", b, err)
	}
	for _, want := range [][]int32{nil, {RC4}, {AES256, AES128, RC4, -133}} {
		b, err := EncodeKeyListReq(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseKeyListReq(b); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v read as %v, %v", want, got, err)
		}
	}
	keys := []Key{{RC4, bytes.Repeat([]byte{7}, 16)}, {AES256, bytes.Repeat([]byte{8}, 32)}}
	b, err := EncodeKeyListRep(keys)
	if err != nil {
		t.Fatal(err)
	}
	if want := "30463019a003020117a1120410" + hex.EncodeToString(keys[0].Value) + "3029a003020112a1220420" + hex.EncodeToString(keys[1].Value); hex.EncodeToString(b) != want {
		t.Errorf("wrote %x", b)
	}
	got, err := ParseKeyListRep(b)
	if err != nil || len(got) != 2 || !got[0].Equal(keys[0]) || !got[1].Equal(keys[1]) {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestKeyListRefused(t *testing.T) {
	many, err := EncodeKeyListReq(make([]int32, maxETypes+1))
	if err != nil {
		t.Fatal(err)
	}
	short, err := EncodeKeyListRep([]Key{{AES256, make([]byte, 16)}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := EncodeKeyListRep(make([]Key, maxETypes+1))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "no list": {2, 1, 23}, "a tail": {0x30, 0, 0}, "cut": {0x30, 3, 2, 1}, "a number of 5 bytes": {0x30, 7, 2, 5, 1, 0, 0, 0, 0}, "too many": many} {
		if got, err := ParseKeyListReq(b); err == nil {
			t.Errorf("request of %s read as %v", name, got)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "numbers": {0x30, 3, 2, 1, 23}, "a tail": {0x30, 0, 0}, "a short key": short, "too many": keys} {
		if got, err := ParseKeyListRep(b); err == nil {
			t.Errorf("reply of %s read as %v", name, got)
		}
	}
}

func TestSupportedETypes(t *testing.T) {
	b := EncodeSupportedETypes(0x18)
	if got, err := ParseSupportedETypes(b); err != nil || got != 0x18 || !bytes.Equal(b, []byte{0x18, 0, 0, 0}) {
		t.Errorf("%x read as %x, %v", b, got, err)
	}
	for _, b := range [][]byte{nil, make([]byte, 3), make([]byte, 5)} {
		if _, err := ParseSupportedETypes(b); err == nil {
			t.Errorf("%d bytes were read", len(b))
		}
	}
}

// What is read can be written again, and is then read the same.
func FuzzKeyList(f *testing.F) {
	for _, etypes := range [][]int32{nil, {RC4}, {AES256, AES128, -133}} {
		b, err := EncodeKeyListReq(etypes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, err := EncodeKeyListRep([]Key{{RC4, make([]byte, 16)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if etypes, err := ParseKeyListReq(b); err == nil {
			if again, err := EncodeKeyListReq(etypes); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("request became %x, %v", again, err)
			}
		}
		if keys, err := ParseKeyListRep(b); err == nil {
			again, err := EncodeKeyListRep(keys)
			if err != nil {
				t.Fatal(err)
			}
			if same, err := ParseKeyListRep(again); err != nil || !slices.EqualFunc(same, keys, Key.Equal) {
				t.Fatalf("reply became %x, %v", again, err)
			}
		}
		_, _ = ParsePACOptions(b)
		_, _ = ParseSupportedETypes(b)
	})
}
