package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/providers"
	"hellolab/state"
)

// errStep says that a step failed; its diagnostics are in run.errs.
var errStep = errors.New("step failed")

// step does one step. It returns when what depends on it may begin.
func (r *run) step(ctx context.Context, i int32) error {
	step := &r.Plan.Steps[i]
	if step.Action == plan.Wait {
		return nil
	}
	if r.recorder.failed() != nil {
		return errStep
	}
	r.starts(i)
	// An interrupt stops the next steps; this one finishes.
	err := r.do(context.WithoutCancel(ctx), i, step)
	if err != nil {
		r.failed(i, err)
		return errStep
	}
	return nil
}

func (r *run) do(ctx context.Context, i int32, step *plan.Step) error {
	o := r.objects.at(step.Addr)
	if o == nil {
		return fmt.Errorf("neither the plan nor the state has %s", step.Addr)
	}
	switch step.Action {
	case plan.Create:
		return r.create(ctx, i, step, o)
	case plan.Update:
		return r.update(ctx, i, step, o)
	case plan.Delete:
		return r.destroy(ctx, i, step, o)
	case plan.Forget:
		r.record(i, o.t, "", func(w state.Writer) error { return state.DeleteObject(w, o.name) })
		o.removed()
		return nil
	}
	return fmt.Errorf("the plan has a step %q, which this program does not know", step.Action)
}

// effects reports whether a kind does anything outside the engine's record.
func effects(t *providers.Type) bool { return t.Read != nil || t.Delete != nil || t.Open != nil }

func (r *run) create(ctx context.Context, i int32, step *plan.Step, o *object) error {
	in, err := r.input(ctx, step, o.t)
	if err != nil {
		return err
	}
	key := o.t.Key(in)
	if err := r.claim(o, key); err != nil {
		return err
	}
	env := r.Lab.Env(o.name, o.t, in)
	bare := o.t.Schema.WithoutWriteOnly(in)
	if effects(o.t) {
		switch found, err := o.t.Find(ctx, env, key); {
		case err == nil:
			return fmt.Errorf("the lab has a %s %q already (id %s), and the state does not know it; import it or remove it", o.t.Name, key, found.ID)
		case !errors.Is(err, providers.ErrGone):
			return fmt.Errorf("looking for an existing one: %w", err)
		}
		if err := r.intend(step, o, key, bare); err != nil {
			return err
		}
	}
	out, err := o.t.Create(ctx, env, in)
	r.point("apply:effect")
	if err != nil {
		return errors.Join(err, r.halfDone(ctx, step, o, env, key))
	}
	return r.keep(i, step, o, bare, out, "Create")
}

// halfDone settles a Create that failed: what it left behind is recorded as
// tainted, so that the next plan removes it.
func (r *run) halfDone(ctx context.Context, step *plan.Step, o *object, env providers.Env, key string) error {
	if !effects(o.t) {
		return nil
	}
	found, err := o.t.Find(ctx, env, key)
	switch {
	case errors.Is(err, providers.ErrGone):
		return r.recorder.now(func(w state.Writer) error { return state.DeleteIntent(w, o.name) })
	case err != nil:
		return fmt.Errorf("and whether it left anything behind cannot be told: %w; the next run looks again", err)
	}
	in := o.t.Schema.WithoutWriteOnly(found.In)
	rec := stored{t: o.t, addr: o.addr, id: found.ID, in: in, out: found.Out, marked: step.SensitiveIn, deps: step.Deps, tainted: true}
	encoded, err := rec.encode(r.Lab.Now())
	if err != nil {
		return err
	}
	o.made(in, found.Out, &encoded)
	return r.recorder.now(func(w state.Writer) error {
		return errors.Join(state.PutObject(w, encoded), state.DeleteIntent(w, o.name))
	})
}

func (r *run) update(ctx context.Context, i int32, step *plan.Step, o *object) error {
	in, err := r.input(ctx, step, o.t)
	if err != nil {
		return err
	}
	key := o.t.Key(in)
	if err := r.claim(o, key); err != nil {
		return err
	}
	bare := o.t.Schema.WithoutWriteOnly(in)
	was := providers.Record{Addr: o.name, Kind: o.t.Name, ID: step.PriorID, In: step.PriorIn, Out: step.PriorOut}
	if step.Completes {
		was = o.current()
	}
	if effects(o.t) {
		if err := r.intend(step, o, key, bare); err != nil {
			return err
		}
	}
	out, err := o.t.Update(ctx, r.Lab.Env(o.name, o.t, in), was, in)
	r.point("apply:effect")
	if err != nil {
		return errors.Join(err, r.unsure(step, o))
	}
	if err := r.keep(i, step, o, bare, out, "Update"); err != nil {
		return err
	}
	return r.Lab.Reload(o.name)
}

