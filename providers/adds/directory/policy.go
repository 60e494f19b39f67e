package directory

import (
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
