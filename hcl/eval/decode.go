package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/providers"
)

// decoder reads bodies of one block type into objects of its schema.
type decoder struct {
	kind   string // for messages
	block  providers.Block
	schema providers.Schema // of In alone
	secret map[string]bool  // top-level In attributes that are sensitive
	hidden map[string]bool  // of these, the write-only ones
	later  bool             // whether some may be set later
}

func newDecoder(kind string, b providers.Block) *decoder {
	d := &decoder{
		kind: kind, block: b,
		schema: providers.Schema{In: b, InType: b.Type()},
		secret: map[string]bool{}, hidden: map[string]bool{},
	}
	for _, a := range b.Attrs {
		if a.Sensitive || a.WriteOnly {
			d.secret[a.Name] = true
		}
		if a.WriteOnly {
			d.hidden[a.Name] = true
		}
		d.later = d.later || a.Later
	}
	return d
}

// names are the attributes of an instance that references can name.
func (d *decoder) names(out []providers.Attr) []string {
	attrs, blocks := namesIn(d.block)
	names := append(slices.DeleteFunc(attrs, func(n string) bool { return d.hidden[n] }), blocks...)
	for _, a := range out {
		names = append(names, a.Name)
	}
	names = append(names, "address")
	slices.Sort(names)
	return slices.Compact(names)
}

// checkPath checks that a relative traversal names an attribute or block.
func (d *decoder) checkPath(t hcl.Traversal) hcl.Diagnostics {
	b := d.block
	rng := t.SourceRange()
	for i := 0; i < len(t); i++ {
		name, ok := stepName(t[i])
		if _, index := t[i].(hcl.TraverseIndex); !ok || index {
			return hcl.Diagnostics{errorf(&rng, "Invalid attribute path", "Changes are ignored by attribute; an element of a list cannot be chosen.")}
		}
		if n := slices.IndexFunc(b.Blocks, func(n providers.NestedBlock) bool { return n.Name == name }); n >= 0 {
			if b.Blocks[n].Labelled && i+1 < len(t) {
				if i++; !validStep(t[i]) {
					return hcl.Diagnostics{errorf(&rng, "Invalid attribute path", "Of the %s blocks, one is chosen by its label: %s[\"name\"].", name, name)}
				}
			}
			b = b.Blocks[n].Block
			continue
		}
		attrs, blocks := namesIn(b)
		if !slices.Contains(attrs, name) {
			return hcl.Diagnostics{errorf(&rng, "Unknown attribute", "A %s block has no attribute %q.%s", d.kind, name, suggestIn(name, ".", attrs, blocks))}
		}
		if i != len(t)-1 {
			return hcl.Diagnostics{errorf(&rng, "Invalid attribute path", "The attribute %q is a value; changes are ignored for all of it.", name)}
		}
	}
	return nil
}

