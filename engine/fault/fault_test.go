package fault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/lab"
	"hellolab/engine/record"
	"hellolab/hcl/eval"
	"hellolab/providers"
	"hellolab/state"
)

// A server answers on a host, can be changed, and notes in its section what was
// done to it.
type server struct {
	Host  string `lab:"host" doc:"Host."`
	Color string `lab:"color" doc:"Something that can change."`
}
type serverOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

type up struct{ l net.Listener }

func (u up) Close() error { return u.l.Close() }

// rig is a view with two servers, and what was done to them.
type rig struct {
	*Switch
	t      *testing.T
	did    []string
	refuse error
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	registry := providers.NewRegistry(providers.Of(providers.Kind[server, serverOut]{
		Name: "server", Doc: "A server.",
		Hosts:  func(o providers.Object[server, serverOut]) []string { return []string{o.In.Host} },
		Create: func(context.Context, providers.Env, server) (serverOut, error) { return serverOut{"1"}, nil },
		Update: func(_ context.Context, env providers.Env, o providers.Object[server, serverOut], in server) (serverOut, error) {
			r.note("%s: %s to %s", env.Addr, o.In.Color, in.Color)
			return o.Out, r.refuse
		},
		Open: func(_ context.Context, env providers.Env, o providers.Object[server, serverOut]) (providers.Service, error) {
			l, err := env.Network.Listen(o.In.Host, 80)
			return up{l}, err
		},
		Due: func(_ context.Context, env providers.Env, o providers.Object[server, serverOut]) error {
			r.note("%s: due at %s", env.Addr, env.Now().Format("15:04"))
			return nil
		},
	}), providers.Of(providers.Kind[server, serverOut]{
		Name: "fixed", Doc: "Never changed.",
		Create: func(context.Context, providers.Env, server) (serverOut, error) { return serverOut{"1"}, nil },
	})).AddFaults(
		providers.Fault{Name: "down", Doc: "Down.", Begin: func(_ context.Context, b providers.Breaker, is providers.Broken) error {
			hosts, err := b.Hosts(is.Target.Addr)
			for _, h := range hosts {
				b.Cut(providers.Outage{Host: h})
			}
			return err
		}},
		providers.Fault{Name: "painted", Doc: "Painted.", Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			return b.Change(ctx, is.Target.Addr, map[string]cty.Value{"color": cty.StringVal(is.Text("color"))})
		}},
		providers.Fault{Name: "late", Doc: "Late.", Begin: func(_ context.Context, b providers.Breaker, is providers.Broken) error {
			b.Skew(is.Target.Addr, -time.Hour)
			return nil
		}},
		providers.Fault{Name: "burnt", Doc: "Burnt.", Lasting: true, Begin: func(context.Context, providers.Breaker, providers.Broken) error { return nil }},
		providers.Fault{Name: "half", Doc: "Fails half-way.", Begin: func(ctx context.Context, b providers.Breaker, is providers.Broken) error {
			b.Cut(providers.Outage{Host: "a.test"})
			if err := b.Change(ctx, is.Target.Addr, map[string]cty.Value{"color": cty.StringVal("black")}); err != nil {
				return err
			}
			return errors.New("no further")
		}},
		providers.Fault{Name: "wired", Doc: "Has an end of its own.",
			Begin: func(context.Context, providers.Breaker, providers.Broken) error { r.note("wired"); return nil },
			End:   func(context.Context, providers.Breaker, providers.Broken) error { r.note("unwired"); return nil }},
	)
	view := state.NewOverlay(state.Empty(state.Meta{Lineage: "l"}))
	for _, o := range []struct{ kind, name string }{{"server", "a"}, {"server", "b"}, {"fixed", "c"}} {
		in, out, err := record.Encode(registry.Type(o.kind),
			cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal(o.name + ".test"), "color": cty.StringVal("red")}),
			cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("1")}))
		if err != nil {
			t.Fatal(err)
		}
		err = view.Commit(t.Context(), func(w state.Writer) error {
			return state.PutObject(w, state.Object{Addr: o.kind + "." + o.name, Kind: o.kind, ID: "1", In: in, Out: out})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Switch = &Switch{Registry: registry, View: view, Trouble: &lab.Trouble{}}
	return r
}

func (r *rig) note(format string, args ...any) { r.did = append(r.did, fmt.Sprintf(format, args...)) }

// open opens a lab on the view, as each command does.
func (r *rig) open() *lab.Lab {
	r.t.Helper()
	l, err := lab.New(lab.Options{View: r.View, Registry: r.Registry, Wall: func() time.Time { return noon }, Rand: rand.Reader, Trouble: r.Trouble})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	return l
}

func (r *rig) begin(l *lab.Lab, f Fault) {
	r.t.Helper()
	if err := r.Begin(r.t.Context(), l, f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) end(l *lab.Lab, name string) {
	r.t.Helper()
	if err := r.End(r.t.Context(), l, name); err != nil {
		r.t.Fatal(err)
	}
}

func reached(t *testing.T, l *lab.Lab, host string) bool {
	t.Helper()
	c, err := l.Network().Dial(t.Context(), host, 80)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// color is what the view records of an object.
func (r *rig) color(l *lab.Lab, addr string) string {
	r.t.Helper()
	rec, err := l.Objects().Lookup(addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return rec.In.GetAttr("color").AsString()
}

// said checks what was done since the last look.
func (r *rig) said(want ...string) {
	r.t.Helper()
	if strings.Join(r.did, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("did %q, want %q", r.did, want)
	}
	r.did = nil
}

// An outage goes from lab to lab on one view, until it ends.
func TestOutage(t *testing.T) {
	r := newRig(t)
	l := r.open()
	if !reached(t, l, "a.test") {
		t.Fatal("not up")
	}
	r.begin(l, Fault{Name: "x", Kind: "down", Target: "server.a"})
	for _, l := range []*lab.Lab{l, r.open()} {
		if reached(t, l, "a.test") || !reached(t, l, "b.test") {
			t.Error("the wrong one is down")
		}
	}
	r.begin(l, Fault{Name: "x", Kind: "down", Target: "server.b"}) // is on already
	if on := r.On(); len(on) != 1 || !reached(t, l, "b.test") {
		t.Errorf("on: %v", on)
	}
	last := r.open()
	r.end(last, "x")
	r.end(last, "x")
	if !reached(t, last, "a.test") || !reached(t, l, "a.test") {
		t.Error("still down")
	}
}

// A change is made by the kind, recorded, and undone with what it was.
func TestChange(t *testing.T) {
	r := newRig(t)
	l := r.open()
	paint := Fault{Name: "x", Kind: "painted", Target: "server.a", Params: map[string]cty.Value{"color": cty.StringVal("blue")}}
	r.begin(l, paint)
	r.said("server.a: red to blue", "server.a: due at 12:00")
	if r.color(l, "server.a") != "blue" || r.color(l, "server.b") != "red" {
		t.Error("recorded otherwise")
	}
	later := r.open()
	r.end(later, "x")
	r.said("server.a: blue to red", "server.a: due at 12:00")
	if r.color(later, "server.a") != "red" {
		t.Error("not undone")
	}
	r.refuse = errors.New("no paint")
	if err := r.Begin(t.Context(), l, paint); err == nil || !strings.Contains(err.Error(), "fault x: change color of server.a: no paint") || len(r.On()) > 0 {
		t.Errorf("%v, on %v", err, r.On())
	}
}

// A fault that fails half-way leaves nothing.
func TestHalfWay(t *testing.T) {
	r := newRig(t)
	l := r.open()
	err := r.Begin(t.Context(), l, Fault{Name: "x", Kind: "half", Target: "server.a"})
	if err == nil || !strings.Contains(err.Error(), "no further") || len(r.On()) > 0 {
		t.Errorf("%v", err)
	}
	if !reached(t, l, "a.test") || r.color(l, "server.a") != "red" {
		t.Error("something is left")
	}
}

func TestSkew(t *testing.T) {
	r := newRig(t)
	l := r.open()
	server := r.Registry.Type("server")
	r.begin(l, Fault{Name: "x", Kind: "late", Target: "server.a"})
	at := func(addr string) string { return l.Env(addr, server, cty.NilVal).Now().Format("15:04") }
	if at("server.a") != "11:00" || at("server.b") != "12:00" || l.Now().Format("15:04") != "12:00" {
		t.Errorf("%s %s %s", at("server.a"), at("server.b"), l.Now())
	}
	r.end(l, "x")
	if at("server.a") != "12:00" {
		t.Error("still late")
	}
}

// Time passes in stretches: what is due is done where a fault begins and ends.
func TestWindows(t *testing.T) {
	r := newRig(t)
	l := r.open()
	r.begin(l, Fault{Name: "x", Kind: "wired", Target: "server.a", After: 20 * time.Minute, Window: time.Hour})
	r.begin(l, Fault{Name: "y", Kind: "down", Target: "server.b", Window: 2 * time.Hour})
	r.said()
	pass := func(d time.Duration) {
		t.Helper()
		if undone, err := r.Pass(t.Context(), l, d); err != nil || len(undone) > 0 {
			t.Fatalf("%v %v", undone, err)
		}
	}
	pass(10 * time.Minute)
	r.said("server.a: due at 12:10", "server.b: due at 12:10")
	pass(10 * time.Minute) // to its very beginning
	r.said("server.a: due at 12:20", "server.b: due at 12:20", "wired", "server.a: due at 12:20", "server.b: due at 12:20")
	if reached(t, l, "b.test") {
		t.Error("up too early")
	}
	pass(2 * time.Hour)
	r.said("server.a: due at 13:20", "server.b: due at 13:20", "unwired", "server.a: due at 14:00", "server.b: due at 14:00", "server.a: due at 14:20", "server.b: due at 14:20")
	if !reached(t, l, "b.test") || len(r.On()) > 0 {
		t.Errorf("still on: %v", r.On())
	}
	// One that has not begun is off without further ado.
	r.begin(l, Fault{Name: "z", Kind: "wired", Target: "server.a", After: time.Hour})
	r.end(l, "z")
	r.said()
}

func TestWhatCannotBeBroken(t *testing.T) {
	r := newRig(t)
	l := r.open()
	for want, f := range map[string]Fault{
		`no fault of kind "smashed"`:              {Name: "x", Kind: "smashed", Target: "server.a"},
		"server.z is not in the lab yet":          {Name: "x", Kind: "down", Target: "server.z"},
		"a fixed is never changed: it is replace": {Name: "x", Kind: "painted", Target: "fixed.c"},
		"its argument color is not known yet":     {Name: "x", Kind: "painted", Target: "server.a", Params: map[string]cty.Value{"color": cty.UnknownVal(cty.String)}},
	} {
		if err := r.Begin(t.Context(), l, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	r.begin(l, Fault{Name: "x", Kind: "burnt", Target: "server.a"})
	if err := r.End(t.Context(), l, "x"); err == nil || !strings.Contains(err.Error(), "nothing mends a fault of kind burnt") || len(r.On()) != 1 {
		t.Errorf("%v, on %v", err, r.On())
	}
}

func TestFrom(t *testing.T) {
	got, err := From([]eval.Fault{{Name: "a", Kind: "down", Target: "server.a", After: "30m", Window: "14d"}, {Name: "b", Kind: "down", Target: "server.b"}})
	if err != nil || got[0].After != 30*time.Minute || got[0].Window != 14*24*time.Hour || got[1].After != 0 || got[1].Window != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if f, ok := Named(got, "b"); !ok || f.Target != "server.b" {
		t.Errorf("%+v", f)
	}
	if _, ok := Named(got, "c"); ok {
		t.Error("found what is not there")
	}
	if _, err := From([]eval.Fault{{Name: "a", After: "soon"}}); err == nil {
		t.Error("took a wrong duration")
	}
}

// A fault as long as it is put off: each is read for itself.
func TestFromReadsBothDurations(t *testing.T) {
	list, err := From([]eval.Fault{{Name: "f", After: "30m", Window: "30m"}})
	if err != nil || list[0].After != 30*time.Minute || list[0].Window != 30*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
}

// What is not known yet is no argument that is absent.
func TestUnknownArgumentsAreToldOf(t *testing.T) {
	r := newRig(t)
	list, err := From([]eval.Fault{{Name: "f", Kind: "down", Target: "server.a", Unknown: []string{"after", "window"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Begin(t.Context(), r.open(), list[0]); err == nil || !strings.Contains(err.Error(), "fault f: after, window cannot be known before the files are applied") || len(r.On()) > 0 {
		t.Errorf("%v, on %q", err, r.On())
	}
}
