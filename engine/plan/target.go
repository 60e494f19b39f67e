package plan

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
)

// names reports whether a target names something.
func (p *planner) names(target addr.Instance) bool {
	for _, d := range p.result.Desired {
		if covers(target, d.Addr) {
			return true
		}
	}
	for a := range p.prior {
		if covers(target, a) {
			return true
		}
	}
	return slices.ContainsFunc(p.gone, func(o *prior) bool { return covers(target, o.addr) })
}

// covers reports whether a target stands for an instance.
func covers(target, a addr.Instance) bool {
	return target == a || target.Key == addr.Key{} && target.Block == a.Block
}

// included returns which objects a plan with -target is about: the targets,
// what they need, and what cannot outlive those of them that are destroyed or
// must be bound to what is made anew.
func (p *planner) included(changes []*object) func(addr.Instance) bool {
	if len(p.req.Targets) == 0 {
		return func(addr.Instance) bool { return true }
	}
	byAddr := make(map[addr.Instance]*object, len(changes))
	dependents := map[addr.Instance][]addr.Instance{} // those that are destroyed, or bound anew
	for _, o := range changes {
		byAddr[o.change.Addr] = o
		if o.destroyed() || len(o.change.Rebound) > 0 {
			for _, dep := range o.allDeps() {
				dependents[dep] = append(dependents[dep], o.change.Addr)
			}
		}
	}
	in := map[addr.Instance]bool{}
	var todo []addr.Instance
	add := func(list ...addr.Instance) {
		for _, a := range list {
			if !in[a] {
				in[a] = true
				todo = append(todo, a)
			}
		}
	}
	for _, target := range p.req.Targets {
		for a := range byAddr {
			if covers(target, a) {
				add(a)
			}
		}
		for _, o := range p.gone {
			if covers(target, o.addr) {
				add(o.addr)
			}
		}
		if p.req.Mode == RefreshOnly {
			for a := range p.prior {
				if covers(target, a) {
					add(a)
				}
			}
		}
	}
	for len(todo) > 0 {
		a := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		o := byAddr[a]
		if o == nil {
			continue
		}
		if o.change.Action != Delete {
			add(o.desired.Deps...)
		}
		if o.destroyed() {
			add(dependents[a]...)
		}
	}
	return func(a addr.Instance) bool { return in[a] }
}

// destroyed reports whether what exists now goes away.
func (o *object) destroyed() bool { return o.change.Action == Delete || o.change.Action == Replace }

// allDeps are the dependencies the object was applied with and those it is
// declared with.
func (o *object) allDeps() []addr.Instance {
	var deps []addr.Instance
	if o.prior != nil {
		deps = append(deps, o.prior.deps...)
	}
	if o.desired != nil && o.change.Action != Delete {
		deps = append(deps, o.desired.Deps...)
	}
	slices.SortFunc(deps, addr.Compare)
	return slices.Compact(deps)
}

// narrow evaluates again for a plan with -target, so that outputs and checks
// see what is left out as it is, and not as it would become.
func (p *planner) narrow(ctx context.Context, included func(addr.Instance) bool) hcl.Diagnostics {
	if len(p.req.Targets) == 0 || p.req.Mode != Normal || p.req.Evaluator == nil {
		return nil
	}
	var diags hcl.Diagnostics
	p.result, diags = p.req.Evaluator.Evaluate(ctx, narrowed{p, included})
	return rejectWarnings(diags)
}

// narrowed answers with what is planned for the included objects, and with
// what the state remembers of the others.
type narrowed struct {
	*planner
	included func(addr.Instance) bool
}

// Instance implements eval.Values.
func (p narrowed) Instance(d *eval.Desired) (cty.Value, hcl.Diagnostics) {
	if o := p.objects[d.Addr]; o != nil && p.included(d.Addr) {
		return o.change.After, nil
	}
	return remembered{p.planner}.Instance(d)
}

// rejectWarnings drops the warnings of a second evaluation: they were told.
func rejectWarnings(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagWarning })
}
