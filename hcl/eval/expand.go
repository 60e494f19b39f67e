package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/addr"
)

// expand finds the instances of a block and the instances its repetition
// refers to. It reports false when that failed, and has told why.
func (ev *evaluation) expand(n *node, exp *expansion) (deps []addr.Instance, ok bool) {
	o := n.object
	switch {
	case o.ForEach != nil:
		var src source = ev
		if len(n.repeat.refs)+len(n.repeat.locals) > 0 {
			src = &origins{ev, map[*node]cty.Value{}}
		}
		sc, v, ok := ev.repetition(n, o.ForEach, src)
		if !ok || !ev.forEach(n, exp, v, sc) {
			return nil, false
		}
		deps = sc.extra
	case o.Count != nil:
		sc, v, ok := ev.repetition(n, o.Count, ev)
		if !ok || !ev.count(n, exp, v, sc) {
			return nil, false
		}
		deps = sc.deps(ev.run, nil)
	case o.Enabled != nil:
		sc, v, ok := ev.repetition(n, o.Enabled, ev)
		if !ok || !ev.enabled(exp, v, o.Enabled, sc) {
			return nil, false
		}
		deps = sc.deps(ev.run, nil)
	default:
		exp.keys = []addr.Key{{}}
	}
	exp.at = make(map[addr.Key]int, len(exp.keys))
	exp.all = make([]addr.Instance, len(exp.keys))
	for i, k := range exp.keys {
		exp.at[k] = i
		exp.all[i] = n.block.Instance(k)
	}
	return deps, true
}

// repetition evaluates the argument that repeats a block.
// The scope's extra instances are those its value as a whole is made of.
func (ev *evaluation) repetition(n *node, a *hclsyntax.Attribute, src source) (*scope, cty.Value, bool) {
	sc := ev.scope(&n.repeat, src, ev.root)
	ev.add(sc.diags)
	v, diags := a.Expr.Value(sc.ctx)
	ev.add(diags)
	v, sc.extra = ev.takeOrigins(v, false)
	if sc.diags.HasErrors() || diags.HasErrors() || sc.failed && !v.IsWhollyKnown() {
		return sc, v, false
	}
	rng := a.Expr.Range()
	if bare, marks := v.Unmark(); len(marks) > 0 {
		ev.add(hcl.Diagnostics{errorf(&rng, "Sensitive "+a.Name, "The argument %s is shown in every address, so it cannot be made of sensitive values.", a.Name)})
		return sc, bare, false
	}
	if v.IsNull() {
		ev.add(hcl.Diagnostics{errorf(&rng, "Null "+a.Name, "The argument %s is null. %s", a.Name, repetitionRule[a.Name])})
		return sc, v, false
	}
	if !v.IsKnown() {
		ev.add(hcl.Diagnostics{ev.notKnown(a, sc)})
		return sc, v, false
	}
	return sc, v, true
}

var repetitionRule = map[string]string{
	"for_each": "It is a map, an object, or a set of strings.",
	"count":    "It is a whole number.",
	"enabled":  "It is true or false.",
}

// notKnown names what an argument waits for.
func (ev *evaluation) notKnown(a *hclsyntax.Attribute, sc *scope) *hcl.Diagnostic {
	var waits []string
	for _, t := range a.Expr.Variables() {
		if v, diags := t.TraverseAbs(sc.ctx); !diags.HasErrors() && !v.IsWhollyKnown() {
			if s := traversalText(t); !slices.Contains(waits, s) {
				waits = append(waits, s)
			}
		}
	}
	detail := fmt.Sprintf("The argument %s must be known when the plan is made", a.Name)
	if len(waits) > 0 {
		detail += fmt.Sprintf(", and it depends on %s, which is known only after apply", strings.Join(waits, ", "))
	}
	rng := a.Expr.Range()
	return errorf(&rng, "Unknown "+a.Name, "%s. Use values of the configuration itself instead: names, variables, keys of maps.", detail)
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if k, ok := keyOf(s.Key); ok {
				b.WriteString(k.String())
			}
		}
	}
	return b.String()
}

