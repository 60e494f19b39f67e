// Package journal keeps what happened: one append-only file of JSON lines per
// run, under .hellolab/journal. Reading needs no lock on the state and works
// while a run is writing, after a crash, and after the lab is destroyed.
//
// The journal also gives the events of services their place in a flow. A
// device names flow and phase; a service knows only the correlation id that
// came on the wire (client-request-id). What a service does for a correlation
// id belongs to the phase its device was in.
package journal

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hellolab/providers/event"
)

// maxLine bounds one event; longer lines are skipped when reading.
const maxLine = 1 << 20

// place is where a flow is.
type place struct {
	flow, phase, user, device string
	letters                   map[string]string // of the flow's last event
}

// Placer completes events: sequence number, and flow, phase, user and device
// of those that only carry a correlation id, or the exchange of one.
type Placer struct {
	mu        sync.Mutex
	seq       uint64
	places    map[string]place
	exchanges map[string]string // exchange → correlation
}

// NewPlacer returns a placer for one run.
func NewPlacer() *Placer { return &Placer{places: map[string]place{}, exchanges: map[string]string{}} }

// Place returns e completed, and passes it to next before any later event is
// placed: events reach next in order of Seq.
func (p *Placer) Place(e event.Event, next func(event.Event)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	e.Seq = p.seq
	switch {
	case e.Exchange == "":
	case e.Correlation == "":
		e.Correlation = p.exchanges[e.Exchange]
	default:
		p.exchanges[e.Exchange] = e.Correlation
	}
	if e.Correlation != "" {
		at := p.places[e.Correlation]
		if e.Flow != "" {
			at.flow = e.Flow
			at.phase, at.letters = e.Phase, e.Letters
		} else if letter := at.letters[e.Step]; letter != "" {
			at.phase = letter
		}
		if e.User != "" {
			at.user = e.User
		}
		if e.Device != "" {
			at.device = e.Device
		}
		p.places[e.Correlation] = at
		e.Flow, e.Phase, e.User, e.Device = at.flow, at.phase, at.user, at.device
	}
	next(e)
}

// Journal is the file of one run.
type Journal struct {
	placer *Placer
	mu     sync.Mutex
	file   *os.File
	path   string
	err    error
}

// Create starts the journal of a run: dir/<time>-<operation>.jsonl. Times in
// the name are the machine's, so that files list in the order of the runs.
func Create(dir, operation string, now time.Time) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	base := now.UTC().Format("20060102T150405.000000000Z") + "-" + operation
	for n := 0; ; n++ {
		name := base + ".jsonl"
		if n > 0 {
			name = fmt.Sprintf("%s.%d.jsonl", base, n)
		}
		path := filepath.Join(dir, name)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		if errors.Is(err, fs.ErrExist) && n < 100 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		return &Journal{placer: NewPlacer(), file: f, path: path}, nil
	}
}

// Path names the file.
func (j *Journal) Path() string { return j.path }

// Emit appends an event. It is an event.Sink; a write error is kept for Close,
// for what happened has happened whether or not it could be written down.
func (j *Journal) Emit(e event.Event) {
	j.placer.Place(e, func(e event.Event) {
		line, err := json.Marshal(e)
		j.mu.Lock()
		defer j.mu.Unlock()
		if err == nil {
			_, err = j.file.Write(append(line, '\n'))
		}
		j.err = errors.Join(j.err, err)
	})
}

// Close ends the journal and reports the first trouble it had. An empty
// journal leaves no file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	info, err := j.file.Stat()
	err = errors.Join(j.err, err, j.file.Close())
	if err == nil && info.Size() == 0 {
		err = os.Remove(j.path)
	}
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	return nil
}

// Flow is one recorded flow.
type Flow struct {
	ID     string // correlation id
	Name   string // "P1", "A1", "DR"; "" for traffic of no flow
	User   string
	Device string
	Began  time.Time // lab time of the first event
	Run    string    // base name of the journal file
	Events []event.Event
}

// Refusal is the refusal or failure that the flow ended with, or nil when it
// did not end so. One that the device went on from, as from the demand for a
// second factor, is none.
func (f *Flow) Refusal() *event.Event {
	if len(f.Events) == 0 {
		return nil
	}
	last := &f.Events[len(f.Events)-1]
	if last.Outcome != event.Refused && last.Outcome != event.Failed {
		return nil
	}
	return last
}

// Flows reads every journal of dir, oldest run first, and groups the events by
// correlation id. A last line that a crash left half written is passed over.
// No directory means nothing happened yet.
func Flows(dir string) ([]*Flow, error) {
	var flows []*Flow
	err := eachRun(dir, func(run string, events []event.Event) { flows = append(flows, Group(events, run)...) })
	return flows, err
}

// Apart returns the events of every journal of dir that belong to no flow,
// oldest first: what services did for clients who named none, as Kerberos' and
// LDAP's do.
func Apart(dir string) ([]event.Event, error) {
	var apart []event.Event
	err := eachRun(dir, func(_ string, events []event.Event) {
		slices.SortStableFunc(events, bySeq)
		apart = append(apart, slices.DeleteFunc(events, func(e event.Event) bool { return e.Correlation != "" })...)
	})
	return apart, err
}

// eachRun calls fn with the events of each run, oldest run first.
func eachRun(dir string, fn func(run string, events []event.Event)) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".jsonl") {
			continue
		}
		events, err := readRun(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fn(e.Name(), events)
	}
	return nil
}

func readRun(path string) ([]event.Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	var events []event.Event
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		var e event.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			events = append(events, e)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return events, nil
}

// Group sorts events of one run into flows, in the order the flows began.
// Events without a correlation id belong to none.
func Group(events []event.Event, run string) []*Flow {
	slices.SortStableFunc(events, bySeq)
	byID := map[string]*Flow{}
	var flows []*Flow
	for _, e := range events {
		if e.Correlation == "" {
			continue
		}
		f := byID[e.Correlation]
		if f == nil {
			f = &Flow{ID: e.Correlation, Began: e.At, Run: run}
			byID[e.Correlation] = f
			flows = append(flows, f)
		}
		if f.Name == "" {
			f.Name = e.Flow
		}
		if f.User == "" {
			f.User = e.User
		}
		if f.Device == "" {
			f.Device = e.Device
		}
		f.Events = append(f.Events, e)
	}
	return flows
}

// Operation is what the run did: "apply", "signin", "check".
func (f *Flow) Operation() string {
	_, operation, _ := strings.Cut(f.Run, "-")
	operation, _, _ = strings.Cut(operation, ".")
	return operation
}

// Events returns the events of flows in the order they happened: run by run,
// as the flows come, and in a run by Seq.
func Events(flows []*Flow) []event.Event {
	var all []event.Event
	for i := 0; i < len(flows); {
		began, run := len(all), flows[i].Run
		for ; i < len(flows) && flows[i].Run == run; i++ {
			all = append(all, flows[i].Events...)
		}
		slices.SortStableFunc(all[began:], bySeq)
	}
	return all
}

func bySeq(a, b event.Event) int { return cmp.Compare(a.Seq, b.Seq) }
