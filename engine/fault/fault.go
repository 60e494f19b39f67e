// Package fault switches the faults of a lab on and off. A fault works on a
// throwaway view: what it breaks on the network or by a clock stays in a
// lab.Trouble, which every lab on that view is opened with; what it changes is
// changed through the systems' own interfaces and recorded in the view. When a
// fault ends, the switch mends what it noted, last first, and then the fault
// what it did by itself.
package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/engine/record"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// Fault is one fault block, evaluated.
type Fault struct {
	Name   string        // of the block
	Kind   string        // providers.Fault
	Target string        // address
	After  time.Duration // of lab time until it begins
	Window time.Duration // of lab time that it lasts; zero: until it is ended
	Params map[string]cty.Value

	Unknown []string // arguments that only an apply makes known
	Range   hcl.Range
}

// From reads evaluated fault blocks.
func From(blocks []eval.Fault) ([]Fault, error) {
	out := make([]Fault, len(blocks))
	for i, b := range blocks {
		out[i] = Fault{Name: b.Name, Kind: b.Kind, Target: b.Target, Params: b.Params, Unknown: b.Unknown, Range: b.Range}
		var err error
		if out[i].After, err = duration(b.After); err == nil {
			out[i].Window, err = duration(b.Window)
		}
		if err != nil {
			return nil, fmt.Errorf("fault %s: %w", b.Name, err)
		}
	}
	return out, nil
}

// duration reads one, "" as none.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return providers.ParseDuration(text)
}

// Named finds a fault by its name.
func Named(list []Fault, name string) (Fault, bool) {
	i := slices.IndexFunc(list, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Fault{}, false
	}
	return list[i], true
}

// Switch holds the faults that are on in one view. Begin, End and Pass are not
// for concurrent use.
type Switch struct {
	Registry *providers.Registry
	View     state.View
	Trouble  *lab.Trouble // of every lab that is opened on View

	on []*active // in the order they were switched on
}

// active is a fault that is on, or will be.
type active struct {
	Fault
	how    *providers.Fault
	begins time.Time
	ends   time.Time // zero: when it is ended
	begun  bool
	undo   []func(context.Context, *lab.Lab) error
}

// On names the faults that are on, those that only begin later included, in the
// order they were switched on.
func (s *Switch) On() []string {
	names := make([]string, len(s.on))
	for i, a := range s.on {
		names[i] = a.Name
	}
	return names
}

// Begin switches a fault on in l; one that has an After begins when Pass comes
// to it. One that is on already stays so.
func (s *Switch) Begin(ctx context.Context, l *lab.Lab, f Fault) error {
	if slices.Contains(s.On(), f.Name) {
		return nil
	}
	how := s.Registry.Fault(f.Kind)
	if how == nil {
		return fmt.Errorf("there is no fault of kind %q", f.Kind)
	}
	if len(f.Unknown) > 0 {
		return fmt.Errorf("fault %s: %s cannot be known before the files are applied: apply first, or write a value that is known", f.Name, strings.Join(f.Unknown, ", "))
	}
	a := &active{Fault: f, how: how, begins: l.Now().Add(f.After)}
	if f.Window > 0 {
		a.ends = a.begins.Add(f.Window)
	}
	if f.After == 0 {
		if err := s.start(ctx, l, a); err != nil {
			return err
		}
	}
	s.on = append(s.on, a)
	return nil
}

// start breaks it.
func (s *Switch) start(ctx context.Context, l *lab.Lab, a *active) error {
	broken, err := s.broken(l, a.Fault)
	if err != nil {
		return fmt.Errorf("fault %s: %w", a.Name, err)
	}
	if err := a.how.Begin(ctx, &breaker{s, l, a}, broken); err != nil {
		return fmt.Errorf("fault %s: %w", a.Name, errors.Join(err, s.mend(ctx, l, a)))
	}
	a.begun = true
	a.tell(l, "fault_began", "begins")
	return nil
}

// tell records that a fault begins or ends.
func (a *active) tell(l *lab.Lab, step, verb string) {
	env := l.Env("", &providers.Type{}, cty.NilVal)
	env.Emit.Emit(event.Event{
		At: env.Now(), Actor: event.Fault, Protocol: "local", Step: step,
		Text:    fmt.Sprintf("The fault %s %s: %s of %s.", a.Name, verb, a.Kind, a.Target),
		Message: map[string]any{"fault": a.Name, "kind": a.Kind, "target": a.Target},
	})
}

