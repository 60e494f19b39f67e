package connect_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
)

// Cycles run when they are due, and not when they are paused; what the tenant
// has forgotten is read anew.
func TestSchedule(t *testing.T) {
	seed.Proves(t, "KS-05")
	seed.Proves(t, "KS-06")
	seed.Proves(t, "CONST-07") // reading R30
	l := newLab(t)
	due := func(what string, runs bool) {
		t.Helper()
		from := len(l.Events())
		for range 2 {
			l.must(l.Due(t.Context(), hybrid))
		}
		n := 0
		for _, e := range l.Events()[from:] {
			if e.Step == "cycle_began" && e.Message["reason"] == wire.ReasonSchedule {
				n++
			}
		}
		if (n == 1) != runs || n > 1 {
			t.Errorf("%s: %d cycles", what, n)
		}
	}
	next := func() string {
		t.Helper()
		if _, err := l.Read(t.Context(), hybrid); err != nil {
			t.Fatal(err)
		}
		s, err := wire.StatusOf(t.Context(), l.For(hybrid), l.server())
		l.must(err)
		out, at := conformance.Get[spec.Sync, spec.SyncOut](l.Env, hybrid).Out, s.Of(wire.Accounts)
		if out.NextCycle != at.Next || out.LastCycle != at.Last || s.Last != nil && out.LastCycle != s.Last.Ended {
			t.Errorf("%+v, %+v", out, s)
		}
		return at.Next
	}
	began := l.Now()
	due("just made", false)
	if got := next(); got != graph.Time(began.Add(30*time.Minute)) {
		t.Errorf("next cycle %s", got)
	}
	l.Advance(29*time.Minute + 59*time.Second)
	due("a second too early", false)
	l.Advance(time.Second)
	due("half an hour", true)
	l.Advance(10 * time.Minute)
	l.cycle() // asked for: the interval begins anew
	l.Advance(29 * time.Minute)
	due("after one that was asked for", false)
	l.update(func(s *spec.Sync) { s.Interval = 10 * time.Minute })
	due("a shorter interval", true)
	l.update(func(s *spec.Sync) { s.Enabled = false })
	l.Advance(24 * time.Hour)
	due("paused", false)
	if next() != "" {
		t.Error("a paused scheduler has a next cycle")
	}
	l.signIn()
	l.person("carol")
	l.wrote("paused, asked for", l.cycle(), wire.Counts{Users: wire.Count{Added: 1}, Passwords: 1})
	l.update(func(s *spec.Sync) { s.Enabled = true })
	// Longer than the tenant remembers: one cycle, which reads everything.
	l.Advance(30 * 24 * time.Hour)
	l.signIn()
	l.must(l.tenant.Delete(t.Context(), "users", l.user("bob").ID))
	due("a month", true)
	if names := l.names(); names != "alice bob carol" {
		t.Errorf("after a month: %s", names)
	}
	l.wrote("everything anew", l.ask(wire.Request{Initial: true}), wire.Counts{})
}

// ran are the parts of the cycles that time made due, each twice asked for.
func (l *lab) ran() string {
	l.t.Helper()
	from := len(l.Events())
	for range 2 {
		l.must(l.Due(l.t.Context(), hybrid))
	}
	var ran []string
	for _, e := range l.Events()[from:] {
		if e.Step == "sync_cycle" {
			ran = append(ran, strings.Join(e.Message["parts"].([]string), "+"))
		}
	}
	return strings.Join(ran, " ")
}

// at is the schedule of a part, which the outputs say, too.
func (l *lab) at(p wire.Part) wire.Schedule {
	l.t.Helper()
	if _, err := l.Read(l.t.Context(), hybrid); err != nil {
		l.t.Fatal(err)
	}
	s, err := wire.StatusOf(l.t.Context(), l.For(hybrid), l.server())
	l.must(err)
	at, out := s.Of(p), conformance.Get[spec.Sync, spec.SyncOut](l.Env, hybrid).Out
	if says := map[wire.Part][2]string{wire.Accounts: {out.LastCycle, out.NextCycle}, wire.KeyExport: {out.LastKeyExport, out.NextKeyExport},
		wire.DeviceWriteback: {out.LastDeviceWriteback, out.NextDeviceWriteback}}[p]; says != [2]string{at.Last, at.Next} {
		l.t.Errorf("%s: outputs %q, status %+v", p, says, at)
	}
	return at
}

