package main

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/impact"
	"hellolab/engine/lab"
	"hellolab/engine/plan"
	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/state"
)

// How much of the sign-in impact a plan tells.
const (
	impactFull    = "full"
	impactSummary = "summary"
	impactNone    = "none"
)

// side is a lab before or after a plan, for engine/impact.
type side struct {
	*access.Lab
	passwords map[string]bool // tenants of whom sign-ins by password are looked at, too
}

// SignIns implements impact.Side.
func (s side) SignIns() iter.Seq[impact.SignIn] {
	return func(yield func(impact.SignIn) bool) {
		for _, all := range []iter.Seq[access.Request]{s.Lab.SignIns(), s.Lab.ByPassword(s.passwords)} {
			for r := range all {
				if !yield(impact.SignIn{User: r.User, Device: r.Device, To: r.To, Gesture: r.Gesture}) {
					return
				}
			}
		}
	}
}

// Decide implements impact.Side.
func (s side) Decide(q impact.SignIn) impact.Verdict {
	v := s.Lab.Decide(access.Request{User: q.User, Device: q.Device, To: q.To, Gesture: q.Gesture})
	out := impact.Verdict{
		Word: string(v.Word), Reason: v.Reason, Sentence: v.Sentence, Flow: v.Flow, Phase: v.Phase, Action: string(v.Action),
		When: string(v.When), At: v.At, Grace: v.Grace, Confidence: string(v.Confidence), Rule: v.Rule,
	}
	if out.Sentence == "" && out.Reason != hello.Success {
		if r, ok := hello.ReasonFor(out.Reason); ok {
			out.Sentence = r.Sentence
		}
	}
	return out
}

// impactOf previews the sign-ins of a plan: as they are now, and as they are
// once it is applied, at the time that is asked about. nil: nobody signs in to
// anything in this lab, or nobody asks.
func (s *session) impactOf(ctx context.Context, f *planFlags, base state.Base, p *planned) (*impact.Report, error) {
	if f.impact == impactNone || f.impact == "" || p.plan.Mode == plan.RefreshOnly {
		return nil, nil
	}
	view := state.NewOverlay(base)
	l, err := s.openLab(view, 0, nil)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	was, is, err := s.worlds(l, p)
	if err != nil {
		return nil, err
	}
	if len(was.Enrollments)+len(is.Enrollments) == 0 {
		return nil, nil
	}
	if _, err := s.recover(ctx, view, l); err != nil {
		return nil, err
	}
	facts, err := s.survey(ctx, l)
	if err != nil {
		return nil, err
	}
	at, err := moment("-at", f.at, facts.Now)
	if err != nil {
		return nil, err
	}
	now := facts.Later(was, facts.Now)
	then := access.Planned(facts, was, is).Later(is, facts.Now).Later(is, at)
	before, after := access.New(was, now), access.New(is, then)
	moved := before.PasswordsMove(after)
	report := impact.Compare(side{before, moved}, side{after, moved}, at)
	report.Now = facts.Now
	report.Gaps = append(then.Gaps, access.Unsettled(is)...)
	return report, nil
}

// worlds are the lab as it is, by the plan's reading of it, and as planned.
func (s *session) worlds(l *lab.Lab, p *planned) (was, is *hello.World, err error) {
	before := map[string]providers.Record{}
	records, err := everything(l, s.registry)
	if err != nil {
		return nil, nil, err
	}
	for _, rec := range records {
		before[rec.Addr] = rec
	}
	asked := map[string]providers.Record{}
	for _, rec := range p.asked {
		asked[rec.Addr] = rec
	}
	after := map[string]providers.Record{}
	for addr, rec := range before {
		after[addr] = rec
	}
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		t, addr := s.registry.Type(c.Kind), c.Addr.String()
		if t == nil {
			continue
		}
		held, had := before[addr]
		delete(before, addr)
		delete(after, addr)
		if had && c.Before.IsNull() && c.Kind == "trust" {
			before[addr] = held // its server object is gone, which the survey tells; that policies name it is not
		}
		if !c.Before.IsNull() {
			before[addr] = recordOf(t, addr, c.Before)
			if rec, ok := asked[addr]; ok {
				before[addr] = remembering(before[addr], rec)
			}
		}
		switch rec, ok := asked[addr]; {
		case c.Action == plan.Delete, c.Action == plan.Forget, !ok:
		case c.Action == plan.NoOp && !c.Before.IsNull():
			after[addr] = before[addr]
		case c.Action == plan.Update:
			rec.Out = filledIn(rec.Out, before[addr].Out)
			after[addr] = rec
		default:
			after[addr] = rec
		}
	}
	if was, err = hello.NewWorld(values(before)); err != nil {
		return nil, nil, err
	}
	is, err = hello.NewWorld(values(after))
	return was, is, err
}

