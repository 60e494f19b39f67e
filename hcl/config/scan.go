package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds of a file. The parser and everything that walks its tree recurse on
// brackets, templates and chains of operators.
const (
	maxNesting = 200     // brackets, blocks and templates inside each other
	maxChain   = 1_000   // characters of operators and accessors of one expression, outside of its brackets
	maxTokens  = 500_000 // words, numbers, operators, brackets, lines
	// maxMelding bounds what the parser spends on joining the pieces of one
	// string (its lines, and what stands around each $ and %), in bytes copied:
	// quadratic in their number.
	maxMelding = 4 << 30
	// maxNumber bounds a number literal: reading one is quadratic in its length.
	maxNumber = 1_000
)

var utf8BOM = []byte("\xef\xbb\xbf")

// Scan checks a file against the bounds that protect the parser and returns
// the text to parse: the bytes without a byte order mark. The diagnostic is
// nil when the file may be parsed.
func Scan(name string, src []byte) ([]byte, *hcl.Diagnostic) {
	src = bytes.TrimPrefix(src, utf8BOM)
	if len(src) > MaxFile {
		return nil, errorf(startOf(name), "File too large", "A configuration file may have %d MiB, and this one has %d bytes. Split it.", MaxFile>>20, len(src))
	}
	if at := bytes.IndexByte(src, 0); at >= 0 {
		return nil, errorf(place(name, src, at), "Invalid character", "The file holds a NUL byte; it is no text, or not in UTF-8.")
	}
	for _, bom := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(src, []byte(bom)) {
			return nil, errorf(startOf(name), "Invalid encoding", "The file is in UTF-16. Configuration files are in UTF-8.")
		}
	}
	if !utf8.Valid(src) {
		return nil, errorf(place(name, src, invalidUTF8(src)), "Invalid encoding", "Here is a byte that is not UTF-8. Configuration files are in UTF-8.")
	}
	s := scanner{src: src}
	if what := s.scan(); what != "" {
		return src, errorf(place(name, src, s.at), "Too complex to be read", "%s", what)
	}
	return src, nil
}

// shown reports whether the text can be quoted in a diagnostic.
func shown(text []byte) bool {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if len(line) > 2000 {
			return false
		}
		text = rest
	}
	return true
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return 0
}

// place is the range of the byte at an offset.
func place(name string, src []byte, at int) *hcl.Range {
	line := 1 + bytes.Count(src[:at], []byte("\n"))
	begin := 1 + bytes.LastIndexByte(src[:at], '\n')
	p := hcl.Pos{Line: line, Column: 1 + utf8.RuneCount(src[begin:at]), Byte: at}
	end := p
	end.Byte, end.Column = min(at+1, len(src)), p.Column+1
	return &hcl.Range{Filename: name, Start: p, End: end}
}

// A scanner measures how deep the parser would recurse, without recursing. It
// follows the language's lexical grammar where that decides what a bracket is;
// in doubt (text that is no valid configuration) it counts rather more.
type scanner struct {
	src     []byte
	at      int
	levels  []level
	tokens  int
	deepest int // most levels open at once
	digits  int // of the number read last
	melding int // bytes the parser copies for the strings that ended
	// noClose: the search for the end of a block comment failed once.
	noClose bool
}

// level is one open bracket, block, string, heredoc or interpolation.
type level struct {
	open    byte // ( [ { for brackets, $ for an interpolation, " and < for templates
	marker  string
	chain   int  // operators since the last separator
	control int  // %{ if } and %{ for } that were not ended
	joined  bool // newlines do not separate: "{ for … }"
	begin   int  // of a template: offset in the file
	pieces  int  // of a template: literals the lexer makes of it
}

