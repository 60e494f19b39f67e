package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/state"
)

// varFlags give values to variables.
type varFlags struct {
	vars, varFiles list
	unset          bool // a variable without value is unknown, for commands that look at files alone
	bare           bool // a folder without files is an empty configuration
}

func (f *varFlags) flags(fs *flag.FlagSet) {
	fs.Var(&f.vars, "var", "set a variable: `NAME=VALUE`; may be repeated")
	fs.Var(&f.varFiles, "var-file", "read variables from `FILE`; may be repeated")
}

// project is a configuration ready to be evaluated.
type project struct {
	config *config.Config
	vars   map[string]cty.Value
	eval   *eval.Evaluator
}

// load reads the lab's files and the values of its variables. Where a lab is
// to be destroyed, a folder without files declares nothing.
func (s *session) load(f *varFlags) (*project, hcl.Diagnostics) {
	if f.bare {
		if has, err := hasLab(s.labDir()); err == nil && !has {
			c, diags := config.FromSources(nil)
			return s.project(c, nil, diags)
		}
	}
	c, diags := config.Load(s.labDir())
	defer func() { s.know(c.Files()) }()
	if diags.HasErrors() {
		return nil, diags
	}
	files := make([]string, len(f.varFiles))
	for i, name := range f.varFiles {
		files[i] = s.path(name)
	}
	vars, more := eval.RootVariables(c, eval.VarSource{Files: files, Flags: f.vars, Env: s.env, Dir: s.labDir(), Unset: f.unset})
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	return s.project(c, vars, diags)
}

// project prepares a configuration whose variables have values.
func (s *session) project(c *config.Config, vars map[string]cty.Value, diags hcl.Diagnostics) (*project, hcl.Diagnostics) {
	e, more := eval.New(c, s.registry, vars, eval.Options{Now: s.now})
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	return &project{config: c, vars: vars, eval: e}, diags
}

// openLab opens a lab on a view. Nothing in it runs before it is dialed.
func (s *session) openLab(view state.View, offset time.Duration, emit event.Sink) (*lab.Lab, error) {
	return s.openTroubled(view, offset, nil, emit)
}

// openTroubled is openLab with what faults make of its network and clocks.
func (s *session) openTroubled(view state.View, offset time.Duration, trouble *lab.Trouble, emit event.Sink) (*lab.Lab, error) {
	return lab.New(lab.Options{
		View:      view,
		Registry:  s.registry,
		Wall:      s.now,
		Offset:    offset,
		Rand:      s.rand,
		Emit:      emit,
		Log:       s.log,
		Failpoint: s.failpoint,
		Trouble:   trouble,
	})
}

// planFlags are the flags that plan, apply and destroy share.
type planFlags struct {
	stateFlags
	varFlags
	destroy     bool
	refreshOnly bool
	refresh     bool
	targets     list
	replace     list
	parallelism int
	concise     bool
	json        bool
	jsonInto    string
	impact      string
	at          string
	rules       *rules // that hear what is planned; nil: the plan's own
}

func (f *planFlags) flags(fs *flag.FlagSet) {
	f.stateFlags.flags(fs)
	f.varFlags.flags(fs)
	fs.BoolVar(&f.refreshOnly, "refresh-only", false, "only bring the state up to date with the lab")
	fs.BoolVar(&f.refresh, "refresh", true, "look for what changed behind the state's back")
	fs.Var(&f.targets, "target", "only `ADDRESS` and what it needs; may be repeated")
	fs.Var(&f.replace, "replace", "make `ADDRESS` anew; may be repeated")
	fs.IntVar(&f.parallelism, "parallelism", plan.DefaultParallelism, "how many steps run at a time")
	fs.BoolVar(&f.concise, "concise", false, "one line a change")
	fs.StringVar(&f.impact, "impact", impactFull, "how much to tell of the sign-ins that change: `MEASURE` full, summary or none")
	fs.StringVar(&f.at, "at", "", "which sign-ins will have changed by `TIME`, or in a duration such as +30d")
	fs.BoolVar(&f.json, "json", false, "print Terraform's machine-readable UI, one JSON object a line")
	fs.StringVar(&f.jsonInto, "json-into", "", "write the machine-readable UI to `FILE`, besides the text")
}

func (f *planFlags) mode() (plan.Mode, error) {
	if err := f.checkImpact(); err != nil {
		return "", err
	}
	switch {
	case f.destroy && f.refreshOnly:
		return "", mistake("Choose one.", "-destroy and -refresh-only exclude each other")
	case f.refreshOnly && !f.refresh:
		return "", mistake("Leave one out.", "-refresh-only without refresh does nothing")
	case f.refreshOnly && len(f.replace) > 0:
		return "", mistake("Leave one out.", "-refresh-only replaces nothing")
	case f.parallelism < 1:
		return "", mistake("Use 1 or more.", "-parallelism=%d is too small", f.parallelism)
	case f.destroy:
		return plan.Destroy, nil
	case f.refreshOnly:
		return plan.RefreshOnly, nil
	}
	return plan.Normal, nil
}

