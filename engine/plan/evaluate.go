package plan

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/record"
	"hellolab/hcl/addr"
	"hellolab/hcl/eval"
	"hellolab/providers"
)

// maxRounds bounds how often the configuration is evaluated for Rules: a
// replacement may outdate what depends on it, but each round only adds
// replacements, and few kinds have rules.
const maxRounds = 8

// evaluate runs the configuration and decides what happens to every declared
// object.
func (p *planner) evaluate(ctx context.Context) hcl.Diagnostics {
	if p.req.Evaluator == nil {
		p.result = &eval.Result{}
		return nil
	}
	if p.req.Mode != Normal {
		var diags hcl.Diagnostics
		p.result, diags = p.req.Evaluator.Evaluate(ctx, remembered{p})
		return diags
	}
	for _, a := range p.req.Replace {
		p.forced[a] = forced{reason: ReplaceByRequest}
	}
	var diags hcl.Diagnostics
	for range maxRounds {
		p.before = p.byAddr
		p.objects, p.byAddr, p.order = map[addr.Instance]*object{}, map[string]*object{}, nil
		if p.result, diags = p.req.Evaluator.Evaluate(ctx, answers{p}); diags.HasErrors() {
			return diags
		}
		if outdated, misjudged := p.outdated(), p.misjudged(); !outdated && !misjudged {
			break
		}
	}
	p.handOver()
	diags = diags.Extend(p.twins())
	return diags.Extend(p.validate())
}

// handOver notes of every object that is to be made what others carry on of it, and
// the stages that it goes through.
func (p *planner) handOver() {
	handing, hands := p.req.Rules.(Handing)
	staging, stages := p.req.Rules.(Staging)
	if !hands && !stages {
		return
	}
	recs := p.records()
	for i, o := range p.order {
		if !o.anew() {
			continue
		}
		if hands {
			o.change.Handovers = handing.Handovers(recs[i], recs)
		}
		if stages {
			o.change.Stages = staging.Stages(recs[i], recs)
		}
	}
}

// remembered answers with what the state remembers, for plans that create nothing.
type remembered struct{ *planner }

// Instance implements eval.Values.
func (p remembered) Instance(d *eval.Desired) (cty.Value, hcl.Diagnostics) {
	if o := p.prior[d.Addr]; o != nil {
		return o.value(), nil
	}
	return Unmade(d), nil
}

// records returns every declared object as planned, with the write-only values
// of this run: a rule may ask whether there is a password.
func (p *planner) records() []providers.Record {
	recs := make([]providers.Record, 0, len(p.order))
	for _, o := range p.order {
		recs = append(recs, o.record())
	}
	return recs
}

func (o *object) record() providers.Record {
	rec := providers.Record{Addr: o.change.Addr.String(), Kind: o.change.Kind, In: o.in, Out: o.out}
	if o.desired != nil {
		config, _ := o.desired.Config.UnmarkDeep()
		rec.In = record.WithWriteOnly(&o.kind.t.Schema.In, o.in, config)
	}
	if o.prior != nil && o.change.Action != Replace {
		rec.ID = o.prior.rec.ID
	}
	return rec
}

// outdated asks the rules which objects must be made anew, and reports whether
// any was not known before.
func (p *planner) outdated() bool {
	if p.req.Rules == nil {
		return false
	}
	recs := p.records()
	more := false
	for i, o := range p.order {
		if o.prior == nil || o.change.Action == Replace {
			continue
		}
		if why, ok := p.req.Rules.Outdated(recs[i], recs); ok {
			p.forced[o.change.Addr] = forced{reason: ReplaceByRule, why: why}
			more = true
		}
	}
	return more
}

// misjudged reports whether an object was compared before something it refers
// to, which refers back, and took that to stay when it is made anew, or the
// other way round.
func (p *planner) misjudged() bool {
	for _, o := range p.order {
		if len(o.desired.Later) == 0 || o.prior == nil {
			continue
		}
		wrong := false
		eachRef(&o.kind.t.Schema.In, o.in, func(_ cty.Path, _ *providers.Attr, ref string) {
			wrong = wrong || p.anewAt(ref) != o.rebound[ref]
		})
		if wrong {
			return true
		}
	}
	return false
}

