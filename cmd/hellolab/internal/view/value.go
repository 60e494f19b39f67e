package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/providers"
)

// Object writes one object as the state remembers it. Sensitive are the paths
// never to be shown (plan.SensitivePaths).
func Object(w io.Writer, rec providers.Record, sensitive []cty.Path, tainted bool, r *providers.Registry, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s", Escape(rec.Addr))
	if tainted {
		b.WriteString(style.paint(yellow, " (tainted: its creation was left half done)"))
	}
	name := rec.Addr
	if a, err := addr.Parse(rec.Addr); err == nil {
		name = a.Name
	}
	fmt.Fprintf(&b, "\n%s %s {\n", rec.Kind, Quote(name))
	d := &differ{b: &b, plainText: true, sensitive: pathSet(sensitive)}
	d.body(1, cty.NilVal, record.Value(rec.In, rec.Out), bodyOf(r, rec.Kind), "")
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	unknownText   = "(known after apply)"
	sensitiveText = "(sensitive value)"
	writeOnlyText = "(write-only attribute)"
)

// Value writes v as HCL over several lines, indented by depth; sensitive says
// that it must not be shown.
func Value(v cty.Value, sensitive bool) string {
	if sensitive {
		return sensitiveText
	}
	var b strings.Builder
	d := &differ{b: &b, plainText: true}
	d.value(0, "", cty.NilVal, v, "", false, "")
	return strings.TrimSuffix(b.String(), "\n")
}

// differ writes the difference of two values. An absent side is cty.NilVal or
// null. Paths are pathString's.
type differ struct {
	b         *strings.Builder
	style     Style
	sensitive map[string]bool
	replace   map[string]bool
	rebound   map[string]bool // references whose object is made anew under its old address
	deleting  bool            // the whole object goes: values point to null
	plainText bool            // no symbols: a value, not a difference
}

// line writes one line: symbol, text and a comment where the path forces a
// replacement.
func (d *differ) line(depth int, sym, text, path string) {
	if d.plainText {
		fmt.Fprintf(d.b, "%s%s\n", strings.Repeat("  ", depth), text)
		return
	}
	d.b.WriteString(strings.Repeat(" ", 4*depth+2))
	if sym == "" {
		sym = " "
	}
	d.b.WriteString(paintSymbol(d.style, sym))
	d.b.WriteString(" " + text)
	if path != "" && d.replace[path] {
		d.b.WriteString(d.style.paint(red, " # forces replacement"))
	}
	d.b.WriteByte('\n')
}

func (d *differ) close(depth int, text string) {
	if d.plainText {
		fmt.Fprintf(d.b, "%s%s\n", strings.Repeat("  ", depth), text)
		return
	}
	fmt.Fprintf(d.b, "%s%s\n", strings.Repeat(" ", 4*depth+4), text)
}

// changed reports whether a pair is worth a line.
func (d *differ) changed(before, after cty.Value) bool {
	if absent(before) && absent(after) {
		return false
	}
	if absent(before) != absent(after) {
		return true
	}
	return !before.RawEquals(after)
}

// symbolFor is the symbol of a pair; force makes an equal pair an addition.
func symbolFor(before, after cty.Value, force bool) string {
	switch {
	case absent(before) && (!absent(after) || force):
		return "+"
	case absent(after):
		return "-"
	}
	return "~"
}

// value writes one difference behind prefix ("name = ", or nothing for an
// element), with suffix after it ("," for an element). Ref strings are
// addresses and stand without quotes, as in the language.
func (d *differ) value(depth int, prefix string, before, after cty.Value, path string, ref bool, suffix string) {
	sym := symbolFor(before, after, false)
	switch {
	case absent(before) && absent(after):
		d.line(depth, "", prefix+"null"+suffix, path)
	case d.rebound[path] && !d.changed(before, after):
		d.line(depth, "~", prefix+d.inline(after, path, ref)+" (made anew)"+suffix, path)
	case d.sensitive[path]:
		d.line(depth, sym, prefix+sensitiveText+suffix, path)
	case absent(after):
		d.single(depth, sym, prefix, before, path, ref, d.toNull()+suffix)
	case absent(before):
		d.single(depth, sym, prefix, after, path, ref, suffix)
	case after.IsKnown() && isSequence(before) && isSequence(after):
		d.line(depth, sym, prefix+"[", path)
		d.elements(depth+1, before, after, path, ref)
		d.close(depth, "]"+suffix)
	case after.IsKnown() && isMapping(before) && isMapping(after):
		d.line(depth, sym, prefix+"{", path)
		d.members(depth+1, before, after, path, ref)
		d.close(depth, "}"+suffix)
	default:
		d.line(depth, sym, prefix+d.inline(before, path, ref)+" -> "+d.inline(after, path, ref)+suffix, path)
	}
}

func (d *differ) toNull() string {
	if d.deleting {
		return " -> null"
	}
	return ""
}

