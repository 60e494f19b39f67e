package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"hellolab/hcl/budget"
)

// collect is tolist, toset or tomap.
func collect(want cty.Type) func(*env) function.Function {
	return func(e *env) function.Function {
		return function.New(&function.Spec{
			Params: []function.Parameter{anything},
			Type:   function.StaticReturnType(cty.DynamicPseudoType),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return budget.Convert(e.Meter, args[0], want)
			},
		})
	}
}

func toNumber(*env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return budget.Convert(nil, args[0], cty.Number)
		},
	})
}

// each pays for looking at each element of a collection some times more.
func (e *env) each(v cty.Value, times int) error {
	if v = unmarked(v); e.Meter == nil || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return nil
	}
	return e.Meter.Work(times * v.LengthInt())
}

// slow is a function that looks at each element of its first argument in a
// costly way.
func slow(f function.Function, times int) func(*env) function.Function {
	return func(e *env) function.Function {
		spec := &function.Spec{
			Type: function.StaticReturnType(cty.DynamicPseudoType),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				if err := e.each(args[0], times); err != nil {
					return cty.NilVal, err
				}
				return f.Call(args)
			},
		}
		for _, p := range f.Params() {
			spec.Params = append(spec.Params, open(p))
		}
		return function.New(spec)
	}
}

var (
	contains = slow(stdlib.ContainsFunc, 8)
	indexOf  = slow(indexFunc, 8)
	sum      = slow(sumFunc, 4)
)

// square pays for comparing the elements of a tuple with each other.
func (e *env) square(v cty.Value) error {
	v = unmarked(v)
	if e.Meter == nil || !v.Type().IsTupleType() && !v.Type().IsListType() || !v.IsKnown() || v.IsNull() {
		return nil
	}
	n := v.LengthInt()
	return e.Meter.Work(n * n / 2)
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
