package ldapmsg

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrFilter is wrapped by every error of ParseFilter.
var ErrFilter = errors.New("malformed filter")

// ParseFilter reads the text form (RFC 4515), within the bounds of a filter
// that a client sends. Spaces are allowed between filters only.
func ParseFilter(text string) (Filter, error) {
	if len(text) > maxFilterText {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrFilter, len(text), maxFilterText)
	}
	p := filterParser{text: text, budget: newBudget()}
	f, err := p.filter()
	if err != nil {
		return nil, err
	}
	if p.at != len(text) {
		return nil, p.fail("something after the filter")
	}
	return f, nil
}

type filterParser struct {
	text   string
	at     int
	budget *budget
}

func (p *filterParser) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrFilter, what, p.at)
}

// is steps over c if it comes next.
func (p *filterParser) is(c byte) bool {
	if p.at == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func (p *filterParser) spaces() {
	for p.is(' ') || p.is('\t') || p.is('\n') || p.is('\r') {
	}
}

func (p *filterParser) filter() (Filter, error) {
	if !p.budget.enter() {
		return nil, p.fail("too many or too deep conditions")
	}
	defer p.budget.leave()
	if !p.is('(') {
		return nil, p.fail("no opening parenthesis")
	}
	f, err := p.inside()
	if err != nil {
		return nil, err
	}
	if !p.is(')') {
		return nil, p.fail("no closing parenthesis")
	}
	return f, nil
}

func (p *filterParser) inside() (Filter, error) {
	switch {
	case p.is('&'):
		set, err := p.set()
		return And(set), err
	case p.is('|'):
		set, err := p.set()
		return Or(set), err
	case p.is('!'):
		p.spaces()
		f, err := p.filter()
		p.spaces()
		return Not{f}, err
	}
	return p.item()
}

func (p *filterParser) set() ([]Filter, error) {
	set := []Filter{}
	for p.spaces(); p.at < len(p.text) && p.text[p.at] == '('; p.spaces() {
		f, err := p.filter()
		if err != nil {
			return nil, err
		}
		set = append(set, f)
	}
	return set, nil
}

// name reads an attribute description or rule, which may be empty.
func (p *filterParser) name() (string, error) {
	begin := p.at
	for p.at < len(p.text) && nameChar(p.text[p.at]) {
		p.at++
	}
	if p.at-begin > maxAttributeName {
		return "", p.fail("a name is too long")
	}
	return p.text[begin:p.at], nil
}

func (p *filterParser) item() (Filter, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) && p.text[p.at] == ':' {
		return p.extensible(name)
	}
	if name == "" {
		return nil, p.fail("no attribute")
	}
	op := byte('=')
	for _, c := range []byte("<>~") {
		if p.is(c) {
			op = c
		}
	}
	if !p.is('=') {
		return nil, p.fail("no comparison")
	}
	pieces, err := p.values()
	if err != nil {
		return nil, err
	}
	switch {
	case op == '=' && len(pieces) > 1:
		return p.substrings(name, pieces)
	case len(pieces) > 1:
		return nil, p.fail("a star in an ordering")
	case op == '<':
		return LessOrEqual{name, pieces[0]}, nil
	case op == '>':
		return GreaterOrEqual{name, pieces[0]}, nil
	case op == '~':
		return Approx{name, pieces[0]}, nil
	}
	return Equal{name, pieces[0]}, nil
}

// substrings makes the filter of pieces between stars.
func (p *filterParser) substrings(name string, pieces [][]byte) (Filter, error) {
	last := len(pieces) - 1
	if last == 1 && len(pieces[0]) == 0 && len(pieces[1]) == 0 {
		return Present{name}, nil
	}
	f := Substrings{Attribute: name}
	if len(pieces[0]) > 0 {
		f.Initial = pieces[0]
	}
	if len(pieces[last]) > 0 {
		f.Final = pieces[last]
	}
	for _, piece := range pieces[1:last] {
		if len(piece) == 0 {
			return nil, p.fail("two stars side by side")
		}
		f.Any = append(f.Any, piece)
	}
	return f, nil
}

// extensible reads on after the attribute: [":dn"] [":" rule] ":=" value.
func (p *filterParser) extensible(name string) (Filter, error) {
	f := Extensible{Attribute: name}
	for p.is(':') {
		if p.is('=') {
			pieces, err := p.values()
			if err != nil {
				return nil, err
			}
			if len(pieces) > 1 {
				return nil, p.fail("a star in an extensible match")
			}
			if f.Value = pieces[0]; f.Attribute == "" && f.Rule == "" {
				return nil, p.fail("neither attribute nor rule")
			}
			return f, nil
		}
		word, err := p.name()
		switch {
		case err != nil:
			return nil, err
		case word == "" || f.Rule != "":
			return nil, p.fail("no rule")
		case strings.EqualFold(word, "dn") && !f.DNAttributes:
			f.DNAttributes = true
		default:
			f.Rule = word
		}
	}
	return nil, p.fail("no comparison")
}

// values reads up to a closing parenthesis, divided at stars.
func (p *filterParser) values() ([][]byte, error) {
	pieces, piece := [][]byte{}, []byte{}
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ')':
			return append(pieces, piece), nil
		case '(', 0:
			return nil, p.fail("a character that must be escaped")
		case '*':
			if len(pieces) > MaxFilterPieces {
				return nil, p.fail("too many pieces")
			}
			pieces, piece = append(pieces, piece), []byte{}
		case '\\':
			b, err := hex.DecodeString(p.text[min(p.at+1, len(p.text)):min(p.at+3, len(p.text))])
			if err != nil || len(b) != 1 {
				return nil, p.fail("a wrong escape")
			}
			piece = append(piece, b[0])
			p.at += 2
		default:
			piece = append(piece, c)
		}
		if len(piece) > MaxFilterValue {
			return nil, p.fail("a value is too long")
		}
	}
	return nil, p.fail("no closing parenthesis")
}
