package view

import (
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
	fmt.Fprintf(&b, "%s ran %s cycle: %s", Escape(addr), article(what), strings.ReplaceAll(string(r.Result), "_", " with "))
	b.WriteString(".\n")
	if r.Ended != "" {
		fmt.Fprintf(&b, "It ended at %s.\n", Escape(r.Ended))
	}
	if r.Staging {
		b.WriteString("It is in staging mode: nothing was exported.\n")
	}
	c := r.Counts
	if c.Users.None() && c.Groups.None() && c.Devices.None() && c.Keys.None() && c.Passwords == 0 {
		b.WriteString("\nThere was nothing to write.\n")
	} else {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "\tADDED\tUPDATED\tDELETED\tTO\t")
		for _, row := range []struct {
			name string
			to   string
			connect.Count
		}{{"users", "tenant", c.Users}, {"groups", "tenant", c.Groups}, {"devices", "tenant", c.Devices}, {"keys", "domain", c.Keys}} {
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

func article(word string) string {
	if strings.ContainsAny(word[:1], "aeiou") {
		return "an " + word
	}
	return "a " + word
}
