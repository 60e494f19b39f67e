package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// body writes the changed attributes of a block, then its changed blocks.
func (d *differ) body(depth int, before, after cty.Value, schema *providers.Block, path string) {
	names := attributeNames(before, after)
	attrs := make(map[string]*providers.Attr)
	blocks := make(map[string]*providers.NestedBlock)
	if schema != nil {
		for i := range schema.Attrs {
			attrs[schema.Attrs[i].Name] = &schema.Attrs[i]
		}
		for i := range schema.Blocks {
			blocks[schema.Blocks[i].Name] = &schema.Blocks[i]
		}
	}
	creating := absent(before) && !absent(after)

	type row struct {
		name          string
		before, after cty.Value
		attr          *providers.Attr
	}
	var rows []row
	var nested []string
	width := 0
	for _, name := range names {
		if blocks[name] != nil {
			nested = append(nested, name)
			continue
		}
		x := row{name, attribute(before, name), attribute(after, name), attrs[name]}
		writeOnly := x.attr != nil && x.attr.WriteOnly
		if !d.changed(x.before, x.after) && !(writeOnly && x.attr.Required && creating) && !d.rebound[path+"."+name] {
			continue
		}
		rows = append(rows, x)
		width = max(width, len(name))
	}
	for _, x := range rows {
		prefix := fmt.Sprintf("%-*s = ", width, x.name)
		at := path + "." + x.name
		switch {
		case x.attr != nil && x.attr.WriteOnly:
			d.line(depth, symbolFor(x.before, x.after, true), prefix+writeOnlyText, at)
		case x.attr != nil && x.attr.Sensitive:
			d.line(depth, symbolFor(x.before, x.after, false), prefix+sensitiveText, at)
		default:
			d.value(depth, prefix, x.before, x.after, at, x.attr != nil && x.attr.Ref != nil, "")
		}
	}
	blank := len(rows) > 0 // before a block, unless it is the first thing
	for _, name := range nested {
		blank = d.nested(depth, attribute(before, name), attribute(after, name), blocks[name], path+"."+name, blank)
	}
}

// nested writes the changed blocks of one type, with a blank line before each,
// and before the first only if blank. It reports whether the next one needs it.
func (d *differ) nested(depth int, before, after cty.Value, n *providers.NestedBlock, path string, blank bool) bool {
	if !d.changed(before, after) && !d.reboundIn(path) {
		return blank
	}
	open := func() {
		if blank {
			d.b.WriteByte('\n')
		}
		blank = true
	}
	sym := symbolFor(before, after, false)
	switch {
	case d.sensitive[path]:
		open()
		d.line(depth, sym, n.Name+" = "+sensitiveText, path)
		return blank
	case !absent(after) && !after.IsKnown():
		open()
		d.line(depth, sym, n.Name+" = "+unknownText, path)
		return blank
	}
	labels := append(n.Labels(before), n.Labels(after)...)
	slices.Sort(labels)
	for _, label := range slices.Compact(labels) {
		b, a := n.Body(before, label), n.Body(after, label)
		heading, at := n.Name, path
		if n.Labelled {
			heading, at = n.Name+" "+Quote(label), path+"."+label
		}
		if !d.changed(b, a) && !d.reboundIn(at) {
			continue
		}
		open()
		sym := symbolFor(b, a, false)
		switch {
		case d.sensitive[at]:
			d.line(depth, sym, heading+" = "+sensitiveText, at)
		case !absent(a) && !a.IsKnown():
			d.line(depth, sym, heading+" = "+unknownText, at)
		default:
			d.line(depth, sym, heading+" {", at)
			d.body(depth+1, b, a, &n.Block, at)
			d.close(depth, "}")
		}
	}
	return blank
}

// reboundIn reports whether a reference inside a block is rebound.
func (d *differ) reboundIn(path string) bool {
	for at := range d.rebound {
		if strings.HasPrefix(at, path+".") {
			return true
		}
	}
	return false
}
