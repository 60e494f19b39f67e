package config

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// metaAttributes and metaBlocks stand in every object block, whatever its kind.
var metaAttributes = []string{"for_each", "count", "enabled", "depends_on"}

func (l *loader) object(b *hclsyntax.Block) {
	o := &Object{Kind: b.Type, Labels: len(b.Labels), KindRange: b.TypeRange, Range: b.DefRange(), NameRange: b.TypeRange}
	if len(b.Labels) == 1 {
		o.Name, o.NameRange = b.Labels[0], b.LabelRanges[0]
	}
	before := len(l.diags)
	attrs := b.Body.Attributes
	o.ForEach, o.Count, o.Enabled = attrs["for_each"], attrs["count"], attrs["enabled"]
	if a := attrs["depends_on"]; a != nil {
		o.DependsOn = l.traversals(a.AsHCLAttribute())
	}
	repeat := slices.DeleteFunc([]*hclsyntax.Attribute{o.ForEach, o.Count, o.Enabled}, func(a *hclsyntax.Attribute) bool { return a == nil })
	if len(repeat) > 1 {
		l.add(errorf(&repeat[1].NameRange, "Conflicting meta-arguments",
			"A block is repeated by one of for_each, count and enabled; this one has %s at %s as well.", repeat[0].Name, repeat[0].NameRange))
	}

	body := *b.Body
	for _, name := range metaAttributes {
		if _, ok := attrs[name]; ok {
			body.Attributes = without(attrs, metaAttributes)
			break
		}
	}
	if slices.ContainsFunc(body.Blocks, func(n *hclsyntax.Block) bool { return n.Type == "lifecycle" }) {
		body.Blocks = nil
		for _, nested := range b.Body.Blocks {
			switch {
			case nested.Type != "lifecycle":
				body.Blocks = append(body.Blocks, nested)
			case o.Lifecycle != nil:
				l.add(errorf(nested.DefRange().Ptr(), "Duplicate lifecycle block", "A block has one lifecycle block; the first is at %s.", o.Lifecycle.Range))
			default:
				o.Lifecycle = l.lifecycle(nested)
			}
		}
	}
	o.Body = &body
	o.MetaProblem = l.diags[before:].HasErrors()
	l.config.Objects = append(l.config.Objects, o)
}

func (l *loader) lifecycle(b *hclsyntax.Block) *Lifecycle {
	lc := &Lifecycle{Range: b.DefRange()}
	for _, nested := range b.Body.Blocks {
		if nested.Type == "precondition" || nested.Type == "postcondition" {
			l.add(errorf(nested.DefRange().Ptr(), "Not supported yet", "The block %s is part of the language, but this version of hellolab does not have it.", nested.Type))
			return lc
		}
	}
	if a := b.Body.Attributes["create_before_destroy"]; a != nil {
		l.add(errorf(&a.NameRange, "Not supported yet", "Replacing deletes the old object before it creates the new one: both have the same name in their directory."))
		return lc
	}
	content := l.content(b, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "prevent_destroy"}, {Name: "ignore_changes"}, {Name: "replace_triggered_by"},
	}})
	lc.PreventDestroy = expr(content, "prevent_destroy")
	if e := expr(content, "ignore_changes"); e != nil {
		l.ignoreChanges(lc, e)
	}
	if e := expr(content, "replace_triggered_by"); e != nil {
		list, diags := hcl.ExprList(e)
		l.add(diags...)
		for _, x := range list {
			lc.ReplaceTriggeredBy = append(lc.ReplaceTriggeredBy, x.(hclsyntax.Expression))
		}
	}
	return lc
}

func (l *loader) ignoreChanges(lc *Lifecycle, e hclsyntax.Expression) {
	if hcl.ExprAsKeyword(e) == "all" {
		lc.IgnoreAll = true
		return
	}
	list, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		l.add(errorf(e.Range().Ptr(), "Invalid ignore_changes", "Write a list of attributes, as in [name, pin_complexity.digits], or the keyword all."))
		return
	}
	for _, x := range list {
		t, diags := hcl.RelTraversalForExpr(x)
		if diags.HasErrors() {
			l.add(errorf(x.Range().Ptr(), "Invalid ignore_changes", "Each element names an attribute of this block, without quotes."))
			continue
		}
		lc.IgnoreChanges = append(lc.IgnoreChanges, t)
	}
}

func without(attrs hclsyntax.Attributes, names []string) hclsyntax.Attributes {
	out := make(hclsyntax.Attributes, len(attrs))
	for name, a := range attrs {
		if !slices.Contains(names, name) {
			out[name] = a
		}
	}
	return out
}

// sorted returns attributes in source order.
func sorted(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int {
		return cmp.Compare(a.NameRange.Start.Byte, b.NameRange.Start.Byte)
	})
	return out
}

// MetaArguments are the names that every object block takes, whatever its kind.
var MetaArguments = append(slices.Clone(metaAttributes), "lifecycle")
