package eval

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
)

// run is what one Evaluate found. It does not change afterwards, except for
// memos of values that became final.
type run struct {
	e      *Evaluator
	locals []localState // by node index
	blocks []*expansion // by node index; nil where a cycle prevented evaluation
}

type localState struct {
	value  cty.Value
	deps   []addr.Instance // sorted
	failed bool
	final  *atomic.Pointer[cty.Value] // once wholly known
}

// expansion is the instances of one block.
type expansion struct {
	keys    []addr.Key // in order
	at      map[addr.Key]int
	all     []addr.Instance
	each    []cty.Value       // each.value by instance; empty without for_each
	made    [][]addr.Instance // what each.value is made of
	desired []*Desired
	values  []cty.Value // as references see them
	common  []addr.Instance
	later   []addr.Instance // of the blocks that refer back
	repeat  []addr.Instance // what the repetition refers to
	whole   cty.Value       // the block as references see it; NilVal until asked for
	failed  bool
	final   atomic.Pointer[cty.Value] // whole, once wholly known

	eachLock sync.Mutex
	eachNow  map[string]cty.Value // for_each as last evaluated with what was known
}

// source answers what names are worth: while evaluating, and later from what
// an applier has learned.
type source interface {
	local(n *node) (cty.Value, bool) // false: it has failed, and that was told
	instance(n *node, i int) cty.Value
	whole(n *node) cty.Value
}

// Evaluate evaluates the whole configuration, asking v for the value of each
// instance once it is decoded. A nil v stands for a lab in which nothing
// exists. The Result is never nil; with errors it holds what was sound.
func (e *Evaluator) Evaluate(ctx context.Context, v Values) (*Result, hcl.Diagnostics) {
	if v == nil {
		v = nothing{}
	}
	ev := &evaluation{
		run:    &run{e: e, locals: make([]localState, e.size), blocks: make([]*expansion, e.size)},
		ctx:    ctx,
		values: v,
		result: &Result{},
	}
	ev.session = e.newSession(ctx)
	for _, n := range e.order {
		if ctx.Err() != nil || ev.meter.Spent() {
			break
		}
		switch {
		case n.local != nil:
			ev.evalLocal(n)
		case n.expands != nil:
			ev.stub(n.expands)
		default:
			ev.evalBlock(n)
		}
	}
	if err := ctx.Err(); err != nil && !ev.meter.Spent() {
		ev.diags = append(ev.diags, errorf(nil, "Evaluation interrupted", "%s.", sentence(err.Error())))
	}
	e.last.Store(ev.run)
	if !ev.meter.Spent() {
		ev.result.Outputs = ev.outputs(ev, ev.session, &ev.diags)
		ev.result.Checks = ev.checks(ev, ev.session, &ev.diags)
		ev.result.Faults = ev.faults(ev, ev.session, &ev.diags)
	}
	ev.diags = ev.meter.Finish(ev.diags)
	return ev.result, ev.diags
}

// evaluation is a run in the making.
type evaluation struct {
	*run
	*session
	ctx    context.Context
	values Values
	result *Result
	diags  hcl.Diagnostics
}

func (ev *evaluation) add(diags hcl.Diagnostics) { ev.diags = append(ev.diags, diags...) }

func (ev *evaluation) local(n *node) (cty.Value, bool) {
	l := ev.locals[n.index]
	if l.value == cty.NilVal {
		return cty.DynamicVal, false
	}
	return l.value, !l.failed
}

func (ev *evaluation) instance(n *node, i int) cty.Value { return ev.blocks[n.index].values[i] }

func (ev *evaluation) whole(n *node) cty.Value {
	exp := ev.blocks[n.index]
	if exp.whole == cty.NilVal {
		exp.whole = exp.collect(n, func(i int) cty.Value { return exp.values[i] })
	}
	return exp.whole
}

// collect makes the value of a block of its instances' values.
func (exp *expansion) collect(n *node, value func(int) cty.Value) cty.Value {
	switch {
	case n.object.Count != nil:
		vals := make([]cty.Value, len(exp.keys))
		for i := range vals {
			vals[i] = value(i)
		}
		return cty.TupleVal(vals)
	case n.object.ForEach != nil:
		vals := make(map[string]cty.Value, len(exp.keys))
		for i, k := range exp.keys {
			vals[k.Str] = value(i)
		}
		return cty.ObjectVal(vals)
	case len(exp.keys) == 0:
		return cty.NullVal(cty.DynamicPseudoType) // not enabled
	}
	return value(0)
}

