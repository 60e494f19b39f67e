package hello

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hellolab/providers/conformance/seed"
)

// anyPIN allows every PIN that is long enough and not simple.
var anyPIN = PINRules{MinimumLength: 4, MaximumLength: 127, Digits: Allow, Lower: Allow, Upper: Allow, Special: Allow}

func rulesOf(vs []Violation) []string {
	var rules []string
	for _, v := range vs {
		rules = append(rules, v.Rule)
	}
	return rules
}

func TestSimplePINsAreOneHundredAtEveryLength(t *testing.T) {
	for _, length := range []int{4, 5, 6} {
		limit, simple := 1, 0
		for range length {
			limit *= 10
		}
		for n := range limit {
			pin := []byte(fmt.Sprintf("%0*d", length, n))
			if len(CheckPIN(anyPIN, pin)) > 0 {
				simple++
			}
		}
		if simple != 100 {
			t.Errorf("%d simple PINs of %d digits, want 100", simple, length)
		}
	}
}

func TestSimplePIN(t *testing.T) {
	for pin, simple := range map[string]bool{
		"1111": true, "1234": true, "1357": true, "9630": true, "1593": true, "7036": true, "8901": true, "0000000000": true,
		"1231": false, "1872": false, "123a": false, "a1b2": false, "1243": false,
	} {
		if got := ShapeOfPIN([]byte(pin)).Simple; got != simple {
			t.Errorf("%s: simple is %v", pin, got)
		}
	}
}

func TestCheckPIN(t *testing.T) {
	seed.Proves(t, "POL-06")
	digitsOnly := PINRules{MinimumLength: 6, MaximumLength: 8, Digits: Require, Lower: Forbid, Upper: Forbid, Special: Forbid}
	allRequired := PINRules{MinimumLength: 4, MaximumLength: 127, Digits: Require, Lower: Require, Upper: Require, Special: Require}
	for _, c := range []struct {
		rules PINRules
		pin   string
		want  []string
	}{
		{digitsOnly, "271828", nil},
		{digitsOnly, "27182", []string{"pin_too_short"}},
		{digitsOnly, "271828182", []string{"pin_too_long"}},
		{digitsOnly, "", []string{"pin_too_short", "pin_class_required"}},
		{digitsOnly, "27182a", []string{"pin_class_forbidden"}},
		{digitsOnly, "27182A", []string{"pin_class_forbidden"}},
		{digitsOnly, "27182!", []string{"pin_class_forbidden"}},
		{digitsOnly, "271 828", []string{"pin_character"}},
		{digitsOnly, "27182\x00", []string{"pin_character"}},
		{digitsOnly, "27182é", []string{"pin_character"}},
		{digitsOnly, "111111", []string{"pin_too_simple"}},
		{digitsOnly, "1111", []string{"pin_too_short", "pin_too_simple"}},
		{allRequired, "aB3~", nil},
		{allRequired, "aaaa", []string{"pin_class_required", "pin_class_required", "pin_class_required"}},
		{anyPIN, "horse", nil},
		{anyPIN, "!!!!", nil},
		{anyPIN, "\xff\xff\xff\xff", []string{"pin_character"}},
	} {
		if got := rulesOf(CheckPIN(c.rules, []byte(c.pin))); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q under %+v: %v, want %v", c.pin, c.rules, got, c.want)
		}
	}
}

// The special characters are exactly the CSP's list.
func TestPINCharacters(t *testing.T) {
	const special = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	for c := range 256 {
		s := ShapeOfPIN([]byte{byte(c)})
		want := PINShape{Length: 1}
		switch b := byte(c); {
		case strings.IndexByte("0123456789", b) >= 0:
			want.Digits = true
		case strings.IndexByte("abcdefghijklmnopqrstuvwxyz", b) >= 0:
			want.Lower = true
		case strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ", b) >= 0:
			want.Upper = true
		case strings.IndexByte(special, b) >= 0:
			want.Special = true
		default:
			want.Other = true
		}
		if s != want {
			t.Errorf("byte %#x: %+v, want %+v", c, s, want)
		}
	}
}

// What CheckPIN says never holds the PIN.
func TestViolationsDoNotHoldThePIN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pin := rapid.StringMatching(`[0-9]{5,12}[a-zA-Z!#]{3}`).Draw(t, "pin")
		class := rapid.SampledFrom([]ClassRule{Allow, Require, Forbid})
		rules := PINRules{
			MinimumLength: rapid.IntRange(4, 20).Draw(t, "min"),
			MaximumLength: rapid.IntRange(5, 21).Draw(t, "max"),
			Digits:        class.Draw(t, "digits"), Lower: class.Draw(t, "lower"), Upper: class.Draw(t, "upper"), Special: class.Draw(t, "special"),
		}
		vs := CheckPIN(rules, []byte(pin))
		for _, v := range vs {
			if strings.Contains(v.Sentence, pin) {
				t.Fatalf("%q tells of the PIN", v.Sentence)
			}
			if _, ok := ReasonFor(v.Rule); !ok {
				t.Fatalf("%s is no reason code", v.Rule)
			}
		}
		if !rules.Satisfiable() && len(vs) == 0 {
			t.Fatal("a PIN passed rules that none can satisfy")
		}
	})
}
