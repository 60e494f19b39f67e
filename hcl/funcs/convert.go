package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// uniform returns the type of all elements of a tuple, when they have one and
// there is one. The general conversion compares each type with each other.
func uniform(v cty.Value) (cty.Type, bool) {
	ty := v.Type()
	if !ty.IsTupleType() || ty.Length() == 0 || !v.IsKnown() || v.IsNull() {
		return cty.NilType, false
	}
	types := ty.TupleElementTypes()
	if types[0] == cty.DynamicPseudoType {
		return cty.NilType, false
	}
	for _, t := range types[1:] {
		if !t.Equals(types[0]) {
			return cty.NilType, false
		}
	}
	return types[0], true
}

// collect is tolist or toset: linear for tuples of one type, which is what a
// "for" makes; charged by the square for others.
func collect(of func(cty.Type) cty.Type, make func([]cty.Value) cty.Value) func(*env) function.Function {
	slow := stdlib.MakeToFunc(of(cty.DynamicPseudoType))
	return func(e *env) function.Function {
		return function.New(&function.Spec{
			Params: []function.Parameter{anything},
			Type: func(args []cty.Value) (cty.Type, error) {
				if elem, ok := uniform(unmarked(args[0])); ok {
					return of(elem), nil
				}
				if err := e.square(args[0]); err != nil {
					return cty.NilType, err
				}
				return slow.ReturnTypeForValues(args)
			},
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				v, marks := args[0].Unmark()
				if _, ok := uniform(v); ok {
					return make(v.AsValueSlice()).WithMarks(marks), nil
				}
				return slow.Call(args)
			},
		})
	}
}

// square pays for comparing the elements of a tuple with each other.
func (e *env) square(v cty.Value) error {
	v = unmarked(v)
	if e.Meter == nil || !v.Type().IsTupleType() && !v.Type().IsListType() || !v.IsKnown() || v.IsNull() {
		return nil
	}
	n := v.LengthInt()
	return e.Meter.Work(n * n)
}

func unmarked(v cty.Value) cty.Value {
	v, _ = v.Unmark()
	return v
}

// distinct is linear for plain strings, numbers and bools.
func distinct(e *env) function.Function {
	slow := stdlib.DistinctFunc
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if !ty.ElementType().IsPrimitiveType() || !args[0].IsWhollyKnown() {
				if err := e.square(args[0]); err != nil {
					return cty.DynamicVal, err
				}
				return slow.Call(args)
			}
			seen := map[any]bool{}
			var out []cty.Value
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				key := identity(v)
				if !seen[key] {
					seen[key] = true
					out = append(out, v)
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(ty.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

// identity is equal for equal primitive values of one type.
func identity(v cty.Value) any {
	switch {
	case v.IsNull():
		return nil
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('p', 0)
	}
	return v.True()
}
