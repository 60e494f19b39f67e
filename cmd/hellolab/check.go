package main

import (
	"cmp"
	"context"
	"flag"
	"io"
	"runtime"
	"slices"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/check"
	"hellolab/engine/fault"
	"hellolab/engine/journal"
	"hellolab/engine/plan"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// checkCommand runs the check blocks: each a real sign-in, on a throwaway view.
type checkCommand struct {
	stateFlags
	varFlags
	with  list
	at    string
	json  bool
	junit string
}

func (c *checkCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	c.varFlags.flags(fs)
	fs.Var(&c.with, "with", "switch on the fault of this `NAME` in every check, besides its own; may be repeated")
	fs.StringVar(&c.at, "at", "", "run the checks at another `TIME` of the lab: a duration from now, such as 30d, or a time, such as 2027-01-31")
	fs.BoolVar(&c.json, "json", false, "print JSON, with everything that happened")
	fs.StringVar(&c.junit, "junit", "", "write JUnit XML to `FILE`, besides")
}

func (c *checkCommand) run(ctx context.Context, s *session, args []string) error {
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return err
	}
	defer snap.Close()
	// A plan tells what every expression is worth now. It reads what moved: some of what
	// the state remembers changes with others, or with time alone.
	f := &planFlags{varFlags: c.varFlags, parallelism: plan.DefaultParallelism, refresh: true}
	p, diags := s.makePlan(ctx, f, snap, &ui{s: s})
	if diags.HasErrors() {
		return diags
	}
	s.warn(diags)
	if !p.plan.Empty() {
		s.warnf("The files ask for changes that are not applied yet; the checks see the lab as it is")
	}
	checks, err := named(p.result.Checks, args)
	if err != nil {
		return err
	}
	if checks, err = withFaults(checks, p.result.Faults, c.with); err != nil {
		return err
	}
	if checks, err = s.later(snap, checks, c.at); err != nil {
		return err
	}
	results := s.runChecks(ctx, snap, checks, p.result)
	s.recordChecks(results)
	if c.junit != "" {
		err := writeFile(s.path(c.junit), 0o644, func(w io.Writer) error { return view.ChecksJUnit(w, results) })
		if err != nil {
			return err
		}
	}
	if c.json {
		err = view.ChecksJSON(s.out, results)
	} else {
		err = view.Checks(s.out, results, s.outStyle())
	}
	if err != nil {
		return err
	}
	if !passed(results) {
		return exitCode(exitError)
	}
	return nil
}

// named returns the checks that were asked for, all without names.
func named(checks []eval.Check, names []string) ([]eval.Check, error) {
	if len(names) == 0 {
		return checks, nil
	}
	var out []eval.Check
	for _, name := range names {
		i := slices.IndexFunc(checks, func(c eval.Check) bool { return c.Name == name })
		if i < 0 {
			known := make([]string, len(checks))
			for i, c := range checks {
				known[i] = c.Name
			}
			return nil, mistake(didYouMean(name, known, "`hellolab check` without a name runs all."), "There is no check %q", name)
		}
		out = append(out, checks[i])
	}
	return out, nil
}

// later has every check begin at the time that -at means.
func (s *session) later(base state.Base, checks []eval.Check, at string) ([]eval.Check, error) {
	if at == "" {
		return checks, nil
	}
	l, err := s.openLab(state.NewOverlay(base), 0, nil)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	now := l.Now()
	then, err := moment("-at", at, now)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(checks)
	for i := range out {
		after, err := providers.ParseDuration(cmp.Or(out[i].After, "0s"))
		if err != nil {
			return nil, err
		}
		out[i].After = providers.FormatDuration(after + then.Sub(now))
	}
	return out, nil
}

// withFaults adds faults to those of every check that tries something.
func withFaults(checks []eval.Check, known []eval.Fault, names []string) ([]eval.Check, error) {
	var have []string
	for _, f := range known {
		have = append(have, f.Name)
	}
	for i, name := range names {
		names[i] = strings.TrimPrefix(name, "fault.")
		if !slices.Contains(have, names[i]) {
			return nil, mistake(didYouMean(names[i], have, "Declare it: fault "+view.Quote(names[i])+" { … }."), "There is no fault %s", view.Quote(names[i]))
		}
	}
	out := slices.Clone(checks)
	for i, c := range out {
		if c.SignIn != nil || c.Provision != nil {
			out[i].Faults = slices.Concat(c.Faults, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(c.Faults, n) }))
		}
	}
	return out, nil
}

func passed(results []check.Result) bool {
	return !slices.ContainsFunc(results, func(r check.Result) bool { return r.Status != check.Pass })
}

// runChecks runs checks on a state that they leave as it is.
func (s *session) runChecks(ctx context.Context, base state.Base, checks []eval.Check, from *eval.Result) []check.Result {
	faults, err := fault.From(from.Faults)
	if err != nil {
		s.log.Warn("faults are not known", "error", err) // they were checked when they were read
	}
	return check.Run(ctx, check.Request{
		Checks:   checks,
		Faults:   faults,
		Registry: s.registry,
		Overlay:  func() (state.View, error) { return state.NewOverlay(base), nil },
		NewLab:   s.openTroubled,
		Hands:    s.hands(),
		Secrets:  check.SecretsOf(from.Desired),
		Workers:  runtime.GOMAXPROCS(0),
	})
}

// recordChecks keeps what happened for `hellolab trace`. A folder that cannot
// be written does not make a check fail.
func (s *session) recordChecks(results []check.Result) {
	j, err := journal.Create(s.journalDir(), "check", s.now())
	if err != nil {
		s.log.Warn("checks are not recorded", "error", err)
		return
	}
	for _, r := range results {
		for _, e := range r.Events {
			j.Emit(e)
		}
	}
	if err := j.Close(); err != nil {
		s.log.Warn("checks are not recorded", "error", err)
	}
}
