package apply

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// objects is what systems and expressions see while a plan is applied: for
// systems (providers.Objects) every declared object as it is to be, write-only
// values included, with what was learned of it so far; for expressions
// (eval.Lookup) its value, with unknowns until its step is done. An object
// that is to be destroyed is what it was until then.
type objects struct {
	registry *providers.Registry
	// secrets evaluates an instance again, for its write-only values.
	secrets func(addr.Instance) (cty.Value, error)

	mu     sync.RWMutex
	byAddr map[addr.Instance]*object
	byName map[string]*object
	byKind map[string][]*object // by name
}

var _ providers.Objects = (*objects)(nil)

// object is one entry. in and out are what systems see; plannedIn and
// plannedOut what expressions see until the step is done.
type object struct {
	addr addr.Instance
	name string
	t    *providers.Type

	mu                    sync.Mutex
	id                    string
	in, out               cty.Value
	plannedIn, plannedOut cty.Value
	declared, gone        bool
	value                 cty.Value // for expressions; NilVal until asked for
	fetched               bool      // whether writeOnly holds the write-only values
	writeOnly             cty.Value // of InType, null but for them
	stored                *state.Object
}

func newObjects(r *providers.Registry) *objects {
	return &objects{
		registry: r,
		byAddr:   map[addr.Instance]*object{}, byName: map[string]*object{}, byKind: map[string][]*object{},
	}
}

// load fills in what the state remembers and what the plan declares.
func (s *objects) load(v state.View, p *plan.Plan) error {
	var stored []state.Object
	err := v.Read(func(r state.Reader) (err error) {
		stored, err = state.Objects(r)
		return err
	})
	if err != nil {
		return err
	}
	for i := range stored {
		t := s.registry.Type(stored[i].Kind)
		if t == nil {
			return fmt.Errorf("%s is of kind %q, which this program does not have", stored[i].Addr, stored[i].Kind)
		}
		a, err := addr.Parse(stored[i].Addr)
		if err != nil {
			return err
		}
		rec, err := record.Decode(t, stored[i])
		if err != nil {
			return err
		}
		o := s.add(a, t)
		o.id, o.in, o.out, o.stored = rec.ID, rec.In, rec.Out, &stored[i]
		o.plannedIn, o.plannedOut = rec.In, rec.Out
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if o := s.byAddr[c.Addr]; o != nil {
			o.declared = c.Action != plan.Delete && c.Action != plan.Forget
		}
	}
	for i := range p.Steps {
		if step := &p.Steps[i]; step.Action == plan.Create || step.Action == plan.Update {
			t := s.registry.Type(step.Kind)
			if t == nil {
				return fmt.Errorf("%s is of kind %q, which this program does not have", step.Addr, step.Kind)
			}
			o := s.byAddr[step.Addr]
			if o == nil {
				o = s.add(step.Addr, t)
				o.in, o.out = step.PlannedIn, cty.NullVal(t.Schema.OutType)
			} else if step.Action == plan.Update && (!step.Completes || o.stored == nil) {
				o.in = step.PlannedIn
			}
			o.declared = true
			o.plannedIn, o.plannedOut = step.PlannedIn, step.PlannedOut
		}
	}
	for _, list := range s.byKind {
		slices.SortFunc(list, func(a, b *object) int { return strings.Compare(a.name, b.name) })
	}
	return nil
}

func (s *objects) add(a addr.Instance, t *providers.Type) *object {
	o := &object{addr: a, name: a.String(), t: t}
	s.byAddr[a], s.byName[o.name] = o, o
	s.byKind[t.Name] = append(s.byKind[t.Name], o)
	return o
}

func (s *objects) at(a addr.Instance) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byAddr[a]
}

// made records what a step made of its object.
func (o *object) made(in, out cty.Value, stored *state.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.id, o.in, o.out, o.plannedIn, o.plannedOut = stored.ID, in, out, in, out
	o.stored, o.gone, o.value = stored, false, cty.NilVal
}

