package eval

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/hcl/addr"
	"hellolab/hcl/config"
	"hellolab/providers"
)

// FaultBlock is the schema of a fault block: the arguments of every kind of
// fault together. Which of them a kind has is checked once the kind is known.
func FaultBlock(r *providers.Registry) providers.Block {
	kind := text1("kind", "what is broken, and how.")
	kind.Required = true
	targets := map[string]bool{}
	b := providers.Block{}
	for _, f := range r.Faults() {
		kind.Enum = append(kind.Enum, f.Name)
		for _, t := range targetsOf(r, &f) {
			targets[t] = true
		}
		for _, p := range f.Params {
			if !slices.ContainsFunc(b.Attrs, func(a providers.Attr) bool { return a.Name == p.Name }) {
				p.Required = false
				b.Attrs = append(b.Attrs, p)
			}
		}
	}
	slices.Sort(kind.Enum)
	target := refTo("target", "what it is broken of.", slices.Sorted(maps.Keys(targets))...)
	after := text1("after", "how much lab time passes before it begins; at once when absent.")
	window := text1("window", "how long it lasts, of lab time; until it is ended when absent.")
	after.Format, window.Format = providers.Duration, providers.Duration
	b.Attrs = append([]providers.Attr{kind, target, after, window}, b.Attrs...)
	return b
}

// targetsOf are the kinds that a fault can be of: those it names, or all that
// are changed in place.
func targetsOf(r *providers.Registry, f *providers.Fault) (kinds []string) {
	if f.Targets != nil {
		return f.Targets
	}
	for _, name := range r.Names() {
		if r.Type(name).Update != nil {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

func (e *Evaluator) faultDecoder() *decoder {
	return e.decoderOf(faultKind, "fault", func() providers.Block { return FaultBlock(e.registry) })
}

func (e *Evaluator) linkFault(f *config.Fault) (*faultNode, hcl.Diagnostics) {
	n := &faultNode{Fault: f, ranges: map[string]hcl.Range{}}
	if len(e.registry.Faults()) == 0 {
		n.invalid = true
		return n, hcl.Diagnostics{errorf(&f.Range, "Unknown block type", "This program has no faults.")}
	}
	diags := e.faultDecoder().checkBody(f.Body, n.ranges)
	diags = append(diags, e.collectBody(&n.unit, site{}, f.Body)...)
	n.invalid = diags.HasErrors()
	return n, diags
}

// knownFaults tells of references to faults that are not there.
func (e *Evaluator) knownFaults(list []hcl.Traversal) (diags hcl.Diagnostics) {
	names := make([]string, len(e.faults))
	for i, f := range e.faults {
		names[i] = f.Name
	}
	for _, t := range list {
		name, _ := config.FaultName(t)
		if !slices.Contains(names, name) {
			rng := t.SourceRange()
			diags = append(diags, errorf(&rng, "Unknown fault", "There is no fault %q.%s", name, orElse(suggest(name, names), ` Declare it: fault "`+name+`" { … }.`)))
		}
	}
	return diags
}

func (r *run) faults(src source, s *session, diags *hcl.Diagnostics) (out []Fault) {
	for _, n := range r.e.faults {
		if n.invalid {
			continue
		}
		sc := r.scope(&n.unit, src, s.root)
		*diags = append(*diags, sc.diags...)
		if sc.failed || sc.diags.HasErrors() {
			continue
		}
		if f, ok := r.fault(n, sc, s, diags); ok {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *run) fault(n *faultNode, sc *scope, s *session, diags *hcl.Diagnostics) (f Fault, ok bool) {
	defer survive(n.Range, diags)
	dec, more := r.e.faultDecoder().decode(n.Body, sc.ctx, n.ranges, s.meter, r.known)
	if *diags = append(*diags, more...); more.HasErrors() {
		return f, false
	}
	v, _ := dec.value.UnmarkDeep()
	f = Fault{Name: n.Name, Kind: textOf(v, "kind"), Target: textOf(v, "target"), After: textOf(v, "after"), Window: textOf(v, "window"), Params: map[string]cty.Value{}, Range: n.Range}
	if !v.GetAttr("kind").IsKnown() {
		rng := n.ranges["kind"]
		*diags = append(*diags, errorf(&rng, "Invalid kind", "The kind of a fault is a string that is known when the plan is made."))
		return f, false
	}
	how := r.e.registry.Fault(f.Kind)
	if how == nil {
		return f, false // which was told
	}
	names := []string{"target", "after", "window"}
	for _, p := range how.Params {
		f.Params[p.Name] = v.GetAttr(p.Name)
		names = append(names, p.Name)
	}
	for _, name := range names {
		if !v.GetAttr(name).IsWhollyKnown() {
			f.Unknown = append(f.Unknown, name)
		}
	}
	wrong := r.e.unfit(n, how, f)
	*diags = append(*diags, wrong...)
	return f, !wrong.HasErrors()
}

// unfit tells what of a fault does not fit its kind.
func (e *Evaluator) unfit(n *faultNode, how *providers.Fault, f Fault) (diags hcl.Diagnostics) {
	at := func(attr string) *hcl.Range {
		if rng, ok := n.ranges[attr]; ok {
			return &rng
		}
		return &n.Range
	}
	target, err := addr.Parse(f.Target)
	targets := targetsOf(e.registry, how)
	if err == nil && !slices.Contains(targets, target.Kind) {
		diags = append(diags, errorf(at("target"), "A fault of something else",
			"A fault of kind %s is of %s, and %s is %s %s. Of %s %s there can be: %s.",
			f.Kind, kinds(targets), f.Target, article(target.Kind), target.Kind, article(target.Kind), target.Kind, strings.Join(e.faultsOf(target.Kind), ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(n.Body.Attributes)) {
		if slices.Contains([]string{"kind", "target", "after", "window"}, name) || slices.ContainsFunc(how.Params, func(a providers.Attr) bool { return a.Name == name }) {
			continue
		}
		diags = append(diags, errorf(at(name), "Not a matter of this fault", "A fault of kind %s takes no argument %q.%s", f.Kind, name, itsParams(how)))
	}
	for _, p := range how.Params {
		if p.Required && f.Params[p.Name].IsNull() {
			diags = append(diags, errorf(at("kind"), "Missing attribute", "A fault of kind %s needs the attribute %q: %s", f.Kind, p.Name, p.Doc))
		}
	}
	if how.Lasting && f.Window != "" {
		diags = append(diags, errorf(at("window"), "A fault without an end", "Nothing mends a fault of kind %s by itself, so it has no window. It ends with the check's, or the test file's, own view of the lab.", f.Kind))
	}
	if !diags.HasErrors() && how.Check != nil {
		if err := how.Check(e.registry, target.Kind, f.Params); err != nil {
			diags = append(diags, errorf(at(firstOf(how)), "Invalid fault", "%s.", sentence(err.Error())))
		}
	}
	return diags
}

func firstOf(how *providers.Fault) string {
	if len(how.Params) > 0 {
		return how.Params[0].Name
	}
	return "kind"
}

func itsParams(how *providers.Fault) string {
	if len(how.Params) == 0 {
		return ""
	}
	names := make([]string, len(how.Params))
	for i, p := range how.Params {
		names[i] = p.Name
	}
	return " It takes " + strings.Join(names, ", ") + "."
}

// faultsOf are the faults that things of a kind can have.
func (e *Evaluator) faultsOf(kind string) (names []string) {
	for _, f := range e.registry.Faults() {
		if slices.Contains(targetsOf(e.registry, &f), kind) {
			names = append(names, f.Name)
		}
	}
	return names
}
