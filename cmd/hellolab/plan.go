package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/jsonplan"
	"hellolab/engine/planfile"
	"hellolab/state"
)

// planFilePurpose is what plan files are sealed for; see state.DeriveKey.
const planFilePurpose = "plan file"

type planCommand struct {
	planFlags
	out      string
	detailed bool
	format   string
}

func (c *planCommand) flags(fs *flag.FlagSet) {
	c.planFlags.flags(fs)
	fs.BoolVar(&c.destroy, "destroy", false, "plan to destroy everything")
	fs.StringVar(&c.out, "out", "", "save the plan in `FILE`, for apply")
	fs.BoolVar(&c.detailed, "detailed-exitcode", false, "exit with 2 when there are changes, sign-ins that change among them")
	fs.StringVar(&c.format, "format", "text", "print the plan as `FORMAT` text or markdown, for a pull request")
}

func (c *planCommand) run(ctx context.Context, s *session, _ []string) (err error) {
	if c.format != "text" && c.format != "markdown" {
		return mistake(didYouMean(c.format, []string{"text", "markdown"}, "Use text or markdown."), "-format=%q is not a format", c.format)
	}
	if c.json && c.format == "markdown" {
		return mistake("Choose one.", "-json and -format=markdown exclude each other")
	}
	u, err := s.openUI(&c.planFlags)
	if err != nil {
		return err
	}
	u.markdown = c.format == "markdown"
	defer closing(u, &err)
	c.bare = c.destroy
	base, err := s.planBase(ctx, &c.stateFlags)
	if err != nil {
		return u.fail(err)
	}
	defer base.Close()
	p, diags := s.makePlan(ctx, &c.planFlags, base, u)
	if diags.HasErrors() {
		return u.diagnostics(diags)
	}
	report, err := s.impactOf(ctx, &c.planFlags, base, p)
	if err != nil {
		return u.fail(err)
	}
	if err := u.plan(p.plan, c.concise); err != nil {
		return err
	}
	if err := u.impact(report, p.plan, c.impact); err != nil {
		return err
	}
	if u.markdown {
		if err := view.PlanMarkdown(s.out, p.plan, report, s.registry); err != nil {
			return err
		}
	}
	u.diagnostics(diags)
	if c.out != "" {
		if err := s.savePlan(&c.stateFlags, c.out, p, report); err != nil {
			return u.fail(err)
		}
		if !c.json && !u.markdown {
			s.printf("\nSaved the plan in %s. To do exactly this: hellolab apply %s\n", view.Escape(c.out), view.Escape(c.out))
		}
	}
	if c.detailed && (p.changes() || report != nil && report.Differ > 0) {
		return exitCode(exitChanges)
	}
	return nil
}

// planBase is the state as it is, or an empty one before the first apply.
func (s *session) planBase(ctx context.Context, f *stateFlags) (state.Base, error) {
	snap, err := s.openRead(ctx, f)
	if errors.Is(err, state.ErrNotExist) {
		return state.Empty(state.Meta{Format: state.Format}), nil
	}
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// savePlan writes a plan file. It is readable for its owner alone: its
// configuration and variables are sealed with the state's key.
func (s *session) savePlan(f *stateFlags, name string, p *planned, r *impact.Report) error {
	o, err := s.stateOptions(f, "plan")
	if err != nil {
		return err
	}
	key, err := state.DeriveKey(o, planFilePurpose)
	if err != nil {
		return err
	}
	var sign json.RawMessage
	if r != nil {
		if sign, err = json.Marshal(r); err != nil {
			return err
		}
	}
	public, err := jsonplan.MarshalWithImpact(p.plan, p.result, sign)
	if err != nil {
		return err
	}
	return writeFile(s.path(name), 0o600, func(w io.Writer) error {
		return planfile.Write(w, planfile.File{
			Plan:    p.plan,
			Sources: p.config.Sources(),
			Vars:    p.vars,
			Program: programName(),
			JSON:    public,
		}, key)
	})
}
