package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestSealer(t *testing.T) {
	s, other := New(make([]byte, KeySize), rand.Reader), New([]byte(strings.Repeat("x", KeySize)), rand.Reader)
	text, err := s.Seal("code", map[string]string{"upn": "alice@contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := s.Open("code", text, &got); err != nil || got["upn"] != "alice@contoso.com" {
		t.Fatalf("%v, %v", got, err)
	}
	last := "A"
	if strings.HasSuffix(text, last) {
		last = "Q"
	}
	for name, c := range map[string]struct {
		s             *Sealer
		purpose, text string
	}{
		"another purpose": {s, "refresh", text},
		"another service": {other, "code", text},
		"changed":         {s, "code", text[:len(text)-1] + last},
		"cut":             {s, "code", text[:8]},
		"empty":           {s, "code", ""},
		"no base64":       {s, "code", text + "*"},
		"long":            {s, "code", strings.Repeat("A", maxText+1)},
		"another text":    {s, "code", text[:9] + "\r\n" + text[9:]}, // a code is used up by its text
	} {
		if err := c.s.Open(c.purpose, c.text, &got); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Seal("code", strings.Repeat("x", maxText)); err == nil {
		t.Error("what is too long to open was sealed")
	}
}

func FuzzOpen(f *testing.F) {
	s := New(make([]byte, KeySize), bytes.NewReader(make([]byte, KeySize))) // the same text in every process
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