// survive turns a panic of the value library, of which a file must not be the
// cause, into a diagnostic at rng.
func survive(rng hcl.Range, diags *hcl.Diagnostics) {
	if p := recover(); p != nil {
		*diags = append(*diags, errorf(&rng, "Internal error", "Evaluating this ended in an error of hellolab itself. Please report it, with this part of the configuration."))
	}
}

func (ev *evaluation) evalLocal(n *node) {
	defer survive(n.local.Range, &ev.diags)
	l := localState{value: cty.DynamicVal, failed: true, final: &atomic.Pointer[cty.Value]{}}
	if !n.invalid {
		sc := ev.scope(&n.body, ev, ev.root)
		ev.add(sc.diags)
		v, diags := n.local.Expr.Value(sc.ctx)
		ev.add(diags)
		if !diags.HasErrors() && !sc.diags.HasErrors() {
			l.value, l.failed = v, sc.failed
		}
		l.deps = sc.deps(ev.run, nil)
	}
	if l.value.IsWhollyKnown() && !l.failed {
		l.final.Store(&l.value)
	}
	ev.locals[n.index] = l
}

// maxToldInstances is how many instances of one block tell their mistakes.
const maxToldInstances = 3

func (ev *evaluation) evalBlock(n *node) {
	exp := ev.blocks[n.index]
	if exp == nil {
		exp = ev.expanded(n)
	}
	if exp.failed {
		return
	}
	exp.failed = true // until it has not
	defer survive(n.object.Range, &ev.diags)
	base := ev.scope(&n.body, ev, ev.root)
	ev.add(base.diags)
	exp.failed = base.diags.HasErrors()
	exp.common = union(base.deps(ev.run, n.stubs), exp.repeat)
	exp.later = base.laterDeps(ev.run, n.stubs)
	exp.whole = cty.NilVal
	exp.values = make([]cty.Value, len(exp.keys))
	exp.desired = make([]*Desired, len(exp.keys))
	told := 0
	for i := range exp.keys {
		exp.values[i] = cty.DynamicVal
		if exp.failed || told >= maxToldInstances || ev.meter.Spent() {
			continue
		}
		diags := ev.evalInstance(n, exp, i, base)
		ev.add(diags)
		if diags.HasErrors() {
			told++
		}
	}
	exp.failed = exp.failed || told > 0
}

// expanded finds the instances of a block.
func (ev *evaluation) expanded(n *node) *expansion {
	exp := &expansion{failed: true} // until it has not
	ev.blocks[n.index] = exp
	if n.invalid {
		return exp
	}
	defer survive(n.object.Range, &ev.diags)
	repeat, ok := ev.expand(n, exp)
	exp.repeat, exp.failed = repeat, !ok
	return exp
}

// stub makes the addresses of a block known ahead of its body, to those whose
// references to it may be set later. Nothing else is known of it.
func (ev *evaluation) stub(n *node) {
	exp := ev.expanded(n)
	if exp.failed {
		return
	}
	attrs := map[string]cty.Value{}
	for _, types := range []cty.Type{n.typ.Schema.InType, n.typ.Schema.OutType} {
		for name, ty := range types.AttributeTypes() {
			if !n.decode.hidden[name] {
				attrs[name] = cty.UnknownVal(ty)
			}
		}
	}
	exp.values = make([]cty.Value, len(exp.keys))
	for i, a := range exp.all {
		attrs["address"] = cty.StringVal(a.String())
		exp.values[i] = cty.ObjectVal(attrs)
	}
}

func (ev *evaluation) evalInstance(n *node, exp *expansion, i int, base *scope) (diags hcl.Diagnostics) {
	defer survive(n.object.Range, &diags)
	in := base.forInstance(ev.run, n, exp, i, ev)
	diags = in.diags
	dec, more := n.decode.decode(n.object.Body, in.ctx, n.ranges, ev.meter, ev.known)
	diags = append(diags, more...)
	if base.failed && diags.HasErrors() {
		exp.failed = true // of those who refer to it, too, nothing more is told
		return nil        // unknown only because of what was told already
	}
	if diags.HasErrors() {
		return diags
	}
	if ev.meter.Value(dec.value) != nil {
		return append(diags, ev.meter.Diagnose(n.object.Range)...)
	}
	d := &Desired{
		Addr:       exp.all[i],
		Type:       n.typ,
		Config:     dec.value,
		Range:      n.object.Range,
		AttrRanges: n.ranges,
	}
	d.Meta, more = ev.meta(n, in, exp)
	diags = append(diags, more...)
	now, later := ev.apart(n, slices.Concat(in.extra, dec.refs))
	now = union(with(exp.common, now), d.Meta.ReplaceTriggeredBy)
	d.Later = without(with(exp.later, later), now)
	d.Deps = union(now, d.Later)
	if diags.HasErrors() {
		return diags
	}
	exp.desired[i] = d
	if base.failed {
		return diags // what it refers to has failed: nothing to plan
	}
	v, more := ev.values.Instance(d)
	diags = append(diags, more...)
	if !more.HasErrors() {
		exp.values[i] = n.view(d, v)
	}
	ev.result.Desired = append(ev.result.Desired, d)
	return diags
}

