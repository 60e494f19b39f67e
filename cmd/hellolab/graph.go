package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/hcl/eval"
	"hellolab/state"
)

// graphCommand draws what depends on what, from the files alone.
type graphCommand struct {
	varFlags
	format string
}

func (c *graphCommand) flags(fs *flag.FlagSet) {
	c.varFlags.flags(fs)
	fs.StringVar(&c.format, "format", "dot", "`FORMAT`: dot or mermaid")
}

func (c *graphCommand) run(ctx context.Context, s *session, _ []string) error {
	var draw func([]*eval.Desired) string
	switch c.format {
	case "dot":
		draw = dot
	case "mermaid":
		draw = mermaid
	default:
		return mistake("Use dot or mermaid.", "Unknown format %q", c.format)
	}
	f := &planFlags{varFlags: c.varFlags, parallelism: 1}
	f.unset = true
	p, diags := s.makePlan(ctx, f, state.Empty(state.Meta{Format: state.Format}), &ui{s: s})
	if diags.HasErrors() {
		return diags
	}
	s.printf("%s", draw(p.result.Desired))
	return nil
}

// dot draws with edges from what depends to what it depends on, as terraform
// graph does.
func dot(desired []*eval.Desired) string {
	var b strings.Builder
	b.WriteString("digraph lab {\n  rankdir = \"RL\"\n  node [shape = \"box\"]\n")
	for _, d := range desired {
		fmt.Fprintf(&b, "  %s\n", dotQuote(d.Addr.String()))
	}
	for _, d := range desired {
		for _, dep := range d.Deps {
			fmt.Fprintf(&b, "  %s -> %s\n", dotQuote(d.Addr.String()), dotQuote(dep.String()))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(view.Escape(s)) + `"`
}

// mermaid draws with an arrow from what is needed to what needs it, the order
// in which things are made. Nodes have numbers for names.
func mermaid(desired []*eval.Desired) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	id := make(map[string]int, len(desired))
	for i, d := range desired {
		id[d.Addr.String()] = i
		label := strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;").Replace(view.Escape(d.Addr.String()))
		fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, label)
	}
	for i, d := range desired {
		for _, dep := range d.Deps {
			fmt.Fprintf(&b, "  n%d --> n%d\n", id[dep.String()], i)
		}
	}
	return b.String()
}
