package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/providers"
)

func (r *reader) plain(a providers.Attr, v cty.Value, path string) cty.Value {
	if a.Type == cty.DynamicPseudoType {
		return plainNulls(v)
	}
	out, err := budget.Convert(r.meter, v, a.Type)
	if err != nil {
		r.fail(path, "Wrong type of value", "The value of %s does not fit: %s.", named(path), err)
		return cty.UnknownVal(a.Type)
	}
	return out
}

// plainNulls takes the type off nulls: before apply a conditional may not know
// of which type its null will be, and what was known must stay equal.
func plainNulls(v cty.Value) cty.Value {
	bare, marks := v.Unmark()
	ty := bare.Type()
	switch {
	case !bare.IsKnown():
		return v
	case bare.IsNull():
		return cty.NullVal(cty.DynamicPseudoType).WithMarks(marks)
	case ty.IsObjectType() && len(ty.AttributeTypes()) > 0:
		attrs := bare.AsValueMap()
		for name, a := range attrs {
			attrs[name] = plainNulls(a)
		}
		return cty.ObjectVal(attrs).WithMarks(marks)
	case ty.IsTupleType() && ty.Length() > 0:
		elems := bare.AsValueSlice()
		for i, e := range elems {
			elems[i] = plainNulls(e)
		}
		return cty.TupleVal(elems).WithMarks(marks)
	}
	return v
}

func (r *reader) attr(a providers.Attr, v cty.Value, path string) cty.Value {
	v, marks := v.Unmark()
	switch {
	case v.IsKnown() && v.IsNull():
		return cty.NullVal(a.Type)
	case a.Type == cty.String:
		return r.one(a, v, path, "").WithMarks(marks)
	case !v.IsKnown():
		r.unknown(a, path)
		return cty.UnknownVal(a.Type)
	case a.Type.IsMapType():
		if !v.Type().IsObjectType() && !v.Type().IsMapType() || isInstance(v) {
			r.fail(path, "Invalid reference", "The attribute %s takes a map of references to %s.", named(path), kinds(a.Ref))
			return cty.UnknownVal(a.Type)
		}
		out := map[string]cty.Value{}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			out[k.AsString()] = r.one(a, e, path, " at key "+k.AsString())
		}
		if len(out) == 0 {
			return cty.MapValEmpty(cty.String).WithMarks(marks)
		}
		return cty.MapVal(out).WithMarks(marks)
	}
	if !v.Type().IsTupleType() && !v.Type().IsListType() && !v.Type().IsSetType() {
		hint := ""
		if isInstance(v) {
			hint = " Put brackets around a single one."
		} else if v.Type().IsObjectType() {
			hint = " Of a block with for_each, take values(…)."
		}
		r.fail(path, "Invalid reference", "The attribute %s takes a list of references to %s.%s", named(path), kinds(a.Ref), hint)
		return cty.UnknownVal(a.Type)
	}
	var out []cty.Value
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, r.one(a, e, path, " at position "+strconv.Itoa(len(out))))
	}
	switch {
	case len(out) == 0 && a.Type.IsSetType():
		return cty.SetValEmpty(cty.String).WithMarks(marks)
	case len(out) == 0:
		return cty.ListValEmpty(cty.String).WithMarks(marks)
	case a.Type.IsSetType():
		return cty.SetVal(out).WithMarks(marks)
	}
	return cty.ListVal(out).WithMarks(marks)
}

// one turns one reference into its address.
func (r *reader) one(a providers.Attr, v cty.Value, path, where string) cty.Value {
	v, marks := v.Unmark()
	bad := cty.UnknownVal(cty.String)
	switch {
	case v.IsKnown() && v.IsNull():
		r.fail(path, "Null reference", "The attribute %s%s is null: the block it refers to may be disabled.", named(path), where)
		return bad
	case isInstance(v):
		at := v.GetAttr("address")
		at, _ = at.Unmark()
		in, err := addr.Parse(at.AsString())
		if err != nil || !r.known(in) {
			r.fail(path, "Invalid reference", "The attribute %s%s is an object, but not one of this lab's. Write the reference itself, as in %s.", named(path), where, example(a.Ref))
			return bad
		}
		if !slices.Contains(a.Ref, in.Kind) {
			r.fail(path, "Reference to the wrong kind", "The attribute %s takes a reference to %s, and %s is a %s.", named(path), kinds(a.Ref), in, in.Kind)
			return bad
		}
		r.found = append(r.found, in)
		return cty.StringVal(in.String()).WithMarks(marks)
	case !v.IsKnown():
		r.unknown(a, path)
		return bad
	case v.Type() == cty.String:
		hint := fmt.Sprintf(" Write the reference itself, as in %s.", example(a.Ref))
		if in, err := addr.Parse(v.AsString()); err == nil && r.known(in) && len(marks) == 0 {
			hint = fmt.Sprintf(" Write the reference itself, without quotes: %s.", in)
		}
		r.fail(path, "Invalid reference", "The attribute %s%s takes a reference to %s, not a string.%s", named(path), where, kinds(a.Ref), hint)
	case v.Type().IsTupleType() || v.Type().IsListType():
		r.fail(path, "Invalid reference", "The attribute %s%s takes one reference to %s, not a list.", named(path), where, kinds(a.Ref))
	default:
		r.fail(path, "Invalid reference", "The attribute %s%s takes a reference to %s, as in %s.", named(path), where, kinds(a.Ref), example(a.Ref))
	}
	return bad
}

// isInstance reports whether v looks like the value of an instance.
func isInstance(v cty.Value) bool {
	if !v.Type().IsObjectType() || !v.Type().HasAttribute("address") || !v.IsKnown() || v.IsNull() {
		return false
	}
	at, _ := v.GetAttr("address").Unmark()
	return at.Type() == cty.String && at.IsKnown() && !at.IsNull()
}

func (r *reader) unknown(a providers.Attr, path string) {
	r.fail(path, "Unknown reference", "The attribute %s must be known when the plan is made, as a reference to %s, and it depends on a value that is known only after apply.", named(path), kinds(a.Ref))
}

// named quotes a path that is a name or names; one with labels has quotes enough.
func named(path string) string {
	if strings.Contains(path, `"`) {
		return path
	}
	return strconv.Quote(path)
}

func (r *reader) fail(path, summary, format string, args ...any) {
	d := errorf(nil, summary, format, args...)
	if rng, ok := rangeOf(path, r.made, r.ranges); ok {
		d.Subject = &rng
	}
	r.diags = append(r.diags, d)
}

// kinds says "a tenant", "a user or a group".
func kinds(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = article(n) + " " + n
	}
	if len(out) > 1 {
		return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
	}
	return strings.Join(out, "")
}

func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an"
	}
	return "a"
}

func example(kinds []string) string { return kinds[0] + ".name" }
