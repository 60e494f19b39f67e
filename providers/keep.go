package providers

import "github.com/zclconf/go-cty/cty"

// Keep returns is, an object of InType, with every attribute that means the
// same as in was spelled as in was: "60m" stays "60m" though a system reports
// an hour, and an attribute nobody wrote stays null though it reports "".
// A list that is empty does not mean the same as one that is absent.
func (s *Schema) Keep(was, is cty.Value) cty.Value { return s.In.keep(was, is) }

func (b Block) keep(was, is cty.Value) cty.Value {
	if !isObject(was) || !isObject(is) {
		return is
	}
	old, now := was.AsValueMap(), is.AsValueMap()
	for i := range b.Attrs {
		a := &b.Attrs[i]
		o, have := old[a.Name]
		if n, ok := now[a.Name]; ok && have && a.same(o, n) {
			now[a.Name] = o
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		o, have := old[n.Name]
		if v, ok := now[n.Name]; ok && have {
			now[n.Name] = n.Map(v, func(label string, body cty.Value) cty.Value { return n.Block.keep(n.Body(o, label), body) })
		}
	}
	return cty.ObjectVal(now)
}

func isObject(v cty.Value) bool {
	return v != cty.NilVal && !v.IsMarked() && v.IsKnown() && !v.IsNull() && v.Type().IsObjectType() && len(v.Type().AttributeTypes()) > 0
}

// same reports whether two values of the attribute are one to the kind's code.
func (a *Attr) same(x, y cty.Value) bool {
	if x.RawEquals(y) {
		return true
	}
	if !x.Type().Equals(a.Type) || !y.Type().Equals(a.Type) || !x.IsWhollyKnown() || !y.IsWhollyKnown() || x.ContainsMarked() || y.ContainsMarked() {
		return false
	}
	if x.IsNull() || y.IsNull() {
		return !a.Nullable && a.zero(x) && a.zero(y)
	}
	if a.Format != Duration || !a.Type.IsPrimitiveType() {
		return false
	}
	dx, errx := ParseDuration(x.AsString())
	dy, erry := ParseDuration(y.AsString())
	return errx == nil && erry == nil && dx == dy
}

// zero reports whether a scalar decodes to Go's zero value.
func (a *Attr) zero(v cty.Value) bool {
	if v.IsNull() {
		return a.Default == cty.NilVal
	}
	switch {
	case a.Format == Duration:
		d, err := ParseDuration(v.AsString())
		return err == nil && d == 0
	case a.Type == cty.String:
		return v.AsString() == ""
	case a.Type == cty.Number:
		return v.RawEquals(cty.Zero)
	case a.Type == cty.Bool:
		return v.False()
	}
	return false
}

// Elements returns was if it holds the same elements as is, in any order, else
// is. A Read uses it for lists whose order means nothing, so that a directory's
// own order (or an empty list for an absent one) is no drift.
func Elements[T comparable](was, is []T) []T {
	count := make(map[T]int, len(was))
	for _, e := range was {
		count[e]++
	}
	for _, e := range is {
		count[e]--
	}
	for _, n := range count {
		if n != 0 {
			return is
		}
	}
	return was
}
