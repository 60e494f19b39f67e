package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	rowsHead = "id\tstatement\topen\n"
	noteHead = "id\tthing\thow\tsource\trows\n"
	goHead   = "package x\n\nimport (\n\t\"testing\"\n\n\t\"hellolab/providers/conformance/seed\"\n)\n\n"
)

// tree is a small module; files are added to it or replaced in it.
func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{
		"docs/fidelity/rows.tsv":      {Data: []byte(rowsHead + "PA-07\tA factor stays current\t\nPA-08\tOthers always prompt\tthe prompt\nMOD-01\tOrder | of stages\t\n")},
		"docs/fidelity/simulated.tsv": {Data: []byte(noteHead + "S1\tchip\tsoftware\tspec\tPA-07\n")},
		"docs/fidelity/readings.tsv":  {Data: []byte(noteHead + "R4\tquestion\tanswer\tnobody says\tPA-*\n")},
		"a/a_test.go":                 {Data: []byte(goHead + "func TestA(t *testing.T) {\n\tseed.Proves(t, \"PA-07\", \"P2\", \"P1\")\n\tt.Run(\"x\", func(t *testing.T) { seed.Proves(t, \"MOD-01\") })\n}\n")},
	}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

func TestGenerate(t *testing.T) {
	const untied = "func TestX(t *testing.T) { seed.Proves(t, \"NOPE-01\") }\n"
	md, summary, err := generate(tree(map[string]string{
		"b/b_test.go": strings.ReplaceAll(goHead, "\t\"hellolab", "\tproof \"hellolab") +
			"func TestB(t *testing.T) {\n\tproof.Proves(t, \"PA-07\", string(hello.A1))\n\tproof.Proves(t, \"PA-08\")\n\tproof.Proves(t, \"PA-08\", string(DR))\n}\n",
		"cmd/hellolab/testdata/script/plan.txtar": "# proves MOD-01 P1\n# proves\nexec hellolab plan\n-- a.txt --\n# proves NOPE-01\n",
		// None of these is a tie.
		"cmd/hellolab/testdata/other.txtar": "# proves NOPE-01\n",
		".git/x_test.go":                    goHead + untied,
		"a/testdata/y_test.go":              goHead + untied,
		"a/plain.go":                        goHead + untied,
		"a/other_test.go":                   "package x\n\n// \"hellolab/providers/conformance/seed\" is named, not imported\ntype seed struct{}\n",
		"a/mine_test.go":                    strings.Replace(goHead, "conformance/seed", "other/seed", 1) + untied,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if want := "3 statements: 3 proven by tests (1 of them in part), 0 to be proven; 1 things simulated, 1 readings."; summary != want {
		t.Errorf("%s", summary)
	}
	for _, line := range []string{
		"| PA-07 | A factor stays current | P1 P2 A1 | [TestA](../a/a_test.go)<br>[TestB](../b/b_test.go) | S1 R4 |  |",
		"| PA-08 | Others always prompt | DR | [TestB](../b/b_test.go) | R4 | the prompt |",
		"| MOD-01 | Order \\| of stages | P1 | [TestA](../a/a_test.go)<br>[plan](../cmd/hellolab/testdata/script/plan.txtar) | real |  |",
		"| S1 | chip | software | spec |",
		"| [PA](#pa) | Provisioning A: token and second factor | 2 | 2 | 1 |",
	} {
		if !strings.Contains(string(md), line+"\n") {
			t.Errorf("no line %q in\n%s", line, md)
		}
	}
}

func TestUnprovenRow(t *testing.T) {
	md, summary, err := generate(tree(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(md), "| PA-08 | Others always prompt |  | – |  | the prompt |\n") || !strings.Contains(summary, "1 to be proven") {
		t.Errorf("%s\n%s", summary, md)
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	first, _, err := generate(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, _, err := generate(os.DirFS("../.."))
		if err != nil || !bytes.Equal(first, again) {
			t.Fatal("two runs differ", err)
		}
	}
}

func TestRefusals(t *testing.T) {
	call := func(body string) map[string]string {
		return map[string]string{"b/b_test.go": goHead + body}
	}
	rows := func(lines string) map[string]string {
		return map[string]string{"docs/fidelity/rows.tsv": rowsHead + lines}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"unknown row":         {call("func TestB(t *testing.T) { seed.Proves(t, \"PA-99\") }"), `b/b_test.go:9: there is no row "PA-99"`},
		"script's row":        {map[string]string{"cmd/hellolab/testdata/script/a.txtar": "# proves NOPE-01\n"}, `a.txtar:1: there is no row "NOPE-01"`},
		"unknown flow":        {call("func TestB(t *testing.T) { seed.Proves(t, \"PA-07\", \"P9\") }"), `there is no flow "P9"`},
		"row not literal":     {call("func TestB(t *testing.T) { r := \"PA-07\"; seed.Proves(t, r) }"), "must be a string literal"},
		"flow not literal":    {call("func TestB(t *testing.T) { seed.Proves(t, \"PA-07\", f()) }"), "a flow given"},
		"flows spread":        {call("func TestB(t *testing.T) { seed.Proves(t, \"PA-07\", fs...) }"), "one by one"},
		"no row":              {call("func TestB(t *testing.T) { seed.Proves(t) }"), "needs a row"},
		"in a helper":         {call("func helper(t *testing.T) { seed.Proves(t, \"PA-07\") }"), "in a test function"},
		"in a method":         {call("func (s suite) TestB(t *testing.T) { seed.Proves(t, \"PA-07\") }"), "in a test function"},
		"in a variable":       {call("var _ = func(t *testing.T) { seed.Proves(t, \"PA-07\") }"), "in a test function"},
		"unparsable":          {call("func TestB("), "b/b_test.go"},
		"row twice":           {rows("PA-07\ta\t\nPA-07\tb\t\nPA-08\tc\t\nMOD-01\td\t\n"), "PA-07 is listed twice"},
		"malformed row":       {rows("pa-7\ta\t\n"), `"pa-7" is no row id`},
		"unknown group":       {rows("PA-07\ta\t\nPA-08\tb\t\nMOD-01\tc\t\nZZ-01\td\t\n"), "ZZ-01 belongs to no known group"},
		"wordy":               {rows("PA-07\t1 2 3 4 5 6 7 8 9 10 11 12 13\t\nPA-08\tb\t\nMOD-01\tc\t\n"), "1 to 12 words"},
		"columns":             {rows("PA-07\ta\n"), "docs/fidelity/rows.tsv:2: 2 columns, want 3"},
		"header":              {map[string]string{"docs/fidelity/rows.tsv": "id\ttext\topen\n"}, "docs/fidelity/rows.tsv:1"},
		"note of no row":      {map[string]string{"docs/fidelity/simulated.tsv": noteHead + "S1\ta\tb\tc\tPA-99\n"}, `S1: there is no row "PA-99"`},
		"note of no group":    {map[string]string{"docs/fidelity/simulated.tsv": noteHead + "S1\ta\tb\tc\tPX-*\n"}, `there is no row "PX-*"`},
		"note without source": {map[string]string{"docs/fidelity/readings.tsv": noteHead + "R1\ta\tb\t\tPA-07\n"}, "all needed"},
		"note twice":          {map[string]string{"docs/fidelity/readings.tsv": noteHead + "R1\ta\tb\tc\tPA-07\nR1\ta\tb\tc\tPA-07\n"}, "listed twice"},
	} {
		if _, _, err := generate(tree(c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, missing := range []string{"rows", "simulated", "readings"} {
		fsys := tree(nil)
		delete(fsys, "docs/fidelity/"+missing+".tsv")
		if _, _, err := generate(fsys); err == nil {
			t.Errorf("%s.tsv is missing, and nobody notices", missing)
		}
	}
}

func TestCheckAndWrite(t *testing.T) {
	fsys := tree(nil)
	var out bytes.Buffer
	if err := run(fsys, true, &out); err == nil || !strings.Contains(err.Error(), "out of date") {
		t.Errorf("a missing page passes: %v", err)
	}
	want, _, err := generate(fsys)
	if err != nil {
		t.Fatal(err)
	}
	fsys[page] = &fstest.MapFile{Data: want}
	if err := run(fsys, true, &out); err != nil {
		t.Error(err)
	}
	fsys[page] = &fstest.MapFile{Data: append(want, ' ')}
	if err := run(fsys, true, &out); err == nil {
		t.Error("a changed page passes")
	}

	t.Chdir(t.TempDir())
	if err := os.Mkdir("docs", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(fsys, false, &out); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(page); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n%s", err, got)
	}
}

// The statements are those of the five documents, all 447.
func TestRows(t *testing.T) {
	b, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 447 || len(b.groups()) != 35 {
		t.Errorf("%d rows in %d groups, want 447 in 35", len(b.rows), len(b.groups()))
	}
	next := map[string]int{}
	for _, r := range b.rows {
		next[r.group()]++
		if want := next[r.group()]; !strings.HasSuffix(r.id, "-"+string(rune('0'+want/10))+string(rune('0'+want%10))) {
			t.Errorf("%s is out of order", r.id)
		}
	}
	for kind, list := range map[string][]note{"R": b.readings, "S": b.simulated} {
		for i, n := range list {
			if want := fmt.Sprintf("%s%d", kind, i+1); n.id != want {
				t.Errorf("%s stands where %s should: notes are numbered in order, and none is taken back", n.id, want)
			}
		}
	}
}
