package eval

import (
	"iter"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/providers"
)

// checkBody compares a body's names with the schema and notes the place of
// each attribute by path: name, block.name, block["label"].name. What stands
// in a dynamic block has no path before the block is repeated.
func (d *decoder) checkBody(body *hclsyntax.Body, ranges map[string]hcl.Range) hcl.Diagnostics {
	c := &bodyChecker{ranges: ranges}
	c.body(d.block, body, "A "+d.kind+" block", "")
	return c.diags
}

type bodyChecker struct {
	ranges map[string]hcl.Range
	diags  hcl.Diagnostics
}

func (c *bodyChecker) errorf(rng hcl.Range, summary, format string, args ...any) {
	c.diags = append(c.diags, errorf(&rng, summary, format, args...))
}

func (c *bodyChecker) body(schema providers.Block, body *hclsyntax.Body, what, prefix string) {
	attrs, blocks := namesIn(schema)
	missing := body.MissingItemRange()
	for name, a := range body.Attributes {
		switch {
		case slices.Contains(attrs, name):
			c.ranges[prefix+name] = a.SrcRange
		case slices.Contains(blocks, name):
			c.errorf(a.NameRange, "A block is needed", "In %s, %q is a block: write %s { … }, without the equals sign.", lower(what), name, heading(&schema, name))
		default:
			c.errorf(a.NameRange, "Unknown attribute", "%s has no attribute %q.%s", what, name, suggestIn(name, prefix, attrs, blocks))
		}
	}
	seen := map[string]place{} // by type, and by type and folded label
	for _, b := range body.Blocks {
		name, at := b.Type, b.TypeRange
		if dynamic(b) {
			if len(b.Labels) != 1 {
				c.errorf(b.DefRange(), "Wrong number of labels", "A dynamic block has exactly one label, the type of the blocks it makes: dynamic \"name\" { … }.")
				continue
			}
			name, at = b.Labels[0], b.LabelRanges[0]
		}
		i := slices.IndexFunc(schema.Blocks, func(n providers.NestedBlock) bool { return n.Name == name })
		switch {
		case i < 0 && slices.Contains(attrs, name):
			c.errorf(at, "An attribute is needed", "In %s, %q is an attribute: write %s = …, with an equals sign.", lower(what), name, name)
		case i < 0:
			c.errorf(at, "Unknown block", "%s has no block %q.%s", what, name, suggestIn(name, prefix, attrs, blocks))
		case dynamic(b):
			seen[name] = place{rng: b.DefRange()}
			c.dynamic(&schema.Blocks[i], b)
		default:
			c.nested(&schema.Blocks[i], b, prefix, seen)
		}
	}
	for _, a := range schema.Attrs {
		if _, ok := body.Attributes[a.Name]; a.Required && !ok {
			c.errorf(missing, "Missing attribute", "%s needs the attribute %q: %s", what, a.Name, a.Doc)
		}
	}
	for _, n := range schema.Blocks {
		if _, ok := seen[n.Name]; n.Required && !ok {
			c.errorf(missing, "Missing block", "%s needs a block %q: %s", what, n.Name, n.Doc)
		}
	}
}

// nested checks a block that is written out.
func (c *bodyChecker) nested(n *providers.NestedBlock, b *hclsyntax.Block, prefix string, seen map[string]place) {
	path, def := prefix+n.Name, b.DefRange()
	if n.Labelled {
		seen[n.Name] = place{rng: def} // there is one, whatever is wrong with it
		switch {
		case len(b.Labels) != 1:
			c.errorf(def, "Wrong number of labels", "A %s block has exactly one label, its name: %s \"name\" { … }.", n.Name, n.Name)
			return
		case !addr.ValidName(b.Labels[0]):
			c.errorf(b.LabelRanges[0], "Invalid name", "%s", config.NameRule)
			return
		}
		path += label(b.Labels[0])
		key := n.Name + label(fold(b.Labels[0]))
		if first, dup := seen[key]; dup {
			c.diags = append(c.diags, duplicate(n, b.Labels[0], first.name, first.rng, b.LabelRanges[0]))
			return
		}
		seen[key] = place{b.Labels[0], b.LabelRanges[0]}
	} else {
		switch first, dup := seen[n.Name]; {
		case dup:
			c.errorf(def, "Duplicate block", "There is one %s block; the first is at %s.", n.Name, first.rng)
			return
		case len(b.Labels) > 0:
			c.errorf(b.LabelRanges[0], "Unexpected label", "A %s block has no label.", n.Name)
			return
		}
		seen[n.Name] = place{rng: def}
	}
	c.ranges[path] = def
	c.body(n.Block, b.Body, "A "+n.Name+" block", path+".")
}

// place is where a block stands, and its label.
type place struct {
	name string
	rng  hcl.Range
}

// duplicate tells of two blocks with one label, and of both places.
func duplicate(n *providers.NestedBlock, name, first string, at, again hcl.Range) *hcl.Diagnostic {
	how := ""
	if first != name {
		how = " Labels that differ only in case are one."
	}
	return errorf(&again, "Duplicate "+n.Name, "The block %s %q is declared already at %s.%s", n.Name, first, at, how)
}

