package view

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/providers"
)

// domainSchema has labelled blocks, with a block in them.
func domainSchema() providers.Block {
	str := cty.String
	return providers.Block{
		Attrs: []providers.Attr{{Name: "dns_name", Type: str}},
		Blocks: []providers.NestedBlock{{Name: "controller", Labelled: true, Block: providers.Block{
			Attrs: []providers.Attr{{Name: "os", Type: str}, {Name: "owner", Type: str, Ref: []string{"user"}}, {Name: "key", Type: str, Sensitive: true}},
			Blocks: []providers.NestedBlock{{Name: "kdc_certificate", Block: providers.Block{
				Attrs: []providers.Attr{{Name: "template", Type: str, Replace: true}},
			}}},
		}}},
	}
}

func TestLabelledBlocks(t *testing.T) {
	schema := domainSchema()
	registry := providers.NewRegistry(providers.Type{Name: "domain", Schema: &providers.Schema{In: schema, InType: schema.Type()}})
	s := &providers.Schema{In: schema, InType: schema.Type()}
	domain := func(controllers obj) cty.Value {
		v, err := s.Complete(cty.ObjectVal(obj{"dns_name": cty.StringVal("corp.test"), "controller": cty.ObjectVal(controllers)}))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	controller := func(os, template string) cty.Value {
		attrs := obj{"os": cty.StringVal(os), "owner": cty.StringVal("user.ann")}
		if template != "" {
			attrs["kdc_certificate"] = cty.ObjectVal(obj{"template": cty.StringVal(template)})
		}
		return cty.ObjectVal(attrs)
	}
	at := func(label string) cty.Path { return cty.GetAttrPath("controller").IndexString(label) }
	null := cty.NullVal(schema.Type())
	for name, c := range map[string]struct {
		change plan.Change
		want   string
	}{
		"changed, added and removed": {
			plan.Change{
				Action:  plan.Replace,
				Before:  domain(obj{"dc1": controller("2019", "kdc"), "dc2": controller("2019", ""), "same": controller("2022", "")}),
				After:   domain(obj{"dc1": controller("2022", "other"), "dc3": controller("2022", ""), "same": controller("2022", "")}),
				Replace: []cty.Path{at("dc1").GetAttr("kdc_certificate").GetAttr("template")},
			}, `
-/+ domain "corp" {
      ~ controller "dc1" {
          ~ os = "2019" -> "2022"

          ~ kdc_certificate {
              ~ template = "kdc" -> "other" # forces replacement
            }
        }

      - controller "dc2" {
          - os    = "2019"
          - owner = user.ann
        }

      + controller "dc3" {
          + os    = "2022"
          + owner = user.ann
        }
    }
`},
		"created": {
			plan.Change{Action: plan.Create, Before: null, After: domain(obj{"dc1": controller("2022", "kdc")})}, `
  + domain "corp" {
      + dns_name = "corp.test"

      + controller "dc1" {
          + os    = "2022"
          + owner = user.ann

          + kdc_certificate {
              + template = "kdc"
            }
        }
    }
`},
		"destroyed": {
			plan.Change{Action: plan.Delete, Before: domain(obj{"dc1": controller("2022", "")}), After: null}, `
  - domain "corp" {
      - dns_name = "corp.test" -> null

      - controller "dc1" {
          - os    = "2022" -> null
          - owner = user.ann -> null
        }
    }
`},
		"none": {plan.Change{Action: plan.Create, Before: null, After: domain(obj{})}, `
  + domain "corp" {
      + dns_name = "corp.test"
    }
`},
		"sensitive": {
			plan.Change{
				Action:         plan.Update,
				Before:         domain(obj{"dc1": cty.ObjectVal(obj{"os": cty.StringVal("a"), "key": cty.StringVal("b")}), "dc2": controller("2019", "")}),
				After:          domain(obj{"dc1": cty.ObjectVal(obj{"os": cty.StringVal("c"), "key": cty.StringVal("d")}), "dc2": controller("2022", "")}),
				SensitiveAfter: []cty.Path{at("dc1").GetAttr("os"), at("dc2")},
			}, `
  ~ domain "corp" {
      ~ controller "dc1" {
          ~ key = (sensitive value)
          ~ os  = (sensitive value)
        }

      ~ controller "dc2" = (sensitive value)
    }
`},
		"not known": {
			plan.Change{
				Action: plan.Update, Before: domain(obj{"dc1": controller("2019", "")}),
				After: cty.ObjectVal(obj{"dns_name": cty.StringVal("corp.test"), "controller": cty.UnknownVal(schema.Blocks[0].Type())}),
			}, `
  ~ domain "corp" {
      ~ controller = (known after apply)
    }
`},
		"rebound": {
			plan.Change{
				Action: plan.Update, Before: domain(obj{"dc1": controller("2019", ""), "dc2": controller("2019", "")}),
				After:   domain(obj{"dc1": controller("2019", ""), "dc2": controller("2019", "")}),
				Rebound: []cty.Path{at("dc1").GetAttr("owner")},
			}, `
  ~ domain "corp" {
      ~ controller "dc1" {
          ~ owner = user.ann (made anew)
        }
    }
`},
	} {
		t.Run(name, func(t *testing.T) {
			c.change.Addr, c.change.Kind = instance("domain", "corp"), "domain"
			var b bytes.Buffer
			if err := Plan(&b, &plan.Plan{Steps: []plan.Step{{}}, Changes: []plan.Change{c.change}}, PlanOptions{Registry: registry}); err != nil {
				t.Fatal(err)
			}
			_, got, _ := strings.Cut(b.String(), "\n  # ")
			_, got, _ = strings.Cut(got, "\n")
			got, _, _ = strings.Cut(got, "\nPlan:")
			if diff := cmp.Diff(c.want, "\n"+got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}

	var b bytes.Buffer
	rec := providers.Record{Addr: "domain.corp", Kind: "domain", In: domain(obj{"dc1": controller("2022", "kdc")})}
	if err := Object(&b, rec, nil, false, registry, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `# domain.corp
domain "corp" {
  dns_name = "corp.test"

  controller "dc1" {
    os    = "2022"
    owner = user.ann

    kdc_certificate {
      template = "kdc"
    }
  }
}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}
