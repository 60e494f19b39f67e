package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/graph"
	"hellolab/engine/record"
	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/providers"
	"hellolab/state"
)

// prior is an object that the state remembers.
type prior struct {
	addr    addr.Instance
	kind    *kind
	rec     providers.Record // as refreshed
	marked  []cty.Path       // of In, sensitive when it was applied
	deps    []addr.Instance
	tainted bool
	readAt  map[string]uint64
	adapted bool // another version stored it: what it learned may be missing

	// What refresh found.
	gone    bool
	unread  bool // a home of it is broken: asking would only fail
	renewed bool // the record is to be written again
	drift   *Change
}

func (o *prior) value() cty.Value { return record.Value(o.rec.In, o.rec.Out) }

// home is the printed address of the object that holds this one's records.
func (o *prior) home() string {
	if o.kind.t.Home == nil {
		return ""
	}
	return string(o.kind.t.Home(o.rec.In))
}

// load reads the objects of the state.
func (p *planner) load() hcl.Diagnostics {
	var stored []state.Object
	err := p.req.View.Read(func(r state.Reader) (err error) {
		stored, err = state.Objects(r)
		return err
	})
	if err != nil {
		return failed("The state cannot be read", err)
	}
	var diags hcl.Diagnostics
	for _, s := range stored {
		o, err := p.decode(s)
		if err != nil {
			diags = diags.Extend(failed("An object of the state cannot be read", err))
			continue
		}
		p.prior[o.addr] = o
	}
	return diags
}

func (p *planner) decode(s state.Object) (*prior, error) {
	a, err := addr.Parse(s.Addr)
	if err != nil {
		return nil, err
	}
	k := p.kind(s.Kind)
	if k == nil {
		return nil, fmt.Errorf("%s is of kind %q, which this program does not have. Was the state written by a newer one?", s.Addr, s.Kind)
	}
	rec, adapted, err := record.DecodeAdapted(k.t, s)
	if err != nil {
		return nil, err
	}
	o := &prior{addr: a, kind: k, rec: rec, tainted: s.Tainted, readAt: s.ReadAt, adapted: adapted}
	if adapted {
		o.readAt = nil // read anew
	}
	for _, text := range s.Sens {
		path, err := ParsePath(text)
		if err != nil {
			return nil, err
		}
		o.marked = append(o.marked, path)
	}
	for _, text := range s.Deps {
		dep, err := addr.Parse(text)
		if err != nil {
			return nil, err
		}
		o.deps = append(o.deps, dep)
	}
	return o, nil
}

// inOrder returns the objects of the state in address order.
func (p *planner) inOrder() []*prior {
	all := slices.Collect(maps.Values(p.prior))
	slices.SortFunc(all, func(a, b *prior) int { return addr.Compare(a.addr, b.addr) })
	return all
}

// refresh asks the systems for the objects whose sections moved since they
// were read, homes first: what stood in a home that is gone is gone with it.
func (p *planner) refresh(ctx context.Context) hcl.Diagnostics {
	var todo []*prior
	index := map[string]int32{}
	for _, o := range p.inOrder() {
		if o.kind.t.Read != nil || o.kind.t.Home != nil {
			index[o.rec.Addr] = int32(len(todo))
			todo = append(todo, o)
		}
	}
	known := map[string]bool{}
	for _, o := range p.prior {
		known[o.rec.Addr] = true
	}
	g := graph.New(len(todo))
	for i, o := range todo {
		if home, ok := index[o.home()]; ok && home != int32(i) {
			g.Edge(home, int32(i))
		}
	}
	var mu sync.Mutex // of the sink
	sink := func(e uievent.Event) {
		mu.Lock()
		defer mu.Unlock()
		p.req.Sink.Emit(e)
	}
	sharing, end := providers.Sharing(ctx)
	defer end()
	walked := g.Walk(sharing, p.req.Parallelism, func(ctx context.Context, v int32) error {
		o := todo[v]
		if home := o.home(); home != "" {
			if i, ok := index[home]; ok {
				o.gone, o.unread = todo[i].gone, todo[i].unread || todo[i].tainted
			} else {
				o.gone = !known[home]
			}
		}
		if o.gone {
			o.drift = p.drift(o, providers.Record{Out: cty.NullVal(o.kind.types.Out)})
			return nil
		}
		if o.unread || o.tainted || o.kind.t.Read == nil {
			return nil // to be made anew with its home, or by itself, whatever a system says
		}
		return p.read(ctx, o, sink)
	})
	var diags hcl.Diagnostics
	slices.SortFunc(walked.Failed, func(a, b graph.Failure) int { return int(a.Vertex - b.Vertex) })
	for _, f := range walked.Failed {
		diags = diags.Append(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  fmt.Sprintf("Reading %s failed", todo[f.Vertex].addr),
			Detail:   fmt.Sprintf("The lab was asked what it holds and did not say: %s. With -refresh=false the plan rests on what the state remembers.", f.Err),
		})
	}
	if err := ctx.Err(); err != nil {
		return append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Planning was interrupted", Detail: "Nothing was changed."})
	}
	for _, o := range todo {
		if o.gone {
			delete(p.prior, o.addr)
			p.gone = append(p.gone, o)
		}
	}
	return diags
}

