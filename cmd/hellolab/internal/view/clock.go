package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/connect"
)

// Span is a duration as the language reads it: "14d", "3d7h", "1h30m".
type Span time.Duration

const day = 24 * time.Hour

func (s Span) String() string {
	d := time.Duration(s).Abs()
	text := providers.FormatDuration(d)
	if rest := d % day; d > 2*day && rest != 0 {
		text = providers.FormatDuration(d-rest) + providers.FormatDuration(rest)
	}
	if s < 0 {
		return "-" + text
	}
	return text
}

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Clock is lab time beside the machine's, to the second.
type Clock struct {
	Lab     time.Time `json:"lab_time"`
	Machine time.Time `json:"machine_time"`
	Offset  Span      `json:"offset"` // of the lab's to the machine's
}

// ClockOf is the clock of a lab whose time is now, offset from the machine's.
func ClockOf(now time.Time, offset time.Duration) Clock {
	now, offset = now.UTC().Truncate(time.Second), offset.Round(time.Second)
	return Clock{Lab: now, Machine: now.Add(-offset), Offset: Span(offset)}
}

// WriteClock prints a clock.
func WriteClock(w io.Writer, c Clock) error {
	offset := "none"
	switch {
	case c.Offset > 0:
		offset = c.Offset.String() + " ahead of this machine"
	case c.Offset < 0:
		offset = (-c.Offset).String() + " behind this machine"
	}
	_, err := fmt.Fprintf(w, "Lab time:  %s\nOffset:    %s\n", c.Lab.Format(time.RFC3339), offset)
	return err
}

// ClockMoved is a clock that was moved, and what became due by that.
type ClockMoved struct {
	Clock
	By     Span       `json:"advanced_by"`
	Due    []Happened `json:"due"`
	Undone []Undone   `json:"undone"`
}

// Happened is due work that was done.
type Happened struct {
	At      time.Time      `json:"at"`
	Step    string         `json:"step"`
	Text    string         `json:"text"` // one sentence
	Details map[string]any `json:"details,omitempty"`
}

// Undone is due work that failed.
type Undone struct {
	Address string `json:"address"`
	Error   string `json:"error"` // full sentences
}

// dueSteps are the steps that say what due work achieved; the rest of it, such
// as signing in to a directory, is in the trace.
var dueSteps = []string{"kdc_certificate_enrolled", "agent_certificate_enrolled", "server_certificate_renewed", "revocation_list_published", "sync_cycle"}

// HappenedBy says whether an event tells that due work is done.
func HappenedBy(e event.Event) (Happened, bool) {
	if !slices.Contains(dueSteps, e.Step) {
		return Happened{}, false
	}
	return Happened{At: e.At, Step: e.Step, Text: strings.TrimSuffix(e.Text, ".") + ".", Details: maps.Clone(e.Message)}, true
}

// WriteClockMoved prints where a clock stands now and what became due.
func WriteClockMoved(w io.Writer, m ClockMoved) error {
	if _, err := fmt.Fprintf(w, "The lab's clock is advanced by %s.\n\n", m.By); err != nil {
		return err
	}
	if err := WriteClock(w, m.Clock); err != nil {
		return err
	}
	if len(m.Due) == 0 {
		if len(m.Undone) == 0 {
			_, err := fmt.Fprintf(w, "\nNothing became due.\n")
			return err
		}
		return nil
	}
	if _, err := fmt.Fprintf(w, "\nBecame due and is done:\n"); err != nil {
		return err
	}
	for _, h := range m.Due {
		if _, err := fmt.Fprintf(w, "  - %s\n", Escape(h.Text)); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(h.Details)) {
			value, ok := detail(h.Details[name])
			if !ok {
				continue
			}
			if _, err := fmt.Fprintf(w, "      %s: %s\n", Escape(name), Escape(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// detail is a value as a line has it; ok is false when it says nothing.
func detail(v any) (text string, ok bool) {
	switch v := v.(type) {
	case connect.Count:
		var parts []string
		for _, p := range []struct {
			n    int
			what string
		}{{v.Added, "added"}, {v.Updated, "updated"}, {v.Deleted, "deleted"}} {
			if p.n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
			}
		}
		return strings.Join(parts, ", "), len(parts) > 0
	case []string:
		return strings.Join(v, ", "), len(v) > 0
	case int:
		return strconv.Itoa(v), v != 0
	}
	return fmt.Sprint(v), true
}
