// Package check runs check blocks: each is a real sign-in or provisioning on a
// throwaway view of the lab, with its own clock, listeners, faults and copied TPM
// images, so a wrong PIN in a check costs nothing and checks cannot see each other.
package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"hellolab/engine/fault"
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

// Provisioning is one provisioning to try.
type Provisioning struct {
	User     string // address
	Device   string // address
	PIN      providers.Secret
	Gestures []string
	Reset    bool // the user has Hello there, and resets a forgotten PIN at the lock screen
}

// Provision has a user provision Hello for real. env is that of the device,
// whose objects hold the user's password. An error means that the attempt could
// not be made, not that it was refused.
type Provision func(ctx context.Context, env providers.Env, p Provisioning) (Verdict, error)

// Hands do what a person does at a device.
type Hands struct {
	SignIn    SignIn
	Provision Provision
}

// Request is what Run needs. Overlay returns a fresh throwaway view of one
// state; NewLab opens a lab on it, offset ahead of the state's clock.
type Request struct {
	Checks   []eval.Check
	Faults   []fault.Fault // that checks may name
	Registry *providers.Registry
	Overlay  func() (state.View, error)
	NewLab   func(view state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error)
	Hands    Hands
	// Secrets are what the configuration asks of an object, write-only attributes
	// included: a provisioning needs the user's password.
	Secrets Secrets
	Workers int // checks at a time; at least 1
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
	Faults  []string      // that were on
	Verdict *Verdict      // of the attempt, when there was one
	Does    string        // what was attempted: "sign_in" or "provision", "" for asserts alone
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
	res := Result{Name: c.Name, Status: Pass, Expect: c.Expect, Faults: c.Faults, Range: c.Range}
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
	switch {
	case c.SignIn != nil:
		res.Does = "sign_in"
	case c.Provision != nil:
		res.Does = "provision"
	default:
		return res
	}
	if err := ctx.Err(); err != nil {
		return res.broken(err.Error())
	}
	verdict, undone, err := inItsLab(ctx, r, c, &res.Events)
	if err != nil {
		return res.broken(err.Error())
	}
	res.Verdict = &verdict
	if verdict.Code != res.Expect {
		return res.failed(Unexpected(res.Expect, verdict.Code, undone))
	}
	return res
}

// Unexpected says that an attempt ended otherwise than expected, and what may
// have had to do with it.
func Unexpected(expect, code string, undone []lab.Undone) string {
	why := fmt.Sprintf("expected %s, got %s", expect, code)
	for _, u := range undone {
		why += fmt.Sprintf("; what had become due of %s was not done: %v", u.Addr, u.Err)
	}
	return why
}

func (r Result) failed(why string) Result { r.Status, r.Message = Fail, why; return r }
func (r Result) broken(why string) Result { r.Status, r.Message = Error, why; return r }

// inItsLab makes the attempt of one check in a lab of its own, with its faults.
// A check that looks ahead finds done what has become due by then; undone is what
// could not be.
func inItsLab(ctx context.Context, r Request, c eval.Check, events *[]event.Event) (v Verdict, undone []lab.Undone, err error) {
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
	emit := func(e event.Event) {
		placer.Place(e, func(e event.Event) { *events = append(*events, e) })
	}
	offset := after
	if len(c.Faults) > 0 { // they are on while that time passes
		offset = 0
	}
	broken := &fault.Switch{Registry: r.Registry, View: view, Trouble: &lab.Trouble{}}
	l, err := r.NewLab(view, offset, broken.Trouble, emit)
	if err != nil {
		return v, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, name := range c.Faults {
		f, ok := fault.Named(r.Faults, name)
		if !ok {
			return v, nil, fmt.Errorf("there is no fault %q", name)
		}
		if err := broken.Begin(ctx, l, f); err != nil {
			return v, nil, err
		}
	}
	switch {
	case after > 0 && len(c.Faults) > 0:
		undone, err = broken.Pass(ctx, l, after)
	case after > 0:
		undone, err = l.CatchUp(ctx)
	}
	if err != nil {
		return v, undone, err
	}
	v, err = r.Hands.Try(ctx, l, r.Registry, r.Secrets, c)
	return v, undone, err
}
