package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"hellolab/engine/check"
	"hellolab/providers/event"
)

// Checks writes the verdict of every check, and for one that did not come out
// as expected what was refused, where, and what to do.
func Checks(w io.Writer, results []check.Result, style Style) error {
	var b strings.Builder
	width, good := 0, 0
	for _, r := range results {
		width = max(width, utf8.RuneCountInString(Escape(r.Name)))
	}
	for _, r := range results {
		word := style.paint(red, string(r.Status))
		if r.Status == check.Pass {
			good++
			word = style.paint(green, string(r.Status))
		}
		// The words are four or five letters long.
		gap := strings.Repeat(" ", 7-len(r.Status))
		fmt.Fprintf(&b, "  %s%s%s  %s\n", word, gap, pad(Escape(r.Name), width), checkLine(r))
		if r.Status != check.Pass {
			checkDetail(&b, r)
		}
	}
	fmt.Fprintf(&b, "\n%d of %s as expected.\n", good, Count(len(results), "check"))
	_, err := io.WriteString(w, b.String())
	return err
}

func checkLine(r check.Result) string {
	if r.Status != check.Pass {
		return Escape(r.Message) + under(r.Faults)
	}
	if r.Verdict == nil {
		return "true"
	}
	if r.Verdict.Code == check.Success {
		return did(r.Does) + ", as expected" + under(r.Faults)
	}
	return "refused with " + Escape(r.Verdict.Code) + place(r.Verdict) + ", as expected" + under(r.Faults)
}

// did says what was done by an attempt that worked.
func did(attempt string) string {
	if attempt == "provision" {
		return "provisioned"
	}
	return "signed in"
}

// under names the faults that were on.
func under(faults []string) string {
	if len(faults) == 0 {
		return ""
	}
	return " (with " + Escape(strings.Join(faults, ", ")) + ")"
}

func place(v *check.Verdict) string {
	switch {
	case v.Flow != "" && v.Phase != "":
		return " (" + Escape(v.Flow) + ", phase " + Escape(v.Phase) + ")"
	case v.Flow != "":
		return " (" + Escape(v.Flow) + ")"
	}
	return ""
}

func checkDetail(b *strings.Builder, r check.Result) {
	if r.Verdict == nil {
		return
	}
	writeReason(b, "           ", r.Verdict)
}

// writeReason writes code, place, sentence and hint of a refusal.
func writeReason(b *strings.Builder, indent string, v *check.Verdict) {
	reason := v.Reason
	if reason == nil {
		return
	}
	line := Escape(reason.Code)
	if reason.Name != "" {
		line += " " + Escape(reason.Name)
	}
	fmt.Fprintf(b, "%s%s%s\n", indent, line, place(v))
	if reason.Sentence != "" {
		fmt.Fprintf(b, "%s%s\n", indent, Escape(reason.Sentence))
	}
	if reason.Hint != "" {
		fmt.Fprintf(b, "%shint: %s\n", indent, Escape(reason.Hint))
	}
}

// Verdict writes how one sign-in ended.
func Verdict(w io.Writer, user, device string, v *check.Verdict, style Style) error {
	return Ended(w, "Signed in", user, device, v, style)
}

// Ended writes how something ended that a user did at a device; done is the word
// for a good end.
func Ended(w io.Writer, done, user, device string, v *check.Verdict, style Style) error {
	var b strings.Builder
	if v.Code == check.Success {
		fmt.Fprintf(&b, "%s: %s%s\n", style.paint(green, done), subject(user, device), place(v))
	} else {
		fmt.Fprintf(&b, "%s: %s with %s\n", style.paint(red, "Refused"), subject(user, device), Escape(v.Code))
		writeReason(&b, "  ", v)
	}
	if v.ID != "" {
		fmt.Fprintf(&b, "  trace: hellolab trace %s\n", Escape(v.ID))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// checkJSON is one check in the JSON of the check command.
type checkJSON struct {
	Name    string        `json:"name"`
	Status  string        `json:"status"` // pass, fail, error
	Expect  string        `json:"expect"`
	Faults  []string      `json:"faults,omitempty"` // that were on
	Message string        `json:"message,omitempty"`
	Verdict *VerdictJSON  `json:"verdict,omitempty"`
	Events  []event.Event `json:"events,omitempty"`
}

// VerdictJSON is how a sign-in ended.
type VerdictJSON struct {
	Code   string        `json:"code"`
	Flow   string        `json:"flow,omitempty"`
	Phase  string        `json:"phase,omitempty"`
	Trace  string        `json:"trace,omitempty"`
	Reason *event.Reason `json:"reason,omitempty"`
}

// ToVerdictJSON converts a verdict.
func ToVerdictJSON(v *check.Verdict) *VerdictJSON {
	if v == nil {
		return nil
	}
	return &VerdictJSON{Code: v.Code, Flow: v.Flow, Phase: v.Phase, Trace: v.ID, Reason: v.Reason}
}

// ChecksJSON writes the verdicts for programs, events included.
func ChecksJSON(w io.Writer, results []check.Result) error {
	out := struct {
		FormatVersion string      `json:"format_version"`
		Passed        bool        `json:"passed"`
		Checks        []checkJSON `json:"checks"`
	}{FormatVersion: "1.0", Passed: true, Checks: []checkJSON{}}
	for _, r := range results {
		out.Passed = out.Passed && r.Status == check.Pass
		out.Checks = append(out.Checks, checkJSON{
			Name: r.Name, Status: string(r.Status), Expect: r.Expect, Faults: r.Faults, Message: r.Message,
			Verdict: ToVerdictJSON(r.Verdict), Events: r.Events,
		})
	}
	return WriteIndentedJSON(w, out)
}

// junitSuite is the JUnit XML that CI systems read.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *junitProblem `xml:"skipped,omitempty"`
}

// add counts a case.
func (s *junitSuite) add(c junitCase) {
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// ChecksJUnit writes the verdicts as JUnit XML.
func ChecksJUnit(w io.Writer, results []check.Result) error {
	suite := junitSuite{Name: "hellolab check", Tests: len(results)}
	for _, r := range results {
		c := junitCase{Name: Escape(r.Name), Class: "check"}
		if r.Status != check.Pass {
			p := &junitProblem{Message: Escape(r.Message)}
			if r.Verdict != nil {
				var b strings.Builder
				writeReason(&b, "", r.Verdict)
				p.Text = b.String()
			}
			if r.Status == check.Fail {
				c.Failure = p
			} else {
				c.Error = p
			}
		}
		suite.add(c)
	}
	return writeJUnit(w, suite)
}

func writeJUnit(w io.Writer, suite any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// CheckWarnings are warnings about the checks that did not come out as expected.
func CheckWarnings(results []check.Result) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range results {
		if r.Status == check.Pass {
			continue
		}
		d := &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Check " + strconv.Quote(r.Name) + " did not come out as expected",
			Detail:   strings.TrimSuffix(r.Message, ".") + ".",
			Subject:  r.Range.Ptr(),
		}
		if r.Verdict != nil && r.Verdict.Reason != nil {
			d.Detail += "\n" + r.Verdict.Reason.Sentence + " " + r.Verdict.Reason.Hint
		}
		diags = append(diags, d)
	}
	return diags
}
