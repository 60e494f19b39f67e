package continued

import (
	"fmt"
	"strings"
	"testing"

	"hellolab/engine/journal"
	"hellolab/providers/event"
)

func registered(id, flow, key string) *journal.Flow {
	return &journal.Flow{ID: id, Name: flow, User: "user.alice", Device: "device.desk", Events: []event.Event{
		{Correlation: id, Flow: flow, Phase: "C", Actor: event.DRS, Peer: event.EntraID, Step: "key_written", Message: map[string]any{"key_id": key}},
		{Correlation: id, Flow: flow, Phase: "C", Actor: event.CXH, Step: "provisioned"},
	}}
}

// cycleOf is a cycle that sends keys, and writes them or is refused to.
func cycleOf(id string, refused any, keys ...string) *journal.Flow {
	f := &journal.Flow{ID: id, Name: "KS", Events: []event.Event{
		{Step: "cycle_began", Actor: event.Connect},
		{Step: "updates_requested", Actor: event.Connect, Peer: event.EntraID},
	}}
	for _, key := range keys {
		f.Events = append(f.Events, event.Event{Step: "public_key_sent", Actor: event.EntraID, Peer: event.Connect, Message: map[string]any{"key_id": key}})
	}
	if refused != nil {
		f.Events = append(f.Events, event.Event{Step: "object_not_synchronized", Actor: event.Connect, Outcome: event.Refused, Message: map[string]any{"key_ids": refused}})
	} else {
		for _, key := range keys {
			f.Events = append(f.Events, event.Event{Step: "key_written", Actor: event.Connect, Peer: event.ActiveDirectory, Message: map[string]any{"key_id": key}})
		}
	}
	f.Events = append(f.Events, event.Event{Step: "sync_cycle", Actor: event.Connect})
	for i := range f.Events {
		f.Events[i].Correlation = id
	}
	return f
}

func in(run string, f *journal.Flow) *journal.Flow {
	f.Run = run
	return f
}

func phaseD(f *journal.Flow) string {
	var out []string
	for _, e := range f.Events {
		if e.Phase == "D" {
			out = append(out, e.Correlation+" "+e.Step)
			if e.User != f.User || e.Device != f.Device || e.Flow != f.Name || e.Message["cycle"] != e.Correlation {
				out = append(out, fmt.Sprintf("%+v", e))
			}
		}
	}
	return strings.Join(out, ", ")
}

func TestPhaseOfConnect(t *testing.T) {
	p4 := registered("p4", "P4", "mine")
	whole := "updates_requested, %[1]s public_key_sent, %[1]s key_written"
	for name, c := range map[string]struct {
		flow *journal.Flow
		all  []*journal.Flow
		want string
	}{
		"none yet":              {p4, []*journal.Flow{p4}, ""},
		"a cycle before it":     {p4, []*journal.Flow{cycleOf("k0", nil, "mine"), p4}, ""},
		"another's key":         {p4, []*journal.Flow{p4, cycleOf("k1", nil, "other")}, ""},
		"the first that writes": {p4, []*journal.Flow{p4, cycleOf("k1", nil, "other"), cycleOf("k2", nil, "other", "mine"), cycleOf("k3", nil, "mine")}, fmt.Sprintf("k2 "+whole, "k2")},
		"in a check's lab":      {p4, []*journal.Flow{p4, in("1-check.jsonl", cycleOf("k1", nil, "mine")), in("2-clock-advance.jsonl", cycleOf("k2", nil, "mine"))}, fmt.Sprintf("k2 "+whole, "k2")},
		"a check's own":         {in("1-check.jsonl", registered("p4", "P4", "mine")), nil, ""},
		"refused":               {p4, []*journal.Flow{p4, cycleOf("k1", []any{"mine"}, "mine")}, "k1 updates_requested, k1 public_key_sent, k1 object_not_synchronized"},
		"refused, as it was made": {p4, []*journal.Flow{p4, cycleOf("k1", []string{"x", "mine"})},
			"k1 updates_requested, k1 object_not_synchronized"},
		"refused, then written": {p4, []*journal.Flow{p4, cycleOf("k1", []any{"mine"}, "mine"), cycleOf("k2", nil, "mine")}, fmt.Sprintf("k2 "+whole, "k2")},
		"sent, and not written": {p4, []*journal.Flow{p4, cycleOf("k1", []any{"other"}, "mine")}, ""},
		"a flow without it":     {registered("p1", "P1", "mine"), nil, ""},
		"the cycle itself":      {cycleOf("k1", nil, "mine"), nil, ""},
	} {
		all := c.all
		if all == nil {
			all = []*journal.Flow{c.flow, in("2-check.jsonl", cycleOf("k1", nil, "mine"))}
		}
		before := len(c.flow.Events)
		if got := phaseD(Flow(c.flow, all)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if len(c.flow.Events) != before {
			t.Errorf("%s: the recorded flow is changed", name)
		}
	}
}
