package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/check"
	"hellolab/engine/journal"
	"hellolab/providers/event"
	"hellolab/providers/hello"
)

func TestEscape(t *testing.T) {
	tests := map[string]string{
		"plain · ünï":          "plain · ünï",
		"a\x1b[31mred":         `a\u001b[31mred`,
		"bo\u202egpj.exe":      `bo\u202egpj.exe`,
		"zero\u200bwidth":      `zero\u200bwidth`,
		"line\nfeed\ttab\r":    `line\nfeed\ttab\r`,
		"bad \xff utf-8":       `bad \xff utf-8`,
		"good \uFFFD rune":     "good \uFFFD rune",
		"tag \U000E0041":       `tag \U000e0041`,
		"\u2028line separator": `\u2028line separator`,
	}
	for in, want := range tests {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
	if got := EscapeText("a\n\tb\x07"); got != "a\n\tb\\u0007" {
		t.Errorf("EscapeText keeps line feeds and tabs: %q", got)
	}
}

// TestQuoteReadsBack: what Quote writes is the literal of the same string.
func TestQuoteReadsBack(t *testing.T) {
	for _, s := range []string{"", "x", `q"b\`, "${a} %{b}", "n\nt\t", "\u202e", "é", "$${", "\U000E0041"} {
		expr, diags := hclsyntax.ParseExpression([]byte(Quote(s)), "q", hcl.InitialPos)
		if diags.HasErrors() {
			t.Errorf("Quote(%q) = %s does not parse: %s", s, Quote(s), diags)
			continue
		}
		v, diags := expr.Value(nil)
		if diags.HasErrors() || v.AsString() != s {
			t.Errorf("Quote(%q) = %s reads back as %#v (%s)", s, Quote(s), v, diags)
		}
	}
}

func TestWriteJSONEscapes(t *testing.T) {
	var b strings.Builder
	in := map[string]string{"name": "a\u202eb\U000E0041\x1b"}
	if err := WriteJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), `{"name":"a\u202eb\udb40\udc41\u001b"}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back["name"] != in["name"] {
		t.Errorf("reads back as %q (%v)", back, err)
	}
}

func source(name, text string) map[string]*hcl.File {
	f, _ := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	return map[string]*hcl.File{name: f}
}

func rangeOf(file, text, part string) *hcl.Range {
	at := strings.Index(text, part)
	line := strings.Count(text[:at], "\n")
	col := at - strings.LastIndex(text[:at], "\n")
	return &hcl.Range{
		Filename: file,
		Start:    hcl.Pos{Line: line + 1, Column: col, Byte: at},
		End:      hcl.Pos{Line: line + 1, Column: col + len(part), Byte: at + len(part)},
	}
}

const badLab = "user \"alice\" {\n\tupm = \"x\u202e\"\n}\n"

func TestDiagnostics(t *testing.T) {
	expr, _ := hclsyntax.ParseExpression([]byte("var.pin + local.n"), "e", hcl.InitialPos)
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{
		"var":   cty.ObjectVal(obj{"pin": cty.StringVal("739146").Mark("sensitive")}),
		"local": cty.ObjectVal(obj{"n": cty.NumberIntVal(7)}),
	}}
	diags := hcl.Diagnostics{
		{
			Severity: hcl.DiagError, Summary: "Unsupported argument", Detail: "Did you mean \"upn\"?\x1b",
			Subject:    rangeOf("main.lab.hcl", badLab, "upm"),
			Expression: expr, EvalContext: scope,
		},
		{Severity: hcl.DiagWarning, Summary: "Beware"},
		{Severity: hcl.DiagError, Summary: "Bad value", Subject: &hcl.Range{Filename: "<value of -var pin>", Start: hcl.InitialPos, End: hcl.InitialPos}},
	}
	files := source("main.lab.hcl", badLab)
	files["<value of -var pin>"] = &hcl.File{Bytes: []byte("739146")}
	var b strings.Builder
	if err := Diagnostics(&b, diags, files, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `Warning: Beware

Error: Bad value

  on <value of -var pin> line 1

Error: Unsupported argument

  on main.lab.hcl line 2, in user "alice":
   2: 	upm = "x\u202e"
      	^^^

with local.n is 7,
     var.pin has a sensitive value.

Did you mean "upn"?\u001b

`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// The JSON is what Terraform's own library reads, and hides the same.
	b.Reset()
	if err := ValidateJSON(&b, diags, files); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "739146") {
		t.Errorf("the JSON holds the secret:\n%s", b.String())
	}
	var out tfjson.ValidateOutput
	if err := json.Unmarshal([]byte(b.String()), &out); err != nil {
		t.Fatal(err)
	}
	if out.Valid || out.ErrorCount != 2 || out.WarningCount != 1 || len(out.Diagnostics) != 3 {
		t.Errorf("counts: %+v", out)
	}
	snip := out.Diagnostics[2].Snippet
	if snip == nil || snip.Code[snip.HighlightStartOffset:snip.HighlightEndOffset] != "upm" || *snip.Context != `user "alice"` {
		t.Errorf("snippet: %+v", snip)
	}
}

// FuzzDiagnostics: no range, however wrong, and no source makes a report panic
// or lets a control character through.
func FuzzDiagnostics(f *testing.F) {
	f.Add("a = 1\n", 0, 3, 1)
	f.Add(badLab, 20, 24, 2)
	f.Add("", -1, 99, 0)
	f.Add(strings.Repeat("é", 500), 399, 401, 1)
	f.Fuzz(func(t *testing.T, src string, from, to, line int) {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: src, Subject: &hcl.Range{
			Filename: "f", Start: hcl.Pos{Line: line, Column: 1, Byte: from}, End: hcl.Pos{Line: line, Column: 1, Byte: to},
		}}
		files := map[string]*hcl.File{"f": {Bytes: []byte(src)}}
		var b strings.Builder
		if err := Diagnostics(&b, hcl.Diagnostics{d}, files, Style{Width: 40}); err != nil {
			t.Fatal(err)
		}
		if out := b.String(); !plain(out, true) {
			t.Errorf("unprintable output %q", out)
		}
		DiagnosticJSON(d, files)
	})
}

