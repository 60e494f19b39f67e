package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/apply"
	"hellolab/engine/impact"
	"hellolab/engine/journal"
	"hellolab/engine/plan"
	"hellolab/engine/planfile"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/state"
)

// progressEvery is how often a step that still runs is told of.
const progressEvery = 10 * time.Second

// applyCommand makes the lab what the files say, or does what a saved plan
// says. As destroy, it takes everything down.
type applyCommand struct {
	planFlags
	autoApprove bool
}

func (c *applyCommand) flags(fs *flag.FlagSet) {
	c.planFlags.flags(fs)
	fs.BoolVar(&c.autoApprove, "auto-approve", false, "do not ask")
	if !c.destroy {
		fs.BoolVar(&c.destroy, "destroy", false, "destroy everything")
	}
}

func (c *applyCommand) operation() string {
	if c.destroy {
		return "destroy"
	}
	return "apply"
}

func (c *applyCommand) run(ctx context.Context, s *session, args []string) (err error) {
	u, err := s.openUI(&c.planFlags)
	if err != nil {
		return err
	}
	defer closing(u, &err)
	// Files are read before the state is touched: a mistake there leaves no trace.
	var p *planned
	var diags hcl.Diagnostics
	if len(args) == 1 {
		p, diags = c.saved(s, args[0])
	} else {
		var files *project
		c.bare = c.destroy
		files, diags = s.load(&c.varFlags)
		p = &planned{project: files}
	}
	if diags.HasErrors() {
		return u.diagnostics(diags)
	}
	store, err := s.openWrite(ctx, &c.stateFlags, c.operation())
	if err != nil {
		return u.fail(err)
	}
	defer closing(store, &err)
	if p.plan != nil {
		diags = append(diags, current(p.plan, store.Meta())...)
	} else {
		if err := s.settle(ctx, store, u); err != nil {
			return u.fail(err)
		}
		var more hcl.Diagnostics
		p, more = c.fresh(ctx, s, store, p.project, u)
		diags = append(diags, more...)
	}
	if failed := u.diagnostics(diags); failed != nil {
		return failed
	}
	if len(args) == 0 && !c.autoApprove && p.changes() {
		if c.json {
			return u.fail(mistake("Add -auto-approve, or apply a saved plan.", "With -json nobody can be asked"))
		}
		question, detail := c.question()
		if err := s.confirm(ctx, question, detail, "Add -auto-approve, or apply a plan saved with `hellolab plan -out=FILE`."); err != nil {
			return u.fail(err)
		}
	}
	return c.execute(ctx, s, store, p, u)
}

func (c *applyCommand) question() (question, detail string) {
	if c.destroy {
		return "Destroy everything in this lab?", "There is no undo, except `hellolab state restore` for the state."
	}
	return "Perform these actions?", "hellolab will do what is described above."
}

// settle finishes what an earlier run was cut off in, and says what became of it.
func (s *session) settle(ctx context.Context, store *state.Store, u *ui) (err error) {
	j, err := journal.Create(s.journalDir(), "recover", s.now())
	if err != nil {
		return err
	}
	defer closing(j, &err)
	l, err := s.openLab(store, 0, j.Emit)
	if err != nil {
		return err
	}
	defer closing(l, &err)
	settled, err := s.recover(ctx, store, l)
	for _, r := range settled {
		fmt.Fprintf(u.text(), "%s: an interrupted %s was settled: %s\n", r.Addr, r.Action, outcomes[r.Outcome])
	}
	return err
}

// outcomes puts apply.Recovered into words.
var outcomes = map[string]string{
	"adopted":   "it had been made, and is recorded now",
	"nothing":   "it had not begun",
	"kept":      "it stays recorded, and is read again",
	"forgotten": "it is gone",
}

// fresh plans on the state as it is, and shows the plan.
func (c *applyCommand) fresh(ctx context.Context, s *session, store *state.Store, files *project, u *ui) (*planned, hcl.Diagnostics) {
	snap, err := store.Snapshot()
	if err != nil {
		return nil, asDiagnostics(err)
	}
	defer snap.Close()
	p, diags := s.build(ctx, files, &c.planFlags, snap, u)
	if diags.HasErrors() {
		return nil, diags
	}
	var report *impact.Report
	if !c.autoApprove && !c.json { // somebody is asked
		if report, err = s.impactOf(ctx, &c.planFlags, snap, p); err != nil {
			return nil, append(diags, asDiagnostics(err)...)
		}
	}
	if err := errors.Join(u.plan(p.plan, c.concise), u.impact(report, p.plan, c.impact)); err != nil {
		return nil, append(diags, asDiagnostics(err)...)
	}
	return p, diags
}

// saved reads a plan file with the configuration it was made from.
func (c *applyCommand) saved(s *session, name string) (*planned, hcl.Diagnostics) {
	if c.targets != nil || c.replace != nil || c.vars != nil || c.varFiles != nil || c.refreshOnly {
		return nil, asDiagnostics(mistake("Give them to the plan command.", "A saved plan takes no planning flags"))
	}
	file, err := s.readPlan(&c.stateFlags, name)
	if err != nil {
		return nil, asDiagnostics(err)
	}
	if file.Program != programName() {
		return nil, asDiagnostics(mistake("Plan again with this version.", "The plan was made by %s, and this is %s", file.Program, programName()))
	}
	cfg, diags := config.FromSources(file.Sources)
	s.know(cfg.Files())
	if diags.HasErrors() {
		return nil, diags
	}
	p, diags := s.project(cfg, file.Vars, diags)
	if diags.HasErrors() {
		return nil, diags
	}
	return &planned{project: p, plan: file.Plan}, append(diags, s.filesMoved(file)...)
}

