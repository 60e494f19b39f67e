package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
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
		{name: "labelled blocks came", before: base, after: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { model = \"x\" }\n drive \"d\" {}"),
			want: []string{"update machine.m"}},
		{name: "a labelled block went", before: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { model = \"x\" }\n drive \"d\" {}"),
			after: edit(`name = "m"`, "name = \"m\"\n drive \"d\" {}"),
			want:  []string{"update machine.m"}},
		{name: "labelled blocks in another order", before: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { model = \"x\" }\n drive \"d\" {}"),
			after: edit(`name = "m"`, "name = \"m\"\n dynamic \"drive\" {\n for_each = { d = null, c = \"x\" }\n labels = [drive.key]\n content { model = drive.value }\n}")},
		{name: "something that cannot change in place, in a labelled block", before: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { model = \"x\" }\n drive \"d\" {}"),
			after: edit(`name = "m"`, "name = \"m\"\n drive \"c\" {\n model = \"y\"\n slots { model = \"z\" }\n}"),
			want: []string{
				"replace machine.m replace_because_cannot_update !drive[\"c\"].model !drive[\"c\"].slots.model",
				"replace pass.p replace_because_cannot_update !machine @machine"}},
		{name: "a reference in a labelled block is rebound", before: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { owner = person.ann }"),
			after: edit(`name   = "ann"`, `name   = "anna"`, `name = "m"`, "name = \"m\"\n drive \"c\" { owner = person.ann }"),
			want: []string{
				"update machine.m @drive[\"c\"].owner",
				"replace pass.p replace_because_cannot_update !person @person",
				"replace person.ann replace_because_cannot_update !name",
				"update rule.r @assign"}},
		{name: "differences in labelled blocks are ignored", before: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { size = 2 }\n drive \"d\" {}"),
			after: edit(`name = "m"`, "name = \"m\"\n drive \"c\" { size = 3 }\n drive \"new\" { size = 4 }\n lifecycle { ignore_changes = [drive[\"c\"].size, drive[\"d\"], drive[\"new\"].size] }"),
			want:  []string{"update machine.m"}},
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
