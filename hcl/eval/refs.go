package eval

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/hcl/funcs"
)

// unit is what a group of expressions refers to: the body of a block, or its
// repetition, or one local value. Its scope holds these names and no others.
type unit struct {
	vars   bool
	path   bool
	runs   bool
	locals []*node
	refs   []*ref
	forget bool // marks of unknown values may be lost in it (budget.Forgets)
}

// ref is all a unit says about one block.
type ref struct {
	to    *node
	whole bool // the block itself is used; else only the instances below
	keys  []staticKey
	// dynamic are index expressions that can be evaluated before the unit is:
	// they depend on each, count, variables and local values alone.
	dynamic []hclsyntax.Expression
}

type staticKey struct {
	key addr.Key
	rng hcl.Range
}

// site says what a reference may be to at its place.
type site struct {
	self        *node // references to it are refused
	each, count bool  // the block is repeated by for_each, by count
}

// collector walks expressions and notes what they refer to.
type collector struct {
	e     *Evaluator
	u     *unit
	site  site
	diags hcl.Diagnostics

	scopes  []map[string]struct{} // names bound by enclosing for expressions
	indexed map[*hclsyntax.ScopeTraversalExpr]hclsyntax.Expression
}

// collect adds what expressions refer to.
func (e *Evaluator) collect(u *unit, at site, exprs ...hclsyntax.Expression) hcl.Diagnostics {
	c := &collector{e: e, u: u, site: at}
	for _, x := range exprs {
		if x != nil {
			_ = hclsyntax.Walk(x, c)
		}
	}
	return c.diags
}

// collectBody adds what the expressions of a body refer to, in source order.
func (e *Evaluator) collectBody(u *unit, at site, body *hclsyntax.Body) hcl.Diagnostics {
	c := &collector{e: e, u: u, site: at}
	c.body(body)
	return c.diags
}

func (c *collector) body(b *hclsyntax.Body) {
	for _, a := range slices.SortedFunc(maps.Values(b.Attributes), func(x, y *hclsyntax.Attribute) int {
		return cmp.Compare(x.NameRange.Start.Byte, y.NameRange.Start.Byte)
	}) {
		_ = hclsyntax.Walk(a.Expr, c)
	}
	for _, nested := range b.Blocks {
		if dynamic(nested) {
			c.dynamic(nested)
		} else {
			c.body(nested.Body)
		}
	}
}

// dynamic walks a dynamic block, whose content knows its element by name.
func (c *collector) dynamic(b *hclsyntax.Block) {
	if each := b.Body.Attributes["for_each"]; each != nil {
		_ = hclsyntax.Walk(each.Expr, c)
	}
	if len(b.Labels) != 1 {
		return // which was told
	}
	c.scopes = append(c.scopes, map[string]struct{}{iterator(b): {}})
	if labels := b.Body.Attributes["labels"]; labels != nil {
		_ = hclsyntax.Walk(labels.Expr, c)
	}
	if body := content(b); body != nil {
		c.body(body)
	}
	c.scopes = c.scopes[:len(c.scopes)-1]
}

func (c *collector) bound(name string) bool {
	return slices.ContainsFunc(c.scopes, func(s map[string]struct{}) bool { _, ok := s[name]; return ok })
}

func (c *collector) Enter(n hclsyntax.Node) hcl.Diagnostics {
	c.u.forget = c.u.forget || budget.Forgets(n)
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		c.scopes = append(c.scopes, n.LocalNames)
	case *hclsyntax.IndexExpr:
		if t, ok := n.Collection.(*hclsyntax.ScopeTraversalExpr); ok && len(t.Traversal) == 2 && c.early(n.Key) {
			if c.indexed == nil {
				c.indexed = map[*hclsyntax.ScopeTraversalExpr]hclsyntax.Expression{}
			}
			c.indexed[t] = n.Key
		}
	case *hclsyntax.ScopeTraversalExpr:
		if !c.bound(n.Traversal.RootName()) {
			c.traversal(n.Traversal, c.indexed[n])
		}
	case interface{ ExprCall() *hcl.StaticCall }:
		c.function(n.ExprCall())
	}
	return nil
}

