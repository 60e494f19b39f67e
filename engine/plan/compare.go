package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
)

// object is one object and what is planned for it.
type object struct {
	kind    *kind
	desired *eval.Desired // nil: not declared any more
	prior   *prior        // nil: does not exist
	change  Change

	in, out  cty.Value // as planned; null when it will not exist
	marked   []cty.Path
	evaluate bool
	rebound  map[string]bool // references that were found to lead to a new object
}

// answers tells the evaluation what each instance is worth: its planned value.
// Deciding what happens to an object and answering for it are one step, so
// that what depends on it sees what will be.
type answers struct{ *planner }

// Instance implements eval.Values.
func (p answers) Instance(d *eval.Desired) (cty.Value, hcl.Diagnostics) {
	o := p.compare(d)
	p.objects[d.Addr] = o
	p.byAddr[d.Addr.String()] = o
	p.order = append(p.order, o)
	return o.change.After, nil
}

// compare decides what happens to a declared instance.
func (p *planner) compare(d *eval.Desired) *object {
	k := p.kind(d.Type.Name)
	config, marked := unmark(d.Config)
	in := d.Type.Schema.WithoutWriteOnly(config)
	o := &object{kind: k, desired: d, prior: p.prior[d.Addr], marked: sortPaths(marked)}
	o.change = Change{Addr: d.Addr, Kind: d.Type.Name, Before: cty.NullVal(k.value)}

	if o.prior == nil {
		o.in, o.out, o.change.Action = in, predict(d.Type, in), Create
	} else {
		in = ignoring(o.prior.rec.In, in, d.Meta.IgnoreChanges)
		o.in = in
		p.decide(o)
		switch o.change.Action {
		case NoOp:
			o.out = o.prior.rec.Out
		case Update:
			o.out = predictUpdate(d.Type, o.prior, in)
		case Replace:
			o.out = predict(d.Type, in)
		}
		o.change.Before = o.prior.value()
		o.change.SensitiveBefore = k.sensitivePaths(o.change.Before, append(o.prior.marked[:len(o.prior.marked):len(o.prior.marked)], marked...))
	}
	// A write-only value that was written must be fetched again at apply.
	o.evaluate = !o.in.IsWhollyKnown() || !config.RawEquals(d.Type.Schema.WithoutWriteOnly(config))
	o.change.After = record.Value(o.in, o.out)
	o.change.SensitiveAfter = k.sensitivePaths(o.change.After, marked)
	return o
}

// decide chooses what happens to an object that exists and stays declared.
func (p *planner) decide(o *object) {
	c, meta := &o.change, o.desired.Meta
	d := diff(&o.kind.t.Schema.In, o.prior.rec.In, o.in)
	var rebind []cty.Path // rebound attributes that cannot change in place
	o.rebound = map[string]bool{}
	eachRef(&o.kind.t.Schema.In, o.in, func(at cty.Path, a *providers.Attr, ref string) {
		if !p.anewAt(ref) {
			return
		}
		o.rebound[ref] = true
		c.Rebound = append(c.Rebound, at)
		if a.Replace {
			rebind = append(rebind, at)
		}
	})
	c.Rebound = sortPaths(c.Rebound)
	homeless := false // its home is made anew, and its records go with the old one
	if o.kind.t.Home != nil {
		home := p.byAddr[string(o.kind.t.Home(o.prior.rec.In))]
		homeless = home != nil && home.anew()
	}
	why, byForce := p.forced[c.Addr]
	c.Replace = sortPaths(append(d.replace, rebind...))
	switch {
	case o.prior.tainted:
		c.Action, c.Reason = Replace, ReplaceBecauseTainted
	case byForce:
		c.Action, c.Reason, c.Why = Replace, why.reason, why.why
	case p.triggered(meta.ReplaceTriggeredBy):
		c.Action, c.Reason = Replace, ReplaceByTriggers
	case len(c.Replace) > 0 || homeless:
		c.Action, c.Reason = Replace, ReplaceBecauseCannotUpdate
	case len(d.changed) == 0 && len(c.Rebound) == 0:
		c.Action = NoOp
	case o.kind.t.Update == nil:
		c.Action, c.Reason = Replace, ReplaceBecauseCannotUpdate
		c.Replace = sortPaths(append(d.changed, c.Rebound...))
	default:
		c.Action = Update
	}
}

// anew reports whether what the object's address leads to after the plan is
// another object than before.
func (o *object) anew() bool { return o.change.Action == Replace || o.change.Action == Create }

// anewAt reports whether an address leads to a new object. Of one that is
// compared later, since it refers back, the evaluation before knows.
func (p *planner) anewAt(ref string) bool {
	o := p.byAddr[ref]
	if o == nil {
		o = p.before[ref]
	}
	return o != nil && o.anew()
}

func (p *planner) triggered(by []addr.Instance) bool {
	for _, a := range by {
		if o := p.objects[a]; o != nil && (o.anew() || o.change.Action == Update) {
			return true
		}
	}
	return false
}

// predict is what is known of an object before it is made. A kind predicts
// from what is asked: while part of that is unknown, so is the rest.
func predict(t *providers.Type, in cty.Value) cty.Value {
	if in.IsWhollyKnown() {
		return t.Predict(in)
	}
	return unlearned(t)
}

// unlearned is an object of OutType of which nothing is known.
func unlearned(t *providers.Type) cty.Value {
	attrs := make(map[string]cty.Value, len(t.Schema.Out))
	for i := range t.Schema.Out {
		attrs[t.Schema.Out[i].Name] = cty.UnknownVal(t.Schema.Out[i].Type)
	}
	return cty.ObjectVal(attrs)
}

// Unmade is what an instance is worth that does not exist and that the plan
// does not make: what was asked, and nothing learned.
func Unmade(d *eval.Desired) cty.Value {
	config, _ := d.Config.UnmarkDeep()
	return record.Value(d.Type.Schema.WithoutWriteOnly(config), unlearned(d.Type))
}

// predictUpdate is what is known of an object while it is updated: what the
// kind predicts for what is now asked, and what it learned before. What it
// predicted for what was asked before, and does not now, is not known; nor is
// what only time changes, or what follows an attribute that changes.
func predictUpdate(t *providers.Type, prior *prior, in cty.Value) cty.Value {
	before, after := t.Predict(prior.rec.In), predict(t, in)
	attrs := make(map[string]cty.Value, len(t.Schema.Out))
	for i := range t.Schema.Out {
		a := &t.Schema.Out[i]
		now := after.GetAttr(a.Name)
		switch {
		case now.IsKnown():
			attrs[a.Name] = now
		case a.Volatile || before.GetAttr(a.Name).IsKnown() || follows(a, prior.rec.In, in):
			attrs[a.Name] = cty.UnknownVal(a.Type)
		default:
			attrs[a.Name] = prior.rec.Out.GetAttr(a.Name)
		}
	}
	return cty.ObjectVal(attrs)
}

// follows reports whether an attribute of In changes that a follows.
func follows(a *providers.Attr, was, is cty.Value) bool {
	for _, name := range a.Follows {
		if !was.GetAttr(name).RawEquals(is.GetAttr(name)) {
			return true
		}
	}
	return false
}

// lasting is out without what only time changes.
func lasting(t *providers.Type, out cty.Value) cty.Value {
	var attrs map[string]cty.Value
	for i := range t.Schema.Out {
		if a := &t.Schema.Out[i]; a.Volatile {
			if attrs == nil {
				attrs = out.AsValueMap()
			}
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	if attrs == nil {
		return out
	}
	return cty.ObjectVal(attrs)
}
