package main

import (
	"fmt"
	"slices"
	"strings"
)

// titles are the groups of statements.
var titles = map[string]string{
	"MOD": "Model and flow selection", "DR": "Device registration", "PRE": "Launch conditions",
	"PA": "Provisioning A: token and second factor", "PB": "Provisioning B: gesture and key", "PC": "Provisioning C: registration",
	"P1": "P1: Entra joined, managed", "P2": "P2: Entra joined, federated", "P3": "P3: hybrid, cloud Kerberos trust",
	"P4": "P4: hybrid, key trust", "P5": "P5: hybrid, certificate trust", "P6": "P6: on-premises key trust",
	"P7": "P7: on-premises certificate trust", "P8": "P8: federated key trust",
	"KS": "Key synchronization", "CE": "Certificate enrollment", "CT": "Container and keys", "BIO": "Biometrics",
	"A1": "A1: Entra joined, to the tenant", "A2": "A2: Entra joined, cloud Kerberos trust", "A3": "A3: Entra joined, key trust",
	"A4": "A4: Entra joined, certificate trust", "A5": "A5: hybrid, cloud Kerberos trust", "A6": "A6: hybrid, key trust",
	"A7": "A7: hybrid, certificate trust", "HY": "Hybrid sign-in", "PRT": "Primary refresh token", "REV": "Revocation",
	"PW": "Passwords", "WA": "WebAuthn", "DBG": "Status and logs", "POL": "Policies", "CONST": "Constants",
	"COMP": "Components", "KEY": "Keys, tokens and certificates",
}

func (b *book) summary() string {
	proven, partly := b.count("")
	return fmt.Sprintf("%d statements: %d proven by tests (%d of them in part), %d to be proven; %d things simulated, %d readings.",
		len(b.rows), proven, partly, len(b.rows)-proven, len(b.simulated), len(b.readings))
}

// count counts the rows of a group, or of all, that a test proves, and how
// many of those leave something open.
func (b *book) count(group string) (proven, partly int) {
	for _, r := range b.rows {
		if group != "" && r.group() != group || len(r.ties) == 0 {
			continue
		}
		proven++
		if r.open != "" {
			partly++
		}
	}
	return proven, partly
}

func (b *book) groups() []string {
	var groups []string
	for _, r := range b.rows {
		if g := r.group(); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func (b *book) render() []byte {
	var w strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }

	p("<!-- Written by `make fidelity`. Change docs/fidelity/*.tsv or the tests, not this page. -->")
	p("")
	p("# Fidelity")
	p("")
	p("What the documents on Windows Hello for Business say, in our words, and the test that proves that the lab does it.")
	p("A statement without a test is not built yet, or not shown. **Basis** tells what a proof rests on: \"real\" when nothing")
	p("on its way is simulated or chosen by us, else the simulated things (S) and readings (R) below.")
	p("")
	p("The documents, called seeds elsewhere: **000** and **001** provisioning flows (2022 and 2018 editions), **002**")
	p("authentication flows, **003** a Microsoft engineer's article on registration and authentication with its comments,")
	p("**004** how Windows Hello for Business works.")
	p("")
	p("%s", b.summary())
	p("")
	p("| Group | | Statements | Proven | In part |")
	p("|---|---|--:|--:|--:|")
	for _, g := range b.groups() {
		proven, partly := b.count(g)
		p("| [%s](#%s) | %s | %d | %d | %d |", g, strings.ToLower(g), cell(titles[g]), b.size(g), proven, partly)
	}
	b.renderNotes(p, "Simulated", "What stands in for something real, and how it differs.", b.simulated)
	b.renderNotes(p, "Readings", "What the lab does where documents disagree or are silent.", b.readings)
	for _, g := range b.groups() {
		p("")
		p("## %s", g)
		p("")
		p("%s.", titles[g])
		p("")
		p("| Row | Statement | Flows | Test | Basis | Open |")
		p("|---|---|---|---|---|---|")
		for _, r := range b.rows {
			if r.group() == g {
				p("| %s | %s | %s | %s | %s | %s |", r.id, cell(r.statement), r.flows(), r.tests(), r.basis(), cell(r.open))
			}
		}
	}
	return []byte(w.String())
}

func (b *book) size(group string) (n int) {
	for _, r := range b.rows {
		if r.group() == group {
			n++
		}
	}
	return n
}

func (b *book) renderNotes(p func(string, ...any), title, intro string, notes []note) {
	if len(notes) == 0 {
		return
	}
	p("")
	p("## %s", title)
	p("")
	p("%s", intro)
	p("")
	p("| Id | What | How | Source |")
	p("|---|---|---|---|")
	for _, n := range notes {
		p("| %s | %s | %s | %s |", n.id, cell(n.thing), cell(n.how), cell(n.source))
	}
}

// flows lists the flows that the row's tests name, in the order P, A, DR.
func (r *row) flows() string {
	var flows []string
	for _, t := range r.ties {
		for _, f := range t.flows {
			if !slices.Contains(flows, f) {
				flows = append(flows, f)
			}
		}
	}
	order := func(f string) string { return strings.NewReplacer("P", "1", "A", "2", "D", "3").Replace(f) }
	slices.SortFunc(flows, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	return strings.Join(flows, " ")
}

// tests links each test once, in order of file and name.
func (r *row) tests() string {
	if len(r.ties) == 0 {
		return "–"
	}
	var links []string
	for _, t := range r.ties {
		if link := fmt.Sprintf("[%s](../%s)", t.test, t.file); !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return strings.Join(links, "<br>")
}

func (r *row) basis() string {
	switch {
	case len(r.ties) == 0:
		return ""
	case len(r.notes) == 0:
		return "real"
	}
	return strings.Join(r.notes, " ")
}

// cell escapes what would end a table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
