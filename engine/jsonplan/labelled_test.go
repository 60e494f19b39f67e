package jsonplan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/internal/rig"
	"hellolab/engine/jsonplan"
	"hellolab/state"
)

const labelled = `
variable "word" {
  sensitive = true
}
site "a" { name = "a" }
machine "m" {
  site = site.a
  name = "m"
  drive "c" {
    model  = "x"
    code   = var.word
    serial = "sn-735102"
  }
  drive "d" { size = 2 }
}
`

// Labelled blocks are objects by label, and what is sensitive in one of them is
// not shown, in a plan and in a state.
func TestLabelledBlocks(t *testing.T) {
	r := rig.New(t)
	r.Vars = map[string]cty.Value{"word": cty.StringVal("hush")}
	r.MustApply(t, labelled)
	p, result, _, diags := r.Plan(strings.NewReplacer(`"x"`, `"y"`, `drive "d" { size = 2 }`, `drive "e" { serial = "sn-735103" }`).Replace(labelled))
	if diags.HasErrors() {
		t.Fatal(rig.Diagnostics(diags))
	}
	b, err := jsonplan.Marshal(p, result, r.Registry)
	if err != nil {
		t.Fatal(err)
	}
	var doc tfjson.Plan
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("terraform-json refuses the plan: %v\n%s", err, b)
	}
	change := doc.ResourceChanges[0].Change
	drive := func(size float64, model any) map[string]any {
		return map[string]any{"size": size, "model": model, "owner": nil, "code": nil, "serial": nil, "slots": map[string]any{"count_of": 1.0, "model": nil}}
	}
	secret := map[string]any{"code": true, "serial": true}
	for name, c := range map[string]struct{ got, want any }{
		"before":           {change.Before.(map[string]any)["drive"], map[string]any{"c": drive(1, "x"), "d": drive(2, nil)}},
		"after":            {change.After.(map[string]any)["drive"], map[string]any{"c": drive(1, "y"), "e": drive(1, nil)}},
		"before_sensitive": {change.BeforeSensitive, map[string]any{"drive": map[string]any{"c": secret, "d": secret}}},
		"after_sensitive":  {change.AfterSensitive, map[string]any{"drive": map[string]any{"c": secret, "e": secret}}},
		"replace_paths":    {change.ReplacePaths, []any{[]any{"drive", "c", "model"}}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	var stored []byte
	err = r.View.Read(func(rd state.Reader) (err error) {
		stored, err = jsonplan.MarshalState(rd, r.Registry)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plan": string(b), "state": string(stored)} {
		for _, hidden := range []string{"hush", "sn-735"} {
			if strings.Contains(text, hidden) {
				t.Errorf("the %s shows %q: %s", name, hidden, text)
			}
		}
	}
}
