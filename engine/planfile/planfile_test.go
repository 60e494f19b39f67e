package planfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/apply"
	"hellolab/engine/internal/rig"
	"hellolab/engine/jsonplan"
	"hellolab/engine/plan"
	"hellolab/engine/planfile"
)

const before = `
variable "word" {
  type      = string
  sensitive = true
}
site "a" { name = "a" }
person "ann" {
  site   = site.a
  name   = "ann"
  secret = var.word
  note   = var.word
}
machine "m" {
  site = site.a
  name = "m"
  drive "d" { model = "x" }
  drive "c" {
    owner  = person.ann
    code   = var.word
    serial = "hush"
    slots {}
  }
}
value "all" {
  for_each = { "x.y" = 1, "z" = 2 }
  input    = { n = each.value, who = person.ann.id }
}
value "gone" {}
output "who" { value = person.ann.id }
`

var after = strings.NewReplacer(`value "gone" {}`, "", `name   = "ann"`, `name   = "anna"`).Replace(before)

var key = bytes.Repeat([]byte{7}, 32)

// saved plans a lab of every action and saves it.
func saved(t testing.TB) (*rig.Rig, planfile.File) {
	t.Helper()
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	r.MustApply(t, before)
	return r, plannedAgain(t, r, after)
}

func plannedAgain(t testing.TB, r *rig.Rig, src string) planfile.File {
	t.Helper()
	p, result, _, diags := r.Plan(src)
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	public, err := jsonplan.Marshal(p, result, r.Registry)
	if err != nil {
		t.Fatal(err)
	}
	return planfile.File{
		Plan: p, Sources: map[string][]byte{"main.lab.hcl": []byte(src)}, Vars: r.Vars, Program: "hellolab 0.1.0", JSON: public,
	}
}

func write(t testing.TB, f planfile.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := planfile.Write(&b, f, key); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b, key []byte) (*planfile.File, error) {
	return planfile.Read(bytes.NewReader(b), int64(len(b)), key)
}

func TestRoundTrip(t *testing.T) {
	r, f := saved(t)
	f.Plan.Changes[0].Handovers = []plan.Handover{{To: "machine.m", Stage: "opening", Flow: "X1", Waits: true, Text: "Later."}}
	f.Plan.Changes[0].Stages = []plan.Stage{{Name: "opening", Flow: "X1", Runs: true}, {Name: "closing", Why: "Nobody closes."}}
	b := write(t, f)
	got, err := read(b, key)
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(got.Plan.Changes[0].Handovers, f.Plan.Changes[0].Handovers) {
		t.Errorf("handovers: %+v", got.Plan.Changes[0].Handovers)
	}
	if !cmp.Equal(got.Plan.Changes[0].Stages, f.Plan.Changes[0].Stages) {
		t.Errorf("stages: %+v", got.Plan.Changes[0].Stages)
	}
	if got.Program != f.Program || !bytes.Equal(got.JSON, f.JSON) || !cmp.Equal(got.Sources, f.Sources) || !got.Vars["word"].RawEquals(f.Vars["word"]) {
		t.Errorf("read %+v", got)
	}
	// What is read is written as the same bytes, so nothing was lost.
	if again := write(t, *got); !bytes.Equal(again, b) {
		t.Error("a plan that was read is written as other bytes")
	}
	// And it applies like the one that was saved.
	e, diags := r.Evaluator(string(got.Sources["main.lab.hcl"]))
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	result, diags := r.Apply(got.Plan, e, func(req *apply.Request) { req.Saved = true })
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	if result.Added != 1 || result.Changed != 3 || result.Destroyed != 2 {
		t.Errorf("result %+v", result)
	}
	if r.World.Secrets["person.ann"] != "hush" || r.World.Secrets["machine.m c"] != "hush" {
		t.Errorf("secrets seen: %v", r.World.Secrets)
	}
	r.MustConverge(t, after)
}

// TestEqualInputsEqualBytes: two plans of equal labs are equal files, whenever
// and by whichever process they were made.
func TestEqualInputsEqualBytes(t *testing.T) {
	r, f := saved(t)
	first := write(t, f)
	for range 5 {
		if second := write(t, plannedAgain(t, r, after)); !bytes.Equal(first, second) {
			t.Fatal("equal inputs gave other bytes")
		}
	}
	f.Plan.Created = f.Plan.Created.AddDate(1, 0, 0)
	if !bytes.Equal(first, write(t, f)) {
		t.Error("the bytes tell when the plan was made")
	}
	if other := write(t, plannedAgain(t, r, before)); bytes.Equal(first, other) {
		t.Error("another plan gave equal bytes")
	}
}

