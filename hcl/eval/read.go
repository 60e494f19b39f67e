package eval

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/providers"
)

// reader evaluates a body, which checkBody found sound, and gives its
// attributes their types. The values of references, objects of the instances
// they name, become addresses.
type reader struct {
	meter  *budget.Meter
	known  func(addr.Instance) bool
	ranges map[string]hcl.Range // what is written out, by path
	made   map[string]hcl.Range // what dynamic blocks made, by path
	inside bool                 // of a dynamic block: what is made is paid for
	found  []addr.Instance
	failed hcl.Diagnostics // of expressions
	diags  hcl.Diagnostics // of what they are worth
}

// block reads a body into an object: attributes that are not written and
// blocks that are absent are null, labelled blocks an object by label.
func (r *reader) block(b *providers.Block, body *hclsyntax.Body, ctx *hcl.EvalContext, prefix string) cty.Value {
	attrs := make(map[string]cty.Value, len(b.Attrs)+len(b.Blocks))
	for i := range b.Attrs {
		a := &b.Attrs[i]
		written, path := body.Attributes[a.Name], prefix+a.Name
		if written == nil {
			attrs[a.Name] = cty.NullVal(a.Type)
			continue
		}
		v, diags := written.Expr.Value(ctx)
		r.failed = append(r.failed, diags...)
		if r.inside {
			r.made[path] = written.SrcRange
			r.pay(r.meter.Value(v), written.SrcRange)
		}
		switch {
		case diags.HasErrors() || r.meter.Spent():
			attrs[a.Name] = cty.UnknownVal(a.Type)
		case a.Ref != nil:
			attrs[a.Name] = r.attr(*a, v, path)
		default:
			attrs[a.Name] = r.plain(*a, v, path)
		}
	}
	for i := range b.Blocks {
		attrs[b.Blocks[i].Name] = r.nested(&b.Blocks[i], body, ctx, prefix)
	}
	return cty.ObjectVal(attrs)
}

// nested reads the blocks of one type.
func (r *reader) nested(n *providers.NestedBlock, body *hclsyntax.Body, ctx *hcl.EvalContext, prefix string) cty.Value {
	one := cty.NullVal(n.Block.Type())
	byLabel := map[string]cty.Value{}
	first := map[string]place{} // by folded label
	// add reads one block, of which a dynamic one may make many.
	add := func(name string, at hcl.Range, body *hclsyntax.Body, ctx *hcl.EvalContext) {
		path, key := prefix+n.Name, fold(name)
		if n.Labelled {
			path += label(name)
		}
		if r.inside {
			r.made[path] = at
		}
		if r.inside || n.Labelled {
			r.pay(r.meter.Elements(blockCost+len(n.Block.Attrs)+len(n.Block.Blocks)), at)
		}
		switch was, dup := first[key]; {
		case r.meter.Spent():
		case dup && n.Labelled:
			r.diags = append(r.diags, duplicate(n, name, was.name, was.rng, at))
		case dup:
			r.diags = append(r.diags, errorf(&at, "Duplicate block", "There is one %s block; the first is at %s.", n.Name, was.rng))
		default:
			first[key] = place{name, at}
			one = r.block(&n.Block, body, ctx, path+".")
			byLabel[name] = one
		}
	}
	for _, b := range body.Blocks {
		switch {
		case r.meter.Spent():
		case b.Type == n.Name && n.Labelled:
			add(b.Labels[0], b.LabelRanges[0], b.Body, ctx)
		case b.Type == n.Name:
			add("", b.DefRange(), b.Body, ctx)
		case dynamic(b) && b.Labels[0] == n.Name:
			r.repeat(n, b, ctx, add)
		}
	}
	if n.Labelled {
		return cty.ObjectVal(byLabel)
	}
	return one
}

