package funcs

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// guard wraps a function so that its calls are charged and its errors quote
// nothing sensitive. The wrapper takes arguments of every sort and leaves
// marks, unknowns and nulls to the function itself.
func (e *env) guard(f *Function) function.Function {
	inner := f.make(e)
	if f.Name == "try" || f.Name == "can" {
		return inner // arguments are expressions, charged as such
	}
	spec := &function.Spec{
		Description: f.Doc,
		Type: func(args []cty.Value) (cty.Type, error) {
			ty, err := inner.ReturnTypeForValues(args)
			return ty, e.redact(err, args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if err := e.pay(f.cost, args); err != nil {
				return cty.DynamicVal, err
			}
			v, err := inner.Call(args)
			if err != nil {
				return v, e.redact(err, args)
			}
			if f.cost == makes && e.Meter != nil {
				if err := e.Meter.Value(v); err != nil {
					return cty.DynamicVal, err
				}
			}
			return v, nil
		},
	}
	for _, p := range inner.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := inner.VarParam(); p != nil {
		p := open(*p)
		spec.VarParam = &p
	}
	return function.New(spec)
}

func open(p function.Parameter) function.Parameter {
	p.AllowNull, p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true, true
	return p
}

func (e *env) pay(c cost, args []cty.Value) error {
	if e.Meter == nil {
		return nil
	}
	for _, a := range args {
		var err error
		switch c {
		case makes:
			err = e.Meter.Look(a)
		case picks:
			n := 1
			if a, _ := a.Unmark(); a.IsKnown() && !a.IsNull() && a.CanIterateElements() {
				n = a.LengthInt()
			}
			err = e.Meter.Work(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// redact replaces an error that may quote a sensitive argument.
func (e *env) redact(err error, args []cty.Value) error {
	if err == nil {
		return nil
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
