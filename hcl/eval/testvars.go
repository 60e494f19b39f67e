package eval

import (
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/hcl/funcs"
)

// TestVariables returns the value of every variable in a run of a test file:
// those of s, over which the sets win, each over those before. The lines of a set
// may refer to variables, as they are worth before the set, and to runs.
func TestVariables(c *config.Config, s VarSource, runs map[string]cty.Value, sets ...[]config.Given) (map[string]cty.Value, hcl.Diagnostics) {
	unset := s.Unset
	s.Unset = true
	vals, diags := RootVariables(c, s)
	if diags.HasErrors() {
		return vals, diags
	}
	given := map[string]bool{}
	for _, set := range sets {
		more := assign(c, vals, runs, set)
		diags = append(diags, more...)
		for _, g := range set {
			given[g.Name] = true
		}
	}
	for _, v := range c.Variables() {
		if val := vals[v.Name]; !unset && !given[v.Name] && v.Default == cty.NilVal && !val.IsKnown() {
			diags = append(diags, errorf(&v.Range, "Missing value of variable",
				"The variable %q has no default, so the test needs a value: a line %s = … in a block variables { … } of the test file, -var '%s=…', or %s%s=….", v.Name, v.Name, v.Name, EnvPrefix, v.Name))
		}
	}
	return vals, append(diags, validate(c, vals)...)
}

// assign evaluates the lines of one set into vals.
func assign(c *config.Config, vals, runs map[string]cty.Value, set []config.Given) hcl.Diagnostics {
	var diags hcl.Diagnostics
	m := budget.New(context.Background(), budget.Limits{})
	ctx := m.Scope()
	ctx.Functions = funcs.Table(funcs.Options{Meter: m, ReadFile: c.ReadFile, Sensitive: Sensitive})
	ctx.Variables["var"] = variablesObject(c, vals)
	if len(runs) > 0 {
		ctx.Variables["run"] = cty.ObjectVal(runs)
	}
	declared := map[string]*config.Variable{}
	for _, v := range c.Variables() {
		declared[v.Name] = v
	}
	fresh := maps.Clone(vals)
	for _, g := range set {
		v := declared[g.Name]
		if v == nil {
			continue // which was told
		}
		bad := false
		for _, t := range g.Expr.Variables() {
			if root := t.RootName(); root != "var" && root != "run" {
				rng := t.SourceRange()
				diags = append(diags, errorf(&rng, "Invalid reference", "The value of a variable refers to other variables and to runs that came before; what the lab consists of is not known yet."))
				bad = true
			}
		}
		if bad {
			continue
		}
		val, more := g.Expr.Value(ctx)
		if diags = append(diags, more...); more.HasErrors() {
			continue
		}
		val, marks := val.UnmarkDeep()
		if _, secret := marks[Sensitive]; secret && !v.Sensitive {
			diags = append(diags, errorf(&g.Range, "Sensitive value", "The variable %q gets a sensitive value and is not sensitive, so it would show it. Add sensitive = true to the variable.", g.Name))
			continue
		}
		out, err := v.Convert(val)
		if err != nil {
			text := err.Error()
			if v.Sensitive {
				text = "it does not fit the type"
			}
			diags = append(diags, errorf(&g.Range, "Invalid value of variable", "%s", fmt.Sprintf("The value of %q does not fit: %s.", g.Name, text)))
			continue
		}
		fresh[g.Name] = out
	}
	maps.Copy(vals, fresh)
	return m.Finish(diags)
}
