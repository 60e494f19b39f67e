package sid

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// Packet forms that MS-DTYP or a Windows tool wrote.
var known = map[string]string{
	"S-1-1-0":      "010100000000000100000000",
	"S-1-5-32-544": "01020000000000052000000020020000",
	"S-1-5-21-3623811015-3361044348-30300820-1013": "010500000000000515000000c7f7fed77c7755c8945ace01f5030000",
	"S-1-0x123456789abc-7":                         "0101123456789abc07000000",
}

func TestForms(t *testing.T) {
	for text, packet := range known {
		s, err := Parse(text)
		if err != nil || s.String() != text || hex.EncodeToString(s.Bytes()) != packet {
			t.Errorf("%s: parsed as %s (%x), %v", text, s, s.Bytes(), err)
		}
		b, _ := hex.DecodeString(packet)
		if d, err := Decode(b); err != nil || d != s {
			t.Errorf("%s: decoded as %s, %v", packet, d, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{"", "S-1-5", "S-2-5-18", "S-1-5-", "S-1-5-4294967296", "S-1--5-18", "S-1-5-+18", "S-1-0x-1", "S-1-281474976710656-1",
		"S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", "X-1-5-18", "S-1-5-0x12"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q: parsed as %s", text, s)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 12), {1, 1, 0, 0, 0, 0, 0, 5}, {2, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}, {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, 0},
		append([]byte{1, 16, 0, 0, 0, 0, 0, 5}, make([]byte, 64)...)} {
		if s, err := Decode(b); err == nil {
			t.Errorf("%x: decoded as %s", b, s)
		}
	}
}

func TestParts(t *testing.T) {
	domain := New(5, 21, 1, 2, 3)
	alice := domain.Account(1104)
	if alice.String() != "S-1-5-21-1-2-3-1104" || alice.RID() != 1104 || alice.Domain() != domain {
		t.Errorf("account %s, RID %d, domain %s", alice, alice.RID(), alice.Domain())
	}
	if !(SID{}).IsZero() || Everyone.Domain() != (SID{}) || (SID{}).String() != "" || (SID{}).RID() != 0 {
		t.Error("the zero identifier is none, and one of one subauthority has no domain")
	}
}

func FuzzDecode(f *testing.F) {
	for text, packet := range known {
		b, _ := hex.DecodeString(packet)
		f.Add(b, text)
	}
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		if s, err := Decode(b); err == nil && !bytes.Equal(s.Bytes(), b) {
			t.Errorf("%x became %x", b, s.Bytes())
		}
		if s, err := Parse(text); err == nil {
			if again, err := Parse(s.String()); err != nil || again != s {
				t.Errorf("%q became %s, then %s, %v", text, s, again, err)
			}
		}
	})
}
