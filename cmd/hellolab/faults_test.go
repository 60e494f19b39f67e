package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hellolab/cmd/hellolab/internal/reference"
	"hellolab/hcl/config"
	"hellolab/providers/windows/tpm/worker"
)

const faultsDir = docsDir + "/faults" // the labs that docs/faults.md is tried out on

// faultLabs are the labs there, by their folders: one in a managed tenant, one in a
// tenant that is federated, one that device management rules.
var faultLabs = []string{".", "federation", "scope"}

// tried is how one check or run of the lab of faults ended.
type tried struct {
	Name, Status, Did string
	Faults            []string
	Verdict           *struct {
		Code, Flow, Phase string
		Reason            *struct{ Code, Name string }
	}
}

// TestFaults tries every failure scenario by its fault, in real sign-ins,
// provisionings and joins, and keeps docs/faults.md true. With -docs it writes it.
func TestFaults(t *testing.T) {
	if !worker.Available() {
		t.Skip("built without cgo: there is no TPM simulator to break")
	}
	results := map[string]tried{}
	for _, lab := range faultLabs {
		tryFaults(t, lab, results)
	}
	for name, r := range results {
		if r.Status != "pass" {
			t.Errorf("%s: %s %+v", name, r.Status, r.Verdict)
		}
	}
	registry := newSystems(nil, nil).registry
	parts := map[string]string{"kinds": reference.Faults(registry), "scenarios": scenarios(t, results)}
	everyKindIsTried(t, parts["kinds"], results)
	file := filepath.Join(docsDir, "faults.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := reference.Fill(have, parts)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case bytes.Equal(have, want):
	case *docs && !t.Failed():
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/faults.md is out of date; run `make docs` and commit it")
	}
}

// tryFaults tries what a lab has of checks and runs. Those of a lab in a folder of
// its own go by that.
func tryFaults(t *testing.T, lab string, results map[string]tried) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(faultsDir, lab))); err != nil {
		t.Fatal(err)
	}
	if out, err := hellolab(t, dir, nil, "fmt", "-check").CombinedOutput(); err != nil {
		t.Errorf("docs/faults is not in canonical style: hellolab fmt docs/faults\n%s", out)
	}
	if out, err := hellolab(t, dir, nil, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	var checks struct{ Checks []tried }
	readJSON(t, hellolabOut(t, dir, "check", "-json"), &checks)
	for _, c := range checks.Checks {
		results[path.Join(lab, c.Name)] = c
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*"+config.TestSuffix)); err != nil || len(files) == 0 {
		return
	}
	var tests struct {
		Files []struct {
			Name string
			Runs []tried
		}
	}
	readJSON(t, hellolabOut(t, dir, "test", "-json"), &tests)
	for _, f := range tests.Files {
		for _, r := range f.Runs {
			results[path.Join(lab, f.Name, r.Name)] = r
		}
	}
}

// hellolabOut is what a command prints whose verdict the caller judges.
func hellolabOut(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	c := hellolab(t, dir, nil, args...)
	var failed bytes.Buffer
	c.Stderr = &failed
	out, err := c.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("%q: %v\n%s", args, err, failed.Bytes())
	}
	return out
}

func readJSON(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in\n%.2000s", err, data)
	}
}

// faultKinds are the kinds of the lab's faults, by name.
func faultKinds(t *testing.T) map[string]string {
	t.Helper()
	block := regexp.MustCompile(`(?s)fault "([^"]+)" \{\s+kind\s+= "([^"]+)"`)
	kinds := map[string]string{}
	for _, lab := range faultLabs {
		var names []string
		for _, suffix := range []string{config.Suffix, config.TestSuffix} {
			found, err := filepath.Glob(filepath.Join(faultsDir, lab, "*"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, found...)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range block.FindAllSubmatch(src, -1) {
				kinds[string(m[1])] = string(m[2])
			}
		}
	}
	return kinds
}

// scenarios renders the table of scenarios: of each how it is tried and how that
// ended, or why it cannot be.
func scenarios(t *testing.T, results map[string]tried) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(faultsDir, "scenarios.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := faultKinds(t)
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSuffix(string(src), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 4 || f[0] != fmt.Sprint(i+1) {
			t.Fatalf("scenarios.tsv, line %d: %q is not number, scenario, symptom and proof", i+1, line)
		}
		if why, not := strings.CutPrefix(f[3], "- "); not {
			rows = append(rows, []string{f[0], f[1], f[2], "", "not to be had: " + why})
			continue
		}
		for n, name := range strings.Fields(f[3]) {
			r, ok := results[name]
			if !ok {
				t.Errorf("scenario %s: there is no check or run %s", f[0], name)
				continue
			}
			var by []string
			for _, fault := range r.Faults {
				by = append(by, "`"+kinds[fault]+"`")
			}
			row := []string{"", "", "", strings.Join(by, ", "), ending(r)}
			if n == 0 {
				copy(row, f[:3])
			}
			rows = append(rows, row)
		}
	}
	if len(rows) < 54 {
		t.Errorf("%d rows for 54 scenarios", len(rows))
	}
	return reference.Table([]string{"#", "Scenario", "In the field", "Fault", "In the lab"}, rows)
}

// ending says how a try ended: code, status, flow and phase.
func ending(r tried) string {
	v := r.Verdict
	if v == nil {
		return r.Did
	}
	text := "`" + v.Code + "`"
	if v.Reason != nil && v.Reason.Code != v.Code {
		text += " " + strings.TrimSpace(v.Reason.Code+" "+v.Reason.Name)
	}
	if place := strings.TrimSpace(v.Flow + " " + v.Phase); place != "" {
		text += ", " + place
	}
	return text
}

// everyKindIsTried: no kind of fault is there that no check or run begins.
func everyKindIsTried(t *testing.T, table string, results map[string]tried) {
	t.Helper()
	kinds := faultKinds(t)
	begun := map[string]bool{}
	for _, r := range results {
		for _, fault := range r.Faults {
			begun[kinds[fault]] = true
		}
	}
	for _, f := range newSystems(nil, nil).registry.Faults() {
		if !begun[f.Name] {
			t.Errorf("no check or run of docs/faults begins a fault of kind %s", f.Name)
		}
		if !strings.Contains(table, "`"+f.Name+"`") {
			t.Errorf("the reference does not tell of %s", f.Name)
		}
	}
}
