package plan

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// difference is how what is wanted differs from what is.
type difference struct {
	changed []cty.Path // every attribute that differs
	replace []cty.Path // those of them that cannot change in place
}

// diff compares two objects of a kind's InType, attribute by attribute, in the
// order of the schema. An unknown value differs: it may turn out to be equal,
// but nobody can know before.
func diff(b *providers.Block, was, is cty.Value) difference {
	var d difference
	if !was.RawEquals(is) {
		d.block(b, nil, was, is)
	}
	return d
}

func (d *difference) block(b *providers.Block, at cty.Path, was, is cty.Value) {
	if !isObject(was) || !isObject(is) {
		d.changed = append(d.changed, at)
		if replaces(b, was) || replaces(b, is) {
			d.replace = append(d.replace, at)
		}
		return
	}
	for i := range b.Attrs {
		a := &b.Attrs[i]
		if was.GetAttr(a.Name).RawEquals(is.GetAttr(a.Name)) {
			continue
		}
		path := at.GetAttr(a.Name)
		d.changed = append(d.changed, path)
		if a.Replace {
			d.replace = append(d.replace, path)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		before, after := was.GetAttr(n.Name), is.GetAttr(n.Name)
		switch {
		case before.RawEquals(after):
		case n.Labelled:
			d.labelled(n, at, before, after)
		default:
			d.block(&n.Block, at.GetAttr(n.Name), before, after)
		}
	}
}

// labelled compares blocks by label. One that comes or goes differs as a whole
// and replaces nothing; where which there are is not known, all of them differ.
func (d *difference) labelled(n *providers.NestedBlock, at cty.Path, was, is cty.Value) {
	if !was.IsKnown() || !is.IsKnown() {
		d.changed = append(d.changed, at.GetAttr(n.Name))
		return
	}
	labels := append(n.Labels(was), n.Labels(is)...)
	slices.Sort(labels)
	for _, label := range slices.Compact(labels) {
		before, after := n.Body(was, label), n.Body(is, label)
		switch path := n.At(at, label); {
		case before.RawEquals(after):
		case before.IsNull() || after.IsNull():
			d.changed = append(d.changed, path)
		default:
			d.block(&n.Block, path, before, after)
		}
	}
}

// replaces reports whether a whole block that comes or goes holds something
// that cannot change in place.
func replaces(b *providers.Block, v cty.Value) bool {
	if !v.IsKnown() {
		v = cty.UnknownVal(b.Type())
	} else if v.IsNull() {
		return false
	}
	for i := range b.Attrs {
		a := &b.Attrs[i]
		if !a.Replace {
			continue
		}
		if !v.IsKnown() {
			return true
		}
		if av := v.GetAttr(a.Name); !av.IsKnown() || !av.IsNull() {
			return true
		}
	}
	for i := range b.Blocks {
		if b.Blocks[i].Labelled {
			continue // each of them comes or goes
		}
		nested := cty.UnknownVal(b.Blocks[i].Block.Type())
		if v.IsKnown() {
			nested = v.GetAttr(b.Blocks[i].Name)
		}
		if replaces(&b.Blocks[i].Block, nested) {
			return true
		}
	}
	return false
}

func isObject(v cty.Value) bool { return v.IsKnown() && !v.IsNull() && v.Type().IsObjectType() }

// ignoring returns is with the attributes at paths as they are in was
// (lifecycle.ignore_changes). A path that leads nowhere changes nothing.
func ignoring(was, is cty.Value, paths []string) cty.Value {
	for _, p := range paths {
		if p == "all" {
			return was
		}
		is = keepAt(was, is, strings.Split(p, "."))
	}
	return is
}

// keepAt returns is with what was holds below the names.
func keepAt(was, is cty.Value, names []string) cty.Value {
	if len(names) == 0 {
		return was
	}
	if !was.IsKnown() || was.IsNull() || !is.IsKnown() || is.IsNull() {
		return is
	}
	name := names[0]
	switch {
	case was.Type().IsObjectType() && is.Type().IsObjectType():
		if !was.Type().HasAttribute(name) || !is.Type().HasAttribute(name) {
			return is
		}
		attrs := is.AsValueMap()
		attrs[name] = keepAt(was.GetAttr(name), is.GetAttr(name), names[1:])
		return cty.ObjectVal(attrs)
	case was.Type().IsMapType() && is.Type().Equals(was.Type()):
		old, elems := was.AsValueMap(), is.AsValueMap()
		if elems == nil {
			elems = map[string]cty.Value{}
		}
		before, had := old[name]
		after, has := elems[name]
		switch {
		case !had && len(names) == 1:
			delete(elems, name)
		case !had: // a part of what was not there
		case has:
			elems[name] = keepAt(before, after, names[1:])
		case len(names) == 1:
			elems[name] = before
		}
		if len(elems) == 0 {
			return cty.MapValEmpty(is.Type().ElementType())
		}
		return cty.MapVal(elems)
	}
	return is
}

// eachRef calls fn for every address that the reference attributes of an
// object of InType hold, with the attribute's path.
func eachRef(b *providers.Block, v cty.Value, fn func(at cty.Path, a *providers.Attr, ref string)) {
	var block func(b *providers.Block, at cty.Path, v cty.Value)
	block = func(b *providers.Block, at cty.Path, v cty.Value) {
		if !isObject(v) {
			return
		}
		for i := range b.Attrs {
			a := &b.Attrs[i]
			if a.Ref == nil {
				continue
			}
			eachString(v.GetAttr(a.Name), func(s string) { fn(at.GetAttr(a.Name), a, s) })
		}
		for i := range b.Blocks {
			n := &b.Blocks[i]
			nested := v.GetAttr(n.Name)
			for _, label := range n.Labels(nested) {
				block(&n.Block, n.At(at, label), n.Body(nested, label))
			}
		}
	}
	block(b, nil, v)
}

func eachString(v cty.Value, fn func(string)) {
	switch {
	case !v.IsKnown() || v.IsNull():
	case v.Type() == cty.String:
		fn(v.AsString())
	case v.CanIterateElements():
		for _, e := range v.Elements() {
			eachString(e, fn)
		}
	}
}

// agrees returns the path of the first place where got differs from what
// planned already knew, or nil. Attributes for which skip answers true are
// not compared.
func agrees(planned, got cty.Value, skip func(name string) bool) cty.Path {
	if planned == cty.NilVal || !planned.IsKnown() {
		return nil
	}
	if planned.IsNull() || got.IsNull() || !got.IsKnown() || !planned.Type().IsObjectType() || !got.Type().IsObjectType() {
		if planned.RawEquals(got) {
			return nil
		}
		return cty.Path{}
	}
	for name := range planned.Type().AttributeTypes() {
		if skip != nil && skip(name) {
			continue
		}
		if !got.Type().HasAttribute(name) {
			return cty.GetAttrPath(name)
		}
		if !Compatible(planned.GetAttr(name), got.GetAttr(name)) {
			return cty.GetAttrPath(name)
		}
	}
	return nil
}

// Compatible reports whether got is a value that planned may turn out to be.
func Compatible(planned, got cty.Value) bool {
	if !planned.IsKnown() {
		return true
	}
	if planned.IsWhollyKnown() || !got.IsKnown() || planned.IsNull() || got.IsNull() {
		return planned.RawEquals(got)
	}
	ty := planned.Type()
	switch {
	case ty.IsSetType():
		return got.Type().IsSetType() // which unknown element became which cannot be told
	case !got.CanIterateElements() || !planned.CanIterateElements():
		return false
	case planned.LengthInt() != got.LengthInt():
		return false
	case ty.IsObjectType() || ty.IsMapType():
		elems := got.AsValueMap()
		for name, p := range planned.AsValueMap() {
			g, ok := elems[name]
			if !ok || !Compatible(p, g) {
				return false
			}
		}
		return true
	}
	elems := got.AsValueSlice()
	for i, p := range planned.AsValueSlice() {
		if !Compatible(p, elems[i]) {
			return false
		}
	}
	return true
}

// Agrees returns the path of the first place where result, an object of
// OutType, differs from what planned already knew, or false. Attributes that
// only time changes may differ.
func Agrees(t *providers.Type, planned, result cty.Value) (cty.Path, bool) {
	volatile := map[string]bool{}
	for i := range t.Schema.Out {
		if t.Schema.Out[i].Volatile {
			volatile[t.Schema.Out[i].Name] = true
		}
	}
	at := agrees(planned, result, func(name string) bool { return volatile[name] })
	return at, at == nil
}
