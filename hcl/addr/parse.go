package addr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of an address. They keep names usable as keys, file names and labels.
const (
	MaxName = 64   // bytes of a kind, block or module name
	MaxKey  = 256  // bytes of a for_each key
	maxAddr = 8192 // bytes of a printed address
)

// ValidName reports whether s can name a block: ASCII letters, digits, "_" and
// "-", beginning with a letter or "_", at most MaxName bytes. One alphabet
// leaves no two names that look alike and differ.
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9', c == '-':
			if i == 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// ValidKey reports whether s can be a for_each key: UTF-8 of at most MaxKey bytes.
func ValidKey(s string) bool { return len(s) <= MaxKey && utf8.ValidString(s) }

// Parse reads an address as String prints it:
//
//	[ "module." NAME [ KEY ] "." ]… KIND "." NAME [ KEY ]
//	KEY = "[" digits "]" | "[" HCL string literal "]"
//
// Parse(a.String()) is a for every address a of valid names and keys.
func Parse(s string) (Instance, error) {
	if len(s) > maxAddr {
		return Instance{}, fmt.Errorf("address is longer than %d bytes", maxAddr)
	}
	p := parser{rest: s}
	var a Instance
	for {
		kind, err := p.name()
		if err != nil {
			return Instance{}, p.errorf(s, err)
		}
		if err := p.dot(); err != nil {
			return Instance{}, p.errorf(s, err)
		}
		name, err := p.name()
		if err != nil {
			return Instance{}, p.errorf(s, err)
		}
		key, err := p.key()
		if err != nil {
			return Instance{}, p.errorf(s, err)
		}
		if kind != "module" {
			a.Kind, a.Name, a.Key = kind, name, key
			break
		}
		if err := p.dot(); err != nil {
			return Instance{}, p.errorf(s, err)
		}
		a.Module = s[:len(s)-len(p.rest)-1]
	}
	if p.rest != "" {
		return Instance{}, p.errorf(s, errors.New("the address should end here"))
	}
	return a, nil
}

type parser struct{ rest string }

func (p *parser) errorf(s string, err error) error {
	return fmt.Errorf("invalid address %q, at byte %d: %w", s, len(s)-len(p.rest), err)
}

func (p *parser) name() (string, error) {
	end := strings.IndexAny(p.rest, ".[")
	if end < 0 {
		end = len(p.rest)
	}
	n := p.rest[:end]
	if !ValidName(n) {
		return "", errors.New("a name is expected: letters, digits, _ and -")
	}
	p.rest = p.rest[end:]
	return n, nil
}

func (p *parser) dot() error {
	rest, ok := strings.CutPrefix(p.rest, ".")
	if !ok {
		return errors.New("a dot is expected")
	}
	p.rest = rest
	return nil
}

func (p *parser) key() (Key, error) {
	rest, ok := strings.CutPrefix(p.rest, "[")
	if !ok {
		return Key{}, nil
	}
	if strings.HasPrefix(rest, `"`) {
		str, tail, err := unquote(rest)
		if err != nil {
			return Key{}, err
		}
		if !ValidKey(str) {
			return Key{}, fmt.Errorf("a key is UTF-8 of at most %d bytes", MaxKey)
		}
		if p.rest, ok = strings.CutPrefix(tail, "]"); !ok {
			return Key{}, errors.New("a closing bracket is expected after the key")
		}
		return Str(str), nil
	}
	digits, tail, ok := strings.Cut(rest, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || digits != strconv.FormatUint(n, 10) {
		return Key{}, errors.New("a key is a quoted string or a whole number, in brackets")
	}
	p.rest = tail
	return Int(int(n)), nil
}

// quote writes s as an HCL string literal. Template openers are doubled, and
// what is not printable is escaped, so that the printed address shows all it
// holds and, pasted into a configuration, means itself.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteString(s[i : i+size])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

// unquote reads the string literal at the start of s and returns what follows.
func unquote(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\n' || c == '\r':
			return "", "", errors.New("a quoted key ends on its line")
		case (c == '$' || c == '%') && strings.HasPrefix(s[i+1:], "{"):
			return "", "", errors.New("a key holds no template")
		case (c == '$' || c == '%') && strings.HasPrefix(s[i+1:], string(c)+"{"):
			b.WriteByte(c)
			b.WriteByte('{')
			i += 3
		case c == '\\':
			r, n, err := unescape(s[i+1:])
			if err != nil {
				return "", "", err
			}
			b.WriteRune(r)
			i += 1 + n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return "", "", errors.New("the quoted key does not end")
}

// unescape reads what follows a backslash and returns how many bytes it took.
func unescape(s string) (rune, int, error) {
	if s == "" {
		return 0, 0, errors.New("the quoted key does not end")
	}
	digits := 0
	switch s[0] {
	case 'n':
		return '\n', 1, nil
	case 'r':
		return '\r', 1, nil
	case 't':
		return '\t', 1, nil
	case '"', '\\':
		return rune(s[0]), 1, nil
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	}
	if digits == 0 || len(s) < 1+digits {
		return 0, 0, errors.New(`escapes are \n \r \t \" \\ \uNNNN \UNNNNNNNN`)
	}
	n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	r := rune(n)
	if err != nil || !utf8.ValidRune(r) || utf16.IsSurrogate(r) {
		return 0, 0, errors.New("an escape names no character")
	}
	return r, 1 + digits, nil
}
