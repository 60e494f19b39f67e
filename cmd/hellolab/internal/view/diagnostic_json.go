package view

import (
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one diagnostic in the JSON shape of `terraform validate
// -json`, which editors and CI annotators already read.
type Diagnostic struct {
	Severity string             `json:"severity"` // "error" or "warning"
	Summary  string             `json:"summary"`
	Detail   string             `json:"detail"`
	Range    *Range             `json:"range,omitempty"`
	Snippet  *DiagnosticSnippet `json:"snippet,omitempty"`
}

// Range is a half-open range of a file; lines and columns begin at 1.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is a place in a file.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// DiagnosticSnippet is the source of a Range; the highlight offsets count
// bytes of Code.
type DiagnosticSnippet struct {
	Context              *string           `json:"context"`
	Code                 string            `json:"code"`
	StartLine            int               `json:"start_line"`
	HighlightStartOffset int               `json:"highlight_start_offset"`
	HighlightEndOffset   int               `json:"highlight_end_offset"`
	Values               []expressionValue `json:"values"`
}

// expressionValue is a traversal and what may be said of its value.
type expressionValue struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// DiagnosticJSON converts one diagnostic.
func DiagnosticJSON(d *hcl.Diagnostic, files map[string]*hcl.File) Diagnostic {
	out := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	out.Range = &Range{Filename: d.Subject.Filename, Start: Pos(d.Subject.Start), End: Pos(d.Subject.End)}
	snip, ok := snippetOf(d, files[d.Subject.Filename])
	if !ok {
		return out
	}
	s := &DiagnosticSnippet{StartLine: d.Subject.Start.Line, Values: valuesInScope(d)}
	if s.Values == nil {
		s.Values = []expressionValue{}
	}
	if snip.context != "" {
		s.Context = &snip.context
	}
	lines := make([]string, len(snip.lines))
	for i, l := range snip.lines {
		lines[i] = l.text
	}
	s.Code = strings.Join(lines, "\n")
	s.HighlightStartOffset = clamp(d.Subject.Start.Byte-snip.start, 0, len(s.Code))
	s.HighlightEndOffset = clamp(d.Subject.End.Byte-snip.start, s.HighlightStartOffset, len(s.Code))
	out.Snippet = s
	return out
}

// validateOutput is the JSON of the validate command.
type validateOutput struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	ErrorCount    int          `json:"error_count"`
	WarningCount  int          `json:"warning_count"`
	Diagnostics   []Diagnostic `json:"diagnostics"`
}

// ValidateJSON writes the result of validation.
func ValidateJSON(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	out := validateOutput{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []Diagnostic{}}
	for _, d := range sorted(diags) {
		if d.Severity == hcl.DiagWarning {
			out.WarningCount++
		} else {
			out.ErrorCount++
		}
		out.Diagnostics = append(out.Diagnostics, DiagnosticJSON(d, files))
	}
	return WriteIndentedJSON(w, out)
}