// apart tells the instances that refer back to n from others.
func (ev *evaluation) apart(n *node, list []addr.Instance) (now, later []addr.Instance) {
	if len(n.stubs) == 0 {
		return list, nil
	}
	for _, a := range list {
		if n.stubs[ev.e.blocks[a.Block]] {
			later = append(later, a)
		} else {
			now = append(now, a)
		}
	}
	return now, later
}

// known reports whether an address is an instance evaluated before.
func (r *run) known(a addr.Instance) bool {
	_, _, ok := r.find(a)
	return ok
}

func (r *run) find(a addr.Instance) (*node, int, bool) {
	n := r.e.blocks[a.Block]
	if n == nil || r.blocks[n.index] == nil {
		return nil, 0, false
	}
	i, ok := r.blocks[n.index].at[a.Key]
	return n, i, ok
}

// view is the value of an instance as references see it: with its address,
// without write-only attributes, and sensitive where the kind or the author's
// own values are.
func (n *node) view(d *Desired, v cty.Value) cty.Value {
	v, marks := v.Unmark()
	if !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return cty.DynamicVal
	}
	attrs := v.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	for name := range n.decode.hidden {
		delete(attrs, name)
	}
	for name := range n.decode.secret {
		if a, ok := attrs[name]; ok {
			attrs[name] = a.Mark(Sensitive)
		}
	}
	for _, a := range n.typ.Schema.Out {
		// What can hold any value may repeat what was asked.
		if a.Sensitive || a.Type == cty.DynamicPseudoType && d.Config.ContainsMarked() {
			if av, ok := attrs[a.Name]; ok {
				attrs[a.Name] = av.Mark(Sensitive)
			}
		}
	}
	for it := d.Config.ElementIterator(); it.Next(); {
		k, c := it.Element()
		if name := k.AsString(); c.ContainsMarked() {
			if av, ok := attrs[name]; ok && !n.decode.secret[name] {
				attrs[name] = remark(av, c)
			}
		}
	}
	attrs["address"] = cty.StringVal(d.Addr.String())
	return cty.ObjectVal(attrs).WithMarks(marks)
}

// remark marks v where like is marked; all of it where their shapes differ.
func remark(v, like cty.Value) cty.Value {
	if like.IsMarked() {
		return v.Mark(Sensitive)
	}
	bare, marks := v.Unmark()
	lt, vt := like.Type(), bare.Type()
	if bare.IsKnown() && !bare.IsNull() && lt.IsMapType() && vt.Equals(lt) && like.IsKnown() && !like.IsNull() {
		return remarkMap(bare, like).WithMarks(marks)
	}
	if !bare.IsKnown() || bare.IsNull() || !lt.IsObjectType() || !vt.IsObjectType() || !vt.Equals(lt) {
		return v.Mark(Sensitive)
	}
	attrs := bare.AsValueMap()
	for name := range attrs {
		if c := like.GetAttr(name); c.ContainsMarked() {
			attrs[name] = remark(attrs[name], c)
		}
	}
	return cty.ObjectVal(attrs).WithMarks(marks)
}

// remarkMap marks the elements of a map as remark does.
func remarkMap(v, like cty.Value) cty.Value {
	elems, marked := v.AsValueMap(), like.AsValueMap()
	for key, e := range elems {
		switch c, asked := marked[key]; {
		case !asked:
			elems[key] = e.Mark(Sensitive)
		case c.ContainsMarked():
			elems[key] = remark(e, c)
		}
	}
	if len(elems) == 0 {
		return v
	}
	return cty.MapVal(elems)
}

// nothing is a lab in which nothing exists yet: what was asked is known, what
// would be learned is not.
type nothing struct{}

func (nothing) Instance(d *Desired) (cty.Value, hcl.Diagnostics) {
	in, _ := d.Config.UnmarkDeep()
	attrs := in.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	for name, v := range d.Type.Predict(in).AsValueMap() {
		if own, ok := attrs[name]; !ok || own.IsNull() {
			attrs[name] = v
		}
	}
	return cty.ObjectVal(attrs), nil
}
