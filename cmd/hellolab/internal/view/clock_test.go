package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/connect"
)

func TestSpanIsADurationOfTheLanguage(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Minute: "1h30m", 36 * time.Hour: "36h", 14 * day: "14d",
		3*day + 7*time.Hour: "3d7h", 3*day + time.Second: "3d1s", -2 * time.Hour: "-2h", 1<<63 - 1: "106751d23h47m16.854775807s",
		-1 << 63: "-106751d23h47m16.854775807s",
	} {
		if got := Span(d).String(); got != want {
			t.Errorf("%d is %s, want %s", d, got, want)
		}
	}
}

func TestClockMovedTellsWhatWasDone(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 123, time.UTC)
	m := ClockMoved{Clock: ClockOf(noon.Add(14*day), 14*day), By: Span(14 * day), Due: []Happened{}, Undone: []Undone{}}
	text := func() string {
		var b strings.Builder
		if err := WriteClockMoved(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got, want := text(), "The lab's clock is advanced by 14d.\n\nLab time:  2026-03-16T12:00:00Z\nOffset:    14d ahead of this machine\n\nNothing became due.\n"; got != want {
		t.Errorf("got %q", got)
	}
	m.Undone = []Undone{{Address: "sync.s", Error: "No."}}
	if got := text(); strings.Contains(got, "Nothing became due") {
		t.Errorf("what failed is nothing: %q", got)
	}
	if _, ok := HappenedBy(event.Event{Step: "ticket_granted"}); ok {
		t.Error("a ticket is told of")
	}
	h, ok := HappenedBy(event.Event{At: noon, Step: "sync_cycle", Text: "A cycle ran", Message: map[string]any{"users": connect.Count{Added: 2, Deleted: 1}, "groups": connect.Count{}, "errors": 0, "passwords": 4, "devices": "\x1b[1m"}})
	if !ok {
		t.Fatal("a cycle is not told of")
	}
	m.Due = append(m.Due, h)
	if got, want := text(), "Became due and is done:\n  - A cycle ran.\n      devices: \\u001b[1m\n      passwords: 4\n      users: 2 added, 1 deleted\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q", got)
	}
	data, err := json.Marshal(m)
	if want := `{"lab_time":"2026-03-16T12:00:00Z","machine_time":"2026-03-02T12:00:00Z","offset":"14d","advanced_by":"14d","due":[{`; err != nil || !strings.HasPrefix(string(data), want) {
		t.Errorf("%s, %v", data, err)
	}
}
