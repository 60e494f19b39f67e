package conformance

import (
	"context"
	"testing"
)

// Due has an object do what lab time has made due.
func (e *Env) Due(ctx context.Context, addr string) error {
	rec, err := objects{e}.Lookup(addr)
	if err != nil {
		return err
	}
	t := e.registry.Type(rec.Kind)
	if t.Due == nil || rec.Out.IsNull() {
		return nil
	}
	return t.Due(ctx, e.For(addr), rec)
}

// checkDue wants due work that is done once, also when it was cut off, and
// leaves the object what it was.
func checkDue(tb testing.TB, h Harness) {
	if h.subject(tb).typ.Due == nil {
		tb.Skip("time makes nothing due of this kind")
	}
	done := func(s *subject, when string) {
		for range 2 {
			if err := s.Due(s.ctx, s.addr(0)); err != nil {
				tb.Errorf("%s: Due: %v", when, err)
				return
			}
		}
		revision := s.revisions()
		if err := s.Due(s.ctx, s.addr(0)); err != nil {
			tb.Errorf("%s: Due with nothing due: %v", when, err)
		}
		if now := s.revisions(); now != revision {
			tb.Errorf("%s: Due wrote configuration with nothing due: revisions %s, before %s", when, now, revision)
		}
		rec, err := objects{s.Env}.Lookup(s.addr(0))
		if err != nil {
			tb.Error(err)
			return
		}
		s.settled(when+", done what is due", rec, s.In(0), s.key(0))
	}
	s := h.subject(tb)
	s.Create(s.addr(0), s.In(0))
	done(s, "created")
	eachKill(tb, h,
		func(s *subject) { s.Create(s.addr(0), s.In(0)) },
		func(ctx context.Context, s *subject) error { return s.Due(ctx, s.addr(0)) },
		done)
}
