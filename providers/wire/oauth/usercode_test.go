package oauth

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestUserCode(t *testing.T) {
	code, err := NewUserCode(rand.Reader)
	if err != nil || len(code) != 9 || strings.ContainsAny(code, "01IO") || ParseUserCode(code) != code {
		t.Fatalf("%q, %v", code, err)
	}
	if _, err := NewUserCode(iotest.ErrReader(errors.New("no randomness"))); err == nil {
		t.Error("made without randomness")
	}
	for typed, want := range map[string]string{
		"abc-def-234":            "ABCDEF234",
		" ABC DEF 234 ":          "ABCDEF234",
		"":                       "",
		strings.Repeat("A", 10):  "",
		strings.Repeat("- ", 99): "",
	} {
		if got := ParseUserCode(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
