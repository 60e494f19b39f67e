package keylist

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"hellolab/cmd/hellolab/internal/view"
)

// shown is how many digits of a key id a table shows: enough to name it by.
const shown = 12

// Write prints keys as a table, and below it a sentence for each mark.
func Write(w io.Writer, keys []Key) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ACCOUNT\tDIRECTORY\tKEY\tUSAGE\tSOURCE\tDEVICE\tCREATED\tLAST LOGON\tMFA\tATTESTED\tSTRENGTH\tMARKS")
	for i := range keys {
		k := &keys[i]
		row := []string{k.Account, string(k.Directory), k.short(), k.Usage, k.Source, k.Device, day(k.Created), day(k.LastLogon),
			yes(k.MFA), yes(k.Attested), k.Strength, strings.Join(k.Marks, ", ")}
		for n, cell := range row {
			if row[n] = view.Escape(cell); cell == "" {
				row[n] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	first := true
	for i := range keys {
		for _, why := range keys[i].Why {
			if first {
				fmt.Fprintln(w)
				first = false
			}
			if _, err := fmt.Fprintf(w, "%s of %s: %s\n", keys[i].short(), view.Escape(keys[i].Account), view.Escape(why)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Key) short() string { return k.ID[:min(len(k.ID), shown)] }

func day(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

func yes(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	}
	return "no"
}
