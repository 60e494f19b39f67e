package reference

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/providers"
)

// Kinds renders every kind with an example, which is HCL. A kind without one
// is an error.
func Kinds(r *providers.Registry, examples map[string][]byte) (string, error) {
	var p page
	links := make([]string, len(r.Names()))
	for i, name := range r.Names() {
		links[i] = fmt.Sprintf("[%s](#%s)", name, name)
	}
	p.line("%s.", strings.Join(links, " · "))
	for _, name := range r.Names() {
		src, ok := examples[name]
		if !ok {
			return "", fmt.Errorf("the kind %s has no example: write docs/language/%s.lab.hcl", name, name)
		}
		if err := p.kind(r.Type(name), src); err != nil {
			return "", fmt.Errorf("kind %s: %w", name, err)
		}
	}
	return p.String(), nil
}

func (p *page) kind(t *providers.Type, example []byte) error {
	p.line("\n### %s\n\n%s", t.Name, t.Doc)
	if len(t.After) > 0 {
		p.line("Made after every %s of the lab.", list(t.After, "and"))
	}
	p.line("\n%s", strings.TrimRight(Example(example), "\n"))
	if err := p.block(&t.Schema.In, ""); err != nil {
		return err
	}
	p.line("\nComputed:")
	rows := make([][]string, len(t.Schema.Out))
	for i := range t.Schema.Out {
		a := &t.Schema.Out[i]
		rows[i] = []string{code(a.Name), typeOf(a), meaning(a)}
	}
	p.table([]string{"Attribute", "Type", "Meaning"}, rows)
	return nil
}

// block writes the attributes of a block and, below them, its blocks. path is
// where the block stands within its kind.
func (p *page) block(b *providers.Block, path string) error {
	var rows [][]string
	for i := range b.Attrs {
		a := &b.Attrs[i]
		absent, err := absent(a)
		if err != nil {
			return err
		}
		rows = append(rows, []string{code(a.Name), typeOf(a), absent, meaning(a)})
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		absent, count := "may be left out", "block, at most one"
		switch {
		case n.Required:
			absent = "**required**"
		case n.Labelled:
			absent = "none"
		}
		if n.Labelled {
			count = "blocks, by label"
		}
		rows = append(rows, []string{code(heading(n)), count, absent, n.Doc})
	}
	p.table([]string{"Attribute", "Type", "Default", "Meaning"}, rows)
	for i := range b.Blocks {
		n := &b.Blocks[i]
		p.line("\nInside `%s%s`:", path, heading(n))
		within := path + n.Name
		if n.Labelled {
			within += `["name"]`
		}
		if err := p.block(&n.Block, within+"."); err != nil {
			return err
		}
	}
	return nil
}

// heading is how a nested block is written.
func heading(n *providers.NestedBlock) string {
	if n.Labelled {
		return n.Name + ` "name" { }`
	}
	return n.Name + " { }"
}

// absent says what an attribute is worth that is not written.
func absent(a *providers.Attr) (string, error) {
	switch {
	case a.Required:
		return "**required**", nil
	case a.Default == cty.NilVal:
		return "unset", nil
	}
	text, err := ctyjson.Marshal(a.Default, a.Default.Type())
	if err != nil {
		return "", fmt.Errorf("default of %s: %w", a.Name, err)
	}
	return code(string(text)), nil
}

func typeOf(a *providers.Attr) string {
	if a.Type == cty.DynamicPseudoType {
		return "any"
	}
	one, collection := a.Type, ""
	switch {
	case a.Type.IsListType():
		one, collection = a.Type.ElementType(), "list of "
	case a.Type.IsMapType():
		one, collection = a.Type.ElementType(), "map of "
	}
	switch {
	case a.Ref != nil && collection != "":
		return collection + "references to " + list(a.Ref, "or")
	case a.Ref != nil:
		return "reference to " + list(a.Ref, "or")
	case a.Enum != nil:
		words := make([]string, len(a.Enum))
		for i, w := range a.Enum {
			words[i] = fmt.Sprintf("%q", w)
		}
		return collection + list(words, "or")
	case a.Format == providers.Duration:
		return collection + "duration"
	case a.Format == providers.Integer:
		return collection + "whole number"
	}
	return collection + one.FriendlyNameForConstraint()
}

func meaning(a *providers.Attr) string {
	words := []string{a.Doc}
	for _, note := range []struct {
		holds bool
		text  string
	}{
		{a.ID, "The object's id."},
		{a.Replace, "A change replaces the object."},
		{a.Later, "May go in a circle: what refers back is made first."},
		{a.WriteOnly, "Write-only."},
		{a.Sensitive && !a.WriteOnly, "Sensitive."},
		{a.Volatile, "Changes with time alone, which is no drift."},
		{len(a.Follows) > 0, "Learned anew when " + list(a.Follows, "or") + " changes."},
	} {
		if note.holds {
			words = append(words, "*"+note.text+"*")
		}
	}
	return strings.TrimSpace(strings.Join(words, " "))
}
