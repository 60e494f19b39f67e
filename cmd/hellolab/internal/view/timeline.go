package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hellolab/engine/impact"
	"hellolab/providers"
)

// Timeline is what becomes of a lab that is left alone.
type Timeline struct {
	*impact.Course
	Renewed  []Renewed    `json:"renewed"`  // certificates of KDCs and registration authorities, by themselves
	Upkeep   []Upkeep     `json:"upkeep"`   // what runs by itself, or has stopped
	Sessions []SessionEnd `json:"sessions"` // primary refresh tokens that end by then
	Gaps     []string     `json:"gaps,omitempty"`
}

// Renewed is a certificate that is replaced by itself: a KDC's, by autoenrollment,
// or the enrollment agent certificate of a federation.
type Renewed struct {
	At         time.Time `json:"at"`
	Address    string    `json:"address"` // of the domain or the federation
	Controller string    `json:"controller,omitempty"`
	Ends       time.Time `json:"ends"`
}

// Upkeep is work that a lab does by itself.
type Upkeep struct {
	Address string    `json:"address"`
	What    string    `json:"what"`
	Runs    bool      `json:"runs"`
	Every   Span      `json:"every"`
	Next    time.Time `json:"next,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	Why     string    `json:"why,omitempty"` // it does not run
}

// SessionEnd is the end of a primary refresh token.
type SessionEnd struct {
	User   string    `json:"user"`
	Device string    `json:"device"`
	Ends   time.Time `json:"ends"`
}

const toTheMinute = "2006-01-02 15:04"

// WriteTimeline prints what changes, what helps, and what the lab does by
// itself.
func WriteTimeline(w io.Writer, t *Timeline, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", style.paint(bold, "Timeline:"), timelineHeadline(t))
	if len(t.Events) > 0 {
		b.WriteByte('\n')
		report := &impact.Report{}
		for _, e := range t.Events {
			report.Rows = append(report.Rows, e.Row)
		}
		names := namesOf(report)
		rows := [][]string{{"FROM", "IN", "USER", "DEVICE", "TO", "BEFORE", "AFTER", "WHY"}}
		for _, e := range t.Events {
			after := afterWord(e.After)
			if !e.EveryWay {
				after += " by " + strings.Join(e.Gestures, ", ")
			}
			rows = append(rows, []string{
				e.From.UTC().Format(toTheMinute), away(e.From.Sub(t.Now)),
				names.list(e.Users(), "user"), names.list(e.Devices(), "device"), names.targets(e.To), nowWord(e.Before), after, why(e.Row),
			})
		}
		table(&b, rows, style)
	}
	section(&b, "\nWhat helps:\n\n", mends(t.Events))
	section(&b, "\nBy itself, and ends nothing:\n\n", running(t))
	section(&b, "\nHas stopped:\n\n", stopped(t))
	section(&b, "\nSessions that end unless a sign-in renews them:\n\n", sessions(t))
	gaps(&b, t.Gaps, "\nThe timeline does not know:\n\n", "  - ", Escape)
	_, err := io.WriteString(w, b.String())
	return err
}

func timelineHeadline(t *Timeline) string {
	span := fmt.Sprintf(" by %s (in %s)", t.Until.UTC().Format(toTheMinute), away(t.Until.Sub(t.Now)))
	s := fmt.Sprintf("%d of %s change%s by %s", t.Changed, Count(t.Enrollments, "enrollment"), ending(t.Changed == 1), themselves(t.Changed))
	if t.Changed == 0 {
		s = fmt.Sprintf("none of %s changes by itself", Count(t.Enrollments, "enrollment"))
	}
	s += span
	if t.Undecided > 0 {
		s += fmt.Sprintf("; %s cannot be decided", Count(t.Undecided, "sign-in"))
	}
	return s + "."
}

func themselves(n int) string {
	if n == 1 {
		return "itself"
	}
	return "themselves"
}

// away is how far ahead something is: to the day, hour or minute.
func away(d time.Duration) string {
	for _, unit := range []time.Duration{day, time.Hour} {
		if d >= 2*unit {
			return providers.FormatDuration(d.Round(unit))
		}
	}
	return providers.FormatDuration(d.Round(time.Minute))
}

func section(b *strings.Builder, head string, lines []string) {
	const most = 20
	if len(lines) == 0 {
		return
	}
	b.WriteString(head)
	for _, line := range lines[:min(len(lines), most)] {
		fmt.Fprintf(b, "  - %s\n", Escape(line))
	}
	if more := len(lines) - most; more > 0 {
		fmt.Fprintf(b, "  - and %d more\n", more)
	}
}

// mends are what helps against what is lost, each once.
func mends(events []impact.Event) (lines []string) {
	for _, e := range events {
		if e.Mend == "" || e.Effect == impact.Better || e.Effect == impact.Gained {
			continue
		}
		if line := e.After.Reason + ": " + e.Mend; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func running(t *Timeline) (lines []string) {
	for _, r := range t.Renewed {
		whose := r.Controller + " of " + r.Address + " has its KDC certificate"
		if r.Controller == "" {
			whose = r.Address + " has its enrollment agent certificate"
		}
		lines = append(lines, fmt.Sprintf("%s  %s renewed, good until %s.", r.At.UTC().Format(toTheMinute), whose, r.Ends.UTC().Format(time.DateOnly)))
	}
	for _, u := range t.Upkeep {
		if !u.Runs {
			continue
		}
		line := fmt.Sprintf("%s: %s, every %s", u.Address, u.What, u.Every)
		if !u.Next.IsZero() {
			line += ", next at " + u.Next.UTC().Format(toTheMinute)
		}
		lines = append(lines, line+".")
	}
	return lines
}

func stopped(t *Timeline) (lines []string) {
	for _, u := range t.Upkeep {
		if u.Runs {
			continue
		}
		line := fmt.Sprintf("%s: %s. %s", u.Address, u.What, u.Why)
		if !u.Last.IsZero() {
			line += fmt.Sprintf(" It ran last at %s, %s ago.", u.Last.UTC().Format(toTheMinute), away(t.Now.Sub(u.Last)))
			switch full := u.Last.Add(fullSync); {
			case u.What != synchronization || full.After(t.Until):
			case full.After(t.Now):
				line += fmt.Sprintf(" From %s on a full synchronization may be needed (C3, D).", full.UTC().Format(toTheMinute))
			default:
				line += " A full synchronization may be needed (C3, D)."
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// fullSync is how long Connect may stand still before the vendor asks for a full
// synchronization.
const (
	fullSync        = 7 * 24 * time.Hour
	synchronization = "synchronization" // of an Upkeep.What
)

func sessions(t *Timeline) (lines []string) {
	for _, e := range t.Sessions {
		lines = append(lines, fmt.Sprintf("%s  %s on %s: the primary refresh token.", e.Ends.UTC().Format(toTheMinute), e.User, e.Device))
	}
	slices.Sort(lines)
	return lines
}
