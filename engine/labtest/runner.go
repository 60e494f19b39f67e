package labtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/check"
	"hellolab/engine/fault"
	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers/event"
	"hellolab/state"
)

// runner runs the runs of one file.
type runner struct {
	*Request
	file   *config.TestFile
	view   *state.Overlay
	broken *fault.Switch
	past   map[string]cty.Value // runs so far, by name
	placer *journal.Placer
}

func newRunner(req *Request, f *config.TestFile) *runner {
	view := state.NewOverlay(state.Empty(state.Meta{Format: state.Format}))
	return &runner{
		Request: req, file: f, view: view, past: map[string]cty.Value{}, placer: journal.NewPlacer(),
		broken: &fault.Switch{Registry: req.Registry, View: view, Trouble: &lab.Trouble{}},
	}
}

// run does one run.
func (r *runner) run(ctx context.Context, run *config.Run) Result {
	res := Result{Name: run.Name, Command: run.Command, Status: Pass, Range: run.Range}
	if err := ctx.Err(); err != nil {
		return res.broke(run.Range, err)
	}
	before := run.Check
	before.Asserts = nil
	now, diags := r.evaluate(ctx, run, &before, false)
	if diags.HasErrors() {
		return res.wrong(diags)
	}
	res.Expect = now.check.Expect
	if res.Expect == "" {
		res.Expect = check.Success
	}
	value, err := r.inItsLab(ctx, run, now, &res)
	if err != nil {
		return res.broke(run.Range, err)
	}
	if value != cty.NilVal {
		r.past[run.Name] = value
	}
	if res.Status != Pass {
		return res
	}
	return r.asserts(ctx, run, res)
}

// inItsLab does what the run's command says, in a lab that is opened for it, with
// the run's own faults, and returns what the run is worth to those that follow.
func (r *runner) inItsLab(ctx context.Context, run *config.Run, now *evaluated, res *Result) (value cty.Value, err error) {
	l, err := r.NewLab(r.view, 0, r.broken.Trouble, func(e event.Event) {
		r.placer.Place(e, func(e event.Event) { res.Events = append(res.Events, e) })
	})
	if err != nil {
		return cty.NilVal, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	faults, err := fault.From(now.result.Faults)
	if err != nil {
		return cty.NilVal, err
	}
	for _, name := range now.check.Faults {
		if err := r.begin(ctx, l, faults, name); err != nil {
			return cty.NilVal, err
		}
	}
	defer func() {
		res.Faults = r.broken.On()
		for _, name := range slices.Backward(now.check.Faults) { // what broke last may be in the way of mending
			err = errors.Join(err, r.broken.End(ctx, l, name))
		}
	}()
	return r.do(ctx, l, run, now, faults, res)
}

func (r *runner) begin(ctx context.Context, l *lab.Lab, faults []fault.Fault, name string) error {
	f, ok := fault.Named(faults, name)
	if !ok {
		return fmt.Errorf("there is no fault %q", name)
	}
	return r.broken.Begin(ctx, l, f)
}

// evaluated is a configuration as it is worth for one run.
type evaluated struct {
	eval   *eval.Evaluator
	plan   *plan.Plan
	rules  plan.Rules // by which it was planned
	result *eval.Result
	check  eval.Check // the run's
}

// evaluate plans the configuration with the run's variables on a view above the
// file's, and evaluates what of the run c has. fresh reads what the systems hold
// now, in fair weather.
func (r *runner) evaluate(ctx context.Context, run *config.Run, c *config.Check, fresh bool) (*evaluated, hcl.Diagnostics) {
	e, diags := r.evaluator(run, c, r.past)
	if diags.HasErrors() {
		return nil, diags
	}
	return r.planned(ctx, e, run, planOptions{refresh: fresh}, nil, diags)
}

// evaluator prepares the configuration with the variables of a run.
func (r *runner) evaluator(run *config.Run, c *config.Check, runs map[string]cty.Value) (*eval.Evaluator, hcl.Diagnostics) {
	vars, diags := r.Variables(runs, r.file.Variables, run.Variables)
	if diags.HasErrors() {
		return nil, diags
	}
	e, more := eval.New(r.Config, r.Registry, vars, eval.Options{Now: r.Now, Checks: []*config.Check{c}, Faults: r.file.Faults, Runs: runs})
	return e, append(diags, more...)
}

// planOptions are how a plan is made.
type planOptions struct {
	mode          plan.Mode // "": normal
	refresh       bool
	targets, anew []addr.Instance
}

// planned plans on a view above the file's.
func (r *runner) planned(ctx context.Context, e *eval.Evaluator, run *config.Run, o planOptions, trouble *lab.Trouble, diags hcl.Diagnostics) (*evaluated, hcl.Diagnostics) {
	view := state.NewOverlay(r.view.Snapshot())
	l, err := r.NewLab(view, 0, trouble, nil)
	if err != nil {
		return nil, problem(run.Range, "The run cannot be planned", err)
	}
	defer l.Close()
	rules := r.Rules()
	made, result, more := plan.Build(ctx, plan.Request{
		Evaluator: e, Registry: r.Registry, View: view, Lab: l, Mode: cmp.Or(o.mode, plan.Normal), Refresh: o.refresh, Targets: o.targets, Replace: o.anew, Rules: rules,
	})
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	now := &evaluated{eval: e, plan: made, rules: rules, result: result}
	if len(result.Checks) == 1 {
		now.check = result.Checks[0]
	}
	return now, diags
}

// asserts evaluates a run's asserts, after it.
func (r *runner) asserts(ctx context.Context, run *config.Run, res Result) Result {
	if len(run.Asserts) == 0 {
		return res
	}
	after := config.Check{Name: run.Name, Asserts: run.Asserts, Range: run.Range}
	now, diags := r.evaluate(ctx, run, &after, run.Command != config.RunPlan)
	if diags.HasErrors() {
		return res.wrong(diags)
	}
	for _, a := range now.check.Asserts {
		switch {
		case !a.Condition.IsKnown() && run.Command == config.RunPlan:
			return res.broke(a.Range, errors.New("the condition depends on what is known only after apply; assert it in a run that applies"))
		case !a.Condition.IsKnown():
			return res.broke(a.Range, errors.New("the condition depends on what the lab does not know yet; has it been applied?"))
		case a.Condition.IsNull() || a.Condition.False():
			res.Status, res.Message, res.Range = Fail, a.Message, a.Range
			return res
		}
	}
	return res
}

// broke is the result of a run that could not be run.
func (r Result) broke(at hcl.Range, err error) Result {
	r.Status, r.Message, r.Range = Error, err.Error(), at
	return r
}

// wrong is the result of a run whose configuration holds mistakes.
func (r Result) wrong(diags hcl.Diagnostics) Result {
	r.Status, r.Diagnostics = Error, diags
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		r.Message = strings.TrimSuffix(d.Summary, ".")
		if d.Subject != nil {
			r.Range = *d.Subject
		}
		break
	}
	return r
}

func problem(at hcl.Range, summary string, err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: err.Error(), Subject: &at}}
}
