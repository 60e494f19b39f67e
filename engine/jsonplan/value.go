package jsonplan

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
)

// mask is the places of a value that are not shown.
type mask struct {
	whole bool
	parts map[string]mask // by attribute, key, or printed index
}

func maskOf(paths []cty.Path) mask {
	var m mask
	for _, p := range paths {
		m = m.with(p)
	}
	return m
}

func (m mask) with(p cty.Path) mask {
	if len(p) == 0 {
		m.whole = true
		return m
	}
	key, ok := stepKey(p[0])
	if !ok {
		m.whole = true // an element that cannot be named hides its set
		return m
	}
	if m.parts == nil {
		m.parts = map[string]mask{}
	}
	m.parts[key] = m.parts[key].with(p[1:])
	return m
}

func (m mask) part(key string) mask {
	if m.whole {
		return m
	}
	return m.parts[key]
}

func stepKey(s cty.PathStep) (string, bool) {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name, true
	case cty.IndexStep:
		return keyString(s.Key)
	}
	return "", false
}

func keyString(key cty.Value) (string, bool) {
	switch {
	case !key.IsKnown() || key.IsNull():
		return "", false
	case key.Type() == cty.String:
		return key.AsString(), true
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('f', -1), true
	}
	return "", false
}

// members calls fn for each element or attribute of a known value that has
// some; ok is false for one that has none.
func members(v cty.Value, fn func(key string, e cty.Value)) (mapping, ok bool) {
	ty := v.Type()
	mapping = ty.IsObjectType() || ty.IsMapType()
	if !mapping && !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() {
		return false, false
	}
	for k, e := range v.Elements() {
		key, _ := keyString(k)
		fn(key, e)
	}
	return mapping, true
}

// redacted is v as JSON knows it: null for what is sensitive or unknown; an
// unknown attribute is left out.
func redacted(v cty.Value, m mask) any {
	if v == cty.NilVal || m.whole || !v.IsKnown() || v.IsNull() {
		return nil
	}
	object, list := map[string]any{}, []any{}
	mapping, ok := members(v, func(key string, e cty.Value) {
		shown := redacted(e, m.part(key))
		if e.IsKnown() {
			object[key] = shown
		}
		list = append(list, shown)
	})
	switch {
	case mapping:
		return object
	case ok:
		return list
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return v.True()
	case v.Type() == cty.Number:
		return json.Number(v.AsBigFloat().Text('f', -1))
	}
	return nil
}

// marks is v with true where it is sensitive, and nothing elsewhere; nil when
// nothing is.
func (m mask) marks(v cty.Value) any {
	if m.whole {
		return true
	}
	if len(m.parts) == 0 || v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return nil
	}
	return sparse(v, func(key string, e cty.Value) any { return m.part(key).marks(e) })
}

// unknowns is v with true where it is unknown, and nothing elsewhere; nil when
// all is known.
func unknowns(v cty.Value) any {
	switch {
	case v == cty.NilVal || v.IsWhollyKnown():
		return nil
	case !v.IsKnown():
		return true
	}
	return sparse(v, func(_ string, e cty.Value) any { return unknowns(e) })
}

// sparse keeps the members that fn has something to say of. In a list the
// others are false, so that places stay.
func sparse(v cty.Value, fn func(string, cty.Value) any) any {
	object, list, some := map[string]any{}, []any{}, false
	mapping, ok := members(v, func(key string, e cty.Value) {
		said := fn(key, e)
		if said != nil {
			object[key], some = said, true
		}
		list = append(list, orFalse(said))
	})
	switch {
	case !ok || !some:
		return nil
	case mapping:
		return object
	}
	return list
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

func orFalse(v any) any {
	if v == nil {
		return false
	}
	return v
}

// pathOf is a path as terraform-json has it.
func pathOf(p cty.Path) []any {
	out := []any{}
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			out = append(out, s.Name)
		case cty.IndexStep:
			if key, ok := keyString(s.Key); ok && s.Key.Type() == cty.Number {
				out = append(out, json.Number(key))
			} else if ok {
				out = append(out, key)
			}
		}
	}
	return out
}
