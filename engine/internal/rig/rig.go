// Package rig is what the engine's tests have in common: kinds whose objects
// live in a folder of files, and a lab of them that can be planned and applied.
package rig

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/apply"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/value"
	"hellolab/state"
)

// Rig is a lab under test.
type Rig struct {
	World     *World
	View      state.View
	Registry  *providers.Registry
	Lab       *lab.Lab
	Vars      map[string]cty.Value
	Events    []uievent.Event
	Rules     plan.Rules
	Failpoint func(string)
}

// Epoch is when every rig's clock stands still.
var Epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// New returns a rig on an empty overlay.
func New(t testing.TB) *Rig {
	t.Helper()
	view := state.NewOverlay(state.Empty(state.Meta{Format: 1, Lineage: "rig", Serial: 1}))
	r, err := On(view, filepath.Join(t.TempDir(), "world"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// On returns a rig on a state and a world that may exist.
func On(view state.View, world string) (*Rig, error) {
	if err := os.MkdirAll(world, 0o700); err != nil {
		return nil, err
	}
	r := &Rig{World: &World{Dir: world}, View: view}
	r.Registry = providers.NewRegistry(append(r.World.Kinds(), value.Kind())...)
	var err error
	r.Lab, err = lab.New(lab.Options{
		View: view, Registry: r.Registry,
		Wall: func() time.Time { return Epoch },
		Rand: &source{PCG: rand.NewPCG(1, uint64(os.Getpid()))},
	})
	return r, err
}

// Evaluator returns an evaluator of one file.
func (r *Rig) Evaluator(src string) (*eval.Evaluator, hcl.Diagnostics) {
	c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
	if diags.HasErrors() {
		return nil, diags
	}
	vars := map[string]cty.Value{}
	for _, v := range c.Variables() {
		given, ok := r.Vars[v.Name]
		if !ok {
			given = v.Default
		}
		vars[v.Name] = given
	}
	e, more := eval.New(c, r.Registry, vars, eval.Options{})
	return e, append(diags, more...)
}

// Plan plans src; with adjusts the request.
func (r *Rig) Plan(src string, with ...func(*plan.Request)) (*plan.Plan, *eval.Result, *eval.Evaluator, hcl.Diagnostics) {
	e, diags := r.Evaluator(src)
	if diags.HasErrors() {
		return nil, nil, nil, diags
	}
	req := plan.Request{
		Evaluator: e, Registry: r.Registry, View: r.View, Lab: r.Lab,
		Mode: plan.Normal, Refresh: true, Rules: r.Rules, Sink: r.sink,
	}
	for _, f := range with {
		f(&req)
	}
	p, result, more := plan.Build(context.Background(), req)
	return p, result, e, append(diags, more...)
}

func (r *Rig) sink(e uievent.Event) { r.Events = append(r.Events, e) }

// Apply applies a plan made with e.
func (r *Rig) Apply(p *plan.Plan, e *eval.Evaluator, with ...func(*apply.Request)) (*apply.Result, hcl.Diagnostics) {
	req := apply.Request{
		Plan: p, Evaluator: e, Registry: r.Registry, View: r.View, Lab: r.Lab,
		Sink: r.sink, Failpoint: r.Failpoint,
	}
	for _, f := range with {
		f(&req)
	}
	return apply.Run(context.Background(), req)
}

// MustPlan plans src, without errors.
func (r *Rig) MustPlan(t testing.TB, src string, with ...func(*plan.Request)) (*plan.Plan, *eval.Evaluator) {
	t.Helper()
	p, _, e, diags := r.Plan(src, with...)
	if diags.HasErrors() {
		t.Fatalf("plan: %s", Diagnostics(diags))
	}
	return p, e
}

// MustApply plans and applies src, without errors.
func (r *Rig) MustApply(t testing.TB, src string, with ...func(*plan.Request)) *apply.Result {
	t.Helper()
	p, e := r.MustPlan(t, src, with...)
	result, diags := r.Apply(p, e)
	if diags.HasErrors() {
		t.Fatalf("apply: %s", Diagnostics(diags))
	}
	return result
}

// MustConverge fails t unless planning src finds nothing to do.
func (r *Rig) MustConverge(t testing.TB, src string) {
	t.Helper()
	p, _ := r.MustPlan(t, src)
	for _, c := range p.Changes {
		if c.Action != plan.NoOp {
			t.Errorf("plan after apply: %s %s (%s)", c.Action, c.Addr, c.Reason)
		}
	}
	for _, c := range p.Drift {
		t.Errorf("plan after apply: drift of %s (%s)", c.Addr, c.Action)
	}
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			t.Errorf("plan after apply: output %s %s", o.Name, o.Action)
		}
	}
	if !p.Empty() {
		t.Error("plan after apply is not empty")
	}
}

// Objects returns the stored objects by address.
func (r *Rig) Objects(t testing.TB) map[string]state.Object {
	t.Helper()
	all := map[string]state.Object{}
	err := r.View.Read(func(rd state.Reader) error {
		list, err := state.Objects(rd)
		for _, o := range list {
			all[o.Addr] = o
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Addr parses an address.
func Addr(t testing.TB, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Diagnostics writes diagnostics for a test's message.
func Diagnostics(diags hcl.Diagnostics) string {
	s := ""
	for _, d := range diags {
		s += fmt.Sprintf("\n  %s: %s", d.Summary, d.Detail)
	}
	return s
}

// Errors are the diagnostics that are no warnings.
func Errors(diags hcl.Diagnostics) hcl.Diagnostics {
	var errs hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errs = append(errs, d)
		}
	}
	return errs
}

// source is a deterministic, and insecure, source of random bytes.
type source struct {
	mu sync.Mutex
	*rand.PCG
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range p {
		p[i] = byte(s.Uint64())
	}
	return len(p), nil
}

var _ io.Reader = (*source)(nil)