func TestSecretsAreSealed(t *testing.T) {
	_, f := saved(t)
	b := write(t, f)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range z.File {
		names = append(names, m.Name)
		if m.ModifiedDate != 0 || m.ModifiedTime != 0 || len(m.Extra) > 0 {
			t.Errorf("%s carries a time", m.Name)
		}
		rc, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hush", "badge of ann"} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %q", m.Name, secret)
			}
		}
	}
	if want := []string{"hmac", "manifest.json", "plan.json", "sealed"}; !slices.Equal(names, want) {
		t.Errorf("members %v, want %v", names, want)
	}
}

func TestRefusals(t *testing.T) {
	_, f := saved(t)
	b := write(t, f)
	tests := []struct {
		name string
		file []byte
		key  []byte
		want error
	}{
		{"another lab's key", b, bytes.Repeat([]byte{8}, 32), planfile.ErrEdited},
		{"the public plan was edited", rezip(t, b, "plan.json", func(s []byte) []byte { return bytes.Replace(s, []byte("ann"), []byte("eve"), 1) }), key, planfile.ErrEdited},
		{"the manifest was edited", rezip(t, b, "manifest.json", func(s []byte) []byte { return bytes.Replace(s, []byte(`"serial":`), []byte(`"serial":1`), 1) }), key, planfile.ErrEdited},
		{"the sealed member was edited", rezip(t, b, "sealed", func(s []byte) []byte { s[len(s)/2] ^= 1; return s }), key, planfile.ErrEdited},
		{"the digest was edited", rezip(t, b, "hmac", func(s []byte) []byte { return s[:10] }), key, planfile.ErrEdited},
		{"a newer format", rezip(t, b, "manifest.json", func(s []byte) []byte { return bytes.Replace(s, []byte(`"format":1`), []byte(`"format":2`), 1) }), key, planfile.ErrFormat},
		{"a member is missing", rezip(t, b, "sealed", func([]byte) []byte { return nil }), key, planfile.ErrNoPlan},
		{"a member too many", add(t, b, "more"), key, planfile.ErrNoPlan},
		{"a member twice", add(t, b, "plan.json"), key, planfile.ErrNoPlan},
		{"no archive", []byte("not a zip"), key, planfile.ErrNoPlan},
		{"nothing", nil, key, planfile.ErrNoPlan},
		{"cut short", b[:len(b)/2], key, planfile.ErrNoPlan},
		{"a bomb", rezip(t, b, "plan.json", func([]byte) []byte { return make([]byte, 64<<20) }), key, planfile.ErrEdited},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.file, tt.key)
			if !errors.Is(err, tt.want) {
				t.Errorf("Read: %v; want %v", err, tt.want)
			}
		})
	}
}

// TestEveryFlippedByte: no byte of the file can change without notice, or
// without harm.
func TestEveryFlippedByte(t *testing.T) {
	_, f := saved(t)
	b := write(t, f)
	want, err := read(b, key)
	if err != nil {
		t.Fatal(err)
	}
	canonical := write(t, *want)
	step := max(1, len(b)/2_000)
	for i := 0; i < len(b); i += step {
		b[i] ^= 0x41
		if got, err := read(b, key); err == nil && !bytes.Equal(write(t, *got), canonical) {
			t.Fatalf("byte %d: read another plan", i)
		}
		b[i] ^= 0x41
	}
}

// rezip rewrites one member; nil removes it.
func rezip(t *testing.T, b []byte, name string, edit func([]byte) []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range z.File {
		rc, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name == name {
			if content = edit(content); content == nil {
				continue
			}
		}
		e, err := w.CreateHeader(&zip.FileHeader{Name: m.Name, Method: m.Method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// add appends a member.
func add(t *testing.T, b []byte, name string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range z.File {
		if err := w.Copy(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Create(name); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzRead(f *testing.F) {
	_, file := saved(f)
	f.Add(write(f, file))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := read(b, key); err == nil && got.Plan == nil {
			t.Error("a file without a plan was read")
		}
	})
}

func TestManifestIsReadable(t *testing.T) {
	_, f := saved(t)
	b := write(t, f)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	rc, err := z.Open("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		Format                 int
		Program, Lineage, Mode string
		Serial                 uint64
	}
	if err := json.NewDecoder(rc).Decode(&head); err != nil {
		t.Fatal(err)
	}
	if head.Format != planfile.Format || head.Program != f.Program || head.Lineage != "rig" || head.Serial != f.Plan.Serial || head.Mode != string(plan.Normal) {
		t.Errorf("manifest %+v", head)
	}
}