// values are the records of a map, in address order.
func values(m map[string]providers.Record) []providers.Record {
	out := make([]providers.Record, 0, len(m))
	for _, rec := range m {
		out = append(out, rec)
	}
	slices.SortFunc(out, func(a, b providers.Record) int { return strings.Compare(a.Addr, b.Addr) })
	return out
}

// recordOf is the record of In and Out together.
func recordOf(t *providers.Type, addr string, v cty.Value) providers.Record {
	rec := providers.Record{Addr: addr, Kind: t.Name}
	part := func(ty cty.Type) cty.Value {
		attrs := map[string]cty.Value{}
		for name := range ty.AttributeTypes() {
			attrs[name], _ = v.GetAttr(name).UnmarkDeep()
		}
		return cty.ObjectVal(attrs)
	}
	rec.In, rec.Out = part(t.Schema.InType), part(t.Schema.OutType)
	for _, a := range t.Schema.Out {
		if id := rec.Out.GetAttr(a.Name); a.ID && id.IsKnown() && !id.IsNull() && id.Type() == cty.String {
			rec.ID = id.AsString()
		}
	}
	return rec
}

// remembering gives a record the PIN that the files have for it, when that is
// the one that it was made with: a preview looks at its shape.
func remembering(rec, asked providers.Record) providers.Record {
	if rec.Kind != "enrollment" || asked.In.IsNull() || !asked.In.IsKnown() {
		return rec
	}
	version := rec.In.GetAttr("pin_version")
	if same := version.Equals(asked.In.GetAttr("pin_version")); !same.IsKnown() || same.False() {
		return rec
	}
	attrs := rec.In.AsValueMap()
	attrs["pin"], _ = asked.In.GetAttr("pin").UnmarkDeep()
	rec.In = cty.ObjectVal(attrs)
	return rec
}

// filledIn is what an object that is changed has learned: what the plan leaves
// open stays what it is, as far as a preview is concerned.
func filledIn(planned, was cty.Value) cty.Value {
	if planned.IsNull() || !planned.IsKnown() || was.IsNull() || planned.IsWhollyKnown() {
		return planned
	}
	attrs := planned.AsValueMap()
	for name, v := range attrs {
		if !v.IsWhollyKnown() {
			attrs[name] = was.GetAttr(name)
		}
	}
	return cty.ObjectVal(attrs)
}

// moment is the lab time that a flag means: "+30d", a duration from now, or a
// time.
func moment(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	to, ok := timeAhead(text)
	if !ok {
		return now, mistake("Write a duration, such as +30d, or a time, such as 2027-01-31.", "%s=%q is neither a duration nor a time", name, text)
	}
	at := to(now)
	if at.Before(now) {
		return at, mistake("Sign-ins of the past are in the trace.", "%s=%s has passed: the lab's clock says %s", name, text, now.UTC().Format(time.RFC3339))
	}
	return at, nil
}

// checkImpact refuses what -impact, -at and -format cannot be.
func (f *planFlags) checkImpact() error {
	if !slices.Contains([]string{"", impactFull, impactSummary, impactNone}, f.impact) {
		return mistake(didYouMean(f.impact, []string{impactFull, impactSummary, impactNone}, "Use full, summary or none."), "-impact=%q is not a measure", f.impact)
	}
	if f.at != "" && f.impact == impactNone {
		return mistake("Leave one out.", "-at asks about sign-ins, and -impact=none asks for none")
	}
	_, err := moment("-at", f.at, time.Time{})
	return err
}
