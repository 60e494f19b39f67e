package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
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
	spec   hcldec.Spec
	secret map[string]bool // top-level In attributes that are sensitive
	hidden map[string]bool // of these, the write-only ones
}

func newDecoder(kind string, b providers.Block) *decoder {
	d := &decoder{
		kind: kind, block: b,
		schema: providers.Schema{In: b, InType: b.Type()},
		spec:   specOf(b),
		secret: map[string]bool{}, hidden: map[string]bool{},
	}
	for _, a := range b.Attrs {
		if a.Sensitive || a.WriteOnly {
			d.secret[a.Name] = true
		}
		if a.WriteOnly {
			d.hidden[a.Name] = true
		}
	}
	return d
}

// specOf translates a schema for hcldec. Attributes are taken as they come and
// given their types by reader; what is required is checked before evaluation
// (checkBody) and once more by the schema, for nulls.
func specOf(b providers.Block) hcldec.Spec {
	spec := make(hcldec.ObjectSpec, len(b.Attrs)+len(b.Blocks))
	for _, a := range b.Attrs {
		spec[a.Name] = &hcldec.AttrSpec{Name: a.Name, Type: cty.DynamicPseudoType}
	}
	for _, n := range b.Blocks {
		spec[n.Name] = &hcldec.BlockSpec{TypeName: n.Name, Nested: specOf(n.Block)}
	}
	return spec
}

// checkBody compares a body's names with the schema and notes the place of
// each attribute by dotted path.
func (d *decoder) checkBody(body *hclsyntax.Body, prefix string, ranges map[string]hcl.Range) hcl.Diagnostics {
	return checkBody(d.block, body, "A "+d.kind+" block", prefix, ranges)
}

func checkBody(schema providers.Block, body *hclsyntax.Body, what, prefix string, ranges map[string]hcl.Range) hcl.Diagnostics {
	var diags hcl.Diagnostics
	attrs, blocks := namesIn(schema)
	missing := body.MissingItemRange()
	for name, a := range body.Attributes {
		switch {
		case slices.Contains(attrs, name):
			ranges[prefix+name] = a.SrcRange
		case slices.Contains(blocks, name):
			diags = append(diags, errorf(&a.NameRange, "A block is needed", "In %s, %q is a block: write %s { … }, without the equals sign.", lower(what), name, name))
		default:
			diags = append(diags, errorf(&a.NameRange, "Unknown attribute", "%s has no attribute %q.%s", what, name, suggestIn(name, prefix, attrs, blocks)))
		}
	}
	seen := map[string]hcl.Range{}
	for _, b := range body.Blocks {
		def := b.DefRange()
		i := slices.IndexFunc(schema.Blocks, func(n providers.NestedBlock) bool { return n.Name == b.Type })
		switch {
		case i < 0 && slices.Contains(attrs, b.Type):
			diags = append(diags, errorf(&b.TypeRange, "An attribute is needed", "In %s, %q is an attribute: write %s = …, with an equals sign.", lower(what), b.Type, b.Type))
		case i < 0:
			diags = append(diags, errorf(&b.TypeRange, "Unknown block", "%s has no block %q.%s", what, b.Type, suggestIn(b.Type, prefix, attrs, blocks)))
		case seen[b.Type].Filename != "":
			diags = append(diags, errorf(&def, "Duplicate block", "There is one %s block; the first is at %s.", b.Type, seen[b.Type]))
		case len(b.Labels) > 0:
			diags = append(diags, errorf(&b.LabelRanges[0], "Unexpected label", "A %s block has no label.", b.Type))
		default:
			seen[b.Type] = def
			ranges[prefix+b.Type] = def
			diags = append(diags, checkBody(schema.Blocks[i].Block, b.Body, "A "+b.Type+" block", prefix+b.Type+".", ranges)...)
		}
	}
	for _, a := range schema.Attrs {
		if _, ok := body.Attributes[a.Name]; a.Required && !ok {
			diags = append(diags, errorf(&missing, "Missing attribute", "%s needs the attribute %q: %s", what, a.Name, a.Doc))
		}
	}
	for _, n := range schema.Blocks {
		if _, ok := seen[n.Name]; n.Required && !ok {
			diags = append(diags, errorf(&missing, "Missing block", "%s needs a block %q: %s", what, n.Name, n.Doc))
		}
	}
	return diags
}

func lower(what string) string { return strings.ToLower(what[:1]) + what[1:] }

