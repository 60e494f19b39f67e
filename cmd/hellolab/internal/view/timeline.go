package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"hellolab/engine/impact"
	"hellolab/providers"
)

// Timeline is which sign-ins change by themselves.
type Timeline struct {
	Now   time.Time     `json:"now"`
	Last  time.Time     `json:"until"` // how far it looks
	Turns []impact.Turn `json:"turns"`
	Gaps  []string      `json:"gaps,omitempty"`
}

// WriteTimeline writes it for people, instant by instant.
func WriteTimeline(w io.Writer, t Timeline, style Style) error {
	var b strings.Builder
	if len(t.Turns) == 0 {
		fmt.Fprintf(&b, "No sign-in changes by itself until %s.\n", t.Last.Format(time.RFC3339))
	}
	for i, turn := range t.Turns {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (in %s)\n\n", style.paint(bold, turn.At.Format("2006-01-02 15:04:05")), providers.FormatDuration(turn.At.Sub(t.Now).Round(time.Second)))
		r := &impact.Report{Rows: turn.Rows, At: turn.At}
		rows := cells(turn.Rows, r, namesOf(r))
		for i := range rows { // the instant stands above them
			rows[i] = append(rows[i][:5:5], rows[i][6])
		}
		table(&b, append([][]string{{"USER", "DEVICE", "TO", "WAS", "BECOMES", "WHY"}}, rows...), style)
	}
	gaps(&b, t.Gaps, "\nWhat could not be read:\n\n", "  - ")
	_, err := io.WriteString(w, b.String())
	return err
}
