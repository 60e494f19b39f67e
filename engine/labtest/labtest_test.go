package labtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// A box takes a sign-in by its PIN, refuses to be made red, and counts what time
// makes due.
type box struct {
	Color string `lab:"color" default:"blue" doc:"Its colour."`
}
type boxOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

// person is who signs in.
type person struct {
	Name string `lab:"name" doc:"Name."`
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// refusal is an error with a reason.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }

func registry() *providers.Registry {
	return providers.NewRegistry(
		providers.Of(providers.Kind[box, boxOut]{
			Name: "device", Doc: "A box.",
			Create: func(_ context.Context, _ providers.Env, in box) (boxOut, error) {
				if in.Color == "red" {
					return boxOut{}, refusal("no_red")
				}
				return boxOut{"1"}, nil
			},
			Update: func(_ context.Context, _ providers.Env, o providers.Object[box, boxOut], in box) (boxOut, error) {
				return o.Out, nil
			},
		}),
		providers.Of(providers.Kind[person, boxOut]{
			Name: "user", Doc: "A person.",
			Create: func(context.Context, providers.Env, person) (boxOut, error) { return boxOut{"2"}, nil },
		}),
	).AddFaults(
		providers.Fault{Name: "painted", Doc: "Painted green.", Targets: []string{"device"}, Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			return b.Change(ctx, is.Target.Addr, map[string]cty.Value{"color": cty.StringVal("green")})
		}},
		providers.Fault{Name: "burnt", Doc: "Burnt.", Targets: []string{"device"}, Lasting: true, Begin: func(context.Context, providers.Breaker, providers.Broken) error { return nil }},
	)
}

const labFile = `
variable "color" {
  type    = string
  default = "blue"
}
variable "pin" {
  type      = string
  sensitive = true
}
device "pc" {
  color = var.color
}
user "alice" {}
output "color" {
  value = device.pc.color
}
fault "paint" {
  kind   = "painted"
  target = device.pc
}
fault "fire" {
  kind   = "burnt"
  target = device.pc
}
`

// signIn answers by what the box's colour is now, and by the PIN.
func signIn(_ context.Context, env providers.Env, a check.Attempt) (check.Verdict, error) {
	d, err := providers.Resolve[box, boxOut](env, providers.Ref(a.Device))
	if err != nil {
		return check.Verdict{}, err
	}
	env.Emit.Emit(event.Event{Correlation: "c", Flow: "A1", Phase: "A", Step: "gesture", At: env.Now()})
	switch {
	case d.In.Color == "green":
		return check.Verdict{Code: "green", Flow: "A1", Phase: "B", Reason: &event.Reason{Code: "0x1", Name: "GREEN", Sentence: "It is green."}}, nil
	case string(a.PIN) == "broken":
		return check.Verdict{}, errors.New("the box is broken")
	case string(a.PIN) != "1234":
		return check.Verdict{Code: "wrong_pin", Flow: "A1", Phase: "A"}, nil
	}
	return check.Verdict{Code: check.Success, Flow: "A1", Phase: "C"}, nil
}

// request runs test files, by name, on labFile.
func request(t *testing.T, files map[string]string) Request {
	t.Helper()
	c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(labFile)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r := Request{
		Config: c, Registry: registry(), Now: func() time.Time { return noon },
		Variables: func(runs map[string]cty.Value, sets ...[]config.Given) (map[string]cty.Value, hcl.Diagnostics) {
			return eval.TestVariables(c, eval.VarSource{Flags: []string{"pin=1234"}}, runs, sets...)
		},
		Rules: func() plan.Rules { return nil },
		Hands: check.Hands{SignIn: signIn},
		Sync: func(context.Context, *lab.Lab, string) (string, string, error) {
			return "stopped", "It stopped.", nil
		},
		Revoke: func(context.Context, *lab.Lab, eval.Revoke) error { return nil },
		Reason: func(err error) (string, *event.Reason) {
			var r refusal
			if errors.As(err, &r) {
				return string(r), &event.Reason{Code: string(r)}
			}
			return "", nil
		},
		KnownReason: func(who, code string) error {
			if code == "unheard_of" {
				return fmt.Errorf("%s expects %q", who, code)
			}
			return nil
		},
		Workers: 2,
	}
	r.NewLab = func(v state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error) {
		return lab.New(lab.Options{View: v, Registry: r.Registry, Wall: func() time.Time { return noon }, Offset: offset, Rand: rand.Reader, Emit: emit, Trouble: trouble})
	}
	for name, src := range files {
		f, diags := c.ParseTest(name, []byte(src))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		r.Files = append(r.Files, f)
	}
	return r
}