func namesIn(b providers.Block) (attrs, blocks []string) {
	for _, a := range b.Attrs {
		attrs = append(attrs, a.Name)
	}
	for _, n := range b.Blocks {
		blocks = append(blocks, n.Name)
	}
	return attrs, blocks
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

// checkPath checks that a relative traversal names an attribute or block.
func (d *decoder) checkPath(t hcl.Traversal) hcl.Diagnostics {
	b := d.block
	rng := t.SourceRange()
	for i, step := range t {
		var name string
		switch s := step.(type) {
		case hcl.TraverseRoot:
			name = s.Name
		case hcl.TraverseAttr:
			name = s.Name
		default:
			return hcl.Diagnostics{errorf(&rng, "Invalid attribute path", "Changes are ignored by attribute; an element of a list cannot be chosen.")}
		}
		if n := slices.IndexFunc(b.Blocks, func(n providers.NestedBlock) bool { return n.Name == name }); n >= 0 {
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

// pathOf prints a relative traversal of names.
func pathOf(t hcl.Traversal) string {
	var names []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, ".")
}

// decoded is a body read in one scope.
type decoded struct {
	value cty.Value       // of the schema's InType, marked
	refs  []addr.Instance // addresses its references name
}

// decode reads a body. Its references must name instances that are known.
func (d *decoder) decode(body hcl.Body, ctx *hcl.EvalContext, ranges map[string]hcl.Range, m *budget.Meter, known func(addr.Instance) bool) (decoded, hcl.Diagnostics) {
	val, diags := hcldec.Decode(body, d.spec, ctx)
	if diags.HasErrors() {
		return decoded{}, diags
	}
	r := &reader{meter: m, known: known, ranges: ranges}
	out := decoded{value: r.block(d.block, val, ""), refs: r.found}
	if diags = append(diags, r.diags...); diags.HasErrors() {
		return decoded{}, diags
	}
	full, err := d.schema.Complete(out.value)
	if err != nil {
		return decoded{}, append(diags, d.problem(err, out.value, body, ranges))
	}
	for _, p := range d.schema.CheckValue(full) {
		diags = append(diags, d.problem(p, full, body, ranges))
	}
	out.value = markSecrets(d.block, full)
	return out, diags
}

// problem turns a schema's complaint about a value into a diagnostic. The text
// may hold the value, so it is replaced when that is sensitive.
func (d *decoder) problem(err error, v cty.Value, body hcl.Body, ranges map[string]hcl.Range) *hcl.Diagnostic {
	rng := body.MissingItemRange()
	perr, ok := err.(cty.PathError)
	if !ok {
		return errorf(&rng, "Invalid block", "%s.", sentence(err.Error()))
	}
	path := dotted(perr.Path)
	for p := path; p != ""; p = p[:max(0, strings.LastIndexByte(p, '.'))] {
		if r, ok := ranges[p]; ok {
			rng = r
			break
		}
	}
	text, hint := perr.Error(), ""
	attr, at := attrAt(d.block, v, perr.Path)
	if attr != nil && (attr.Sensitive || attr.WriteOnly || at.ContainsMarked()) {
		text = "the value, which is sensitive, does not fit"
	} else if attr != nil && attr.Enum != nil {
		if s, ok := stringAt(at, perr.Path, attr.Name); ok {
			hint = suggest(s, attr.Enum)
		}
	}
	return errorf(&rng, "Invalid value of "+orElse(path, d.kind), "%s.%s", sentence(text), hint)
}

// attrAt finds the attribute a path leads to, and its value.
func attrAt(b providers.Block, v cty.Value, path cty.Path) (*providers.Attr, cty.Value) {
	for _, step := range path {
		s, ok := step.(cty.GetAttrStep)
		if !ok {
			break
		}
		v, _ = v.Unmark()
		if !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(s.Name) {
			return nil, cty.DynamicVal
		}
		v = v.GetAttr(s.Name)
		if n := slices.IndexFunc(b.Blocks, func(n providers.NestedBlock) bool { return n.Name == s.Name }); n >= 0 {
			b = b.Blocks[n].Block
			continue
		}
		for i := range b.Attrs {
			if b.Attrs[i].Name == s.Name {
				return &b.Attrs[i], v
			}
		}
		return nil, v
	}
	return nil, v
}

// stringAt follows the rest of a path, behind the attribute, to a string.
func stringAt(v cty.Value, path cty.Path, attr string) (string, bool) {
	for i, step := range path {
		if s, ok := step.(cty.GetAttrStep); ok && s.Name == attr {
			got, err := path[i+1:].Apply(v)
			if err != nil || got.Type() != cty.String || !got.IsKnown() || got.IsNull() {
				return "", false
			}
			return got.AsString(), true
		}
	}
	return "", false
}

// dotted prints the attribute names of a path.
func dotted(p cty.Path) string {
	var names []string
	for _, step := range p {
		if s, ok := step.(cty.GetAttrStep); ok {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, ".")
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
	for _, n := range b.Blocks {
		attrs[n.Name] = markSecrets(n.Block, attrs[n.Name])
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
	for _, n := range b.Blocks {
		for _, nested := range body.Blocks {
			if nested.Type == n.Name {
				e.findSecrets(n.Block, nested.Body, prefix+n.Name+".", found)
			}
		}
	}
}

func isNull(e hclsyntax.Expression) bool { return hcl.ExprAsKeyword(e) == "null" || literalNull(e) }

func literalNull(e hclsyntax.Expression) bool {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok && l.Val.IsNull()
}
