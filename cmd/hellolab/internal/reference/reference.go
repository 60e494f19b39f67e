// Package reference renders what the program knows of itself as Markdown: the
// kinds of the language, its functions and bounds, and the commands. The same
// inputs give the same bytes.
//
// A document is written by hand around regions that are generated:
//
//	<!-- generated: kinds -->
//	<!-- end -->
//
// Fill replaces what stands between the two lines, so a document is its own
// template.
package reference

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	begin    = "<!-- generated: "
	beginEnd = " -->"
	end      = "<!-- end -->"
)

// Fill returns the document with its regions filled with the parts of their
// names. A region without a part, a part without a region, and a name that
// comes twice are errors: nothing goes missing in silence.
func Fill(doc []byte, parts map[string]string) ([]byte, error) {
	var out bytes.Buffer
	used := map[string]bool{}
	open := ""
	for i, line := range strings.SplitAfter(string(doc), "\n") {
		text := strings.TrimRight(line, "\r\n")
		name, starts := strings.CutPrefix(text, begin)
		switch {
		case starts && open != "":
			return nil, fmt.Errorf("line %d: a region begins inside of %q", i+1, open)
		case starts:
			name = strings.TrimSuffix(name, beginEnd)
			part, ok := parts[name]
			if !ok {
				return nil, fmt.Errorf("line %d: nothing is generated for the region %q", i+1, name)
			}
			if used[name] {
				return nil, fmt.Errorf("line %d: the region %q comes twice", i+1, name)
			}
			open, used[name] = name, true
			fmt.Fprintf(&out, "%s\n\n%s\n\n%s\n", text, strings.Trim(part, "\n"), end)
		case text == end && open == "":
			return nil, fmt.Errorf("line %d: no region ends here", i+1)
		case text == end:
			open = ""
		case open == "":
			out.WriteString(line)
		}
	}
	if open != "" {
		return nil, fmt.Errorf("the region %q does not end", open)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if !used[name] {
			return nil, fmt.Errorf("the document has no region %q: add the lines %q and %q", name, begin+name+beginEnd, end)
		}
	}
	return out.Bytes(), nil
}

// Example renders a file of the language.
func Example(src []byte) string {
	return "```hcl\n" + strings.TrimRight(string(src), "\n") + "\n```\n"
}

// page is text under construction.
type page struct{ strings.Builder }

// line writes one line.
func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// table writes a table with an empty line before.
func (p *page) table(columns []string, rows [][]string) {
	p.line("")
	p.line("| %s |", strings.Join(columns, " | "))
	p.line("|%s", strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = cell(c)
		}
		p.line("| %s |", strings.Join(cells, " | "))
	}
}

// cell escapes what would end a table cell.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`)
}

func code(s string) string { return "`" + s + "`" }

// list writes words as in "`a`, `b` or `c`".
func list(words []string, last string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = code(w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	n := len(quoted) - 1
	return strings.Join(quoted[:n], ", ") + " " + last + " " + quoted[n]
}
