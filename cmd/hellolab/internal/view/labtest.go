package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"hellolab/engine/check"
	"hellolab/engine/labtest"
	"hellolab/providers/event"
)

// Tests writes the outcome of every run of every test file, and for one that did
// not come out as expected what was refused, where, what to do, and which line of
// the file is about it.
func Tests(w io.Writer, files []labtest.File, style Style) error {
	var b strings.Builder
	good, all := 0, 0
	for _, f := range files {
		fmt.Fprintf(&b, "%s\n", Bold(style, Escape(f.Name)))
		width := 0
		for _, r := range f.Runs {
			width = max(width, utf8.RuneCountInString(Escape(r.Name)))
		}
		for _, r := range f.Runs {
			all++
			word := style.paint(red, string(r.Status))
			switch r.Status {
			case labtest.Pass:
				good++
				word = style.paint(green, string(r.Status))
			case labtest.Skip:
				word = string(r.Status)
			}
			gap := strings.Repeat(" ", 7-len(r.Status)) // the words are four or five letters long
			fmt.Fprintf(&b, "  %s%s%s  %s\n", word, gap, pad(Escape(r.Name), width), runLine(r))
			if r.Status == labtest.Fail || r.Status == labtest.Error {
				if r.Verdict != nil && r.Verdict.Code != r.Expect {
					writeReason(&b, "           ", r.Verdict)
				}
				fmt.Fprintf(&b, "           at %s, line %d\n", Escape(r.Range.Filename), r.Range.Start.Line)
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%d of %s as expected, in %s.\n", good, Count(all, "run"), Count(len(files), "test file"))
	_, err := io.WriteString(w, b.String())
	return err
}

func runLine(r labtest.Result) string {
	switch {
	case r.Status == labtest.Skip:
		return "a run before it could not be run"
	case r.Status != labtest.Pass:
		return Escape(r.Message) + under(r.Faults)
	case r.Verdict != nil && r.Verdict.Code != check.Success:
		return "refused with " + Escape(r.Verdict.Code) + place(r.Verdict) + ", as expected" + under(r.Faults)
	case r.Expect != check.Success && r.Verdict == nil:
		return "ended with " + Escape(r.Expect) + ", as expected" + under(r.Faults)
	}
	if r.Command == "fault" { // which says so itself
		return Escape(r.Did)
	}
	return Escape(r.Did) + under(r.Faults)
}

// runJSON is one run in the JSON of the test command.
type runJSON struct {
	Name        string        `json:"name"`
	Command     string        `json:"command"`
	Status      string        `json:"status"` // pass, fail, error, skip
	Expect      string        `json:"expect,omitempty"`
	Faults      []string      `json:"faults,omitempty"` // that were on
	Did         string        `json:"did,omitempty"`
	Message     string        `json:"message,omitempty"`
	File        string        `json:"file"`
	Line        int           `json:"line"` // that is about it
	Verdict     *VerdictJSON  `json:"verdict,omitempty"`
	Diagnostics []noticeJSON  `json:"diagnostics,omitempty"`
	Events      []event.Event `json:"events,omitempty"`
}

// noticeJSON is a diagnostic of a run, in short.
type noticeJSON struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	Line     int    `json:"line,omitempty"`
}

type testFileJSON struct {
	Name   string    `json:"name"`
	Status string    `json:"status"`
	Runs   []runJSON `json:"runs"`
}

// TestsJSON writes the outcome for programs, events included.
func TestsJSON(w io.Writer, files []labtest.File) error {
	out := struct {
		FormatVersion string         `json:"format_version"`
		Passed        bool           `json:"passed"`
		Files         []testFileJSON `json:"files"`
	}{FormatVersion: "1.0", Passed: true, Files: []testFileJSON{}}
	for _, f := range files {
		out.Passed = out.Passed && f.Status == labtest.Pass
		file := testFileJSON{Name: f.Name, Status: string(f.Status), Runs: []runJSON{}}
		for _, r := range f.Runs {
			file.Runs = append(file.Runs, runJSON{
				Name: r.Name, Command: r.Command, Status: string(r.Status), Expect: r.Expect, Faults: r.Faults, Did: r.Did, Message: r.Message,
				File: r.Range.Filename, Line: r.Range.Start.Line, Verdict: ToVerdictJSON(r.Verdict), Diagnostics: notices(r.Diagnostics), Events: r.Events,
			})
		}
		out.Files = append(out.Files, file)
	}
	return WriteIndentedJSON(w, out)
}

func notices(diags hcl.Diagnostics) (out []noticeJSON) {
	for _, d := range diags {
		n := noticeJSON{Severity: "warning", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagError {
			n.Severity = "error"
		}
		if d.Subject != nil {
			n.Line = d.Subject.Start.Line
		}
		out = append(out, n)
	}
	return out
}

// TestsJUnit writes the outcome as JUnit XML, one suite a file.
func TestsJUnit(w io.Writer, files []labtest.File) error {
	all := struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []junitSuite
	}{}
	for _, f := range files {
		suite := junitSuite{Name: Escape(f.Name), Tests: len(f.Runs)}
		for _, r := range f.Runs {
			suite.add(runCase(f, r))
		}
		all.Suites = append(all.Suites, suite)
	}
	return writeJUnit(w, all)
}

func runCase(f labtest.File, r labtest.Result) junitCase {
	c := junitCase{Name: Escape(r.Name), Class: Escape(f.Name)}
	if r.Status == labtest.Pass {
		return c
	}
	if r.Status == labtest.Skip {
		c.Skipped = &junitProblem{Message: runLine(r)}
		return c
	}
	var b strings.Builder
	if r.Verdict != nil && r.Verdict.Code != r.Expect {
		writeReason(&b, "", r.Verdict)
	}
	for _, d := range r.Diagnostics {
		fmt.Fprintf(&b, "%s: %s\n", Escape(d.Summary), EscapeText(d.Detail))
	}
	fmt.Fprintf(&b, "%s:%d\n", Escape(r.Range.Filename), r.Range.Start.Line)
	p := &junitProblem{Message: Escape(r.Message), Text: b.String()}
	if r.Status == labtest.Fail {
		c.Failure = p
	} else {
		c.Error = p
	}
	return c
}
