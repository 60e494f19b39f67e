package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/addr"
)

// meta evaluates the lifecycle of an instance in its scope.
func (ev *evaluation) meta(n *node, in *scope, exp *expansion) (Meta, hcl.Diagnostics) {
	lc := n.object.Lifecycle
	if lc == nil {
		return Meta{}, nil
	}
	var m Meta
	var diags hcl.Diagnostics
	if lc.PreventDestroy != nil {
		v, more := lc.PreventDestroy.Value(in.ctx)
		diags = append(diags, more...)
		v, _ = v.Unmark()
		b, err := convert.Convert(v, cty.Bool)
		rng := lc.PreventDestroy.Range()
		switch {
		case more.HasErrors():
		case err != nil || b.IsNull():
			diags = append(diags, errorf(&rng, "Invalid prevent_destroy", "The argument prevent_destroy is true or false."))
		case !b.IsKnown():
			diags = append(diags, errorf(&rng, "Unknown prevent_destroy", "The argument prevent_destroy must be known when the plan is made."))
		default:
			m.PreventDestroy = b.True()
		}
	}
	if lc.IgnoreAll {
		m.IgnoreChanges = []string{"all"}
	}
	for _, t := range lc.IgnoreChanges {
		m.IgnoreChanges = append(m.IgnoreChanges, pathOf(t))
	}
	for _, x := range lc.ReplaceTriggeredBy {
		triggers, diag := ev.trigger(x, in)
		if diag != nil {
			diags = append(diags, diag)
		}
		if ev.meter.Work(len(triggers)) != nil {
			return m, append(diags, ev.meter.Diagnose(x.Range())...)
		}
		m.ReplaceTriggeredBy = union(m.ReplaceTriggeredBy, triggers)
	}
	return m, diags
}

// trigger resolves one element of replace_triggered_by to instances.
func (ev *evaluation) trigger(x hclsyntax.Expression, in *scope) ([]addr.Instance, *hcl.Diagnostic) {
	rng := x.Range()
	bad := errorf(&rng, "Invalid replace_triggered_by", "Each element is a block or an instance, as in value.seed or value.seed[each.key].")
	var t hcl.Traversal
	var key hclsyntax.Expression
	switch e := unwrap(x).(type) {
	case *hclsyntax.ScopeTraversalExpr:
		t = e.Traversal
	case *hclsyntax.IndexExpr:
		c, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr)
		if !ok || len(c.Traversal) != 2 {
			return nil, bad
		}
		t, key = c.Traversal, e.Key
	}
	if len(t) < 2 || len(t) > 3 {
		return nil, bad
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		return nil, bad
	}
	to := ev.e.blocks[addr.Block{Kind: t.RootName(), Name: name.Name}]
	if to == nil {
		return nil, bad
	}
	exp := ev.blocks[to.index]
	if exp == nil || exp.failed {
		return nil, nil
	}
	var at cty.Value
	switch {
	case len(t) == 3:
		i, ok := t[2].(hcl.TraverseIndex)
		if !ok {
			return nil, bad
		}
		at = i.Key
	case key != nil:
		v, diags := key.Value(in.ctx)
		if diags.HasErrors() {
			return nil, diags[0]
		}
		at = v
	default:
		return exp.all, nil
	}
	k, ok := keyOf(at)
	if !ok {
		return nil, bad
	}
	i, ok := exp.at[k]
	if !ok {
		return nil, noInstance(to, exp, k, rng)
	}
	return exp.all[i : i+1], nil
}
