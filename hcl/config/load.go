package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
)

// loader sorts the blocks of files into a Config.
type loader struct {
	config *Config
	seen   map[string]hcl.Range // what was declared, by a key of its namespace
	diags  hcl.Diagnostics
}

// later are block types of the language that this version does not have.
var later = map[string]string{
	"module":  "Modules",
	"moved":   "Moved blocks",
	"removed": "Removed blocks",
	"import":  "Import blocks",
	"data":    "Data blocks",
}

// foreign are block types of other tools, with what to write here.
var foreign = map[string]string{
	"resource":  `There is no resource keyword: the kind is the block type, as in user "alice" { … }.`,
	"terraform": `Settings of the lab itself stand in a block lab { … }.`,
	"provider":  "Systems are blocks of their own, such as tenant; there is nothing to configure before.",
	"local":     "Local values stand in a block locals { … }.",
	"outputs":   `Each output has its own block: output "name" { … }.`,
}

// Words are the block types of the language itself.
var Words = []string{"lab", "variable", "locals", "output", "check", "fault"}

func (l *loader) add(d ...*hcl.Diagnostic) { l.diags = append(l.diags, d...) }

func (l *loader) file(body *hclsyntax.Body) {
	for _, a := range sorted(body.Attributes) {
		l.add(errorf(&a.NameRange, "Unexpected attribute",
			"Attributes stand in blocks. For a named value write locals { %s = … }; values of variables go into a file whose name ends in %s.", a.Name, AutoSuffix))
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "lab":
			l.lab(b)
		case "variable":
			l.variable(b)
		case "locals":
			l.locals(b)
		case "output":
			l.output(b)
		case "check":
			l.check(b)
		case "fault":
			l.config.Faults = append(l.config.Faults, l.fault(b)...)
		case "run", "variables":
			l.add(errorf(&b.TypeRange, "Unknown block type", "There is no block type %q here: it stands in test files, whose names end in %s.%s", b.Type, TestSuffix, orVariable(b.Type)))
		default:
			if what, ok := later[b.Type]; ok {
				l.add(errorf(b.DefRange().Ptr(), "Not supported yet", "%s are part of the language, but this version of hellolab does not have them.", what))
			} else if hint, ok := foreign[b.Type]; ok {
				l.add(errorf(&b.TypeRange, "Unknown block type", "There is no block type %q. %s", b.Type, hint))
			} else {
				l.object(b)
			}
		}
	}
}

// declare notes a name of a namespace and refuses a second one.
func (l *loader) declare(space, name string, rng hcl.Range) bool {
	key := space + "\x00" + name
	if first, dup := l.seen[key]; dup {
		l.add(errorf(&rng, "Duplicate "+space, "There is %s %s already, at %s. Each needs a name of its own.", space, quoted(name), first))
		return false
	}
	l.seen[key] = rng
	return true
}

// label returns the one label of a block.
func (l *loader) label(b *hclsyntax.Block) (string, bool) {
	if len(b.Labels) != 1 {
		l.add(errorf(b.DefRange().Ptr(), "Wrong number of labels", "A %s block has exactly one label, its name: %s \"name\" { … }.", b.Type, b.Type))
		return "", false
	}
	if !addr.ValidName(b.Labels[0]) {
		l.add(errorf(&b.LabelRanges[0], "Invalid name", "%s", NameRule))
		return "", false
	}
	return b.Labels[0], true
}

// NameRule tells what a name may be.
var NameRule = fmt.Sprintf("A name has letters (a to z, A to Z), digits, \"_\" and \"-\", begins with a letter or \"_\", and is at most %d long.", addr.MaxName)

// content is Body.Content, which says "did you mean" for unknown names.
func (l *loader) content(b *hclsyntax.Block, schema *hcl.BodySchema) *hcl.BodyContent {
	content, diags := b.Body.Content(schema)
	l.add(diags...)
	return content
}

func expr(content *hcl.BodyContent, name string) hclsyntax.Expression {
	if a, ok := content.Attributes[name]; ok {
		return a.Expr.(hclsyntax.Expression)
	}
	return nil
}

func (l *loader) constString(content *hcl.BodyContent, name string) string {
	if e := expr(content, name); e != nil {
		v, diag := constant(e, cty.String, "The "+name)
		if diag == nil {
			return v.AsString()
		}
		l.add(diag)
	}
	return ""
}

func (l *loader) constBool(content *hcl.BodyContent, name string, absent bool) bool {
	if e := expr(content, name); e != nil {
		v, diag := constant(e, cty.Bool, "The argument "+name)
		if diag == nil {
			return v.True()
		}
		l.add(diag)
	}
	return absent
}

func (l *loader) lab(b *hclsyntax.Block) {
	if len(b.Labels) != 0 {
		l.add(errorf(&b.LabelRanges[0], "Wrong number of labels", "A lab block has no label."))
	}
	content := l.content(b, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}})
	e := expr(content, "required_version")
	if e == nil {
		return
	}
	v, diag := constant(e, cty.String, "The required version")
	if diag != nil {
		l.add(diag)
		return
	}
	constraints, err := version.NewConstraint(v.AsString())
	if err != nil {
		l.add(errorf(e.Range().Ptr(), "Invalid version constraint", "Write it as in required_version = \">= 0.1, < 2.0\"."))
		return
	}
	l.config.required = append(l.config.required, versionConstraint{constraints, e.Range()})
}

func (l *loader) locals(b *hclsyntax.Block) {
	if len(b.Labels) != 0 {
		l.add(errorf(&b.LabelRanges[0], "Wrong number of labels", "A locals block has no label."))
	}
	for _, nested := range b.Body.Blocks {
		l.add(errorf(nested.DefRange().Ptr(), "Unexpected block", "A locals block holds attributes only. Write %s = { … } for an object.", nested.Type))
	}
	for _, a := range sorted(b.Body.Attributes) {
		if !addr.ValidName(a.Name) {
			l.add(errorf(&a.NameRange, "Invalid name", "%s", NameRule))
		} else if l.declare("local value", a.Name, a.NameRange) {
			l.config.Locals = append(l.config.Locals, &Local{Name: a.Name, Expr: a.Expr, Range: a.NameRange})
		}
	}
}

func (l *loader) output(b *hclsyntax.Block) {
	name, ok := l.label(b)
	content := l.content(b, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}, {Name: "depends_on"},
	}})
	o := &Output{
		Name:        name,
		Expr:        expr(content, "value"),
		Description: l.constString(content, "description"),
		Sensitive:   l.constBool(content, "sensitive", false),
		DependsOn:   l.traversals(content.Attributes["depends_on"]),
		Range:       b.DefRange(),
	}
	if ok && l.declare("output", name, b.LabelRanges[0]) && o.Expr != nil {
		l.config.Outputs = append(l.config.Outputs, o)
	}
}

// assert reads condition and error_message of a block.
func (l *loader) assert(b *hcl.Block) (Assert, bool) {
	content, diags := b.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true}, {Name: "error_message", Required: true},
	}})
	l.add(diags...)
	return Assert{Condition: expr(content, "condition"), ErrorMessage: expr(content, "error_message"), Range: b.DefRange}, !diags.HasErrors()
}

// traversals reads a list of references, such as depends_on.
func (l *loader) traversals(a *hcl.Attribute) []hcl.Traversal {
	if a == nil {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	l.add(diags...)
	var out []hcl.Traversal
	for _, e := range exprs {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			l.add(errorf(e.Range().Ptr(), "Invalid "+a.Name, "Each element is a reference, without quotes, as in %s = [user.alice].", a.Name))
			continue
		}
		out = append(out, t)
	}
	return out
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