// play runs one file and returns "name status message" of each run.
func play(t *testing.T, src string) (File, []string) {
	t.Helper()
	r := request(t, map[string]string{"a.labtest.hcl": src})
	if diags := Validate(t.Context(), r); diags.HasErrors() {
		t.Fatal(diags)
	}
	f := Run(t.Context(), r)[0]
	var out []string
	for _, res := range f.Runs {
		text := res.Message
		if text == "" {
			text = res.Did
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", res.Name, res.Status, text)))
	}
	return f, out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const attempt = `
  command = signin
  sign_in {
    user   = user.alice
    device = device.pc
    pin    = var.pin
  }
`

// What was done, the clock and the faults go from run to run.
func TestRunsFollowEachOther(t *testing.T) {
	f, got := play(t, `
run "plan" {
  command = plan
  assert {
    condition     = run.plan.add == 2 && run.plan.changes["device.pc"] == "create" && device.pc.color == "blue"
    error_message = "no"
  }
}
run "apply" {
  assert {
    condition     = run.apply.outputs.color == "blue" && device.pc.id == "1"
    error_message = "no"
  }
}
run "in" {`+attempt+`
  assert {
    condition     = run.in.code == "success" && run.in.phase == "C"
    error_message = "no"
  }
}
run "later" {
  command = advance
  by      = "90m"
}
run "hour" {
  command = advance
  by      = "1s"
  assert {
    condition     = run.hour.now == "2026-11-21T13:30:01Z" && run.later.now == "2026-11-21T13:30:00Z"
    error_message = run.hour.now
  }
}
run "while_green" {`+attempt+`
  faults = [fault.paint]
  expect = "green"
}
run "not_green" {`+attempt+`}
run "paint" {
  command = fault
  begin   = [fault.paint]
}
run "green" {`+attempt+`
  expect = "green"
  assert {
    condition     = run.green.status == "0x1" && run.green.name == "GREEN" && run.green.reason == "It is green."
    error_message = "no"
  }
}
run "wipe" {
  command = fault
  end     = [fault.paint]
}
run "blue" {`+attempt+`}
run "red" {
  variables {
    color = "red"
  }
  plan_options {
    replace = [device.pc]
  }
  expect = "no_red"
}
run "sync" {
  command = sync
  expect  = "stopped"
}
run "gone" {
  plan_options {
    mode = destroy
  }
  assert {
    condition     = run.gone.add == 0
    error_message = "no"
  }
}
`)
	want(t, got, "plan pass planned: 2 to add, 0 to change, 0 to destroy", "apply pass applied: 2 added, 0 changed, 0 destroyed", "in pass signed in",
		"later pass 90m passed", "hour pass 1s passed", "while_green pass signed in", "not_green pass signed in", "paint pass paint began", "green pass signed in",
		"wipe pass paint ended", "blue pass signed in", "red pass the apply was refused", "sync pass synchronized", "gone pass applied: 0 added, 0 changed, 1 destroyed")
	if f.Status != Pass || len(f.Runs[2].Events) != 1 || f.Runs[5].Faults[0] != "paint" || len(f.Runs[6].Faults) != 0 {
		t.Errorf("%s, %+v", f.Status, f.Runs)
	}
	if f.Runs[3].Events != nil || f.Runs[5].Events[0].Seq <= f.Runs[2].Events[0].Seq {
		t.Error("events do not count on")
	}
}

// A run that fails does not keep the next from running; one that cannot be run does.
func TestOutcomes(t *testing.T) {
	f, got := play(t, `
variables {
  pin = "9999"
}
run "early" {`+attempt+`}
run "never" {`+attempt+`}
`)
	want(t, got, "early error device.pc is not in the lab yet: apply first", "never skip")
	if f.Status != Error || f.Runs[0].Range.Start.Line != 5 {
		t.Errorf("%s at %s", f.Status, f.Runs[0].Range)
	}
	f, got = play(t, `
variables {
  pin = "9999"
}
run "up" {}
run "wrong" {`+attempt+`}
run "own" {
  variables {
    pin = "${var.pin == "9999" ? "12" : "no"}34"
  }`+attempt+`}
run "assert" {`+attempt+`
  expect = "wrong_pin"
  assert {
    condition     = run.wrong.code == "success"
    error_message = "It was ${run.assert.code}."
  }
}
run "sync" {
  command = sync
}
run "broken" {
  variables {
    pin = "broken"
  }`+attempt+`}
run "never" {
  command = sync
}
`)
	want(t, got, "up pass applied: 2 added, 0 changed, 0 destroyed", "wrong fail expected success, got wrong_pin", "own pass signed in", "assert fail It was wrong_pin.",
		"sync fail expected success, got stopped: It stopped.", "broken error the box is broken", "never skip")
	if f.Status != Error || f.Runs[3].Range.Start.Line != 34 || f.Runs[1].Range.Start.Line != 6 {
		t.Errorf("%s, lines %d and %d", f.Status, f.Runs[3].Range.Start.Line, f.Runs[1].Range.Start.Line)
	}
}

// Files do not see each other.
func TestFilesAreApart(t *testing.T) {
	files := map[string]string{}
	for i := range 8 {
		files[fmt.Sprintf("%d.labtest.hcl", i)] = fmt.Sprintf(`
run "up" {
  variables {
    color = "c%d"
  }
  assert {
    condition     = run.up.add == 2 && device.pc.color == "c%d"
    error_message = "no"
  }
}`, i, i)
	}
	r := request(t, files)
	var labs atomic.Int32
	open := r.NewLab
	r.NewLab = func(v state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error) {
		labs.Add(1)
		return open(v, offset, trouble, emit)
	}
	for _, f := range Run(t.Context(), r) {
		if f.Status != Pass {
			t.Errorf("%s: %+v", f.Name, f.Runs)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range Run(ctx, r) {
		if f.Status != Error || !strings.Contains(f.Runs[0].Message, "canceled") {
			t.Errorf("interrupted: %+v", f.Runs)
		}
	}
}

func TestValidate(t *testing.T) {
	for wanted, src := range map[string]string{
		`Run "a" expects "unheard_of"`:             `run "a" {` + attempt + "expect = \"unheard_of\"\n}",
		"Nothing mends a fault of kind burnt":      `run "a" {` + attempt + "faults = [fault.fire]\n}",
		`There is no fault "water"`:                "run \"a\" {\n command = fault\n begin = [fault.water]\n}",
		"names a sync block":                       "run \"a\" {\n command = sync\n sync = device.pc\n}",
		`There is no run "z" before this one`:      "run \"a\" {\n assert {\n condition = run.z.code == \"\"\n error_message = \"\"\n}\n}",
		"refers to other variables and to runs":    "variables {\n color = device.pc.color\n}\nrun \"a\" {}",
		"takes a reference to a device, and user.": "run \"a\" {\n command = signin\n sign_in {\n user = user.alice\n device = user.alice\n pin = var.pin\n}\n}",
	} {
		diags := Validate(t.Context(), request(t, map[string]string{"a.labtest.hcl": src}))
		if len(diags) == 0 || !strings.Contains(diags.Error(), wanted) && !strings.Contains(fmt.Sprint(diags), wanted) {
			t.Errorf("%s: %v", wanted, diags)
		}
	}
}

func TestWorse(t *testing.T) {
	for _, tt := range []struct{ a, b, want Status }{{Pass, Fail, Fail}, {Fail, Pass, Fail}, {Fail, Error, Error}, {Error, Skip, Error}, {Pass, Skip, Pass}} {
		if got := worse(tt.a, tt.b); got != tt.want {
			t.Errorf("%s then %s: %s", tt.a, tt.b, got)
		}
	}
}
