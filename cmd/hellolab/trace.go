package main

import (
	"context"
	"flag"
	"slices"
	"strings"

	"hellolab/cmd/hellolab/internal/continued"
	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/journal"
)

// traceCommand shows recorded flows. It reads the journal alone, so it works
// while a run writes, and after the lab is destroyed.
type traceCommand struct {
	json     bool
	format   string
	services bool
}

func (c *traceCommand) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.json, "json", false, "print the events as JSON lines")
	fs.StringVar(&c.format, "format", "text", "`FORMAT`: text or json")
	fs.BoolVar(&c.services, "services", false, "show instead what services did for clients outside of any flow: tickets, binds, writes of keys")
}

func (c *traceCommand) run(_ context.Context, s *session, args []string) error {
	switch c.format {
	case "text":
	case "json":
		c.json = true
	default:
		return mistake("Use text or json.", "Unknown format %q", c.format)
	}
	if c.services {
		return c.apart(s, args)
	}
	flows, err := journal.Flows(s.journalDir())
	if err != nil {
		return err
	}
	if len(args) == 1 {
		flow, err := findFlow(flows, args[0])
		if err != nil {
			return err
		}
		flows = []*journal.Flow{continued.Flow(flow, flows)}
	}
	switch {
	case c.json:
		for _, f := range flows {
			for _, e := range f.Events {
				if err := view.WriteJSON(s.out, e); err != nil {
					return err
				}
			}
		}
		return nil
	case len(args) == 1:
		return view.Trace(s.out, flows[0], s.outStyle())
	}
	named := slices.DeleteFunc(flows, func(f *journal.Flow) bool { return f.Name == "" })
	if len(named) == 0 {
		s.printf("Nothing was recorded yet. `hellolab apply` and `hellolab signin` record what they do.\n")
		return nil
	}
	return view.Flows(s.out, named, s.outStyle())
}

// apart shows what belongs to no flow.
func (c *traceCommand) apart(s *session, args []string) error {
	if len(args) > 0 {
		return mistake("Leave the id out, or -services.", "-services shows what has no id")
	}
	events, err := journal.Apart(s.journalDir())
	if err != nil {
		return err
	}
	if c.json {
		for _, e := range events {
			if err := view.WriteJSON(s.out, e); err != nil {
				return err
			}
		}
		return nil
	}
	return view.Services(s.out, events, s.outStyle())
}

// findFlow finds a flow by its id, the beginning of it, or "last".
func findFlow(flows []*journal.Flow, id string) (*journal.Flow, error) {
	var found []*journal.Flow
	for _, f := range flows {
		if f.ID == id || id == "last" && f.Name != "" {
			found = append(found[:0], f)
		} else if strings.HasPrefix(f.ID, id) && !(len(found) == 1 && found[0].ID == id) && id != "last" {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		return nil, mistake("`hellolab trace` lists what was recorded.", "No recorded flow has the id %q", id)
	case 1:
		return found[0], nil
	}
	return nil, mistake("Give more of the id.", "%d recorded flows have ids that begin with %q", len(found), id)
}
