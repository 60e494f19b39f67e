package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/providers"
	"hellolab/state"
)

// base is the lab that most tests begin with.
const base = `
site "a" { name = "a" }
person "ann" {
  site   = site.a
  name   = "ann"
  secret = "s3cret"
}
machine "m" {
  site = site.a
  name = "m"
}
rule "r" {
  site   = site.a
  name   = "r"
  assign = [person.ann]
}
pass "p" {
  person  = person.ann
  machine = machine.m
  pin     = "1234"
}
`

// edit returns base with some text replaced.
func edit(pairs ...string) string {
	s := base
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			panic("base has no " + pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

// described is what changes, one line each: action, address, and in brackets
// the reason, the replaced paths and the rebound ones.
func described(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action == plan.NoOp {
			continue
		}
		line := fmt.Sprintf("%s %s", c.Action, c.Addr)
		if c.Reason != "" {
			line += fmt.Sprintf(" %s", c.Reason)
		}
		for _, path := range c.Replace {
			line += " !" + plan.PathString(path)
		}
		for _, path := range c.Rebound {
			line += " @" + plan.PathString(path)
		}
		out = append(out, line)
	}
	return out
}

func TestActionsAndReasons(t *testing.T) {
	tests := []struct {
		name   string
		before string // applied first
		after  string
		with   func(*plan.Request)
		tweak  func(t *testing.T, r *rig.Rig)
		want   []string
	}{
		{name: "nothing exists", after: base, want: []string{
			"create machine.m", "create pass.p", "create person.ann", "create rule.r", "create site.a"}},
		{name: "nothing changed", before: base, after: base},
		{name: "an attribute changed", before: base, after: edit(`name   = "ann"`, "name   = \"ann\"\n note = \"new\""),
			want: []string{"update person.ann"}},
		{name: "a nested block came", before: base, after: edit(`name = "m"`, "name = \"m\"\n slots { count_of = 2 }"),
			want: []string{"update machine.m"}},
		{name: "a nested block came with something that cannot change in place", before: base,
			after: edit(`name = "m"`, "name = \"m\"\n slots { model = \"x\" }"),
			want: []string{
				"replace machine.m replace_because_cannot_update !slots.model",
				"replace pass.p replace_because_cannot_update !machine @machine"}},
		{name: "a write-only attribute changed", before: base, after: edit(`"s3cret"`, `"other"`)},
		{name: "its version changed", before: base, after: edit(`"s3cret"`, "\"other\"\n secret_version = 2"),
			want: []string{"update person.ann"}},
		{name: "a kind without update", before: base, after: edit(`pin     = "1234"`, "pin = \"5678\"\n pin_version = 2"),
			want: []string{"replace pass.p replace_because_cannot_update !pin_version"}},
		{name: "a name changed, and what refers to it is rebound", before: base, after: edit(`name   = "ann"`, `name   = "anna"`),
			want: []string{
				"replace pass.p replace_because_cannot_update !person @person",
				"replace person.ann replace_because_cannot_update !name",
				"update rule.r @assign"}},
		{name: "a home is made anew", before: base, after: edit(`name = "a"`, `name = "b"`),
			want: []string{
				"replace machine.m replace_because_cannot_update !site @site",
				"replace pass.p replace_because_cannot_update !machine !person @machine @person",
				"replace person.ann replace_because_cannot_update !site @site",
				"replace rule.r replace_because_cannot_update !site @assign @site",
				"replace site.a replace_because_cannot_update !name"}},
		{name: "a block is gone", before: base, after: edit("pass \"p\" {\n  person  = person.ann\n  machine = machine.m\n  pin     = \"1234\"\n}", ""),
			want: []string{"delete pass.p delete_because_no_resource_config"}},
		{name: "a key is gone",
			before: `value "v" { for_each = toset(["a", "b"]) }`,
			after:  `value "v" { for_each = toset(["b"]) }`,
			want:   []string{`delete value.v["a"] delete_because_each_key`}},
		{name: "every key is gone",
			before: `value "v" { for_each = toset(["a"]) }`,
			after:  `value "v" { for_each = toset([]) }`,
			want:   []string{`delete value.v["a"] delete_because_each_key`}},
		{name: "an index is gone",
			before: `value "v" { count = 2 }`,
			after:  `value "v" { count = 1 }`,
			want:   []string{`delete value.v[1] delete_because_count_index`}},
		{name: "the repetition is another",
			before: `value "v" { count = 1 }`,
			after:  `value "v" {}`,
			want:   []string{`create value.v`, `delete value.v[0] delete_because_wrong_repetition`}},
		{name: "a difference is ignored", before: base,
			after: edit(`name   = "ann"`, "name   = \"ann\"\n note = \"new\"\n lifecycle { ignore_changes = [note] }")},
		{name: "every difference is ignored", before: base,
			after: edit(`name   = "ann"`, "name   = \"anna\"\n note = \"new\"\n lifecycle { ignore_changes = all }")},
		{name: "a trigger",
			before: `value "a" { input = 1 }` + "\n" + `value "b" {}`,
			after:  `value "a" { input = 2 }` + "\n" + "value \"b\" {\n lifecycle { replace_triggered_by = [value.a] }\n}",
			want:   []string{"update value.a", "replace value.b replace_by_triggers"}},
		{name: "by request", before: base, after: base,
			with: func(req *plan.Request) {
				req.Replace = []addr.Instance{addr.Block{Kind: "machine", Name: "m"}.Instance(addr.Key{})}
			},
			want: []string{
				"replace machine.m replace_by_request",
				"replace pass.p replace_because_cannot_update !machine @machine"}},
		{name: "tainted", before: base, after: base,
			tweak: func(t *testing.T, r *rig.Rig) {
				change(t, r, "rule.r", func(o *state.Object) { o.Tainted = true })
			},
			want: []string{"replace rule.r replace_because_tainted"}},
		{name: "destroy", before: base, after: base, with: func(req *plan.Request) { req.Mode = plan.Destroy },
			want: []string{"delete machine.m", "delete pass.p", "delete person.ann", "delete rule.r", "delete site.a"}},
		{name: "refresh only", before: base, after: edit(`name   = "ann"`, `name   = "anna"`),
			with: func(req *plan.Request) { req.Mode = plan.RefreshOnly }},
		{name: "a target and what it needs", after: base, with: target("person.ann"),
			want: []string{"create person.ann", "create site.a"}},
		{name: "a target that is destroyed takes what depends on it", before: base, after: base,
			with: func(req *plan.Request) { req.Mode = plan.Destroy; target("person.ann")(req) },
			want: []string{"delete pass.p", "delete person.ann", "delete rule.r"}},
		{name: "a target that is made anew takes what is made anew with it", before: base,
			after: edit(`name   = "ann"`, `name   = "anna"`, `name   = "r"`, "name   = \"r\"\n length = 9"),
			with:  target("person.ann"),
			want: []string{
				"replace pass.p replace_because_cannot_update !person @person",
				"replace person.ann replace_because_cannot_update !name",
				"update rule.r @assign"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t)
			if tt.before != "" {
				r.MustApply(t, tt.before)
			}
			if tt.tweak != nil {
				tt.tweak(t, r)
			}
			with := tt.with
			if with == nil {
				with = func(*plan.Request) {}
			}
			p, e := r.MustPlan(t, tt.after, with)
			if diff := cmp.Diff(tt.want, described(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			checkSteps(t, p)
			if _, diags := r.Apply(p, e); diags.HasErrors() {
				t.Fatalf("apply: %s", rig.Diagnostics(diags))
			}
			if p.Mode == plan.Normal && len(p.Targets) == 0 {
				r.MustConverge(t, tt.after)
			}
		})
	}
}

func target(a string) func(*plan.Request) {
	return func(req *plan.Request) {
		kind, name, _ := strings.Cut(a, ".")
		req.Targets = append(req.Targets, addr.Block{Kind: kind, Name: name}.Instance(addr.Key{}))
	}
}

// change edits a stored object.
func change(t *testing.T, r *rig.Rig, name string, edit func(*state.Object)) {
	t.Helper()
	err := r.View.Commit(context.Background(), func(w state.Writer) error {
		o, ok, err := state.GetObject(w, name)
		if err != nil || !ok {
			return fmt.Errorf("%s: %v, %w", name, ok, err)
		}
		edit(&o)
		return state.PutObject(w, o)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkSteps checks what every plan promises: steps wait for earlier ones, and
// each change has its steps.
func checkSteps(t *testing.T, p *plan.Plan) {
	t.Helper()
	count := map[string]int{}
	for i, s := range p.Steps {
		for _, before := range s.After {
			if int(before) >= i {
				t.Errorf("step %d (%s %s) waits for step %d", i, s.Action, s.Addr, before)
			}
		}
		if s.Action != plan.Wait {
			count[fmt.Sprintf("%s %s", s.Action, s.Addr)]++
		}
		for _, d := range s.Drops {
			count[fmt.Sprintf("delete %s", d.Addr)]++
		}
	}
	for _, c := range p.Changes {
		var steps []plan.Action
		switch c.Action {
		case plan.Replace:
			steps = []plan.Action{plan.Delete, plan.Create}
		case plan.NoOp:
		default:
			steps = []plan.Action{c.Action}
		}
		for _, a := range steps {
			key := fmt.Sprintf("%s %s", a, c.Addr)
			if count[key] != 1 {
				t.Errorf("%s: %d steps, want 1", key, count[key])
			}
			delete(count, key)
		}
	}
	for key := range count {
		t.Errorf("a step that no change asks for: %s", key)
	}
}

// order returns the position of a step in a plan, following edges only: before
// reports whether a must finish before b begins.
func before(t *testing.T, p *plan.Plan, a, b string) bool {
	t.Helper()
	index := func(name string) int32 {
		for i, s := range p.Steps {
			if fmt.Sprintf("%s %s", s.Action, s.Addr) == name {
				return int32(i)
			}
		}
		t.Fatalf("no step %q", name)
		return -1
	}
	from, todo, seen := index(a), []int32{index(b)}, map[int32]bool{}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v == from {
			return true
		}
		if !seen[v] {
			seen[v] = true
			todo = append(todo, p.Steps[v].After...)
		}
	}
	return false
}

func TestOrder(t *testing.T) {
	const noPass = "pass \"p\" {\n  person  = person.ann\n  machine = machine.m\n  pin     = \"1234\"\n}"
	tests := []struct {
		name          string
		before, after string
		with          func(*plan.Request)
		want          []string // "x < y"
		not           []string // no edges that way
	}{
		{name: "kinds come in order though nothing refers", after: base,
			want: []string{"create site.a < create rule.r", "create rule.r < create pass.p"},
			not:  []string{"create machine.m < create person.ann", "create person.ann < create machine.m"}},
		{name: "a delete, then the create of a replacement; dependents first and last", before: base,
			after: edit(`name   = "ann"`, `name   = "anna"`),
			want: []string{
				"delete pass.p < delete person.ann", "delete person.ann < create person.ann",
				"create person.ann < create pass.p", "create person.ann < update rule.r", "update rule.r < create pass.p"}},
		{name: "an update drops its reference before the referent goes",
			before: base,
			after:  edit("person \"ann\" {\n  site   = site.a\n  name   = \"ann\"\n  secret = \"s3cret\"\n}", "", "assign = [person.ann]", "assign = []", noPass, ""),
			want:   []string{"update rule.r < delete person.ann", "delete pass.p < delete person.ann"}},
		{name: "a name is free before it is used again",
			before: edit(noPass, "", "assign = [person.ann]", "assign = []"),
			after:  edit(`person "ann"`, `person "anna"`, noPass, "", "assign = [person.ann]", "assign = []"),
			want:   []string{"delete person.ann < create person.anna"}},
		{name: "through what does not change",
			before: `value "a" { input = 1 }` + "\n" + `value "b" { depends_on = [value.a] }` + "\n" + `value "c" { depends_on = [value.b] }`,
			after:  `value "a" { input = 2 }` + "\n" + `value "b" { depends_on = [value.a] }` + "\n" + "value \"c\" {\n depends_on = [value.b]\n input = 2 \n}",
			want:   []string{"update value.a < update value.c"}},
		{name: "what is destroyed goes with its home", before: base, after: base,
			with: func(req *plan.Request) { req.Mode = plan.Destroy }},
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
			p, _ := r.MustPlan(t, tt.after, with)
			checkSteps(t, p)
			for _, w := range tt.want {
				if a, b, _ := strings.Cut(w, " < "); !before(t, p, a, b) {
					t.Errorf("%s does not come before %s", a, b)
				}
			}
			for _, n := range tt.not {
				if a, b, _ := strings.Cut(n, " < "); before(t, p, a, b) {
					t.Errorf("%s must not wait for %s", b, a)
				}
			}
		})
	}
}

// TestMembersGoWithTheirHome: when a home without a home is destroyed, its
// members' Delete is not called, however deep they lie; when only a home in
// between is, it is.
func TestMembersGoWithTheirHome(t *testing.T) {
	deletes := func(r *rig.Rig) []string {
		var out []string
		for _, c := range r.World.Calls {
			if strings.HasPrefix(c, "delete ") {
				out = append(out, c)
			}
		}
		return out
	}
	t.Run("root", func(t *testing.T) {
		r := rig.New(t)
		r.MustApply(t, base)
		result := r.MustApply(t, base, func(req *plan.Request) { req.Mode = plan.Destroy })
		if diff := cmp.Diff([]string{"delete site a"}, deletes(r)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if result.Destroyed != 5 {
			t.Errorf("destroyed %d, want 5", result.Destroyed)
		}
		if left := r.Objects(t); len(left) > 0 {
			t.Errorf("the state still has %v", left)
		}
		if items, err := r.World.Items(); len(items) > 0 || err != nil {
			t.Errorf("the world still has %v, %v", items, err)
		}
	})
	t.Run("in between", func(t *testing.T) {
		r := rig.New(t)
		r.MustApply(t, base)
		r.MustApply(t, edit(`name = "m"`, `name = "n"`))
		want := []string{"delete pass person.ann on machine.m", "delete machine m"}
		if diff := cmp.Diff(want, deletes(r)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestBarriersStaySmall(t *testing.T) {
	r := rig.New(t)
	var src strings.Builder
	src.WriteString("site \"a\" { name = \"a\" }\n")
	const n = 200
	fmt.Fprintf(&src, `
person "all" {
  for_each = { for i in range(%d) : "p${i}" => i }
  site = site.a
  name = each.key
}
rule "all" {
  for_each = { for i in range(%d) : "r${i}" => i }
  site = site.a
  name = each.key
}
machine "all" {
  for_each = { for i in range(%d) : "m${i}" => i }
  site = site.a
  name = each.key
}
pass "all" {
  for_each = { for i in range(%d) : i => i }
  person   = person.all["p${each.key}"]
  machine  = machine.all["m${each.key}"]
  pin      = "1234"
}
`, n, n, n, n)
	p, _ := r.MustPlan(t, src.String())
	edges := 0
	for _, s := range p.Steps {
		edges += len(s.After)
	}
	if limit := 10 * len(p.Steps); edges > limit {
		t.Errorf("%d steps have %d edges, more than %d", len(p.Steps), edges, limit)
	}
	checkSteps(t, p)
}

func TestDrift(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	items, err := r.World.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		switch it.Kind {
		case "rule": // somebody changed it
			var in rig.Rule
			if err := json.Unmarshal(it.In, &in); err != nil {
				t.Fatal(err)
			}
			in.Length = 12
			it.In, _ = json.Marshal(in)
			b, _ := json.Marshal(it)
			overwrite(t, r, it, b)
		case "pass": // somebody removed it
			overwrite(t, r, it, nil)
		}
	}
	// Nothing wrote to a section, so nothing is read.
	p, _ := r.MustPlan(t, base)
	if len(p.Drift) > 0 {
		t.Fatalf("drift found without reading: %v", p.Drift)
	}
	for _, section := range []string{"site.a", "machine.m"} {
		err := state.NewSection(r.View, section).Update(context.Background(), func(w state.TableWriter) error {
			return w.Put("touched", "by somebody", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, e := r.MustPlan(t, base)
	var drift []string
	for _, c := range p.Drift {
		drift = append(drift, fmt.Sprintf("%s %s", c.Action, c.Addr))
	}
	if diff := cmp.Diff([]string{"delete pass.p", "update rule.r"}, drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"create pass.p", "update rule.r"}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	// The mood of a person changed, which is no drift, but time.
	if without, _ := r.MustPlan(t, base, func(req *plan.Request) { req.Refresh = false }); len(without.Drift) > 0 || !without.Empty() {
		t.Errorf("without refresh the plan is not empty: %v", described(without))
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	r.MustConverge(t, base)
}

// overwrite changes the world behind the engine's back.
func overwrite(t *testing.T, r *rig.Rig, it rig.Item, b []byte) {
	t.Helper()
	err := filepath.WalkDir(r.World.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		old, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(old), fmt.Sprintf("%q", it.ID)) || !strings.Contains(filepath.Base(path), it.Kind) {
			return err
		}
		if b == nil {
			return os.Remove(path)
		}
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGoneHomeTakesItsMembers(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	if err := os.RemoveAll(filepath.Join(r.World.Dir, "a")); err != nil {
		t.Fatal(err)
	}
	change(t, r, "site.a", func(o *state.Object) { o.ReadAt = nil })
	p, e := r.MustPlan(t, base)
	want := []string{"create machine.m", "create pass.p", "create person.ann", "create rule.r", "create site.a"}
	if diff := cmp.Diff(want, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	r.MustConverge(t, base)
}

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

type rules struct {
	outdated string
	problems []plan.Problem
}

func (r rules) Validate([]providers.Record) []plan.Problem { return r.problems }

func (r rules) Outdated(rec providers.Record, _ []providers.Record) (string, bool) {
	return "the flow is another now", rec.Addr == r.outdated
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

func TestReadFails(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, base)
	change(t, r, "rule.r", func(o *state.Object) { o.ReadAt = nil })
	if err := os.WriteFile(filepath.Join(r.World.Dir, "a", "site.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(t, r, "site.a", func(o *state.Object) { o.ReadAt = nil })
	_, _, _, diags := r.Plan(base)
	if errs := rig.Errors(diags); len(errs) != 1 || errs[0].Summary != "Reading site.a failed" {
		t.Errorf("diagnostics: %s", rig.Diagnostics(diags))
	}
}

// TestDependenciesAreKept: what an object depends on is remembered even when
// nothing else about it changes, because deletes go by it.
func TestDependenciesAreKept(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, `value "a" {}`+"\n"+`value "b" {}`)
	r.MustApply(t, `value "a" {}`+"\n"+`value "b" { depends_on = [value.a] }`)
	if deps := r.Objects(t)["value.b"].Deps; !slices.Equal(deps, []string{"value.a"}) {
		t.Errorf("value.b remembers %v", deps)
	}
	p, _ := r.MustPlan(t, ``)
	if !before(t, p, "delete value.b", "delete value.a") {
		t.Error("value.a would be deleted before what depends on it")
	}
}

// TestStaleCircle: two objects may each remember to depend on the other, when
// an apply failed in between. They can still be destroyed.
func TestStaleCircle(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, `value "a" {}`+"\n"+`value "b" { depends_on = [value.a] }`)
	change(t, r, "value.a", func(o *state.Object) { o.Deps = []string{"value.b"} })
	result := r.MustApply(t, ``)
	if result.Destroyed != 2 {
		t.Errorf("destroyed %d", result.Destroyed)
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