// single writes a value that has no other side.
func (d *differ) single(depth int, sym, prefix string, v cty.Value, path string, ref bool, suffix string) {
	side := func(elem cty.Value) (before, after cty.Value) {
		if sym == "-" {
			return elem, cty.NilVal
		}
		return cty.NilVal, elem
	}
	switch {
	case !v.IsKnown() || !(isSequence(v) || isMapping(v)):
		d.line(depth, sym, prefix+leaf(v, ref)+suffix, path)
	case isSequence(v) && v.LengthInt() == 0:
		d.line(depth, sym, prefix+"[]"+suffix, path)
	case isMapping(v) && len(attributeNames(v)) == 0:
		d.line(depth, sym, prefix+"{}"+suffix, path)
	case isSequence(v):
		d.line(depth, sym, prefix+"[", path)
		for i, elem := range elementsOf(v) {
			b, a := side(elem)
			d.element(depth+1, b, a, elementPath(path, v, i), ref)
		}
		d.close(depth, "]"+suffix)
	default:
		d.line(depth, sym, prefix+"{", path)
		b, a := side(v)
		d.members(depth+1, b, a, path, ref)
		d.close(depth, "}"+suffix)
	}
}

// element writes one element of a sequence; its removal has no arrow.
func (d *differ) element(depth int, before, after cty.Value, path string, ref bool) {
	deleting := d.deleting
	d.deleting = false
	d.value(depth, "", before, after, path, ref, ",")
	d.deleting = deleting
}

// members writes the changed members of objects and maps.
func (d *differ) members(depth int, before, after cty.Value, path string, ref bool) {
	var names []string
	width := 0
	for _, name := range attributeNames(before, after) {
		if d.changed(attribute(before, name), attribute(after, name)) {
			names = append(names, name)
			width = max(width, len(memberName(name)))
		}
	}
	for _, name := range names {
		b, a := attribute(before, name), attribute(after, name)
		d.value(depth, fmt.Sprintf("%-*s = ", width, memberName(name)), b, a, path+"."+name, ref, "")
	}
}

// memberName quotes a key that is no identifier.
func memberName(s string) string {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// elements writes the difference of two sequences.
func (d *differ) elements(depth int, before, after cty.Value, path string, ref bool) {
	old, new := elementsOf(before), elementsOf(after)
	hidden := 0
	for _, e := range align(old, new) {
		switch {
		case e.old >= 0 && e.new >= 0 && old[e.old].RawEquals(new[e.new]):
			hidden++
		case e.old >= 0 && e.new >= 0:
			d.element(depth, old[e.old], new[e.new], elementPath(path, after, e.new), ref)
		case e.old >= 0:
			d.element(depth, old[e.old], cty.NilVal, elementPath(path, before, e.old), ref)
		default:
			d.element(depth, cty.NilVal, new[e.new], elementPath(path, after, e.new), ref)
		}
	}
	if hidden > 0 {
		d.close(depth-1, "    "+d.style.paint(dim, "# ("+Count(hidden, "unchanged element")+" hidden)"))
	}
}

// elementPath is the path of element i; elements of sets have no place of
// their own.
func elementPath(path string, seq cty.Value, i int) string {
	if seq.Type().IsSetType() {
		return path + "[]"
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

// inline writes v on one line.
func (d *differ) inline(v cty.Value, path string, ref bool) string {
	if d.sensitive[path] {
		return sensitiveText
	}
	switch {
	case absent(v):
		return "null"
	case !v.IsKnown():
		return unknownText
	case isSequence(v):
		var parts []string
		for i, e := range elementsOf(v) {
			parts = append(parts, d.inline(e, elementPath(path, v, i), ref))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case isMapping(v):
		var parts []string
		for _, name := range attributeNames(v) {
			parts = append(parts, memberName(name)+" = "+d.inline(attribute(v, name), path+"."+name, ref))
		}
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return leaf(v, ref)
}

func leaf(v cty.Value, ref bool) string {
	if ref && v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
		return Escape(v.AsString())
	}
	return scalar(v)
}

// scalar writes a primitive value as HCL.
func scalar(v cty.Value) string {
	switch {
	case v == cty.NilVal || !v.IsMarked() && v.IsNull():
		return "null"
	case v.IsMarked():
		return sensitiveText
	case !v.IsKnown():
		return unknownText
	case v.Type() == cty.String:
		return Quote(v.AsString())
	case v.Type() == cty.Bool:
		if v.True() {
			return "true"
		}
		return "false"
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	}
	return v.Type().FriendlyName()
}

func absent(v cty.Value) bool { return v == cty.NilVal || v.IsNull() }

func isSequence(v cty.Value) bool {
	t := v.Type()
	return v.IsKnown() && (t.IsListType() || t.IsSetType() || t.IsTupleType())
}

func isMapping(v cty.Value) bool {
	t := v.Type()
	return v.IsKnown() && (t.IsObjectType() || t.IsMapType())
}

func elementsOf(v cty.Value) []cty.Value {
	out := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e)
	}
	return out
}

// attributeNames returns the members that any of the values has, sorted.
func attributeNames(vs ...cty.Value) []string {
	var names []string
	for _, v := range vs {
		if absent(v) || !isMapping(v) {
			continue
		}
		if v.Type().IsObjectType() {
			for name := range v.Type().AttributeTypes() {
				names = append(names, name)
			}
			continue
		}
		for it := v.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			names = append(names, k.AsString())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// attribute returns a member of an object or map, or cty.NilVal.
func attribute(v cty.Value, name string) cty.Value {
	switch {
	case absent(v) || !isMapping(v):
		return cty.NilVal
	case v.Type().IsObjectType():
		if !v.Type().HasAttribute(name) {
			return cty.NilVal
		}
		return v.GetAttr(name)
	}
	key := cty.StringVal(name)
	if !v.HasIndex(key).True() {
		return cty.NilVal
	}
	return v.Index(key)
}
