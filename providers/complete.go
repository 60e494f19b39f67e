package providers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Filled reports whether the block, when absent, stands for an empty one: it
// has a default somewhere inside and nothing required. So code that reads
// tenant.lifetimes.nonce never meets a missing block, while the absence of a
// block without defaults keeps its meaning ("the policy says nothing"). A
// labelled block is what is written, and no more.
func (n *NestedBlock) Filled() bool {
	return !n.Labelled && !n.Required && n.Block.hasDefault() && !n.Block.hasRequired()
}

func (b Block) hasDefault() bool {
	return slices.ContainsFunc(b.Attrs, func(a Attr) bool { return a.Default != cty.NilVal }) ||
		slices.ContainsFunc(b.Blocks, func(n NestedBlock) bool { return !n.Labelled && n.Block.hasDefault() })
}

func (b Block) hasRequired() bool {
	return slices.ContainsFunc(b.Attrs, func(a Attr) bool { return a.Required }) ||
		slices.ContainsFunc(b.Blocks, func(n NestedBlock) bool { return n.Required })
}

// Type returns the object type of the block's content.
func (b Block) Type() cty.Type {
	types := make(map[string]cty.Type, len(b.Attrs)+len(b.Blocks))
	for _, a := range b.Attrs {
		types[a.Name] = a.Type
	}
	for i := range b.Blocks {
		types[b.Blocks[i].Name] = b.Blocks[i].Type()
	}
	return cty.Object(types)
}

// Complete turns an object of some attributes of In, null ones included, into
// one of InType: values are converted, absent and null attributes get their
// default or null, absent blocks that are Filled an object of defaults. Labelled
// blocks may be an object by label or a map of objects. Marks
// and unknown values stay. It does not ask for required attributes: CheckValue
// does. Attributes the schema does not have are an error.
func (s *Schema) Complete(v cty.Value) (cty.Value, error) {
	return s.In.complete(v, nil)
}

func (b Block) complete(v cty.Value, path cty.Path) (cty.Value, error) {
	v, marks := v.Unmark()
	if !v.IsKnown() {
		return cty.UnknownVal(b.Type()).WithMarks(marks), nil
	}
	if !v.Type().IsObjectType() {
		return cty.NilVal, path.NewErrorf("%s where an object is needed", v.Type().FriendlyName())
	}
	get := func(name string) (cty.Value, bool) {
		if v.IsNull() || !v.Type().HasAttribute(name) {
			return cty.NilVal, false
		}
		return v.GetAttr(name), true
	}
	attrs := make(map[string]cty.Value, len(b.Attrs)+len(b.Blocks))
	for i := range b.Attrs {
		a := &b.Attrs[i]
		av, present := get(a.Name)
		done, err := a.complete(av, present, path)
		if err != nil {
			return cty.NilVal, err
		}
		attrs[a.Name] = done
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		nv, present := get(n.Name)
		if present {
			present = nv.IsMarked() || !nv.IsNull()
		}
		var err error
		switch at := path.GetAttr(n.Name); {
		case present && n.Labelled:
			attrs[n.Name], err = n.completeLabelled(nv, at)
		case present:
			attrs[n.Name], err = n.Block.complete(nv, at)
		case n.Filled():
			attrs[n.Name], err = n.Block.complete(cty.EmptyObjectVal, at)
		default:
			attrs[n.Name] = n.absent()
		}
		if err != nil {
			return cty.NilVal, err
		}
	}
	if !v.IsNull() {
		for name := range v.Type().AttributeTypes() {
			if _, ok := attrs[name]; !ok {
				return cty.NilVal, path.GetAttr(name).NewErrorf("there is no attribute %q", name)
			}
		}
	}
	return cty.ObjectVal(attrs).WithMarks(marks), nil
}

func (n *NestedBlock) completeLabelled(v cty.Value, path cty.Path) (cty.Value, error) {
	v, marks := v.Unmark()
	switch {
	case !v.IsKnown():
		return cty.UnknownVal(n.Type()).WithMarks(marks), nil
	case v.IsNull():
		return n.absent().WithMarks(marks), nil
	case !v.Type().IsObjectType() && !v.Type().IsMapType():
		return cty.NilVal, path.NewErrorf("%s where a map of objects is needed", v.Type().FriendlyName())
	case v.LengthInt() == 0:
		return n.absent().WithMarks(marks), nil
	}
	bodies := v.AsValueMap()
	for label, body := range bodies {
		done, err := n.Block.complete(body, path.IndexString(label))
		if err != nil {
			return cty.NilVal, err
		}
		bodies[label] = done
	}
	return cty.MapVal(bodies).WithMarks(marks), nil
}

func (a *Attr) complete(v cty.Value, present bool, path cty.Path) (cty.Value, error) {
	if present {
		bare, marks := v.Unmark()
		if !bare.IsNull() {
			done, err := convert.Convert(v, a.Type)
			if err != nil {
				return cty.NilVal, path.GetAttr(a.Name).NewError(err)
			}
			return done, nil
		}
		if a.Default == cty.NilVal {
			if a.Type == cty.DynamicPseudoType {
				return v, nil
			}
			return cty.NullVal(a.Type).WithMarks(marks), nil
		}
		return a.Default.WithMarks(marks), nil
	}
	if a.Default != cty.NilVal {
		return a.Default, nil
	}
	return cty.NullVal(a.Type), nil
}

