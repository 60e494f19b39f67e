package budget

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A call tells when a function was refused for its cost: functions know the
// meter and not their place.
type call struct {
	*hclsyntax.FunctionCallExpr
}

func (e *call) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	m := of(ctx)
	if m != nil && m.Spent() {
		return cty.DynamicVal, nil
	}
	var v cty.Value
	var diags hcl.Diagnostics
	if n := len(e.Args); !e.ExpandFinal && (e.Name == "length" && n == 1 || e.Name == "lookup" && n == 3 || e.Name == "contains" && n == 2) {
		v, diags = e.direct(ctx)
	} else {
		v, diags = e.FunctionCallExpr.Value(ctx)
	}
	if e.Name == "try" && !v.IsWhollyKnown() {
		v = e.remark(v, ctx)
	}
	if m != nil {
		if m.Call() != nil {
			return cty.DynamicVal, m.settle(diags, e.Range())
		}
	}
	return v, diags
}

// remark gives an unknown result of try the marks of all it may become, which
// the function forgets: what may be sensitive is.
func (e *call) remark(v cty.Value, ctx *hcl.EvalContext) cty.Value {
	for _, t := range e.Variables() {
		if from, diags := t.TraverseAbs(ctx); !diags.HasErrors() {
			_, marks := from.UnmarkDeep()
			v = v.WithMarks(marks)
		}
	}
	return v
}

// direct takes the answer of length, lookup or contains off a large collection without
// calling the function: a call walks all of its arguments, in search of marks,
// which would make ten thousand lookups in one map quadratic. What is not
// plainly answered is left to the function.
func (e *call) direct(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	args := make([]cty.Value, len(e.Args))
	var diags hcl.Diagnostics
	for i, x := range e.Args {
		v, more := x.Value(ctx)
		args[i], diags = v, append(diags, more...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if v, ok := answer(of(ctx), args); ok {
		return v, diags
	}
	plain := *e.FunctionCallExpr
	plain.Args = make([]hclsyntax.Expression, len(args))
	for i, v := range args {
		plain.Args[i] = &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Args[i].Range()}
	}
	v, more := plain.Value(ctx)
	return v, append(diags, more...)
}

// answer is length of one argument, contains of two and lookup of three.
func answer(m *Meter, args []cty.Value) (cty.Value, bool) {
	coll, marks := args[0].Unmark()
	ty := coll.Type()
	if !coll.IsKnown() || coll.IsNull() || !coll.CanIterateElements() {
		return cty.NilVal, false
	}
	if len(args) == 1 {
		if ty.IsSetType() && !coll.IsWhollyKnown() {
			return cty.NilVal, false // elements may turn out to be equal
		}
		return cty.NumberIntVal(int64(coll.LengthInt())).WithMarks(marks), true
	}
	if len(args) == 2 {
		return holds(m, coll, marks, args[1])
	}
	key, more := args[1].Unmark()
	if !key.IsKnown() || key.IsNull() || key.Type() != cty.String {
		return cty.NilVal, false
	}
	switch name := key.AsString(); {
	case ty.IsObjectType():
		if ty.HasAttribute(name) {
			return coll.GetAttr(name).WithMarks(marks, more), true
		}
		return args[2].WithMarks(marks, more), true
	case ty.IsMapType() && coll.HasIndex(key).True():
		return coll.Index(key).WithMarks(marks, more), true
	}
	return cty.NilVal, false
}

// holds is contains for strings: whether one is among plain elements.
func holds(m *Meter, coll cty.Value, marks cty.ValueMarks, v cty.Value) (cty.Value, bool) {
	if v.IsMarked() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() || coll.Type().IsMapType() || coll.Type().IsObjectType() {
		return cty.NilVal, false
	}
	if m != nil && m.Work(coll.LengthInt()/8) != nil {
		return cty.NilVal, false
	}
	found := false
	for it := coll.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsMarked() || e.Type() != cty.String || !e.IsKnown() || e.IsNull() {
			return cty.NilVal, false
		}
		if e.AsString() == v.AsString() {
			found = true
		}
	}
	return cty.BoolVal(found).WithMarks(marks), true
}
