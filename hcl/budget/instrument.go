package budget

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Instrument wraps the expressions of a body, in place, so that evaluating
// them charges the meter of the scope. It must be called once per tree.
func Instrument(b *hclsyntax.Body) {
	for _, a := range b.Attributes {
		a.Expr = Expr(a.Expr)
	}
	for _, nested := range b.Blocks {
		Instrument(nested.Body)
	}
}

// Expr instruments one expression tree and returns its new root.
func Expr(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		if e.Val.Type() == cty.Number && e.Val.IsKnown() && !e.Val.IsNull() && number(e.Val) != nil {
			return wrap(e, value)
		}
	case *hclsyntax.ForExpr:
		e.CollExpr = wrap(Expr(e.CollExpr), iterated)
		if e.KeyExpr != nil {
			e.KeyExpr = Expr(e.KeyExpr)
		}
		e.ValExpr = made(Expr(e.ValExpr))
		if e.CondExpr != nil {
			e.CondExpr = Expr(e.CondExpr)
		}
	case *hclsyntax.SplatExpr:
		e.Source = wrap(Expr(e.Source), iterated)
		e.Each = Expr(e.Each)
		return wrap(e, value)
	case *hclsyntax.TupleConsExpr:
		for i, x := range e.Exprs {
			e.Exprs[i] = made(Expr(x))
		}
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			e.Items[i].KeyExpr = Expr(e.Items[i].KeyExpr)
			e.Items[i].ValueExpr = made(Expr(e.Items[i].ValueExpr))
		}
	case *hclsyntax.ObjectConsKeyExpr:
		e.Wrapped = Expr(e.Wrapped)
	case *hclsyntax.TemplateExpr:
		for i, x := range e.Parts {
			if x = Expr(x); !literal(x) {
				x = wrap(x, value)
			}
			e.Parts[i] = x
		}
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = Expr(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = Expr(e.Tuple)
	case *hclsyntax.FunctionCallExpr:
		for i, x := range e.Args {
			e.Args[i] = Expr(x)
		}
		if n := len(e.Args); e.ExpandFinal && n > 0 {
			e.Args[n-1] = wrap(e.Args[n-1], iterated)
		}
		return &call{e}
	case *hclsyntax.ConditionalExpr:
		e.Condition = Expr(e.Condition)
		e.TrueResult = wrap(Expr(e.TrueResult), looked)
		e.FalseResult = wrap(Expr(e.FalseResult), looked)
		return &conditional{e}
	case *hclsyntax.IndexExpr:
		e.Collection = Expr(e.Collection)
		e.Key = wrap(Expr(e.Key), numeric)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = Expr(e.Source)
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = Expr(e.LHS), Expr(e.RHS)
		switch e.Op {
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
			e.LHS, e.RHS = wrap(e.LHS, looked), wrap(e.RHS, looked)
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
		default:
			e.LHS, e.RHS = wrap(e.LHS, numeric), wrap(e.RHS, numeric)
		}
		if e.Op.Type == cty.Number {
			return wrap(e, value)
		}
	case *hclsyntax.UnaryOpExpr:
		e.Val = wrap(Expr(e.Val), numeric)
		if e.Op.Type == cty.Number {
			return wrap(e, value)
		}
	case *hclsyntax.ParenthesesExpr:
		e.Expression = Expr(e.Expression)
	}
	return e
}

// made wraps what becomes an element of a new collection. Constructors pay
// for their own elements, and literals are as small as their text.
func made(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.TupleConsExpr, *hclsyntax.ObjectConsExpr, *hclsyntax.ForExpr:
		return e
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return e
		}
	}
	if literal(e) {
		return e
	}
	return wrap(e, value)
}

func literal(e hclsyntax.Expression) bool {
	_, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok
}

// A counted expression charges its value. It embeds a parenthesis because
// walkers of the syntax tree step into one and find the expression there.
type counted struct {
	*hclsyntax.ParenthesesExpr
	pay func(*Meter, cty.Value) error
}

func wrap(e hclsyntax.Expression, pay func(*Meter, cty.Value) error) hclsyntax.Expression {
	return &counted{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, pay}
}

func (e *counted) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	m := of(ctx)
	if m == nil {
		return e.Expression.Value(ctx)
	}
	if m.Spent() {
		return cty.DynamicVal, nil
	}
	v, diags := e.Expression.Value(ctx)
	if e.pay(m, v) != nil || m.Spent() {
		return cty.DynamicVal, m.settle(diags, e.SrcRange)
	}
	return v, diags
}

// UnwrapExpression lets static analysis (hcl.ExprList, traversals) see through.
func (e *counted) UnwrapExpression() hcl.Expression { return e.Expression }

// iterated pays for one pass over a collection.
func iterated(m *Meter, v cty.Value) error {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return m.Elements(1)
	}
	return m.Elements(v.LengthInt())
}

// longNumber reports whether a text begins with too many digits to be read as
// a number. What is no number is found out early.
func longNumber(s string) bool {
	return len(s) > maxDigits && strings.Trim(s[:maxDigits], "0123456789+-.eEpP_") == ""
}

// numeric refuses what is too long, too large or too small to reckon with: to add
// one to a number of a billion digits takes as many.
func numeric(m *Meter, v cty.Value) error {
	over := unwieldy(v)
	if over == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end(over.What)
}

// unwieldy says why an operand is no number to reckon with; nil when it is one, or
// no number at all.
func unwieldy(v cty.Value) *Exceeded {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch v.Type() {
	case cty.Number:
		return number(v)
	case cty.String:
		if longNumber(v.AsString()) {
			return &Exceeded{"A text is too long to be a number."}
		}
		if n, err := cty.ParseNumberVal(v.AsString()); err == nil {
			return number(n)
		}
	}
	return nil
}

func value(m *Meter, v cty.Value) error { return m.Value(v) }

func looked(m *Meter, v cty.Value) error { return m.Compare(v) }
