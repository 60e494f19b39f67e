package main

import (
	"context"
	"flag"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
)

type syncObject = providers.Object[spec.Sync, spec.SyncOut]

// syncRunCommand has a Connect server run a cycle now, over the wire, as its
// administrator does.
type syncRunCommand struct {
	stateFlags
	initial bool
	only    string
	json    bool
}

func (c *syncRunCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.initial, "initial", false, "read everything anew, not only what changed")
	fs.StringVar(&c.only, "only", "", "run one `PART` alone: accounts, key_export or device_writeback; without it all that are on, paused or not")
	fs.BoolVar(&c.json, "json", false, "print the report as JSON")
}

func (c *syncRunCommand) run(ctx context.Context, s *session, args []string) error {
	parts := connect.Parts()
	if c.only != "" {
		if !slices.Contains(parts, connect.Part(c.only)) {
			return mistake("Use accounts, key_export or device_writeback.", "A synchronization has no part %s", view.Quote(c.only))
		}
		parts = []connect.Part{connect.Part(c.only)}
	}
	return s.act(ctx, &c.stateFlags, "sync run", func(l *lab.Lab) error {
		o, err := s.syncNamed(l, first(args))
		if err != nil {
			return err
		}
		id, err := guid.New(s.rand)
		if err != nil {
			return err
		}
		env := l.Env(o.Addr, &providers.Type{}, cty.NilVal)
		report, err := connect.Cycle(web.WithCorrelation(ctx, id.String()), env, connect.Server{Host: o.Out.Host, Secret: o.Out.Admin},
			connect.Request{Parts: parts, Own: true, Reason: "sync run", Initial: c.initial})
		if err != nil {
			return err
		}
		if c.json {
			err = view.WriteIndentedJSON(s.out, report)
		} else {
			err = view.Cycle(s.out, o.Addr, report, s.outStyle())
		}
		if err != nil {
			return err
		}
		if report.Result != connect.Success {
			return exitCode(exitError)
		}
		return nil
	})
}

// first is the first argument, "" when there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// syncStatusCommand asks a Connect server when its parts ran and run.
type syncStatusCommand struct {
	stateFlags
	json bool
}

func (c *syncStatusCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *syncStatusCommand) run(ctx context.Context, s *session, args []string) error {
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		o, err := s.syncNamed(l, first(args))
		if err != nil {
			return err
		}
		env := l.Env(o.Addr, &providers.Type{}, cty.NilVal)
		status, err := connect.StatusOf(ctx, env, connect.Server{Host: o.Out.Host, Secret: o.Out.Admin})
		if err != nil {
			return err
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, status)
		}
		return view.SyncStatus(s.out, o.Addr, status)
	})
}

// syncNamed finds the Connect server that is meant: the one of the lab, when
// nobody is named.
func (s *session) syncNamed(l *lab.Lab, addr string) (found syncObject, err error) {
	if addr != "" {
		if err := s.isA(l, addr, "sync"); err != nil {
			return found, err
		}
	}
	all, err := providers.ResolveAll[spec.Sync, spec.SyncOut](l.Env("", &providers.Type{}, cty.NilVal), "sync")
	if err != nil {
		return found, err
	}
	all = slices.DeleteFunc(all, func(o syncObject) bool { return o.ID == "" || addr != "" && o.Addr != addr })
	switch len(all) {
	case 0:
		return found, mistake("Declare a sync between a tenant and a domain, and apply.", "The lab has no Connect server")
	case 1:
		return all[0], nil
	}
	var names []string
	for _, o := range all {
		names = append(names, o.Addr)
	}
	return found, mistake("Name one: "+strings.Join(names, ", ")+".", "The lab has %d Connect servers", len(all))
}
