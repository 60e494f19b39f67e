package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	explaining "hellolab/providers/hello/explain"
	"hellolab/providers/survey"
	"hellolab/state"
)

// explainCommand tells what is decided about a user on a device, and why: from
// what the systems hold, or, where they do not hold the pair yet, from the plan.
// It reads a view of the state, so it works while an apply runs.
type explainCommand struct {
	stateFlags
	varFlags
	to      string
	at      string
	planned bool
	all     bool
	json    bool
}

func (c *explainCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	c.varFlags.flags(fs)
	fs.StringVar(&c.to, "to", "", "explain the sign-in to `ADDRESS`: a tenant, an application, a domain or a service; without it, to the user's tenant and domain")
	fs.StringVar(&c.at, "at", "", "explain what holds after a `DURATION|TIME` of lab time, once what is due by then is done")
	fs.BoolVar(&c.planned, "planned", false, "explain what would hold once the files are applied")
	fs.BoolVar(&c.all, "all", false, "show settings that no policy sets, too")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *explainCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 2 {
		return mistake("Usage: hellolab explain USER DEVICE, such as hellolab explain user.alice device.laptop", "A user and a device are needed")
	}
	ahead := func(time.Time) time.Duration { return 0 }
	if c.at != "" {
		var err error
		if ahead, err = destination(c.at); err != nil {
			return err
		}
	}
	r := explaining.Request{User: args[0], Device: args[1], To: c.to}
	found, err := c.applied(ctx, s, r, ahead)
	switch {
	case err != nil:
		return err
	case found == nil:
		if found, err = c.fromPlan(ctx, s, r, ahead); err != nil {
			return err
		}
	}
	if c.json {
		return view.WriteIndentedJSON(s.out, found)
	}
	return view.Explanation(s.out, *found, view.ExplainOptions{Style: s.outStyle(), All: c.all})
}

