// Package apply carries out a plan. It walks the plan's steps with a pool of
// workers and decides nothing: what a step does, and after which, is in the
// plan; only values that were not known when it was made are evaluated.
//
// Around each side effect stand two records: an intent, durable before the
// kind is called, and the result. A crash leaves intents without results, and
// Recover asks the systems what became of them. A kind that neither reads,
// deletes nor opens anything has no effect outside its record, hence nothing
// to recover and no intent.
package apply

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/graph"
	"hellolab/engine/plan"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// Evaluator gives the values that the plan did not know (eval.Evaluator).
type Evaluator interface {
	Evaluate(ctx context.Context, v eval.Values) (*eval.Result, hcl.Diagnostics)
	Instance(ctx context.Context, a addr.Instance, l eval.Lookup) (cty.Value, hcl.Diagnostics)
	Outputs(ctx context.Context, l eval.Lookup) ([]eval.Output, hcl.Diagnostics)
}

// Lab is what applying needs of the running lab (lab.Lab).
type Lab interface {
	plan.Lab
	Objects() providers.Objects
	SetObjects(providers.Objects)
	// Reload closes the service of an object that changed or goes away.
	Reload(addr string) error
}

// Request is what to apply. All but the last five fields are required.
type Request struct {
	Plan     *plan.Plan
	Registry *providers.Registry
	View     state.View
	Lab      Lab

	// Evaluator has evaluated the configuration for this plan. Nil when the plan
	// declares nothing.
	Evaluator Evaluator
	// Saved says that the plan was read from a file, so that Evaluator has not
	// evaluated the configuration yet.
	Saved       bool
	Parallelism int // steps at a time; 0: plan.DefaultParallelism
	Sink        uievent.Sink
	// Progress is how often a step that is still running is told of; 0: never.
	Progress time.Duration
	// Failpoint, when set, is called with the name of an instant at which a
	// crash must do no harm:
	//
	//	apply:begun    the refreshed records and the new serial are durable
	//	apply:intent   an intent is durable, its side effect has not begun
	//	apply:effect   the kind was called, its result is not recorded
	//	apply:result   a result is durable
	//	apply:outputs  the outputs are durable
	Failpoint func(name string)
}

// Result is what an apply did. It is complete even when diagnostics hold errors.
type Result struct {
	Added, Changed, Destroyed int
	Failed                    []addr.Instance // in address order, as the lists below
	Skipped                   []addr.Instance // not begun: what they depend on failed
	Left                      []addr.Instance // not begun: interrupted
	Interrupted               bool
	Outputs                   []eval.Output // every root output as stored now
}

// Run applies a plan. When a step fails, what depends on it is skipped, and
// everything else goes on. When ctx ends, no further step begins and those
// under way finish. Either way what was done is recorded: the next plan
// continues from there. Outputs are renewed only by an apply that completes.
func Run(ctx context.Context, req Request) (*Result, hcl.Diagnostics) {
	if req.Parallelism <= 0 {
		req.Parallelism = plan.DefaultParallelism
	}
	if diags := fits(req.Plan, req); diags.HasErrors() {
		return &Result{}, diags
	}
	r := &run{
		Request: req,
		objects: newObjects(req.Registry),
		errs:    make([]hcl.Diagnostics, len(req.Plan.Steps)),
		begun:   map[int32]time.Time{},
		claimed: map[claim]addr.Instance{},
	}
	r.ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	return r.run(ctx)
}

// run is one apply under way.
type run struct {
	Request
	ctx      context.Context // ends when no further step is to begin
	stop     context.CancelFunc
	recorder *recorder
	objects  *objects
	fresh    map[*object]bool // whose record was up to date when the apply began

	mu      sync.Mutex
	errs    []hcl.Diagnostics // by step
	begun   map[int32]time.Time
	claimed map[claim]addr.Instance
	result  Result
}

// claim is the name under which a kind finds an object.
type claim struct{ kind, key string }

// fits refuses a plan that was made for another lab or another moment.
func fits(p *plan.Plan, req Request) hcl.Diagnostics {
	meta := req.View.Meta()
	switch {
	case p.Lineage != meta.Lineage && (p.Lineage != "" || meta.Serial > 0): // "" is a plan made before there was a state
		return problem("This plan is of another lab",
			"The plan was made for the lab of lineage %s; this state is of lineage %s. Plan again here.", p.Lineage, meta.Lineage)
	case p.Serial != meta.Serial:
		return problem("This plan is stale",
			"The plan was made at serial %d of the state, which has moved to serial %d since: another apply came between. Plan again.", p.Serial, meta.Serial)
	}
	for kind, types := range p.Types {
		t := req.Registry.Type(kind)
		if t == nil || !t.Schema.InType.Equals(types.In) || !t.Schema.OutType.Equals(types.Out) {
			return problem("This plan is of another version of the program",
				"Its %s objects have other attributes than those of this program. Plan again.", kind)
		}
	}
	return nil
}

func problem(summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}

