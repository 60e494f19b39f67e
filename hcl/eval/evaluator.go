package eval

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
	"hellolab/hcl/config"
	"hellolab/hcl/funcs"
	"hellolab/providers"
)

// Options of an Evaluator.
type Options struct {
	// Now is the time of timestamp and plantimestamp. Nil: they are refused.
	Now func() time.Time
	// Limits bound each Evaluate; zero fields mean the defaults of the language.
	Limits budget.Limits

	// Checks stand in the place of the configuration's own; nil: those. Faults
	// are there besides the configuration's: a test file brings both.
	Checks []*config.Check
	Faults []*config.Fault
	// Runs is what references to the runs of a test file are worth, by name. Nil:
	// nothing refers to runs.
	Runs map[string]cty.Value
}

// Evaluator evaluates one configuration with one set of variable values.
type Evaluator struct {
	config    *config.Config
	registry  *providers.Registry
	options   Options
	now       time.Time
	vars      cty.Value // object of every variable, sensitive ones marked
	functions map[string]function.Function

	locals map[string]*node
	blocks map[addr.Block]*node
	order  []*node // dependencies first
	size   int     // of what is indexed by node
	kinds  map[string]*decoder

	outputs []*outputNode
	checks  []*checkNode
	faults  []*faultNode

	last     atomic.Pointer[run] // of the last Evaluate
	sessions sync.Pool
}

// node is a local value or an object block: what can be referred to.
type node struct {
	index  int
	local  *config.Local // or nil
	object *config.Object
	block  addr.Block
	typ    *providers.Type
	decode *decoder
	// invalid: a mistake was found and told before evaluation.
	invalid bool

	body   unit // of the expression, or of the block's body, depends_on and lifecycle
	repeat unit // of for_each, count or enabled
	edges  []*node
	soft   []*node        // blocks that only attributes refer to that may be set later
	stubs  map[*node]bool // of these, those that refer back: only their addresses are known in time

	expands *node // nil, or the block whose repetition this node evaluates ahead of its body

	ranges map[string]hcl.Range // of written attributes, by dotted path
}

func (n *node) repeated() bool {
	return n.object != nil && (n.object.ForEach != nil || n.object.Count != nil)
}

func (n *node) rng() hcl.Range {
	switch {
	case n.expands != nil:
		return n.expands.rng()
	case n.local != nil:
		return n.local.Range
	}
	return n.object.Range
}

func (n *node) String() string {
	switch {
	case n.expands != nil:
		return "the repetition of " + n.expands.String()
	case n.local != nil:
		return "local." + n.local.Name
	}
	return n.block.String()
}

type outputNode struct {
	*config.Output
	unit    unit
	invalid bool
}

type checkNode struct {
	*config.Check
	unit    unit
	ranges  map[string]hcl.Range
	invalid bool
}

type faultNode struct {
	*config.Fault
	unit    unit
	ranges  map[string]hcl.Range
	invalid bool
}

