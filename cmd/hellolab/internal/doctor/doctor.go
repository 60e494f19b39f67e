package doctor

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers/wire/krb"
)

// Severity is how bad a finding is.
type Severity string

// Severities, the worst first.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one thing that would fail.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule"`              // a stable name
	Address  string   `json:"address,omitempty"` // of the object; empty: of the lab
	Code     string   `json:"code,omitempty"`    // that a client meets
	Summary  string   `json:"summary"`           // a sentence
	Next     string   `json:"next"`              // what to do, a sentence
}

// Examine judges the facts. The worst findings come first, then in the order of
// addresses.
func Examine(f *Facts) []Finding {
	x := &examination{Facts: f, found: []Finding{}}
	x.lab()
	for i := range f.Domains {
		x.domain(&f.Domains[i])
	}
	for i := range f.Authorities {
		x.authority(&f.Authorities[i])
	}
	for i := range f.Tenants {
		x.tenant(&f.Tenants[i])
	}
	for i := range f.Trusts {
		x.serverObject(&f.Trusts[i])
	}
	for i := range f.Federations {
		x.federationService(&f.Federations[i])
	}
	order := []Severity{Error, Warning, Note}
	slices.SortStableFunc(x.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)), cmp.Compare(a.Address, b.Address))
	})
	return x.found
}

// Count counts the findings of a severity.
func Count(findings []Finding, s Severity) (n int) {
	for _, f := range findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// examination is under way.
type examination struct {
	*Facts
	found []Finding
}

func (x *examination) add(s Severity, rule, address, code, next, format string, args ...any) {
	x.found = append(x.found, Finding{Severity: s, Rule: rule, Address: address, Code: code, Summary: fmt.Sprintf(format, args...), Next: next})
}

// code writes a Kerberos error as clients show it.
func code(c krb.Code) string { return fmt.Sprintf("%s (%d)", c.Name(), int(c)) }

// some names a few of many.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// life is where a certificate stands in its life.
type life int

const (
	current life = iota
	early
	ending // less than a part of its life is left
	over
)

// lifeOf judges a certificate; the part of its life that counts as its end is
// one in parts.
func lifeOf(c *x509.Certificate, now time.Time, parts int) life {
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return early
	case left <= 0:
		return over
	case left <= c.NotAfter.Sub(c.NotBefore)/time.Duration(parts):
		return ending
	}
	return current
}

// JSON is the whole report.
type JSON struct {
	Findings []Finding `json:"findings"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
}

// ToJSON makes a report of findings.
func ToJSON(findings []Finding) JSON {
	return JSON{findings, Count(findings, Error), Count(findings, Warning), Count(findings, Note)}
}

// Write prints findings for a person.
func Write(w io.Writer, findings []Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintln(w, "Nothing was found that would fail.")
		return err
	}
	for _, f := range findings {
		at, met := "", ""
		if f.Address != "" {
			at = " " + view.Escape(f.Address) + ":"
		}
		if f.Code != "" {
			met = " Clients meet " + f.Code + "."
		}
		if _, err := fmt.Fprintf(w, "%s:%s %s%s\n  %s\n\n", f.Severity, at, view.Escape(f.Summary), met, view.Escape(f.Next)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s, %s.\n", view.Count(Count(findings, Error), "error"), view.Count(Count(findings, Warning), "warning"), view.Count(Count(findings, Note), "note"))
	return err
}