func TestTrace(t *testing.T) {
	began := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	events := []event.Event{
		{Seq: 1, At: began, Correlation: "c0ffee", Flow: "A1", Phase: "A", Actor: event.Winlogon, Peer: event.LSASS, Protocol: "local",
			Text: "Passes the credential.", User: "user.alice", Device: "device.laptop"},
		{Seq: 2, At: began.Add(12 * time.Millisecond), Correlation: "c0ffee", Flow: "A1", Phase: "B", Actor: event.CloudAP, Peer: event.EntraID, Protocol: "HTTPS",
			Text: "Asks for a nonce.", Message: map[string]any{
				"grant_type": "srv_challenge", "n": 3, "claims": map[string]any{"amr": []string{"ngcmfa", "rsa"}}, "evil": "x\u202ey\n",
			}},
		{Seq: 3, At: began.Add(1500 * time.Millisecond), Correlation: "c0ffee", Flow: "A1", Phase: "B", Actor: event.EntraID, Peer: event.CloudAP, Protocol: "HTTPS",
			Text: "Refuses the assertion.", Outcome: event.Refused, Reason: &event.Reason{
				Code: "AADSTS5000611", Name: "KeyUnknown", Sentence: "The key is not registered.", Hint: "Enroll again.",
			}},
	}
	flows := journal.Group(events, "run.jsonl")
	var b strings.Builder
	if err := Trace(&b, flows[0], Style{}); err != nil {
		t.Fatal(err)
	}
	want := `A1 · ` + hello.A1.Title() + `
user.alice on device.laptop
c0ffee · 2026-03-01T09:00:00Z

Phase A · ` + hello.A1.PhaseTitle("A") + `
     0.000  Winlogon → LSASS     local  Passes the credential.

Phase B · ` + hello.A1.PhaseTitle("B") + `
     0.012  Cloud AP → Entra ID  HTTPS  Asks for a nonce.
              claims:
                amr: ngcmfa, rsa
              evil: x\u202ey\n
              grant_type: srv_challenge
              n: 3
     1.500  Entra ID → Cloud AP  HTTPS  refused: Refuses the assertion.
              reason: AADSTS5000611 KeyUnknown
                      The key is not registered.
                hint: Enroll again.

Ended refused in phase B by Entra ID.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Reset()
	if err := Flows(&b, flows, Style{}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "2026-03-01T09:00:00Z  A1   user.alice on device.laptop  c0ffee  refused in phase B: AADSTS5000611\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestChecks(t *testing.T) {
	results := []check.Result{
		{Name: "in", Status: check.Pass, Expect: "success", Verdict: &check.Verdict{Code: check.Success, Flow: "A1", Phase: "E"}},
		{Name: "wrong_pin", Status: check.Pass, Expect: "wrong_pin", Verdict: &check.Verdict{Code: "wrong_pin", Flow: "A1", Phase: "B"}},
		{Name: "gone", Status: check.Fail, Expect: "success", Message: "expected success, got key_unknown", Verdict: &check.Verdict{
			Code: "key_unknown", Flow: "A1", Phase: "C",
			Reason: &event.Reason{Code: "AADSTS1", Name: "N", Sentence: "No such key.", Hint: "Enroll again."},
		}},
		{Name: "broken", Status: check.Error, Message: "device.x is not in the lab yet: apply first"},
		{Name: "assert", Status: check.Pass},
	}
	var b strings.Builder
	if err := Checks(&b, results, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `  pass   in         signed in, as expected
  pass   wrong_pin  refused with wrong_pin (A1, phase B), as expected
  fail   gone       expected success, got key_unknown
           AADSTS1 N (A1, phase C)
           No such key.
           hint: Enroll again.
  error  broken     device.x is not in the lab yet: apply first
  pass   assert     true

3 of 5 checks as expected.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Reset()
	if err := ChecksJUnit(&b, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="5" failures="1" errors="1"`, `<failure message="expected success, got key_unknown">`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("JUnit lacks %s:\n%s", want, b.String())
		}
	}
}