// current says why a plan must not be applied to a state. A plan made before
// there was a state names no lineage, and fits a state that is new.
func current(p *plan.Plan, m state.Meta) hcl.Diagnostics {
	fresh := p.Lineage == "" && p.Serial == 0 && m.Serial == 0
	switch {
	case fresh:
		p.Lineage = m.Lineage
	case p.Lineage == "":
		return asDiagnostics(mistake(fmt.Sprintf("It was made before there was a state, which is at serial %d now. Plan again.", m.Serial), "The saved plan is stale"))
	case p.Lineage != m.Lineage:
		return asDiagnostics(mistake(fmt.Sprintf("It was made for lineage %s; the state's is %s.", p.Lineage, m.Lineage), "The saved plan belongs to another lab"))
	case p.Serial != m.Serial:
		return asDiagnostics(mistake(fmt.Sprintf("It was made at serial %d of the state, which is at %d now: another apply came between. Plan again.", p.Serial, m.Serial), "The saved plan is stale"))
	}
	return nil
}

// filesMoved warns when the lab's files are no longer those of a saved plan,
// which is applied as it was saved.
func (s *session) filesMoved(file *planfile.File) hcl.Diagnostics {
	now, diags := config.Load(s.labDir())
	if diags.HasErrors() && len(now.Sources()) == 0 {
		return nil // applied from elsewhere
	}
	sources := now.Sources()
	var differ []string
	for name, was := range file.Sources {
		if is, read := sources[name]; strings.HasSuffix(name, config.Suffix) && (!read || !bytes.Equal(is, was)) {
			differ = append(differ, name)
		}
	}
	for name := range sources {
		if _, was := file.Sources[name]; !was {
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	if len(differ) == 0 {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning,
		Summary:  "The files have changed since the plan was saved",
		Detail:   fmt.Sprintf("Changed: %s. The plan is applied as it was saved.", strings.Join(differ, ", ")),
	}}
}

// execute applies a plan, and ends with outputs and the checks' verdicts.
func (c *applyCommand) execute(ctx context.Context, s *session, store *state.Store, p *planned, u *ui) (err error) {
	if p.changes() {
		if _, err := store.Backup(); err != nil {
			return u.fail(err)
		}
	}
	result, diags := c.walk(ctx, s, store, p, u)
	s.know(p.config.Files())
	if failed := u.diagnostics(diags); failed != nil {
		if n := len(result.Skipped); n > 0 && !c.json {
			s.printf("\n%s skipped, because what they need failed.\n", view.Count(n, "object"))
		}
		return failed
	}
	fmt.Fprintf(u.text(), "\n%s\n", c.summary(s, result))
	if len(result.Outputs) > 0 {
		fmt.Fprintf(u.text(), "\nOutputs:\n\n")
		if err := view.Outputs(u.text(), outputValues(result.Outputs)); err != nil {
			return err
		}
	}
	if c.destroy || len(p.config.Checks) == 0 {
		return nil
	}
	return u.fail(c.verdicts(ctx, s, store, p, u))
}

// walk runs the plan's steps in the lab, and then what lab time has made due.
func (c *applyCommand) walk(ctx context.Context, s *session, store *state.Store, p *planned, u *ui) (result *apply.Result, diags hcl.Diagnostics) {
	result = &apply.Result{}
	j, err := journal.Create(s.journalDir(), c.operation(), s.now())
	if err != nil {
		return result, asDiagnostics(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			diags = append(diags, asDiagnostics(err)...)
		}
	}()
	l, err := s.openLab(store, 0, j.Emit)
	if err != nil {
		return result, asDiagnostics(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			diags = append(diags, asDiagnostics(err)...)
		}
	}()
	s.expect(p.plan)
	result, diags = apply.Run(ctx, apply.Request{
		Plan:        p.plan,
		Registry:    s.registry,
		View:        store,
		Lab:         l,
		Evaluator:   p.eval,
		Saved:       p.result == nil,
		Parallelism: c.parallelism,
		Sink:        u.sink,
		Progress:    progressEvery,
		Failpoint:   s.failpoint,
	})
	if !diags.HasErrors() {
		diags = append(diags, due(ctx, l)...)
	}
	return result, diags
}

func (c *applyCommand) summary(s *session, r *apply.Result) string {
	if c.destroy {
		return view.Bold(s.outStyle(), "Destroy complete!") + fmt.Sprintf(" Resources: %d destroyed.", r.Destroyed)
	}
	return view.Bold(s.outStyle(), "Apply complete!") +
		fmt.Sprintf(" Resources: %d added, %d changed, %d destroyed.", r.Added, r.Changed, r.Destroyed)
}

func outputValues(outs []eval.Output) map[string]view.OutputValue {
	values := make(map[string]view.OutputValue, len(outs))
	for _, o := range outs {
		values[o.Name] = view.OutputValue{Value: o.Value, Sensitive: o.Sensitive}
	}
	return values
}

// verdicts runs the checks on what was applied. What they find is told, and
// is not the apply's failure: `hellolab check` is what fails a pipeline.
func (c *applyCommand) verdicts(ctx context.Context, s *session, store *state.Store, p *planned, u *ui) error {
	snap, err := store.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	// What was not applied may be another by what was.
	now, diags := s.build(ctx, p.project, &planFlags{parallelism: c.parallelism, refresh: true}, snap, &ui{s: s})
	if diags.HasErrors() {
		return diags
	}
	results := s.runChecks(ctx, snap, now.result.Checks, now.result)
	s.recordChecks(results)
	fmt.Fprintf(u.text(), "\nChecks:\n\n")
	if err := view.Checks(u.text(), results, s.outStyle()); err != nil {
		return err
	}
	return u.diagnostics(view.CheckWarnings(results))
}
