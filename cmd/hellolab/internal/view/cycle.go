package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"hellolab/providers/wire/connect"
)

// Cycle writes what a cycle of a Connect server did: how it ended, what it
// wrote, and what kept it from more.
func Cycle(w io.Writer, addr string, r *connect.Report, style Style) error {
	var b strings.Builder
	what := "delta"
	if r.Initial {
		what = "initial"
	}
	fmt.Fprintf(&b, "%s ran %s cycle: %s.\n", Escape(addr), article(what), strings.ReplaceAll(string(r.Result), "_", " with "))
	if len(r.Parts) > 0 {
		var parts []string
		for _, p := range r.Parts {
			parts = append(parts, partName(p))
		}
		fmt.Fprintf(&b, "It carried %s.\n", strings.Join(parts, ", "))
	}
	if r.Ended != "" {
		fmt.Fprintf(&b, "It ended at %s.\n", Escape(r.Ended))
	}
	if r.Staging {
		b.WriteString("It is in staging mode: nothing was exported.\n")
	}
	c := r.Counts
	if c == (connect.Counts{}) {
		b.WriteString("\nThere was nothing to write.\n")
	} else {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "\tADDED\tUPDATED\tDELETED\tTO\t")
		for _, row := range []struct {
			name string
			to   string
			connect.Count
		}{{"users", "tenant", c.Users}, {"groups", "tenant", c.Groups}, {"devices", "tenant", c.Devices}, {"keys", "domain", c.Keys}, {"devices", "domain", c.Written}} {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t\n", row.name, row.Added, row.Updated, row.Deleted, row.to)
		}
		fmt.Fprintf(t, "passwords\t\t%d\t\ttenant\t\n", c.Passwords)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		word     string
		colour   string
		problems []connect.Problem
	}{{"Error", red, r.Errors}, {"Warning", yellow, r.Warnings}} {
		for _, p := range list.problems {
			fmt.Fprintf(&b, "\n%s: %s\n", style.paint(list.colour, list.word), Escape(p.String()))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// partName is what a part carries.
func partName(p connect.Part) string {
	switch p {
	case connect.KeyExport:
		return "keys to the domain"
	case connect.DeviceWriteback:
		return "devices to the domain"
	}
	return Escape(string(p))
}

// SyncStatus writes when the parts of a synchronization ran and run.
func SyncStatus(w io.Writer, addr string, s *connect.Status) error {
	var b strings.Builder
	b.WriteString(Escape(addr))
	switch {
	case s.Running:
		b.WriteString(": a cycle is running.\n\n")
	case s.Staging:
		b.WriteString(": in staging mode, nothing is exported.\n\n")
	default:
		b.WriteString(":\n\n")
	}
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "PART\tRUNS\tLAST ENDED\tRESULT\tNEXT")
	for _, at := range s.Schedules {
		runs := "with the cycles"
		switch {
		case !at.On:
			runs = "off"
		case !at.Enabled:
			runs = "paused"
		case at.Own || at.Part == connect.Accounts:
			runs = "every " + Escape(at.Interval)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", Escape(string(at.Part)), runs, dash(at.Last), dash(strings.ReplaceAll(string(at.Result), "_", " with ")), dash(at.Next))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func dash(text string) string { return cmp.Or(Escape(text), "–") }

func article(word string) string {
	if strings.ContainsAny(word[:1], "aeiou") {
		return "an " + word
	}
	return "a " + word
}
