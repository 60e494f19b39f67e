package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/state"
)

// before follows the edges of a plan: it reports whether a must finish before b begins.
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
		{name: "a name that an update gives up, too",
			before: base,
			after:  edit(`name   = "r"`, `name   = "s"`) + "rule \"a\" {\n site = site.a\n name = \"r\"\n}",
			want:   []string{"update rule.r < create rule.a"}},
		{name: "and for an update",
			before: base + "rule \"a\" {\n site = site.a\n name = \"a\"\n}",
			after:  edit(`name   = "r"`, `name   = "s"`) + "rule \"a\" {\n site = site.a\n name = \"r\"\n}",
			want:   []string{"update rule.r < update rule.a"}},
		{name: "names that change places are waited for by neither",
			before: base + "rule \"a\" {\n site = site.a\n name = \"a\"\n}",
			after:  edit(`name   = "r"`, `name   = "a"`) + "rule \"a\" {\n site = site.a\n name = \"r\"\n}",
			not:    []string{"update rule.r < update rule.a", "update rule.a < update rule.r"}},
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
