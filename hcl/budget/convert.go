package budget

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Convert converts v to a type as cty's own convert.Convert does, but in time
// that grows with the number of elements and not with its square: cty compares
// the type of each element of a tuple with each other, always. Where that
// cannot be avoided, because elements of several types are to find one, it is
// paid for. A nil meter stands for one of its own.
func Convert(m *Meter, v cty.Value, want cty.Type) (cty.Value, error) {
	bare, marks := v.Unmark()
	if want == cty.Number && bare.Type() == cty.String && bare.IsKnown() && !bare.IsNull() && longNumber(bare.AsString()) {
		return cty.NilVal, fmt.Errorf("a text of more than %d bytes is no number", maxDigits)
	}
	if !bare.IsKnown() || bare.IsNull() || bare.Type().Equals(want) || !bare.CanIterateElements() || bare.LengthInt() == 0 {
		return convert.Convert(v, want)
	}
	out, err := convertElements(m, bare, want)
	if err != nil {
		return cty.NilVal, err
	}
	return out.WithMarks(marks), nil
}

func convertElements(m *Meter, v cty.Value, want cty.Type) (cty.Value, error) {
	from := v.Type()
	switch {
	case (want.IsListType() || want.IsSetType()) && (from.IsTupleType() || from.IsListType() || from.IsSetType()),
		want.IsMapType() && (from.IsObjectType() || from.IsMapType()):
		elem := want.ElementType()
		if elem == cty.DynamicPseudoType {
			if elem = uniform(v); elem == cty.NilType {
				return mixed(m, v, want)
			}
		}
		return convertCollection(m, v, want, elem)
	case want.IsObjectType() && from.IsObjectType():
		attrs := v.AsValueMap()
		for name, ty := range want.AttributeTypes() {
			a, ok := attrs[name]
			if !ok {
				continue
			}
			var err error
			if attrs[name], err = Convert(m, a, ty); err != nil {
				return cty.NilVal, fmt.Errorf("attribute %q: %w", name, err)
			}
		}
		v = cty.ObjectVal(attrs)
	case want.IsTupleType() && from.IsTupleType() && from.Length() == want.Length():
		elems := v.AsValueSlice()
		for i, ty := range want.TupleElementTypes() {
			var err error
			if elems[i], err = Convert(m, elems[i], ty); err != nil {
				return cty.NilVal, fmt.Errorf("element %d: %w", i, err)
			}
		}
		v = cty.TupleVal(elems)
	}
	return convert.Convert(v, want)
}

// convertCollection converts each element, then makes the collection.
func convertCollection(m *Meter, v cty.Value, want, elem cty.Type) (cty.Value, error) {
	one := cty.NilType // of elements that hold "any", each has its own
	var list []cty.Value
	byKey := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		e, err := Convert(m, e, elem)
		if err != nil {
			return cty.NilVal, fmt.Errorf("element %s: %w", keyText(k), err)
		}
		if one == cty.NilType {
			one = e.Type()
		}
		if !e.Type().Equals(one) {
			return mixed(m, v, want)
		}
		if want.IsMapType() {
			byKey[k.AsString()] = e
		} else {
			list = append(list, e)
		}
	}
	switch {
	case want.IsMapType():
		return cty.MapVal(byKey), nil
	case want.IsSetType():
		return cty.SetVal(list), nil
	}
	return cty.ListVal(list), nil
}

func keyText(k cty.Value) string {
	switch k, _ := k.Unmark(); {
	case k.Type() == cty.Number:
		return k.AsBigFloat().Text('f', 0)
	case k.Type() == cty.String:
		return fmt.Sprintf("%q", k.AsString())
	}
	return "of the set"
}

// mixed pays for cty's own way.
func mixed(m *Meter, v cty.Value, want cty.Type) (cty.Value, error) {
	if m == nil {
		m = &Meter{limits: Limits{Elements: DefaultElements, Bytes: DefaultBytes}}
	}
	n := v.LengthInt()
	if err := m.Work(n * n / 8); err != nil {
		return cty.NilVal, err
	}
	return convert.Convert(v, want)
}

// uniform returns the type that all elements have, NilType when they differ.
func uniform(v cty.Value) cty.Type {
	one := cty.NilType
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		switch ty := e.Type(); {
		case ty == cty.DynamicPseudoType:
			return cty.NilType
		case one == cty.NilType:
			one = ty
		case !ty.Equals(one):
			return cty.NilType
		}
	}
	return one
}
