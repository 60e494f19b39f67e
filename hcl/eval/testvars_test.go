package eval

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/config"
)

const testVarsLab = `
variable "name" {
  type = string
}
variable "size" {
  type    = number
  default = 6
  validation {
    condition     = var.size > 3
    error_message = "Too small."
  }
}
variable "pin" {
  type      = string
  sensitive = true
  default   = "1"
}
`

// sets parses variables blocks: that of the file, then that of its run.
func sets(t *testing.T, c *config.Config, file, run string) [][]config.Given {
	t.Helper()
	f, diags := c.ParseTest("a.labtest.hcl", []byte("variables {\n"+file+"\n}\nrun \"a\" {\nvariables {\n"+run+"\n}\n}"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return [][]config.Given{f.Variables, f.Runs[0].Variables}
}

func TestTestVariables(t *testing.T) {
	runs := map[string]cty.Value{"before": cty.ObjectVal(map[string]cty.Value{"code": cty.StringVal("success")})}
	for _, tt := range []struct {
		name, file, run string
		flags           []string
		want            string // name, size, pin; or what is wrong
	}{
		{"file over flag", `name = "f"`, "", []string{"name=flag", "size=7"}, "f 7 1"},
		{"run over file", `name = "f"`, `name = "r"`, nil, "r 6 1"},
		{"of what was before", `name = "f"`, `name = "${var.name}${var.size}"`, nil, "f6 6 1"},
		{"of its set, each sees the one before", `name = "f"` + "\nsize = 9", `name = "${var.size}"` + "\nsize = 5", nil, "9 5 1"},
		{"of a run", `name = "f"`, `name = run.before.code`, nil, "success 6 1"},
		{"converted", `name = 5`, `size = "8"`, nil, "5 8 1"},
		{"missing", "", "", nil, "a line name = … in a block variables"},
		{"given by the run alone", "", `name = "r"`, nil, "r 6 1"},
		{"wrong type", `name = "f"`, `size = "many"`, nil, `The value of "size" does not fit`},
		{"a secret of the wrong type", `name = "f"`, `pin = [var.name]`, nil, `The value of "pin" does not fit: it does not fit the type.`},
		{"a secret for everybody", `name = "f"`, `name = var.pin`, nil, `The variable "name" gets a sensitive value and is not sensitive`},
		{"a secret of a secret", `name = "f"`, `pin = "${var.pin}2"`, nil, "f 6 12"},
		{"not valid", `name = "f"`, `size = 2`, nil, "Too small."},
		{"of the lab", `name = "f"`, `size = user.alice.size`, nil, "refers to other variables and to runs"},
	} {
		c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(testVarsLab)})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		vals, diags := TestVariables(c, VarSource{Flags: tt.flags}, runs, sets(t, c, tt.file, tt.run)...)
		got := ""
		for _, d := range diags {
			got += d.Summary + ": " + d.Detail + "\n"
		}
		if got == "" {
			size, _ := vals["size"].AsBigFloat().Int64()
			got = vals["name"].AsString() + " " + string(rune('0'+size)) + " " + vals["pin"].AsString()
			if got != tt.want {
				t.Errorf("%s: %s", tt.name, got)
			}
		} else if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	c, _ := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(testVarsLab)})
	if vals, diags := TestVariables(c, VarSource{Unset: true}, nil); diags.HasErrors() || vals["name"].IsKnown() {
		t.Errorf("without a value: %v, %v", vals["name"], diags)
	}
}
