package config

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"hellolab/hcl/budget"
)

// AutoSuffix ends the names of files whose variable values are read by themselves.
const AutoSuffix = ".auto.labvars.hcl"

// Variable is a variable block.
type Variable struct {
	Name        string
	Type        cty.Type           // DynamicPseudoType when any type will do
	Defaults    *typeexpr.Defaults // of optional() attributes; nil when there are none
	Default     cty.Value          // NilVal when a value must be given
	Description string
	Sensitive   bool
	Nullable    bool
	Validations []Assert
	Range       hcl.Range
}

// Convert makes v a value of the variable: optional attributes filled in,
// converted to its type.
func (v *Variable) Convert(val cty.Value) (cty.Value, error) {
	if v.Defaults != nil && !val.IsNull() {
		val = v.Defaults.Apply(val)
	}
	return budget.Convert(nil, val, v.Type)
}

func (l *loader) variable(b *hclsyntax.Block) {
	name, ok := l.label(b)
	content := l.content(b, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	v := &Variable{
		Name:        name,
		Type:        cty.DynamicPseudoType,
		Description: l.constString(content, "description"),
		Sensitive:   l.constBool(content, "sensitive", false),
		Nullable:    l.constBool(content, "nullable", true),
		Range:       b.DefRange(),
	}
	if e := expr(content, "type"); e != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(e)
		l.add(diags...)
		if !diags.HasErrors() {
			v.Type, v.Defaults = ty.WithoutOptionalAttributesDeep(), defaults
			if defaults != nil {
				v.Type = ty
			}
		}
	}
	if e := expr(content, "default"); e != nil {
		l.variableDefault(v, e)
		if v.Sensitive {
			l.config.Redact(e.Range())
		}
	}
	for _, nested := range content.Blocks {
		if a, ok := l.assert(nested); ok {
			v.Validations = append(v.Validations, a)
		}
	}
	if ok && l.declare("variable", name, b.LabelRanges[0]) {
		l.config.variables = append(l.config.variables, v)
	}
}

func (l *loader) variableDefault(v *Variable, e hclsyntax.Expression) {
	val, diag := constantAny(e, "The default of a variable")
	if diag == nil {
		var err error
		if val, err = v.Convert(val); err != nil {
			diag = errorf(e.Range().Ptr(), "Wrong type of default", "The default does not fit the type of the variable: %s.", err)
		} else if val.IsNull() && !v.Nullable {
			diag = errorf(e.Range().Ptr(), "Null default", "The variable is not nullable, so its default cannot be null. Leave the default out to require a value.")
		}
	}
	if diag != nil {
		l.add(diag)
		val = cty.UnknownVal(v.Type.WithoutOptionalAttributesDeep())
	}
	v.Default = val
}

// constantAny is constant for any type, null included.
func constantAny(e hclsyntax.Expression, what string) (cty.Value, *hcl.Diagnostic) {
	for _, t := range e.Variables() {
		return cty.NilVal, errorf(t.SourceRange().Ptr(), "Constant expected", "%s is needed before anything is evaluated, so it cannot refer to other things.", what)
	}
	v, diags := e.Value(staticScope())
	if diags.HasErrors() {
		return cty.NilVal, diags[0]
	}
	return v, nil
}

func staticScope() *hcl.EvalContext { return budget.New(context.Background(), budget.Limits{}).Scope() }

func convertTo(v cty.Value, want cty.Type) (cty.Value, error) { return convert.Convert(v, want) }
