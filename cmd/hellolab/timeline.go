package main

import (
	"context"
	"flag"
	"iter"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// timelineCommand tells what becomes of sign-ins when nobody changes anything:
// what ends by itself, for whom and when. It reads a view of the state, so it
// works while an apply or a serve holds it.
type timelineCommand struct {
	stateFlags
	until string
	json  bool
}

func (c *timelineCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.until, "until", "+90d", "look ahead to a `TIME`: a duration from now, such as +365d, or a time, such as 2027-01-31")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *timelineCommand) run(ctx context.Context, s *session, _ []string) error {
	if _, err := moment("-until", c.until, time.Time{}); err != nil {
		return err
	}
	return s.glance(ctx, &c.stateFlags, func(l *lab.Lab) error {
		w, facts, err := s.signIns(ctx, l)
		if err != nil {
			return err
		}
		until, err := moment("-until", c.until, facts.Now)
		if err != nil {
			return err
		}
		t := timelineOf(w, facts, until)
		if c.json {
			return view.WriteIndentedJSON(s.out, t)
		}
		return view.WriteTimeline(s.out, t, s.outStyle())
	})
}

// timelineOf follows a lab from its facts, with what is due done, to a time.
func timelineOf(w *hello.World, now *access.Facts, until time.Time) *view.Timeline {
	t := &view.Timeline{Gaps: now.Gaps, Renewed: []view.Renewed{}, Upkeep: []view.Upkeep{}, Sessions: []view.SessionEnd{}}
	steps := instants(w, now, until, func(r access.Renewal) {
		t.Renewed = append(t.Renewed, view.Renewed{At: r.At, Address: r.Address, Controller: r.Controller, Ends: r.Ends})
	})
	lab := access.New(w, now)
	t.Course = impact.Follow(side{lab, lab.Stale()}, now.Now, steps, until)
	for i, e := range t.Course.Events {
		if r, ok := hello.ReasonFor(e.After.Reason); ok && e.After.Reason != hello.Success {
			t.Course.Events[i].Mend = r.Hint
		}
	}
	for _, u := range now.Upkeeps(w) {
		t.Upkeep = append(t.Upkeep, view.Upkeep{Address: u.Address, What: u.What, Every: view.Span(u.Every), Runs: u.Every > 0, Next: u.Next, Last: u.Last, Why: u.Why})
	}
	for _, e := range now.Sessions(w) {
		if !e.Ends.After(until) {
			t.Sessions = append(t.Sessions, view.SessionEnd{User: e.User, Device: e.Device, Ends: e.Ends})
		}
	}
	return t
}

// instants are the times up to until at which time alone changes sign-ins.
func instants(w *hello.World, now *access.Facts, until time.Time, renewed func(access.Renewal)) iter.Seq[impact.Instant] {
	return func(yield func(impact.Instant) bool) {
		for step := range now.Ahead(w, until) {
			for _, r := range step.Renewed {
				if renewed != nil {
					renewed(r)
				}
			}
			if !yield(impact.Instant{From: step.From, To: step.To, Side: side{Lab: access.New(w, step.Facts)}, Concerns: step.Concerns}) {
				return
			}
		}
	}
}