// read asks a system for one object, if its sections moved.
func (p *planner) read(ctx context.Context, o *prior, sink uievent.Sink) error {
	// Revisions first: what is written after them will be read next time.
	revisions, err := p.req.Lab.Revisions(o.kind.t, o.rec)
	if err != nil {
		return err
	}
	if o.readAt != nil && maps.Equal(revisions, o.readAt) {
		return nil
	}
	sink.Emit(uievent.Event{Type: uievent.RefreshStart, At: p.req.Lab.Now(), Addr: o.addr, ID: o.rec.ID})
	now, err := o.kind.t.Read(ctx, p.req.Lab.Env(o.rec.Addr, o.kind.t, o.rec.In), o.rec)
	switch {
	case errors.Is(err, providers.ErrGone):
		o.gone = true
		o.drift = p.drift(o, providers.Record{Out: cty.NullVal(o.kind.types.Out)})
	case err != nil:
		return err
	default:
		now.In = o.kind.t.Schema.WithoutWriteOnly(now.In)
		if now.In, err = standing(o.kind.t.Schema, now.In); err != nil {
			return fmt.Errorf("kind %s returned a bad object from Read: %w; this is a mistake of the kind, not of the configuration", o.kind.t.Name, err)
		}
		if at := conforms(o.kind.types, now); at != "" {
			return fmt.Errorf("kind %s returned a bad object from Read: %s; this is a mistake of the kind, not of the configuration", o.kind.t.Name, at)
		}
		learned := !o.adapted && !lasting(o.kind.t, now.Out).RawEquals(lasting(o.kind.t, o.rec.Out))
		if !now.In.RawEquals(o.rec.In) || learned {
			o.drift = p.drift(o, now)
		}
		o.rec.ID, o.rec.In, o.rec.Out = now.ID, now.In, now.Out
		o.readAt, o.renewed = revisions, true
	}
	sink.Emit(uievent.Event{Type: uievent.RefreshComplete, At: p.req.Lab.Now(), Addr: o.addr, ID: o.rec.ID})
	return nil
}

// standing is what was read with the defaults of what a system does not hold: one that
// an earlier version set up has nothing of what it did not know, and does as by default.
func standing(s *providers.Schema, in cty.Value) (cty.Value, error) {
	if in == cty.NilVal || in.IsNull() || !in.Type().IsObjectType() || in.ContainsMarked() || !in.IsWhollyKnown() {
		return in, nil // for conforms to tell
	}
	full, err := s.Complete(in)
	if err != nil {
		return in, err
	}
	return s.WithoutWriteOnly(full), nil
}

// conforms says what is wrong with a record a kind returned, or "".
func conforms(t Types, rec providers.Record) string {
	for _, part := range []struct {
		name string
		v    cty.Value
		want cty.Type
	}{{"In", rec.In, t.In}, {"Out", rec.Out, t.Out}} {
		switch {
		case part.v == cty.NilVal:
			return part.name + " is missing"
		case part.v.ContainsMarked() || !part.v.IsWhollyKnown():
			return part.name + " is not wholly known"
		case part.v.Type().TestConformance(part.want) != nil:
			return part.name + " is of another type than the kind's"
		}
	}
	return ""
}

// drift describes how the lab differs from what the state remembers.
func (p *planner) drift(o *prior, now providers.Record) *Change {
	c := &Change{
		Addr: o.addr, Kind: o.kind.t.Name, Action: Update,
		Before: o.value(), After: cty.NullVal(o.kind.value),
		SensitiveBefore: o.kind.sensitivePaths(o.value(), o.marked),
	}
	if now.Out.IsNull() {
		c.Action = Delete
		return c
	}
	c.After = record.Value(now.In, now.Out)
	c.SensitiveAfter = o.kind.sensitivePaths(c.After, o.marked)
	return c
}

// renewals fills in the plan's drift and what is to be written about objects
// that no step touches.
func (p *planner) renewals(plan *Plan, included func(addr.Instance) bool) {
	all := slices.Concat(p.inOrder(), p.gone)
	slices.SortFunc(all, func(a, b *prior) int { return addr.Compare(a.addr, b.addr) })
	for _, o := range all {
		if !included(o.addr) {
			continue
		}
		if o.drift != nil {
			plan.Drift = append(plan.Drift, *o.drift)
		}
		deps, marked := o.deps, o.marked
		if now := p.objects[o.addr]; now != nil && p.req.Mode == Normal && now.change.Action == NoOp {
			deps, marked = now.desired.Deps, now.marked
		}
		if !o.gone && !o.renewed && slices.Equal(deps, o.deps) && samePaths(marked, o.marked) {
			continue
		}
		plan.Refreshed = append(plan.Refreshed, Refreshed{
			Addr: o.addr, Kind: o.kind.t.Name, Gone: o.gone, ID: o.rec.ID, In: o.rec.In, Out: o.rec.Out,
			SensitiveIn: marked, Deps: deps, Tainted: o.tainted, ReadAt: o.readAt,
		})
	}
}

// failed is a diagnostic for an error that has no place in the files.
func failed(summary string, err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: sentence(err)}}
}

// sentence writes an error as one. A first word that is a name stays as it is.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return s
	}
	first, _, _ := strings.Cut(s, " ")
	if c := s[0]; 'a' <= c && c <= 'z' && !strings.ContainsAny(first, ".:[") {
		s = string(c-0x20) + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '?' && last != '!' {
		s += "."
	}
	return s
}
