package providers

import (
	"maps"
	"regexp"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// ValidLabel reports whether s can label a block: as the name of a block it is
// of ASCII letters, digits, "_" and "-", begins with a letter or "_", and has
// at most 64 bytes.
func ValidLabel(s string) bool { return label.MatchString(s) }

var label = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

// Type returns the type of the block's value: an object, or a map of objects
// by label.
func (n *NestedBlock) Type() cty.Type {
	if n.Labelled {
		return cty.Map(n.Block.Type())
	}
	return n.Block.Type()
}

// absent is the value of a block that is not written.
func (n *NestedBlock) absent() cty.Value {
	if n.Labelled {
		return cty.MapValEmpty(n.Block.Type())
	}
	return cty.NullVal(n.Block.Type())
}

// Labels returns the labels in a value of the block, in order. A block without
// labels has one, which is empty, so that a loop over Labels, Body and At meets
// every body of either sort. An unknown value has none.
func (n *NestedBlock) Labels(v cty.Value) []string {
	if !n.Labelled {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(n.bodies(v)))
}

// Body returns what stands under a label in a value of the block: an object,
// unknown, or null when there is none. Marks of the value are on it.
func (n *NestedBlock) Body(v cty.Value, label string) cty.Value {
	if !n.Labelled {
		return v
	}
	v, marks := v.Unmark()
	key := cty.StringVal(label)
	switch {
	case v == cty.NilVal || v.IsKnown() && (v.IsNull() || !v.HasIndex(key).True()):
		return cty.NullVal(n.Block.Type()).WithMarks(marks)
	case !v.IsKnown():
		return cty.UnknownVal(n.Block.Type()).WithMarks(marks)
	}
	return v.Index(key).WithMarks(marks)
}

// At returns the path of the body with a label; path leads to the object that
// the block stands in.
func (n *NestedBlock) At(path cty.Path, label string) cty.Path {
	path = path.GetAttr(n.Name)
	if n.Labelled {
		path = path.IndexString(label)
	}
	return path
}

// Map returns a value of the block with each body replaced by what fn makes of
// it. A block without labels has one, which may be null.
func (n *NestedBlock) Map(v cty.Value, fn func(label string, body cty.Value) cty.Value) cty.Value {
	if !n.Labelled {
		return fn("", v)
	}
	v, marks := v.Unmark()
	bodies := n.bodies(v)
	if len(bodies) == 0 {
		return v.WithMarks(marks)
	}
	for label, body := range bodies {
		bodies[label] = fn(label, body)
	}
	return cty.MapVal(bodies).WithMarks(marks)
}

// bodies returns a labelled block's bodies, without the marks of all of them.
func (n *NestedBlock) bodies(v cty.Value) map[string]cty.Value {
	v, _ = v.Unmark()
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return nil
	}
	return v.AsValueMap()
}
