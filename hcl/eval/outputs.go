package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

func (r *run) outputs(src source, s *session, diags *hcl.Diagnostics) []Output {
	var out []Output
	for _, o := range r.e.outputs {
		if o.invalid {
			continue
		}
		if one, ok := r.output(o, src, s, diags); ok {
			out = append(out, one)
		}
	}
	return out
}

func (r *run) output(o *outputNode, src source, s *session, diags *hcl.Diagnostics) (Output, bool) {
	defer survive(o.Range, diags)
	sc := r.scope(&o.unit, src, s.root)
	v, more := o.Expr.Value(sc.ctx)
	more = append(sc.diags, more...)
	*diags = append(*diags, more...)
	if more.HasErrors() || sc.failed {
		return Output{}, false
	}
	v, marks := v.UnmarkDeep()
	if _, secret := marks[Sensitive]; secret && !o.Sensitive {
		rng := o.Expr.Range()
		*diags = append(*diags, errorf(&rng, "Sensitive output", "The output %q is made of sensitive values, so it would show them. Add sensitive = true to it.", o.Name))
		return Output{}, false
	}
	return Output{Name: o.Name, Value: v, Sensitive: o.Sensitive, Range: o.Range}, true
}

// text evaluates an expression to a known, plain string; "" when absent or wrong.
func text(e hclsyntax.Expression, sc *scope, what string, diags *hcl.Diagnostics) string {
	if e == nil {
		return ""
	}
	v, more := e.Value(sc.ctx)
	*diags = append(*diags, more...)
	v, marks := v.Unmark()
	s, err := convert.Convert(v, cty.String)
	if more.HasErrors() {
		return ""
	}
	if err != nil || !s.IsKnown() || s.IsNull() || len(marks) > 0 {
		rng := e.Range()
		*diags = append(*diags, errorf(&rng, "Invalid "+what, "The argument %s is a string that is known when the plan is made and not sensitive.", what))
		return ""
	}
	return s.AsString()
}

// message evaluates an error_message. A sensitive one is not shown.
func message(e hclsyntax.Expression, ctx *hcl.EvalContext, diags *hcl.Diagnostics) string {
	v, more := e.Value(ctx)
	*diags = append(*diags, more...)
	v, marks := v.UnmarkDeep()
	s, err := convert.Convert(v, cty.String)
	switch {
	case len(marks) > 0:
		return "The message holds sensitive values, so it is not shown."
	case more.HasErrors() || err != nil || !s.IsKnown() || s.IsNull():
		return "The message could not be evaluated."
	}
	return s.AsString()
}
