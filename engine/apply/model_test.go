package apply_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hellolab/engine/internal/rig"
	"hellolab/state"
)

// valueLab draws a lab of value blocks: single, repeated, referring to those
// before them in every way the language has.
func valueLab(t *rapid.T) string {
	var b strings.Builder
	var single, each, counted []string
	ref := func() string {
		var options []string
		options = append(options, `"text"`, `7`, `[true, null]`, `{ a = { b = 1 } }`)
		for _, n := range single {
			options = append(options, "value."+n+".id", "value."+n+".output", "value."+n, "[value."+n+".id, value."+n+".output]")
		}
		for _, n := range each {
			options = append(options, "value."+n, "{ for k, v in value."+n+" : k => v.id }")
		}
		for _, n := range counted {
			options = append(options, "value."+n+"[*].id", "length(value."+n+")")
		}
		return rapid.SampledFrom(options).Draw(t, "input")
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "blocks") {
		if rapid.IntRange(0, 4).Draw(t, "absent") == 0 {
			continue
		}
		name := fmt.Sprintf("v%d", i)
		fmt.Fprintf(&b, "value %q {\n", name)
		switch rapid.IntRange(0, 3).Draw(t, "repetition") {
		case 0:
			keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "x.y", `q"`}), 0, 3, rapid.ID).Draw(t, "keys")
			for i := range keys {
				keys[i] = fmt.Sprintf("%q", keys[i])
			}
			fmt.Fprintf(&b, "  for_each = toset([%s])\n", strings.Join(keys, ", "))
			fmt.Fprintf(&b, "  input = { key = each.key, of = %s }\n", ref())
			each = append(each, name)
		case 1:
			fmt.Fprintf(&b, "  count = %d\n  input = [count.index, %s]\n", rapid.IntRange(0, 3).Draw(t, "count"), ref())
			counted = append(counted, name)
		default:
			fmt.Fprintf(&b, "  input = %s\n", ref())
			if len(single) > 0 && rapid.Bool().Draw(t, "depends") {
				fmt.Fprintf(&b, "  depends_on = [value.%s]\n", rapid.SampledFrom(single).Draw(t, "on"))
			}
			single = append(single, name)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "output \"o\" { value = %s }\n", ref())
	return b.String()
}

// TestPlanApplyConverges: whatever a lab was and becomes, one plan and one
// apply lead there, and the next plan is empty.
func TestPlanApplyConverges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		view := state.NewOverlay(state.Empty(state.Meta{Format: 1, Lineage: "model"}))
		r, err := rig.On(view, filepath.Join(t.TempDir(), "world"))
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Lab.Close()
		for range rapid.IntRange(1, 4).Draw(rt, "edits") {
			src := valueLab(rt)
			step(rt, r, src, true)
		}
	})
}

// step plans and applies src; with converge nothing may be left to do then.
func step(t *rapid.T, r *rig.Rig, src string, converge bool) (ok bool) {
	p, _, e, diags := r.Plan(src)
	if diags.HasErrors() {
		t.Fatalf("plan: %s\n%s", rig.Diagnostics(rig.Errors(diags)), src)
	}
	_, diags = r.Apply(p, e)
	if !converge {
		return !diags.HasErrors()
	}
	if diags.HasErrors() {
		t.Fatalf("apply: %s\n%s", rig.Diagnostics(rig.Errors(diags)), src)
	}
	p, _, _, diags = r.Plan(src)
	if diags.HasErrors() {
		t.Fatalf("plan after apply: %s\n%s", rig.Diagnostics(rig.Errors(diags)), src)
	}
	if !p.Empty() || len(p.Drift) > 0 {
		t.Fatalf("plan after apply is not empty: %v, %d drifted, outputs %v\n%s", actions(p), len(p.Drift), p.Outputs, src)
	}
	if err := consistent(r, p); err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return true
}

// TestFailuresConverge: systems that refuse calls, or break in the middle of a
// create, delay an apply and spoil nothing.
func TestFailuresConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		view := state.NewOverlay(state.Empty(state.Meta{Format: 1, Lineage: "model"}))
		r, err := rig.On(view, filepath.Join(t.TempDir(), "world"))
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Lab.Close()
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for range rapid.IntRange(1, 4).Draw(rt, "edits") {
			src := killLab(rnd)
			fails := rapid.SliceOfN(rapid.IntRange(0, 5), 12, 12).Draw(rt, "fails")
			calls := 0
			broken := func() bool { // one of six, in the order of calls
				calls++
				return fails[calls%len(fails)] == 0
			}
			r.World.Fail = func(call, kind, key string) error {
				r.World.Lock()
				defer r.World.Unlock()
				if broken() {
					return fmt.Errorf("%s %s %s is refused", call, kind, key)
				}
				return nil
			}
			r.World.HalfDone = func(kind, key string) error {
				r.World.Lock()
				defer r.World.Unlock()
				if broken() {
					return fmt.Errorf("%s %s breaks off", kind, key)
				}
				return nil
			}
			step(rt, r, src, false)
			r.World.Fail, r.World.HalfDone = nil, nil
			step(rt, r, src, true)
		}
	})
}
