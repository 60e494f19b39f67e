package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// attemptBlocks are the blocks of a check and of a run that try something.
var attemptBlocks = []hcl.BlockHeaderSchema{{Type: "sign_in"}, {Type: "provision"}, {Type: "assert"}}

func (l *loader) check(b *hclsyntax.Block) {
	name, ok := l.label(b)
	content := l.content(b, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "after"}, {Name: "expect"}, {Name: "faults"}},
		Blocks:     attemptBlocks,
	})
	c := &Check{Name: name, After: expr(content, "after"), Range: b.DefRange()}
	l.attempt(c, content)
	tries := c.SignIn != nil || c.Provision != nil
	if !tries && len(c.Asserts) == 0 {
		l.add(errorf(b.DefRange().Ptr(), "Empty check", "A check needs a sign_in or provision block, an assert block, or both."))
	}
	if !tries && c.Expect != nil {
		l.add(errorf(c.Expect.Range().Ptr(), "Nothing to expect", "The argument expect is about a sign_in or provision block, and this check has none."))
	}
	if !tries && c.Faults != nil {
		l.add(errorf(&content.Attributes["faults"].NameRange, "Nothing to break", "Faults are on while somebody signs in or provisions, and this check has neither block."))
	}
	if ok && l.declare("check", name, b.LabelRanges[0]) {
		l.config.Checks = append(l.config.Checks, c)
	}
}

// attempt reads what checks and runs have in common.
func (l *loader) attempt(c *Check, content *hcl.BodyContent) {
	c.Expect = expr(content, "expect")
	c.Faults = l.faultRefs(content.Attributes["faults"])
	for _, nested := range content.Blocks {
		switch nested.Type {
		case "sign_in":
			if c.SignIn != nil {
				l.add(errorf(&nested.DefRange, "Duplicate sign_in block", "There is one sign_in block; the first is at %s.", c.SignInRange))
				continue
			}
			c.SignIn, c.SignInRange = nested.Body.(*hclsyntax.Body), nested.DefRange
		case "provision":
			if c.Provision != nil {
				l.add(errorf(&nested.DefRange, "Duplicate provision block", "There is one provision block; the first is at %s.", c.ProvisionRange))
				continue
			}
			c.Provision, c.ProvisionRange = nested.Body.(*hclsyntax.Body), nested.DefRange
		case "assert":
			if a, ok := l.assert(nested); ok {
				c.Asserts = append(c.Asserts, a)
			}
		}
	}
	if c.SignIn != nil && c.Provision != nil {
		l.add(errorf(&c.ProvisionRange, "One attempt at a time", "There is a sign_in block already, at %s. Write a second check, or a second run, for the provisioning.", c.SignInRange))
		c.Provision = nil
	}
}

// faultRefs reads a list of references to faults.
func (l *loader) faultRefs(a *hcl.Attribute) []hcl.Traversal {
	if a == nil {
		return nil
	}
	list, diags := hcl.ExprList(a.Expr)
	l.add(diags...)
	out := []hcl.Traversal{}
	for _, e := range list {
		t, diags := hcl.AbsTraversalForExpr(e)
		if _, named := FaultName(t); diags.HasErrors() || !named {
			l.add(errorf(e.Range().Ptr(), "Invalid "+a.Name, "Each element names a fault block, without quotes, as in %s = [fault.kdc_down].", a.Name))
			continue
		}
		out = append(out, t)
	}
	return out
}

// FaultName is the name in a reference to a fault, fault.name.
func FaultName(t hcl.Traversal) (name string, ok bool) {
	if len(t) != 2 || t.RootName() != "fault" {
		return "", false
	}
	step, ok := t[1].(hcl.TraverseAttr)
	return step.Name, ok
}

// fault reads a fault block.
func (l *loader) fault(b *hclsyntax.Block) []*Fault {
	name, ok := l.label(b)
	if !ok || !l.declare("fault", name, b.LabelRanges[0]) {
		return nil
	}
	return []*Fault{{Name: name, Body: b.Body, Range: b.DefRange(), NameRange: b.LabelRanges[0]}}
}

func orVariable(word string) string {
	if word == "variables" {
		return ` In a lab each variable has its own block: variable "name" { … }.`
	}
	return ""
}
