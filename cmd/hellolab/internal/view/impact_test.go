package view_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/plan"
)

var impactNow = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// report is that of the command line's own sample, with a few more rows.
func report() *impact.Report {
	ok := impact.Verdict{Word: "allowed", Reason: "success", Confidence: "D"}
	pair := func(user, device string) []impact.Pair { return []impact.Pair{{User: user, Device: device}} }
	return &impact.Report{Now: impactNow, At: impactNow, Enrollments: 40, Changed: 2, Lost: 1, Won: 0, Differ: 4, Rows: []impact.Row{
		{Effect: impact.Worse, Pairs: pair("user.alice", "device.laptop"), To: []string{"", "domain.corp"}, EveryWay: true, Before: ok, After: impact.Verdict{
			Word: "allowed", Reason: "change_pin_prompt", Action: "change_pin", When: "next_pin_signin", Sentence: "The PIN is 6 long, policy asks for 8.", Rule: "N1", Confidence: "C"}},
		{Effect: impact.Worse, Pairs: pair("user.bo", "device.kiosk"), To: []string{"tenant.contoso"}, EveryWay: true, Before: ok, After: impact.Verdict{
			Word: "at_risk", Reason: "tpm_missing", When: "next_provisioning", Sentence: "The key is in software, policy asks for a TPM.", Rule: "H1", Confidence: "?"}},
		{Effect: impact.Blocked, Pairs: pair("user.bo", "device.kiosk"), To: []string{"domain.corp"}, Gestures: []string{"face"}, Before: ok, After: impact.Verdict{
			Word: "refused", Reason: "biometrics_disabled", Flow: "A1", Phase: "A", Action: "use_pin", When: "next_unlock", Sentence: "Policy allows no biometric gestures.", Rule: "B1", Confidence: "D"}},
		{Effect: impact.Unchanged, Pairs: pair("user.cy", "device.kiosk"), To: []string{"domain.corp"}, EveryWay: true, Before: ok, After: ok},
	}}
}

func TestImpact(t *testing.T) {
	var b strings.Builder
	if err := view.Impact(&b, report(), false, view.Style{}); err != nil {
		t.Fatal(err)
	}
	want := `
Sign-in impact: 2 of 40 enrollments change.

  USER   DEVICE  TO       NOW      AFTER                     WHEN               WHY
  alice  laptop  corp     allowed  change PIN                next PIN sign-in   PIN is 6 long, policy asks for 8 (N1, C)
  bo     kiosk   contoso  allowed  at risk                   next provisioning  key is in software, policy asks for a TPM (H1, ?)
  bo     kiosk   corp     allowed  refused: use the PIN by face  next unlock        policy allows no biometric gestures (B1, A1.A, biometrics_disabled, D)
`
	if got := b.String(); squeeze(got) != squeeze(want) {
		t.Errorf("got\n%s", got)
	}
	// Columns begin where their heads do.
	lines := strings.Split(b.String(), "\n")
	head := lines[3]
	for _, line := range lines[4:7] {
		for _, column := range []string{"DEVICE", "TO", "NOW", "AFTER", "WHEN", "WHY"} {
			if at := strings.Index(head, column); line[at-2:at] != "  " || line[at] == ' ' {
				t.Errorf("%s of %q", column, line)
			}
		}
	}
	b.Reset()
	if err := view.Impact(&b, report(), true, view.Style{}); err != nil || b.String() != "\nSign-in impact: 2 of 40 enrollments change; 1 sign-in lost, 0 gained.\n" {
		t.Errorf("%v %q", err, b.String())
	}
}

func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

// What an author can name cannot break out of a table, in text or in Markdown.
func TestImpactOfHostileNames(t *testing.T) {
	r := report()
	r.Rows[0].Pairs[0].User = "user.all[\"a|b\u202e\n# x\"]"
	r.Gaps = []string{"device.x: name | `is` known later.\u200b"}
	var b strings.Builder
	if err := view.PlanMarkdown(&b, &plan.Plan{Mode: plan.Normal}, r, nil); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if strings.ContainsAny(got, "\u202e\u200b") || strings.Contains(got, "\n# x") || !strings.Contains(got, `a\|b`) || !strings.Contains(got, "- device.x: name \\| \\`is\\` known later.") {
		t.Errorf("%s", got)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.HasPrefix(line, "| all") && strings.Count(line, "|")-strings.Count(line, `\|`) != 8 {
			t.Errorf("%s", line)
		}
	}
}
