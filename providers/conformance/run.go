package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// Harness is what Run needs to know of a kind.
type Harness struct {
	// Kind is the kind under test.
	Kind string
	// Env returns a new lab in which everything that In refers to exists.
	Env func(testing.TB) *Env
	// In returns the nth configuration, as Env.Create takes it, each with a key
	// of its own. Write-only values must be eight bytes or longer and differ, for
	// Run looks for them where they must not be.
	In func(n int) any
	// Change returns In(n) with something changed that Update can change in
	// place, the key among it where Update can. Nil for a kind without Update.
	Change func(n int) any
	// Every thins the instants at which a call is killed: each Everyth one is
	// tried. Zero means all.
	Every int
}

// check is one clause of the contract.
type check struct {
	name string
	run  func(testing.TB, Harness)
}

var checks = []check{
	{"life", checkLife},
	{"unknown key", checkUnknownKey},
	{"created twice", checkTwice},
	{"concurrent", checkConcurrent},
	{"killed create", checkKilledCreate},
	{"killed update", checkKilledUpdate},
	{"killed delete", checkKilledDelete},
	{"due", checkDue},
	{"secrets", checkSecrets},
}

// Run holds a kind to the contract of package providers, one subtest a clause.
func Run(t *testing.T, h Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// subject is the kind under test in one lab.
type subject struct {
	*Env
	Harness
	tb  testing.TB
	ctx context.Context
	typ *providers.Type
}

func (h Harness) subject(tb testing.TB) *subject {
	tb.Helper()
	env := h.Env(tb)
	typ := env.registry.Type(h.Kind)
	if typ == nil {
		tb.Fatalf("the lab has no kind %q", h.Kind)
	}
	if (h.Change == nil) != (typ.Update == nil) {
		tb.Fatalf("kind %s: Harness.Change is for kinds with Update, and must be given for those", h.Kind)
	}
	return &subject{Env: env, Harness: h, tb: tb, ctx: tb.Context(), typ: typ}
}

func (s *subject) addr(n int) string { return fmt.Sprintf("%s.c%d", s.Kind, n) }

// config is configuration n as the language completes it.
func (s *subject) config(in any) cty.Value {
	s.tb.Helper()
	v, err := configuration(s.typ, in)
	if err != nil {
		s.tb.Fatalf("harness: %v", err)
	}
	return v
}

func (s *subject) key(n int) string { return s.typ.Key(s.config(s.In(n))) }

// changed is the key of what Change makes of configuration n.
func (s *subject) changed(n int) string { return s.typ.Key(s.config(s.Change(n))) }

// needsKey ends the check of a kind whose objects are in no directory.
func (s *subject) needsKey() {
	s.tb.Helper()
	if s.key(0) == "" {
		s.tb.Skip("the kind has no key: it is in no directory")
	}
}

// holds checks a record against what was asked, and its Out against known.
func (s *subject) holds(what string, rec providers.Record, in any, known cty.Value) {
	s.tb.Helper()
	want := s.typ.Schema.WithoutWriteOnly(s.config(in))
	if got := s.typ.Schema.Keep(want, rec.In); !got.RawEquals(want) {
		s.tb.Errorf("%s: In is %#v\nasked was %#v", what, got, want)
	}
	if !rec.Out.Type().Equals(s.typ.Schema.OutType) && !s.typ.Schema.OutType.HasDynamicTypes() {
		s.tb.Errorf("%s: Out is of type %#v", what, rec.Out.Type())
	}
	if known != cty.NilVal {
		s.sameOut(what, rec.Out, known)
	}
}

// sameOut compares what two calls learned, but for what time changes.
func (s *subject) sameOut(what string, got, want cty.Value) {
	s.tb.Helper()
	for _, a := range s.typ.Schema.Out {
		if g, w := got.GetAttr(a.Name), want.GetAttr(a.Name); !a.Volatile && !g.RawEquals(w) {
			s.tb.Errorf("%s: %s is %#v, before it was %#v", what, a.Name, g, w)
		}
	}
}

// gone checks that neither Find nor Read know the object any more. As in a
// recovery, it is still declared: Find may ask where it was to live.
func (s *subject) gone(what string, rec providers.Record, key string) {
	s.tb.Helper()
	s.keep(providers.Record{Addr: rec.Addr, Kind: rec.Kind, In: rec.In, Out: cty.NullVal(s.typ.Schema.OutType)})
	defer s.forget(rec.Addr)
	env := s.For(rec.Addr)
	if got, err := s.typ.Find(s.ctx, env, key); !errors.Is(err, providers.ErrGone) {
		s.tb.Errorf("%s: Find answers %#v, %v; want ErrGone", what, got.Out, err)
	}
	if s.typ.Read != nil {
		if got, err := s.typ.Read(s.ctx, env, rec); !errors.Is(err, providers.ErrGone) {
			s.tb.Errorf("%s: Read answers %#v, %v; want ErrGone", what, got.Out, err)
		}
	}
}

// settled checks that Find and Read agree with rec, and change nothing.
func (s *subject) settled(what string, rec providers.Record, in any, key string) {
	s.tb.Helper()
	revision := s.revisions()
	if key != "" {
		found, err := s.Find(s.ctx, rec.Addr, key)
		if err != nil {
			s.tb.Errorf("%s: Find(%q): %v", what, key, err)
			return
		}
		if found.ID != rec.ID {
			s.tb.Errorf("%s: Find(%q) has id %q, want %q", what, key, found.ID, rec.ID)
		}
		s.holds(what+", found", found, in, rec.Out)
	}
	read, err := s.Read(s.ctx, rec.Addr)
	if err != nil {
		s.tb.Errorf("%s: Read: %v", what, err)
		return
	}
	s.holds(what+", read", read, in, rec.Out)
	if now := s.revisions(); now != revision {
		s.tb.Errorf("%s: Find or Read wrote configuration: revisions %s, before %s", what, now, revision)
	}
}

func (s *subject) revisions() string {
	var all []string
	_ = s.store.now.Load().scan("", func(key string, _ []byte) error {
		if section, ok := strings.CutSuffix(key, revisionKey("")); ok && !strings.Contains(section, "\x00") {
			all = append(all, fmt.Sprint(section, " ", s.Revision(section)))
		}
		return nil
	})
	return strings.Join(all, ", ")
}

func checkLife(tb testing.TB, h Harness) {
	s := h.subject(tb)
	addr, key := s.addr(0), s.key(0)

	predicted := s.typ.Predict(s.config(s.In(0)))
	rec := s.Create(addr, s.In(0))
	for _, a := range s.typ.Schema.Out {
		if p := predicted.GetAttr(a.Name); p.IsWhollyKnown() && !a.Volatile && !p.RawEquals(rec.Out.GetAttr(a.Name)) {
			tb.Errorf("Predict said %s is %#v, it is %#v", a.Name, p, rec.Out.GetAttr(a.Name))
		}
	}
	s.holds("created", rec, s.In(0), cty.NilVal)
	s.settled("created", rec, s.In(0), key)
	s.Restart()
	s.settled("after a restart", rec, s.In(0), key)

	if s.typ.Update != nil {
		last, was := s.Change(0), rec
		rec = s.Update(addr, last)
		if rec.ID != was.ID || idOf(s.typ, rec.Out) != was.ID {
			tb.Errorf("Update changed the id from %q to %q", was.ID, idOf(s.typ, rec.Out))
		}
		s.settled("updated", rec, last, s.changed(0))
		if _, err := s.typ.Find(s.ctx, s.For(addr), key); key != s.changed(0) && !errors.Is(err, providers.ErrGone) {
			tb.Errorf("Find(%q), the key before the update: %v; want ErrGone", key, err)
		}
		rec = s.Update(addr, s.In(0))
		s.settled("changed back", rec, s.In(0), key)
	}

	s.Delete(addr)
	s.gone("deleted", rec, key)
	if s.typ.Delete != nil {
		if err := s.typ.Delete(s.ctx, s.For(addr), rec); err != nil && !errors.Is(err, providers.ErrGone) {
			tb.Errorf("deleting what is gone: %v; want ErrGone or nothing", err)
		}
	}
	s.settled("created anew", s.Create(addr, s.In(0)), s.In(0), key)
}

func checkUnknownKey(tb testing.TB, h Harness) {
	s := h.subject(tb)
	s.Declare(s.addr(0), s.In(0))
	for _, key := range []string{"nobody-has-this-key", "", "*", "a'b", s.key(0)} {
		if rec, err := s.typ.Find(s.ctx, s.For(s.addr(0)), key); !errors.Is(err, providers.ErrGone) {
			tb.Errorf("Find(%q) = %#v, %v; want ErrGone", key, rec.Out, err)
		}
	}
}

func checkTwice(tb testing.TB, h Harness) {
	s := h.subject(tb)
	s.needsKey()
	first := s.Create(s.addr(0), s.In(0))
	second, err := s.TryCreate(s.ctx, s.addr(1), s.In(0))
	if err == nil && second.ID != first.ID {
		tb.Errorf("one key, two objects: %q and %q", first.ID, second.ID)
	}
	s.settled("after a second Create", first, s.In(0), s.key(0))
}

func checkConcurrent(tb testing.TB, h Harness) {
	const objects = 4
	s := h.subject(tb)
	for n := range objects {
		s.Declare(s.addr(n), s.In(n))
	}
	var wg sync.WaitGroup
	recs, errs := make([]providers.Record, objects), make([]error, objects)
	for n := range objects {
		wg.Go(func() { recs[n], errs[n] = s.TryCreate(s.ctx, s.addr(n), s.In(n)) })
	}
	wg.Wait()
	ids := map[string]string{}
	for n, rec := range recs {
		if errs[n] != nil {
			tb.Fatalf("%s: %v", s.addr(n), errs[n])
		}
		if other, dup := ids[rec.ID]; dup {
			tb.Errorf("%s and %s have one id, %q", other, rec.Addr, rec.ID)
		}
		ids[rec.ID] = rec.Addr
	}
	for n, rec := range recs {
		s.settled(rec.Addr, rec, s.In(n), s.key(n))
	}
	// One goes, the others stay.
	s.Delete(s.addr(0))
	s.gone("deleted", recs[0], s.key(0))
	for n := 1; n < objects; n++ {
		s.settled("after a neighbour was deleted, "+recs[n].Addr, recs[n], s.In(n), s.key(n))
	}
}

// eachKill runs call in new labs, killed at one instant after the other, until
// it comes through; and then in each lab where it did not. A short run takes one
// instant of four.
func eachKill(tb testing.TB, h Harness, prepare func(*subject), call func(context.Context, *subject) error, then func(*subject, string)) {
	tb.Helper()
	step := max(1, h.Every)
	if testing.Short() {
		step *= 4
	}
	for n := 1; ; n += step {
		s := h.subject(tb)
		prepare(s)
		var err error
		killed := s.KillAt(s.ctx, n, func(ctx context.Context) { err = call(ctx, s) })
		if !killed && err != nil {
			tb.Fatalf("not killed, and fails: %v", err)
		}
		if !killed {
			return
		}
		if then(s, fmt.Sprintf("killed at instant %d", n)); tb.Failed() {
			return
		}
	}
}

func checkKilledCreate(tb testing.TB, h Harness) {
	eachKill(tb, h,
		func(s *subject) { s.Declare(s.addr(0), s.In(0)) },
		func(ctx context.Context, s *subject) error {
			_, err := s.TryCreate(ctx, s.addr(0), s.In(0))
			return err
		},
		func(s *subject, when string) {
			addr, key := s.addr(0), s.key(0)
			rec, err := s.Find(s.ctx, addr, key)
			want := s.typ.Schema.WithoutWriteOnly(s.config(s.In(0)))
			switch {
			case errors.Is(err, providers.ErrGone):
			case err != nil:
				tb.Errorf("%s: Find: %v", when, err)
				return
			case s.typ.Schema.Keep(want, rec.In).RawEquals(want):
				s.settled(when+", adopted", rec, s.In(0), key)
				return
			default: // half done, and Find says so
				s.Delete(addr)
				s.gone(when+", deleted", rec, key)
			}
			again, err := s.TryCreate(s.ctx, addr, s.In(0))
			if err != nil {
				tb.Errorf("%s: creating it again: %v", when, err)
				return
			}
			s.settled(when+", created again", again, s.In(0), key)
		})
}

func checkKilledUpdate(tb testing.TB, h Harness) {
	if h.Change == nil {
		tb.Skip("the kind has no Update: every change replaces")
	}
	eachKill(tb, h,
		func(s *subject) { s.Create(s.addr(0), s.In(0)) },
		func(ctx context.Context, s *subject) error {
			_, err := s.TryUpdate(ctx, s.addr(0), s.Change(0))
			return err
		},
		func(s *subject, when string) {
			if _, err := s.Read(s.ctx, s.addr(0)); err != nil {
				tb.Errorf("%s: Read: %v", when, err)
				return
			}
			rec, err := s.TryUpdate(s.ctx, s.addr(0), s.Change(0))
			if err != nil {
				tb.Errorf("%s: updating it again: %v", when, err)
				return
			}
			s.settled(when+", updated again", rec, s.Change(0), s.changed(0))
		})
}

func checkKilledDelete(tb testing.TB, h Harness) {
	eachKill(tb, h,
		func(s *subject) { s.Create(s.addr(0), s.In(0)) },
		func(ctx context.Context, s *subject) error { return s.TryDelete(ctx, s.addr(0)) },
		func(s *subject, when string) {
			rec, err := objects{s.Env}.Lookup(s.addr(0))
			if err == nil {
				if err := s.TryDelete(s.ctx, s.addr(0)); err != nil && !errors.Is(err, providers.ErrGone) {
					tb.Errorf("%s: deleting it again: %v", when, err)
				}
				s.gone(when+", deleted again", rec, s.key(0))
			}
			s.settled(when+", created anew", s.Create(s.addr(0), s.In(0)), s.In(0), s.key(0))
		})
}