// stepName is what one step of a traversal names: an attribute or a key.
func stepName(step hcl.Traverser) (string, bool) {
	switch s := step.(type) {
	case hcl.TraverseRoot:
		return s.Name, true
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

func validStep(step hcl.Traverser) bool {
	name, ok := stepName(step)
	return ok && providers.ValidLabel(name)
}

// pathOf prints a relative traversal of names and labels, with dots between.
func pathOf(t hcl.Traversal) string {
	var names []string
	for _, step := range t {
		if name, ok := stepName(step); ok {
			names = append(names, name)
		}
	}
	return strings.Join(names, ".")
}

// apart returns a body without, and with nothing but, the attributes that may
// be set later.
func (d *decoder) apart(body *hclsyntax.Body) (now, later *hclsyntax.Body) {
	later = &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	now = body
	for _, a := range d.block.Attrs {
		written, ok := body.Attributes[a.Name]
		if !a.Later || !ok {
			continue
		}
		if now == body {
			now = &hclsyntax.Body{Attributes: maps.Clone(body.Attributes), Blocks: body.Blocks}
		}
		later.Attributes[a.Name] = written
		delete(now.Attributes, a.Name)
	}
	return now, later
}

// decoded is a body read in one scope.
type decoded struct {
	value cty.Value       // of the schema's InType, marked
	refs  []addr.Instance // addresses its references name
}

// decode reads a body. Its references must name instances that are known.
func (d *decoder) decode(body *hclsyntax.Body, ctx *hcl.EvalContext, ranges map[string]hcl.Range, m *budget.Meter, known func(addr.Instance) bool) (decoded, hcl.Diagnostics) {
	r := &reader{meter: m, known: known, ranges: ranges}
	val := r.block(&d.block, body, ctx, "")
	diags := r.failed
	if diags.HasErrors() {
		return decoded{}, diags
	}
	if diags = append(diags, r.diags...); diags.HasErrors() {
		return decoded{}, diags
	}
	out := decoded{value: val, refs: r.found}
	full, err := d.schema.Complete(out.value)
	if err != nil {
		return decoded{}, append(diags, d.problem(err, out.value, body, r))
	}
	for _, p := range d.schema.CheckValue(full) {
		diags = append(diags, d.problem(p, full, body, r))
	}
	out.value = markSecrets(d.block, full)
	return out, diags
}

// problem turns a schema's complaint about a value into a diagnostic. The text
// may hold the value, so it is replaced when that is sensitive.
func (d *decoder) problem(err error, v cty.Value, body *hclsyntax.Body, r *reader) *hcl.Diagnostic {
	rng := body.MissingItemRange()
	perr, ok := err.(cty.PathError)
	if !ok {
		return errorf(&rng, "Invalid block", "%s.", sentence(err.Error()))
	}
	path, attr, at, rest := d.attrAt(v, perr.Path)
	if place, ok := rangeOf(path, r.made, r.ranges); ok {
		rng = place
	}
	text, hint := perr.Error(), ""
	if attr != nil && (attr.Sensitive || attr.WriteOnly || at.ContainsMarked()) {
		text = "the value, which is sensitive, does not fit"
	} else if attr != nil && attr.Enum != nil {
		if s, ok := stringAt(at, rest); ok {
			hint = suggest(s, attr.Enum)
		}
	}
	return errorf(&rng, "Invalid value of "+orElse(path, d.kind), "%s.%s", sentence(text), hint)
}

// attrAt finds the attribute a path leads to, its own path as text, its value,
// and the rest of the path within that.
func (d *decoder) attrAt(v cty.Value, path cty.Path) (text string, a *providers.Attr, at cty.Value, rest cty.Path) {
	b, at := d.block, v
	for i := 0; i < len(path); i++ {
		s, ok := path[i].(cty.GetAttrStep)
		if !ok {
			break
		}
		if text != "" {
			text += "."
		}
		text += s.Name
		at = memberOf(at, s.Name)
		n := slices.IndexFunc(b.Blocks, func(n providers.NestedBlock) bool { return n.Name == s.Name })
		if n < 0 {
			a := slices.IndexFunc(b.Attrs, func(a providers.Attr) bool { return a.Name == s.Name })
			if a < 0 {
				return text, nil, at, nil
			}
			return text, &b.Attrs[a], at, path[i+1:]
		}
		if step, ok := stepAt(path, i+1); ok && b.Blocks[n].Labelled {
			text += label(step)
			at = b.Blocks[n].Body(at, step)
			i++
		}
		b = b.Blocks[n].Block
	}
	return text, nil, at, nil
}

func stepAt(path cty.Path, i int) (string, bool) {
	if i >= len(path) {
		return "", false
	}
	s, ok := path[i].(cty.IndexStep)
	if !ok || s.Key.Type() != cty.String || !s.Key.IsKnown() || s.Key.IsNull() {
		return "", false
	}
	return s.Key.AsString(), true
}

// memberOf is an attribute of an object, unknown when it is not there.
func memberOf(v cty.Value, name string) cty.Value {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.DynamicVal
	}
	return v.GetAttr(name)
}

// stringAt follows the rest of a path, behind the attribute, to a string.
func stringAt(v cty.Value, rest cty.Path) (string, bool) {
	got, err := rest.Apply(v)
	if err != nil || got.Type() != cty.String || !got.IsKnown() || got.IsNull() {
		return "", false
	}
	return got.AsString(), true
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// markSecrets marks the values of sensitive and write-only attributes.
func markSecrets(b providers.Block, v cty.Value) cty.Value {
	if !v.IsKnown() || v.IsNull() || !hasSecrets(b) {
		return v
	}
	v, marks := v.Unmark()
	attrs := v.AsValueMap()
	for _, a := range b.Attrs {
		if bare, _ := attrs[a.Name].Unmark(); (a.Sensitive || a.WriteOnly) && !bare.IsNull() {
			attrs[a.Name] = attrs[a.Name].Mark(Sensitive)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		attrs[n.Name] = n.Map(attrs[n.Name], func(_ string, body cty.Value) cty.Value { return markSecrets(n.Block, body) })
	}
	return cty.ObjectVal(attrs).WithMarks(marks)
}

func hasSecrets(b providers.Block) bool {
	return slices.ContainsFunc(b.Attrs, func(a providers.Attr) bool { return a.Sensitive || a.WriteOnly }) ||
		slices.ContainsFunc(b.Blocks, func(n providers.NestedBlock) bool { return hasSecrets(n.Block) })
}

// secrets warns of write-only values that are written in the file itself, and
// hides write-only values from all diagnostics.
func (e *Evaluator) secrets(b providers.Block, o *config.Object) hcl.Diagnostics {
	var found []string
	e.findSecrets(b, o.Body, "", &found)
	if len(found) == 0 {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning,
		Summary:  "Secret in the configuration",
		Detail: fmt.Sprintf("The value of %s stands in the file, for everyone who reads it. Declare a variable with sensitive = true, write var.name here, and set it with HELLOLAB_VAR_name or a file outside of version control.",
			strings.Join(found, ", ")),
		Subject: &o.Range,
	}}
}

func (e *Evaluator) findSecrets(b providers.Block, body *hclsyntax.Body, prefix string, found *[]string) {
	for _, a := range b.Attrs {
		written := body.Attributes[a.Name]
		if !a.WriteOnly || written == nil || len(written.Expr.Variables()) > 0 {
			continue
		}
		e.config.Redact(written.Expr.Range())
		if !isNull(written.Expr) {
			*found = append(*found, prefix+a.Name)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		for path, nested := range bodiesOf(n, body) {
			e.findSecrets(n.Block, nested, prefix+path+".", found)
		}
	}
}

func isNull(e hclsyntax.Expression) bool { return hcl.ExprAsKeyword(e) == "null" || literalNull(e) }

func literalNull(e hclsyntax.Expression) bool {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok && l.Val.IsNull()
}
