package eval

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
)

// scope is what the names of one unit are worth. Instances of a block share
// one and add each, count and what they index by these.
type scope struct {
	unit   *unit
	ctx    *hcl.EvalContext
	blocks map[string]map[string]cty.Value // kind, name: what ctx holds
	failed bool                            // something it refers to has failed, and that was told
	diags  hcl.Diagnostics
	extra  []addr.Instance // instances that only this scope of an instance refers to
}

var pathValue = cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal("."), "root": cty.StringVal(".")})

// scope makes the scope of a unit, with the names it mentions and no others.
func (r *run) scope(u *unit, src source, root *hcl.EvalContext) *scope {
	s := &scope{unit: u, ctx: root.NewChild(), blocks: map[string]map[string]cty.Value{}}
	s.ctx.Variables = map[string]cty.Value{}
	if u.vars {
		s.ctx.Variables["var"] = r.e.vars
	}
	if u.runs {
		s.ctx.Variables["run"] = cty.ObjectVal(r.e.options.Runs)
	}
	if u.path {
		s.ctx.Variables["path"] = pathValue
	}
	if len(u.locals) > 0 {
		vals := make(map[string]cty.Value, len(u.locals))
		for _, n := range u.locals {
			v, ok := src.local(n)
			vals[n.local.Name] = v
			s.failed = s.failed || !ok
		}
		s.ctx.Variables["local"] = cty.ObjectVal(vals)
	}
	for _, ref := range u.refs {
		s.set(ref.to, s.block(r, ref, src))
	}
	for kind, names := range s.blocks {
		s.ctx.Variables[kind] = cty.ObjectVal(names)
	}
	return s
}

func (s *scope) set(n *node, v cty.Value) {
	names := s.blocks[n.block.Kind]
	if names == nil {
		names = map[string]cty.Value{}
		s.blocks[n.block.Kind] = names
	}
	names[n.block.Name] = v
}

// block is the value of one block, or of the instances that are named.
func (s *scope) block(r *run, ref *ref, src source) cty.Value {
	exp := r.blocks[ref.to.index]
	if exp == nil || exp.failed {
		s.failed = true
		return cty.DynamicVal
	}
	// A key that is not there is told here: with the other instances left out
	// of scope, evaluation could not tell what there is.
	ok := true
	for _, k := range ref.keys {
		if _, found := exp.at[k.key]; !found {
			s.diags = append(s.diags, noInstance(ref.to, exp, k.key, k.rng))
			ok = false
		}
	}
	if !ok {
		return cty.DynamicVal
	}
	if ref.whole || !ref.to.repeated() {
		return src.whole(ref.to)
	}
	vals := make(map[string]cty.Value, len(ref.keys))
	for _, k := range ref.keys {
		vals[attrOf(k.key)] = src.instance(ref.to, exp.at[k.key])
	}
	return cty.ObjectVal(vals)
}

// attrOf is the attribute that stands for a key in an object of instances. An
// index with a number finds it, too.
func attrOf(k addr.Key) string {
	if k.Kind == addr.IntKey {
		s := k.String()
		return s[1 : len(s)-1]
	}
	return k.Str
}

func noInstance(n *node, exp *expansion, key addr.Key, rng hcl.Range) *hcl.Diagnostic {
	var hint string
	switch {
	case len(exp.keys) == 0:
		hint = " It has no instances."
	case n.object.Count != nil:
		hint = " It has " + addr.Int(0).String() + " to " + exp.keys[len(exp.keys)-1].String() + "."
	default:
		var names []string
		for _, k := range exp.keys {
			names = append(names, k.Str)
		}
		hint = suggest(key.Str, names)
	}
	return errorf(&rng, "Unknown instance", "The block %s has no instance %s.%s", n.block, key, hint)
}

// deps returns the instances a shared scope refers to, sorted. Where they are
// those of one block alone, the slice is shared with it. References to the
// blocks of but are left out, unless a local value makes them.
func (s *scope) deps(r *run, but map[*node]bool) []addr.Instance {
	var out []addr.Instance
	for _, n := range s.unit.locals {
		out = union(out, r.locals[n.index].deps)
	}
	for _, ref := range s.unit.refs {
		if !but[ref.to] {
			out = union(out, ref.deps(r))
		}
	}
	return out
}

// laterDeps returns the instances of the blocks of only, sorted.
func (s *scope) laterDeps(r *run, only map[*node]bool) []addr.Instance {
	var out []addr.Instance
	for _, ref := range s.unit.refs {
		if only[ref.to] {
			out = union(out, ref.deps(r))
		}
	}
	return out
}

