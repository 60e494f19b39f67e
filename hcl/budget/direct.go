package budget

import (
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A direct call of length or lookup takes the answer off a large collection
// without calling the function: a call walks all of its arguments, in search
// of marks, which would make ten thousand lookups in one map quadratic. What
// is not plainly answered is left to the function.
type direct struct {
	*hclsyntax.FunctionCallExpr
}

func (e *direct) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	args := make([]cty.Value, len(e.Args))
	var diags hcl.Diagnostics
	for i, x := range e.Args {
		v, more := x.Value(ctx)
		args[i], diags = v, append(diags, more...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if v, ok := answer(args); ok {
		return v, diags
	}
	call := *e.FunctionCallExpr
	call.Args = make([]hclsyntax.Expression, len(args))
	for i, v := range args {
		call.Args[i] = &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Args[i].Range()}
	}
	v, more := call.Value(ctx)
	return v, append(diags, more...)
}

// answer is length for one argument and lookup for three.
func answer(args []cty.Value) (cty.Value, bool) {
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
	key, more := args[1].Unmark()
	if !key.IsKnown() || key.IsNull() || key.Type() != cty.String {
		return cty.NilVal, false
	}
	maps.Copy(marks, more)
	switch name := key.AsString(); {
	case ty.IsObjectType():
		if ty.HasAttribute(name) {
			return coll.GetAttr(name).WithMarks(marks), true
		}
		return args[2].WithMarks(marks), true
	case ty.IsMapType() && coll.HasIndex(key).True():
		return coll.Index(key).WithMarks(marks), true
	}
	return cty.NilVal, false
}