func (ev *evaluation) forEach(n *node, exp *expansion, v cty.Value, sc *scope) bool {
	a := n.object.ForEach
	rng := a.Expr.Range()
	fail := func(summary, format string, args ...any) bool {
		ev.add(hcl.Diagnostics{errorf(&rng, summary, format, args...)})
		return false
	}
	ty := v.Type()
	switch {
	case ty.IsMapType() || ty.IsObjectType():
	case ty.IsSetType() && (ty.ElementType() == cty.String || ty.ElementType() == cty.DynamicPseudoType):
	case ty.IsTupleType() || ty.IsListType():
		return fail("Invalid for_each", "The argument for_each is a map, an object, or a set of strings, not a list: in a list, removing one element would rename those behind it. For a list of strings write toset(…).")
	default:
		return fail("Invalid for_each", "The argument for_each is a map, an object, or a set of strings, and this is %s.", ty.FriendlyName())
	}
	if ev.meter.Elements(v.LengthInt()) != nil {
		ev.add(ev.meter.Diagnose(rng))
		return false
	}
	type pair struct {
		key   string
		value cty.Value
	}
	pairs := make([]pair, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			if e, _ = ev.takeOrigins(e, true); e.IsMarked() {
				return fail("Sensitive for_each", "The argument for_each is shown in every address, so it cannot be made of sensitive values.")
			}
			if !e.IsKnown() {
				ev.add(hcl.Diagnostics{ev.notKnown(a, sc)})
				return false
			}
			if e.IsNull() {
				return fail("Invalid for_each", "The set holds null.")
			}
			k = e
		}
		if !addr.ValidKey(k.AsString()) {
			return fail("Invalid for_each", "A key is longer than %d bytes.", addr.MaxKey)
		}
		pairs = append(pairs, pair{k.AsString(), e})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	exp.keys = make([]addr.Key, len(pairs))
	exp.each = make([]cty.Value, len(pairs))
	exp.made = make([][]addr.Instance, len(pairs))
	forgets := sc.unit.forgets()
	for i, p := range pairs {
		exp.keys[i] = addr.Str(p.key)
		exp.each[i], exp.made[i] = ev.madeOf(sc, p.key, p.value, forgets)
	}
	return true
}

func unwrap(e hclsyntax.Expression) hcl.Expression {
	var x hcl.Expression = e
	for {
		p, ok := x.(*hclsyntax.ParenthesesExpr)
		if !ok {
			return hcl.UnwrapExpression(x)
		}
		x = p.Expression
	}
}

func (ev *evaluation) count(n *node, exp *expansion, v cty.Value, sc *scope) bool {
	rng := n.object.Count.Expr.Range()
	num, err := convert.Convert(v, cty.Number)
	var key addr.Key
	ok := err == nil
	if ok {
		key, ok = keyOf(num)
	}
	if !ok {
		ev.add(hcl.Diagnostics{errorf(&rng, "Invalid count", "The argument count is a whole number, zero or more.")})
		return false
	}
	if ev.meter.Elements(key.Int) != nil {
		ev.add(ev.meter.Diagnose(rng))
		return false
	}
	exp.keys = make([]addr.Key, key.Int)
	for i := range exp.keys {
		exp.keys[i] = addr.Int(i)
	}
	return true
}

func (ev *evaluation) enabled(exp *expansion, v cty.Value, a *hclsyntax.Attribute, sc *scope) bool {
	b, err := convert.Convert(v, cty.Bool)
	if err != nil {
		rng := a.Expr.Range()
		ev.add(hcl.Diagnostics{errorf(&rng, "Invalid enabled", "The argument enabled is true or false.")})
		return false
	}
	if b.True() {
		exp.keys = []addr.Key{{}}
	}
	return true
}

// eachValue is each.value of an instance.
func (r *run) eachValue(n *node, exp *expansion, i int, src source) cty.Value {
	if l, ok := src.(*live); ok && !exp.each[i].IsWhollyKnown() {
		return l.eachValue(n, exp, i)
	}
	return exp.each[i]
}
