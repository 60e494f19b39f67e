package main

import (
	"context"
	"flag"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// rehearsal is what commands have in common that change what people sign in with:
// the state, and that they show first which sign-ins that changes.
type rehearsal struct {
	stateFlags
	impact string
}

func (r *rehearsal) flags(fs *flag.FlagSet) {
	r.stateFlags.flags(fs)
	fs.StringVar(&r.impact, "impact", impactFull, "how much to show first of the sign-ins that change: `HOW`, full, summary or none")
}

// show runs do on a throwaway view of the state, and shows how sign-ins end before
// it and after it. do says whether it did what it is for; what it is refused with
// is told when it is done for good. Where another process sent the command, it has
// shown that.
func (r *rehearsal) show(ctx context.Context, s *session, do func(*lab.Lab) (bool, error)) error {
	return r.drill(ctx, s, "", do)
}

// returning is how far a drill looks ahead for what undoes it.
const returning = 7 * 24 * time.Hour

// drill is show of a step against a user's credentials: it also shows which of the
// user's sign-ins stay open, and which come back by themselves. user is an
// address, or "".
func (r *rehearsal) drill(ctx context.Context, s *session, user string, do func(*lab.Lab) (bool, error)) error {
	switch {
	case r.impact != impactFull && r.impact != impactSummary && r.impact != impactNone:
		return mistake("Use full, summary or none.", "-impact=%s says not how much to show", view.Quote(r.impact))
	case r.impact == impactNone || s.served != nil:
		return nil
	}
	return s.glance(ctx, &r.stateFlags, func(l *lab.Lab) error {
		w0, before, err := s.signIns(ctx, l)
		if err != nil {
			return err
		}
		done, err := do(l)
		if err != nil || !done {
			return err
		}
		w, facts, err := s.signIns(ctx, l)
		if err != nil {
			return err
		}
		report := impact.Compare(side{Lab: access.New(w0, before)}, side{Lab: access.New(w, facts)}, facts.Now)
		report.Now, report.Gaps = facts.Now, facts.Gaps
		if report.Enrollments == 0 && len(report.Gaps) == 0 {
			return nil // nobody signs in here
		}
		if err := view.Impact(s.out, report, r.impact == impactSummary, s.outStyle()); err != nil {
			return err
		}
		if user != "" && r.impact == impactFull {
			after := side{Lab: access.New(w, facts)}
			back := impact.Follow(after, facts.Now, instants(w, facts, facts.Now.Add(returning), nil), facts.Now.Add(returning))
			if err := view.Drill(s.out, user, impact.Ways(after, user), back, report); err != nil {
				return err
			}
		}
		s.printf("\n")
		return nil
	})
}

// signIns is a lab as its systems are, with what is due done: what sign-ins are
// decided by.
func (s *session) signIns(ctx context.Context, l *lab.Lab) (*hello.World, *access.Facts, error) {
	records, err := everything(l, s.registry)
	if err != nil {
		return nil, nil, err
	}
	w, err := hello.NewWorld(records)
	if err != nil {
		return nil, nil, err
	}
	facts, err := s.survey(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	return w, facts.Later(w, facts.Now), nil
}