// New checks everything about a configuration that can be checked without
// evaluating it: kinds, names, attributes, references and cycles. vars holds a
// value for every variable, as RootVariables makes them. The Evaluator is
// never nil; when diagnostics hold errors it evaluates what is sound.
func New(c *config.Config, r *providers.Registry, vars map[string]cty.Value, o Options) (*Evaluator, hcl.Diagnostics) {
	e := &Evaluator{
		config: c, registry: r, options: o,
		locals: map[string]*node{}, blocks: map[addr.Block]*node{}, kinds: map[string]*decoder{},
	}
	if o.Now != nil {
		e.now = o.Now()
	}
	e.vars = variablesObject(c, vars)
	e.functions = e.table(nil)
	e.sessions.New = func() any { return e.session() }

	diags := e.declare()
	var nodes []*node
	for _, n := range e.locals {
		nodes = append(nodes, n)
	}
	for _, n := range e.blocks {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(-cmp.Compare(rank(a), rank(b)), addr.Compare(a.block.Instance(addr.Key{}), b.block.Instance(addr.Key{})), cmp.Compare(a.String(), b.String()))
	})
	for i, n := range nodes {
		n.index = i
		more := e.link(n)
		n.invalid = n.invalid || more.HasErrors()
		diags = append(diags, more...)
	}
	for _, out := range c.Outputs {
		n := &outputNode{Output: out}
		more := append(e.collect(&n.unit, site{}, out.Expr), e.dependsOn(&n.unit, site{}, out.DependsOn)...)
		n.invalid = more.HasErrors()
		diags = append(diags, more...)
		e.outputs = append(e.outputs, n)
	}
	for _, f := range slices.Concat(c.Faults, o.Faults) {
		n, more := e.linkFault(f)
		diags = append(diags, more...)
		e.faults = append(e.faults, n)
	}
	checks := c.Checks
	if o.Checks != nil {
		checks = o.Checks
	}
	for _, ch := range checks {
		n, more := e.linkCheck(ch)
		diags = append(diags, more...)
		e.checks = append(e.checks, n)
	}
	order, nodes, more := sortLater(nodes)
	e.order, e.size = order, len(nodes)
	diags = append(diags, more...)
	sortDiagnostics(diags)
	return e, diags
}

func rank(n *node) int {
	if n.local != nil {
		return 1
	}
	return 0
}

// declare makes the nodes of the configuration.
func (e *Evaluator) declare() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, l := range e.config.Locals {
		e.locals[l.Name] = &node{local: l}
	}
	folded := map[addr.Block]*node{}
	for _, o := range e.config.Objects {
		n, more := e.object(o)
		diags = append(diags, more...)
		if n == nil {
			continue
		}
		key := addr.Block{Kind: n.block.Kind, Name: fold(n.block.Name)}
		if first, dup := folded[key]; dup {
			how := ""
			if first.block.Name != n.block.Name {
				how = " Names that differ only in case are one name to the directories of a lab."
			}
			diags = append(diags, errorf(&o.NameRange, "Duplicate "+o.Kind, "The block %s is declared already at %s.%s", first.block, first.object.NameRange, how))
			continue
		}
		folded[key] = n
		e.blocks[n.block] = n
	}
	return diags
}

func (e *Evaluator) object(o *config.Object) (*node, hcl.Diagnostics) {
	t := e.registry.Type(o.Kind)
	if t == nil {
		hint := suggest(o.Kind, append(slices.Clone(e.registry.Names()), config.Words...))
		return nil, hcl.Diagnostics{errorf(&o.KindRange, "Unknown block type", "There is no kind %q.%s", o.Kind, hint)}
	}
	if o.Labels != 1 {
		return nil, hcl.Diagnostics{errorf(&o.Range, "Wrong number of labels", "A %s block has exactly one label, its name: %s \"name\" { … }.", o.Kind, o.Kind)}
	}
	if !addr.ValidName(o.Name) {
		return nil, hcl.Diagnostics{errorf(&o.NameRange, "Invalid name", "%s", config.NameRule)}
	}
	o = withOwnEnabled(o, t)
	n := &node{object: o, block: addr.Block{Kind: o.Kind, Name: o.Name}, typ: t, decode: e.decoder(t)}
	n.ranges = map[string]hcl.Range{}
	diags := n.decode.checkBody(o.Body, n.ranges)
	diags = append(diags, e.secrets(n.decode.block, o)...)
	n.invalid = diags.HasErrors() || o.MetaProblem
	return n, diags
}

// withOwnEnabled gives a block of a kind that has an attribute named enabled that
// attribute: there it says whether what the block declares works (a sync that
// runs, a service that answers), not whether the block is there.
func withOwnEnabled(o *config.Object, t *providers.Type) *config.Object {
	has := slices.ContainsFunc(t.Schema.In.Attrs, func(a providers.Attr) bool { return a.Name == "enabled" })
	if !has || o.Enabled == nil {
		return o
	}
	own, body := *o, *o.Body
	body.Attributes = maps.Clone(o.Body.Attributes)
	body.Attributes["enabled"] = o.Enabled
	own.Body, own.Enabled = &body, nil
	return &own
}

