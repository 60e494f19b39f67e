package budget

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A conditional finds the common type of its results itself where they are
// tuples of different lengths, or objects of different attributes, whose
// elements have one type: the list or map that cty would find, too, in
// quadratic time. "condition ? [for …] : []" is common.
type conditional struct {
	*hclsyntax.ConditionalExpr
}

func (e *conditional) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	yes, no := fix(e.TrueResult, ctx), fix(e.FalseResult, ctx)
	if ty := common(yes.v, no.v); ty != cty.NilType {
		y, err1 := Convert(of(ctx), yes.v, ty)
		n, err2 := Convert(of(ctx), no.v, ty)
		if err1 == nil && err2 == nil {
			yes.v, no.v = y, n
		}
	}
	plain := *e.ConditionalExpr
	plain.TrueResult, plain.FalseResult = yes, no
	return plain.Value(ctx)
}

// fixed is an expression that was evaluated already.
type fixed struct {
	*hclsyntax.ParenthesesExpr
	v     cty.Value
	diags hcl.Diagnostics
}

func fix(e hclsyntax.Expression, ctx *hcl.EvalContext) *fixed {
	v, diags := e.Value(ctx)
	return &fixed{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, v, diags}
}

func (f *fixed) Value(*hcl.EvalContext) (cty.Value, hcl.Diagnostics) { return f.v, f.diags }

// common returns the collection type of two values of many elements.
func common(a, b cty.Value) cty.Type {
	const few = 100
	a, _ = a.Unmark()
	b, _ = b.Unmark()
	at, bt := a.Type(), b.Type()
	tuples := at.IsTupleType() && bt.IsTupleType() && at.Length() != bt.Length()
	objects := at.IsObjectType() && bt.IsObjectType() && !at.Equals(bt)
	if !tuples && !objects || !a.IsKnown() || a.IsNull() || !b.IsKnown() || b.IsNull() || a.LengthInt()+b.LengthInt() < few {
		return cty.NilType
	}
	elem, other := uniform(a), uniform(b)
	switch {
	case a.LengthInt() == 0:
		elem = other
	case b.LengthInt() == 0:
	case elem == cty.NilType || other == cty.NilType || !elem.Equals(other):
		return cty.NilType
	}
	switch {
	case elem == cty.NilType:
		return cty.NilType
	case tuples:
		return cty.List(elem)
	}
	return cty.Map(elem)
}

// Forgets reports whether an expression may lose marks of what its unknown
// result will be made of: those inside of what a condition chooses between, and
// of what try tries.
func Forgets(n hclsyntax.Node) bool {
	switch n := n.(type) {
	case *conditional:
		return true
	case *call:
		return n.Name == "try" || n.Name == "can"
	}
	return false
}
