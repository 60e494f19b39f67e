package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/check"
	"hellolab/engine/impact"
	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/engine/labtest"
	"hellolab/engine/plan"
	"hellolab/hcl/config"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/windows"
	"hellolab/providers/wire/connect"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/web"
	"hellolab/state"
)

// testCommand runs test files, each on a lab that begins with nothing and is
// thrown away. The state is neither read nor written.
type testCommand struct {
	varFlags
	filter list
	json   bool
	junit  string
}

func (c *testCommand) flags(fs *flag.FlagSet) {
	c.varFlags.flags(fs)
	fs.Var(&c.filter, "filter", "only the test file `FILE`; may be repeated")
	fs.BoolVar(&c.json, "json", false, "print JSON, with everything that happened")
	fs.StringVar(&c.junit, "junit", "", "write JUnit XML to `FILE`, besides")
}

func (c *testCommand) run(ctx context.Context, s *session, _ []string) error {
	cfg, diags := config.Load(s.labDir())
	files, more := cfg.LoadTests()
	s.know(cfg.Files())
	if diags = append(diags, more...); diags.HasErrors() {
		return diags
	}
	files, err := c.chosen(files)
	if err != nil {
		return err
	}
	req := s.tests(cfg, files, &c.varFlags)
	diags = append(diags, labtest.Validate(ctx, req)...)
	s.know(cfg.Files())
	if diags.HasErrors() {
		return diags
	}
	s.warn(diags)
	results := labtest.Run(ctx, req)
	s.know(cfg.Files())
	s.recordTests(results)
	if c.junit != "" {
		err := writeFile(s.path(c.junit), 0o644, func(w io.Writer) error { return view.TestsJUnit(w, results) })
		if err != nil {
			return err
		}
	}
	if c.json {
		err = view.TestsJSON(s.out, results)
	} else {
		err = view.Tests(s.out, results, s.outStyle())
		for _, f := range results {
			for _, r := range f.Runs {
				s.warn(r.Diagnostics)
			}
		}
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(f labtest.File) bool { return f.Status != labtest.Pass }) {
		return exitCode(exitError)
	}
	return nil
}

// chosen are the files that were asked for, all without -filter.
func (c *testCommand) chosen(files []*config.TestFile) ([]*config.TestFile, error) {
	if len(files) == 0 {
		return nil, mistake("Write one, such as main"+config.TestSuffix+" in the lab folder, with blocks run \"name\" { … }.", "There are no test files")
	}
	if len(c.filter) == 0 {
		return files, nil
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	var out []*config.TestFile
	for _, want := range c.filter {
		i := slices.IndexFunc(files, func(f *config.TestFile) bool {
			base := path.Base(f.Name)
			return f.Name == path.Clean(want) || base == want || strings.TrimSuffix(base, config.TestSuffix) == want
		})
		if i < 0 {
			return nil, mistake(didYouMean(want, names, "There are: "+strings.Join(names, ", ")+"."), "There is no test file %s", view.Quote(want))
		}
		if !slices.Contains(out, files[i]) {
			out = append(out, files[i])
		}
	}
	return out, nil
}

// tests are the files of a folder with what running them takes.
func (s *session) tests(cfg *config.Config, files []*config.TestFile, f *varFlags) labtest.Request {
	paths := make([]string, len(f.varFiles))
	for i, name := range f.varFiles {
		paths[i] = s.path(name)
	}
	source := eval.VarSource{Files: paths, Flags: f.vars, Env: s.env, Dir: s.labDir(), Unset: f.unset}
	return labtest.Request{
		Config:   cfg,
		Files:    files,
		Registry: s.registry,
		Now:      s.now,
		Variables: func(runs map[string]cty.Value, sets ...[]config.Given) (map[string]cty.Value, hcl.Diagnostics) {
			return eval.TestVariables(cfg, source, runs, sets...)
		},
		NewLab:      s.openTroubled,
		Rules:       func() plan.Rules { return &rules{} },
		Hands:       s.hands(),
		Sync:        s.testSync,
		Revoke:      s.testRevoke,
		Reason:      windows.ReasonOf,
		KnownReason: knownReason,
		Expect:      s.expect,
		Impact:      s.testImpact,
		Workers:     runtime.GOMAXPROCS(0),
	}
}

// knownReason says why a check or run, as who calls it, cannot expect a code.
func knownReason(who, code string) error {
	if _, known := hello.ReasonFor(code); known {
		return nil
	}
	text := fmt.Sprintf("%s expects %q, which is neither \"success\" nor the code of a reason.", who, code)
	if near := hello.NearestReason(code); near != "" {
		text += fmt.Sprintf(" Did you mean %q?", near)
	}
	return errors.New(text)
}

// testSync has a Connect server run a cycle, as its administrator does.
func (s *session) testSync(ctx context.Context, l *lab.Lab, addr string) (code, detail string, err error) {
	o, err := s.syncNamed(l, addr)
	if err != nil {
		return "", "", err
	}
	id, err := guid.New(s.rand)
	if err != nil {
		return "", "", err
	}
	env := l.Env(o.Addr, &providers.Type{}, cty.NilVal)
	report, err := connect.Cycle(web.WithCorrelation(ctx, id.String()), env, connect.Server{Host: o.Out.Host, Secret: o.Out.Admin},
		connect.Request{Own: true, Reason: "a test"})
	if err != nil {
		return "", "", err
	}
	if len(report.Errors) > 0 {
		detail = report.Errors[0].String()
	}
	if report.Result == connect.Success {
		return check.Success, detail, nil
	}
	return string(report.Result), detail, nil
}

// testImpact is the preview of a plan's sign-ins as a value: what `plan -json`
// tells of it.
func (s *session) testImpact(ctx context.Context, base state.Base, p *plan.Plan, by plan.Rules) (cty.Value, error) {
	asked, ok := by.(*rules)
	if !ok {
		return cty.EmptyObjectVal, nil
	}
	report, err := s.impactOf(ctx, &planFlags{impact: impactFull}, base, &planned{plan: p, asked: asked.objects})
	if err != nil {
		return cty.NilVal, err
	}
	if report == nil {
		report = &impact.Report{}
	}
	if report.Rows == nil {
		report.Rows = []impact.Row{}
	}
	data, err := json.Marshal(report)
	if err != nil {
		return cty.NilVal, err
	}
	ty, err := ctyjson.ImpliedType(data)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(data, ty)
}

// recordTests keeps what happened for `hellolab trace`. A folder that cannot be
// written does not make a test fail.
func (s *session) recordTests(results []labtest.File) {
	j, err := journal.Create(s.journalDir(), "test", s.now())
	if err != nil {
		s.log.Warn("tests are not recorded", "error", err)
		return
	}
	for _, f := range results {
		for _, r := range f.Runs {
			for _, e := range r.Events {
				j.Emit(e)
			}
		}
	}
	if err := j.Close(); err != nil {
		s.log.Warn("tests are not recorded", "error", err)
	}
}
