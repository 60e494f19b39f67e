package view

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/hcl/addr"
	"hellolab/providers"
)

func instance(kind, name string) addr.Instance {
	return addr.Block{Kind: kind, Name: name}.Instance(addr.Key{})
}

func strs(ss ...string) cty.Value {
	vs := make([]cty.Value, len(ss))
	for i, s := range ss {
		vs[i] = cty.StringVal(s)
	}
	return cty.ListVal(vs)
}

type obj = map[string]cty.Value

func testRegistry() *providers.Registry {
	str := cty.String
	return providers.NewRegistry(
		providers.Type{Name: "policy", Schema: &providers.Schema{In: providers.Block{
			Attrs: []providers.Attr{{Name: "assign", Type: cty.List(str), Ref: []string{"group"}}, {Name: "source", Type: str}},
			Blocks: []providers.NestedBlock{{Name: "pin_complexity", Block: providers.Block{
				Attrs: []providers.Attr{{Name: "minimum_pin_length", Type: cty.Number}},
			}}},
		}}},
		providers.Type{Name: "user", Schema: &providers.Schema{
			In: providers.Block{Attrs: []providers.Attr{
				{Name: "upn", Type: str, Required: true},
				{Name: "tenant", Type: str, Required: true, Ref: []string{"tenant"}},
				{Name: "password", Type: str, Required: true, WriteOnly: true},
			}},
			Out: []providers.Attr{{Name: "object_id", Type: str, ID: true}, {Name: "totp_secret", Type: str, Sensitive: true}},
		}},
	)
}

