// Package view turns what the engine says into what a person or a program
// reads: plans, progress, diagnostics, verdicts and traces, as text or JSON.
//
// Everything a lab's author can name passes through Escape on its way out: a
// user called "alice\u202e" or one with a terminal escape in its name is shown
// for what it is and cannot reorder or recolour a report. Sensitive values are
// never formatted at all.
package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style says how text is dressed.
type Style struct {
	Color bool
	Width int // columns of the terminal; 0 means do not wrap
}

// Codes of Style.paint: the few colours that read well on light and dark.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	bold   = "1"
	dim    = "2"
)

func (s Style) paint(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Escape returns s with every character that does not print, newlines
// included, written as an HCL escape. Direction marks, zero-width characters
// and bytes that are not UTF-8 are among them.
func Escape(s string) string { return escape(s, false) }

// EscapeText is Escape for running text: line feeds and tabs stay.
func EscapeText(s string) string { return escape(s, true) }

func escape(s string, multiline bool) string {
	if plain(s, multiline) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r) || multiline && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func plain(s string, multiline bool) bool {
	for i, r := range s {
		if r == utf8.RuneError && s[i] != "\uFFFD"[0] {
			return false
		}
		if !unicode.IsPrint(r) && !(multiline && (r == '\n' || r == '\t')) {
			return false
		}
	}
	return true
}

// Quote writes s as an HCL string literal that reads back as s.
func Quote(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	s = strings.ReplaceAll(s, `"`, `\"`)
	s = strings.ReplaceAll(s, "${", "$${")
	s = strings.ReplaceAll(s, "%{", "%%{")
	return `"` + Escape(s) + `"`
}

// WriteJSON writes v as one line of JSON. Characters that do not print are
// \u escapes there, which mean the same to a parser and nothing to a terminal.
func WriteJSON(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return CopyJSON(w, data)
}

// WriteIndentedJSON is WriteJSON for people.
func WriteIndentedJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return CopyJSON(w, data)
}

// CopyJSON writes JSON that was made elsewhere, escaped as WriteJSON does.
func CopyJSON(w io.Writer, data []byte) error {
	_, err := w.Write(append(escapeJSON(bytes.TrimSuffix(data, []byte("\n"))), '\n'))
	return err
}

// escapeJSON replaces what does not print in marshalled JSON. Such characters
// occur inside strings only, where an escape may stand for any of them.
func escapeJSON(data []byte) []byte {
	if plain(string(data), true) {
		return data
	}
	out := make([]byte, 0, len(data)+16)
	for _, r := range string(data) {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+(r>>10), 0xDC00+(r&0x3FF))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// Wrap breaks s at spaces into lines of at most width columns; lines that
// begin with a space are left alone, and width 0 breaks nothing.
func Wrap(s string, width int) string {
	if width <= 0 {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if len(line) <= width || strings.HasPrefix(line, " ") {
			continue
		}
		var b strings.Builder
		col := 0
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case col == 0:
			case col+1+n > width:
				b.WriteByte('\n')
				col = 0
			default:
				b.WriteByte(' ')
				col++
			}
			b.WriteString(word)
			col += n
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}

// Count writes n with its noun: "1 check", "3 checks".
func Count(n int, noun string) string {
	s := strconv.Itoa(n) + " " + noun
	if n != 1 {
		s += "s"
	}
	return s
}

// Bold makes text stand out where the style allows it.
func Bold(s Style, text string) string { return s.paint(bold, text) }
