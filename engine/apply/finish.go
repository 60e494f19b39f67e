package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// stored is an object about to be recorded.
type stored struct {
	t       *providers.Type
	addr    addr.Instance
	id      string
	in, out cty.Value // in without write-only values
	marked  []cty.Path
	deps    []addr.Instance
	readAt  map[string]uint64
	tainted bool
}

func (s stored) encode(now time.Time) (state.Object, error) {
	in, out, err := record.Encode(s.t, s.in, s.out)
	if err != nil {
		return state.Object{}, fmt.Errorf("%s: %w", s.addr, err)
	}
	o := state.Object{
		Addr: s.addr.String(), Kind: s.t.Name, ID: s.id, In: in, Out: out,
		Deps: names(s.deps), ReadAt: s.readAt, Tainted: s.tainted, Modified: now,
	}
	for _, p := range s.marked {
		o.Sens = append(o.Sens, plan.PathString(p))
	}
	return o, nil
}

func names(list []addr.Instance) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

// finish ends an apply in which every step was done: outputs, and the
// revisions at which objects count as read.
func (r *run) finish(ctx context.Context) hcl.Diagnostics {
	outputs, diags := r.outputs(ctx)
	if diags.HasErrors() {
		return diags
	}
	touched, err := r.touched()
	if err != nil {
		return append(diags, problem("The state cannot be read", "%s", sentence(err))...)
	}
	changed := len(touched) > 0
	for _, o := range r.Plan.Outputs {
		changed = changed || o.Action != plan.NoOp
	}
	if changed {
		err := r.View.Commit(context.WithoutCancel(ctx), func(w state.Writer) error {
			for _, o := range touched {
				if err := state.PutObject(w, o); err != nil {
					return err
				}
			}
			return r.putOutputs(w, outputs)
		})
		if err != nil {
			return append(diags, problem("The state cannot be written", "Every step was done, and the outputs were not recorded: %s", sentence(err))...)
		}
		r.point("apply:outputs")
	}
	r.result.Outputs = outputs
	event := uievent.Event{Type: uievent.Outputs, At: r.Lab.Now()}
	for _, o := range outputs {
		event.Outputs = append(event.Outputs, uievent.Output{Name: o.Name, Sensitive: o.Sensitive, Known: true, Value: o.Value})
	}
	if len(outputs) > 0 {
		r.Sink.Emit(event)
	}
	return diags
}

// outputs returns the root outputs as they are now. One that rests on an
// object left out by -target is not known, and stays as it was.
func (r *run) outputs(ctx context.Context) ([]eval.Output, hcl.Diagnostics) {
	var planned, list []eval.Output
	evaluate := false
	for _, o := range r.Plan.Outputs {
		if o.Action == plan.Delete {
			continue
		}
		evaluate = evaluate || !o.After.IsWhollyKnown()
		planned = append(planned, eval.Output{Name: o.Name, Value: o.After, Sensitive: o.Sensitive})
	}
	if !evaluate || r.Evaluator == nil {
		return planned, nil
	}
	now, diags := r.Evaluator.Outputs(context.WithoutCancel(ctx), r.objects.lookup)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, o := range now {
		if o.Value.IsWhollyKnown() {
			list = append(list, o)
		}
	}
	return list, diags
}

func (r *run) putOutputs(w state.Writer, outputs []eval.Output) error {
	for _, o := range r.Plan.Outputs {
		if o.Action == plan.Delete {
			if err := state.DeleteOutput(w, o.Name); err != nil {
				return err
			}
		}
	}
	for _, o := range outputs {
		encoded, err := record.EncodeOutput(o.Value, o.Sensitive)
		if err != nil {
			return fmt.Errorf("output %q: %w", o.Name, err)
		}
		if err := state.PutOutput(w, o.Name, encoded); err != nil {
			return err
		}
	}
	return nil
}

// upToDate returns the objects whose sections have not moved since they were read.
func (r *run) upToDate() (map[*object]bool, error) {
	fresh := map[*object]bool{}
	if len(r.Plan.Steps) == 0 {
		return fresh, nil
	}
	for _, o := range r.objects.byAddr {
		if o.t.Read == nil || o.stored == nil || o.stored.ReadAt == nil {
			continue
		}
		now, err := r.Lab.Revisions(o.t, providers.Record{Addr: o.name, Kind: o.t.Name, ID: o.id, In: o.in, Out: o.out})
		if err != nil {
			return nil, err
		}
		fresh[o] = maps.Equal(now, o.stored.ReadAt)
	}
	return fresh, nil
}

// touched returns the records whose revisions this apply moved, with the
// revisions they have now: what its own steps wrote is no drift. A record that
// was not up to date before is left for the next refresh, and so is one with a part
// in an object that was made or made anew beneath it: what it had there is gone; and
// one of which something changes with others, when a step changed what it watches.
func (r *run) touched() ([]state.Object, error) {
	var list []state.Object
	done, made := map[addr.Instance]bool{}, map[string]bool{}
	for i := range r.Plan.Steps {
		step := &r.Plan.Steps[i]
		done[step.Addr] = true
		if step.Action == plan.Create || step.Action == plan.Delete {
			made[step.Addr.String()] = true
		}
	}
	for _, kind := range r.Registry.Names() {
		if r.Registry.Type(kind).Read == nil {
			continue
		}
		for _, o := range r.objects.byKind[kind] {
			if o.stored == nil || o.stored.ReadAt == nil || !r.fresh[o] && !done[o.addr] {
				continue
			}
			now, err := r.Lab.Revisions(o.t, providers.Record{Addr: o.name, Kind: o.t.Name, ID: o.id, In: o.in, Out: o.out})
			if err != nil {
				return nil, err
			}
			if !done[o.addr] && slices.ContainsFunc(slices.Collect(maps.Keys(now)), func(section string) bool { return made[section] }) {
				continue
			}
			if !done[o.addr] && r.watches(o, done) {
				continue
			}
			if !maps.Equal(now, o.stored.ReadAt) {
				renewed := *o.stored
				renewed.ReadAt = now
				list = append(list, renewed)
			}
		}
	}
	return list, nil
}

// watches reports whether an object has attributes that change by themselves, and looks
// for them into one that is done.
func (r *run) watches(o *object, done map[addr.Instance]bool) bool {
	if o.t.Watch == nil || !slices.ContainsFunc(o.t.Schema.Out, func(a providers.Attr) bool { return a.Volatile }) {
		return false
	}
	return slices.ContainsFunc(o.t.Watch(r.Lab.Objects(), o.in), func(ref providers.Ref) bool {
		a, err := addr.Parse(string(ref))
		return err == nil && done[a]
	})
}

// sentence writes an error as one.
func sentence(err error) string {
	s := err.Error()
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
