package jsonplan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/internal/rig"
	"hellolab/engine/jsonplan"
	"hellolab/engine/plan"
	"hellolab/state"
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
  labels = { open = "o", hidden = var.word }
}
person "bo" {
  site = site.a
  name = "bo"
}
machine "m" {
  for_each = toset(["x"])
  site     = site.a
  name     = "m${each.key}"
  slots { model = "s" }
}
pass "p" {
  person  = person.ann
  machine = machine.m["x"]
  pin     = var.word
}
value "v" { input = [1.5, true, null, { id = pass.p.id }] }
output "id" { value = pass.p.id }
output "badge" {
  value     = person.ann.badge
  sensitive = true
}
check "c" {
  assert {
    condition     = pass.p.id != ""
    error_message = "There is no id."
  }
}
`

func TestTerraformReadsPlans(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	r.MustApply(t, before)
	src := strings.NewReplacer(
		"person \"bo\" {\n  site = site.a\n  name = \"bo\"\n}", "",
		`model = "s"`, `model = "t"`,
		`open = "o"`, `open = "p"`,
	).Replace(before)
	p, result, _, diags := r.Plan(src)
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	b, err := jsonplan.Marshal(p, result, r.Registry)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "hush") || strings.Contains(string(b), "badge of ann") {
		t.Errorf("a sensitive value is shown: %s", b)
	}
	var doc tfjson.Plan
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("terraform-json refuses the plan: %v\n%s", err, b)
	}

	changes := map[string]*tfjson.ResourceChange{}
	var got []string
	for _, c := range doc.ResourceChanges {
		changes[c.Address] = c
		got = append(got, fmt.Sprintf("%s %v %s", c.Address, c.Change.Actions, c.ActionReason))
	}
	want := []string{
		`machine.m["x"] [delete create] replace_because_cannot_update`,
		`pass.p [delete create] replace_because_cannot_update`,
		`person.ann [update] `,
		`person.bo [delete] delete_because_no_resource_config`,
		`site.a [no-op] `,
		`value.v [update] `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resource_changes (-want +got):\n%s", diff)
	}

	machine := changes[`machine.m["x"]`]
	if !machine.Change.Actions.Replace() || machine.Index != "x" || machine.Type != "machine" || machine.Name != "m" || machine.Mode != tfjson.ManagedResourceMode || machine.ProviderName != "hellolab" {
		t.Errorf("machine: %+v", machine)
	}
	if diff := cmp.Diff([]any{[]any{"slots", "model"}}, machine.Change.ReplacePaths); diff != "" {
		t.Errorf("replace_paths (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"id": true}, machine.Change.AfterUnknown); diff != "" {
		t.Errorf("after_unknown (-want +got):\n%s", diff)
	}
	if _, there := machine.Change.After.(map[string]any)["id"]; there {
		t.Error("an unknown attribute stands in after")
	}

	ann := changes["person.ann"].Change
	wantAfter := map[string]any{
		"site": "site.a", "name": "ann", "note": nil, "friends": nil, "secret": nil, "secret_version": 1.0,
		"labels": map[string]any{"open": "p", "hidden": nil}, "badge": nil, "id": ann.Before.(map[string]any)["id"],
	}
	if diff := cmp.Diff(wantAfter, ann.After); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	wantSensitive := map[string]any{"badge": true, "secret": true, "labels": map[string]any{"hidden": true}}
	for _, s := range []any{ann.AfterSensitive, ann.BeforeSensitive} {
		if diff := cmp.Diff(wantSensitive, s); diff != "" {
			t.Errorf("sensitive (-want +got):\n%s", diff)
		}
	}
	if bo := changes["person.bo"].Change; bo.After != nil || bo.Before == nil {
		t.Errorf("person.bo: %+v", bo)
	}
	value := changes["value.v"].Change
	if diff := cmp.Diff([]any{1.5, true, nil, map[string]any{}}, value.After.(map[string]any)["input"]); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{false, false, false, map[string]any{"id": true}}, value.AfterUnknown.(map[string]any)["input"]); diff != "" {
		t.Errorf("input unknown (-want +got):\n%s", diff)
	}

	if id := doc.OutputChanges["id"]; id == nil || !id.Actions.Update() || id.AfterUnknown != true || id.Before == nil {
		t.Errorf("output id: %+v", id)
	}
	if badge := doc.OutputChanges["badge"]; badge == nil || !badge.Actions.NoOp() || badge.After != nil || badge.AfterSensitive != true {
		t.Errorf("output badge: %+v", badge)
	}
	if n := len(doc.PlannedValues.RootModule.Resources); n != 5 {
		t.Errorf("%d planned values, want 5", n)
	}
	if n := len(doc.PriorState.Values.RootModule.Resources); n != 6 {
		t.Errorf("%d prior values, want 6", n)
	}
	if n := len(doc.Config.RootModule.Resources); n != 5 {
		t.Errorf("%d configured blocks, want 5", n)
	}
	for _, c := range doc.Config.RootModule.Resources {
		if c.Address == "pass.p" {
			if diff := cmp.Diff([]string{"machine.m", "person.ann"}, c.DependsOn); diff != "" {
				t.Errorf("depends_on (-want +got):\n%s", diff)
			}
		}
	}
	if len(doc.Checks) != 1 || doc.Checks[0].Address.Kind != tfjson.CheckKindCheckBlock || doc.Checks[0].Status != tfjson.CheckStatusUnknown {
		t.Errorf("checks: %+v", doc.Checks)
	}
	if doc.Complete == nil || !*doc.Complete {
		t.Error("a whole plan does not say that it is complete")
	}
}

func TestTerraformReadsDrift(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	r.MustApply(t, before)
	p, result, _, diags := r.Plan(before)
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	p.Drift = append(p.Drift, p.Changes[0])
	p.Drift[0].Action, p.Drift[0].After = plan.Delete, cty.NullVal(p.Drift[0].After.Type())
	b, err := jsonplan.Marshal(p, result, r.Registry)
	if err != nil {
		t.Fatal(err)
	}
	var doc tfjson.Plan
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.ResourceDrift) != 1 || !doc.ResourceDrift[0].Change.Actions.Delete() {
		t.Errorf("resource_drift: %+v", doc.ResourceDrift)
	}
}

func TestTerraformReadsStates(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	r.MustApply(t, before)
	var b []byte
	err := r.View.Read(func(rd state.Reader) (err error) {
		b, err = jsonplan.MarshalState(rd, r.Registry)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "hush") || strings.Contains(string(b), "badge of ann") {
		t.Errorf("a sensitive value is shown: %s", b)
	}
	var doc tfjson.State
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("terraform-json refuses the state: %v\n%s", err, b)
	}
	if n := len(doc.Values.RootModule.Resources); n != 6 {
		t.Errorf("%d resources, want 6", n)
	}
	if out := doc.Values.Outputs["id"]; out == nil || out.Type != cty.String || out.Value == nil {
		t.Errorf("output id: %+v", out)
	}
	if out := doc.Values.Outputs["badge"]; out == nil || !out.Sensitive || out.Value != nil {
		t.Errorf("output badge: %+v", out)
	}
}
