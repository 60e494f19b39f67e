package sealed

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestSealer(t *testing.T) {
	master, another := make([]byte, KeySize), []byte(strings.Repeat("x", KeySize))
	t.Run("without a head", func(t *testing.T) {
		opensAlone(t, New("federation", nil, master, rand.Reader), New("federation", nil, another, rand.Reader))
	})
	t.Run("with a head", func(t *testing.T) {
		opensAlone(t, New("tenant", []byte("contoso"), master, rand.Reader), New("tenant", []byte("contoso"), another, rand.Reader))
	})
	t.Run("another head", func(t *testing.T) {
		opensAlone(t, New("tenant", []byte("contoso"), master, rand.Reader), New("tenant", []byte("fabrikam"), master, rand.Reader))
	})
	t.Run("another label", func(t *testing.T) {
		opensAlone(t, New("tenant", nil, master, rand.Reader), New("federation", nil, master, rand.Reader))
	})
}

// opensAlone seals by s, and tries what must not open it.
func opensAlone(t *testing.T, s, other *Sealer) {
	text, err := s.Seal("code", map[string]string{"upn": "alice@contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := s.Open("code", text, &got); err != nil || got["upn"] != "alice@contoso.com" {
		t.Fatalf("%v, %v", got, err)
	}
	changed := func(at int) string {
		b := []byte(text)
		if b[at]++; b[at] == 'Z'+1 || b[at] == 'z'+1 || b[at] == '9'+1 || b[at] < '0' || b[at] == '_'+1 {
			b[at] = 'B'
		}
		return string(b)
	}
	for name, c := range map[string]struct {
		s             *Sealer
		purpose, text string
	}{
		"another purpose":    {s, "refresh", text},
		"another service":    {other, "code", text},
		"changed first":      {s, "code", changed(0)},
		"changed later":      {s, "code", changed(len(text) - 8)},
		"cut":                {s, "code", text[:8]},
		"empty":              {s, "code", ""},
		"no base64":          {s, "code", text + "*"},
		"long":               {s, "code", strings.Repeat("A", MaxText+1)},
		"another text of it": {s, "code", text[:9] + "\r\n" + text[9:]}, // a code is used up by its text
	} {
		if err := c.s.Open(c.purpose, c.text, &got); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Seal("code", strings.Repeat("x", MaxText)); err == nil {
		t.Error("what is too long to open was sealed")
	}
}

func FuzzOpen(f *testing.F) {
	s := New("federation", nil, make([]byte, KeySize), bytes.NewReader(make([]byte, KeySize))) // the same text in every process
	text, err := s.Seal("code", map[string]int{"a": 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add(text[:9] + "\n" + text[9:])
	f.Fuzz(func(t *testing.T, in string) {
		var v map[string]int
		if s.Open("code", in, &v) == nil && in != text {
			t.Fatal("a text opened that was not sealed")
		}
	})
}

// Texts that tenants and federation services sealed before both did it here: states
// hold them, and so do the devices of a lab.
func TestEarlierTexts(t *testing.T) {
	master := []byte(strings.Repeat("k", KeySize))
	for text, head := range map[string][]byte{
		"dHdlbHZlIGJ5dGVznj_Qz3kOfOQTl-83Xv5aKfUwkXTq5iWzWX2O2zgq4Lt7kYFcRTGVKHyoBw":                      nil,
		"c2l4dGVlbiBieXRlcyBvZnR3ZWx2ZSBieXRlc7_SZXp8GiWe4rpJ-Bkl8p-EqzPQZ2DLy94ODEVwqQ2mwfo99Ou0LVsya3A": []byte("sixteen bytes of"),
	} {
		label := "federation"
		if head != nil {
			label = "tenant"
		}
		s := New(label, head, master, strings.NewReader("twelve bytes"))
		var got map[string]string
		if err := s.Open("code", text, &got); err != nil || got["upn"] != "alice@contoso.com" {
			t.Errorf("%s: %v, %v", label, got, err)
		}
		if again, err := s.Seal("code", got); err != nil || again != text {
			t.Errorf("%s: now %s, %v", label, again, err)
		}
	}
}
