package replication

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"hellolab/providers/wire/guid"
)

func TestMessages(t *testing.T) {
	id := guid.GUID{1, 2, 3, 15: 9}
	raw, err := EncodeRequest(id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseRequest(raw); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, raw[:17], append(bytes.Clone(raw), 0), {4, 2, 1, 2}, {5, 0}} {
		if _, err := ParseRequest(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	for _, r := range []Reply{{}, {Version: 7, Hash: bytes.Repeat([]byte{0xab}, 16)}} {
		raw, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseReply(raw)
		if err != nil || got.Version != r.Version || !bytes.Equal(got.Hash, r.Hash) {
			t.Errorf("%d %x, %v", got.Version, got.Hash, err)
		}
		if fmt.Sprintf("%v %+v %#v", r, &r, r) != "(sensitive) (sensitive) (sensitive)" {
			t.Errorf("a reply prints as %#v", r)
		}
		for n := range raw {
			if _, err := ParseReply(raw[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("cut at %d: %v", n, err)
			}
		}
	}
	for _, r := range []Reply{{Hash: []byte{1}}, {Version: -1}} {
		if _, err := r.Encode(); !errors.Is(err, ErrMalformed) {
			t.Errorf("encoded: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	raw, _ := Reply{Version: 7, Hash: make([]byte, 16)}.Encode()
	f.Add(raw)
	f.Add([]byte{4, 16, 15: 0, 17: 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := ParseReply(raw); err == nil {
			again, err := r.Encode()
			if err != nil || !bytes.Equal(again, raw) {
				t.Fatalf("%x reads as %x", raw, again)
			}
		}
		if id, err := ParseRequest(raw); err == nil {
			if again, err := EncodeRequest(id); err != nil || !bytes.Equal(again, raw) {
				t.Fatalf("%x reads as %x", raw, again)
			}
		}
	})
}
