package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// clockLab is a lab without objects whose machine stands at noon.
func clockLab(t *testing.T, view state.View, w *wall, emit event.Sink) *Lab {
	t.Helper()
	l, err := New(Options{View: view, Registry: providers.NewRegistry(), Wall: w.now, Rand: rand.Reader, Emit: emit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func storedOffset(t *testing.T, view state.View) (d time.Duration) {
	t.Helper()
	err := view.Read(func(r state.Reader) (err error) {
		d, err = state.ClockOffset(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAdvanceMovesOpenServicesAndTheState(t *testing.T) {
	view, w := state.NewOverlay(state.Empty(state.Meta{})), &wall{noon}
	l := clockLab(t, view, w, nil)
	now := l.Env("host.a", &providers.Type{}, cty.NilVal).Now // as a service that is open keeps it
	for n, d := range []time.Duration{time.Nanosecond, time.Hour, 3650 * 24 * time.Hour} {
		before := now()
		if err := l.Advance(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if got := now().Sub(before); got != d {
			t.Errorf("move %d: the service's clock moved by %v, want %v", n, got, d)
		}
	}
	moved := time.Nanosecond + time.Hour + 3650*24*time.Hour
	if storedOffset(t, view) != moved || l.Offset() != moved {
		t.Errorf("stored %v, offset %v, want %v", storedOffset(t, view), l.Offset(), moved)
	}
	w.at = w.at.Add(time.Minute)
	if got := now(); !got.Equal(noon.Add(moved + time.Minute)) {
		t.Errorf("a minute later it is %v", got)
	}
	// A lab that is opened on the state goes on from there.
	if got := clockLab(t, view, w, nil).Now(); !got.Equal(now()) {
		t.Errorf("opened anew it is %v, want %v", got, now())
	}
}

// Fault 101: ten years, 2038, 2106 and a leap day are times as others are, and
// nothing overflows.
func TestAdvanceToTimesThatOthersStumbleOver(t *testing.T) {
	view, w := state.NewOverlay(state.Empty(state.Meta{})), &wall{noon}
	l := clockLab(t, view, w, nil)
	for _, to := range []time.Time{
		time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC),
		noon.AddDate(10, 0, 0),
		time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), // behind 31 bits of seconds
		time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC), // behind 32
		Latest(),
	} {
		if err := l.Advance(t.Context(), to.Sub(l.Now())); err != nil {
			t.Fatalf("to %v: %v", to, err)
		}
		if !l.Now().Equal(to) {
			t.Errorf("it is %v, want %v", l.Now(), to)
		}
	}
	if !clockLab(t, view, w, nil).Now().Equal(Latest()) {
		t.Error("the state remembers another time")
	}
}

func TestAdvanceRefuses(t *testing.T) {
	view := state.NewOverlay(state.Empty(state.Meta{}))
	l := clockLab(t, view, &wall{noon}, nil)
	for d, want := range map[time.Duration]error{
		0: ErrBackward, -1: ErrBackward, -1 << 63: ErrBackward,
		Latest().Sub(noon) + 1: ErrTooFar, 1<<63 - 1: ErrTooFar,
	} {
		if err := l.Advance(t.Context(), d); !errors.Is(err, want) {
			t.Errorf("by %v: %v, want %v", d, err, want)
		}
	}
	// An offset that is stored and as long as durations are.
	if err := view.Commit(t.Context(), func(w state.Writer) error { return state.SetClockOffset(w, 1<<63-1) }); err != nil {
		t.Fatal(err)
	}
	if err := l.Advance(t.Context(), time.Hour); !errors.Is(err, ErrTooFar) {
		t.Errorf("on the longest offset: %v", err)
	}
	if !l.Now().Equal(noon) {
		t.Errorf("a refusal moved the clock to %v", l.Now())
	}
	// What cannot be stored does not move.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Advance(ctx, time.Hour); err == nil && storedOffset(t, view) == 1<<63-1 {
		t.Error("the clock moved and the state does not know")
	}
}

func TestAdvanceOfSeveralAddsUp(t *testing.T) {
	view := state.NewOverlay(state.Empty(state.Meta{}))
	l := clockLab(t, view, &wall{noon}, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := l.Advance(t.Context(), time.Hour); err != nil {
				t.Error(err)
			}
			l.Now()
		})
	}
	all.Wait()
	if l.Offset() != 20*time.Hour || storedOffset(t, view) != 20*time.Hour {
		t.Errorf("offset %v, stored %v", l.Offset(), storedOffset(t, view))
	}
}

func TestTapSeesEventsUntilItStops(t *testing.T) {
	var kept, tapped []string
	sink := func(to *[]string) event.Sink { return func(e event.Event) { *to = append(*to, e.Step) } }
	l := clockLab(t, state.NewOverlay(state.Empty(state.Meta{})), &wall{noon}, sink(&kept))
	emit := l.Env("host.a", &providers.Type{}, cty.NilVal).Emit // by a service that was open before
	emit.Emit(event.Event{Step: "before"})
	stop := l.Tap(sink(&tapped))
	emit.Emit(event.Event{Step: "meanwhile"})
	stop()
	stop()
	emit.Emit(event.Event{Step: "after"})
	if len(kept) != 3 || len(tapped) != 1 || tapped[0] != "meanwhile" {
		t.Errorf("kept %v, tapped %v", kept, tapped)
	}
	// Where nobody listens, nobody need say anything.
	if clockLab(t, state.NewOverlay(state.Empty(state.Meta{})), &wall{noon}, nil).Env("host.a", &providers.Type{}, cty.NilVal).Emit != nil {
		t.Error("a lab without a sink has one")
	}
}
