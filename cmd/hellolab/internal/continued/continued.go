// Package continued puts into a recorded flow what others carried on of it: the
// phase of P4 and P8 that a cycle of Connect performs, later, without the device
// and under a correlation of its own. What ties them is the key: the id that the
// flow registered is the one that the tenant sends and Connect writes.
package continued

import (
	"maps"
	"slices"

	"hellolab/engine/journal"
	"hellolab/providers/event"
	"hellolab/providers/hello"
)

// Steps by which a key is followed. That it is written the registration service
// says of the tenant, and Connect of the domain.
const (
	stepRequested = "updates_requested"
	stepSent      = "public_key_sent"
	stepWritten   = "key_written"
	stepRefused   = "object_not_synchronized"
)

// Flow returns a flow with the phase that a cycle of Connect performed, or f
// where it has none, or none yet. The phase is that of the first cycle that wrote
// a key of the flow; where none did, of the last that was refused. Its events keep
// their correlation, which is the cycle's.
func Flow(f *journal.Flow, all []*journal.Flow) *journal.Flow {
	letter := hello.Flow(f.Name).SyncPhase()
	if letter == "" || len(f.Events) == 0 {
		return f
	}
	keys := map[string]bool{}
	for _, e := range f.Events {
		if id, ok := e.Message["key_id"].(string); ok && e.Step == stepWritten && e.Actor == event.DRS {
			keys[id] = true
		}
	}
	var phase []event.Event
	began := false
	for _, other := range all {
		if other == f {
			began = true
		}
		if !began || other == f || other.Run != f.Run && apart(other) {
			continue
		}
		steps, written := cycle(other, keys)
		if len(steps) > 0 {
			phase = steps
		}
		if written {
			break
		}
	}
	if len(phase) == 0 {
		return f
	}
	whole := *f
	whole.Events = slices.Clone(f.Events)
	for _, e := range phase {
		e.Flow, e.Phase, e.User, e.Device = f.Name, letter, f.User, f.Device
		e.Message = maps.Clone(e.Message)
		if e.Message == nil {
			e.Message = map[string]any{}
		}
		e.Message["cycle"] = e.Correlation
		whole.Events = append(whole.Events, e)
	}
	return &whole
}

// apart says whether a flow ran in a view of the lab that was thrown away.
func apart(f *journal.Flow) bool { return f.Operation() == "check" || f.Operation() == "test" }

// cycle are the steps of another flow that concern keys, where it wrote one or
// was refused to.
func cycle(f *journal.Flow, keys map[string]bool) (steps []event.Event, written bool) {
	ended := false
	for _, e := range f.Events {
		id, _ := e.Message["key_id"].(string)
		switch {
		case e.Actor != event.Connect && e.Peer != event.Connect:
			continue
		case e.Step == stepRequested:
		case e.Step == stepSent && keys[id]:
		case e.Step == stepWritten && keys[id]:
			written, ended = true, true
		case e.Step == stepRefused && has(e.Message["key_ids"], keys):
			ended = true
		default:
			continue
		}
		steps = append(steps, e)
	}
	if !ended {
		return nil, false
	}
	return steps, written
}

// has says whether a list of ids, as it was made or as a journal gives it back,
// names one of keys.
func has(ids any, keys map[string]bool) bool {
	switch list := ids.(type) {
	case []string:
		return slices.ContainsFunc(list, func(id string) bool { return keys[id] })
	case []any:
		return slices.ContainsFunc(list, func(v any) bool { id, _ := v.(string); return keys[id] })
	}
	return false
}
