package check

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/engine/record"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

type box struct {
	Name string `lab:"name" doc:"Name."`
}
type boxOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// request returns a request over a state that holds device box.pc, whose
// sign-in is fn.
func request(t *testing.T, fn SignIn, checks ...eval.Check) (Request, *state.Overlay) {
	t.Helper()
	registry := providers.NewRegistry(providers.Of(providers.Kind[box, boxOut]{
		Name: "box", Doc: "A box.",
		Create: func(context.Context, providers.Env, box) (boxOut, error) { return boxOut{ID: "1"}, nil },
	}))
	in, out, err := record.Encode(registry.Type("box"),
		cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("pc")}),
		cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("1")}))
	if err != nil {
		t.Fatal(err)
	}
	base := state.NewOverlay(state.Empty(state.Meta{Lineage: "l"}))
	err = base.Commit(t.Context(), func(w state.Writer) error {
		return state.PutObject(w, state.Object{Addr: "box.pc", Kind: "box", ID: "1", In: in, Out: out})
	})
	if err != nil {
		t.Fatal(err)
	}
	return Request{
		Checks:   checks,
		Registry: registry,
		Overlay:  func() (state.View, error) { return state.NewOverlay(base.Snapshot()), nil },
		NewLab: func(v state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error) {
			return lab.New(lab.Options{View: v, Registry: registry, Wall: func() time.Time { return noon }, Offset: offset, Rand: rand.Reader, Emit: emit, Trouble: trouble})
		},
		Hands:   Hands{SignIn: fn},
		Workers: 4,
	}, base
}

func signInCheck(name, pin, expect string) eval.Check {
	return eval.Check{
		Name:   name,
		Expect: expect,
		SignIn: &eval.SignIn{User: "user.alice", Device: "box.pc", PIN: cty.StringVal(pin).Mark(eval.Sensitive), Password: cty.NullVal(cty.String)},
	}
}

// onlyPIN accepts one PIN, and counts attempts in the device's section.
func onlyPIN(right string) SignIn {
	return func(ctx context.Context, env providers.Env, a Attempt) (Verdict, error) {
		tries := 0
		err := env.Section.Record(ctx, func(w providers.Writer) error {
			v, _, err := w.Get("gate", "tries")
			if err != nil {
				return err
			}
			tries = len(v) + 1
			return w.Put("gate", "tries", append(v, 'x'))
		})
		if err != nil {
			return Verdict{}, err
		}
		env.Emit.Emit(event.Event{Correlation: "c", Flow: "A1", Phase: "A", Step: "gesture", At: env.Now()})
		switch {
		case tries > 1:
			return Verdict{Code: "seen_before"}, nil
		case string(a.PIN) != right:
			return Verdict{Code: "wrong_pin", Phase: "A"}, nil
		}
		return Verdict{Code: Success, ID: "c"}, nil
	}
}