// Each part runs when it is due, by itself where it has a schedule of its own,
// and each is paused by itself (readings R5, R35).
func TestScheduleOfEachPart(t *testing.T) {
	seed.Proves(t, "POL-14")
	hour := time.Hour
	l := newLab(t, func(s *spec.Sync) {
		s.DeviceWriteback = true
		s.KeySchedule = &spec.SyncSchedule{Interval: &hour}
	})
	made := l.Now()
	if at := l.at(wire.KeyExport); !at.Own || !at.Enabled || at.Interval != "1h" || at.Last != "" || at.Next != graph.Time(made.Add(hour)) {
		t.Errorf("%+v", at)
	}
	if at := l.at(wire.DeviceWriteback); at.Own || !at.On || at.Interval != "30m" || at.Next != graph.Time(made.Add(30*time.Minute)) {
		t.Errorf("%+v", at)
	}
	next := func(d time.Duration) { // sessions of the administrator's end with time
		t.Helper()
		l.Advance(d)
		l.signIn()
	}
	next(30 * time.Minute)
	if got := l.ran(); got != "accounts+device_writeback" {
		t.Errorf("after half an hour: %q", got)
	}
	l.register("alice", someKeys()[0], deviceID(1), false)
	l.wrote("somebody needs something carried", l.ask(wire.Request{}), wire.Counts{})
	next(30 * time.Minute)
	if got := l.ran(); got != "accounts+device_writeback key_export" || len(l.keys(dn("alice"))) != 1 {
		t.Errorf("after an hour: %q, %d keys", got, len(l.keys(dn("alice"))))
	}
	if at := l.at(wire.KeyExport); at.Last != graph.Time(l.Now()) || at.Result != wire.Success || at.Next != graph.Time(l.Now().Add(hour)) {
		t.Errorf("%+v", at)
	}

	// Only the export of keys is paused: accounts go on, and so do devices.
	no := false
	l.update(func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: &no} })
	if at := l.at(wire.KeyExport); at.Enabled || at.Next != "" || at.Interval != "30m" {
		t.Errorf("%+v", at)
	}
	l.register("bob", someKeys()[1], deviceID(2), false)
	next(24 * time.Hour)
	from := len(l.Events())
	if got := l.ran(); got != "accounts+device_writeback" || len(l.keys(dn("bob"))) != 0 {
		t.Errorf("with key export paused: %q, %d keys", got, len(l.keys(dn("bob"))))
	}
	if !slices.ContainsFunc(l.Events()[from:], func(e event.Event) bool {
		return e.Step == "key_export_skipped" && e.Outcome == event.Skipped && e.Reason.Code == "key_export_paused"
	}) {
		t.Error("the cycle does not say that the export of keys is paused")
	}
	// It runs when it is asked for by name, and nothing else does; the key waited in the tenant.
	r := l.ask(wire.Request{Parts: []wire.Part{wire.KeyExport}})
	if l.wrote("asked for by name", r, wire.Counts{Keys: wire.Count{Added: 1}}); !slices.Equal(r.Parts, []wire.Part{wire.KeyExport}) {
		t.Errorf("%q", r.Parts)
	}
	// All of it at once.
	l.person("carol")
	r = l.ask(wire.Request{Parts: wire.Parts()})
	if l.wrote("all", r, wire.Counts{Users: wire.Count{Added: 1}, Passwords: 1}); !slices.Equal(r.Parts, wire.Parts()) {
		t.Errorf("%q", r.Parts)
	}

	// The accounts are paused, the keys not.
	l.update(func(s *spec.Sync) { s.Enabled, s.KeySchedule = false, &spec.SyncSchedule{} })
	l.person("dora")
	l.unregister("bob", deviceID(2))
	next(30 * time.Minute)
	if got := l.ran(); got != "key_export" || len(l.keys(dn("bob"))) != 0 || l.names() != "alice bob carol" {
		t.Errorf("with accounts paused: %q, %d keys, %s", got, len(l.keys(dn("bob"))), l.names())
	}
	// Without a schedule of its own, a part goes with the cycles again.
	l.update(func(s *spec.Sync) {
		s.Enabled, s.KeySchedule, s.DeviceSchedule = true, nil, &spec.SyncSchedule{Interval: &hour}
	})
	next(30 * time.Minute)
	if got := l.ran(); got != "accounts+key_export device_writeback" || l.names() != "alice bob carol dora" {
		t.Errorf("with the cycles again, and devices an hour after they were written: %q, %s", got, l.names())
	}
	next(30 * time.Minute)
	if got := l.ran(); got != "accounts+key_export" {
		t.Errorf("without devices: %q", got)
	}
	// A part that was paused for longer than the tenant remembers reads everything.
	l.update(func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: &no} })
	next(30 * 24 * time.Hour)
	l.ran()
	l.register("bob", someKeys()[1], deviceID(2), false)
	l.wrote("a month later", l.ask(wire.Request{Parts: []wire.Part{wire.KeyExport}}), wire.Counts{Keys: wire.Count{Added: 1}})
}

// Who waits while a cycle runs is not served by one that did less than it asks
// for (fault 87).
func TestParallelParts(t *testing.T) {
	l := newLab(t, func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{} })
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	asks := [][]wire.Part{nil, {wire.KeyExport}, {wire.Accounts}, {wire.KeyExport, wire.Accounts}, nil, {wire.KeyExport}}
	var wg sync.WaitGroup
	for _, ask := range asks {
		wg.Go(func() {
			r, err := wire.Cycle(t.Context(), l.For(hybrid), l.server(), wire.Request{Parts: ask})
			if err != nil || r.Result != wire.Success {
				t.Errorf("%q: %+v, %v", ask, r, err)
				return
			}
			for _, p := range ask {
				if !slices.Contains(r.Parts, p) {
					t.Errorf("asked for %q, served by %q", ask, r.Parts)
				}
			}
		})
	}
	wg.Wait()
	if n := len(l.keys(dn("alice"))); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// What a server noted that knew one schedule is understood.
func TestScheduleOfBefore(t *testing.T) {
	l := newLab(t)
	l.Advance(10 * time.Minute)
	l.cycle()
	ended := l.Now()
	l.must(l.For(hybrid).Section.Update(t.Context(), func(w providers.Writer) error {
		return w.Put("server", "schedule", fmt.Appendf(nil, `{"next":%q,"last":{"began":%q,"ended":%q,"result":"success"}}`,
			ended.Add(30*time.Minute).Format(time.RFC3339), graph.Time(ended), graph.Time(ended)))
	}))
	for _, p := range []wire.Part{wire.Accounts, wire.KeyExport} {
		if at := l.at(p); at.Last != graph.Time(ended) || at.Next != graph.Time(ended.Add(30*time.Minute)) {
			t.Errorf("%+v", at)
		}
	}
}
