package eval

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/config"
	"hellolab/providers"
	"hellolab/providers/spec"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// registry has the kinds of the language without their systems.
func registry() *providers.Registry {
	return providers.NewRegistry(
		kind[spec.Tenant, spec.TenantOut]("tenant"),
		kind[spec.Group, spec.GroupOut]("group"),
		kind[spec.User, spec.UserOut]("user"),
		kind[spec.Device, spec.DeviceOut]("device"),
		kind[spec.Policy, spec.PolicyOut]("policy"),
		kind[spec.Enrollment, spec.EnrollmentOut]("enrollment"),
		kind[spec.Value, spec.ValueOut]("value"),
		kind[rack, rackOut]("rack"),
	)
}

// rack is a kind with labelled blocks, one in another.
type rack struct {
	Place       string                 `lab:"place,required" doc:"where it stands."`
	Controllers map[string]*controller `lab:"controller,blocks" doc:"its controllers."`
	Cooling     *cooling               `lab:"cooling,block" doc:"its cooling."`
	Peers       []providers.Ref        `lab:"peers,later" ref:"rack" doc:"racks beside it."`
	Main        providers.Ref          `lab:"main" ref:"rack" doc:"the rack it belongs to."`
}

type controller struct {
	OS          string           `lab:"os,required" enum:"2016,2019,2022" doc:"its release."`
	Owner       providers.Ref    `lab:"owner" ref:"user" doc:"whose it is."`
	Start       time.Duration    `lab:"start" default:"5m" doc:"how long it takes."`
	Cores       int              `lab:"cores" doc:"how many."`
	Key         providers.Secret `lab:"key,writeonly" doc:"opens it." json:"-"`
	Serial      string           `lab:"serial,sensitive" doc:"is not shown."`
	Certificate *certificate     `lab:"certificate,block" doc:"its certificate."`
	Disks       map[string]*disk `lab:"disk,blocks" doc:"its disks."`
}

type certificate struct {
	Template string   `lab:"template" default:"kdc" doc:"what it is made by."`
	Names    []string `lab:"names" doc:"of whom."`
}

type disk struct {
	Size int `lab:"size,required" doc:"how large."`
}

type cooling struct {
	Fans int `lab:"fans" default:"2" doc:"how many."`
}

type rackOut struct {
	ID string `lab:"id,id" doc:"its id."`
}

func kind[In, Out any](name string) providers.Type {
	return providers.Of(providers.Kind[In, Out]{
		Name: name,
		Key:  func(In) string { return "" },
		Find: func(context.Context, providers.Env, string) (providers.Object[In, Out], error) {
			return providers.Object[In, Out]{}, errors.New("no systems in this test")
		},
		Create: func(context.Context, providers.Env, In) (Out, error) {
			var o Out
			return o, errors.New("no systems in this test")
		},
		Update: func(context.Context, providers.Env, providers.Object[In, Out], In) (Out, error) {
			var o Out
			return o, errors.New("no systems in this test")
		},
	})
}

// load reads a configuration and evaluates its references.
func load(t testing.TB, files map[string]string, vars VarSource) (*config.Config, *Evaluator, hcl.Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vars.Dir = dir
	c, diags := config.Load(dir)
	vals, more := RootVariables(c, vars)
	diags = append(diags, more...)
	e, more := New(c, registry(), vals, Options{Now: func() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }})
	return c, e, append(diags, more...)
}

// rendered prints diagnostics as the command line does.
func rendered(t testing.TB, c *config.Config, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, c.Files(), 0, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLabs evaluates the labs of testdata and compares what they ask for, and
// what is wrong with them, with the golden parts.
func TestLabs(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no test data", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			var vars VarSource
			for _, f := range ar.Files {
				switch f.Name {
				case "diagnostics", "result":
				case "flags":
					vars.Flags = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
				case "env":
					vars.Env = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
				default:
					files[f.Name] = string(f.Data)
				}
			}
			c, e, diags := load(t, files, vars)
			res, more := e.Evaluate(context.Background(), nil)
			diags = append(diags, more...)
			golden(t, ar, "diagnostics", rendered(t, c, diags))
			if !diags.HasErrors() {
				golden(t, ar, "result", dump(res))
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func golden(t *testing.T, ar *txtar.Archive, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, "\t", "    ")
	i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case *update && got == "" && i >= 0:
		ar.Files = slices.Delete(ar.Files, i, i+1)
	case *update && got == "":
	case *update && i < 0:
		ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(got)})
	case *update:
		ar.Files[i].Data = []byte(got)
	default:
		want := ""
		if i >= 0 {
			want = string(ar.Files[i].Data)
		}
		if got != want {
			t.Errorf("%s differ (run with -update to rewrite):\ngot:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

// dump prints a result.
func dump(res *Result) string {
	var b strings.Builder
	for _, d := range res.Desired {
		fmt.Fprintf(&b, "%s = %s\n", d.Addr, show(d.Config))
		if len(d.Deps) > 0 {
			fmt.Fprintf(&b, "  after %v\n", d.Deps)
		}
		if len(d.Later) > 0 {
			fmt.Fprintf(&b, "  completed after %v\n", d.Later)
		}
		if m := d.Meta; m.PreventDestroy || m.IgnoreChanges != nil || m.ReplaceTriggeredBy != nil {
			fmt.Fprintf(&b, "  meta prevent_destroy=%v ignore_changes=%v replace_triggered_by=%v\n", m.PreventDestroy, m.IgnoreChanges, m.ReplaceTriggeredBy)
		}
	}
	for _, o := range res.Outputs {
		fmt.Fprintf(&b, "output %s = %s sensitive=%v\n", o.Name, show(o.Value), o.Sensitive)
	}
	for _, c := range res.Checks {
		fmt.Fprintf(&b, "check %s after=%q expect=%q\n", c.Name, c.After, c.Expect)
		if s := c.SignIn; s != nil {
			fmt.Fprintf(&b, "  %s on %s to %v pin=%s password=%s gesture=%q\n", s.User, s.Device, s.To, show(s.PIN), show(s.Password), s.Gesture)
		}
		for _, a := range c.Asserts {
			fmt.Fprintf(&b, "  assert %s else %q\n", show(a.Condition), a.Message)
		}
	}
	return b.String()
}

// show prints a value on one line, nulls of objects left out.
func show(v cty.Value) string {
	v, marks := v.Unmark()
	s := showPlain(v)
	if len(marks) > 0 {
		return "sensitive(" + s + ")"
	}
	return s
}

func showPlain(v cty.Value) string {
	switch ty := v.Type(); {
	case !v.IsKnown():
		return "?"
	case v.IsNull():
		return "null"
	case ty == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case ty == cty.Number:
		return v.AsBigFloat().Text('g', -1)
	case ty == cty.Bool:
		return fmt.Sprint(v.True())
	case ty.IsObjectType() || ty.IsMapType():
		var parts []string
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			if bare, _ := e.Unmark(); !bare.IsNull() || e.IsMarked() {
				parts = append(parts, k.AsString()+": "+show(e))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	var parts []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		parts = append(parts, show(e))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
