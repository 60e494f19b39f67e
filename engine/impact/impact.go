// Package impact compares the sign-ins of a lab before and after a plan: who on
// which device gains or loses which of them, what they have to do, from when,
// and why. It knows nothing of sign-ins: two Sides do, one of the lab as it is,
// one as planned. Of a lab that is left alone, Follow compares one instant with
// the next.
package impact

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// SignIn is a sign-in that is asked about. User, Device and To are addresses; To
// is "" for Windows itself.
type SignIn struct {
	User, Device, To string
	Gesture          string // "pin", "face", …, "password"
}

// Verdict is how a sign-in ends. The words are those of the language and of
// providers/hello/access.
type Verdict struct {
	Word       string    `json:"verdict"` // allowed, refused, degraded, at_risk; none without somebody to sign in, unknown when nobody can tell
	Reason     string    `json:"reason,omitempty"`
	Sentence   string    `json:"sentence,omitempty"`
	Flow       string    `json:"flow,omitempty"`
	Phase      string    `json:"phase,omitempty"`
	Action     string    `json:"action,omitempty"`
	When       string    `json:"when,omitempty"`
	At         time.Time `json:"at,omitzero"`     // of When, where that is known; in a row, the earliest
	Grace      bool      `json:"grace,omitempty"` // a cached logon still opens Windows
	Confidence string    `json:"confidence"`      // D, I, C or ?
	Rule       string    `json:"rule,omitempty"`  // row of the table of effects
}

// Works reports whether the sign-in succeeds.
func (v Verdict) Works() bool {
	return v.Word == "allowed" || v.Word == "degraded" || v.Word == "at_risk"
}

// same reports whether two verdicts are one to the people at the device.
func (v Verdict) same(w Verdict) bool {
	return v.Word == w.Word && v.Reason == w.Reason && v.Action == w.Action && v.Rule == w.Rule
}

// Side is a lab at one instant.
type Side interface {
	// SignIns are those that there is to be asked about, in the order of what is
	// declared.
	SignIns() iter.Seq[SignIn]
	// Decide says how one ends. It answers for the other side's sign-ins, too.
	Decide(SignIn) Verdict
}

// Effect is what a plan does to a sign-in.
type Effect string

// Effects, the gravest first: rows come in this order.
const (
	Blocked   Effect = "newly_blocked"
	Worse     Effect = "degraded" // it works, and not as well as before, or somebody must do something
	Otherwise Effect = "still_blocked_otherwise"
	Better    Effect = "improved"
	Gained    Effect = "newly_allowed"
	Unchanged Effect = "unchanged"
)

var gravity = []Effect{Blocked, Worse, Otherwise, Better, Gained, Unchanged}

// effect tells a change by its two verdicts.
func effect(before, after Verdict) Effect {
	switch {
	case before.same(after):
		return Unchanged
	case before.Works() && !after.Works():
		return Blocked
	case !before.Works() && after.Works():
		return Gained
	case !after.Works():
		return Otherwise
	case plain(after):
		return Better
	}
	return Worse
}

// plain reports a verdict that leaves nothing to be said.
func plain(v Verdict) bool { return v.Word == "allowed" && v.Action == "" && v.Reason == "success" }

// Pair is a user on a device.
type Pair struct {
	User   string `json:"user"`
	Device string `json:"device"`
}

// Row is sign-ins that change alike.
type Row struct {
	Effect   Effect   `json:"effect"`
	Pairs    []Pair   `json:"enrollments"` // users on devices
	To       []string `json:"to"`          // "" is Windows itself
	Gestures []string `json:"gestures"`    // that it is about
	EveryWay bool     `json:"every_gesture"`
	Count    int      `json:"count"` // sign-ins
	Before   Verdict  `json:"before"`
	After    Verdict  `json:"after"`
}

// Report is all of it.
type Report struct {
	Now         time.Time `json:"now"`                 // lab time of the sign-ins before
	At          time.Time `json:"at"`                  // lab time of those after
	Enrollments int       `json:"enrollments"`         // users on devices, before or after
	Changed     int       `json:"changed_enrollments"` // of them
	SignIns     int       `json:"sign_ins"`            // looked at
	Differ      int       `json:"changed_sign_ins"`    // of them
	Lost        int       `json:"lost_sign_ins"`       // that worked, and will not
	Won         int       `json:"gained_sign_ins"`     // that did not, and will
	Undecided   int       `json:"undecided_sign_ins"`  // that the preview cannot decide
	Rows        []Row     `json:"rows"`                // changed ones first
	Gaps        []string  `json:"gaps,omitempty"`      // what the preview does not know, as sentences
}

// Compare looks at every sign-in of both sides.
func Compare(before, after Side, at time.Time) *Report {
	c := newComparison(at)
	for _, side := range []Side{before, after} {
		for s := range side.SignIns() {
			if !c.seen[s] {
				c.seen[s] = true
				c.add(s, before.Decide(s), after.Decide(s))
			}
		}
	}
	c.merge()
	return c.report
}