func (s *scanner) scan() string {
	s.levels = append(make([]level, 0, maxNesting+2), level{open: '{'})
	for s.at < len(s.src) {
		if len(s.levels)-1 > maxNesting {
			return fmt.Sprintf("Brackets, blocks and templates are nested more than %d deep here.", maxNesting)
		}
		top := &s.levels[len(s.levels)-1]
		if top.control > maxNesting {
			return fmt.Sprintf("Template directives are nested more than %d deep here.", maxNesting)
		}
		if top.chain > maxChain {
			return fmt.Sprintf("The operators of this expression have more than %d characters. Use local values, or functions on lists.", maxChain)
		}
		if s.digits > maxNumber {
			return fmt.Sprintf("This number has more than %d digits.", maxNumber)
		}
		if s.tokens > maxTokens {
			return fmt.Sprintf("The file has more than %d words, numbers, operators and lines. Split it.", maxTokens)
		}
		if top.pieces > 100 && s.melding+top.cost(s.at) > maxMelding {
			return "The strings of this file have too many lines, or too many $ and % signs. Keep large texts in files of their own, and read them with the function file."
		}
		if top.open == '"' || top.open == '<' {
			s.template(top)
		} else {
			s.code(top)
		}
	}
	return ""
}

// cost is what joining the pieces of a template takes that ends at an offset.
func (l *level) cost(end int) int { return l.pieces * (8*l.pieces + (end-l.begin)/2) }

func (s *scanner) push(open byte) {
	s.levels = append(s.levels, level{open: open, begin: s.at})
	s.deepest = max(s.deepest, len(s.levels)-1)
}

func (s *scanner) pop() { s.levels = s.levels[:len(s.levels)-1] }

func (s *scanner) has(prefix string) bool { return bytes.HasPrefix(s.src[s.at:], []byte(prefix)) }

// code reads one token outside of strings.
func (s *scanner) code(top *level) {
	c := s.src[s.at]
	switch {
	case c == ' ' || c == '\t' || c == '\r':
		s.at++
		return
	case c == '\n':
		s.at++
		s.tokens++
		if top.open == '{' && !top.joined {
			top.chain = 0
		}
		return
	case c == '#' || s.has("//"):
		// The newline ends the comment and, as ever, the item.
		s.tokens++
		if n := bytes.IndexByte(s.src[s.at:], '\n'); n >= 0 {
			s.at += n
		} else {
			s.at = len(s.src)
		}
		return
	case s.has("/*") && !s.noClose:
		if n := bytes.Index(s.src[s.at+2:], []byte("*/")); n >= 0 {
			s.at += 2 + n + 2
			return
		}
		s.noClose = true
	}
	s.tokens++
	switch c {
	case '(', '[', '{':
		if c == '[' {
			top.chain++
		}
		s.push(c)
		s.at++
		if c == '{' {
			s.levels[len(s.levels)-1].joined = s.forFollows()
		}
	case ')':
		s.close('(')
	case ']':
		s.close('[')
	case '}':
		s.closeBrace()
	case '"':
		s.push('"')
		s.at++
	case '<':
		if marker, n := heredoc(s.src[s.at:]); n > 0 {
			s.push('<')
			s.levels[len(s.levels)-1].marker = marker
			s.at += n
			return
		}
		top.chain++
		s.at++
	case ',':
		top.chain = 0
		s.at++
	case '!', '-', '+', '*', '/', '%', '>', '=', '&', '|', '?', '.', '~', '^', ':':
		top.chain++
		s.at++
	default:
		s.at++
		if c >= '0' && c <= '9' {
			s.number(top)
			return
		}
		for s.at < len(s.src) && isWord(s.src[s.at]) {
			s.at++
		}
	}
}

// number reads a number literal or more: what follows a dot may be an
// attribute, in which case it is short.
func (s *scanner) number(top *level) {
	begin := s.at
	for s.at < len(s.src) {
		switch c := s.src[s.at]; {
		case c == '.':
			top.chain++
		case c >= '0' && c <= '9', c == 'e', c == 'E':
		default:
			s.digits = s.at - begin
			return
		}
		s.at++
	}
	s.digits = s.at - begin
}

