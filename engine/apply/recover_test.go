package apply_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/state"
)

// TestRecover cuts an apply off by losing every commit from one on, as a kill
// does, and looks at what recovery makes of each intent.
func TestRecover(t *testing.T) {
	// cut applies src on a view that stops recording after the intent of step.
	cut := func(t *testing.T, r *rig.Rig, src, addr string, effect bool, with ...func(*plan.Request)) {
		t.Helper()
		p, e := r.MustPlan(t, src, with...)
		view := &cutView{View: r.View, addr: addr}
		if !effect {
			r.World.Fail = func(string, string, string) error {
				if view.cut() {
					return errRefused
				}
				return nil
			}
		}
		r.Apply(p, e, func(req *apply.Request) { req.View, req.Parallelism = view, 1 })
		r.World.Fail = nil
		if !view.cut() {
			t.Fatal("the intent was never written")
		}
	}
	const one = "site \"a\" { name = \"a\" }\n"
	const two = one + "machine \"m\" {\n site = site.a\n name = \"m\"\n}\n"
	tests := []struct {
		name    string
		before  string
		after   string
		addr    string
		effect  bool // the system did its part before the cut
		with    func(*plan.Request)
		outcome string
		recorded,
		there bool
	}{
		{"a create that happened", one, two, "machine.m", true, nil, "adopted", true, true},
		{"a create that did not", one, two, "machine.m", false, nil, "nothing", false, false},
		{"an update that happened", two, one + "machine \"m\" {\n site = site.a\n name = \"m\"\n owner = \"bo\"\n}\n", "machine.m", true, nil, "kept", true, true},
		{"an update that did not", two, one + "machine \"m\" {\n site = site.a\n name = \"m\"\n owner = \"bo\"\n}\n", "machine.m", false, nil, "kept", true, true},
		{"a delete that happened", two, one, "machine.m", true, nil, "forgotten", false, false},
		{"a delete that did not", two, one, "machine.m", false, nil, "kept", true, true},
		{"a home's delete that happened", two, "", "site.a", true, nil, "forgotten", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t)
			r.MustApply(t, tt.before)
			cut(t, r, tt.after, tt.addr, tt.effect)
			got, diags := apply.Recover(context.Background(), apply.RecoverRequest{Registry: r.Registry, View: r.View, Lab: r.Lab})
			if diags.HasErrors() {
				t.Fatalf("recover: %s", rig.Diagnostics(diags))
			}
			if len(got) != 1 || got[0].Outcome != tt.outcome || got[0].Addr.String() != tt.addr {
				t.Fatalf("recovered %+v, want %s %s", got, tt.addr, tt.outcome)
			}
			_, recorded := r.Objects(t)["machine.m"]
			items, err := r.World.Items()
			if err != nil {
				t.Fatal(err)
			}
			there := len(items) == 2
			if recorded != tt.recorded || there != tt.there {
				t.Errorf("machine.m is recorded: %v, there: %v; want %v, %v", recorded, there, tt.recorded, tt.there)
			}
			// A second recovery has nothing to do, and both ways lead on.
			if again, diags := apply.Recover(context.Background(), apply.RecoverRequest{Registry: r.Registry, View: r.View, Lab: r.Lab}); len(again) > 0 || diags.HasErrors() {
				t.Errorf("recovered again: %v %s", again, rig.Diagnostics(diags))
			}
			for _, src := range []string{tt.after, tt.before} {
				r.MustApply(t, src)
				r.MustConverge(t, src)
			}
		})
	}
}

// cutView loses every commit after the one that writes the intent of addr.
type cutView struct {
	state.View
	addr string
	gone bool
}

func (v *cutView) cut() bool { return v.gone }

func (v *cutView) Commit(ctx context.Context, fn func(state.Writer) error) error {
	if v.gone {
		return errRefused
	}
	if err := v.View.Commit(ctx, fn); err != nil {
		return err
	}
	return v.Read(func(r state.Reader) error {
		_, ok, err := state.GetIntent(r, v.addr)
		v.gone = ok
		return err
	})
}

// TestRecoverVanishedBlock: what was made for a block that is gone meanwhile
// is found, recorded and deleted.
func TestRecoverVanishedBlock(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	p, e := r.MustPlan(t, lab+"person \"cy\" {\n site = site.a\n name = \"cy\"\n}\n")
	view := &cutView{View: r.View, addr: "person.cy"}
	r.Apply(p, e, func(req *apply.Request) { req.View = view })
	if _, diags := apply.Recover(context.Background(), apply.RecoverRequest{Registry: r.Registry, View: r.View, Lab: r.Lab}); diags.HasErrors() {
		t.Fatalf("recover: %s", rig.Diagnostics(diags))
	}
	result := r.MustApply(t, lab)
	if result.Destroyed != 1 || result.Added != 0 {
		t.Errorf("result %+v", result)
	}
	p, _ = r.MustPlan(t, lab)
	if err := consistent(r, p); err != nil {
		t.Error(err)
	}
}

// TestRecoverUnanswered: while a system does not say what became of a step,
// nothing is planned on a guess.
func TestRecoverUnanswered(t *testing.T) {
	r := rig.New(t)
	p, e := r.MustPlan(t, lab)
	view := &cutView{View: r.View, addr: "site.a"}
	r.Apply(p, e, func(req *apply.Request) { req.View = view })
	broken := filepath.Join(r.World.Dir, "a", "site.json")
	whole, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, whole[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	req := apply.RecoverRequest{Registry: r.Registry, View: r.View, Lab: r.Lab}
	if _, diags := apply.Recover(context.Background(), req); len(rig.Errors(diags)) != 1 {
		t.Errorf("diagnostics: %s", rig.Diagnostics(diags))
	}
	if err := os.WriteFile(broken, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, diags := apply.Recover(context.Background(), req); diags.HasErrors() || len(got) != 1 || got[0].Outcome != "adopted" {
		t.Errorf("recovered %+v: %s", got, rig.Diagnostics(diags))
	}
}
