package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/providers"
	"hellolab/state"
)

const lab = `
variable "word" {
  default   = "hush"
  sensitive = true
}
site "a" { name = "a" }
person "ann" {
  site   = site.a
  name   = "ann"
  secret = var.word
}
person "bo" {
  site = site.a
  name = "bo"
}
machine "m" {
  site = site.a
  name = "m"
}
pass "ann" {
  person  = person.ann
  machine = machine.m
  pin     = var.word
}
pass "bo" {
  person  = person.bo
  machine = machine.m
  pin     = var.word
}
output "id" { value = pass.ann.id }
`

var errRefused = errors.New("refused by the directory")

// refuse makes one call fail.
func refuse(call, kind, key string) func(c, k, n string) error {
	return func(c, k, n string) error {
		if c == call && k == kind && n == key {
			return errRefused
		}
		return nil
	}
}

func printed(list []addr.Instance) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func TestFailureSkipsDependents(t *testing.T) {
	r := rig.New(t)
	r.World.Fail = refuse("create", "person", "ann")
	p, e := r.MustPlan(t, lab)
	result, diags := r.Apply(p, e)
	errs := rig.Errors(diags)
	if len(errs) != 1 || errs[0].Summary != "Creating person.ann failed" || !strings.Contains(errs[0].Detail, errRefused.Error()) {
		t.Errorf("diagnostics: %s", rig.Diagnostics(errs))
	}
	if diff := cmp.Diff([]string{"person.ann"}, printed(result.Failed)); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	// pass.bo needs no person.ann, but every person comes before the first pass.
	if diff := cmp.Diff([]string{"pass.ann", "pass.bo"}, printed(result.Skipped)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	if result.Added != 3 || result.Interrupted || len(result.Outputs) > 0 {
		t.Errorf("result %+v", result)
	}
	objects := r.Objects(t)
	for _, name := range []string{"site.a", "person.bo", "machine.m"} {
		if objects[name].ID == "" {
			t.Errorf("%s is not recorded", name)
		}
	}
	r.World.Fail = nil
	r.MustApply(t, lab)
	r.MustConverge(t, lab)
}

func TestHalfDoneIsTainted(t *testing.T) {
	r := rig.New(t)
	r.World.HalfDone = func(kind, key string) error {
		if kind == "person" && key == "ann" {
			return errRefused
		}
		return nil
	}
	p, e := r.MustPlan(t, lab)
	if _, diags := r.Apply(p, e); !diags.HasErrors() {
		t.Fatal("no error")
	}
	half := r.Objects(t)["person.ann"]
	if !half.Tainted || half.ID == "" {
		t.Fatalf("person.ann is recorded as %+v", half)
	}
	r.World.HalfDone = nil
	p, e = r.MustPlan(t, lab)
	for _, c := range p.Changes {
		if c.Addr.String() == "person.ann" && c.Reason != plan.ReplaceBecauseTainted {
			t.Errorf("person.ann: %s %s", c.Action, c.Reason)
		}
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	if now := r.Objects(t)["person.ann"]; now.Tainted || now.ID == half.ID {
		t.Errorf("person.ann is recorded as %+v", now)
	}
	r.MustConverge(t, lab)
}

// TestForeignObjectIsNotTaken: what exists and is not ours is neither adopted
// nor destroyed.
func TestForeignObjectIsNotTaken(t *testing.T) {
	r := rig.New(t)
	other, err := rig.On(state.NewOverlay(state.Empty(state.Meta{Lineage: "other"})), r.World.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Lab.Close()
	other.MustApply(t, `site "a" { name = "a" }`)
	p, e := r.MustPlan(t, lab)
	result, diags := r.Apply(p, e)
	if errs := rig.Errors(diags); len(errs) != 1 || !strings.Contains(errs[0].Detail, "import it or remove it") {
		t.Errorf("diagnostics: %s", rig.Diagnostics(errs))
	}
	if len(r.Objects(t)) != 0 || result.Added != 0 {
		t.Errorf("recorded %v", r.Objects(t))
	}
	if items, err := r.World.Items(); len(items) != 1 || err != nil {
		t.Errorf("the world has %v, %v", items, err)
	}
}

func TestSecretsReachSystemsAndNothingElse(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("correct horse battery staple")}
	r.MustApply(t, lab)
	want := map[string]string{
		"person.ann": "correct horse battery staple", "person.bo": "",
		// A pass is made with its person's secret, which it looks up.
		"pass.ann": "correct horse battery staple", "pass.ann person.ann": "correct horse battery staple",
		"pass.bo": "correct horse battery staple", "pass.bo person.bo": "",
	}
	if diff := cmp.Diff(want, r.World.Secrets); diff != "" {
		t.Errorf("secrets seen (-want +got):\n%s", diff)
	}
	err := r.View.Read(func(rd state.Reader) error {
		buckets, err := rd.Buckets("")
		for _, b := range buckets {
			err = errors.Join(err, rd.Scan(b, "", func(key string, value []byte) error {
				if strings.Contains(string(value), "horse") {
					t.Errorf("%s %s holds the secret", b, key)
				}
				return nil
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Events {
		b, err := e.MarshalJSON()
		if err != nil || strings.Contains(string(b), "horse") {
			t.Errorf("event %s: %v", b, err)
		}
	}
}

func TestInterrupt(t *testing.T) {
	r := rig.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.World.Fail = func(call, kind, key string) error {
		if kind == "person" {
			cancel()
		}
		return nil
	}
	p, e := r.MustPlan(t, lab)
	result, diags := apply.Run(ctx, apply.Request{
		Plan: p, Evaluator: e, Registry: r.Registry, View: r.View, Lab: r.Lab, Parallelism: 1,
	})
	if !result.Interrupted || len(result.Left) == 0 || len(rig.Errors(diags)) != 1 {
		t.Fatalf("result %+v, diagnostics: %s", result, rig.Diagnostics(diags))
	}
	// What was under way is done and recorded.
	items, err := r.World.Items()
	if err != nil {
		t.Fatal(err)
	}
	if objects := r.Objects(t); len(items) != len(objects) || len(objects) != result.Added {
		t.Errorf("%d items, %d objects, %d added", len(items), len(objects), result.Added)
	}
	r.World.Fail = nil
	r.MustApply(t, lab)
	r.MustConverge(t, lab)
}

func TestPlanFitsOnce(t *testing.T) {
	r := rig.New(t)
	p, e := r.MustPlan(t, lab)
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	_, diags := r.Apply(p, e)
	errs := rig.Errors(diags)
	if len(errs) != 1 || errs[0].Summary != "This plan is stale" || !strings.Contains(errs[0].Detail, "serial 1") || !strings.Contains(errs[0].Detail, "serial 2") {
		t.Errorf("second apply: %s", rig.Diagnostics(errs))
	}
	other := rig.New(t)
	p, e = other.MustPlan(t, lab)
	p.Lineage = "another"
	if _, diags := other.Apply(p, e); len(rig.Errors(diags)) != 1 || rig.Errors(diags)[0].Summary != "This plan is of another lab" {
		t.Errorf("other lineage: %s", rig.Diagnostics(diags))
	}
	p, e = other.MustPlan(t, lab)
	p.Types["site"] = plan.Types{In: cty.EmptyObject, Out: cty.EmptyObject}
	if _, diags := other.Apply(p, e); len(rig.Errors(diags)) != 1 || rig.Errors(diags)[0].Summary != "This plan is of another version of the program" {
		t.Errorf("other types: %s", rig.Diagnostics(diags))
	}
	if len(other.Objects(t)) > 0 {
		t.Error("a refused plan was applied")
	}
}

// TestUpdateFailure: after an update that failed nobody knows what the system
// holds, so the next plan asks.
func TestUpdateFailure(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	r.World.Fail = refuse("update", "machine", "m")
	changed := strings.Replace(lab, `name = "m"`, "name = \"m\"\n owner = \"bo\"", 1)
	p, e := r.MustPlan(t, changed)
	if _, diags := r.Apply(p, e); !diags.HasErrors() {
		t.Fatal("no error")
	}
	if o := r.Objects(t)["machine.m"]; o.ReadAt != nil || o.Tainted {
		t.Errorf("machine.m is recorded as %+v", o)
	}
	r.World.Fail = nil
	r.Events = nil
	r.MustApply(t, changed)
	if !slices.ContainsFunc(r.Events, func(e uievent.Event) bool {
		return e.Type == uievent.RefreshComplete && e.Addr.String() == "machine.m"
	}) {
		t.Error("machine.m was not read again")
	}
	r.MustConverge(t, changed)
}

// odd is a kind that breaks its promises.
func odd(name string, breach func(*oddOut)) providers.Type {
	return providers.Of(providers.Kind[oddIn, oddOut]{
		Name:    name,
		Predict: func(in oddIn) oddOut { return oddOut{Promised: in.Word} },
		Create: func(_ context.Context, _ providers.Env, in oddIn) (oddOut, error) {
			out := oddOut{ID: "1", Promised: in.Word}
			breach(&out)
			return out, nil
		},
	})
}

type oddIn struct {
	Word string `lab:"word" doc:"A word."`
}

type oddOut struct {
	ID       string `lab:"id,id" doc:"An id."`
	Promised string `lab:"promised" doc:"Predicted."`
	Mood     string `lab:"mood,volatile" doc:"Only time changes it."`
}

func TestBrokenPromisesAreTheKinds(t *testing.T) {
	r := rig.New(t)
	r.Registry = providers.NewRegistry(
		odd("odd", func(o *oddOut) { o.Promised = "something else" }),
		odd("moody", func(o *oddOut) { o.Mood = "bad" }),
	)
	p, e := r.MustPlan(t, `odd "o" { word = "w" }`+"\n"+`moody "m" { word = "w" }`)
	result, diags := r.Apply(p, e)
	errs := rig.Errors(diags)
	if len(errs) != 1 || errs[0].Summary != "Creating odd.o failed" ||
		!strings.Contains(errs[0].Detail, "kind odd") || !strings.Contains(errs[0].Detail, "promised") || !strings.Contains(errs[0].Detail, "mistake of the kind") {
		t.Errorf("diagnostics: %s", rig.Diagnostics(errs))
	}
	// It was made all the same, and is recorded as it is.
	if o := r.Objects(t)["odd.o"]; o.ID != "1" {
		t.Errorf("odd.o is recorded as %+v", o)
	}
	if result.Added != 1 {
		t.Errorf("added %d, want 1", result.Added)
	}
}

// full is a view whose disk is full after some commits.
type full struct {
	state.View
	left atomic.Int32
}

func (f *full) Commit(ctx context.Context, fn func(state.Writer) error) error {
	if f.left.Add(-1) < 0 {
		return errors.New("no space left on device")
	}
	return f.View.Commit(ctx, fn)
}

// TestFullDisk: an apply that cannot record stops, says so, and after space
// returns the next one finds what was made.
func TestFullDisk(t *testing.T) {
	stopped := 0
	for commits := range int32(12) {
		t.Run(fmt.Sprint(commits), func(t *testing.T) {
			r := rig.New(t)
			p, e := r.MustPlan(t, lab)
			view := &full{View: r.View}
			view.left.Store(commits)
			_, diags := r.Apply(p, e, func(req *apply.Request) { req.View, req.Parallelism = view, 2 })
			if !diags.HasErrors() { // all was recorded in fewer commits
				r.MustConverge(t, lab)
				return
			}
			stopped++
			if errs := rig.Errors(diags); !slices.ContainsFunc(strings.Split(rig.Diagnostics(errs), "\n"), func(s string) bool {
				return strings.Contains(s, "no space left on device")
			}) {
				t.Errorf("diagnostics: %s", rig.Diagnostics(errs))
			}
			if _, diags := apply.Recover(context.Background(), apply.RecoverRequest{Registry: r.Registry, View: r.View, Lab: r.Lab}); diags.HasErrors() {
				t.Fatalf("recover: %s", rig.Diagnostics(diags))
			}
			r.MustApply(t, lab)
			r.MustConverge(t, lab)
			p, _ = r.MustPlan(t, lab)
			if err := consistent(r, p); err != nil {
				t.Error(err)
			}
		})
	}
	// One before anything, one at an intent, one at a result.
	if stopped < 3 {
		t.Errorf("the disk was full in %d applies only", stopped)
	}
}
