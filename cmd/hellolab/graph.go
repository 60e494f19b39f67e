package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/plan"
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
	var draw func([]*eval.Desired, handovers) string
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
	s.printf("%s", draw(p.result.Desired, handoversOf(p.plan)))
	return nil
}

// handovers are what objects leave to others once they are made, by address.
type handovers map[string][]plan.Handover

func handoversOf(p *plan.Plan) handovers {
	out := handovers{}
	for i := range p.Changes {
		if c := &p.Changes[i]; len(c.Handovers) > 0 {
			out[c.Addr.String()] = c.Handovers
		}
	}
	return out
}

// label names a handover on its edge.
func label(h plan.Handover) string { return h.Stage + " (" + h.Flow + ")" }

// dot draws with edges from what depends to what it depends on, as terraform
// graph does; a dashed one leads to who carries on what is made.
func dot(desired []*eval.Desired, later handovers) string {
	var b strings.Builder
	b.WriteString("digraph lab {\n  rankdir = \"RL\"\n  node [shape = \"box\"]\n")
	for _, d := range desired {
		fmt.Fprintf(&b, "  %s\n", dotQuote(d.Addr.String()))
	}
	for _, d := range desired {
		for _, dep := range d.Deps {
			fmt.Fprintf(&b, "  %s -> %s\n", dotQuote(d.Addr.String()), dotQuote(dep.String()))
		}
		for _, h := range later[d.Addr.String()] {
			fmt.Fprintf(&b, "  %s -> %s [style = \"dashed\", label = %s]\n", dotQuote(d.Addr.String()), dotQuote(h.To), dotQuote(label(h)))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(view.Escape(s)) + `"`
}

// mermaid draws with an arrow from what is needed to what needs it, the order
// in which things are made; a dotted one leads to who carries on what is made.
// Nodes have numbers for names.
func mermaid(desired []*eval.Desired, later handovers) string {
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
		for _, h := range later[d.Addr.String()] {
			if to, declared := id[h.To]; declared {
				fmt.Fprintf(&b, "  n%d -.->|\"%s\"| n%d\n", i, label(h), to)
			}
		}
	}
	return b.String()
}
