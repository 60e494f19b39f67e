package eval

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/budget"
	"hellolab/hcl/config"
)

func (e *Evaluator) hasVar(name string) bool { return e.vars.Type().HasAttribute(name) }

func (e *Evaluator) varNames() []string {
	return slices.Sorted(maps.Keys(e.vars.Type().AttributeTypes()))
}

func (e *Evaluator) localNames() []string { return slices.Sorted(maps.Keys(e.locals)) }

func (e *Evaluator) functionNames() []string { return slices.Sorted(maps.Keys(e.functions)) }

// namesOf returns the names of the blocks of a kind.
func (e *Evaluator) namesOf(kind string) []string {
	var names []string
	for b := range e.blocks {
		if b.Kind == kind {
			names = append(names, b.Name)
		}
	}
	return names
}

// kindsOf returns the addresses of blocks with that name.
func (e *Evaluator) kindsOf(name string) []string {
	var found []string
	for b := range e.blocks {
		if b.Name == name {
			found = append(found, b.String())
		}
	}
	slices.Sort(found)
	return found
}

// fold makes names equal that differ only in case; names are ASCII.
func fold(s string) string { return strings.ToLower(s) }

// variablesObject is the value of var. A variable without a value (RootVariables
// told so) is unknown.
func variablesObject(c *config.Config, vars map[string]cty.Value) cty.Value {
	attrs := make(map[string]cty.Value, len(vars))
	for _, v := range c.Variables() {
		val, ok := vars[v.Name]
		if !ok {
			val = cty.UnknownVal(v.Type.WithoutOptionalAttributesDeep())
		}
		if v.Sensitive {
			val = val.Mark(Sensitive)
		}
		attrs[v.Name] = val
	}
	return cty.ObjectVal(attrs)
}

func (e *Evaluator) newSession(ctx context.Context) *session {
	m := budget.New(ctx, e.options.Limits)
	root := m.Scope()
	root.Functions = e.table(m)
	return &session{m, root}
}

func (e *Evaluator) session() *session { return e.newSession(context.Background()) }

// sortDiagnostics orders by place, errors before warnings.
func sortDiagnostics(diags hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(btoi(a.Subject != nil), btoi(b.Subject != nil))
		}
		return cmp.Or(
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Subject.Filename, b.Subject.Filename),
			cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte),
		)
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
