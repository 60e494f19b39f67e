// Package labtest runs test files: runs that follow each other on one lab, which
// begins with nothing and is thrown away at the end of the file. What a run does
// it does for real, in a lab that is opened on the file's view for it, as each
// command of a person's is; what was done, the clock and the faults that are on
// go from run to run.
//
// A run is evaluated twice: its arguments before it does anything, with the lab
// as it then is, and its asserts afterwards. Both are planned on a view of their
// own, so that looking changes nothing.
package labtest

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// Request is what Run needs. All but Impact and the functions that say so are
// required.
type Request struct {
	Config   *config.Config
	Files    []*config.TestFile
	Registry *providers.Registry
	Now      func() time.Time // of functions that tell the time

	// Variables returns the value of every variable, given the sets of lines of
	// the file and of the run, and what its runs so far are worth.
	Variables func(runs map[string]cty.Value, sets ...[]config.Given) (map[string]cty.Value, hcl.Diagnostics)
	// NewLab opens a lab on a view.
	NewLab func(view state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error)
	Rules  func() plan.Rules
	Hands  check.Hands
	// Sync has a Connect server run a cycle, the only one when addr is empty, and
	// returns its result, and a sentence that says more.
	Sync func(ctx context.Context, l *lab.Lab, addr string) (code, detail string, err error)
	// Revoke does what an administrator does about a lost key or session.
	Revoke func(ctx context.Context, l *lab.Lab, r eval.Revoke) error
	// Reason finds in an error why somebody refused; nil when nobody did.
	Reason func(error) (code string, reason *event.Reason)
	// KnownReason says why a code cannot be expected by who; nil when it can.
	KnownReason func(who, code string) error
	// Expect is told of each plan before it is applied. Nil: nobody needs to know.
	Expect func(*plan.Plan)
	// Impact says what a plan, made under rules on base, would mean for sign-ins, for
	// the asserts of plan runs: run.NAME.impact. Nil: they have none.
	Impact func(ctx context.Context, base state.Base, p *plan.Plan, rules plan.Rules) (cty.Value, error)

	Workers int // files at a time; at least 1
}

// Status is the outcome of a run or file.
type Status string

const (
	Pass  Status = "pass"
	Fail  Status = "fail"  // something ended otherwise than expected
	Error Status = "error" // it could not be run
	Skip  Status = "skip"  // a run before it could not be run
)

// File is the outcome of one test file: that of its runs, the worst first.
type File struct {
	Name        string
	Status      Status
	Runs        []Result
	Diagnostics hcl.Diagnostics // of the file as a whole
}

// Result is the outcome of one run.
type Result struct {
	Name, Command string
	Status        Status
	Expect        string
	Faults        []string       // that were on
	Verdict       *check.Verdict // of an attempt, or of what refused an apply
	Did           string         // what was done, in a few words
	Message       string         // one sentence: why it failed, or what went wrong
	Range         hcl.Range      // the line that is about it
	Diagnostics   hcl.Diagnostics
	Events        []event.Event
}

// Run runs the files, several at a time, and returns their results in order. It
// stops early only when ctx ends.
func Run(ctx context.Context, req Request) []File {
	out := make([]File, len(req.Files))
	var group errgroup.Group
	group.SetLimit(max(1, req.Workers))
	for i, f := range req.Files {
		group.Go(func() error {
			out[i] = runFile(ctx, &req, f)
			return nil
		})
	}
	group.Wait()
	return out
}

// runFile runs one file on a view of its own.
func runFile(ctx context.Context, req *Request, f *config.TestFile) File {
	file := File{Name: f.Name, Status: Pass}
	r := newRunner(req, f)
	for _, run := range f.Runs {
		res := Result{Name: run.Name, Command: run.Command, Status: Skip, Range: run.Range}
		if file.Status != Error {
			res = r.run(ctx, run)
		}
		file.Runs = append(file.Runs, res)
		file.Status = worse(file.Status, res.Status)
	}
	return file
}

// severity orders statuses.
var severity = []Status{Pass, Skip, Fail, Error}

func worse(a, b Status) Status {
	if slices.Index(severity, b) > slices.Index(severity, a) && b != Skip {
		return b
	}
	return a
}
