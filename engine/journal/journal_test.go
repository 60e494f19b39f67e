package journal

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hellolab/providers/event"
)

var began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestServicesTakeThePhaseOfTheirCaller(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Create(dir, "apply", began)
	if err != nil {
		t.Fatal(err)
	}
	j.Emit(event.Event{At: began, Correlation: "c1", Flow: "A1", Phase: "B", Actor: event.CloudAP, Step: "nonce_request", User: "user.alice", Device: "device.pc"})
	j.Emit(event.Event{At: began, Correlation: "c2", Flow: "P1", Phase: "A", Actor: event.CXH, Step: "launch"})
	j.Emit(event.Event{At: began, Correlation: "c1", Actor: event.EntraID, Step: "nonce_issued"})
	j.Emit(event.Event{At: began, Correlation: "c1", Flow: "A1", Phase: "C", Actor: event.CloudAP, Step: "exchange"})
	j.Emit(event.Event{At: began, Correlation: "c1", Actor: event.EntraID, Step: "signature_verified", Outcome: event.Refused})
	j.Emit(event.Event{At: began, Actor: event.Graph, Step: "list_users"})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	flows, err := Flows(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(flows) != 2 || flows[0].ID != "c1" || flows[1].Name != "P1" {
		t.Fatalf("flows: %+v", flows)
	}
	var places []string
	for _, e := range flows[0].Events {
		places = append(places, e.Flow+"."+e.Phase+" "+e.Step+" "+e.Device)
	}
	want := []string{"A1.B nonce_request device.pc", "A1.B nonce_issued device.pc", "A1.C exchange device.pc", "A1.C signature_verified device.pc"}
	if d := cmp.Diff(want, places); d != "" {
		t.Error(d)
	}
	if r := flows[0].Refusal(); r == nil || r.Step != "signature_verified" {
		t.Errorf("refusal: %+v", r)
	}
	if flows[1].Refusal() != nil {
		t.Error("a flow without a refusal has one")
	}
}

// A flow says which phases begin at a service that it asks; they end with its next event.
func TestPhasesThatBeginAtAService(t *testing.T) {
	p := NewPlacer()
	var places []string
	for _, e := range []event.Event{
		{Flow: "P5", Phase: "D", Actor: event.CXH, Step: "asked", Letters: map[string]string{"signed": "E", "sent": "F"}},
		{Actor: event.CRA, Step: "received"},
		{Actor: event.CRA, Step: "signed"},
		{Actor: event.CRA, Step: "told"},
		{Actor: event.CRA, Step: "sent"},
		{Actor: event.Authority, Step: "issued"},
		{Flow: "P5", Phase: "G", Actor: event.CXH, Step: "installed"},
		{Actor: event.CRA, Step: "signed"},
	} {
		e.At, e.Correlation = began, "c1"
		p.Place(e, func(e event.Event) { places = append(places, e.Flow+"."+e.Phase+" "+e.Step) })
	}
	want := []string{"P5.D asked", "P5.D received", "P5.E signed", "P5.E told", "P5.F sent", "P5.F issued", "P5.G installed", "P5.G signed"}
	if d := cmp.Diff(want, places); d != "" {
		t.Error(d)
	}
}

func TestAHalfWrittenLineIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(dir, "apply", began)
	if err != nil {
		t.Fatal(err)
	}
	j.Emit(event.Event{Correlation: "c1", Step: "one"})
	if _, err := j.file.WriteString(`{"seq":2,"correlation":"c1","st`); err != nil {
		t.Fatal(err)
	}
	j.Close()
	flows, err := Flows(dir)
	if err != nil || len(flows) != 1 || len(flows[0].Events) != 1 {
		t.Fatalf("%v, %v", flows, err)
	}
}

func TestFilesArePrivateAndEmptyOnesGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	a, err := Create(dir, "apply", began)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Create(dir, "apply", began) // the same instant
	if err != nil || b.Path() == a.Path() {
		t.Fatalf("second journal of one instant: %v", err)
	}
	a.Emit(event.Event{Step: "x"})
	info, err := os.Stat(a.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.Path()); !os.IsNotExist(err) {
		t.Error("a journal of nothing was left behind")
	}
}

func TestEventsOfManyGoroutinesKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(dir, "apply", began)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				j.Emit(event.Event{Correlation: "c", Step: "s"})
			}
		})
	}
	wg.Wait()
	j.Close()
	flows, err := Flows(dir)
	if err != nil || len(flows[0].Events) != 400 {
		t.Fatal(err)
	}
	for i, e := range flows[0].Events {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has seq %d", i, e.Seq)
		}
	}
}

func TestEventsOfAllFlowsInTheirOrder(t *testing.T) {
	dir := t.TempDir()
	for _, run := range []struct {
		operation string
		flows     []string
	}{{"apply", []string{"a", "b", "a"}}, {"check", []string{"c", "d", "c"}}} {
		j, err := Create(dir, run.operation, began)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range run.flows {
			j.Emit(event.Event{Correlation: id, Step: run.operation})
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	flows, err := Flows(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range Events(flows) {
		got = append(got, e.Step+" "+e.Correlation)
	}
	if d := cmp.Diff([]string{"apply a", "apply b", "apply a", "check c", "check d", "check c"}, got); d != "" {
		t.Error(d)
	}
	for _, f := range flows {
		if f.Operation() != f.Events[0].Step {
			t.Errorf("%s: operation %q", f.Run, f.Operation())
		}
	}
}