// applied explains from what the systems hold; nil when they do not hold the
// pair, or the plan is asked for.
func (c *explainCommand) applied(ctx context.Context, s *session, r explaining.Request, ahead func(time.Time) time.Duration) (found *explaining.Explanation, err error) {
	if c.planned {
		return nil, nil
	}
	err = s.glance(ctx, &c.stateFlags, func(l *lab.Lab) error {
		records, err := everything(l, s.registry)
		if err != nil {
			return err
		}
		w, err := hello.NewWorld(records)
		if err != nil {
			return err
		}
		if u, d := w.Users[r.User], w.Devices[r.Device]; u == nil || d == nil || !u.Exists() || !d.Exists() {
			return nil
		}
		by := ahead(l.Now())
		if by < 0 {
			return unmoved(lab.ErrBackward, l.Now())
		}
		if by > 0 {
			if err := l.Advance(ctx, by); err != nil {
				return unmoved(err, l.Now())
			}
			if _, err := l.CatchUp(ctx); err != nil {
				return err
			}
			if records, err = everything(l, s.registry); err != nil {
				return err
			}
			if w, err = hello.NewWorld(records); err != nil {
				return err
			}
		}
		if err := aims(w, r); err != nil {
			return err
		}
		held, err := s.held(ctx, l, w, r)
		if err != nil {
			return err
		}
		x := explaining.Explain(w, held, r)
		found = &x
		return nil
	})
	if errors.Is(err, state.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

// held is what the systems hold: of the lab by a survey, of the device by what
// it says of itself.
func (s *session) held(ctx context.Context, l *lab.Lab, w *hello.World, r explaining.Request) (explaining.Held, error) {
	facts, err := s.survey(ctx, l)
	if err != nil {
		return explaining.Held{}, err
	}
	held := explaining.Held{Applied: true, Lab: facts, Launch: w.Planned(r.User, r.Device)}
	rec, err := l.Objects().Lookup(r.Device)
	if err != nil {
		return held, err
	}
	status, err := s.windows.Status(l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In), r.Device, r.User)
	if err != nil {
		return held, err
	}
	held.Launch = status.Facts(held.Launch)
	return held, nil
}

// survey reads what the systems of a lab hold.
func (s *session) survey(ctx context.Context, l *lab.Lab) (*access.Facts, error) {
	var failed error
	env := func(addr string) providers.Env {
		if addr == "" {
			return l.Env("", &providers.Type{}, cty.NilVal)
		}
		rec, err := l.Objects().Lookup(addr)
		if err != nil {
			failed = errors.Join(failed, err)
			return l.Env(addr, &providers.Type{}, cty.NilVal)
		}
		return l.Env(addr, s.registry.Type(rec.Kind), rec.In)
	}
	facts, err := survey.Read(ctx, env, s.windows)
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	surveyRevocations(ctx, env, facts)
	return facts, surveyServers(ctx, env(""), facts)
}

// fromPlan explains what would hold once the files are applied.
func (c *explainCommand) fromPlan(ctx context.Context, s *session, r explaining.Request, ahead func(time.Time) time.Duration) (*explaining.Explanation, error) {
	base, err := s.planBase(ctx, &c.stateFlags)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	u := &ui{s: s}
	seen := &rules{}
	f := planFlags{stateFlags: c.stateFlags, varFlags: c.varFlags, parallelism: plan.DefaultParallelism, rules: seen}
	if _, diags := s.makePlan(ctx, &f, base, u); diags.HasErrors() {
		told := u.diagnostics(diags)
		if seen.objects == nil {
			return nil, told
		} // what cannot be applied can still be explained
	}
	is, err := hello.NewWorld(seen.objects)
	if err != nil {
		return nil, err
	}
	if err := pairOf(is, r); err != nil {
		return nil, err
	}
	if err := aims(is, r); err != nil {
		return nil, err
	}
	view := state.NewOverlay(base)
	l, err := s.openLab(view, 0, nil)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	records, err := everything(l, s.registry)
	if err != nil {
		return nil, err
	}
	was, err := hello.NewWorld(records)
	if err != nil {
		return nil, err
	}
	facts, err := s.survey(ctx, l)
	if err != nil {
		return nil, err
	}
	by := ahead(l.Now())
	if by < 0 {
		return nil, unmoved(lab.ErrBackward, l.Now())
	}
	facts = access.Planned(facts, was, is)
	facts = facts.Later(is, facts.Now)
	if by > 0 {
		facts = facts.Later(is, facts.Now.Add(by))
	}
	x := explaining.Explain(is, explaining.Held{Lab: facts, Launch: is.Planned(r.User, r.Device)}, r)
	return &x, nil
}

// everything is the records of a lab, of every kind.
func everything(l *lab.Lab, registry *providers.Registry) ([]providers.Record, error) {
	var all []providers.Record
	for _, kind := range registry.Names() {
		found, err := l.Objects().List(kind)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// pairOf demands that user and device are declared.
func pairOf(w *hello.World, r explaining.Request) error {
	if w.Users[r.User] == nil {
		return notDeclared(r.User, "user", w.Users)
	}
	if w.Devices[r.Device] == nil {
		return notDeclared(r.Device, "device", w.Devices)
	}
	return nil
}

// aims demands that the target is something to sign in to.
func aims(w *hello.World, r explaining.Request) error {
	if r.To == "" || w.Tenants[r.To] != nil || w.Applications[r.To] != nil || w.Domains[r.To] != nil || w.Services[r.To] != nil {
		return nil
	}
	var known []string
	for _, names := range [][]string{names(w.Tenants), names(w.Applications), names(w.Domains), names(w.Services)} {
		known = append(known, names...)
	}
	return mistake(didYouMean(r.To, known, "-to takes a tenant, an application, a domain or a service."), "%s is nothing to sign in to", view.Quote(r.To))
}

func notDeclared[T any](addr, kind string, declared map[string]T) error {
	return mistake(didYouMean(addr, names(declared), "The files and the state declare what can be named."), "There is no %s %s", kind, addr)
}

func names[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	return out
}
