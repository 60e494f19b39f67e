package main

import (
	"context"
	"flag"
	"iter"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
)

// timelineCommand tells which sign-ins change by themselves, for whom and when.
type timelineCommand struct {
	stateFlags
	ahead string
	json  bool
}

func (c *timelineCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.ahead, "for", "90d", "how far to look ahead, a `DURATION`")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// mostInstants bounds how many times are looked at: each costs a preview of the
// whole lab.
const mostInstants = 200

func (c *timelineCommand) run(ctx context.Context, s *session, _ []string) error {
	ahead, err := providers.ParseDuration(c.ahead)
	if err != nil || ahead <= 0 {
		return mistake("Write a duration, such as 90d or 12h.", "-for=%q is not a time to look ahead", c.ahead)
	}
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		records, err := everything(l, s.registry)
		if err != nil {
			return err
		}
		world, err := hello.NewWorld(records)
		if err != nil {
			return err
		}
		facts, err := s.survey(ctx, l)
		if err != nil {
			return err
		}
		last := facts.Now.Add(ahead)
		instants := facts.Instants(world, last)
		if len(instants) > mostInstants {
			instants, last = instants[:mostInstants], instants[mostInstants-1]
		}
		t := view.Timeline{Now: facts.Now.UTC(), Last: last.UTC(), Gaps: facts.Gaps}
		t.Turns = impact.Timeline(side{access.New(world, facts)}, through(world, facts, instants))
		if c.json {
			return view.WriteIndentedJSON(s.out, t)
		}
		return view.WriteTimeline(s.out, t, s.outStyle())
	})
}

// through is a lab at each of some instants, with what is due by then done.
func through(w *hello.World, facts *access.Facts, instants []time.Time) iter.Seq2[time.Time, impact.Side] {
	return func(yield func(time.Time, impact.Side) bool) {
		for _, at := range instants {
			facts = facts.Later(w, at)
			if !yield(at, side{access.New(w, facts)}) {
				return
			}
		}
	}
}
