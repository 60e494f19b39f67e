package connect

import (
	"context"
	"errors"
	"slices"
	"time"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/connect"
)

// schedule is when cycles and their parts ran and run.
type schedule struct {
	Next  time.Time                `json:"next"` // of the cycles
	Last  *connect.Report          `json:"last,omitempty"`
	Parts map[connect.Part]*timing `json:"parts,omitempty"`
}

// timing is when a part ran and runs.
type timing struct {
	Next   time.Time      `json:"next,omitzero"` // of a part with a schedule of its own
	Ended  time.Time      `json:"ended,omitzero"`
	Result connect.Result `json:"result,omitempty"`
}

// of is the timing of a part.
func (s *schedule) of(p connect.Part) *timing {
	if s.Parts == nil {
		s.Parts = map[connect.Part]*timing{}
	}
	if s.Parts[p] == nil {
		s.Parts[p] = &timing{}
	}
	return s.Parts[p]
}

// plan is when a part is to run, as declared.
type plan struct {
	on       bool // it is done at all
	own      bool // apart from the cycles
	enabled  bool // it runs by itself
	interval time.Duration
}

// planned is when a part is to run.
func planned(in spec.Sync, p connect.Part) plan {
	cycles := plan{on: true, enabled: in.Enabled, interval: in.Interval}
	switch p {
	case connect.KeyExport:
		return cycles.with(in.KeyExport, in.KeySchedule)
	case connect.DeviceWriteback:
		return cycles.with(in.DeviceWriteback, in.DeviceSchedule)
	}
	return cycles
}

func (p plan) with(on bool, own *spec.SyncSchedule) plan {
	p.on = on
	if own == nil {
		return p
	}
	p.own, p.enabled = true, own.Enabled == nil || *own.Enabled
	if own.Interval != nil {
		p.interval = *own.Interval
	}
	return p
}

// parts are those that a cycle is to run, in order.
func parts(in spec.Sync, asked []connect.Part) (run []connect.Part) {
	for _, p := range connect.Parts() {
		if is := planned(in, p); is.on && (slices.Contains(asked, p) || len(asked) == 0 && !is.own) {
			run = append(run, p)
		}
	}
	return run
}

// ran notes a cycle that ended.
func (s *schedule) ran(in spec.Sync, r *connect.Report, now time.Time) {
	s.Last = r
	for _, p := range r.Parts {
		t, is := s.of(p), planned(in, p)
		t.Ended, t.Result = now, r.Result
		switch {
		case is.own:
			t.Next = now.Add(is.interval)
		case p == connect.Accounts:
			s.Next = now.Add(is.interval)
		}
	}
}

// replan sets when what is scheduled otherwise than before runs next: an
// interval after its last end, or after now. A part that is paused and started
// again begins a new interval.
func (s *schedule) replan(was, in spec.Sync, now time.Time) {
	for _, p := range connect.Parts() {
		before, is := planned(was, p), planned(in, p)
		if before == is || !is.own && p != connect.Accounts {
			continue
		}
		ended := s.of(p).Ended
		if ended.IsZero() {
			ended = now
		}
		if is.own {
			s.of(p).Next = ended.Add(is.interval)
		} else {
			s.Next = ended.Add(is.interval)
		}
	}
}

// next is when a part is due, the zero time when it does not run by itself.
func (s *schedule) next(in spec.Sync, p connect.Part) time.Time {
	switch is := planned(in, p); {
	case !is.on || !is.enabled:
		return time.Time{}
	case is.own:
		return s.of(p).Next
	}
	return s.Next
}

// last is when a part ended last, "" when it never ran.
func (s *schedule) last(p connect.Part) string { return stamp(s.of(p).Ended) }

// schedules are those of all parts as the server's administrator sees them.
func (s *schedule) schedules(in spec.Sync) (out []connect.Schedule) {
	for _, p := range connect.Parts() {
		is, t := planned(in, p), s.of(p)
		out = append(out, connect.Schedule{Part: p, On: is.on, Own: is.own, Enabled: is.on && is.enabled, Interval: providers.FormatDuration(is.interval),
			Last: stamp(t.Ended), Result: t.Result, Next: stamp(s.next(in, p))})
	}
	return out
}

// due runs what it is time for: a cycle, and each part that has a schedule of its
// own. It asks the server as anybody does, which runs one at a time.
func due(ctx context.Context, env providers.Env, o object) error {
	set, err := loadSettings(env)
	if errors.Is(err, providers.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := loadSchedule(env)
	if err != nil {
		return err
	}
	var failed error
	for _, p := range connect.Parts() {
		is, when := planned(set.In, p), at.next(set.In, p)
		if p != connect.Accounts && !is.own || when.IsZero() || env.Now().Before(when) {
			continue
		}
		q := connect.Request{Reason: connect.ReasonSchedule, Own: true}
		if is.own {
			q.Parts = []connect.Part{p}
		}
		report, err := connect.Cycle(ctx, env, connect.Server{Host: o.Out.Host, Secret: o.Out.Admin}, q)
		if err == nil {
			err = report.Err()
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func loadSchedule(env providers.Env) (*schedule, error) {
	var s schedule
	_, err := load(env, tableServer, keySchedule, &s)
	if s.Last != nil && s.Parts == nil { // of a program that knew one schedule
		at, _ := time.Parse(time.RFC3339, s.Last.Ended) // this package wrote it
		s.Parts = map[connect.Part]*timing{}
		for _, p := range []connect.Part{connect.Accounts, connect.KeyExport} {
			*s.of(p) = timing{Ended: at, Result: s.Last.Result}
		}
	}
	return &s, err
}

// storeSchedule moves the section's revision: the next plan learns of the cycle.
func storeSchedule(ctx context.Context, env providers.Env, s *schedule) error {
	return env.Section.Update(ctx, func(w providers.Writer) error { return put(w, tableServer, keySchedule, s) })
}