// validate turns what the rules complain about into diagnostics with a place.
func (p *planner) validate() hcl.Diagnostics {
	if p.req.Rules == nil {
		return nil
	}
	var diags hcl.Diagnostics
	planned := p.records()
	problems := p.req.Rules.Validate(planned)
	if renaming, ok := p.req.Rules.(Renaming); ok {
		var before []providers.Record
		for _, o := range p.inOrder() {
			before = append(before, o.rec)
		}
		problems = append(problems, renaming.Renames(before, planned)...)
	}
	for _, problem := range problems {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: problem.Summary, Detail: problem.Detail}
		if problem.Warning {
			d.Severity = hcl.DiagWarning
		}
		if o := p.byAddr[problem.Addr]; o != nil {
			place := o.desired.Range
			if r, ok := o.desired.AttrRanges[problem.Attribute]; ok {
				place = r
			}
			d.Subject = place.Ptr()
		}
		diags = diags.Append(d)
	}
	return diags
}

// twins refuses two declarations of one thing: both would find it, and each
// would take the other's for its own.
func (p *planner) twins() hcl.Diagnostics {
	type name struct{ kind, key string }
	first := map[name]*object{}
	var diags hcl.Diagnostics
	for _, o := range p.order {
		if !o.in.IsWhollyKnown() {
			continue // the applier looks again
		}
		key := o.kind.t.Key(o.in)
		if key == "" {
			continue
		}
		other := first[name{o.change.Kind, key}]
		if other == nil {
			first[name{o.change.Kind, key}] = o
			continue
		}
		diags = diags.Append(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Declared twice",
			Detail: fmt.Sprintf("%s and %s, declared at %s, are the same %s: %q.",
				o.change.Addr, other.change.Addr, other.desired.Range, o.change.Kind, key),
			Subject: o.desired.Range.Ptr(),
		})
	}
	return diags
}

// orphans returns the objects that exist and are not to exist, with the reason.
func (p *planner) orphans() []*object {
	repeated := map[addr.Block]addr.KeyKind{}
	declared := map[addr.Instance]*eval.Desired{}
	for _, d := range p.result.Desired {
		repeated[d.Addr.Block] = d.Addr.Key.Kind
		declared[d.Addr] = d
	}
	var gone []*object
	for _, was := range p.inOrder() {
		if p.objects[was.addr] != nil {
			continue
		}
		o := &object{kind: was.kind, prior: was, desired: declared[was.addr]}
		o.in, o.out = cty.NullVal(was.kind.types.In), cty.NullVal(was.kind.types.Out)
		o.change = Change{
			Addr: was.addr, Kind: was.kind.t.Name, Action: Delete,
			Before: was.value(), After: cty.NullVal(was.kind.value),
			SensitiveBefore: was.kind.sensitivePaths(was.value(), was.marked),
		}
		if p.req.Mode == Normal {
			o.change.Reason = p.orphaned(was.addr, repeated)
		}
		gone = append(gone, o)
	}
	return gone
}

// blocks is what an Evaluator may also know: whether a block is declared,
// though its repetition left no instance of it.
type blocks interface {
	Declares(addr.Block) bool
}

func (p *planner) orphaned(a addr.Instance, repeated map[addr.Block]addr.KeyKind) Reason {
	now, some := repeated[a.Block]
	if !some {
		e, ok := p.req.Evaluator.(blocks)
		if !ok || !e.Declares(a.Block) {
			return DeleteBecauseNoBlock
		}
		now = a.Key.Kind // repeated no times, or not enabled
	}
	switch {
	case now != a.Key.Kind || now == addr.NoKey:
		return DeleteBecauseWrongRepetition
	case now == addr.IntKey:
		return DeleteBecauseCountIndex
	}
	return DeleteBecauseEachKey
}
