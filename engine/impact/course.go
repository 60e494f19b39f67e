package impact

import (
	"iter"
	"slices"
	"time"
)

// Instant is a lab at a later time: as it is once all that changes between From
// and To has.
type Instant struct {
	From, To time.Time
	Side     Side
	Concerns func(user string) bool // whose sign-ins may be others than before; nil: everybody's
}

// Event is sign-ins that change alike, by themselves, between From and Through.
type Event struct {
	From    time.Time `json:"from"`
	Through time.Time `json:"through"`
	Row
	Mend string `json:"mend,omitempty"` // what helps, as sentences
}

// Course is what becomes of the sign-ins of a lab that is left alone.
type Course struct {
	Now         time.Time `json:"now"`
	Until       time.Time `json:"until"`
	Enrollments int       `json:"enrollments"`         // users on devices
	Changed     int       `json:"changed_enrollments"` // of them, at some time
	SignIns     int       `json:"sign_ins"`            // looked at
	Undecided   int       `json:"undecided_sign_ins"`  // that nobody can decide
	Events      []Event   `json:"events"`              // the earliest first; of one time, the gravest
}

// Follow compares the sign-ins of a lab with what they become, instant after
// instant, in the order of time.
func Follow(now Side, at time.Time, later iter.Seq[Instant], until time.Time) *Course {
	c := &Course{Now: at, Until: until, Events: []Event{}}
	all := slices.Collect(now.SignIns())
	last := make([]Verdict, len(all))
	pairs := map[Pair]bool{}
	for i, s := range all {
		last[i] = now.Decide(s)
		pairs[Pair{s.User, s.Device}] = false
		if last[i].Word == "unknown" {
			c.Undecided++
		}
	}
	c.SignIns, c.Enrollments = len(all), len(pairs)
	for instant := range later {
		compared := newComparison(instant.To)
		for i, s := range all {
			if instant.Concerns != nil && !instant.Concerns(s.User) {
				continue
			}
			v := instant.Side.Decide(s)
			compared.add(s, last[i], v)
			last[i] = v
		}
		compared.merge()
		for _, row := range compared.report.Rows {
			if row.Effect == Unchanged {
				continue
			}
			for _, p := range row.Pairs {
				pairs[p] = true
			}
			c.Events = append(c.Events, Event{From: instant.From, Through: instant.To, Row: row})
		}
	}
	for _, changed := range pairs {
		if changed {
			c.Changed++
		}
	}
	return c
}

// Way is where a user gets in on a device.
type Way struct {
	Device string   `json:"device"`
	To     []string `json:"to"` // "" is Windows itself; empty: nowhere
}

// Ways are those that a user's sign-ins, by any gesture, lead.
func Ways(side Side, user string) (ways []Way) {
	for s := range side.SignIns() {
		if s.User != user {
			continue
		}
		i := slices.IndexFunc(ways, func(w Way) bool { return w.Device == s.Device })
		if i < 0 {
			ways = append(ways, Way{Device: s.Device})
			i = len(ways) - 1
		}
		if side.Decide(s).Works() && !slices.Contains(ways[i].To, s.To) {
			ways[i].To = append(ways[i].To, s.To)
		}
	}
	return ways
}
