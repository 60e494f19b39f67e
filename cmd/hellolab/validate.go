package main

import (
	"context"
	"flag"

	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/state"
)

// validateCommand plans on an empty lab that nothing is ever written to: what
// the files alone can tell, they tell.
type validateCommand struct {
	varFlags
	json bool
}

func (c *validateCommand) flags(fs *flag.FlagSet) {
	c.varFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON in the shape of terraform validate")
}

func (c *validateCommand) run(ctx context.Context, s *session, _ []string) error {
	f := &planFlags{varFlags: c.varFlags, parallelism: 1}
	f.unset = true
	_, diags := s.makePlan(ctx, f, state.Empty(state.Meta{Format: state.Format}), &ui{s: s, sink: nil})
	return c.tell(s, diags)
}

func (c *validateCommand) tell(s *session, diags hcl.Diagnostics) error {
	switch {
	case c.json:
		if err := view.ValidateJSON(s.out, diags, s.files); err != nil {
			return err
		}
	case diags.HasErrors():
		return diags
	default:
		s.warn(diags)
		s.printf("The configuration is valid.\n")
	}
	if diags.HasErrors() {
		return exitCode(exitError)
	}
	return nil
}