// repeat reads the blocks that a dynamic block makes.
func (r *reader) repeat(n *providers.NestedBlock, b *hclsyntax.Block, ctx *hcl.EvalContext, add func(string, hcl.Range, *hclsyntax.Body, *hcl.EvalContext)) {
	v, ok := r.each(b.Body.Attributes["for_each"].Expr, ctx)
	if !ok {
		return
	}
	if r.made == nil {
		r.made = map[string]hcl.Range{}
	}
	defer func(was bool) { r.inside = was }(r.inside)
	r.inside = true
	name, body := iterator(b), content(b)
	for it := v.ElementIterator(); it.Next() && !r.meter.Spent(); {
		key, value := it.Element()
		in := ctx.NewChild()
		in.Variables = map[string]cty.Value{name: cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		at, labelled := b.DefRange(), ""
		if n.Labelled {
			list, _ := hcl.ExprList(b.Body.Attributes["labels"].Expr)
			at = list[0].Range()
			if labelled, ok = r.labelOf(list[0], in); !ok {
				return
			}
		}
		add(labelled, at, body, in)
	}
}

// each evaluates the for_each of a dynamic block. It reports false when that
// failed, and has told why.
func (r *reader) each(e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	v, diags := e.Value(ctx)
	r.failed = append(r.failed, diags...)
	if diags.HasErrors() || r.meter.Spent() {
		return v, false
	}
	rng := e.Range()
	v, marks := v.Unmark()
	switch {
	case len(marks) > 0:
		r.diags = append(r.diags, errorf(&rng, "Sensitive for_each", "The argument for_each decides which blocks there are, which is shown, so it cannot be made of sensitive values."))
	case !v.IsKnown():
		r.diags = append(r.diags, errorf(&rng, "Unknown for_each", "The argument for_each must be known when the plan is made, and it depends on a value that is known only after apply. Use values of the configuration itself instead: names, variables, keys of maps."))
	case v.IsNull() || !v.CanIterateElements():
		r.diags = append(r.diags, errorf(&rng, "Invalid for_each", "The argument for_each of a dynamic block is a map, an object, a set or a list, and this is %s.", orNull(v)))
	default:
		return v, true
	}
	return v, false
}

func orNull(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return v.Type().FriendlyName()
}

// labelOf evaluates the label of one block that a dynamic block makes.
func (r *reader) labelOf(e hcl.Expression, ctx *hcl.EvalContext) (string, bool) {
	v, diags := e.Value(ctx)
	r.failed = append(r.failed, diags...)
	if diags.HasErrors() || r.meter.Spent() {
		return "", false
	}
	rng := e.Range()
	fail := func(format string, args ...any) (string, bool) {
		r.diags = append(r.diags, errorf(&rng, "Invalid label", format, args...))
		return "", false
	}
	v, marks := v.Unmark()
	s, err := convert.Convert(v, cty.String)
	switch {
	case len(marks) > 0:
		return fail("A label is shown, so it cannot be made of sensitive values.")
	case err != nil || s.IsKnown() && s.IsNull():
		return fail("A label is a string, and this is %s.", orNull(v))
	case !s.IsKnown():
		return fail("A label must be known when the plan is made.")
	case !addr.ValidName(s.AsString()):
		return fail("The label %q is no name. %s", s.AsString(), config.NameRule)
	}
	return s.AsString(), true
}

// blockCost is what a block costs beside its attributes. What is written once
// and without a label is as small as its text.
const blockCost = 6

// pay tells when what a dynamic block makes is too much.
func (r *reader) pay(err error, rng hcl.Range) {
	if err != nil {
		r.failed = append(r.failed, r.meter.Diagnose(rng)...)
	}
}

// rangeOf finds the place of what a path leads to, or of the nearest thing
// around it.
func rangeOf(path string, places ...map[string]hcl.Range) (hcl.Range, bool) {
	for ; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
		for _, ranges := range places {
			if rng, ok := ranges[path]; ok {
				return rng, true
			}
		}
	}
	return hcl.Range{}, false
}
