package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/uievent"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// Evaluator gives the desired instances of a configuration (eval.Evaluator).
type Evaluator interface {
	Evaluate(ctx context.Context, v eval.Values) (*eval.Result, hcl.Diagnostics)
}

// Lab is what planning needs of the running lab (lab.Lab).
type Lab interface {
	Env(addr string, t *providers.Type, in cty.Value) providers.Env
	// Revisions are those of the sections that hold part of an object.
	Revisions(t *providers.Type, rec providers.Record) (map[string]uint64, error)
	Now() time.Time
}

// Rules are what the systems ask for together, beyond what each block says
// (providers/hello, wired by the command). They see every declared object as
// planned: Out is unknown where it is not known yet, and In holds the write-only
// values that the block has, which rules look at and never keep or repeat.
type Rules interface {
	// Validate says what cannot work.
	Validate(objects []providers.Record) []Problem
	// Outdated says whether, and why, an existing object must be made anew
	// although nothing about it was changed.
	Outdated(rec providers.Record, objects []providers.Record) (why string, ok bool)
}

// Handing is what Rules may also know: what others carry on of an object that is
// made.
type Handing interface {
	Handovers(rec providers.Record, objects []providers.Record) []Handover
}

// Staging is what Rules may also know: the stages of an object that is made.
type Staging interface {
	Stages(rec providers.Record, objects []providers.Record) []Stage
}

// Renaming is what Rules may also know: the names that objects cannot take from each
// other within one apply. before are the objects that exist, after those of Validate.
type Renaming interface {
	Renames(before, after []providers.Record) []Problem
}

// Problem is something that Rules found. Attribute is a dotted path, or empty
// when the block as a whole is meant.
type Problem struct {
	Addr, Attribute string
	Warning         bool
	Summary, Detail string
}

// Request is what to plan. Registry, View and Lab are required.
type Request struct {
	Evaluator   Evaluator // nil: nothing is declared; for Destroy alone
	Registry    *providers.Registry
	View        state.View
	Lab         Lab
	Mode        Mode
	Targets     []addr.Instance // only these and what they need; an instance without key stands for all of its block
	Replace     []addr.Instance
	Refresh     bool // read objects whose sections moved since they were read
	Rules       Rules
	Parallelism int // reads at a time; 0: 64
	Sink        uievent.Sink
}

// DefaultParallelism is how many reads and steps run at a time. They wait for
// commits and for each other more than they compute.
const DefaultParallelism = 64

// Build plans. Leftovers of an interrupted apply must have been recovered
// before (apply.Recover). The evaluation's result comes with the plan, for its
// checks; both are nil when a diagnostic is an error. Equal requests on equal
// states give equal plans.
func Build(ctx context.Context, req Request) (*Plan, *eval.Result, hcl.Diagnostics) {
	if req.Parallelism <= 0 {
		req.Parallelism = DefaultParallelism
	}
	p := &planner{
		req:    req,
		kinds:  map[string]*kind{},
		prior:  map[addr.Instance]*prior{},
		forced: map[addr.Instance]forced{},
	}
	plan, diags := p.build(ctx)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	return plan, p.result, diags
}

// planner is one plan in the making.
type planner struct {
	req    Request
	kinds  map[string]*kind
	prior  map[addr.Instance]*prior // as refreshed; gone ones are not in it
	gone   []*prior
	forced map[addr.Instance]forced // replacements that no attribute asks for

	// What the last evaluation answered.
	result  *eval.Result
	objects map[addr.Instance]*object
	byAddr  map[string]*object // by printed address: what references hold
	order   []*object          // dependencies before dependents
	before  map[string]*object // byAddr of the evaluation before
}

// forced is why an object is replaced whatever its attributes say.
type forced struct {
	reason Reason
	why    string
}

// kind is what the planner asks about a kind for every object.
type kind struct {
	t         *providers.Type
	types     Types
	value     cty.Type
	sensitive []cty.Path // declared by the schema; of every object, unless labelled
	labelled  bool       // which paths are sensitive depends on the object's labels
}

func (p *planner) kind(name string) *kind {
	k := p.kinds[name]
	if k == nil {
		t := p.req.Registry.Type(name)
		if t == nil {
			return nil
		}
		types := Types{In: t.Schema.InType, Out: t.Schema.OutType}
		k = &kind{t: t, types: types, value: types.Value(), labelled: hasLabelled(&t.Schema.In)}
		if !k.labelled {
			k.sensitive = SensitivePaths(t, cty.NullVal(k.value), nil)
		}
		p.kinds[name] = k
	}
	return k
}

