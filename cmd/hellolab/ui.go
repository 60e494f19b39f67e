package main

import (
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/plan"
	"hellolab/engine/uievent"
)

// ui is where a plan or an apply speaks: text on the output, or Terraform's
// machine-readable lines there, or both, the lines in a file.
type ui struct {
	s        *session
	json     bool
	markdown bool         // the text is written at the end, as Markdown
	sink     uievent.Sink // everything
	machine  uievent.Sink // the JSON lines alone; nil when nobody reads them
	into     *os.File
}

// openUI settles how the flags want to be spoken to.
func (s *session) openUI(f *planFlags) (*ui, error) {
	u := &ui{s: s, json: f.json}
	var sinks []uievent.Sink
	if f.json {
		lines, err := view.JSONLines(s.out, programName(), s.now())
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, lines)
	}
	if f.jsonInto != "" {
		file, err := os.OpenFile(s.path(f.jsonInto), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, err
		}
		u.into = file
		lines, err := view.JSONLines(file, programName(), s.now())
		if err != nil {
			file.Close()
			return nil, err
		}
		sinks = append(sinks, lines)
	}
	if len(sinks) > 0 {
		u.machine = func(e uievent.Event) {
			for _, sink := range sinks {
				sink(e)
			}
		}
	}
	human := view.Progress(s.out, s.outStyle())
	u.sink = func(e uievent.Event) {
		u.machine.Emit(e)
		if !u.json && !u.markdown {
			human(e)
		}
	}
	return u, nil
}

// text is where sentences for people go: nowhere when the output is JSON.
func (u *ui) text() io.Writer {
	if u.json || u.markdown {
		return io.Discard
	}
	return u.s.out
}

// plan shows a plan.
func (u *ui) plan(p *plan.Plan, concise bool) error {
	view.PlanEvents(u.machine, p)
	return view.Plan(u.text(), p, view.PlanOptions{Style: u.s.outStyle(), Registry: u.s.registry, Concise: concise})
}

// impact tells what a plan does to sign-ins; nil is nothing to tell. An empty
// plan that changes none is told nothing of.
func (u *ui) impact(r *impact.Report, p *plan.Plan, measure string) error {
	if r == nil {
		return nil
	}
	if err := view.ImpactEvent(u.machine, r); err != nil {
		return err
	}
	if r.Differ == 0 && p.Empty() && r.At.Equal(r.Now) {
		return nil
	}
	return view.Impact(u.text(), r, measure == impactSummary, u.s.outStyle())
}

// diagnostics tells warnings and errors; it returns an error when there are
// any of these, for the exit code alone.
func (u *ui) diagnostics(diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	view.DiagnosticEvents(u.machine, u.s.now(), diags, u.s.files)
	if !u.json {
		u.s.warn(diags)
	}
	if diags.HasErrors() {
		return exitCode(exitError)
	}
	return nil
}

// fail tells any error in the ui's own way.
func (u *ui) fail(err error) error {
	if err == nil {
		return nil
	}
	if _, told := err.(exitCode); told {
		return err
	}
	return u.diagnostics(asDiagnostics(err))
}

func (u *ui) Close() error {
	if u.into != nil {
		return u.into.Close()
	}
	return nil
}
