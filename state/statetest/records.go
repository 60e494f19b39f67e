package statetest

import (
	"errors"
	"testing"
	"time"

	"hellolab/state"
)

func testRecords(t *testing.T, v state.View) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 5, time.UTC)
	alice := state.Object{
		Addr: "user.alice", Kind: "user", ID: "id-1", In: []byte{0x81, 0xff, 0}, Out: []byte{0xc0},
		Sens: []string{"password"}, Deps: []string{"tenant.corp"}, ReadAt: map[string]uint64{"tenant.corp": 1 << 63},
		Tainted: true, Modified: at,
	}
	bo := state.Object{Addr: `user.all["bo/é"]`, Kind: "user", In: []byte{}, Out: []byte{}, Modified: at}
	intent := state.Intent{Addr: alice.Addr, Kind: "user", Action: "create", Key: "alice@corp", In: []byte{1}, Began: at}
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return errors.Join(
			state.PutObject(w, bo), state.PutObject(w, alice), state.PutIntent(w, intent),
			state.PutOutput(w, "url", state.Output{Value: []byte(`"x"`), Sensitive: true}),
			state.SetClockOffset(w, -3*time.Hour),
		)
	}))
	must(t, v.Read(func(r state.Reader) error {
		all, err := state.Objects(r)
		equal(t, all, []state.Object{alice, bo})
		one, ok, err2 := state.GetObject(r, bo.Addr)
		equal(t, one, bo)
		equal(t, ok, true)
		intents, err3 := state.Intents(r)
		equal(t, intents, []state.Intent{intent})
		left, ok, err4 := state.GetIntent(r, alice.Addr)
		equal(t, left, intent)
		equal(t, ok, true)
		outputs, err5 := state.Outputs(r)
		equal(t, outputs, map[string]state.Output{"url": {Value: []byte(`"x"`), Sensitive: true}})
		_, ok, err6 := state.GetOutput(r, "none")
		equal(t, ok, false)
		d, err7 := state.ClockOffset(r)
		equal(t, d, -3*time.Hour)
		return errors.Join(err, err2, err3, err4, err5, err6, err7)
	}))
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return errors.Join(state.DeleteObject(w, alice.Addr), state.DeleteIntent(w, alice.Addr),
			state.DeleteOutput(w, "url"), w.Put(state.BucketObjects, "broken", []byte("{")))
	}))
	must(t, v.Read(func(r state.Reader) error {
		if _, err := state.Objects(r); err == nil {
			t.Error("a broken object is listed")
		}
		if _, _, err := state.GetObject(r, "broken"); err == nil {
			t.Error("a broken object is returned")
		}
		_, ok, err := state.GetObject(r, alice.Addr)
		equal(t, ok, false)
		return err
	}))
}

func revision(t *testing.T, v state.View, name string) (n uint64) {
	t.Helper()
	must(t, v.Read(func(r state.Reader) (err error) { n, err = state.Revision(r, name); return err }))
	return n
}

func testSections(t *testing.T, v state.View) {
	s := state.NewSection(v, "tenant.corp")
	other := state.NewSection(v, "tenant.corp2")
	equal(t, revision(t, v, "tenant.corp"), 0)
	must(t, s.Update(ctx, func(w state.TableWriter) error {
		return errors.Join(w.Put("users", "alice", []byte("a")), w.Put("users", "bo", []byte("b")), w.Put("keys", "alice", []byte("k")))
	}))
	equal(t, revision(t, v, "tenant.corp"), 1)
	must(t, s.Record(ctx, func(w state.TableWriter) error {
		b, ok, err := w.Get("users", "alice")
		equal(t, string(b), "a")
		equal(t, ok, true)
		return errors.Join(err, w.Put("tokens", "t", []byte("1")), w.Delete("users", "bo"))
	}))
	equal(t, revision(t, v, "tenant.corp"), 1)
	must(t, s.Update(ctx, func(w state.TableWriter) error { _, _, err := w.Get("users", "alice"); return err }))
	equal(t, revision(t, v, "tenant.corp"), 1) // nothing was written
	no := errors.New("no")
	if err := s.Update(ctx, func(w state.TableWriter) error { return errors.Join(w.Put("users", "x", nil), no) }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	equal(t, revision(t, v, "tenant.corp"), 1)
	must(t, s.Update(ctx, func(w state.TableWriter) error { return w.Delete("users", "never") }))
	equal(t, revision(t, v, "tenant.corp"), 2)
	equal(t, revision(t, v, "tenant.corp2"), 0)
	must(t, s.View(func(r state.TableReader) error {
		var got []string
		err := r.Scan("users", "", func(k string, b []byte) error { got = append(got, k+"="+string(b)); return nil })
		equal(t, got, []string{"alice=a"})
		for _, table := range []string{"", "a/b", "a\x00"} {
			if _, _, err := r.Get(table, "k"); err == nil {
				t.Errorf("table %q is accepted", table)
			}
		}
		return err
	}))
	must(t, other.View(func(r state.TableReader) error {
		_, ok, err := r.Get("users", "alice")
		equal(t, ok, false)
		return err
	}))
}

func testDropSection(t *testing.T, v state.View) {
	names := []string{"a", `a["x/y"]`, "ab", "a/b"}
	for _, n := range names {
		must(t, state.NewSection(v, n).Update(ctx, func(w state.TableWriter) error {
			return errors.Join(w.Put("t1", "k", nil), w.Put("t2", "k", nil))
		}))
	}
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return errors.Join(state.DropSection(w, "a"), state.DropSection(w, "never"))
	}))
	must(t, v.Read(func(r state.Reader) error {
		got, err := r.Buckets("section/")
		equal(t, got, []string{
			"section/a/b/t1", "section/a/b/t2", `section/a["x/y"]/t1`, `section/a["x/y"]/t2`, "section/ab/t1", "section/ab/t2",
		})
		return err
	}))
	equal(t, revision(t, v, "a"), 2) // never the revision of its former life
	equal(t, revision(t, v, "never"), 0)
	equal(t, revision(t, v, "ab"), 1)
}