// begun records what a step made of an object that another step completes. To
// expressions it is what was planned, and what was learned where that was not
// known.
func (o *object) begun(in, out cty.Value, stored *state.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.id, o.in, o.out = stored.ID, in, out
	attrs := o.plannedOut.AsValueMap()
	for name, v := range attrs {
		if !v.IsWhollyKnown() {
			attrs[name] = out.GetAttr(name)
		}
	}
	if len(attrs) > 0 {
		o.plannedOut = cty.ObjectVal(attrs)
	}
	o.stored, o.gone, o.value = stored, false, cty.NilVal
}

// current is the object as it is recorded.
func (o *object) current() providers.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	return providers.Record{Addr: o.name, Kind: o.t.Name, ID: o.id, In: o.in, Out: o.out}
}

// removed records that the object is not there any more. A replacement is from
// now on what it is to be.
func (o *object) removed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.id, o.out, o.stored = "", cty.NullVal(o.t.Schema.OutType), nil
	if o.declared {
		o.in = o.plannedIn
	} else {
		o.gone = true
	}
	o.value = cty.NilVal
}

// Lookup implements providers.Objects.
func (s *objects) Lookup(name string) (providers.Record, error) {
	s.mu.RLock()
	o := s.byName[name]
	s.mu.RUnlock()
	if o == nil {
		return providers.Record{}, fmt.Errorf("%s: %w", name, providers.ErrUnknownObject)
	}
	rec, ok, err := s.record(o)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w", name, providers.ErrUnknownObject)
	}
	return rec, err
}

// List implements providers.Objects.
func (s *objects) List(kind string) ([]providers.Record, error) {
	if s.registry.Type(kind) == nil {
		return nil, fmt.Errorf("no kind named %q", kind)
	}
	s.mu.RLock()
	list := s.byKind[kind]
	s.mu.RUnlock()
	recs := make([]providers.Record, 0, len(list))
	for _, o := range list {
		rec, ok, err := s.record(o)
		if err != nil {
			return nil, err
		}
		if ok {
			recs = append(recs, rec)
		}
	}
	return recs, nil
}

// record is the object as systems see it; ok is false for one that is gone.
func (s *objects) record(o *object) (rec providers.Record, ok bool, err error) {
	o.mu.Lock()
	if o.gone {
		o.mu.Unlock()
		return rec, false, nil
	}
	rec = providers.Record{Addr: o.name, Kind: o.t.Name, ID: o.id, In: o.in, Out: o.out}
	fetch := o.declared && !o.fetched && s.secrets != nil && hasWriteOnly(&o.t.Schema.In)
	o.mu.Unlock()
	if fetch {
		if err := s.fetch(o); err != nil {
			return rec, false, fmt.Errorf("%s: write-only values: %w", o.name, err)
		}
	}
	o.mu.Lock()
	if o.writeOnly != cty.NilVal {
		rec.In = record.WithWriteOnly(&o.t.Schema.In, rec.In, o.writeOnly)
	}
	o.mu.Unlock()
	// Nothing that is still unknown reaches a system.
	if !rec.In.IsWhollyKnown() {
		rec.In = cty.UnknownAsNull(rec.In)
	}
	return rec, true, nil
}

// fetch evaluates the object's write-only values and keeps them for this run,
// once everything they rest on is known.
func (s *objects) fetch(o *object) error {
	config, err := s.secrets(o.addr)
	if err != nil {
		return err
	}
	only := writeOnlyOf(&o.t.Schema.In, config)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeOnly, o.fetched = only, only.IsWhollyKnown()
	return nil
}

// lookup implements eval.Lookup.
func (s *objects) lookup(a addr.Instance) (cty.Value, bool) {
	o := s.at(a)
	if o == nil {
		return cty.NilVal, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.value == cty.NilVal {
		o.value = record.Value(o.plannedIn, o.plannedOut)
	}
	return o.value, true
}

// planned answers an evaluation with what the plan says of each instance.
type planned struct{ *objects }

// Instance implements eval.Values.
func (p planned) Instance(d *eval.Desired) (cty.Value, hcl.Diagnostics) {
	v, ok := p.lookup(d.Addr)
	if !ok { // left out by -target
		v = plan.Unmade(d)
	}
	return v, nil
}
