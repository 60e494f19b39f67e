package phs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hellolab/providers/wire/ntlm"
)

// The NT hash of "password" is in every book; the rest was computed with
// Python's hashlib from it.
const (
	ntPassword = "8846f7eaee8fb117ad06bdd830b7586c"
	salt       = "317ee9d1dec6508fa510"
	credential = "v1;PPH1_MD4," + salt + ",1000,15063accda1fbd262c6e750169dd59c15e194e7965436c8e552f6f0cc0b69450;"
)

func TestCredential(t *testing.T) {
	nt, err := ntlm.NTHash("password")
	if err != nil || hex.EncodeToString(nt) != ntPassword {
		t.Fatalf("%x, %v", nt, err)
	}
	if known, err := Parse(credential); err != nil || !known.Matches("password") || known.Matches("passwore") || known.Encode() != credential {
		t.Errorf("the known credential: %v", err)
	}
	c, err := New(rand.Reader, nt)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(c.Encode())
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"password": true, "Password": false, "": false, "passwor\u0500": false} {
		if c.Matches(password) != want || again.Matches(password) != want {
			t.Errorf("%q matches: %v, %v", password, c.Matches(password), again.Matches(password))
		}
	}
	if strings.Contains(c.Encode(), ntPassword) || fmt.Sprint(c, *c) != "(sensitive) (sensitive)" || fmt.Sprintf("%#v", *c) != "(sensitive)" {
		t.Error("a credential tells what it holds")
	}
	other, err := New(rand.Reader, nt)
	if err != nil || other.Encode() == c.Encode() {
		t.Errorf("two credentials have one salt: %v", err)
	}
	if _, err := New(rand.Reader, nt[:15]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short hash: %v", err)
	}
}

func TestMalformed(t *testing.T) {
	good := strings.Repeat("ab", 32)
	for _, text := range []string{
		"", "v1;", "v1;PPH1_MD4,,,;", "v2;PPH1_MD4," + salt + ",1000," + good + ";", "v1;PPH1_MD4," + salt + ",1000," + good,
		"v1;PPH1_MD4," + salt + "00,1000," + good + ";", "v1;PPH1_MD4," + salt + ",1000," + good + "00;", "v1;PPH1_MD4," + salt + ",1," + good + ";",
		"v1;PPH1_MD4," + salt + ",1000000," + good + ";", "v1;PPH1_MD4," + salt + ",01000," + good + ";", "v1;PPH1_MD4," + salt + ",-1000," + good + ";",
		"v1;PPH1_MD4," + salt + ",1000," + good + ",x;", "v1;PPH1_MD4," + strings.Repeat("0", 500) + ",1000," + good + ";",
	} {
		if _, err := Parse(text); !errors.Is(err, ErrMalformed) || strings.Contains(fmt.Sprint(err), good) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(credential)
	f.Add("v1;PPH1_MD4,,,;")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err == nil && !strings.EqualFold(c.Encode(), text) {
			t.Fatalf("%q reads as %q", text, c.Encode())
		}
	})
}