func (c *collector) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		c.scopes = c.scopes[:len(c.scopes)-1]
	}
	return nil
}

// early reports whether an index can be evaluated before the rest of its unit.
func (c *collector) early(key hclsyntax.Expression) bool {
	for _, t := range key.Variables() {
		root := t.RootName()
		switch root {
		case "each", "count", "var", "local", "path":
		default:
			return false
		}
		if c.bound(root) {
			return false
		}
	}
	return true
}

func (c *collector) errorf(rng hcl.Range, summary, format string, args ...any) {
	c.diags = append(c.diags, errorf(&rng, summary, format, args...))
}

func (c *collector) function(n *hcl.StaticCall) {
	if _, ok := c.e.functions[n.Name]; !ok {
		hint := suggest(n.Name, c.e.functionNames())
		if why, ok := funcs.Refused[n.Name]; ok {
			hint = " " + why
		}
		c.errorf(n.NameRange, "Unknown function", "There is no function %q.%s", n.Name, hint)
	}
}

// traversal notes one reference; index is the expression that indexes it, if early.
func (c *collector) traversal(t hcl.Traversal, index hclsyntax.Expression) {
	root := t.RootName()
	rng := t.SourceRange()
	second := ""
	if len(t) > 1 {
		if a, ok := t[1].(hcl.TraverseAttr); ok {
			second = a.Name
		}
	}
	switch root {
	case "var":
		c.u.vars = true
		if second == "" {
			c.errorf(rng, "Invalid reference", "Write var and the name of a variable: var.name.")
		} else if !c.e.hasVar(second) {
			c.errorf(rng, "Unknown variable", "There is no variable %q.%s", second, orElse(suggest(second, c.e.varNames()), fmt.Sprintf(` Declare it: variable "%s" { … }.`, second)))
		}
	case "local":
		c.local(second, rng)
	case "path":
		c.u.path = true
		if second != "module" && second != "root" {
			c.errorf(rng, "Invalid reference", "There are path.module and path.root, the lab folder.")
		}
	case "each":
		if !c.site.each {
			c.errorf(rng, "Invalid reference", "The name each has a meaning only inside of a block that has for_each.")
		} else if second != "key" && second != "value" {
			c.errorf(rng, "Invalid reference", "There are each.key and each.value.")
		}
	case "count":
		if !c.site.count {
			c.errorf(rng, "Invalid reference", "The name count has a meaning only inside of a block that has count.")
		} else if second != "index" {
			c.errorf(rng, "Invalid reference", "There is count.index.")
		}
	case "run":
		c.run(second, rng)
	case "fault":
		c.errorf(rng, "Invalid reference", "A fault has no value: it is switched on by name, as in faults = [fault.%s] of a check or run.", orElse(second, "name"))
	case "module", "data", "self", "lab":
		c.errorf(rng, "Not supported yet", "References to %s are part of the language, but this version of hellolab does not have them.", root)
	case "check", "output", "variable", "locals":
		c.errorf(rng, "Invalid reference", "Nothing refers to %s blocks.%s", root, map[string]string{
			"variable": " The value of a variable is var.name.", "locals": " A local value is local.name."}[root])
	default:
		c.block(t, root, second, index)
	}
}

// run notes a reference to a run of a test file.
func (c *collector) run(name string, rng hcl.Range) {
	runs := c.e.options.Runs
	_, ok := runs[name]
	switch {
	case runs == nil:
		c.errorf(rng, "Invalid reference", "Runs stand in test files, and only these refer to them.")
	case name == "":
		c.errorf(rng, "Invalid reference", "Write run and the name of a run that came before: run.name.code.")
	case !ok:
		c.errorf(rng, "Unknown run", "There is no run %q before this one.%s", name, suggest(name, slices.Collect(maps.Keys(runs))))
	}
	c.u.runs = true
}

func (c *collector) local(name string, rng hcl.Range) {
	n, ok := c.e.locals[name]
	switch {
	case name == "":
		c.errorf(rng, "Invalid reference", "Write local and the name of a local value: local.name.")
	case !ok:
		c.errorf(rng, "Unknown local value", "There is no local value %q.%s", name, suggest(name, c.e.localNames()))
	case n == c.site.self:
		c.errorf(rng, "Self-reference", "The local value %s refers to itself.", name)
	case !slices.Contains(c.u.locals, n):
		c.u.locals = append(c.u.locals, n)
	}
}

