package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/internal/rig"
	"hellolab/engine/plan"
	"hellolab/state"
)

const drives = `
variable "word" {
  default   = "hush"
  sensitive = true
}
site "a" { name = "a" }
person "ann" {
  site = site.a
  name = "ann"
}
machine "m" {
  site = site.a
  name = "m"
  drive "c" {
    owner  = person.ann
    code   = var.word
    serial = "sn"
  }
  drive "d" { size = 2 }
}
value "seen" {
  for_each = machine.m.drive
  input    = { size = each.value.size, key = each.key, where = machine.m.id }
}
`

// References in labelled blocks order steps, write-only values reach the
// system and no record, and each block may be referred to.
func TestLabelledBlocks(t *testing.T) {
	r := rig.New(t)
	p, e := r.MustPlan(t, drives)
	if diff := cmp.Diff([]string{"create machine.m", "create person.ann", "create site.a", `create value.seen["c"]`, `create value.seen["d"]`}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	checkSteps(t, p)
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	person, machine := slices.Index(r.World.Calls, "create person ann"), slices.Index(r.World.Calls, "create machine m")
	if person < 0 || machine < person {
		t.Errorf("the machine was made before the owner of its drive: %v", r.World.Calls)
	}
	if r.World.Secrets["machine.m c"] != "hush" {
		t.Errorf("secrets seen: %v", r.World.Secrets)
	}
	for name, o := range r.Objects(t) {
		if strings.Contains(string(o.In), "hush") || strings.Contains(string(o.Out), "hush") {
			t.Errorf("%s holds a write-only value: %s", name, o.In)
		}
	}
	r.MustConverge(t, drives)

	// What is sensitive is told for each block that there is, before and after.
	p, _ = r.MustPlan(t, strings.Replace(drives, `drive "d"`, `drive "e"`, 1))
	for _, c := range p.Changes {
		if c.Addr.Kind != "machine" {
			continue
		}
		for label, paths := range map[string][]string{"before": printedPaths(c.SensitiveBefore), "after": printedPaths(c.SensitiveAfter)} {
			other := map[string]string{"before": "d", "after": "e"}[label]
			want := []string{`drive["c"].code`, `drive["c"].serial`, `drive["` + other + `"].code`, `drive["` + other + `"].serial`}
			if diff := cmp.Diff(want, paths); diff != "" {
				t.Errorf("sensitive %s (-want +got):\n%s", label, diff)
			}
		}
	}
}

// Somebody who changes one block, adds one and takes one away is found out.
func TestLabelledDrift(t *testing.T) {
	r := rig.New(t)
	r.MustApply(t, drives)
	items, err := r.World.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.Kind != "machine" {
			continue
		}
		var in rig.Machine
		if err := json.Unmarshal(it.In, &in); err != nil {
			t.Fatal(err)
		}
		in.Drives["c"].Size = 9
		in.Drives["x"] = &rig.Drive{Size: 1}
		delete(in.Drives, "d")
		it.In, _ = json.Marshal(in)
		b, _ := json.Marshal(it)
		overwrite(t, r, it, b)
	}
	err = state.NewSection(r.View, "site.a").Update(t.Context(), func(w state.TableWriter) error {
		return w.Put("touched", "by somebody", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	p, e := r.MustPlan(t, drives)
	if len(p.Drift) != 1 || p.Drift[0].Action != plan.Update {
		t.Fatalf("drift is %v", p.Drift)
	}
	if diff := cmp.Diff([]string{"update machine.m"}, described(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if _, diags := r.Apply(p, e); diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	r.MustConverge(t, drives)
}

func printedPaths(paths []cty.Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, plan.PathString(p))
	}
	return out
}
