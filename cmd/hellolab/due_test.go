package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// A renewal is due once an hour of lab time; it notes the hour.
type renewal struct {
	Name string `lab:"name,required" doc:"Name."`
	Fail bool   `lab:"fail" doc:"Whether it fails."`
}
type renewalOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

func renewalKind(calls *atomic.Int64, fails *atomic.Pointer[string]) providers.Type {
	return providers.Of(providers.Kind[renewal, renewalOut]{
		Name: "renewal", Doc: "A renewal.",
		Key: func(in renewal) string { return in.Name },
		Create: func(_ context.Context, env providers.Env, in renewal) (renewalOut, error) {
			if in.Fail {
				return renewalOut{}, errors.New("cannot be made")
			}
			return renewalOut{ID: in.Name}, nil
		},
		Due: func(ctx context.Context, env providers.Env, o providers.Object[renewal, renewalOut]) error {
			calls.Add(1)
			if f := fails.Load(); f != nil {
				return errors.New(*f)
			}
			env.Emit(event.Event{At: env.Now(), Correlation: "renewal-" + o.In.Name, Flow: "renew", Actor: event.Actor(o.Addr)})
			hour := []byte(env.Now().Truncate(time.Hour).Format(time.RFC3339))
			return env.Section.Record(ctx, func(w providers.Writer) error { return w.Put("renewal", "hour", hour) })
		},
	})
}

type dueLab struct {
	*session
	calls    atomic.Int64
	fails    atomic.Pointer[string]
	out, err lockedPrint
	now      atomic.Pointer[time.Time]
}

// lockedPrint is printed to by several goroutines.
type lockedPrint struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedPrint) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// taken returns what was printed since it was last asked.
func (l *lockedPrint) taken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return strings.Join(strings.Fields(l.b.String()), " ")
}

func newDueLab(t *testing.T, files string) *dueLab {
	t.Helper()
	d := &dueLab{}
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	d.now.Store(&at)
	log := slog.New(slog.DiscardHandler)
	random := newReady(t)
	sys := newSystems(log, random)
	t.Cleanup(func() { sys.Close() })
	sys.registry = providers.NewRegistry(renewalKind(&d.calls, &d.fails))
	d.session = &session{in: strings.NewReader(""), out: &d.out, err: &d.err, now: func() time.Time { return *d.now.Load() },
		rand: random, log: log, systems: sys, dir: t.TempDir()}
	d.write(t, files)
	return d
}

func (d *dueLab) write(t *testing.T, files string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "main.lab.hcl"), []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *dueLab) apply(t *testing.T) error {
	t.Helper()
	c := &applyCommand{autoApprove: true}
	c.refresh, c.parallelism = true, 1
	return c.run(t.Context(), d.session, nil)
}

