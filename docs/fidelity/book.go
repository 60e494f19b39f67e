package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// book is everything the page tells.
type book struct {
	rows      []*row // in the order of rows.tsv
	byID      map[string]*row
	simulated []note
	readings  []note
}

// row is one statement.
type row struct {
	id        string
	statement string
	open      string // what no test shows yet
	ties      []tie
	notes     []string // ids of the notes it depends on
}

func (r *row) group() string { return r.id[:strings.LastIndexByte(r.id, '-')] }

// note is a simulated thing or a reading.
type note struct {
	id, thing, how, source string
	rows                   []string // ids, or "GROUP-*"
}

var (
	rowID  = regexp.MustCompile(`^[A-Z][A-Z0-9]*-[0-9]{2}$`)
	noteID = regexp.MustCompile(`^[RS][0-9]+$`)
)

const longestStatement = 12 // words

func load(root fs.FS) (*book, error) {
	b := &book{byID: map[string]*row{}}
	lines, err := table(root, "docs/fidelity/rows.tsv", "id", "statement", "open")
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, l := range lines {
		r := &row{id: l[0], statement: l[1], open: l[2]}
		switch {
		case !rowID.MatchString(r.id):
			problems = append(problems, fmt.Errorf("rows.tsv: %q is no row id", r.id))
			continue
		case b.byID[r.id] != nil:
			problems = append(problems, fmt.Errorf("rows.tsv: %s is listed twice", r.id))
		case r.statement == "" || len(strings.Fields(r.statement)) > longestStatement:
			problems = append(problems, fmt.Errorf("rows.tsv: %s: a statement has 1 to %d words", r.id, longestStatement))
		case titles[r.group()] == "":
			problems = append(problems, fmt.Errorf("rows.tsv: %s belongs to no known group", r.id))
		}
		b.rows, b.byID[r.id] = append(b.rows, r), r
	}
	if b.simulated, err = b.notes(root, "simulated.tsv"); err != nil {
		problems = append(problems, err)
	}
	if b.readings, err = b.notes(root, "readings.tsv"); err != nil {
		problems = append(problems, err)
	}
	return b, errors.Join(problems...)
}

// notes reads a table of notes and marks the rows that depend on each.
func (b *book) notes(root fs.FS, name string) ([]note, error) {
	lines, err := table(root, "docs/fidelity/"+name, "id", "thing", "how", "source", "rows")
	if err != nil {
		return nil, err
	}
	var notes []note
	var problems []error
	for _, l := range lines {
		n := note{id: l[0], thing: l[1], how: l[2], source: l[3], rows: strings.Fields(l[4])}
		if !noteID.MatchString(n.id) || slices.ContainsFunc(notes, func(o note) bool { return o.id == n.id }) {
			problems = append(problems, fmt.Errorf("%s: %q is no id, or listed twice", name, n.id))
		}
		if n.thing == "" || n.how == "" || n.source == "" {
			problems = append(problems, fmt.Errorf("%s: %s: thing, how and source are all needed", name, n.id))
		}
		for _, pattern := range n.rows {
			if !b.mark(pattern, n.id) {
				problems = append(problems, fmt.Errorf("%s: %s: there is no row %q", name, n.id, pattern))
			}
		}
		notes = append(notes, n)
	}
	return notes, errors.Join(problems...)
}

// mark adds a note to the rows that pattern names, and reports whether any is.
func (b *book) mark(pattern, id string) (found bool) {
	group, all := strings.CutSuffix(pattern, "-*")
	for _, r := range b.rows {
		if r.id == pattern || all && r.group() == group {
			r.notes = append(r.notes, id)
			found = true
		}
	}
	return found
}

// tie adds the tests to their rows.
func (b *book) tie(ties []tie) error {
	var problems []error
	for _, t := range ties {
		r := b.byID[t.row]
		if r == nil {
			problems = append(problems, fmt.Errorf("%s: there is no row %q", t.at, t.row))
			continue
		}
		for _, f := range t.flows {
			if !flowName.MatchString(f) {
				problems = append(problems, fmt.Errorf("%s: there is no flow %q", t.at, f))
			}
		}
		r.ties = append(r.ties, t)
	}
	return errors.Join(problems...)
}

var flowName = regexp.MustCompile(`^(P[1-8]|A[1-8]|DR)$`)

// table reads a tab-separated file whose header is columns.
func table(root fs.FS, name string, columns ...string) ([][]string, error) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	in := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; in.Scan(); n++ {
		cells := strings.Split(in.Text(), "\t")
		if len(cells) != len(columns) {
			return nil, fmt.Errorf("%s:%d: %d columns, want %d", name, n, len(cells), len(columns))
		}
		for i, c := range cells {
			cells[i] = strings.TrimSpace(c)
		}
		if n == 1 {
			if !slices.Equal(cells, columns) {
				return nil, fmt.Errorf("%s:1: columns %q, want %q", name, cells, columns)
			}
			continue
		}
		lines = append(lines, cells)
	}
	return lines, in.Err()
}
