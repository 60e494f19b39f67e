package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/address"
	"hellolab/engine/record"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/state"
)

// clock is a kind that notes when its work was due: once an hour of lab time.
type clock struct {
	Name string `lab:"name,required" doc:"Name."`
}
type clockOut struct {
	ID string `lab:"id,id" doc:"Identity."`
}

// works is what clocks did, and which of them fail.
type works struct {
	done []string
	fail map[string]error
	stop func()
}

func (w *works) kind(name string, after ...string) providers.Type {
	return providers.Of(providers.Kind[clock, clockOut]{
		Name: name, Doc: "A clock.", After: after,
		Create: func(context.Context, providers.Env, clock) (clockOut, error) { return clockOut{ID: "1"}, nil },
		Due: func(ctx context.Context, env providers.Env, o providers.Object[clock, clockOut]) error {
			if w.stop != nil {
				w.stop()
			}
			if err := w.fail[o.Addr]; err != nil {
				return err
			}
			hour := []byte(env.Now().Format("2006-01-02 15"))
			due := false
			err := env.Section.View(func(r providers.Reader) error {
				was, _, err := r.Get("clock", "hour")
				due = string(was) != string(hour)
				return err
			})
			if err != nil || !due {
				return err
			}
			w.done = append(w.done, fmt.Sprintf("%s %s %s", o.Addr, o.In.Name, hour))
			env.Emit(event.Event{Actor: event.Actor(o.Addr)})
			return env.Section.Update(ctx, func(w providers.Writer) error { return w.Put("clock", "hour", hour) })
		},
	})
}

// clocks returns a lab with objects, the last of which is not created yet.
func clocks(t *testing.T, w *works, at *wall, emit event.Sink, addrs ...string) *Lab {
	t.Helper()
	h := &hosts{opened: map[string]int{}}
	registry := providers.NewRegistry(w.kind("member", "forest"), h.kind(), w.kind("forest", "site", "gone"), w.kind("site"))
	view := state.NewOverlay(state.Empty(state.Meta{Lineage: "test"}))
	for i, addr := range addrs {
		kind, name, _ := strings.Cut(addr, ".")
		in := cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name)})
		out := cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("1")})
		if i == len(addrs)-1 {
			out = cty.NullVal(registry.Type(kind).Schema.OutType)
		}
		inBytes, outBytes, err := record.Encode(registry.Type(kind), in, out)
		if err != nil {
			t.Fatal(err)
		}
		err = view.Commit(t.Context(), func(w state.Writer) error {
			return state.PutObject(w, state.Object{Addr: addr, Kind: kind, ID: "1", In: inBytes, Out: outBytes})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := New(Options{View: view, Registry: registry, Wall: at.now, Rand: rand.Reader, Emit: emit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestDueComesInOrderOnceAnHour(t *testing.T) {
	w, at := &works{fail: map[string]error{}}, &wall{noon}
	var actors []string
	l := clocks(t, w, at, func(e event.Event) { actors = append(actors, string(e.Actor)) },
		"member.b", "member.a", "site.s", "forest.f", "forest.later")
	due := func(want ...string) {
		t.Helper()
		w.done = nil
		undone, err := l.Due(t.Context())
		if err != nil || len(undone) > 0 {
			t.Errorf("undone %v, %v", undone, err)
		}
		if !slices.Equal(w.done, want) {
			t.Errorf("done %q, want %q", w.done, want)
		}
	}
	first := []string{"site.s s 2026-11-21 12", "forest.f f 2026-11-21 12", "member.a a 2026-11-21 12", "member.b b 2026-11-21 12"}
	due(first...)
	due()
	at.at = at.at.Add(59 * time.Minute)
	due()
	at.at = at.at.Add(time.Minute)
	due("site.s s 2026-11-21 13", "forest.f f 2026-11-21 13", "member.a a 2026-11-21 13", "member.b b 2026-11-21 13")
	if len(actors) != 8 || actors[0] != "site.s" {
		t.Errorf("events of %q", actors)
	}

	// One that fails is named, keeps nobody from anything, and is tried again.
	at.at = at.at.Add(time.Hour)
	broken := errors.New("no authority answers")
	w.fail["forest.f"], w.done = broken, nil
	undone, err := l.Due(t.Context())
	if err != nil || len(undone) != 1 || undone[0].Addr != "forest.f" || !errors.Is(undone[0].Err, broken) || len(w.done) != 3 {
		t.Errorf("undone %v, %v, done %q", undone, err, w.done)
	}
	delete(w.fail, "forest.f")
	due("forest.f f 2026-11-21 14")

	// An interrupt is nobody's failure.
	ctx, cancel := context.WithCancel(t.Context())
	w.stop, w.done = cancel, nil
	w.fail["site.s"] = context.Canceled
	if undone, err := l.Due(ctx); err != nil || len(undone) > 0 || len(w.done) > 0 {
		t.Errorf("interrupted: undone %v, %v, done %q", undone, err, w.done)
	}
}

func TestAddressesOfHosts(t *testing.T) {
	l, view := open(t, &hosts{opened: map[string]int{}}, &wall{noon}, nil, [2]string{"a"}, [2]string{"b"})
	env := l.envOf(t, "host.a")
	a, err := env.Address(t.Context(), "A.test.")
	if err != nil || !a.IsLoopback() {
		t.Fatalf("%v, %v", a, err)
	}
	// One that listens, and that no object names, has one, too.
	if _, err := env.Network.ListenPacket("Extra.test", 53); err != nil {
		t.Fatal(err)
	}
	if extra, err := env.Address(t.Context(), "extra.test"); err != nil || extra == a {
		t.Errorf("%v, %v", extra, err)
	}
	// Names of nobody have none, however many are asked for.
	for _, name := range []string{"c.test", "", "a.test.evil", "."} {
		if got, err := env.Address(t.Context(), name); !errors.Is(err, providers.ErrNoHost) || got.IsValid() {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	kept, err := address.Assign(t.Context(), view, "a.test")
	if err != nil || kept["a.test"] != a {
		t.Errorf("the state keeps %v, %v", kept, err)
	}
	stored := 0
	err = view.Read(func(r state.Reader) error {
		return r.Scan(state.BucketLab, "hosts/", func(string, []byte) error { stored++; return nil })
	})
	if err != nil || stored != 2 {
		t.Errorf("%d addresses are kept, %v", stored, err)
	}
	// On a throwaway view it is assigned there, and the same.
	other, _ := open(t, &hosts{opened: map[string]int{}}, &wall{noon}, nil, [2]string{"a"})
	if got, err := other.envOf(t, "host.a").Address(t.Context(), "a.test"); err != nil || got != a {
		t.Errorf("another view has %v, %v", got, err)
	}
}
