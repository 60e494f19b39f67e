package budget

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"pgregory.net/rapid"
)

func genType(t *rapid.T, depth int) cty.Type {
	kinds := 4
	if depth > 0 {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "type") {
	case 0:
		return cty.String
	case 1:
		return cty.Number
	case 2:
		return cty.Bool
	case 3:
		return cty.DynamicPseudoType
	case 4:
		return cty.List(genType(t, depth-1))
	case 5:
		return cty.Set(genType(t, depth-1))
	case 6:
		return cty.Map(genType(t, depth-1))
	case 7:
		return cty.Object(map[string]cty.Type{"a": genType(t, depth-1), "b": genType(t, depth-1)})
	}
	return cty.Tuple([]cty.Type{genType(t, depth-1), genType(t, depth-1)})
}

func genValue(t *rapid.T, depth int) cty.Value {
	kinds := 6
	if depth > 0 {
		kinds = 9
	}
	var v cty.Value
	switch rapid.IntRange(0, kinds-1).Draw(t, "value") {
	case 0:
		v = cty.StringVal(rapid.SampledFrom([]string{"x", "1", "true", ""}).Draw(t, "string"))
	case 1:
		v = cty.NumberIntVal(int64(rapid.IntRange(-1, 2).Draw(t, "number")))
	case 2:
		v = cty.True
	case 3:
		v = cty.NullVal(rapid.SampledFrom([]cty.Type{cty.String, cty.DynamicPseudoType, cty.List(cty.String)}).Draw(t, "null"))
	case 4:
		v = cty.UnknownVal(rapid.SampledFrom([]cty.Type{cty.String, cty.DynamicPseudoType, cty.Number}).Draw(t, "unknown"))
	case 5:
		v = cty.ListVal([]cty.Value{cty.StringVal("1"), cty.StringVal("2")})
	default:
		n := rapid.IntRange(0, 3).Draw(t, "length")
		elems := make([]cty.Value, n)
		attrs := map[string]cty.Value{}
		for i := range elems {
			elems[i] = genValue(t, depth-1)
			attrs[string(rune('a'+i))] = elems[i]
		}
		if v = cty.TupleVal(elems); rapid.Bool().Draw(t, "object") {
			v = cty.ObjectVal(attrs)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "mark") == 0 {
		v = v.Mark("m")
	}
	return v
}

// Convert gives what cty's own conversion gives, and fails where that fails. It
// keeps the marks that cty keeps, and some that cty loses (of a null in a set).
func TestConvertIsCtys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, ty := genValue(t, 3), genType(t, 3)
		want, wantErr := convert.Convert(v, ty)
		got, err := Convert(nil, v, ty)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%#v to %#v: %v, cty says %v", v, ty, err, wantErr)
		}
		if err != nil {
			return
		}
		got, kept := got.UnmarkDeep()
		want, marks := want.UnmarkDeep()
		if !got.RawEquals(want) || len(kept) < len(marks) {
			t.Fatalf("%#v to %#v:\n%#v, cty makes\n%#v", v, ty, got, want)
		}
	})
}
