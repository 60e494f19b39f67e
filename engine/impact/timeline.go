package impact

import (
	"iter"
	"slices"
	"time"
)

// Turn is an instant at which sign-ins begin to end otherwise.
type Turn struct {
	At   time.Time `json:"at"`
	Rows []Row     `json:"rows"` // those that change, the gravest first
}

// Timeline compares a lab with itself as time passes: each Side with the one
// before it, the first with now. Instants at which nothing changes are left out.
func Timeline(now Side, later iter.Seq2[time.Time, Side]) []Turn {
	var out []Turn
	for at, side := range later {
		r := Compare(now, side, at)
		now = side
		rows := slices.DeleteFunc(r.Rows, func(row Row) bool { return row.Effect == Unchanged })
		if len(rows) > 0 {
			out = append(out, Turn{at, rows})
		}
	}
	return out
}