// CheckValue returns what is wrong with an object of InType: required
// attributes that are null, values outside an enum, durations and whole
// numbers that are none, nulls in lists. Unknown values are taken to be right.
// Each problem's Path leads to the attribute. Values that are marked, or of
// sensitive attributes, are not quoted.
func (s *Schema) CheckValue(in cty.Value) []cty.PathError {
	return s.In.check(in, nil)
}

func (b Block) check(v cty.Value, path cty.Path) []cty.PathError {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	var problems []cty.PathError
	for i := range b.Attrs {
		a := &b.Attrs[i]
		problems = append(problems, a.check(v.GetAttr(a.Name), path.GetAttr(a.Name))...)
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		nv, _ := v.GetAttr(n.Name).Unmark()
		if n.Required && nv.IsKnown() && (nv.IsNull() || n.Labelled && nv.LengthInt() == 0) {
			problems = append(problems, pathError(path.GetAttr(n.Name), fmt.Errorf("the block %q is required", n.Name)))
			continue
		}
		folded := map[string]string{}
		for _, label := range n.Labels(nv) {
			at := n.At(path, label)
			if n.Labelled && !ValidLabel(label) {
				problems = append(problems, pathError(at, fmt.Errorf("the label %q is not a name", label)))
			}
			if first, dup := folded[strings.ToLower(label)]; dup {
				problems = append(problems, pathError(at, fmt.Errorf("the label %q differs from %q only in case", label, first)))
			}
			folded[strings.ToLower(label)] = label
			problems = append(problems, n.Block.check(n.Body(nv, label), at)...)
		}
	}
	return problems
}

func (a *Attr) check(v cty.Value, path cty.Path) []cty.PathError {
	secret := a.Sensitive || v.IsMarked()
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown() || a.Type == cty.DynamicPseudoType && !v.IsNull():
		return nil
	case v.IsNull() && a.Required:
		return []cty.PathError{pathError(path, fmt.Errorf("the attribute %q is required", a.Name))}
	case v.IsNull():
		return nil
	}
	var problems []cty.PathError
	_ = cty.Walk(v, func(at cty.Path, leaf cty.Value) (bool, error) {
		hidden := secret || leaf.IsMarked()
		leaf, _ = leaf.Unmark()
		if !leaf.IsKnown() {
			return false, nil
		}
		var err error
		if leaf.IsNull() {
			err = errors.New("a list or map cannot hold null")
		} else if leaf.Type().IsPrimitiveType() {
			err = a.checkLeaf(leaf, hidden)
		}
		if err != nil {
			problems = append(problems, pathError(slices.Concat(path, at), err))
		}
		return true, nil
	})
	return problems
}

// checkLeaf checks one known scalar of the attribute. The error quotes the
// value unless it is hidden.
func (a *Attr) checkLeaf(v cty.Value, hidden bool) error {
	shown := "the value"
	if !hidden && v.Type() == cty.String {
		shown = fmt.Sprintf("%q", v.AsString())
	}
	switch {
	case a.Format == Duration:
		if _, err := ParseDuration(v.AsString()); err != nil {
			return fmt.Errorf("%s %s", shown, notDuration)
		}
	case a.Format == Integer:
		if n, ok := intOf(v); !ok || int64(int(n)) != n {
			return errors.New("a whole number is needed")
		}
	case a.Enum != nil && !slices.Contains(a.Enum, v.AsString()):
		return fmt.Errorf("%s is not one of %s", shown, quoted(a.Enum))
	}
	return nil
}

func pathError(path cty.Path, err error) cty.PathError {
	return path.NewError(err).(cty.PathError)
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(q, ", ")
}

// WithoutWriteOnly returns in, an object of InType, with its write-only
// attributes null: what may be stored and compared.
func (s *Schema) WithoutWriteOnly(in cty.Value) cty.Value {
	return s.In.mapAttrs(in, func(a *Attr, v cty.Value) cty.Value {
		if a.WriteOnly {
			return cty.NullVal(a.Type)
		}
		return v
	})
}

// WithoutLater returns in, an object of InType, with the attributes null that
// wait for the objects they refer to.
func (s *Schema) WithoutLater(in cty.Value) cty.Value {
	return s.In.mapAttrs(in, func(a *Attr, v cty.Value) cty.Value {
		if a.Later {
			return cty.NullVal(a.Type)
		}
		return v
	})
}

// mapAttrs returns v with each attribute, in nested blocks too, replaced by
// what fn makes of it. An unknown or null object has no attributes to replace.
func (b Block) mapAttrs(v cty.Value, fn func(*Attr, cty.Value) cty.Value) cty.Value {
	v, marks := v.Unmark()
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return v.WithMarks(marks)
	}
	attrs := v.AsValueMap()
	for i := range b.Attrs {
		a := &b.Attrs[i]
		if av, ok := attrs[a.Name]; ok {
			attrs[a.Name] = fn(a, av)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		if nv, ok := attrs[n.Name]; ok {
			attrs[n.Name] = n.Map(nv, func(_ string, body cty.Value) cty.Value { return n.Block.mapAttrs(body, fn) })
		}
	}
	return cty.ObjectVal(attrs).WithMarks(marks)
}