// change is a verdict before and after; of equal ones the people are merged.
type change struct{ before, after Verdict }

// pair is what is found of a user on a device.
type pair struct {
	Pair
	gestures []string            // asked about
	at       map[change][]SignIn // in the order they came
	earliest map[change]time.Time
	order    []change
	changed  bool
}

type comparison struct {
	report *Report
	seen   map[SignIn]bool
	pairs  map[Pair]*pair
	order  []*pair
}

func newComparison(at time.Time) *comparison {
	return &comparison{report: &Report{At: at}, seen: map[SignIn]bool{}, pairs: map[Pair]*pair{}}
}

func (c *comparison) add(s SignIn, before, after Verdict) {
	key := Pair{s.User, s.Device}
	p := c.pairs[key]
	if p == nil {
		p = &pair{Pair: key, at: map[change][]SignIn{}, earliest: map[change]time.Time{}}
		c.pairs[key] = p
		c.order = append(c.order, p)
	}
	if !slices.Contains(p.gestures, s.Gesture) {
		p.gestures = append(p.gestures, s.Gesture)
	}
	r := c.report
	r.SignIns++
	if before.Word == "unknown" || after.Word == "unknown" {
		r.Undecided++
	}
	if before.same(after) {
		before = after // where it is said otherwise only
	} else {
		p.changed = true
		r.Differ++
		switch effect(before, after) {
		case Blocked:
			r.Lost++
		case Gained:
			r.Won++
		}
	}
	before.When, before.At = "", time.Time{} // of the past
	k := change{merged(before), merged(after)}
	if p.at[k] == nil {
		p.order = append(p.order, k)
		p.earliest[k] = after.At
	}
	p.at[k] = append(p.at[k], s)
	p.earliest[k] = earlier(p.earliest[k], after.At)
}

// together is how finely rows tell times apart: people who were given a password one
// after the other are one row when it ends.
const together = time.Hour

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// merged is a verdict without what people do not tell apart: by which flow a
// sign-in works, and seconds.
func merged(v Verdict) Verdict {
	v.At = v.At.Truncate(together)
	if v.Phase == "" {
		v.Flow = ""
	}
	return v
}

// merge makes rows: of a pair, targets and gestures with one change; of pairs,
// those whose targets and gestures are the same.
func (c *comparison) merge() {
	type key struct {
		change
		to, gestures string
		every        bool
	}
	rows := map[key]*Row{}
	var order []*Row
	for _, p := range c.order {
		c.report.Enrollments++
		if p.changed {
			c.report.Changed++
		}
		for _, k := range p.order {
			for _, g := range split(p.at[k]) {
				at := key{k, strings.Join(g.to, "\x00"), strings.Join(g.gestures, "\x00"), len(g.gestures) == len(p.gestures)}
				if at.every {
					at.gestures = ""
				}
				r := rows[at]
				if r == nil {
					r = &Row{Effect: effect(k.before, k.after), To: g.to, Gestures: g.gestures, EveryWay: at.every, Before: k.before, After: k.after}
					r.After.At = p.earliest[k]
					rows[at] = r
					order = append(order, r)
				}
				if n := len(r.Pairs); n == 0 || r.Pairs[n-1] != p.Pair {
					r.Pairs = append(r.Pairs, p.Pair)
				}
				r.After.At = earlier(r.After.At, p.earliest[k])
				r.Gestures = union(r.Gestures, g.gestures)
				r.Count += len(g.to) * len(g.gestures)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b *Row) int {
		return cmp.Or(
			cmp.Compare(slices.Index(gravity, a.Effect), slices.Index(gravity, b.Effect)),
			cmp.Compare(len(b.Pairs), len(a.Pairs)),
		)
	})
	for _, r := range order {
		c.report.Rows = append(c.report.Rows, *r)
	}
}

// group is targets that are reached by the same gestures.
type group struct{ to, gestures []string }

// split groups sign-ins of one pair by targets whose gestures are the same.
func split(all []SignIn) []group {
	by := map[string][]string{} // target -> gestures
	var targets []string
	for _, s := range all {
		if by[s.To] == nil {
			targets = append(targets, s.To)
		}
		by[s.To] = append(by[s.To], s.Gesture)
	}
	var out []group
	for _, to := range targets {
		i := slices.IndexFunc(out, func(g group) bool { return slices.Equal(g.gestures, by[to]) })
		if i < 0 {
			out = append(out, group{gestures: by[to]})
			i = len(out) - 1
		}
		out[i].to = append(out[i].to, to)
	}
	return out
}

// Users are those of a row, each once, in order.
func (r *Row) Users() []string { return each(r.Pairs, func(p Pair) string { return p.User }) }

// Devices are those of a row, each once, in order.
func (r *Row) Devices() []string { return each(r.Pairs, func(p Pair) string { return p.Device }) }

func each(pairs []Pair, of func(Pair) string) []string {
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = of(p)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}