func (r *run) run(ctx context.Context) (*Result, hcl.Diagnostics) {
	if err := r.begin(); err != nil {
		return &r.result, problem("The state cannot be written", "Nothing was applied: %s", err)
	}
	r.point("apply:begun")
	if err := r.objects.load(r.View, r.Plan); err != nil {
		return &r.result, problem("The state cannot be read", "Nothing was applied: %s", err)
	}
	if diags := r.prepare(ctx); diags.HasErrors() {
		return &r.result, diags
	}
	before := r.Lab.Objects()
	r.Lab.SetObjects(r.objects)
	defer r.Lab.SetObjects(before)

	g := graph.New(len(r.Plan.Steps))
	for i := range r.Plan.Steps {
		for _, before := range r.Plan.Steps[i].After {
			g.Edge(before, int32(i))
		}
	}
	r.recorder = newRecorder(r.View)
	stopProgress := r.progress()
	walked := g.Walk(r.ctx, r.Parallelism, r.step)
	r.recorder.close()
	stopProgress()

	r.result.Interrupted = ctx.Err() != nil && len(walked.Left) > 0
	r.result.Skipped, r.result.Left = r.addresses(walked.Skipped), r.addresses(walked.Left)
	var diags hcl.Diagnostics
	for i, d := range r.errs {
		if d.HasErrors() {
			r.result.Failed = append(r.result.Failed, r.Plan.Steps[i].Addr)
		}
		diags = append(diags, d...)
	}
	slices.SortFunc(r.result.Failed, addr.Compare)
	if err := r.recorder.failed(); err != nil {
		diags = append(diags, problem("The state cannot be written",
			"The apply stopped: %s What was done and not recorded is found again by the next run.", err)...)
	}
	switch {
	case r.result.Interrupted:
		diags = append(diags, problem("The apply was interrupted",
			"%d steps were not begun. What was done is recorded; plan and apply again to go on.", len(r.result.Left))...)
	case !diags.HasErrors():
		diags = append(diags, r.finish(ctx)...)
	}
	r.Sink.Emit(uievent.Event{Type: uievent.ChangeSummary, At: r.Lab.Now(), Changes: &uievent.Changes{
		Add: r.result.Added, Change: r.result.Changed, Remove: r.result.Destroyed, Operation: r.operation(),
	}})
	return &r.result, diags
}

func (r *run) operation() string {
	if r.Plan.Mode == plan.Destroy {
		return "destroy"
	}
	return "apply"
}

func (r *run) addresses(steps []int32) []addr.Instance {
	var list []addr.Instance
	for _, i := range steps {
		if step := &r.Plan.Steps[i]; step.Action != plan.Wait {
			list = append(list, step.Addr)
			for _, d := range step.Drops {
				list = append(list, d.Addr)
			}
		}
	}
	slices.SortFunc(list, addr.Compare)
	return slices.Compact(list)
}

// begin commits what refresh found and, for a plan that changes anything, the
// next serial: from here on plans made before are stale.
func (r *run) begin() error {
	p := r.Plan
	if p.Empty() && len(p.Refreshed) == 0 {
		return nil
	}
	return r.View.Commit(context.Background(), func(w state.Writer) error {
		for i := range p.Refreshed {
			if err := r.renew(w, &p.Refreshed[i]); err != nil {
				return err
			}
		}
		if p.Empty() && len(p.Drift) == 0 {
			return nil
		}
		_, err := state.BumpSerial(w)
		return err
	})
}

func (r *run) renew(w state.Writer, o *plan.Refreshed) error {
	if o.Gone {
		if err := state.DeleteObject(w, o.Addr.String()); err != nil {
			return err
		}
		return state.DropSection(w, o.Addr.String())
	}
	t := r.Registry.Type(o.Kind)
	rec := stored{t: t, addr: o.Addr, id: o.ID, in: o.In, out: o.Out, marked: o.SensitiveIn, deps: o.Deps, readAt: o.ReadAt, tainted: o.Tainted}
	encoded, err := rec.encode(r.Lab.Now())
	if err != nil {
		return err
	}
	return state.PutObject(w, encoded)
}

// prepare readies the evaluator and notes which records are up to date.
func (r *run) prepare(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if r.Evaluator != nil {
		if r.Saved {
			if _, diags = r.Evaluator.Evaluate(ctx, planned{r.objects}); diags.HasErrors() {
				return diags
			}
		}
		r.objects.secrets = func(a addr.Instance) (cty.Value, error) {
			v, diags := r.Evaluator.Instance(context.WithoutCancel(ctx), a, r.objects.lookup)
			if diags.HasErrors() {
				return cty.NilVal, diags
			}
			v, _ = v.UnmarkDeep()
			return v, nil
		}
	}
	fresh, err := r.upToDate()
	if err != nil {
		return problem("The state cannot be read", "Nothing was applied: %s", err)
	}
	r.fresh = fresh
	return diags
}

func (r *run) point(name string) {
	if r.Failpoint != nil {
		r.Failpoint(name)
	}
}

// progress tells of steps that take long, until the returned function is called.
func (r *run) progress() (stop func()) {
	if r.Progress <= 0 || r.Sink == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(r.Progress)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.tellProgress()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (r *run) tellProgress() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Lab.Now()
	for i := range r.Plan.Steps {
		began, running := r.begun[int32(i)]
		if elapsed := now.Sub(began); running && elapsed >= r.Progress {
			step := &r.Plan.Steps[i]
			r.Sink.Emit(uievent.Event{Type: uievent.ApplyProgress, At: now, Addr: step.Addr, Action: string(step.Action), Elapsed: elapsed})
		}
	}
}
