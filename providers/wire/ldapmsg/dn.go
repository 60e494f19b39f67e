package ldapmsg

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// DN is a distinguished name, the entry's own RDN first. The empty DN is the
// root of the tree.
type DN []RDN

// RDN is a relative distinguished name: one pair, in a domain always.
type RDN []AVA

// AVA is a pair of attribute type and value. Value is text without escapes.
type AVA struct{ Type, Value string }

// Bounds of a name.
const (
	maxDNText = 64 << 10 // bytes
	maxRDNs   = 128
	maxAVAs   = 16 // of one RDN
)

// ErrDN is wrapped by every error about a name's syntax; it is invalidDNSyntax
// on the wire.
var ErrDN = errors.New("malformed distinguished name")

// ParseDN reads the text form (RFC 4514), with spaces around separators as
// Windows allows, too. Values must be UTF-8 in the end; a value in "#" form must
// be a string.
func ParseDN(text string) (DN, error) {
	if len(text) > maxDNText {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrDN, len(text), maxDNText)
	}
	if strings.Trim(text, " ") == "" {
		return DN{}, nil
	}
	p := dnParser{text: text}
	var dn DN
	for {
		rdn, err := p.rdn()
		if err != nil {
			return nil, err
		}
		if dn = append(dn, rdn); len(dn) > maxRDNs {
			return nil, fmt.Errorf("%w: more than %d parts", ErrDN, maxRDNs)
		}
		if p.at == len(text) {
			return dn, nil
		}
		p.at++ // the separator
	}
}

// dnParser reads a name from at on.
type dnParser struct {
	text string
	at   int
}

func (p *dnParser) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrDN, what, p.at)
}

func (p *dnParser) spaces() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// rdn reads up to a separator ("," or, as in RFC 2253, ";") or the end.
func (p *dnParser) rdn() (RDN, error) {
	var rdn RDN
	for {
		p.spaces()
		begin := p.at
		for p.at < len(p.text) && nameChar(p.text[p.at]) && p.text[p.at] != ';' {
			p.at++
		}
		kind := p.text[begin:p.at]
		p.spaces()
		if kind == "" || p.at == len(p.text) || p.text[p.at] != '=' {
			return nil, p.fail("no attribute type")
		}
		p.at++
		p.spaces()
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		if rdn = append(rdn, AVA{kind, value}); len(rdn) > maxAVAs {
			return nil, p.fail("too many pairs")
		}
		if p.at == len(p.text) || p.text[p.at] != '+' {
			return rdn, nil
		}
		p.at++
	}
}

// value reads an attribute value and leaves at on what ends it.
func (p *dnParser) value() (string, error) {
	var b []byte
	kept := 0 // length of b that trailing spaces do not shorten
	switch {
	case p.at < len(p.text) && p.text[p.at] == '#':
		return p.hexValue()
	case p.at < len(p.text) && p.text[p.at] == '"': // RFC 2253 4
		return p.quoted()
	}
loop:
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ',', ';', '+':
			break loop
		case '\\':
			c, err := p.escape()
			if err != nil {
				return "", err
			}
			b = append(b, c)
			kept = len(b)
		case '"', '<', '>', 0:
			return "", p.fail("a character that must be escaped")
		default:
			if b = append(b, c); c != ' ' {
				kept = len(b)
			}
		}
	}
	return p.checked(b[:kept])
}

func (p *dnParser) checked(b []byte) (string, error) {
	if len(b) == 0 {
		return "", p.fail("no value")
	}
	if !utf8.Valid(b) {
		return "", p.fail("a value is not UTF-8")
	}
	return string(b), nil
}