// dynamic reports whether a block makes blocks instead of being one.
func dynamic(b *hclsyntax.Block) bool { return b.Type == "dynamic" }

// reservedIterators are roots of references that an iterator would hide.
var reservedIterators = []string{"var", "local", "each", "count", "path", "module", "data", "self", "lab", "run"}

// dynamic checks a block that makes blocks of n.
func (c *bodyChecker) dynamic(n *providers.NestedBlock, b *hclsyntax.Block) {
	for name, a := range b.Body.Attributes {
		if !slices.Contains([]string{"for_each", "iterator", "labels"}, name) {
			c.errorf(a.NameRange, "Unknown attribute", "A dynamic block has no attribute %q. It has for_each, iterator and labels; what is repeated stands in its content block.", name)
		}
	}
	if b.Body.Attributes["for_each"] == nil {
		c.errorf(b.DefRange(), "Missing attribute", "A dynamic block needs the attribute for_each: what it makes a block for each element of.")
	}
	if it := b.Body.Attributes["iterator"]; it != nil {
		if name := hcl.ExprAsKeyword(it.Expr); !addr.ValidName(name) || slices.Contains(reservedIterators, name) {
			c.errorf(it.Expr.Range(), "Invalid iterator", "An iterator is a name, without quotes, by which the content refers to the element, as in %s.value.", n.Name)
		}
	}
	labels := b.Body.Attributes["labels"]
	switch {
	case n.Labelled && labels == nil:
		c.errorf(b.DefRange(), "Missing attribute", "The blocks made have a label each: write labels = [%s.key].", iterator(b))
	case n.Labelled:
		if list, diags := hcl.ExprList(labels.Expr); diags.HasErrors() || len(list) != 1 {
			c.errorf(labels.Expr.Range(), "Invalid labels", "A %s block has one label: write labels = [%s.key].", n.Name, iterator(b))
		}
	case labels != nil:
		c.errorf(labels.NameRange, "Unexpected label", "A %s block has no label.", n.Name)
	}
	content := 0
	for _, nested := range b.Body.Blocks {
		switch {
		case nested.Type != "content" || len(nested.Labels) > 0:
			c.errorf(nested.DefRange(), "Unknown block", "A dynamic block holds one block, content, without a label: what is repeated.")
		case content > 0:
			c.errorf(nested.DefRange(), "Duplicate block", "A dynamic block has one content block.")
		default:
			within := &bodyChecker{ranges: map[string]hcl.Range{}}
			within.body(n.Block, nested.Body, "A "+n.Name+" block", n.Name+".")
			c.diags = append(c.diags, within.diags...)
		}
		content++
	}
	if content == 0 {
		c.errorf(b.DefRange(), "Missing block", "A dynamic block needs a block content: what is repeated.")
	}
}

// iterator is the name by which the content of a dynamic block knows its element.
func iterator(b *hclsyntax.Block) string {
	if it := b.Body.Attributes["iterator"]; it != nil {
		if name := hcl.ExprAsKeyword(it.Expr); name != "" && !slices.Contains(reservedIterators, name) {
			return name
		}
	}
	return b.Labels[0]
}

// content is the body that a dynamic block repeats, nil when it has none.
func content(b *hclsyntax.Block) *hclsyntax.Body {
	for _, nested := range b.Body.Blocks {
		if nested.Type == "content" {
			return nested.Body
		}
	}
	return nil
}

// bodiesOf yields the bodies that are written for a nested block, those in
// dynamic blocks included, by path.
func bodiesOf(n *providers.NestedBlock, body *hclsyntax.Body) iter.Seq2[string, *hclsyntax.Body] {
	return func(yield func(string, *hclsyntax.Body) bool) {
		for _, b := range body.Blocks {
			path, within := n.Name, b.Body
			switch {
			case b.Type == n.Name && n.Labelled && len(b.Labels) == 1:
				path += label(b.Labels[0])
			case b.Type == n.Name:
			case dynamic(b) && len(b.Labels) == 1 && b.Labels[0] == n.Name && content(b) != nil:
				within = content(b)
			default:
				continue
			}
			if !yield(path, within) {
				return
			}
		}
	}
}

// label prints a label as part of a path.
func label(s string) string { return `["` + s + `"]` }

func lower(what string) string { return strings.ToLower(what[:1]) + what[1:] }

// heading is how a nested block begins.
func heading(b *providers.Block, name string) string {
	for i := range b.Blocks {
		if b.Blocks[i].Name == name && b.Blocks[i].Labelled {
			return name + ` "name"`
		}
	}
	return name
}

func namesIn(b providers.Block) (attrs, blocks []string) {
	for _, a := range b.Attrs {
		attrs = append(attrs, a.Name)
	}
	for _, n := range b.Blocks {
		blocks = append(blocks, n.Name)
	}
	return attrs, blocks
}

func suggestIn(name, prefix string, attrs, blocks []string) string {
	all := slices.Concat(attrs, blocks)
	if prefix == "" {
		all = append(all, config.MetaArguments...)
	}
	if s := suggest(name, all); s != "" {
		return s
	}
	if len(attrs)+len(blocks) == 0 {
		return ""
	}
	slices.Sort(attrs)
	return " It has " + strings.Join(slices.Concat(attrs, blocks), ", ") + "."
}
