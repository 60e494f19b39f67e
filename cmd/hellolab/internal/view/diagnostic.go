package view

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/zclconf/go-cty/cty"
)

// maxSnippetLines bounds the source lines shown with one diagnostic.
const maxSnippetLines = 8

// Diagnostics writes diagnostics in the layout of hcl.NewDiagnosticTextWriter,
// with the place underlined, names escaped and sensitive values left out.
// Warnings come first, so that the last thing read is what stopped the run.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, style Style) error {
	var b strings.Builder
	for _, d := range sorted(diags) {
		writeDiagnostic(&b, d, files, style)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sorted returns warnings before errors and each in the order of their places.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	out := slices.Clone(diags)
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		if a.Severity != b.Severity {
			return cmp.Compare(b.Severity, a.Severity) // DiagError is the smaller
		}
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		return cmp.Or(
			cmp.Compare(a.Subject.Filename, b.Subject.Filename),
			cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte),
		)
	})
	return slices.CompactFunc(out, same)
}

// same reports whether two diagnostics would read the same: several parts of
// an evaluation may complain about one place.
func same(a, b *hcl.Diagnostic) bool {
	if a.Severity != b.Severity || a.Summary != b.Summary || a.Detail != b.Detail {
		return false
	}
	if a.Subject == nil || b.Subject == nil {
		return a.Subject == b.Subject
	}
	return *a.Subject == *b.Subject
}

func writeDiagnostic(b *strings.Builder, d *hcl.Diagnostic, files map[string]*hcl.File, style Style) {
	if d.Severity == hcl.DiagWarning {
		b.WriteString(style.paint(yellow, "Warning"))
	} else {
		b.WriteString(style.paint(red, "Error"))
	}
	fmt.Fprintf(b, ": %s\n\n", style.paint(bold, Escape(d.Summary)))
	if d.Subject != nil {
		writeSnippet(b, d, files[d.Subject.Filename], style)
		writeValues(b, d)
	}
	if d.Detail != "" {
		fmt.Fprintf(b, "%s\n\n", Wrap(EscapeText(d.Detail), style.Width))
	}
}

func writeSnippet(b *strings.Builder, d *hcl.Diagnostic, file *hcl.File, style Style) {
	fmt.Fprintf(b, "  on %s line %d", Escape(d.Subject.Filename), d.Subject.Start.Line)
	snip, ok := snippetOf(d, file)
	if !ok {
		b.WriteString("\n\n")
		return
	}
	if snip.context != "" {
		fmt.Fprintf(b, ", in %s", Escape(snip.context))
	}
	b.WriteString(":\n")
	for _, line := range snip.lines {
		before, mark, after := line.split()
		fmt.Fprintf(b, "%4d: %s%s%s\n", line.number, before, style.paint(bold, mark), after)
		if mark != "" {
			fmt.Fprintf(b, "      %s%s\n", blank(before), style.paint(red, strings.Repeat("^", utf8.RuneCountInString(mark))))
		}
	}
	b.WriteByte('\n')
}

// blank returns white space as wide as s.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}

// snippet is the source that a diagnostic speaks of.
type snippet struct {
	context string // the block it stands in
	start   int    // byte offset of the first line
	lines   []snippetLine
}

// snippetLine is one line; from and to are byte offsets in text of the part
// the diagnostic points at.
type snippetLine struct {
	number   int
	text     string
	from, to int
}

func (l snippetLine) split() (before, mark, after string) {
	return escapeLine(l.text[:l.from]), escapeLine(l.text[l.from:l.to]), escapeLine(l.text[l.to:])
}

func escapeLine(s string) string { return EscapeText(strings.TrimSuffix(s, "\r")) }