func (c *collector) block(t hcl.Traversal, kind, name string, index hclsyntax.Expression) {
	rng := t.SourceRange()
	if c.e.registry.Type(kind) == nil {
		if names := c.e.kindsOf(kind); len(names) > 0 {
			c.errorf(rng, "Invalid reference", "A reference begins with the kind: write %s.", strings.Join(names, " or "))
			return
		}
		c.errorf(rng, "Unknown name", "There is no %q to refer to.%s", kind, suggest(kind, append(c.e.registry.Names(), "var", "local", "each", "count", "path")))
		return
	}
	if name == "" {
		c.errorf(rng, "Invalid reference", "A reference has a kind and a name: %s.name.", kind)
		return
	}
	n, ok := c.e.blocks[addr.Block{Kind: kind, Name: name}]
	if !ok {
		c.errorf(rng, "Unknown "+kind, "There is no %s %q.%s", kind, name, orElse(suggest(name, c.e.namesOf(kind)), fmt.Sprintf(` Declare it: %s "%s" { … }.`, kind, name)))
		return
	}
	if n == c.site.self {
		c.errorf(rng, "Self-reference", "The block %s refers to itself; its own values are not known before it exists.", n.block)
		return
	}
	c.attribute(n, t)
	i := slices.IndexFunc(c.u.refs, func(r *ref) bool { return r.to == n })
	if i < 0 {
		i = len(c.u.refs)
		c.u.refs = append(c.u.refs, &ref{to: n})
	}
	r := c.u.refs[i]
	switch {
	case !n.repeated():
		r.whole = true
	case index != nil:
		r.dynamic = append(r.dynamic, index)
	case len(t) == 2:
		r.whole = true
	default:
		c.instance(r, t)
	}
}

// attribute checks the attribute of an instance that a reference names.
func (c *collector) attribute(n *node, t hcl.Traversal) {
	at := 2
	if n.repeated() {
		at = 3
	}
	if len(t) <= at {
		return
	}
	step, ok := t[at].(hcl.TraverseAttr)
	if !ok {
		return
	}
	if n.decode.hidden[step.Name] {
		c.errorf(t.SourceRange(), "Write-only attribute", "The attribute %q of %s is write-only: it is used and never stored, so nothing can refer to it.", step.Name, n.block)
		return
	}
	names := n.decode.names(n.typ.Schema.Out)
	if !slices.Contains(names, step.Name) {
		c.errorf(t.SourceRange(), "Unknown attribute", "A %s has no attribute %q.%s", n.block.Kind, step.Name,
			orElse(suggest(step.Name, names), " It has "+strings.Join(names, ", ")+"."))
	}
}

// instance notes a reference with something after the name of a repeated block.
func (c *collector) instance(r *ref, t hcl.Traversal) {
	step, ok := t[2].(hcl.TraverseIndex)
	if !ok {
		example := r.to.block.String() + "[0]"
		if r.to.object.ForEach != nil {
			example = r.to.block.String() + "[each.key]"
		}
		c.errorf(t.SourceRange(), "An instance is needed", "The block %s is repeated, so attributes are those of one instance: write %s, with its key, first.", r.to.block, example)
		return
	}
	key, ok := keyOf(step.Key)
	if !ok {
		r.whole = true
		return
	}
	r.keys = append(r.keys, staticKey{key, t.SourceRange()})
}

// keyOf reads an instance key off an index.
func keyOf(v cty.Value) (addr.Key, bool) {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return addr.Key{}, false
	}
	switch v.Type() {
	case cty.String:
		return addr.Str(v.AsString()), true
	case cty.Number:
		if i, acc := v.AsBigFloat().Int64(); acc == 0 && i >= 0 && i < 1<<31 {
			return addr.Int(int(i)), true
		}
	}
	return addr.Key{}, false
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

func errorf(subject *hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: subject}
}
