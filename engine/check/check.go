// Package check runs check blocks: each is a real sign-in on a throwaway view
// of the lab, with its own clock, listeners and copied TPM images, so a wrong
// PIN in a check costs nothing and checks cannot see each other.
package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// Success is the expectation, and the verdict, of a sign-in that works.
const Success = "success"

// Attempt is one sign-in to try. One of PIN, Password and Gesture is set, or PIN
// and Gesture.
type Attempt struct {
	User     string // address
	Device   string // address
	PIN      providers.Secret
	Password providers.Secret
	Gesture  string
	To       []string // addresses; none means what the device signs in to by itself
}

// Verdict is how a sign-in ended.
type Verdict struct {
	Code   string        // Success, or a reason code
	Reason *event.Reason // nil on success
	Flow   string
	Phase  string // letter of the phase that refused, or of the last
	ID     string // correlation id of the flow, for `hellolab trace`
}

// SignIn signs in for real. env is that of the device. An error means that the
// attempt could not be made, not that it was refused.
type SignIn func(ctx context.Context, env providers.Env, a Attempt) (Verdict, error)

// Request is what Run needs. Overlay returns a fresh throwaway view of one
// state; NewLab opens a lab on it, offset ahead of the state's clock.
type Request struct {
	Checks   []eval.Check
	Registry *providers.Registry
	Overlay  func() (state.View, error)
	NewLab   func(view state.View, offset time.Duration, emit event.Sink) (*lab.Lab, error)
	SignIn   SignIn
	Workers  int // checks at a time; at least 1
}

// Status is the outcome of a check.
type Status string

const (
	Pass  Status = "pass"
	Fail  Status = "fail"  // the lab behaved otherwise than expected
	Error Status = "error" // the check could not be run
)

// Result is one check's outcome.
type Result struct {
	Name    string
	Status  Status
	Expect  string
	Verdict *Verdict      // of the sign-in, when there was one
	Message string        // one sentence: why it failed, or what went wrong
	Events  []event.Event // everything that happened, in order
	Range   hcl.Range
}

// Run runs the checks and returns their results in the same order. It stops
// early only when ctx ends.
func Run(ctx context.Context, r Request) []Result {
	results := make([]Result, len(r.Checks))
	var group errgroup.Group
	group.SetLimit(max(1, r.Workers))
	for i, c := range r.Checks {
		group.Go(func() error {
			results[i] = one(ctx, r, c)
			return nil
		})
	}
	group.Wait()
	return results
}

func one(ctx context.Context, r Request, c eval.Check) Result {
	res := Result{Name: c.Name, Status: Pass, Expect: c.Expect, Range: c.Range}
	if res.Expect == "" {
		res.Expect = Success
	}
	for _, a := range c.Asserts {
		switch {
		case !a.Condition.IsKnown():
			return res.broken("an assert depends on a value that is not known yet")
		case a.Condition.IsNull() || a.Condition.False():
			return res.failed(a.Message)
		}
	}
	if c.SignIn == nil {
		return res
	}
	if err := ctx.Err(); err != nil {
		return res.broken(err.Error())
	}
	verdict, undone, err := signIn(ctx, r, c, &res.Events)
	if err != nil {
		return res.broken(err.Error())
	}
	res.Verdict = &verdict
	if verdict.Code != res.Expect {
		why := fmt.Sprintf("expected %s, got %s", res.Expect, verdict.Code)
		for _, u := range undone {
			why += fmt.Sprintf("; what had become due of %s was not done: %v", u.Addr, u.Err)
		}
		return res.failed(why)
	}
	return res
}

func (r Result) failed(why string) Result { r.Status, r.Message = Fail, why; return r }
func (r Result) broken(why string) Result { r.Status, r.Message = Error, why; return r }

// signIn makes the attempt of one check in a lab of its own. A check that looks
// ahead finds done what has become due by then; undone is what could not be.
func signIn(ctx context.Context, r Request, c eval.Check, events *[]event.Event) (v Verdict, undone []lab.Undone, err error) {
	var after time.Duration
	if c.After != "" {
		if after, err = providers.ParseDuration(c.After); err != nil {
			return v, nil, err
		}
	}
	view, err := r.Overlay()
	if err != nil {
		return v, nil, err
	}
	placer := journal.NewPlacer()
	l, err := r.NewLab(view, after, func(e event.Event) {
		placer.Place(e, func(e event.Event) { *events = append(*events, e) })
	})
	if err != nil {
		return v, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if after > 0 {
		if undone, err = l.CatchUp(ctx); err != nil {
			return v, undone, err
		}
	}
	v, err = attempt(ctx, r, l, c.SignIn)
	return v, undone, err
}

// attempt makes the sign-in at its device.
func attempt(ctx context.Context, r Request, l *lab.Lab, s *eval.SignIn) (Verdict, error) {
	rec, err := l.Objects().Lookup(s.Device)
	if errors.Is(err, providers.ErrUnknownObject) {
		return Verdict{}, fmt.Errorf("%s is not in the lab yet: apply first", s.Device)
	}
	if err != nil {
		return Verdict{}, err
	}
	t := r.Registry.Type(rec.Kind)
	if t == nil {
		return Verdict{}, fmt.Errorf("%s is of unknown kind %q", rec.Addr, rec.Kind)
	}
	return r.SignIn(ctx, l.Env(rec.Addr, t, rec.In), Attempt{
		User:     s.User,
		Device:   s.Device,
		PIN:      secret(s.PIN),
		Password: secret(s.Password),
		Gesture:  s.Gesture,
		To:       s.To,
	})
}

func secret(v cty.Value) providers.Secret {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	return providers.Secret(v.AsString())
}
