package funcs

import (
	"errors"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"hellolab/hcl/budget"
)

// guard wraps a function so that its calls are charged and its errors quote
// nothing sensitive. The wrapper takes arguments of every sort and leaves
// marks, unknowns and nulls to the function itself.
func (e *env) guard(f *Function) function.Function {
	inner := f.make(e)
	if e.Meter == nil || f.Name == "try" || f.Name == "can" {
		return inner // of these two the arguments are expressions, charged as such
	}
	spec := &function.Spec{
		Description: f.Doc,
		// Any, for the type would cost as much to find as the value.
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := e.call(f, inner, args)
			if exceeded(err) {
				return cty.DynamicVal, nil // the expression tells, once
			}
			return v, err
		},
	}
	for _, p := range inner.Params() {
		spec.Params = append(spec.Params, late(p))
	}
	if p := inner.VarParam(); p != nil {
		p := late(*p)
		spec.VarParam = &p
	}
	return function.New(spec)
}

func (e *env) call(f *Function, inner function.Function, args []cty.Value) (cty.Value, error) {
	args = slices.Clone(args)
	params := inner.Params()
	for i, a := range args {
		if err := e.Meter.Look(a); err != nil {
			return cty.NilVal, err
		}
		p := inner.VarParam()
		if i < len(params) {
			p = &params[i]
		}
		if converts(*p) {
			v, err := budget.Convert(e.Meter, a, p.Type)
			if err != nil {
				if !exceeded(err) {
					err = function.NewArgError(i, err)
				}
				return cty.NilVal, err
			}
			args[i] = v
		}
	}
	v, err := inner.Call(args)
	if err != nil {
		return v, e.redact(err, args)
	}
	if f.cost == makes {
		return v, e.Meter.Value(v)
	}
	return v, nil
}

func exceeded(err error) bool {
	var e *budget.Exceeded
	return errors.As(err, &e)
}

// open is a parameter that leaves everything to the function itself.
func open(p function.Parameter) function.Parameter {
	p.AllowNull, p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true, true
	return p
}

// late is open, and what is costly to convert is converted here and not by the
// caller (budget.Convert).
func late(p function.Parameter) function.Parameter {
	p = open(p)
	if converts(p) {
		p.Type = cty.DynamicPseudoType
	}
	return p
}

func converts(p function.Parameter) bool { return p.Type.IsCollectionType() || p.Type == cty.Number }

// redact replaces an error that may quote a sensitive argument.
func (e *env) redact(err error, args []cty.Value) error {
	if err == nil || exceeded(err) {
		return err
	}
	for _, a := range args {
		if _, marks := a.UnmarkDeep(); !hasMark(marks, e.Sensitive) {
			continue
		}
		var at function.ArgError
		if errors.As(err, &at) {
			return function.NewArgErrorf(at.Index, "the value, of which a part is sensitive, does not fit")
		}
		return errors.New("the values, of which some are sensitive, do not fit")
	}
	return err
}

func hasMark(marks cty.ValueMarks, mark any) bool {
	_, ok := marks[mark]
	return ok
}