func TestVerdictsAgainstExpectations(t *testing.T) {
	r, base := request(t, onlyPIN("1234"),
		signInCheck("right", "1234", ""),
		signInCheck("wrong as expected", "9", "wrong_pin"),
		signInCheck("wrong", "9", "success"),
		signInCheck("right, but refusal expected", "1234", "wrong_pin"),
	)
	want := []Status{Pass, Pass, Fail, Fail}
	for range 2 { // a second run finds the lab as the first did
		for i, got := range Run(t.Context(), r) {
			if got.Status != want[i] {
				t.Errorf("%s: %s (%s)", got.Name, got.Status, got.Message)
			}
			if len(got.Events) != 1 || got.Events[0].Seq != 1 {
				t.Errorf("%s: events %v", got.Name, got.Events)
			}
		}
	}
	err := base.Read(func(r state.Reader) error {
		buckets, err := r.Buckets("section/")
		if len(buckets) > 0 {
			t.Errorf("checks wrote to the lab: %v", buckets)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAfterMovesTheClockOfOneCheck(t *testing.T) {
	var seen time.Time
	r, _ := request(t, func(_ context.Context, env providers.Env, _ Attempt) (Verdict, error) {
		seen = env.Now()
		return Verdict{Code: Success}, nil
	}, signInCheck("later", "1", ""))
	r.Checks[0].After = "14d"
	if got := Run(t.Context(), r); got[0].Status != Pass {
		t.Fatal(got[0].Message)
	}
	if want := noon.Add(14 * 24 * time.Hour); !seen.Equal(want) {
		t.Errorf("signed in at %v, want %v", seen, want)
	}
}

// A check that looks ahead finds done what has become due by then, in its own
// view; one that does not finds the lab as it is.
func TestAfterDoesWhatHasBecomeDue(t *testing.T) {
	refused := errors.New("it is not to be had")
	due := map[string]int{}
	r, _ := request(t, func(_ context.Context, env providers.Env, a Attempt) (Verdict, error) {
		code := Success
		if due[string(a.PIN)] == 0 {
			code = "not_done"
		}
		return Verdict{Code: code}, nil
	}, signInCheck("now", "now", "not_done"), signInCheck("later", "later", ""), signInCheck("failing", "failing", ""))
	r.Workers = 1
	var at string
	r.Registry = providers.NewRegistry(providers.Of(providers.Kind[box, boxOut]{
		Name: "box", Doc: "A box.",
		Create: func(context.Context, providers.Env, box) (boxOut, error) { return boxOut{ID: "1"}, nil },
		Due: func(context.Context, providers.Env, providers.Object[box, boxOut]) error {
			if at == "failing" {
				return refused
			}
			due[at]++
			return nil
		},
	}))
	r.NewLab = func(v state.View, offset time.Duration, _ *lab.Trouble, emit event.Sink) (*lab.Lab, error) {
		if offset == 31*time.Minute {
			at = "later"
		} else if offset > 0 {
			at = "failing"
		}
		return lab.New(lab.Options{View: v, Registry: r.Registry, Wall: func() time.Time { return noon }, Offset: offset, Rand: rand.Reader, Emit: emit})
	}
	r.Checks[1].After, r.Checks[2].After = "31m", "1h"
	got := Run(t.Context(), r)
	if got[0].Status != Pass || got[1].Status != Pass || due["now"] != 0 || due["later"] != 1 {
		t.Errorf("%s %s, due %v", got[0].Message, got[1].Message, due)
	}
	if got[2].Status != Fail || !strings.Contains(got[2].Message, "box.pc was not done: "+refused.Error()) {
		t.Errorf("%s: %s", got[2].Status, got[2].Message)
	}
}

func TestWhatCannotRunIsAnErrorNotAVerdict(t *testing.T) {
	broken := errors.New("worker stopped")
	r, _ := request(t, func(context.Context, providers.Env, Attempt) (Verdict, error) { return Verdict{}, broken },
		signInCheck("broken", "1", "wrong_pin"),
		func() eval.Check { c := signInCheck("no device", "1", ""); c.SignIn.Device = "box.gone"; return c }(),
		func() eval.Check { c := signInCheck("no time", "1", ""); c.After = "soon"; return c }(),
	)
	for _, got := range Run(t.Context(), r) {
		if got.Status != Error || got.Message == "" {
			t.Errorf("%s: %s %q", got.Name, got.Status, got.Message)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Run(ctx, r); got[0].Status != Error {
		t.Errorf("after an interrupt: %s", got[0].Status)
	}
}

func TestAsserts(t *testing.T) {
	assert := func(v cty.Value) eval.Check {
		return eval.Check{Asserts: []eval.Assert{{Condition: cty.True}, {Condition: v, Message: "it must"}}}
	}
	r, _ := request(t, nil, assert(cty.True), assert(cty.False), assert(cty.UnknownVal(cty.Bool)), assert(cty.NullVal(cty.Bool)))
	want := []Status{Pass, Fail, Error, Fail}
	for i, got := range Run(t.Context(), r) {
		if got.Status != want[i] {
			t.Errorf("assert %d: %s %q", i, got.Status, got.Message)
		}
	}
}