// snippetOf cuts the lines of d's subject out of its file. Values given on the
// command line and in the environment are files, too, whose names begin with
// "<": they are not shown, because they may be the secret itself.
func snippetOf(d *hcl.Diagnostic, file *hcl.File) (snippet, bool) {
	if file == nil || len(file.Bytes) == 0 || strings.HasPrefix(d.Subject.Filename, "<") {
		return snippet{}, false
	}
	src := file.Bytes
	begin, end := d.Subject.Start.Byte, d.Subject.End.Byte
	if begin < 0 || begin > len(src) || end < begin {
		return snippet{}, false
	}
	end = min(max(end, begin+1), len(src))
	begin = min(begin, end)

	start := bytes.LastIndexByte(src[:begin], '\n') + 1
	snip := snippet{context: clip(hcled.ContextString(file, d.Subject.Start.Byte), maxContext), start: start}
	for n, at := d.Subject.Start.Line, start; len(snip.lines) < maxSnippetLines; n++ {
		stop := len(src)
		if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
			stop = at + i
		}
		text := clip(string(src[at:stop]), maxLine)
		snip.lines = append(snip.lines, snippetLine{
			number: n,
			text:   text,
			from:   clamp(begin-at, 0, len(text)),
			to:     clamp(end-at, 0, len(text)),
		})
		at = stop + 1
		if at >= end || at > len(src) {
			break
		}
	}
	return snip, true
}

// maxLine bounds a source line in a report: minified or hostile files have
// lines of megabytes.
const maxLine = 400

// Bounds of what stands beside the source: a block's header, and a string that
// the expression saw.
const (
	maxContext = 200
	maxString  = 100
)

// clip returns the first limit bytes of s, or a little less: whole characters.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for !utf8.RuneStart(s[cut]) && cut > limit-utf8.UTFMax {
		cut--
	}
	return s[:cut]
}

func clamp(n, low, high int) int { return max(low, min(n, high)) }

// writeValues tells what the expression saw, as far as that may be told.
func writeValues(b *strings.Builder, d *hcl.Diagnostic) {
	stmts := valuesInScope(d)
	for i, s := range stmts {
		lead, tail := "     ", ",\n"
		if i == 0 {
			lead = "with "
		}
		if i == len(stmts)-1 {
			tail = ".\n\n"
		}
		fmt.Fprintf(b, "%s%s %s%s", lead, s.Traversal, s.Statement, tail)
	}
}

// valuesInScope describes the values of the traversals in d's expression.
func valuesInScope(d *hcl.Diagnostic) []expressionValue {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	var out []expressionValue
	for _, t := range d.Expression.Variables() {
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			continue
		}
		name := traversalString(t)
		if slices.ContainsFunc(out, func(e expressionValue) bool { return e.Traversal == name }) {
			continue
		}
		out = append(out, expressionValue{Traversal: name, Statement: statement(v)})
	}
	slices.SortFunc(out, func(a, b expressionValue) int { return cmp.Compare(a.Traversal, b.Traversal) })
	return out
}

func statement(v cty.Value) string {
	if v.ContainsMarked() {
		return "has a sensitive value"
	}
	ty := v.Type()
	switch {
	case !v.IsKnown():
		return "is " + ty.FriendlyName() + ", known only after apply"
	case v.IsNull():
		return "is null"
	case ty == cty.String && len(v.AsString()) > maxString:
		s := v.AsString()
		return fmt.Sprintf("is a string of %d bytes that begins with %s", len(s), Quote(clip(s, maxString)))
	case ty == cty.Bool || ty == cty.Number || ty == cty.String:
		return "is " + scalar(v)
	case ty.IsCollectionType() || ty.IsTupleType():
		return "is " + ty.FriendlyName() + " with " + Count(v.LengthInt(), "element")
	case ty.IsObjectType():
		return "is object with " + Count(len(ty.AttributeTypes()), "attribute")
	}
	return "is " + ty.FriendlyName()
}

func traversalString(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(Escape(s.Name))
		case hcl.TraverseAttr:
			b.WriteString("." + Escape(s.Name))
		case hcl.TraverseIndex:
			if s.Key.Type().IsPrimitiveType() && s.Key.IsKnown() && !s.Key.IsMarked() {
				b.WriteString("[" + scalar(s.Key) + "]")
			} else {
				b.WriteString("[...]")
			}
		}
	}
	return b.String()
}
