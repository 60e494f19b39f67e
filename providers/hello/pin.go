package hello

import (
	"fmt"
	"unicode/utf8"
)

// ClassRule says what a PIN may or must hold of one class of characters.
type ClassRule string

const (
	ClassUnset ClassRule = ""
	Allow      ClassRule = "allow"   // CSP value 0
	Require    ClassRule = "require" // CSP value 1
	Forbid     ClassRule = "forbid"  // CSP value 2
)

// Bounds of the PIN length settings (PassportForWork DDF).
const (
	ShortestPIN = 4
	LongestPIN  = 127
)

// PINRules are the rules that bind a PIN, defaults and fallbacks applied.
type PINRules struct {
	MinimumLength int
	MaximumLength int
	Digits        ClassRule
	Lower         ClassRule
	Upper         ClassRule
	Special       ClassRule
}

// Satisfiable reports whether any PIN meets the rules: not when every class is
// forbidden. Lengths never exclude each other, for a pair that would is ignored.
func (r PINRules) Satisfiable() bool {
	return r.Digits != Forbid || r.Lower != Forbid || r.Upper != Forbid || r.Special != Forbid
}

// PINShape is what the rules ask of a PIN, without the PIN: enough to judge a
// later policy, useless for signing in.
type PINShape struct {
	Length  int // in characters
	Digits  bool
	Lower   bool
	Upper   bool
	Special bool
	Other   bool // a character of no class
	Simple  bool // digits only, each the same distance from the one before
}

// Violation is one rule that a PIN breaks. It never holds the PIN.
type Violation struct {
	Rule     string // code of a Reason: "pin_too_short", …
	Sentence string
}

// CheckPIN returns the rules that pin breaks, none if it is acceptable. It
// keeps nothing of pin.
func CheckPIN(rules PINRules, pin []byte) []Violation { return rules.Check(ShapeOfPIN(pin)) }

// ShapeOfPIN describes a PIN. It keeps nothing of pin.
func ShapeOfPIN(pin []byte) PINShape {
	s := PINShape{Length: utf8.RuneCount(pin)}
	for _, c := range pin {
		switch {
		case c >= '0' && c <= '9':
			s.Digits = true
		case c >= 'a' && c <= 'z':
			s.Lower = true
		case c >= 'A' && c <= 'Z':
			s.Upper = true
		case c > ' ' && c < 0x7f: // what is left of printable ASCII is the CSP's list of special characters
			s.Special = true
		default:
			s.Other = true
		}
	}
	s.Simple = simplePIN(pin)
	return s
}

// simplePIN reports whether pin is all digits and each digit is the same
// distance, modulo ten, from the one before: 1111, 1234, 9630, 1593. Ten first
// digits and ten distances make 100 such PINs at every length (Windows Hello
// for Business FAQ).
func simplePIN(pin []byte) bool {
	if len(pin) < 2 {
		return false
	}
	for _, c := range pin {
		if c < '0' || c > '9' {
			return false
		}
	}
	step := (pin[1] - pin[0] + 10) % 10
	for i := 2; i < len(pin); i++ {
		if (pin[i]-pin[i-1]+10)%10 != step {
			return false
		}
	}
	return true
}

// Check returns the rules that a PIN of shape s breaks.
func (r PINRules) Check(s PINShape) []Violation {
	var vs []Violation
	add := func(rule, format string, args ...any) {
		vs = append(vs, Violation{rule, fmt.Sprintf(format, args...)})
	}
	if s.Length < r.MinimumLength {
		add("pin_too_short", "The PIN is shorter than %d characters.", r.MinimumLength)
	}
	if s.Length > r.MaximumLength {
		add("pin_too_long", "The PIN is longer than %d characters.", r.MaximumLength)
	}
	for _, class := range []struct {
		name string
		rule ClassRule
		held bool
	}{
		{"digit", r.Digits, s.Digits},
		{"lower-case letter", r.Lower, s.Lower},
		{"upper-case letter", r.Upper, s.Upper},
		{"special character", r.Special, s.Special},
	} {
		if class.rule == Require && !class.held {
			add("pin_class_required", "The PIN needs at least one %s.", class.name)
		}
		if class.rule == Forbid && class.held {
			add("pin_class_forbidden", "The PIN must not hold any %ss.", class.name)
		}
	}
	if s.Other {
		add("pin_character", "The PIN holds a character that is neither a digit, nor a Latin letter, nor one of the special characters.")
	}
	if s.Simple {
		add("pin_too_simple", "The PIN is too simple: each digit is the same distance from the one before.")
	}
	return vs
}

// DefaultPINRules are the rules of a PIN that no policy reaches: that of a
// Microsoft account on a device without work accounts.
func DefaultPINRules() PINRules { return new(World).InForce("", "").PIN() }
