package main

import (
	"context"
	"flag"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/labtest"
	"hellolab/hcl/config"
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
	p, diags := s.makePlan(ctx, f, state.Empty(state.Meta{Format: state.Format}), &ui{s: s, sink: nil})
	if !diags.HasErrors() {
		diags = append(diags, s.validateTests(ctx, p.config, &f.varFlags)...)
	}
	return c.tell(s, diags)
}

// validateTests tells what is wrong with a lab's test files. What is wrong with
// the lab itself was told.
func (s *session) validateTests(ctx context.Context, c *config.Config, f *varFlags) hcl.Diagnostics {
	files, diags := c.LoadTests()
	if !diags.HasErrors() && len(files) > 0 {
		diags = append(diags, labtest.Validate(ctx, s.tests(c, files, f))...)
	}
	s.know(c.Files())
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Severity == hcl.DiagWarning && (d.Subject == nil || !strings.HasSuffix(d.Subject.Filename, config.TestSuffix))
	})
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