// deps returns the instances of a reference that do not differ between the
// instances that refer to them, sorted.
func (ref *ref) deps(r *run) []addr.Instance {
	exp := r.blocks[ref.to.index]
	switch {
	case exp == nil:
		return nil
	case ref.whole:
		return exp.all
	}
	var out []addr.Instance
	for _, k := range ref.keys {
		if i, ok := exp.at[k.key]; ok {
			out = with(out, exp.all[i:i+1])
		}
	}
	return out
}

// forInstance adds what differs from instance to instance.
func (s *scope) forInstance(r *run, n *node, exp *expansion, i int, src source) *scope {
	in := &scope{unit: s.unit, ctx: s.ctx, failed: s.failed}
	switch {
	case n.object.ForEach != nil:
		in.ctx = s.ctx.NewChild()
		in.ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{
			"key": cty.StringVal(exp.keys[i].Str), "value": r.eachValue(n, exp, i, src),
		})}
	case n.object.Count != nil:
		in.ctx = s.ctx.NewChild()
		in.ctx.Variables = map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{
			"index": cty.NumberIntVal(int64(exp.keys[i].Int)),
		})}
	}
	if exp.made != nil {
		in.extra = append(in.extra, exp.made[i]...)
	}
	changed := map[string]map[string]cty.Value{}
	for _, ref := range s.unit.refs {
		if len(ref.dynamic) > 0 && !ref.whole {
			in.index(r, ref, src, s, changed)
		}
	}
	if len(changed) > 0 && in.ctx == s.ctx {
		in.ctx = s.ctx.NewChild()
		in.ctx.Variables = map[string]cty.Value{}
	}
	for kind, names := range changed {
		in.ctx.Variables[kind] = cty.ObjectVal(names)
	}
	return in
}

// index brings the instances into scope that index expressions choose.
func (s *scope) index(r *run, ref *ref, src source, base *scope, changed map[string]map[string]cty.Value) {
	to := ref.to
	exp := r.blocks[to.index]
	if exp == nil || exp.failed {
		return
	}
	names := changed[to.block.Kind]
	if names == nil {
		names = maps.Clone(base.blocks[to.block.Kind])
		changed[to.block.Kind] = names
	}
	vals := map[string]cty.Value{}
	for _, k := range ref.keys {
		if i, ok := exp.at[k.key]; ok {
			vals[attrOf(k.key)] = src.instance(to, i)
		}
	}
	for _, x := range ref.dynamic {
		v, diags := x.Value(s.ctx)
		key, ok := keyOf(v)
		if to.object.ForEach != nil && key.Kind == addr.IntKey {
			key = addr.Str(attrOf(key))
		}
		if diags.HasErrors() || !ok {
			// All of it, so that evaluation itself tells what is wrong.
			names[to.block.Name] = src.whole(to)
			s.extra = append(s.extra, exp.all...)
			return
		}
		i, ok := exp.at[key]
		if !ok {
			s.diags = append(s.diags, noInstance(to, exp, key, x.Range()))
			continue
		}
		vals[attrOf(key)] = src.instance(to, i)
		s.extra = append(s.extra, exp.all[i])
	}
	if s.diags.HasErrors() {
		names[to.block.Name] = cty.DynamicVal
		return
	}
	names[to.block.Name] = cty.ObjectVal(vals)
}

// union merges two sorted slices; where one holds the other it is shared.
func union(a, b []addr.Instance) []addr.Instance {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	case len(a) == len(b) && &a[0] == &b[0]:
		return a
	case len(a) < len(b):
		a, b = b, a
	}
	return with(a, b)
}

// without returns the elements of a that the sorted slice b does not have.
func without(a, b []addr.Instance) []addr.Instance {
	var out []addr.Instance
	for _, x := range a {
		if _, ok := slices.BinarySearchFunc(b, x, addr.Compare); !ok {
			out = append(out, x)
		}
	}
	return out
}

// with returns the sorted slice a with more added; a itself when it has them all.
func with(a []addr.Instance, more []addr.Instance) []addr.Instance {
	var fresh []addr.Instance
	for _, m := range more {
		if _, ok := slices.BinarySearchFunc(a, m, addr.Compare); !ok {
			fresh = append(fresh, m)
		}
	}
	if len(fresh) == 0 {
		return a
	}
	out := slices.Concat(a, fresh)
	slices.SortFunc(out, addr.Compare)
	return slices.CompactFunc(out, func(x, y addr.Instance) bool { return x == y })
}
