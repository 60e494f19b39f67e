package config

import (
	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Object is a block that asks for things of a kind: user "alice" { … }. Kind
// and labels are as written; whether there is such a kind is not known here.
type Object struct {
	Kind        string
	Name        string // the only label, "" when there is not exactly one
	Labels      int
	KindRange   hcl.Range
	Range       hcl.Range // of the header
	NameRange   hcl.Range
	Body        *hclsyntax.Body // attributes of the kind alone
	ForEach     *hclsyntax.Attribute
	Count       *hclsyntax.Attribute
	Enabled     *hclsyntax.Attribute
	DependsOn   []hcl.Traversal
	Lifecycle   *Lifecycle // nil when there is none
	MetaProblem bool       // a meta-argument is wrong and was told
}

// Lifecycle is a lifecycle block.
type Lifecycle struct {
	PreventDestroy     hclsyntax.Expression // nil when absent
	IgnoreAll          bool
	IgnoreChanges      []hcl.Traversal // relative: the first step is an attribute
	ReplaceTriggeredBy []hclsyntax.Expression
	Range              hcl.Range
}

// Local is one entry of a locals block.
type Local struct {
	Name  string
	Expr  hclsyntax.Expression
	Range hcl.Range // of the name
}

// Output is an output block.
type Output struct {
	Name        string
	Description string
	Expr        hclsyntax.Expression
	Sensitive   bool
	DependsOn   []hcl.Traversal
	Range       hcl.Range
}

// Check is a check block, and the part of a run block that is the same.
type Check struct {
	Name      string
	After     hclsyntax.Expression // nil when absent
	Expect    hclsyntax.Expression // nil when absent
	SignIn    *hclsyntax.Body      // nil when absent
	Provision *hclsyntax.Body      // nil when absent
	Revoke    *hclsyntax.Body      // of a run; nil when absent
	Faults    []hcl.Traversal      // those of its argument faults
	Asserts   []Assert
	Range     hcl.Range
	// SignInRange and the others are the headers of these blocks.
	SignInRange, ProvisionRange, RevokeRange hcl.Range
}

// Fault is a fault block.
type Fault struct {
	Name      string
	Body      *hclsyntax.Body
	Range     hcl.Range
	NameRange hcl.Range
}

// Assert is an assert block of a check or a validation block of a variable.
type Assert struct {
	Condition    hclsyntax.Expression
	ErrorMessage hclsyntax.Expression
	Range        hcl.Range
}

type versionConstraint struct {
	constraints version.Constraints
	rng         hcl.Range
}

// CheckVersion compares the program's version with what lab blocks require. A
// pre-release counts as the release it leads to.
func (c *Config) CheckVersion(program string) hcl.Diagnostics {
	v, err := version.NewVersion(program)
	if err != nil {
		return nil // a development build has no version to compare
	}
	var diags hcl.Diagnostics
	for _, r := range c.required {
		if !r.constraints.Check(v.Core()) {
			diags = append(diags, errorf(&r.rng, "Another version is required",
				"This configuration requires hellolab %s, and this is %s.", r.constraints, program))
		}
	}
	return diags
}

// constant evaluates an expression that may refer to nothing.
func constant(e hclsyntax.Expression, want cty.Type, what string) (cty.Value, *hcl.Diagnostic) {
	for _, t := range e.Variables() {
		return cty.NilVal, errorf(t.SourceRange().Ptr(), "Constant expected", "%s is needed before anything is evaluated, so it cannot refer to other things.", what)
	}
	v, diags := e.Value(staticScope())
	if diags.HasErrors() {
		return cty.NilVal, diags[0]
	}
	v, err := convertTo(v, want)
	if err != nil || v.IsNull() {
		return cty.NilVal, errorf(e.Range().Ptr(), "Wrong type of value", "%s must be a %s.", what, want.FriendlyName())
	}
	return v, nil
}
