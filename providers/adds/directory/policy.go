package directory

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// PasswordPolicy is a domain's. Zero ages mean that passwords do not age.
type PasswordPolicy struct {
	MinLength  int
	Complexity bool
	History    int // former passwords that may not come back
	MaxAge     time.Duration
	MinAge     time.Duration
}

// never is an age that is not reached, as the domain's object has it.
const never = "-9223372036854775808"

// interval writes an age as the domain's object has it: negative ticks.
func interval(d time.Duration) string { return strconv.FormatInt(-int64(d/100), 10) }

// attributes are the policy as the domain's object holds it (MS-ADTS 6.1.1.1.1).
func (p PasswordPolicy) attributes() attrs {
	a := attrs{"maxPwdAge": never, "minPwdAge": interval(p.MinAge), "minPwdLength": strconv.Itoa(p.MinLength), "pwdHistoryLength": strconv.Itoa(p.History), "pwdProperties": "0"}
	if p.MaxAge > 0 {
		a["maxPwdAge"] = interval(p.MaxAge)
	}
	if p.Complexity {
		a["pwdProperties"] = "1"
	}
	return a
}

// readPolicy takes the policy from the domain's object, where administrators
// change it.
func (d *Directory) readPolicy(r reader) error {
	o, err := r.object(d.cfg.GUID.String())
	if err != nil {
		return fmt.Errorf("object of the domain: %w", err)
	}
	d.policy.Store(&PasswordPolicy{
		MinLength: o.count("minPwdLength"), History: o.count("pwdHistoryLength"), Complexity: o.number("pwdProperties")&1 != 0,
		MaxAge: o.age("maxPwdAge"), MinAge: o.age("minPwdAge"),
	})
	return nil
}

// Policy returns the policy in force.
func (d *Directory) Policy() PasswordPolicy { return *d.policy.Load() }

// complexity of a password: of five kinds of characters it must hold three,
// and neither the account's name nor a part of the display name of three
// characters or more ("Password must meet complexity requirements").
func complex(password, account, display string) bool {
	var upper, lower, digit, other, symbol bool
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsLower(r):
			lower = true
		case r >= '0' && r <= '9':
			digit = true
		case unicode.IsLetter(r):
			other = true
		default:
			symbol = true
		}
	}
	kinds := 0
	for _, has := range []bool{upper, lower, digit, other, symbol} {
		if has {
			kinds++
		}
	}
	folded := strings.ToLower(password)
	if len(account) >= 3 && strings.Contains(folded, strings.ToLower(account)) {
		return false
	}
	for _, part := range strings.FieldsFunc(strings.ToLower(display), func(r rune) bool { return strings.ContainsRune(",.-_ #\t", r) }) {
		if len(part) >= 3 && strings.Contains(folded, part) {
			return false
		}
	}
	return kinds >= 3
}
