package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/providers"
)

type rules struct {
	outdated string
	problems []plan.Problem
}

func (r rules) Validate([]providers.Record) []plan.Problem { return r.problems }

func (r rules) Outdated(rec providers.Record, _ []providers.Record) (string, bool) {
	return "the flow is another now", rec.Addr == r.outdated
}

// handing is rules that leave passes to machines.
type handing struct{ rules }

func (handing) Handovers(rec providers.Record, objects []providers.Record) []plan.Handover {
	if rec.Kind != "pass" || len(objects) == 0 {
		return nil
	}
	return []plan.Handover{{To: "machine.m", Stage: "opening", Flow: "X1", Waits: true, Text: "Later."}}
}

func (handing) Stages(rec providers.Record, objects []providers.Record) []plan.Stage {
	if rec.Kind != "pass" || len(objects) == 0 {
		return nil
	}
	return []plan.Stage{{Name: "printing", Runs: true}, {Name: "stamping", Why: "Nobody stamps."}}
}

// What others carry on, and the stages, are told of what is made, and of nothing else.
func TestHandovers(t *testing.T) {
	r := rig.New(t)
	told := func(p *plan.Plan) (out []string) {
		for _, c := range p.Changes {
			for _, h := range c.Handovers {
				out = append(out, string(c.Action)+" "+c.Addr.String()+" "+h.To)
			}
			for _, s := range c.Stages {
				out = append(out, s.Name)
			}
		}
		return out
	}
	r.Rules = handing{}
	p, _ := r.MustPlan(t, base)
	if diff := cmp.Diff([]string{"create pass.p machine.m", "printing", "stamping"}, told(p)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	r.MustApply(t, base)
	r.Rules = handing{rules{outdated: "pass.p"}}
	p, _ = r.MustPlan(t, base)
	if diff := cmp.Diff([]string{"replace pass.p machine.m", "printing", "stamping"}, told(p)); diff != "" {
		t.Errorf("made anew (-want +got):\n%s", diff)
	}
	r.Rules = handing{}
	if p, _ = r.MustPlan(t, base); told(p) != nil {
		t.Errorf("nothing is made: %q", told(p))
	}
}

func TestRules(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	r.Rules = rules{outdated: "pass.p"}
	p, _ := r.MustPlan(t, base)
	if diff := cmp.Diff([]string{"replace pass.p replace_by_rule"}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	r.Rules = rules{problems: []plan.Problem{
		{Addr: "rule.r", Attribute: "assign", Summary: "Cannot work", Detail: "For a reason."},
		{Addr: "machine.m", Attribute: "owner", Warning: true, Summary: "Odd", Detail: "Perhaps."},
	}}
	_, _, _, diags := r.Plan(base)
	diags = slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == "Secret in the configuration" })
	if len(diags) != 2 || diags[0].Severity != hcl.DiagError || diags[1].Severity != hcl.DiagWarning {
		t.Fatalf("diagnostics: %s", rig.Diagnostics(diags))
	}
	if line := diags[0].Subject.Start.Line; !strings.Contains(strings.Split(base, "\n")[line-1], "assign") {
		t.Errorf("the error stands at line %d", line)
	}
	if line := diags[1].Subject.Start.Line; !strings.Contains(strings.Split(base, "\n")[line-1], `machine "m"`) {
		t.Errorf("the warning about an attribute nobody wrote stands at line %d", line)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		before string
		after  string
		with   func(*plan.Request)
		want   string
	}{
		{name: "one thing twice", after: edit(`rule "r"`, "person \"other\" {\n site = site.a\n name = \"ann\"\n}\nrule \"r\""),
			want: "Declared twice"},
		{name: "prevent_destroy", before: base,
			after: edit(`name = "m"`, "name = \"n\"\n lifecycle { prevent_destroy = true }"),
			want:  "This object must not be destroyed"},
		{name: "prevent_destroy and destroy", before: base,
			after: edit(`name = "m"`, "name = \"m\"\n lifecycle { prevent_destroy = true }"),
			with:  func(req *plan.Request) { req.Mode = plan.Destroy },
			want:  "This object must not be destroyed"},
		{name: "a target that is not there", after: base, with: target("person.bo"), want: "No such object"},
		{name: "a replacement that is not there", after: base,
			with: func(req *plan.Request) { req.Replace = []addr.Instance{rig.Addr(t, "person.bo")} },
			want: "No such object"},
		{name: "references against the order of kinds",
			after: `
site "a" { name = "a" }
person "ann" {
  site = site.a
  name = "ann"
}
machine "m" {
  site = site.a
  name = "m"
}
pass "p" {
  person  = person.ann
  machine = machine.m
  pin     = "1234"
}
person "bo" {
  site = site.a
  name = "bo ${pass.p.id}"
}
`, want: "These wait for each other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t)
			if tt.before != "" {
				r.MustApply(t, tt.before)
			}
			with := tt.with
			if with == nil {
				with = func(*plan.Request) {}
			}
			p, result, _, diags := r.Plan(tt.after, with)
			if errs := rig.Errors(diags); p != nil || result != nil || len(errs) != 1 || errs[0].Summary != tt.want {
				t.Fatalf("plan %v, diagnostics: %s; want %q", p, rig.Diagnostics(diags), tt.want)
			}
		})
	}
}
