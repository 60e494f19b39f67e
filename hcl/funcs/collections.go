package funcs

import (
	"errors"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var listOfBool = function.Parameter{Name: "list", Type: cty.List(cty.Bool)}

// quantify is alltrue or anytrue: the first element equal to stop decides.
func quantify(stop bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{listOfBool},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := a[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					unknown = true
				case !v.IsNull() && v.True() == stop:
					return cty.BoolVal(stop), nil
				case v.IsNull() && !stop:
					return cty.False, nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(!stop), nil
		},
	})
}

var (
	allTrue = quantify(false)
	anyTrue = quantify(true)
)

// coalesce skips empty strings, too, as Terraform's.
var coalesce = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "values", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, a := range args {
			types[i] = a.Type()
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return cty.NilType, errors.New("all arguments must have the same type")
		}
		return ty, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, a := range args {
			v, err := convert.Convert(a, ty)
			if err != nil {
				return cty.NilVal, err
			}
			if !v.IsKnown() {
				return cty.UnknownVal(ty), nil
			}
			if v.IsNull() || ty == cty.String && v.AsString() == "" {
				continue
			}
			return v, nil
		}
		return cty.NilVal, errors.New("all arguments are null or empty")
	},
})

// length counts the characters of strings, too.
var length = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		switch {
		case ty == cty.String || ty.IsTupleType() || ty.IsObjectType() || ty.IsCollectionType() || ty == cty.DynamicPseudoType:
			return cty.Number, nil
		}
		return cty.Number, errors.New("a list, set, map, object or string is needed")
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		var n cty.Value
		switch ty := v.Type(); {
		case ty == cty.DynamicPseudoType:
			n = cty.UnknownVal(cty.Number)
		case ty.IsTupleType():
			n = cty.NumberIntVal(int64(len(ty.TupleElementTypes())))
		case ty.IsObjectType():
			n = cty.NumberIntVal(int64(len(ty.AttributeTypes())))
		case ty == cty.String:
			var err error
			if n, err = stdlib.Strlen(v); err != nil {
				return cty.NilVal, err
			}
		default:
			n = v.Length()
		}
		return n.WithMarks(marks), nil
	},
})

var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilType, function.NewArgErrorf(0, "a list is needed")
		}
		return cty.Number, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			eq, err := stdlib.Equal(v, args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if !eq.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if eq.True() {
				return i, nil
			}
		}
		return cty.NilVal, errors.New("the list does not hold the value")
	},
})

var one = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		switch {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && ty.Length() == 0:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && ty.Length() == 1:
			return ty.TupleElementType(0), nil
		case ty.IsTupleType():
			return cty.NilType, errors.New("the list has more than one element")
		}
		return cty.NilType, errors.New("a list or set is needed")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		switch args[0].LengthInt() {
		case 0:
			return cty.NullVal(ty), nil
		case 1:
			it := args[0].ElementIterator()
			it.Next()
			_, v := it.Element()
			return v, nil
		}
		return cty.NilVal, errors.New("the list has more than one element")
	},
})

var sumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "a list of at least one number is needed")
		}
		total := cty.NumberVal(new(big.Float))
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			n, err := convert.Convert(v, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "a list of numbers is needed")
			}
			total = total.Add(n)
		}
		return total, nil
	},
})

func matchKeys(e *env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
			{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
			{Name: "searched", Type: cty.List(cty.DynamicPseudoType)},
		},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(ty), nil
			}
			values, keys, searched := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
			if len(values) != len(keys) {
				return cty.NilVal, errors.New("values and keys must be of one length")
			}
			if e.Meter != nil {
				if err := e.Meter.Work(len(keys) * len(searched) / 4); err != nil {
					return cty.NilVal, err
				}
			}
			var out []cty.Value
			for i, k := range keys {
				if slices.ContainsFunc(searched, func(s cty.Value) bool { return s.RawEquals(k) }) {
					out = append(out, values[i])
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(ty.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

var transpose = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		lists := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			for inner := list.ElementIterator(); inner.Next(); {
				_, v := inner.Element()
				if v.IsNull() {
					return cty.NilVal, errors.New("a list holds null")
				}
				lists[v.AsString()] = append(lists[v.AsString()], k)
			}
		}
		if len(lists) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := make(map[string]cty.Value, len(lists))
		for k, l := range lists {
			out[k] = cty.ListVal(l)
		}
		return cty.MapVal(out), nil
	},
})

func setProduct(e *env) function.Function {
	f := stdlib.SetProductFunc
	spec := &function.Spec{
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n := 1
			for _, a := range args {
				if a, _ := a.Unmark(); a.IsKnown() && !a.IsNull() && a.CanIterateElements() {
					n *= min(a.LengthInt(), 1<<31)
					n = min(n, 1<<31)
				}
			}
			if e.Meter != nil {
				if err := e.Meter.Elements(n * len(args)); err != nil {
					return cty.DynamicVal, err
				}
			}
			return f.Call(args)
		},
	}
	p := open(*f.VarParam())
	spec.VarParam = &p
	return function.New(spec)
}

// rangeFunc is Terraform's range without its limit of 1,024 values.
func rangeFunc(e *env) function.Function {
	return function.New(&function.Spec{
		VarParam:     &function.Parameter{Name: "limits", Type: cty.Number},
		Type:         function.StaticReturnType(cty.List(cty.Number)),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			start, step := cty.Zero, cty.NumberIntVal(1)
			var limit cty.Value
			switch len(args) {
			case 1:
				limit = args[0]
			case 2, 3:
				start, limit = args[0], args[1]
			default:
				return cty.NilVal, errors.New("range takes a limit; a start and a limit; or a start, a limit and a step")
			}
			down := limit.LessThan(start).True()
			switch {
			case len(args) == 3:
				step = args[2]
			case down:
				step = cty.NumberIntVal(-1)
			}
			if step.Equals(cty.Zero).True() {
				return cty.NilVal, function.NewArgErrorf(2, "the step must not be zero")
			}
			if down != step.LessThan(cty.Zero).True() && !limit.Equals(start).True() {
				return cty.NilVal, function.NewArgErrorf(2, "the step leads away from the limit")
			}
			steps := limit.Subtract(start).Divide(step).AsBigFloat()
			n, _ := steps.Int64()
			n = max(n, 0) + 1
			if e.Meter != nil {
				if err := e.Meter.Elements(int(min(n, 1<<40))); err != nil {
					return cty.DynamicVal, err
				}
			}
			out := make([]cty.Value, 0, n)
			for v := start; down && v.GreaterThan(limit).True() || !down && v.LessThan(limit).True(); v = v.Add(step) {
				out = append(out, v)
				if len(out) > int(n) {
					break
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(cty.Number), nil
			}
			return cty.ListVal(out), nil
		},
	})
}