// decoder returns the decoder of a kind, made once.
func (e *Evaluator) decoder(t *providers.Type) *decoder {
	d, ok := e.kinds[t.Name]
	if !ok {
		d = newDecoder(t.Name, t.Schema.In)
		e.kinds[t.Name] = d
	}
	return d
}

// link finds out what a node refers to.
func (e *Evaluator) link(n *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var hard []*node // what must be evaluated before
	if n.local != nil {
		diags = e.collect(&n.body, site{self: n}, n.local.Expr)
	} else {
		o := n.object
		at := site{self: n, each: o.ForEach != nil, count: o.Count != nil}
		now, later := n.decode.apart(o.Body)
		diags = e.collectBody(&n.body, at, now)
		diags = append(diags, e.linkMeta(n, at)...)
		hard = targets(&n.body)
		diags = append(diags, e.collectBody(&n.body, at, later)...)
		for _, a := range []*hclsyntax.Attribute{o.ForEach, o.Count, o.Enabled} {
			if a != nil {
				diags = append(diags, e.collect(&n.repeat, site{self: n}, a.Expr)...)
			}
		}
	}
	hard = append(hard, targets(&n.repeat)...)
	for _, u := range []*unit{&n.body, &n.repeat} {
		n.edges = append(n.edges, u.locals...)
		n.edges = append(n.edges, targets(u)...)
	}
	if n.object != nil && len(n.body.refs) > 0 && n.decode.later {
		n.soft = slices.DeleteFunc(targets(&n.body), func(to *node) bool { return slices.Contains(hard, to) })
	}
	return diags
}

// targets are the blocks that a unit refers to.
func targets(u *unit) []*node {
	out := make([]*node, len(u.refs))
	for i, r := range u.refs {
		out[i] = r.to
	}
	return out
}

// linkMeta adds depends_on and lifecycle to what a block refers to.
func (e *Evaluator) linkMeta(n *node, at site) hcl.Diagnostics {
	diags := e.dependsOn(&n.body, at, n.object.DependsOn)
	lc := n.object.Lifecycle
	if lc == nil {
		return diags
	}
	diags = append(diags, e.collect(&n.body, at, lc.PreventDestroy)...)
	for _, x := range lc.ReplaceTriggeredBy {
		diags = append(diags, e.collect(&n.body, at, x)...)
	}
	for _, t := range lc.IgnoreChanges {
		diags = append(diags, n.decode.checkPath(t)...)
	}
	return diags
}

func (e *Evaluator) dependsOn(u *unit, at site, list []hcl.Traversal) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range list {
		rng := t.SourceRange()
		if e.registry.Type(t.RootName()) == nil {
			diags = append(diags, errorf(&rng, "Invalid depends_on", "Each element names a block, as in depends_on = [user.alice].%s", suggest(t.RootName(), e.registry.Names())))
			continue
		}
		if len(t) > 2 {
			if _, ok := t[2].(hcl.TraverseIndex); !ok || len(t) > 3 {
				diags = append(diags, errorf(&rng, "Invalid depends_on", "A dependency is on a whole block or instance, not on one of its attributes."))
				continue
			}
		}
		diags = append(diags, e.collect(u, at, &hclsyntax.ScopeTraversalExpr{Traversal: t, SrcRange: rng})...)
	}
	return diags
}

// table returns the functions, charged to m.
func (e *Evaluator) table(m *budget.Meter) map[string]function.Function {
	return funcs.Table(funcs.Options{Meter: m, ReadFile: e.config.ReadFile, Now: e.now, Sensitive: Sensitive})
}

// session is a meter and a root scope charged to it.
type session struct {
	meter *budget.Meter
	root  *hcl.EvalContext
}

// Declares reports whether the configuration has a block, though its
// repetition may leave no instance of it.
func (e *Evaluator) Declares(b addr.Block) bool { return e.blocks[b] != nil }
