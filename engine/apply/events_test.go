package apply_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/engine/uievent"
	"hellolab/state"
)

func TestEvents(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	at := map[string]int{}
	for i, e := range r.Events {
		at[string(e.Type)+" "+e.Addr.String()] = i + 1
	}
	for _, name := range []string{"site.a", "person.ann", "pass.ann"} {
		start, done := at["apply_start "+name], at["apply_complete "+name]
		if start == 0 || done == 0 || start > done {
			t.Errorf("%s starts at %d and completes at %d", name, start, done)
		}
	}
	last := r.Events[len(r.Events)-1]
	if last.Type != uievent.ChangeSummary || *last.Changes != (uievent.Changes{Add: 6, Operation: "apply"}) {
		t.Errorf("last event: %+v", last)
	}
	r.Events = nil
	r.MustApply(t, lab, func(req *plan.Request) { req.Mode = plan.Destroy })
	complete := 0
	for _, e := range r.Events {
		if e.Type == uievent.ApplyComplete {
			complete++
		}
	}
	last = r.Events[len(r.Events)-1]
	if complete != 6 || last.Changes.Remove != 6 || last.Changes.Operation != "destroy" {
		t.Errorf("%d complete, last event %+v", complete, last)
	}
}

func TestProgress(t *testing.T) {
	r := rig.New(t)
	told := make(chan struct{})
	var once sync.Once
	r.World.Fail = func(call, kind, key string) error {
		if kind == "site" && call == "create" {
			select {
			case <-told:
			case <-time.After(10 * time.Second):
				return errors.New("nobody told of progress")
			}
		}
		return nil
	}
	p, e := r.MustPlan(t, `site "a" { name = "a" }`)
	ticking := movingLab{Lab: r.Lab, began: time.Now()}
	_, diags := r.Apply(p, e, func(req *apply.Request) {
		req.Lab = ticking
		req.Progress = 5 * time.Millisecond
		req.Sink = func(e uievent.Event) {
			if e.Type == uievent.ApplyProgress && e.Addr.String() == "site.a" {
				once.Do(func() { close(told) })
			}
		}
	})
	if diags.HasErrors() {
		t.Errorf("apply: %s", rig.Diagnostics(diags))
	}
}

// movingLab is a lab whose clock moves.
type movingLab struct {
	apply.Lab
	began time.Time
}

func (l movingLab) Now() time.Time { return rig.Epoch.Add(time.Since(l.began)) }

func TestOutputsFollow(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	read := func() map[string]state.Output {
		var outs map[string]state.Output
		if err := r.View.Read(func(rd state.Reader) (err error) {
			outs, err = state.Outputs(rd)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return outs
	}
	v, err := record.DecodeOutput(read()["id"])
	if err != nil || v.AsString() != r.Objects(t)["pass.ann"].ID {
		t.Errorf("output id is %#v (%v)", v, err)
	}
	renamed := strings.Replace(lab, `output "id"`, `output "key"`, 1)
	r.MustApply(t, renamed)
	if outs := read(); len(outs) != 1 || outs["key"].Value == nil {
		t.Errorf("outputs %v", outs)
	}
	r.MustApply(t, renamed, func(req *plan.Request) { req.Mode = plan.Destroy })
	if outs := read(); len(outs) != 0 {
		t.Errorf("outputs %v", outs)
	}
}

// TestOwnWritesAreNoDrift: a section is shared by many objects, and each step
// moves its revision. After an apply nothing needs to be read again; after
// somebody else's write, what lives there does.
func TestOwnWritesAreNoDrift(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	reads := func() int {
		n := 0
		for _, e := range r.Events {
			if e.Type == uievent.RefreshComplete {
				n++
			}
		}
		r.Events = nil
		return n
	}
	reads()
	r.MustConverge(t, lab)
	if n := reads(); n != 0 {
		t.Errorf("%d objects were read after an apply", n)
	}
	err := state.NewSection(r.View, "machine.m").Update(context.Background(), func(w state.TableWriter) error {
		return w.Put("touched", "by somebody", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.MustConverge(t, lab)
	if n := reads(); n != 3 { // the machine and the two passes on it
		t.Errorf("%d objects were read after a write, want 3", n)
	}
}

func TestRefreshOnly(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, lab)
	if err := r.View.Commit(context.Background(), func(w state.Writer) error {
		o, _, err := state.GetObject(w, "machine.m")
		o.ReadAt = nil
		return errors.Join(err, state.PutObject(w, o))
	}); err != nil {
		t.Fatal(err)
	}
	p, e := r.MustPlan(t, lab, func(req *plan.Request) { req.Mode = plan.RefreshOnly })
	if len(p.Steps) > 0 || len(p.Refreshed) != 1 {
		t.Fatalf("%d steps, %d refreshed", len(p.Steps), len(p.Refreshed))
	}
	serial := r.View.Meta().Serial
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatalf("apply: %s", rig.Diagnostics(diags))
	}
	if r.Objects(t)["machine.m"].ReadAt == nil {
		t.Error("what was read is not recorded")
	}
	if now := r.View.Meta().Serial; now != serial {
		t.Errorf("serial moved from %d to %d, though no value changed", serial, now)
	}
}
