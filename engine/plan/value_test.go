package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
)

func TestUnknowns(t *testing.T) {
	r := rig.New(t)
	const src = `
value "a" { input = "x" }
value "b" { input = { id = value.a.id, text = value.a.output } }
output "o" { value = value.b.output }
`
	p, _ := r.MustPlan(t, src)
	b := p.Changes[1].After
	if id := b.GetAttr("input").GetAttr("id"); id.IsKnown() {
		t.Errorf("the id of an object that is to be made is known: %#v", id)
	}
	if text := b.GetAttr("input").GetAttr("text"); !text.RawEquals(cty.StringVal("x")) {
		t.Errorf("what a kind predicts is %#v, want x", text)
	}
	r.MustApply(t, src)
	// An update keeps what was learned: nothing else changes.
	p, _ = r.MustPlan(t, strings.Replace(src, `input = "x"`, `input = "y"`, 1))
	after := p.Changes[0].After
	if !after.GetAttr("id").IsKnown() || !after.GetAttr("output").RawEquals(cty.StringVal("y")) {
		t.Errorf("planned update: %#v", after)
	}
	// A replacement does not.
	p, _ = r.MustPlan(t, src, func(req *plan.Request) { req.Replace = []addr.Instance{rig.Addr(t, "value.a")} })
	if diff := cmp.Diff([]string{"replace value.a replace_by_request", "update value.b"}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if o := p.Outputs[0]; o.Action != plan.Update || o.After.IsWhollyKnown() {
		t.Errorf("output: %s %#v", o.Action, o.After)
	}
}

func TestSensitive(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	const src = `
variable "word" {
  type      = string
  sensitive = true
}
site "a" { name = "a" }
person "ann" {
  site   = site.a
  name   = "ann"
  secret = var.word
  note   = var.word
  labels = { plain = "p", hidden = var.word }
}
value "v" { input = { word = var.word, badge = person.ann.badge, plain = 1 } }
`
	p, _ := r.MustPlan(t, src)
	got := map[string][]string{}
	for _, c := range p.Changes {
		for _, path := range c.SensitiveAfter {
			got[c.Addr.String()] = append(got[c.Addr.String()], plan.PathString(path))
		}
	}
	want := map[string][]string{
		"person.ann": {"badge", `labels["hidden"]`, "note", "secret"},
		"value.v":    {"input.badge", "input.word", "output"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sensitive paths (-want +got):\n%s", diff)
	}
	r.MustApply(t, src)
	for name, o := range r.Objects(t) {
		if strings.Contains(string(o.In), "s3cret") {
			t.Errorf("%s stores a write-only value", name)
		}
	}
	r.MustConverge(t, src)
	if got := r.World.Secrets["person.ann"]; got != "hush" {
		t.Errorf("the kind saw the secret %q, want hush", got)
	}
}

func TestPaths(t *testing.T) {
	for _, s := range []string{"", "a", "a.b", `a["k.]\""].b[3]`, "a[0]"} {
		p, err := plan.ParsePath(s)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", s, err)
		} else if got := plan.PathString(p); got != s {
			t.Errorf("PathString(ParsePath(%q)) = %q", s, got)
		}
	}
	for _, s := range []string{"a.", ".a", "a[", "a[x]", `a["`, `a["k"`, "a[0", "a..b", "[0]b"} {
		if p, err := plan.ParsePath(s); err == nil {
			t.Errorf("ParsePath(%q) = %v", s, p)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add(`a.b["c"][3].d`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := plan.ParsePath(s)
		if err != nil {
			return
		}
		again, err := plan.ParsePath(plan.PathString(p))
		if err != nil || !again.Equals(p) {
			t.Errorf("%q: %v, then %v (%v)", s, p, again, err)
		}
	})
}

// TestTargetLeavesOtherOutputs: what -target leaves out is, to outputs, what
// it was.
func TestTargetLeavesOtherOutputs(t *testing.T) {
	r := rig.New(t)
	const src = `
value "a" { input = 1 }
value "b" { input = 1 }
output "a" { value = value.a.output }
output "b" { value = value.b.output }
`
	r.MustApply(t, src)
	edited := strings.ReplaceAll(src, "input = 1", "input = 2")
	p, e := r.MustPlan(t, edited, target("value.a"))
	if a, b := p.Outputs[0], p.Outputs[1]; a.Action != plan.Update || b.Action != plan.NoOp {
		t.Errorf("outputs: a %s, b %s", a.Action, b.Action)
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	p, _ = r.MustPlan(t, edited)
	if diff := cmp.Diff([]string{"update value.b"}, described(p)); diff != "" {
		t.Errorf("what is left to do (-want +got):\n%s", diff)
	}
}
