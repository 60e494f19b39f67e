package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// own says which arguments and blocks of a run belong to one command alone, or
// to some.
var own = map[string][]string{
	"sign_in":      {RunSignIn},
	"provision":    {RunProvision},
	"sync":         {RunSync},
	"by":           {RunAdvance},
	"begin":        {RunFault},
	"end":          {RunFault},
	"revoke":       {RunRevoke},
	"plan_options": {RunPlan, RunApply},
	"faults":       {RunApply, RunSignIn, RunProvision, RunSync, RunAdvance},
	"expect":       {RunApply, RunSignIn, RunProvision, RunSync},
}

// needed are the arguments and blocks that a command cannot do without.
var needed = map[string]string{
	RunSignIn: "sign_in", RunProvision: "provision", RunAdvance: "by", RunRevoke: "revoke",
}

// run reads a run block, nil when it has no name.
func (l *loader) run(b *hclsyntax.Block) *Run {
	name, ok := l.label(b)
	content := l.content(b, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "command"}, {Name: "expect"}, {Name: "faults"}, {Name: "by"}, {Name: "sync"}, {Name: "begin"}, {Name: "end"}},
		Blocks:     append([]hcl.BlockHeaderSchema{{Type: "variables"}, {Type: "plan_options"}, {Type: "revoke"}}, attemptBlocks...),
	})
	r := &Run{Check: Check{Name: name, Range: b.DefRange()}, Command: RunApply, Options: PlanOptions{Mode: "normal", Refresh: true}}
	r.CommandRange = r.Range
	if a := content.Attributes["command"]; a != nil {
		r.CommandRange = a.Expr.Range()
		r.Command = commandOf(a.Expr)
		if !slices.Contains(RunCommands, r.Command) {
			l.add(errorf(a.Expr.Range().Ptr(), "Unknown command", "The command of a run is one of %s, without quotes.", strings.Join(RunCommands, ", ")))
			return nil
		}
	}
	l.attempt(&r.Check, content)
	r.After = expr(content, "by")
	r.Begin, r.End = l.faultRefs(content.Attributes["begin"]), l.faultRefs(content.Attributes["end"])
	if a := content.Attributes["sync"]; a != nil {
		t, diags := hcl.AbsTraversalForExpr(a.Expr)
		if diags.HasErrors() {
			l.add(errorf(a.Expr.Range().Ptr(), "Invalid sync", "Write a reference, without quotes, as in sync = sync.connect."))
		}
		r.Sync = t
	}
	seen := map[string]hcl.Range{}
	for _, nested := range content.Blocks {
		first, dup := seen[nested.Type]
		if nested.Type == "assert" || nested.Type == "sign_in" || nested.Type == "provision" {
			continue
		}
		if dup {
			l.add(errorf(&nested.DefRange, "Duplicate "+nested.Type+" block", "A run has one %s block; the first is at %s.", nested.Type, first))
			continue
		}
		seen[nested.Type] = nested.DefRange
		switch nested.Type {
		case "variables":
			r.Variables = l.variables(nestedBlock(nested))
		case "plan_options":
			l.planOptions(r, nested)
		case "revoke":
			r.Revoke, r.RevokeRange = nested.Body.(*hclsyntax.Body), nested.DefRange
		}
	}
	l.fits(r, b, content)
	if !ok || !l.declare("run", name, b.LabelRanges[0]) {
		return nil
	}
	return r
}

// commandOf is the word of a command, also when it stands in quotes.
func commandOf(e hcl.Expression) string {
	if word := hcl.ExprAsKeyword(e); word != "" {
		return word
	}
	if x, ok := e.(hclsyntax.Expression); ok {
		if v, diag := constant(x, cty.String, "The command"); diag == nil {
			return v.AsString()
		}
	}
	return ""
}

// fits tells of what a run has that is no matter of its command, and of what
// its command lacks.
func (l *loader) fits(r *Run, b *hclsyntax.Block, content *hcl.BodyContent) {
	has := map[string]hcl.Range{}
	for name, a := range content.Attributes {
		has[name] = a.NameRange
	}
	for _, nested := range content.Blocks {
		has[nested.Type] = nested.DefRange
	}
	for _, a := range []string{"begin", "by", "end", "expect", "faults", "plan_options", "provision", "revoke", "sign_in", "sync"} {
		rng, written := has[a]
		if written && !slices.Contains(own[a], r.Command) {
			l.add(errorf(&rng, "Not a matter of the command", "%q belongs to runs whose command is %s; this one's is %s.", a, strings.Join(own[a], " or "), r.Command))
		}
	}
	if what, ok := needed[r.Command]; ok {
		if _, written := has[what]; !written {
			how := "a block " + what + " { … }"
			if what == "by" {
				how = `an argument, as in by = "30m"`
			}
			l.add(errorf(b.DefRange().Ptr(), "Something is missing", "A run whose command is %s needs %s.", r.Command, how))
		}
	}
	if r.Command == RunFault && len(r.Begin)+len(r.End) == 0 {
		l.add(errorf(b.DefRange().Ptr(), "Something is missing", "A run whose command is fault says which begin, which end, or both: begin = [fault.name]."))
	}
}

func (l *loader) planOptions(r *Run, b *hcl.Block) {
	content, diags := b.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "mode"}, {Name: "refresh"}, {Name: "target"}, {Name: "replace"}}})
	l.add(diags...)
	if a := content.Attributes["mode"]; a != nil {
		r.Options.Mode = strings.ReplaceAll(commandOf(a.Expr), "_", "-")
		if !slices.Contains([]string{"normal", "refresh-only", "destroy"}, r.Options.Mode) {
			l.add(errorf(a.Expr.Range().Ptr(), "Unknown mode", "A plan's mode is normal, refresh-only or destroy, without quotes."))
		}
	}
	r.Options.Refresh = l.constBool(content, "refresh", true)
	r.Options.Target, r.Options.Replace = l.traversals(content.Attributes["target"]), l.traversals(content.Attributes["replace"])
}

// nestedBlock is a block of a content as it was parsed.
func nestedBlock(b *hcl.Block) *hclsyntax.Block {
	return &hclsyntax.Block{Type: b.Type, Body: b.Body.(*hclsyntax.Body), TypeRange: b.TypeRange}
}
