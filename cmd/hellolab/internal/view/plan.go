package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/providers"
)

// PlanOptions says how a plan is shown.
type PlanOptions struct {
	Style    Style
	Registry *providers.Registry // tells blocks from attributes, and references from strings
	Concise  bool                // one line a change instead of its attributes
}

// Plan writes a plan for people: drift, changes, outputs, and the line that
// counts them.
func Plan(w io.Writer, p *plan.Plan, o PlanOptions) error {
	r := &planView{PlanOptions: o}
	r.drift(p)
	r.changes(p)
	r.outputs(p)
	r.summary(p)
	_, err := io.WriteString(w, r.b.String())
	return err
}

type planView struct {
	PlanOptions
	b strings.Builder
}

func (r *planView) drift(p *plan.Plan) {
	if len(p.Drift) == 0 {
		return
	}
	r.b.WriteString("The lab differs from what was last applied:\n\n")
	for i := range p.Drift {
		r.change(&p.Drift[i], true)
	}
}

func (r *planView) changes(p *plan.Plan) {
	shown := false
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == plan.NoOp || c.Action == plan.Read {
			continue
		}
		if !shown && !r.Concise {
			r.b.WriteString("hellolab will perform the following actions:\n\n")
		}
		shown = true
		r.change(c, false)
	}
	if shown && r.Concise {
		r.b.WriteByte('\n')
	}
}

func (r *planView) change(c *plan.Change, drift bool) {
	sym := symbolOf(c.Action)
	if r.Concise {
		fmt.Fprintf(&r.b, "%s %s\n", r.symbol(sym), c.Addr)
		return
	}
	fmt.Fprintf(&r.b, "  # %s %s\n", r.Style.paint(bold, c.Addr.String()), headline(c, drift))
	if why := because(c); why != "" {
		fmt.Fprintf(&r.b, "  # (%s)\n", why)
	}
	for _, h := range c.Handovers {
		fmt.Fprintf(&r.b, "  # (%s)\n", Escape(strings.TrimSuffix(h.Text, ".")))
	}
	r.stages(c.Stages)
	fmt.Fprintf(&r.b, "%s %s %s", r.symbol(sym), c.Kind, Quote(c.Addr.Name))
	d := &differ{
		b:         &r.b,
		style:     r.Style,
		sensitive: pathSet(c.SensitiveBefore, c.SensitiveAfter),
		replace:   pathSet(c.Replace),
		rebound:   pathSet(c.Rebound),
		deleting:  c.Action == plan.Delete,
	}
	if c.Action == plan.Forget {
		r.b.WriteString("\n\n")
		return
	}
	r.b.WriteString(" {\n")
	d.body(1, c.Before, c.After, bodyOf(r.Registry, c.Kind), "")
	r.b.WriteString("    }\n\n")
}

// stages tells those that run, in order, and then why others do not.
func (r *planView) stages(stages []plan.Stage) {
	var run, skipped []string
	for _, s := range stages {
		name := strings.ReplaceAll(s.Name, "_", " ")
		switch {
		case !s.Runs:
			skipped = append(skipped, fmt.Sprintf("  # %s: skipped. %s\n", Escape(name), Escape(s.Why)))
		case s.Flow == "":
			run = append(run, name)
		default:
			run = append(run, name+" ("+s.Flow+")")
		}
	}
	if len(run) > 0 {
		fmt.Fprintf(&r.b, "  # %s\n", Escape(strings.Join(run, ", ")))
	}
	for _, line := range skipped {
		r.b.WriteString(line)
	}
}

func (r *planView) symbol(sym string) string {
	padded := fmt.Sprintf("%3s", sym)
	return strings.Replace(padded, sym, paintSymbol(r.Style, sym), 1)
}

func paintSymbol(s Style, sym string) string {
	switch sym {
	case "+":
		return s.paint(green, sym)
	case "-", "-/+":
		return s.paint(red, sym)
	case "~":
		return s.paint(yellow, sym)
	}
	return s.paint(cyan, sym)
}

func symbolOf(a plan.Action) string {
	switch a {
	case plan.Create:
		return "+"
	case plan.Update:
		return "~"
	case plan.Delete:
		return "-"
	case plan.Replace:
		return "-/+"
	case plan.Forget:
		return "."
	case plan.Read:
		return "<="
	}
	return ""
}

func headline(c *plan.Change, drift bool) string {
	if drift {
		if c.Action == plan.Delete {
			return "has been deleted"
		}
		return "has changed"
	}
	switch c.Action {
	case plan.Create:
		return "will be created"
	case plan.Update:
		return "will be updated in-place"
	case plan.Delete:
		return "will be destroyed"
	case plan.Forget:
		return "will be removed from the state; the lab keeps it"
	case plan.Replace:
		switch c.Reason {
		case plan.ReplaceBecauseTainted:
			return "is tainted, so must be replaced"
		case plan.ReplaceByRequest:
			return "will be replaced, as requested"
		case plan.ReplaceByTriggers:
			return "will be replaced due to changes in replace_triggered_by"
		case plan.ReplaceByRule:
			return "must be replaced, because the policy in force asks for another flow or trust"
		}
		return "must be replaced"
	}
	return string(c.Action)
}