func (r *run) destroy(ctx context.Context, i int32, step *plan.Step, o *object) error {
	was := providers.Record{Addr: o.name, Kind: o.t.Name, ID: step.PriorID, In: step.PriorIn, Out: step.PriorOut}
	gone := []*object{o}
	for _, d := range step.Drops {
		member := r.objects.at(d.Addr)
		if member == nil {
			return fmt.Errorf("neither the plan nor the state has %s", d.Addr)
		}
		gone = append(gone, member)
	}
	if effects(o.t) {
		if err := r.intend(step, o, o.t.Key(step.PriorIn), step.PriorIn); err != nil {
			return err
		}
	}
	if o.t.Delete != nil {
		err := o.t.Delete(ctx, r.Lab.Env(o.name, o.t, step.PriorIn), was)
		r.point("apply:effect")
		if err != nil && !errors.Is(err, providers.ErrGone) {
			return errors.Join(err, r.unsure(step, o))
		}
	}
	// Out of sight first, then down, then forgotten: nothing can open it again
	// in between.
	for _, g := range gone {
		g.removed()
	}
	for j := len(gone) - 1; j >= 0; j-- {
		if err := r.Lab.Reload(gone[j].name); err != nil {
			r.warn(i, "A service did not stop cleanly", err)
		}
	}
	r.record(i, o.t, "", func(w state.Writer) error {
		for _, g := range gone {
			if err := errors.Join(state.DeleteObject(w, g.name), state.DropSection(w, g.name)); err != nil {
				return err
			}
		}
		return state.DeleteIntent(w, o.name)
	})
	return nil
}

// intend makes an intent durable.
func (r *run) intend(step *plan.Step, o *object, key string, in cty.Value) error {
	bytes, _, err := record.Encode(o.t, in, cty.NullVal(o.t.Schema.OutType))
	if err != nil {
		return err
	}
	intent := state.Intent{
		Addr: o.name, Kind: o.t.Name, Action: string(step.Action), Key: key, In: bytes,
		Deps: names(step.Deps), Began: r.Lab.Now(),
	}
	if err := r.recorder.now(func(w state.Writer) error { return state.PutIntent(w, intent) }); err != nil {
		return err
	}
	r.point("apply:intent")
	return nil
}

// keep records what a create or update made.
func (r *run) keep(i int32, step *plan.Step, o *object, in, out cty.Value, call string) error {
	wrong := soundOut(o.t, call, step.PlannedOut, out)
	if wrong != nil && (out == cty.NilVal || !out.IsWhollyKnown() || out.Type().TestConformance(o.t.Schema.OutType) != nil) {
		return errors.Join(wrong, r.unsure(step, o))
	}
	rec := stored{t: o.t, addr: o.addr, id: idOf(o.t, out), in: in, out: out, marked: step.SensitiveIn, deps: step.Deps}
	if rec.id == "" {
		rec.id = step.PriorID
	}
	if rec.id == "" && step.Completes {
		rec.id = o.current().ID
	}
	if o.t.Read != nil {
		var err error
		rec.readAt, err = r.Lab.Revisions(o.t, providers.Record{Addr: o.name, Kind: o.t.Name, ID: rec.id, In: in, Out: out})
		if err != nil {
			return err
		}
	}
	encoded, err := rec.encode(r.Lab.Now())
	if err != nil {
		return err
	}
	if step.Partial {
		o.begun(in, out, &encoded)
	} else {
		o.made(in, out, &encoded)
	}
	write := func(w state.Writer) error {
		return errors.Join(state.PutObject(w, encoded), state.DeleteIntent(w, o.name))
	}
	if wrong != nil { // recorded, and yet not as planned
		return errors.Join(wrong, r.recorder.now(write))
	}
	r.record(i, o.t, rec.id, write)
	return nil
}