// End switches a fault off in l. One that is not on is off already.
func (s *Switch) End(ctx context.Context, l *lab.Lab, name string) error {
	i := slices.IndexFunc(s.on, func(a *active) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	a := s.on[i]
	if !a.begun {
		s.on = slices.Delete(s.on, i, i+1)
		return nil
	}
	if a.how.Lasting {
		return fmt.Errorf("fault %s: nothing mends a fault of kind %s", name, a.Kind)
	}
	s.on = slices.Delete(s.on, i, i+1)
	err := s.mend(ctx, l, a)
	if err == nil && a.how.End != nil {
		var broken providers.Broken
		if broken, err = s.broken(l, a.Fault); err == nil {
			err = a.how.End(ctx, &breaker{s, l, a}, broken)
		}
	}
	if err != nil {
		return fmt.Errorf("end of fault %s: %w", name, err)
	}
	a.tell(l, "fault_ended", "ends")
	return nil
}

// Pass lets lab time pass: the clock moves by d, stopping where a fault begins or
// its window ends, and at each stop the lab does what has become due. undone is
// what the last stop could not do.
func (s *Switch) Pass(ctx context.Context, l *lab.Lab, d time.Duration) (undone []lab.Undone, err error) {
	until := l.Now().Add(d)
	for {
		at, next := s.next(until)
		if by := at.Sub(l.Now()); by > 0 {
			if err := l.Advance(ctx, by); err != nil {
				return nil, err
			}
		}
		if undone, err = l.CatchUp(ctx); err != nil || next == nil {
			return undone, err
		}
		if next.begun {
			err = s.End(ctx, l, next.Name)
		} else {
			err = s.start(ctx, l, next)
		}
		if err != nil {
			return undone, err
		}
	}
}

// next is the fault that begins or ends first until then, nil when none does.
func (s *Switch) next(until time.Time) (at time.Time, first *active) {
	at = until
	for _, a := range s.on {
		when := a.begins
		if a.begun {
			when = a.ends
		}
		if !when.IsZero() && !when.After(at) {
			at, first = when, a
		}
	}
	return at, first
}

// mend undoes what the switch noted of a fault.
func (s *Switch) mend(ctx context.Context, l *lab.Lab, a *active) error {
	s.Trouble.End(a.Name)
	var failed error
	for _, undo := range slices.Backward(a.undo) {
		failed = errors.Join(failed, undo(ctx, l))
	}
	a.undo = nil
	return failed
}

// broken is what a fault is of. A parameter that only an apply makes known is an
// error: left out it would mean something else.
func (s *Switch) broken(l *lab.Lab, f Fault) (providers.Broken, error) {
	for _, name := range slices.Sorted(maps.Keys(f.Params)) {
		if v := f.Params[name]; v != cty.NilVal && !v.IsWhollyKnown() {
			return providers.Broken{}, fmt.Errorf("its argument %s is not known yet: apply first", name)
		}
	}
	rec, _, err := s.lookup(l, f.Target)
	return providers.Broken{Target: rec, Params: f.Params}, err
}

// lookup finds an object that exists.
func (s *Switch) lookup(l *lab.Lab, addr string) (providers.Record, *providers.Type, error) {
	rec, err := l.Objects().Lookup(addr)
	if errors.Is(err, providers.ErrUnknownObject) || err == nil && (rec.Out == cty.NilVal || rec.Out.IsNull()) {
		return rec, nil, fmt.Errorf("%s is not in the lab yet: apply first", addr)
	}
	if err != nil {
		return rec, nil, err
	}
	t := s.Registry.Type(rec.Kind)
	if t == nil {
		return rec, nil, fmt.Errorf("%s is of unknown kind %q", addr, rec.Kind)
	}
	return rec, t, nil
}

// change makes attributes of an object these, and returns what they were.
func (s *Switch) change(ctx context.Context, l *lab.Lab, addr string, attrs map[string]cty.Value) (was map[string]cty.Value, err error) {
	rec, t, err := s.lookup(l, addr)
	if err != nil {
		return nil, err
	}
	if t.Update == nil {
		return nil, fmt.Errorf("a %s is never changed: it is replaced", t.Name)
	}
	now := rec.In.AsValueMap()
	was = map[string]cty.Value{}
	for name, v := range attrs {
		old, ok := now[name]
		if !ok {
			return nil, fmt.Errorf("a %s has no attribute %q", t.Name, name)
		}
		was[name], now[name] = old, v
	}
	in := cty.ObjectVal(now)
	out, err := t.Update(ctx, l.Env(rec.Addr, t, in), rec, in)
	if err != nil {
		return nil, fmt.Errorf("change %s of %s: %w", names(attrs), addr, err)
	}
	if err := s.keep(ctx, t, rec, in, out); err != nil {
		return nil, err
	}
	return was, l.Reload(rec.Addr)
}

// keep records an object that was changed.
func (s *Switch) keep(ctx context.Context, t *providers.Type, rec providers.Record, in, out cty.Value) error {
	inBytes, outBytes, err := record.Encode(t, t.Schema.WithoutWriteOnly(in), out)
	if err != nil {
		return err
	}
	return s.View.Commit(ctx, func(w state.Writer) error {
		o, ok, err := state.GetObject(w, rec.Addr)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s: %w", rec.Addr, providers.ErrUnknownObject)
		}
		o.In, o.Out, o.ReadAt = inBytes, outBytes, nil
		return state.PutObject(w, o)
	})
}

// due has one object do what has become due of it.
func (s *Switch) due(ctx context.Context, l *lab.Lab, addr string) error {
	rec, t, err := s.lookup(l, addr)
	if err != nil || t.Due == nil {
		return err
	}
	return t.Due(ctx, l.Env(rec.Addr, t, rec.In), rec)
}

func names(attrs map[string]cty.Value) string {
	list := slices.Sorted(maps.Keys(attrs))
	text := list[0]
	for _, n := range list[1:] {
		text += " and " + n
	}
	return text
}
