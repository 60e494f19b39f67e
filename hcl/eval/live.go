package eval

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
)

// Lookup answers what an instance is worth now: an object of its In and Out,
// as Values.Instance. False means that nothing newer than the plan is known.
// It must not contradict known parts of what Values answered.
type Lookup func(addr.Instance) (cty.Value, bool)

// Instance evaluates one instance again, with what is known now, and returns
// its Config. Expansion stays that of the last Evaluate, which must have run.
// It is safe for concurrent use, and costs what the block itself refers to.
func (e *Evaluator) Instance(ctx context.Context, a addr.Instance, l Lookup) (config cty.Value, diags hcl.Diagnostics) {
	r := e.last.Load()
	if r == nil {
		return cty.NilVal, hcl.Diagnostics{errorf(nil, "Not evaluated", "The configuration was not evaluated before %s was asked for.", a)}
	}
	n, i, ok := r.find(a)
	if !ok {
		return cty.NilVal, hcl.Diagnostics{errorf(nil, "Unknown instance", "The configuration does not declare %s.", a)}
	}
	defer survive(n.object.Range, &diags)
	exp := r.blocks[n.index]
	s := e.sessions.Get().(*session)
	defer e.sessions.Put(s)
	s.meter.Reset(ctx)
	src := &live{run: r, session: s, lookup: l}
	base := r.scope(&n.body, src, s.root)
	in := base.forInstance(r, n, exp, i, src)
	diags = append(base.diags, in.diags...)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	dec, more := n.decode.decode(n.object.Body, in.ctx, n.ranges, s.meter, r.known)
	diags = s.meter.Finish(append(append(diags, src.diags...), more...))
	if err := ctx.Err(); err != nil && !diags.HasErrors() {
		diags = append(diags, errorf(&n.object.Range, "Evaluation interrupted", "%s.", sentence(err.Error())))
	}
	return dec.value, diags
}

// Outputs evaluates all outputs again, with what is known now.
func (e *Evaluator) Outputs(ctx context.Context, l Lookup) ([]Output, hcl.Diagnostics) {
	src, diags := e.again(ctx, l)
	if src == nil {
		return nil, diags
	}
	out := src.run.outputs(src, src.session, &diags)
	return out, src.meter.Finish(append(diags, src.diags...))
}

// Checks evaluates all checks again, with what is known now.
func (e *Evaluator) Checks(ctx context.Context, l Lookup) ([]Check, hcl.Diagnostics) {
	src, diags := e.again(ctx, l)
	if src == nil {
		return nil, diags
	}
	out := src.run.checks(src, src.session, &diags)
	return out, src.meter.Finish(append(diags, src.diags...))
}

func (e *Evaluator) again(ctx context.Context, l Lookup) (*live, hcl.Diagnostics) {
	r := e.last.Load()
	if r == nil {
		return nil, hcl.Diagnostics{errorf(nil, "Not evaluated", "The configuration was not evaluated before.")}
	}
	return &live{run: r, session: e.newSession(ctx), lookup: l}, nil
}

// live is a source that prefers what was learned since the plan.
type live struct {
	*run
	*session
	lookup Lookup
	memo   map[*node]cty.Value // local values of this call that are not final
	diags  hcl.Diagnostics
}

func (l *live) local(n *node) (cty.Value, bool) {
	state := &l.locals[n.index]
	if state.failed || state.value == cty.NilVal {
		return cty.DynamicVal, false
	}
	if v := state.final.Load(); v != nil {
		return *v, true
	}
	if v, ok := l.memo[n]; ok {
		return v, true
	}
	sc := l.scope(&n.body, l, l.root)
	v, diags := n.local.Expr.Value(sc.ctx)
	l.diags = append(append(l.diags, sc.diags...), diags...)
	if diags.HasErrors() {
		return cty.DynamicVal, false
	}
	if v.IsWhollyKnown() {
		state.final.Store(&v)
	}
	if l.memo == nil {
		l.memo = map[*node]cty.Value{}
	}
	l.memo[n] = v
	return v, true
}

func (l *live) instance(n *node, i int) cty.Value {
	exp := l.blocks[n.index]
	if l.lookup != nil && exp.desired[i] != nil {
		if v, ok := l.lookup(exp.all[i]); ok {
			return n.view(exp.desired[i], v)
		}
	}
	return exp.values[i]
}

func (l *live) whole(n *node) cty.Value {
	exp := l.blocks[n.index]
	if v := exp.final.Load(); v != nil {
		return *v
	}
	v := exp.collect(n, func(i int) cty.Value { return l.instance(n, i) })
	if n.repeated() && v.IsWhollyKnown() {
		exp.final.Store(&v)
	}
	return v
}

// eachValue evaluates for_each again for an instance whose each.value was not
// wholly known. What it finds is kept for other instances: of ten thousand that
// wait for ten thousand others, few evaluate it.
func (l *live) eachValue(n *node, exp *expansion, i int) cty.Value {
	key := exp.keys[i].Str
	exp.eachLock.Lock()
	defer exp.eachLock.Unlock()
	if v, ok := exp.eachNow[key]; ok && v.IsWhollyKnown() {
		return v
	}
	sc := l.scope(&n.repeat, l, l.root)
	v, diags := n.object.ForEach.Expr.Value(sc.ctx)
	l.diags = append(append(l.diags, sc.diags...), diags...)
	v, _ = v.Unmark()
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return exp.each[i]
	}
	now := v.AsValueMap()
	found, ok := now[key]
	if !ok {
		rng := n.object.ForEach.Expr.Range()
		l.diags = append(l.diags, errorf(&rng, "Inconsistent for_each", "The key %q was there when the plan was made and is no more.", key))
		return exp.each[i]
	}
	exp.eachNow = now
	return found
}