func (k *kind) sensitivePaths(v cty.Value, marked []cty.Path) []cty.Path {
	if len(marked) == 0 && !k.labelled {
		return k.sensitive
	}
	return SensitivePaths(k.t, v, marked)
}

func hasLabelled(b *providers.Block) bool {
	return slices.ContainsFunc(b.Blocks, func(n providers.NestedBlock) bool { return n.Labelled || hasLabelled(&n.Block) })
}

func (p *planner) build(ctx context.Context) (*Plan, hcl.Diagnostics) {
	diags := p.load()
	if diags.HasErrors() {
		return nil, diags
	}
	if p.req.Refresh {
		if diags = diags.Extend(p.refresh(ctx)); diags.HasErrors() {
			return nil, diags
		}
	}
	diags = diags.Extend(p.evaluate(ctx))
	if diags.HasErrors() {
		return nil, diags
	}
	diags = diags.Extend(p.checkRequest())
	if diags.HasErrors() {
		return nil, diags
	}

	var changes []*object
	if p.req.Mode != RefreshOnly {
		changes = append(changes, p.order...)
		changes = append(changes, p.orphans()...)
	}
	included := p.included(changes)
	changes = slices.DeleteFunc(changes, func(o *object) bool { return !included(o.change.Addr) })

	if diags = diags.Extend(p.narrow(ctx, included)); diags.HasErrors() {
		return nil, diags
	}
	meta := p.req.View.Meta()
	plan := &Plan{
		Mode:    p.req.Mode,
		Created: p.req.Lab.Now(),
		Lineage: meta.Lineage,
		Serial:  meta.Serial,
		Types:   map[string]Types{},
	}
	for _, t := range p.req.Targets {
		plan.Targets = append(plan.Targets, t.String())
	}
	diags = diags.Extend(p.protected(changes))
	steps, more := p.steps(changes)
	diags = diags.Extend(more)
	if diags.HasErrors() {
		return nil, diags
	}
	plan.Steps = steps
	plan.Changes = make([]Change, 0, len(changes))
	for _, o := range changes {
		plan.Changes = append(plan.Changes, o.change)
	}
	slices.SortFunc(plan.Changes, func(a, b Change) int { return addr.Compare(a.Addr, b.Addr) })
	p.renewals(plan, included)
	outputs, more := p.outputs()
	diags = diags.Extend(more)
	plan.Outputs = outputs
	for _, c := range slices.Concat(plan.Changes, plan.Drift) {
		plan.Types[c.Kind] = p.kind(c.Kind).types
	}
	for _, r := range plan.Refreshed {
		plan.Types[r.Kind] = p.kind(r.Kind).types
	}
	return plan, diags
}

// checkRequest refuses targets and replacements that name nothing.
func (p *planner) checkRequest() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range p.req.Targets {
		if !p.names(a) {
			diags = diags.Append(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "No such object",
				Detail:   fmt.Sprintf("-target=%s names no declared object and none that the state remembers.", a),
			})
		}
	}
	for _, a := range p.req.Replace {
		if p.req.Mode == Normal && p.objects[a] == nil {
			diags = diags.Append(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "No such object",
				Detail:   fmt.Sprintf("-replace=%s names no declared object. Give the address of one instance, with its key.", a),
			})
		}
	}
	return diags
}

// protected reports objects that lifecycle.prevent_destroy keeps.
func (p *planner) protected(changes []*object) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, o := range changes {
		if o.desired == nil || !o.desired.Meta.PreventDestroy || o.change.Action != Delete && o.change.Action != Replace {
			continue
		}
		detail := fmt.Sprintf("The plan would destroy %s, which lifecycle.prevent_destroy forbids. Remove the setting, or undo the change that makes this necessary.", o.change.Addr)
		if len(o.change.Replace) > 0 {
			detail = fmt.Sprintf("A change of %s means that %s must be made anew, and lifecycle.prevent_destroy forbids to destroy it. Remove the setting, or undo the change.", PathString(o.change.Replace[0]), o.change.Addr)
		}
		diags = diags.Append(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "This object must not be destroyed",
			Detail:   detail,
			Subject:  o.desired.Range.Ptr(),
		})
	}
	return diags
}