// hour is what the renewal of an address noted.
func (d *dueLab) hour(t *testing.T, view state.View, addr string) (hour string) {
	t.Helper()
	err := state.NewSection(view, addr).View(func(r state.TableReader) error {
		v, _, err := r.Get("renewal", "hour")
		hour = string(v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hour
}

const (
	oneRenewal = `renewal "a" { name = "a" }`
	noPaper    = "the printer has no paper."
)

func TestAnApplyDoesWhatIsDue(t *testing.T) {
	d := newDueLab(t, oneRenewal)
	if err := d.apply(t); err != nil {
		t.Fatalf("%v: %s", err, d.err.taken())
	}
	snap, err := d.openRead(t.Context(), &stateFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.hour(t, state.NewOverlay(snap), "renewal.a"); got != "2026-03-02T09:00:00Z" || d.calls.Load() != 1 {
		t.Errorf("renewed at %q, after %d calls", got, d.calls.Load())
	}
	snap.Close()
	// What happened is in the run's own journal.
	flows, err := journal.Flows(d.journalDir())
	if err != nil || len(flows) != 1 || flows[0].Operation() != "apply" || flows[0].Name != "renew" {
		t.Errorf("recorded %+v, %v", flows, err)
	}

	// Trouble is a warning with the object's address, and the apply succeeds,
	// though there is nothing else to do.
	d.fails.Store(new(string))
	*d.fails.Load() = noPaper
	d.out.taken()
	if err := d.apply(t); err != nil {
		t.Errorf("an apply fails for what is due: %v", err)
	}
	if got := d.err.taken(); !strings.Contains(got, "Warning: What has become due of renewal.a is not done") || !strings.Contains(got, "The printer has no paper. It is tried again") {
		t.Errorf("told %q", got)
	}
	if got := d.out.taken(); !strings.Contains(got, "Apply complete!") {
		t.Errorf("printed %q", got)
	}

	// After steps that failed nothing more is tried.
	d.write(t, oneRenewal+"\n"+`renewal "b" {
  name = "b"
  fail = true
}`)
	before := d.calls.Load()
	if err := d.apply(t); err == nil || d.calls.Load() != before {
		t.Errorf("a failed apply: %v, then %d calls", err, d.calls.Load()-before)
	}
}

func TestAServeBeginsWithWhatIsDue(t *testing.T) {
	d := newDueLab(t, oneRenewal)
	if err := d.apply(t); err != nil {
		t.Fatal(err)
	}
	later := d.session.now().Add(time.Hour)
	d.now.Store(&later)
	// This lab answers on no host, which is seen when everything is open.
	err := d.serve(t.Context(), &serveFlags{clock: "lab", hosts: "lab", proxy: "127.0.0.1:0"}, "serve", nil)
	if err == nil || !strings.Contains(err.Error(), "nothing to serve") {
		t.Fatal(err)
	}
	snap, err := d.openRead(t.Context(), &stateFlags{})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if got := d.hour(t, state.NewOverlay(snap), "renewal.a"); got != "2026-03-02T10:00:00Z" {
		t.Errorf("renewed at %q", got)
	}
	flows, err := journal.Flows(d.journalDir())
	if err != nil || len(flows) != 2 || flows[1].Operation() != "serve" {
		t.Errorf("recorded %+v, %v", flows, err)
	}
}

func TestAServeKeepsUpWithWhatIsDue(t *testing.T) {
	d := newDueLab(t, oneRenewal)
	if err := d.apply(t); err != nil {
		t.Fatal(err)
	}
	store, err := d.openExisting(t.Context(), &stateFlags{}, "serve")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var events atomic.Int64
	l, err := lab.New(lab.Options{View: store, Registry: d.registry, Wall: d.session.now, Rand: rand.Reader, Emit: func(event.Event) { events.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := &served{s: d.session, lab: l}
	tick := make(chan time.Time)
	stop := v.keepUp(t.Context(), tick)
	later := d.session.now().Add(time.Hour)
	d.now.Store(&later)
	ticks := func(n int) {
		for range n {
			tick <- time.Time{}
		}
	}
	before := d.calls.Load()
	ticks(2) // the second is taken when the first is done
	if got := d.hour(t, store, "renewal.a"); got != "2026-03-02T10:00:00Z" || events.Load() == 0 {
		t.Errorf("renewed at %q, %d events", got, events.Load())
	}
	// Trouble is told once while it is the same, again when it is another, and
	// again after it had gone.
	told := func(reason *string, want int) {
		t.Helper()
		ticks(1)
		d.fails.Store(reason)
		ticks(3)
		if got := strings.Count(d.err.taken(), "What has become due of renewal.a is not done"); got != want {
			t.Errorf("told %d times, want %d", got, want)
		}
	}
	paper, ink := noPaper, "no ink"
	d.err.taken()
	told(&paper, 1)
	told(&paper, 0)
	told(&ink, 1)
	told(nil, 0)
	told(&paper, 1)
	stop()
	if got := d.calls.Load() - before; got != 22 && got != 21 { // the last may have been cut off
		t.Errorf("%d calls in 22 ticks", got)
	}
	select {
	case tick <- time.Time{}:
		t.Error("somebody still waits for a tick")
	default:
	}
}
