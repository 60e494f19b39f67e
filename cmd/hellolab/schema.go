package main

import (
	"context"
	"flag"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers"
)

type schemaCommand struct{ json bool }

func (c *schemaCommand) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// schemaJSON is everything a tool must know of the language's block types.
type schemaJSON struct {
	FormatVersion string              `json:"format_version"`
	Kinds         map[string]kindJSON `json:"kinds"`
	// Faults are the kinds of fault blocks.
	Faults map[string]faultJSON `json:"faults"`
}

type faultJSON struct {
	Doc       string               `json:"description"`
	Of        []string             `json:"of,omitempty"` // kinds; absent: all that are changed in place
	Arguments map[string]*attrJSON `json:"arguments,omitempty"`
	Lasts     bool                 `json:"lasts,omitempty"` // nothing mends it
}

type kindJSON struct {
	Doc      string               `json:"description"`
	After    []string             `json:"after,omitempty"`
	Body     blockJSON            `json:"block"`
	Computed map[string]*attrJSON `json:"computed"`
}

type blockJSON struct {
	Attributes map[string]*attrJSON  `json:"attributes"`
	Blocks     map[string]nestedJSON `json:"blocks,omitempty"`
}

type nestedJSON struct {
	Doc      string    `json:"description,omitempty"`
	Required bool      `json:"required,omitempty"`
	Labelled bool      `json:"labelled,omitempty"` // any number of them, with a label each
	Block    blockJSON `json:"block"`
}

// attrJSON is one attribute; Type is written as Terraform writes types.
type attrJSON struct {
	Type      ctyType                  `json:"type"`
	Doc       string                   `json:"description,omitempty"`
	Default   *ctyjson.SimpleJSONValue `json:"default,omitempty"`
	Enum      []string                 `json:"enum,omitempty"`
	Ref       []string                 `json:"reference_to,omitempty"`
	Required  bool                     `json:"required,omitempty"`
	Replace   bool                     `json:"change_replaces,omitempty"`
	Later     bool                     `json:"set_later,omitempty"` // where references go in a circle
	Sensitive bool                     `json:"sensitive,omitempty"`
	WriteOnly bool                     `json:"write_only,omitempty"`
	Volatile  bool                     `json:"volatile,omitempty"`
}

type ctyType struct{ cty.Type }

func (t ctyType) MarshalJSON() ([]byte, error) { return ctyjson.MarshalType(t.Type) }

func (c *schemaCommand) run(_ context.Context, s *session, _ []string) error {
	r := s.registry
	if c.json {
		out := schemaJSON{FormatVersion: "1.0", Kinds: map[string]kindJSON{}, Faults: map[string]faultJSON{}}
		for _, name := range r.Names() {
			t := r.Type(name)
			out.Kinds[name] = kindJSON{
				Doc:      t.Doc,
				After:    t.After,
				Body:     blockToJSON(&t.Schema.In),
				Computed: attrsToJSON(t.Schema.Out),
			}
		}
		for _, f := range r.Faults() {
			out.Faults[f.Name] = faultJSON{Doc: f.Doc, Of: f.Targets, Arguments: attrsToJSON(f.Params), Lasts: f.Lasting}
		}
		return view.WriteIndentedJSON(s.out, out)
	}
	for _, name := range r.Names() {
		t := r.Type(name)
		s.printf("%s: %s\n", view.Bold(s.outStyle(), name), t.Doc)
		printBlock(s, "  ", &t.Schema.In)
		for i := range t.Schema.Out {
			printAttr(s, "  ", &t.Schema.Out[i], "computed")
		}
		s.printf("\n")
	}
	return nil
}

func blockToJSON(b *providers.Block) blockJSON {
	out := blockJSON{Attributes: attrsToJSON(b.Attrs)}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		if out.Blocks == nil {
			out.Blocks = map[string]nestedJSON{}
		}
		out.Blocks[n.Name] = nestedJSON{Doc: n.Doc, Required: n.Required, Labelled: n.Labelled, Block: blockToJSON(&n.Block)}
	}
	return out
}

func attrsToJSON(attrs []providers.Attr) map[string]*attrJSON {
	out := make(map[string]*attrJSON, len(attrs))
	for i := range attrs {
		a := &attrs[i]
		j := &attrJSON{
			Type: ctyType{a.Type}, Doc: a.Doc, Enum: a.Enum, Ref: a.Ref, Required: a.Required,
			Replace: a.Replace, Later: a.Later, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, Volatile: a.Volatile,
		}
		if a.Default != cty.NilVal {
			j.Default = &ctyjson.SimpleJSONValue{Value: a.Default}
		}
		out[a.Name] = j
	}
	return out
}

func printBlock(s *session, indent string, b *providers.Block) {
	for i := range b.Attrs {
		word := ""
		if b.Attrs[i].Required {
			word = "required"
		}
		printAttr(s, indent, &b.Attrs[i], word)
	}
	for i := range b.Blocks {
		label := ""
		if b.Blocks[i].Labelled {
			label = ` "name"`
		}
		s.printf("%s%s%s { }  %s\n", indent, b.Blocks[i].Name, label, b.Blocks[i].Doc)
		printBlock(s, indent+"  ", &b.Blocks[i].Block)
	}
}

func printAttr(s *session, indent string, a *providers.Attr, word string) {
	words := []string{a.Type.FriendlyNameForConstraint()}
	if a.Ref != nil {
		words[0] = strings.Join(a.Ref, " or ")
		if a.Type.IsCollectionType() {
			words[0] += ", several"
		}
	}
	if word != "" {
		words = append(words, word)
	}
	if a.WriteOnly {
		words = append(words, "write-only")
	}
	if a.Sensitive {
		words = append(words, "sensitive")
	}
	s.printf("%s%s (%s)  %s\n", indent, a.Name, strings.Join(words, ", "), a.Doc)
}
