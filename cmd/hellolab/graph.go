package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/plan"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/wire/adfs"
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
	var draw func([]*eval.Desired, *edges) string
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
	served, err := servicesOf(p.asked)
	if err != nil {
		return err
	}
	s.printf("%s", draw(p.result.Desired, &edges{handoversOf(p.plan), served}))
	return nil
}

// edges are what a graph shows besides what depends on what.
type edges struct {
	later  handovers
	served uses
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

// uses are whose hosts devices are served by, by address of the device.
type uses map[string][]useOf

// useOf is one edge of uses.
type useOf struct{ to, label string }

// servicesOf says of each device with whose service it registers, and who issues it
// tokens: on-premises AD FS, else the tenant, and for a federated one the service
// that the tenant sends it to.
func servicesOf(records []providers.Record) (uses, error) {
	w, err := hello.NewWorld(records)
	if err != nil {
		return nil, err
	}
	out := uses{}
	for addr, d := range w.Devices {
		registers, tokens := w.RegistersAt(d), w.TokenServiceFor(d)
		if registers != "" {
			out[addr] = append(out[addr], useOf{registers, "registration" + onHost(registrationHost(w, registers))})
		}
		if tokens != "" {
			out[addr] = append(out[addr], useOf{tokens, "tokens" + onHost(tokenHost(w, tokens))})
		}
	}
	return out, nil
}

func onHost(host string) string {
	if host == "" {
		return ""
	}
	return ": " + host
}

// registrationHost is where a registration service answers: a tenant's, or AD FS's.
func registrationHost(w *hello.World, addr string) string {
	if t := w.Tenants[addr]; t != nil {
		return t.Out.RegistrationHost
	}
	if f := w.Federations[addr]; f != nil {
		if d := w.Domains[string(f.In.Domain)]; d != nil {
			return adfs.RegistrationHostOf(d.In.DNSName)
		}
	}
	return ""
}

func tokenHost(w *hello.World, addr string) string {
	if t := w.Tenants[addr]; t != nil {
		return t.Out.LoginHost
	}
	if f := w.Federations[addr]; f != nil {
		if d := w.Domains[string(f.In.Domain)]; d != nil || f.In.Host != "" {
			dns := ""
			if d != nil {
				dns = d.In.DNSName
			}
			return hello.FederationHost(f.In, dns)
		}
	}
	return ""
}

// dot draws with edges from what depends to what it depends on, as terraform
// graph does; a dashed one leads to who carries on what is made, a dotted one to
// whose services a device uses.
func dot(desired []*eval.Desired, also *edges) string {
	var b strings.Builder
	b.WriteString("digraph lab {\n  rankdir = \"RL\"\n  node [shape = \"box\"]\n")
	for _, d := range desired {
		fmt.Fprintf(&b, "  %s\n", dotQuote(d.Addr.String()))
	}
	for _, d := range desired {
		for _, dep := range d.Deps {
			fmt.Fprintf(&b, "  %s -> %s\n", dotQuote(d.Addr.String()), dotQuote(dep.String()))
		}
		for _, x := range also.served[d.Addr.String()] {
			fmt.Fprintf(&b, "  %s -> %s [style = \"dotted\", label = %s]\n", dotQuote(d.Addr.String()), dotQuote(x.to), dotQuote(x.label))
		}
		for _, h := range also.later[d.Addr.String()] {
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
// in which things are made; a dotted one leads to who carries on what is made, or
// to whose services a device uses. Nodes have numbers for names.
func mermaid(desired []*eval.Desired, also *edges) string {
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
		for _, x := range also.served[d.Addr.String()] {
			if to, declared := id[x.to]; declared {
				fmt.Fprintf(&b, "  n%d -.->|\"%s\"| n%d\n", i, x.label, to)
			}
		}
		for _, h := range also.later[d.Addr.String()] {
			if to, declared := id[h.To]; declared {
				fmt.Fprintf(&b, "  n%d -.->|\"%s\"| n%d\n", i, label(h), to)
			}
		}
	}
	return b.String()
}