func because(c *plan.Change) string {
	switch c.Reason {
	case plan.DeleteBecauseNoBlock:
		return fmt.Sprintf("because %s is not in the configuration", c.Addr.Block)
	case plan.DeleteBecauseEachKey:
		return fmt.Sprintf("because key %s is not in the for_each map", c.Addr.Key)
	case plan.DeleteBecauseCountIndex:
		return fmt.Sprintf("because index %s is out of range for count", c.Addr.Key)
	case plan.DeleteBecauseWrongRepetition:
		return fmt.Sprintf("because %s is now repeated in another way", c.Addr.Block)
	}
	return Escape(strings.TrimSuffix(c.Why, "."))
}

func (r *planView) outputs(p *plan.Plan) {
	shown := false
	d := &differ{b: &r.b, style: r.Style}
	width := 0
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			width = max(width, len(o.Name))
		}
	}
	for _, o := range p.Outputs {
		if o.Action == plan.NoOp {
			continue
		}
		if !shown {
			r.b.WriteString("Changes to Outputs:\n")
			shown = true
		}
		d.sensitive = nil
		if o.Sensitive {
			d.sensitive = map[string]bool{"." + o.Name: true}
		}
		d.deleting = o.Action == plan.Delete
		d.value(0, fmt.Sprintf("%-*s = ", width, o.Name), o.Before, o.After, "."+o.Name, false, "")
	}
	if shown {
		r.b.WriteByte('\n')
	}
}

func (r *planView) summary(p *plan.Plan) {
	n := CountActions(p)
	switch {
	case p.Empty() && p.Mode == plan.RefreshOnly:
		if len(p.Drift) == 0 {
			r.b.WriteString("No changes. The lab holds what the state remembers.\n")
			return
		}
		r.b.WriteString("This is a refresh-only plan: applying it records the above in the state and changes nothing in the lab.\n")
	case p.Empty() && p.Mode == plan.Destroy:
		r.b.WriteString("No changes. There is nothing to destroy.\n")
	case p.Empty():
		r.b.WriteString("No changes. The lab matches the configuration.\n")
	default:
		fmt.Fprintf(&r.b, "%s %s\n", r.Style.paint(bold, "Plan:"), n.Plan())
	}
	if len(p.Targets) > 0 {
		names := make([]string, len(p.Targets))
		for i, t := range p.Targets {
			names[i] = Escape(t)
		}
		fmt.Fprintf(&r.b, "\nThis plan is partial: only %s and what it needs were considered.\n", strings.Join(names, ", "))
	}
}

// Counts is how many objects a plan adds, changes, destroys and forgets; a
// replacement counts as one added and one destroyed.
type Counts struct{ Add, Change, Destroy, Forget int }

// CountActions counts the changes of p.
func CountActions(p *plan.Plan) Counts {
	var n Counts
	for i := range p.Changes {
		switch p.Changes[i].Action {
		case plan.Create:
			n.Add++
		case plan.Update:
			n.Change++
		case plan.Delete:
			n.Destroy++
		case plan.Replace:
			n.Add++
			n.Destroy++
		case plan.Forget:
			n.Forget++
		}
	}
	return n
}

// Plan is the counts as the last line of a plan has them.
func (n Counts) Plan() string {
	s := fmt.Sprintf("%d to add, %d to change, %d to destroy", n.Add, n.Change, n.Destroy)
	if n.Forget > 0 {
		s += fmt.Sprintf(", %d to forget", n.Forget)
	}
	return s + "."
}

// bodyOf returns the attributes and blocks of a kind's In and Out together,
// as Change.Before and After hold them.
func bodyOf(r *providers.Registry, kind string) *providers.Block {
	if r == nil {
		return nil
	}
	t := r.Type(kind)
	if t == nil || t.Schema == nil {
		return nil
	}
	body := t.Schema.In
	body.Attrs = append(body.Attrs[:len(body.Attrs):len(body.Attrs)], t.Schema.Out...)
	return &body
}

// pathSet returns the printed forms of paths.
func pathSet(lists ...[]cty.Path) map[string]bool {
	set := make(map[string]bool)
	for _, list := range lists {
		for _, p := range list {
			set[pathString(p)] = true
		}
	}
	return set
}

func pathString(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			b.WriteString(indexString(s.Key))
		}
	}
	return b.String()
}

func indexString(key cty.Value) string {
	if key.IsKnown() && !key.IsNull() && key.Type() == cty.String {
		return "." + key.AsString() // maps and objects alike: a conversion must not unhide
	}
	return "[" + scalar(key) + "]"
}