// unsure settles an update or delete that failed: the record stays, and the
// next plan asks the system what it holds.
func (r *run) unsure(step *plan.Step, o *object) error {
	return r.recorder.now(func(w state.Writer) error {
		was, ok, err := state.GetObject(w, o.name)
		if err != nil {
			return err
		}
		if ok {
			was.ReadAt = nil
			if err := state.PutObject(w, was); err != nil {
				return err
			}
		}
		if step.Action == plan.Create {
			return nil // the intent stays: Recover finds what was made
		}
		return state.DeleteIntent(w, o.name)
	})
}

// input is what the step asks of its kind, write-only values included.
func (r *run) input(ctx context.Context, step *plan.Step, t *providers.Type) (cty.Value, error) {
	if !step.Evaluate {
		return step.PlannedIn, nil
	}
	if r.Evaluator == nil {
		return cty.NilVal, errors.New("the plan needs the configuration, and there is none")
	}
	config, diags := r.Evaluator.Instance(ctx, step.Addr, r.objects.lookup)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	config, _ = config.UnmarkDeep()
	in, err := settle(&t.Schema.In, step.PlannedIn, config)
	if err != nil {
		var at cty.PathError
		if errors.As(err, &at) {
			err = fmt.Errorf("attribute %s: %w", pathOr(at.Path, "(all)"), err)
		}
	}
	return in, err
}

// claim refuses a second object of the same name: each would find the other.
func (r *run) claim(o *object, key string) error {
	if key == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := claim{o.t.Name, key}
	if other, taken := r.claimed[c]; taken && other != o.addr {
		return fmt.Errorf("%s is the same %s: %q", other, o.t.Name, key)
	}
	r.claimed[c] = o.addr
	return nil
}

// record hands a step's outcome to the recorder. It counts as done, and is told
// of, when it is durable. A step that had an effect waits for that: what comes
// next may look at sections and services, and must find them as the record
// says. Behind any other step, what depends on it may begin at once.
func (r *run) record(i int32, t *providers.Type, id string, write func(state.Writer) error) {
	durable := make(chan struct{})
	r.recorder.later(write, func(err error) {
		defer close(durable)
		if err != nil {
			r.stop()
			return
		}
		r.point("apply:result")
		r.done(i, id)
	})
	if effects(t) {
		<-durable
	}
}

func (r *run) starts(i int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Lab.Now()
	r.begun[i] = now
	step := &r.Plan.Steps[i]
	r.Sink.Emit(uievent.Event{Type: uievent.ApplyStart, At: now, Addr: step.Addr, Action: string(step.Action), ID: step.PriorID})
	for _, d := range step.Drops {
		r.Sink.Emit(uievent.Event{Type: uievent.ApplyStart, At: now, Addr: d.Addr, Action: string(step.Action), ID: d.ID})
	}
}

func (r *run) done(i int32, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := &r.Plan.Steps[i]
	switch {
	case step.Completes: // counted when it was created
	case step.Action == plan.Create:
		r.result.Added++
	case step.Action == plan.Update:
		r.result.Changed++
	case step.Action == plan.Delete:
		r.result.Destroyed += 1 + len(step.Drops)
	}
	elapsed := r.elapsed(i)
	tell := func(a addr.Instance) {
		r.Sink.Emit(uievent.Event{Type: uievent.ApplyComplete, At: r.Lab.Now(), Addr: a, Action: string(step.Action), ID: id, Elapsed: elapsed})
	}
	for _, d := range step.Drops {
		tell(d.Addr)
	}
	tell(step.Addr)
}

// elapsed ends the timing of a step.
func (r *run) elapsed(i int32) time.Duration {
	began := r.begun[i]
	delete(r.begun, i)
	return r.Lab.Now().Sub(began)
}

// failed notes why a step failed.
func (r *run) failed(i int32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := &r.Plan.Steps[i]
	verb := map[plan.Action]string{plan.Create: "Creating", plan.Update: "Updating", plan.Delete: "Destroying"}[step.Action]
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) {
		diags = problem(fmt.Sprintf("%s %s failed", verb, step.Addr), "%s", sentence(err))
		diags[0].Extra = err // whose reason a test may expect
	}
	r.errs[i] = append(r.errs[i], diags...)
	r.Sink.Emit(uievent.Event{Type: uievent.ApplyErrored, At: r.Lab.Now(), Addr: step.Addr, Action: string(step.Action), Elapsed: r.elapsed(i)})
}

func (r *run) warn(i int32, summary string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs[i] = append(r.errs[i], &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: summary,
		Detail: fmt.Sprintf("%s: %s", r.Plan.Steps[i].Addr, sentence(err)),
	})
}