// close pops the innermost level when c closes it. The parser gives up on a
// bracket that does not match; counting on is safe.
func (s *scanner) close(open byte) {
	s.at++
	if n := len(s.levels); n > 1 && s.levels[n-1].open == open {
		s.pop()
	}
}

// closeBrace ends a block or an interpolation. The lexer pairs braces without
// regard to other brackets, and so decides where a template goes on; brackets
// left open inside are a syntax error at which the parser returns.
func (s *scanner) closeBrace() {
	s.at++
	for i := len(s.levels) - 1; i > 0; i-- {
		if open := s.levels[i].open; open == '{' || open == '$' {
			s.levels = s.levels[:i]
			return
		}
	}
}

// template reads a piece of a quoted string or heredoc.
func (s *scanner) template(top *level) {
	rest := s.src[s.at:]
	switch c := rest[0]; {
	case c == '"' && top.open == '"':
		s.at++
		s.endTemplate(top)
	case c == '\\' && top.open == '"':
		s.escape(rest)
	case s.has("$${") || s.has("%%{"):
		s.at += 3
		s.piece(top)
	case s.has("${"):
		s.tokens++
		s.push('$')
		s.at += 2
	case s.has("%{"):
		s.tokens++
		s.at += 2
		switch word := keyword(s.src[s.at:]); word {
		case "endif", "endfor":
			top.control = max(0, top.control-1)
		case "else":
		default:
			top.control++
		}
		s.push('$')
	case c == '\n':
		s.at++
		s.tokens++
		top.pieces++
		if n := ends(s.src[s.at:], top.marker); top.open == '<' && n > 0 {
			s.at += n
			s.endTemplate(top)
		}
	case c == '$' || c == '%':
		s.at++
		s.piece(top)
	default:
		s.at++
	}
}

// escape reads a backslash and what follows. Each that means nothing makes a
// diagnostic, which weighs as much as some words.
func (s *scanner) escape(rest []byte) {
	s.at += min(2, len(rest))
	s.tokens++
	if len(rest) < 2 || bytes.IndexByte([]byte(`nrt"\uU`), rest[1]) < 0 {
		s.tokens += 9
	}
}

// piece notes that the lexer ends one literal here and begins another.
func (s *scanner) piece(top *level) {
	top.pieces += 2
	s.tokens += 2
}

func (s *scanner) endTemplate(top *level) {
	s.melding += top.cost(s.at)
	s.pop()
}

// heredoc recognizes "<<MARKER newline" and "<<-MARKER newline".
func heredoc(b []byte) (marker string, n int) {
	if !bytes.HasPrefix(b, []byte("<<")) {
		return "", 0
	}
	n = 2
	if n < len(b) && b[n] == '-' {
		n++
	}
	start := n
	for n < len(b) && isWord(b[n]) {
		n++
	}
	marker = string(b[start:n])
	if !hclsyntax.ValidIdentifier(marker) {
		return "", 0
	}
	if bytes.HasPrefix(b[n:], []byte("\r\n")) {
		n++
	}
	if n >= len(b) || b[n] != '\n' {
		return "", 0
	}
	// The newline stays: the very next line may be the marker.
	return marker, n
}

// ends reports how many bytes of the line at b are the end marker.
func ends(b []byte, marker string) int {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if string(bytes.TrimSpace(line)) != marker {
		return 0
	}
	return len(bytes.TrimRight(line, "\r"))
}

// keyword returns the word a template directive begins with.
func keyword(b []byte) string {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("~")), " \t")
	n := 0
	for n < len(b) && n < 8 && b[n] >= 'a' && b[n] <= 'z' {
		n++
	}
	return string(b[:n])
}

func (s *scanner) forFollows() bool {
	b := bytes.TrimLeft(s.src[s.at:min(len(s.src), s.at+256)], " \t\r\n")
	return bytes.HasPrefix(b, []byte("for"))
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c >= 0x80
}