// escape reads "\" and two digits or one special character; at stays on its
// last octet.
func (p *dnParser) escape() (byte, error) {
	rest := p.text[p.at+1:]
	if len(rest) >= 2 {
		if v, err := hex.DecodeString(rest[:2]); err == nil {
			p.at += 2
			return v[0], nil
		}
	}
	if rest == "" || !strings.ContainsRune(` "#+,;<=>\`, rune(rest[0])) {
		return 0, p.fail("a wrong escape")
	}
	p.at++
	return rest[0], nil
}

// quoted reads a value in quotation marks.
func (p *dnParser) quoted() (string, error) {
	var b []byte
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		c := p.text[p.at]
		if c == '\\' {
			var err error
			if c, err = p.escape(); err != nil {
				return "", err
			}
		}
		b = append(b, c)
	}
	if p.at == len(p.text) {
		return "", p.fail("no closing quotation mark")
	}
	p.at++
	if p.spaces(); p.at < len(p.text) && !strings.ContainsRune(",;+", rune(p.text[p.at])) {
		return "", p.fail("something after a quotation")
	}
	return p.checked(b)
}

// hexValue reads "#" and the BER of a value, which must be a string.
func (p *dnParser) hexValue() (string, error) {
	begin := p.at + 1
	for p.at < len(p.text) && !strings.ContainsRune(",;+ ", rune(p.text[p.at])) {
		p.at++
	}
	b, err := hex.DecodeString(p.text[begin:p.at])
	if err != nil {
		return "", p.fail("wrong digits")
	}
	identifier, first, end, err := header(b)
	if err != nil || end != len(b) || !slices.Contains([]byte{tagOctetString, 0x0c, 0x13, 0x16}, identifier) {
		return "", p.fail("a value in hexadecimal is no string")
	}
	p.spaces()
	if p.at < len(p.text) && !strings.ContainsRune(",;+", rune(p.text[p.at])) {
		return "", p.fail("something after a value")
	}
	return p.checked(b[first:])
}

// String returns the text form, without spaces between parts.
func (d DN) String() string {
	var b []byte
	for i, rdn := range d {
		if i > 0 {
			b = append(b, ',')
		}
		b = rdn.appendText(b)
	}
	return string(b)
}

// String returns the text form of one part.
func (r RDN) String() string { return string(r.appendText(nil)) }

func (r RDN) appendText(b []byte) []byte {
	for i, a := range r {
		if i > 0 {
			b = append(b, '+')
		}
		b = append(appendName(b, a.Type), '=')
		b = appendDNValue(b, a.Value)
	}
	return b
}

// appendDNValue escapes what RFC 4514 2.4 says, and control characters.
func appendDNValue(b []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; {
		case c < ' ' || c == 0x7f:
			b = appendEscape(b, c)
		case strings.IndexByte("\"+,;<=>\\", c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(value)-1):
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// Key returns a text that is the same for equal names and different for others:
// letter case, spaces beside others and the order of pairs in an RDN do not
// count (MS-ADTS 3.1.1.2.2.4).
func (d DN) Key() string {
	parts := make([]string, len(d))
	for i, rdn := range d {
		parts[i] = rdn.Key()
	}
	return strings.Join(parts, ",")
}

// Key is as DN.Key, of one part.
func (r RDN) Key() string {
	pairs := make([]string, len(r))
	for i, a := range r {
		pair := appendName(nil, typeName(a.Type))
		pairs[i] = string(appendDNValue(append(pair, '='), Fold(a.Value)))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "+")
}

// Fold returns a text as case-insensitive matching sees it: letters without
// case, runs of spaces as one, none at the ends.
func Fold(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(strings.ToUpper(s)), func(r rune) bool { return r == ' ' }), " ")
}

// typeName is an attribute type in lower case, by name where RFC 4519 knows the
// OID.
func typeName(t string) string {
	switch t = strings.ToLower(t); strings.TrimPrefix(t, "oid.") {
	case "2.5.4.3":
		return "cn"
	case "2.5.4.6":
		return "c"
	case "2.5.4.7":
		return "l"
	case "2.5.4.8":
		return "st"
	case "2.5.4.10":
		return "o"
	case "2.5.4.11":
		return "ou"
	case "0.9.2342.19200300.100.1.25":
		return "dc"
	case "0.9.2342.19200300.100.1.1":
		return "uid"
	}
	return t
}

// Equal says whether two names are the same.
func (d DN) Equal(other DN) bool { return len(d) == len(other) && d.Key() == other.Key() }

// Parent returns the name above; that of the root is the root.
func (d DN) Parent() DN {
	if len(d) == 0 {
		return d
	}
	return d[1:]
}

// Child returns the name below d with an RDN of one pair.
func (d DN) Child(kind, value string) DN {
	return append(DN{RDN{{kind, value}}}, d...)
}

// Under says whether d is base or below it.
func (d DN) Under(base DN) bool {
	_, ok := d.Relative(base)
	return ok
}

// Relative returns the parts of d below base: none for base itself.
func (d DN) Relative(base DN) (DN, bool) {
	n := len(d) - len(base)
	if n < 0 || !d[n:].Equal(base) {
		return nil, false
	}
	return d[:n:n], true
}
