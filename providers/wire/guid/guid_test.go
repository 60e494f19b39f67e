package guid

import (
	"bytes"
	"testing"
)

func TestForms(t *testing.T) {
	const text = "9d53c6fa-b38e-4509-8fb1-51dedb421aac"
	g, err := Parse("9D53C6FA-B38E-4509-8FB1-51DEDB421AAC")
	if err != nil {
		t.Fatal(err)
	}
	if g.String() != text {
		t.Errorf("String() = %s, want %s", g, text)
	}
	want := [16]byte{0xFA, 0xC6, 0x53, 0x9D, 0x8E, 0xB3, 0x09, 0x45, 0x8F, 0xB1, 0x51, 0xDE, 0xDB, 0x42, 0x1A, 0xAC}
	if g.Windows() != want {
		t.Errorf("Windows() = %x, want %x", g.Windows(), want)
	}
	if FromWindows(want) != g {
		t.Error("FromWindows does not invert Windows")
	}
	// 0x9d53c6fa, 0x4509b38e, 0xde51b18f, 0xac1a42db
	if got, want := g.SID(), "S-1-12-1-2639513338-1158263694-3729895823-2887402203"; got != want {
		t.Errorf("SID() = %s, want %s", got, want)
	}
}

func TestNewIsVersion4(t *testing.T) {
	g, err := New(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.String(), "ffffffff-ffff-4fff-bfff-ffffffffffff"; got != want {
		t.Errorf("New = %s, want %s", got, want)
	}
	if _, err := New(bytes.NewReader(nil)); err == nil {
		t.Error("New without randomness succeeded")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("9d53c6fa-b38e-4509-8fb1-51dedb421aac")
	f.Add("{9d53c6fa-b38e-4509-8fb1-51dedb421aac}")
	f.Add("9d53c6fa+b38e-4509-8fb1-51dedb421aac")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(g.String())
		if err != nil || again != g {
			t.Fatalf("Parse(%q).String() = %q does not parse back", s, g)
		}
	})
}