// planned is a plan with what it was made from.
type planned struct {
	*project
	plan   *plan.Plan
	result *eval.Result
	asked  []providers.Record // every declared object as planned
}

// changes reports whether applying the plan would change anything: the lab,
// or, where that is all that was asked for, what the state remembers of it.
func (p *planned) changes() bool {
	return !p.plan.Empty() || p.plan.Mode == plan.RefreshOnly && len(p.plan.Drift) > 0
}

// makePlan reads the lab's files and plans; see build.
func (s *session) makePlan(ctx context.Context, f *planFlags, base state.Base, u *ui) (*planned, hcl.Diagnostics) {
	p, diags := s.load(&f.varFlags)
	if diags.HasErrors() {
		return nil, diags
	}
	made, more := s.build(ctx, p, f, base, u)
	return made, append(diags, more...)
}

// build plans on a throwaway view over base, so that whatever planning looks
// at, nothing changes.
func (s *session) build(ctx context.Context, p *project, f *planFlags, base state.Base, u *ui) (*planned, hcl.Diagnostics) {
	mode, err := f.mode()
	if err != nil {
		return nil, asDiagnostics(err)
	}
	targets, err := instances("-target", f.targets)
	if err != nil {
		return nil, asDiagnostics(err)
	}
	replace, err := instances("-replace", f.replace)
	if err != nil {
		return nil, asDiagnostics(err)
	}
	view := state.NewOverlay(base)
	l, err := s.openLab(view, 0, nil)
	if err != nil {
		return nil, asDiagnostics(err)
	}
	defer l.Close()
	if _, err := s.recover(ctx, view, l); err != nil {
		return nil, asDiagnostics(err)
	}
	asked := f.rules
	if asked == nil {
		asked = &rules{}
	}
	made, result, diags := plan.Build(ctx, plan.Request{
		Evaluator:   p.eval,
		Registry:    s.registry,
		View:        view,
		Lab:         l,
		Mode:        mode,
		Targets:     targets,
		Replace:     replace,
		Refresh:     f.refresh,
		Rules:       asked,
		Parallelism: f.parallelism,
		Sink:        u.sink,
	})
	s.know(p.config.Files())
	if !diags.HasErrors() {
		diags = append(diags, unknownReasons(result.Checks)...)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return &planned{project: p, plan: made, result: result, asked: asked.objects}, diags
}

// unknownReasons are mistakes in what checks expect: a code that no system
// ever gives would make a check that can only fail.
func unknownReasons(checks []eval.Check) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range checks {
		if c.SignIn == nil && c.Provision == nil {
			continue
		}
		err := knownReason(fmt.Sprintf("Check %q", c.Name), c.Expect)
		if err == nil {
			continue
		}
		detail := err.Error()
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown reason code", Detail: detail, Subject: c.Range.Ptr()})
	}
	return diags
}

func instances(flag string, names []string) ([]addr.Instance, error) {
	out := make([]addr.Instance, len(names))
	for i, name := range names {
		a, err := addr.Parse(name)
		if err != nil {
			return nil, mistake("Write it as in the plan, such as user.alice or user.all[\"bo\"].", "%s=%q is no address: %v", flag, name, err)
		}
		out[i] = a
	}
	return out, nil
}

// rules puts what the systems know of each other behind the planner. It keeps
// the objects that it was asked about last, which are the plan's.
type rules struct {
	hello   hello.Rules
	objects []providers.Record
}

func (r *rules) Validate(objects []providers.Record) []plan.Problem {
	r.objects = objects
	return problems(r.hello.Validate(objects))
}

func (r *rules) Renames(before, after []providers.Record) []plan.Problem {
	return problems(r.hello.Renames(before, after))
}

func problems(found []hello.Problem) []plan.Problem {
	out := make([]plan.Problem, len(found))
	for i, p := range found {
		out[i] = plan.Problem{Addr: p.Addr, Attribute: p.Attribute, Warning: p.Warning, Summary: p.Summary, Detail: p.Detail}
	}
	return out
}

func (r *rules) Outdated(rec providers.Record, objects []providers.Record) (why string, ok bool) {
	return r.hello.Outdated(rec, objects)
}

func (r *rules) Stages(rec providers.Record, objects []providers.Record) []plan.Stage {
	var out []plan.Stage
	for _, s := range r.hello.Stages(rec, objects) {
		out = append(out, plan.Stage{Name: s.Name, Flow: string(s.Flow), Runs: s.Runs, Why: s.Why})
	}
	return out
}

func (r *rules) Handovers(rec providers.Record, objects []providers.Record) []plan.Handover {
	var out []plan.Handover
	for _, h := range r.hello.Handovers(rec, objects) {
		out = append(out, plan.Handover{To: h.To, Stage: h.Stage, Flow: string(h.Flow), Waits: h.Waits, Text: h.Text})
	}
	return out
}
