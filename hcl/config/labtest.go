package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"hellolab/hcl/budget"
)

// TestSuffix ends the names of test files, TestDir is the folder in which they
// may stand besides the lab's own.
const (
	TestSuffix = ".labtest.hcl"
	TestDir    = "tests"
)

// Commands of runs.
const (
	RunPlan      = "plan"
	RunApply     = "apply"
	RunSignIn    = "signin"
	RunProvision = "provision"
	RunSync      = "sync"
	RunAdvance   = "advance"
	RunFault     = "fault"
	RunRevoke    = "revoke"
)

// RunCommands are the commands, in the order of the reference.
var RunCommands = []string{RunPlan, RunApply, RunSignIn, RunProvision, RunSync, RunAdvance, RunFault, RunRevoke}

// TestFile is a test file: runs that follow each other on one throwaway lab.
type TestFile struct {
	Name      string // slash-separated, within the folder
	Variables []Given
	Faults    []*Fault
	Runs      []*Run
}

// Given is a line of a variables block.
type Given struct {
	Name  string
	Expr  hclsyntax.Expression
	Range hcl.Range
}

// Run is a run block.
type Run struct {
	Check     // name, expect, attempt, faults, asserts; After is the argument by
	Command   string
	Variables []Given
	Sync      hcl.Traversal   // of sync; nil: the only one
	Begin     []hcl.Traversal // of fault
	End       []hcl.Traversal // of fault
	Options   PlanOptions     // of plan and apply

	CommandRange hcl.Range
}

// PlanOptions is a plan_options block.
type PlanOptions struct {
	Mode    string // "normal", "refresh-only", "destroy"
	Refresh bool
	Target  []hcl.Traversal
	Replace []hcl.Traversal
}

// LoadTests reads the test files of the folder of a Config: its own, then those
// of TestDir, each in name order. The files are known to Files afterwards.
func (c *Config) LoadTests() ([]*TestFile, hcl.Diagnostics) {
	if c.root == nil {
		return nil, nil
	}
	names, err := c.root.list(TestSuffix)
	if err != nil {
		return nil, hcl.Diagnostics{errorf(nil, "Cannot read the lab folder", "%s.", sentence(err))}
	}
	more, err := c.root.listIn(TestDir, TestSuffix)
	if err != nil {
		return nil, hcl.Diagnostics{errorf(nil, "Cannot read the folder of test files", "%s: %s.", TestDir, sentence(err))}
	}
	names = append(names, more...)
	if len(names) > maxFiles {
		return nil, hcl.Diagnostics{errorf(nil, "Too many test files", "There are more than %d test files.", maxFiles)}
	}
	var files []*TestFile
	var diags hcl.Diagnostics
	for _, name := range names {
		src, err := c.root.read(name)
		if err != nil {
			diags = append(diags, errorf(startOf(name), "Cannot read a test file", "%s.", sentence(err)))
			continue
		}
		f, more := c.ParseTest(name, src)
		diags = append(diags, more...)
		files = append(files, f)
	}
	return files, diags
}

// ParseTest reads one test file of a Config. The file is never nil.
func (c *Config) ParseTest(name string, src []byte) (*TestFile, hcl.Diagnostics) {
	f, diags := ParseFile(name, src)
	c.AddFile(name, f)
	test := &TestFile{Name: name}
	body, ok := f.Body.(*hclsyntax.Body)
	if !ok || diags.HasErrors() {
		return test, diags
	}
	budget.Instrument(body)
	l := &loader{config: c, seen: map[string]hcl.Range{}}
	for _, fault := range c.Faults {
		l.seen["fault\x00"+fault.Name] = fault.NameRange
	}
	for _, a := range sorted(body.Attributes) {
		l.add(errorf(&a.NameRange, "Unexpected attribute", "Attributes stand in blocks. A value of a variable stands in a block variables { … }."))
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "variables":
			test.Variables = append(test.Variables, l.variables(b)...)
		case "fault":
			test.Faults = append(test.Faults, l.fault(b)...)
		case "run":
			if r := l.run(b); r != nil {
				test.Runs = append(test.Runs, r)
			}
		default:
			l.add(errorf(&b.TypeRange, "Unknown block type", "A test file has blocks run, variables and fault, and no %q. What the lab consists of stands in its own files, whose names end in %s.", b.Type, Suffix))
		}
	}
	if len(test.Runs) == 0 && !l.diags.HasErrors() {
		l.add(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "No runs", Detail: "The test file has no run block, so it tests nothing.", Subject: startOf(name)})
	}
	return test, append(diags, l.diags...)
}

// variables reads the lines of a variables block.
func (l *loader) variables(b *hclsyntax.Block) (out []Given) {
	if len(b.Labels) != 0 {
		l.add(errorf(&b.LabelRanges[0], "Wrong number of labels", "A variables block has no label."))
	}
	for _, nested := range b.Body.Blocks {
		l.add(errorf(nested.DefRange().Ptr(), "Unexpected block", "A variables block has lines name = value and no blocks."))
	}
	for _, a := range sorted(b.Body.Attributes) {
		i := slices.IndexFunc(l.config.variables, func(v *Variable) bool { return v.Name == a.Name })
		if i < 0 {
			names := make([]string, len(l.config.variables))
			for n, v := range l.config.variables {
				names[n] = v.Name
			}
			l.add(errorf(&a.NameRange, "Undeclared variable", "The lab has no variable %q. It has %s.", a.Name, orNone(names)))
			continue
		}
		if l.config.variables[i].Sensitive {
			l.config.Redact(a.Expr.Range())
		}
		out = append(out, Given{Name: a.Name, Expr: a.Expr, Range: a.SrcRange})
	}
	return out
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