func TestPlan(t *testing.T) {
	policy := func(min int64) cty.Value {
		return cty.ObjectVal(obj{
			"assign":         strs("group.staff"),
			"source":         cty.StringVal("mdm"),
			"pin_complexity": cty.ObjectVal(obj{"minimum_pin_length": cty.NumberIntVal(min)}),
		})
	}
	user := func(upn string, id, totp cty.Value) cty.Value {
		return cty.ObjectVal(obj{
			"upn": cty.StringVal(upn), "tenant": cty.StringVal("tenant.contoso"),
			"password": cty.NullVal(cty.String), "object_id": id, "totp_secret": totp,
		})
	}
	null := cty.NullVal(cty.DynamicPseudoType)
	unknown := cty.UnknownVal(cty.String)
	step := []plan.Step{{}}

	tests := []struct {
		name string
		plan plan.Plan
		want string
	}{
		{
			"update of a nested block", // the example of the command line's contract
			plan.Plan{Steps: step, Changes: []plan.Change{{
				Addr: instance("policy", "staff"), Kind: "policy", Action: plan.Update, Before: policy(6), After: policy(8),
			}}},
			`
hellolab will perform the following actions:

  # policy.staff will be updated in-place
  ~ policy "staff" {
      ~ pin_complexity {
          ~ minimum_pin_length = 6 -> 8
        }
    }

Plan: 0 to add, 1 to change, 0 to destroy.
`,
		},
		{
			"create",
			plan.Plan{Steps: step, Changes: []plan.Change{{
				Addr: instance("user", "alice"), Kind: "user", Action: plan.Create,
				Before: null, After: user("alice@contoso.com", unknown, unknown),
			}, {
				Addr: instance("policy", "staff"), Kind: "policy", Action: plan.Create, Before: null, After: policy(6),
			}}},
			`
hellolab will perform the following actions:

  # user.alice will be created
  + user "alice" {
      + object_id   = (known after apply)
      + password    = (write-only attribute)
      + tenant      = tenant.contoso
      + totp_secret = (sensitive value)
      + upn         = "alice@contoso.com"
    }

  # policy.staff will be created
  + policy "staff" {
      + assign = [
          + group.staff,
        ]
      + source = "mdm"

      + pin_complexity {
          + minimum_pin_length = 6
        }
    }

Plan: 2 to add, 0 to change, 0 to destroy.
`,
		},
		{
			"replace",
			plan.Plan{Steps: step, Changes: []plan.Change{{
				Addr: instance("user", "alice"), Kind: "user", Action: plan.Replace, Reason: plan.ReplaceBecauseCannotUpdate,
				Before:  user("alice@contoso.com", cty.StringVal("1"), cty.StringVal("hush")),
				After:   user("al@contoso.com", unknown, unknown),
				Replace: []cty.Path{cty.GetAttrPath("upn")},
			}}},
			`
hellolab will perform the following actions:

  # user.alice must be replaced
-/+ user "alice" {
      ~ object_id   = "1" -> (known after apply)
      ~ totp_secret = (sensitive value)
      ~ upn         = "alice@contoso.com" -> "al@contoso.com" # forces replacement
    }

Plan: 1 to add, 0 to change, 1 to destroy.
`,
		},
		{
			"delete",
			plan.Plan{Steps: step, Changes: []plan.Change{{
				Addr: instance("user", "alice"), Kind: "user", Action: plan.Delete, Reason: plan.DeleteBecauseNoBlock,
				Before: user("alice@contoso.com", cty.StringVal("1"), cty.StringVal("hush")), After: null,
			}}},
			`
hellolab will perform the following actions:

  # user.alice will be destroyed
  # (because user.alice is not in the configuration)
  - user "alice" {
      - object_id   = "1" -> null
      - tenant      = tenant.contoso -> null
      - totp_secret = (sensitive value)
      - upn         = "alice@contoso.com" -> null
    }

Plan: 0 to add, 0 to change, 1 to destroy.
`,
		},
		{
			"collections, escapes and marked paths",
			plan.Plan{Steps: step, Changes: []plan.Change{{
				Addr: instance("value", "v"), Kind: "value", Action: plan.Update,
				Before: cty.ObjectVal(obj{
					"input": cty.ObjectVal(obj{
						"list": strs("a", "b", "c", "d"), "gone": cty.True, "pin": cty.StringVal("739146"),
						"deep": cty.TupleVal([]cty.Value{cty.ObjectVal(obj{"n": cty.NumberIntVal(1), "same": cty.True})}),
					}),
				}),
				After: cty.ObjectVal(obj{
					"input": cty.ObjectVal(obj{
						"list": strs("a", "c", "x\u202ey\x1b[31m", "d"), "odd key": cty.NumberFloatVal(1.5), "pin": cty.StringVal("111111"),
						"deep": cty.TupleVal([]cty.Value{cty.ObjectVal(obj{"n": cty.NumberIntVal(2), "same": cty.True})}),
					}),
				}),
				SensitiveAfter: []cty.Path{cty.GetAttrPath("input").GetAttr("pin")},
			}}},
			`
hellolab will perform the following actions:

  # value.v will be updated in-place
  ~ value "v" {
      ~ input = {
          ~ deep      = [
              ~ {
                  ~ n = 1 -> 2
                },
            ]
          - gone      = true
          ~ list      = [
              - "b",
              + "x\u202ey\u001b[31m",
                # (3 unchanged elements hidden)
            ]
          + "odd key" = 1.5
          ~ pin       = (sensitive value)
        }
    }

Plan: 0 to add, 1 to change, 0 to destroy.
`,
		},
		{
			"drift and outputs",
			plan.Plan{
				Drift: []plan.Change{{
					Addr: instance("policy", "staff"), Kind: "policy", Action: plan.Update, Before: policy(6), After: policy(4),
				}},
				Changes: []plan.Change{{Addr: instance("policy", "staff"), Kind: "policy", Action: plan.NoOp, Before: policy(6), After: policy(6)}},
				Outputs: []plan.OutputChange{
					{Name: "a", Action: plan.Create, Before: null, After: unknown},
					{Name: "long", Action: plan.Update, Before: cty.StringVal("x"), After: cty.StringVal("y"), Sensitive: true},
					{Name: "same", Action: plan.NoOp, Before: cty.True, After: cty.True},
				},
			},
			`
The lab differs from what was last applied:

  # policy.staff has changed
  ~ policy "staff" {
      ~ pin_complexity {
          ~ minimum_pin_length = 6 -> 4
        }
    }

Changes to Outputs:
  + a    = (known after apply)
  ~ long = (sensitive value)

Plan: 0 to add, 0 to change, 0 to destroy.
`,
		},
		{"empty", plan.Plan{Mode: plan.Normal}, "\nNo changes. The lab matches the configuration.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := Plan(&b, &tt.plan, PlanOptions{Registry: testRegistry()}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}
