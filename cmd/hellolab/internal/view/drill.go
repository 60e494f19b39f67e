package view

import (
	"fmt"
	"io"
	"strings"

	"hellolab/engine/impact"
)

// Drill writes what a step against a user's credentials leaves: the ways that
// stay open to the user, and the sign-ins that come back by themselves. report is
// what the step changes.
func Drill(w io.Writer, user string, ways []impact.Way, back *impact.Course, report *impact.Report) error {
	var b strings.Builder
	seen := &impact.Report{Rows: []impact.Row{{Pairs: []impact.Pair{{User: user}}}}}
	for _, way := range ways {
		seen.Rows = append(seen.Rows, impact.Row{Pairs: []impact.Pair{{User: user, Device: way.Device}}, To: way.To})
	}
	for _, e := range back.Events {
		seen.Rows = append(seen.Rows, e.Row)
	}
	names := namesOf(seen)
	var open, closed, returns []string
	for _, way := range ways {
		if len(way.To) == 0 {
			closed = append(closed, names[way.Device])
			continue
		}
		open = append(open, names[way.Device]+": "+names.targets(way.To))
	}
	if len(closed) > 0 {
		open = append(open, strings.Join(closed, ", ")+": nothing")
	}
	for _, e := range back.Events {
		if e.Effect != impact.Gained || !cut(report, e.Row) {
			continue
		}
		returns = append(returns, fmt.Sprintf("%s (in %s)  %s on %s: %s (%s)", e.From.UTC().Format(toTheMinute), away(e.From.Sub(back.Now)),
			names.list(e.Users(), "user"), names.list(e.Devices(), "device"), names.targets(e.Row.To), clause(e.Before.Sentence)))
	}
	section(&b, "\nStill open to "+Escape(names[user])+":\n\n", open)
	section(&b, "\nComes back by itself:\n\n", returns)
	_, err := io.WriteString(w, b.String())
	return err
}

// cut reports whether a report says that somebody of a row loses something.
func cut(report *impact.Report, row impact.Row) bool {
	for _, r := range report.Rows {
		if r.Effect != impact.Blocked {
			continue
		}
		for _, p := range r.Pairs {
			for _, q := range row.Pairs {
				if p == q {
					return true
				}
			}
		}
	}
	return false
}
