package eval

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/ctymarks"

	"hellolab/hcl/addr"
)

// origin marks what came from an instance, while for_each is evaluated: so
// each element knows which instances it was made of, and ten thousand
// instances made one by one of ten thousand others depend on one each.
type origin struct {
	n *node
	i int
}

// origins is a source whose instances are marked with their origin. Local
// values made of instances are evaluated again for it.
type origins struct {
	*evaluation
	memo map[*node]cty.Value
}

func (o *origins) local(n *node) (cty.Value, bool) {
	state := o.locals[n.index]
	if state.failed || len(state.deps) == 0 {
		return o.evaluation.local(n)
	}
	if v, ok := o.memo[n]; ok {
		return v, true
	}
	sc := o.scope(&n.body, o, o.root)
	v, diags := n.local.Expr.Value(sc.ctx)
	if diags.HasErrors() {
		return o.evaluation.local(n) // told when it was evaluated first
	}
	o.memo[n] = v
	return v, true
}

func (o *origins) instance(n *node, i int) cty.Value {
	return o.evaluation.instance(n, i).Mark(origin{n, i})
}

func (o *origins) whole(n *node) cty.Value {
	exp := o.blocks[n.index]
	return exp.collect(n, func(i int) cty.Value { return o.instance(n, i) })
}

// takeOrigins returns v without the origin marks of v itself, or of all its
// parts, and the instances these name.
func (r *run) takeOrigins(v cty.Value, deep bool) (cty.Value, []addr.Instance) {
	var from []addr.Instance
	drop := func(mark any, _ cty.Path) (ctymarks.WrangleAction, error) {
		o, ok := mark.(origin)
		if !ok {
			return ctymarks.WrangleKeep, nil
		}
		from = append(from, r.blocks[o.n.index].all[o.i])
		return ctymarks.WrangleDrop, nil
	}
	if deep {
		v, _ = v.WrangleMarksDeep(drop)
		return v, with(nil, from)
	}
	v, marks := v.Unmark()
	for m := range marks {
		if act, _ := drop(m, nil); act == ctymarks.WrangleDrop {
			delete(marks, m)
		}
	}
	return v.WithMarks(marks), with(nil, from)
}

// madeOf returns the instances that an element of for_each is made of, and the
// element itself. Where marks may be lost, an element that is not known depends
// on all that for_each refers to. One that is made of nothing but a key depends
// on the instances of that key.
func (r *run) madeOf(sc *scope, key string, v cty.Value, forgets bool) (cty.Value, []addr.Instance) {
	v, from := r.takeOrigins(v, true)
	switch {
	case forgets && !v.IsWhollyKnown():
		return v, sc.deps(r, nil)
	case len(from) > 0:
		return v, from
	}
	for _, ref := range sc.unit.refs {
		if exp := r.blocks[ref.to.index]; exp != nil {
			if i, ok := exp.at[addr.Str(key)]; ok {
				from = append(from, exp.all[i])
			}
		}
	}
	return v, with(nil, from)
}

// forgets reports whether marks may be lost in a unit or the local values it
// is made of.
func (u *unit) forgets() bool {
	if u.forget {
		return true
	}
	seen := map[*node]bool{}
	todo := slices.Clone(u.locals)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.body.forget {
			return true
		}
		if !seen[n] {
			seen[n] = true
			todo = append(todo, n.body.locals...)
		}
	}
	return false
}
