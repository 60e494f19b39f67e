// Package statetest is the conformance suite of state.View: what the engine
// and the systems rely on, whether a lab's records live in the file or in an
// overlay.
package statetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hellolab/state"
)

// Run proves that the views that open returns keep the contract. Each is empty
// and is the caller's to close.
func Run(t *testing.T, open func(t *testing.T) state.View) {
	for _, c := range []struct {
		name string
		test func(*testing.T, state.View)
	}{
		{"get returns what was put", testGetPut},
		{"values belong to the caller", testOwnership},
		{"scan goes by prefix in byte order", testScan},
		{"scan sees the state it began with", testScanWrites},
		{"buckets exist while they hold a record", testBuckets},
		{"names are checked", testNames},
		{"a writer reads its own writes", testOwnWrites},
		{"an error undoes one closure alone", testUndo},
		{"a panic undoes and goes on in the caller", testPanic},
		{"an exit of the goroutine undoes", testGoexit},
		{"an ended context does not run the closure", testContext},
		{"a running closure is reported whatever the context says", testContextRunning},
		{"a writer is dead after its commit", testDeadWriter},
		{"a reader keeps its state", testReaderIsolation},
		{"commits are ordered and none is lost", testConcurrent},
		{"the serial moves with its commit", testSerial},
		{"objects, intents and outputs", testRecords},
		{"sections and revisions", testSections},
		{"dropping a section", testDropSection},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, v state.View, bucket, key, value string) {
	t.Helper()
	must(t, v.Commit(ctx, func(w state.Writer) error { return w.Put(bucket, key, []byte(value)) }))
}

func get(t testing.TB, v state.View, bucket, key string) (value string, ok bool) {
	t.Helper()
	must(t, v.Read(func(r state.Reader) error {
		b, found, err := r.Get(bucket, key)
		value, ok = string(b), found
		return err
	}))
	return value, ok
}

func scan(t testing.TB, v state.View, bucket, prefix string) (out []string) {
	t.Helper()
	must(t, v.Read(func(r state.Reader) error {
		return r.Scan(bucket, prefix, func(k string, b []byte) error {
			out = append(out, k+"="+string(b))
			return nil
		})
	}))
	return out
}

func equal[T any](t testing.TB, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want -, got +:\n%s", d)
	}
}

func testGetPut(t *testing.T, v state.View) {
	put(t, v, "a", "k", "v")
	put(t, v, "a", "", "empty key")
	put(t, v, "a", "empty value", "")
	put(t, v, "a", "nul\x00in\xffkey", "bytes")
	for key, want := range map[string]string{"k": "v", "": "empty key", "empty value": "", "nul\x00in\xffkey": "bytes"} {
		if got, ok := get(t, v, "a", key); !ok || got != want {
			t.Errorf("%q: %q, %v", key, got, ok)
		}
	}
	if _, ok := get(t, v, "a", "nul"); ok {
		t.Error("found what is not there")
	}
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return errors.Join(w.Put("a", "nil", nil), w.Delete("a", "k"), w.Delete("a", "never"))
	}))
	if _, ok := get(t, v, "a", "k"); ok {
		t.Error("deleted and there")
	}
	if _, ok := get(t, v, "a", "nil"); !ok {
		t.Error("a nil value is an empty one")
	}
}

func testOwnership(t *testing.T, v state.View) {
	given := []byte("value")
	must(t, v.Commit(ctx, func(w state.Writer) error {
		if err := w.Put("a", "k", given); err != nil {
			return err
		}
		copy(given, "xxxxx")
		got, _, err := w.Get("a", "k")
		copy(got, "yyyyy")
		return err
	}))
	for range 2 {
		must(t, v.Read(func(r state.Reader) error {
			b, _, err := r.Get("a", "k")
			equal(t, string(b), "value")
			copy(b, "zzzzz")
			return errors.Join(err, r.Scan("a", "", func(_ string, b []byte) error {
				equal(t, string(b), "value")
				copy(b, "zzzzz")
				return nil
			}))
		}))
	}
}

func testScan(t *testing.T, v state.View) {
	for _, k := range []string{"b", "a", "aa", "ab", "\xff", "a\x00", "A"} {
		put(t, v, "bucket", k, "1")
		put(t, v, "buckets", k, "2")
		put(t, v, "bucke", k, "3")
	}
	equal(t, scan(t, v, "bucket", ""), []string{"A=1", "a=1", "a\x00=1", "aa=1", "ab=1", "b=1", "\xff=1"})
	equal(t, scan(t, v, "bucket", "a"), []string{"a=1", "a\x00=1", "aa=1", "ab=1"})
	equal(t, scan(t, v, "bucket", "zz"), nil)
	equal(t, scan(t, v, "none", ""), nil)
	stop := errors.New("stop")
	seen := 0
	err := v.Read(func(r state.Reader) error {
		return r.Scan("bucket", "", func(string, []byte) error {
			seen++
			return stop
		})
	})
	if !errors.Is(err, stop) || seen != 1 {
		t.Fatalf("err %v after %d", err, seen)
	}
}

func testScanWrites(t *testing.T, v state.View) {
	for _, k := range []string{"a", "c", "e"} {
		put(t, v, "b", k, "0")
	}
	var seen []string
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return w.Scan("b", "", func(k string, _ []byte) error {
			seen = append(seen, k)
			return errors.Join(w.Put("b", k+"+", []byte("1")), w.Delete("b", k))
		})
	}))
	equal(t, seen, []string{"a", "c", "e"})
	equal(t, scan(t, v, "b", ""), []string{"a+=1", "c+=1", "e+=1"})
}

func testBuckets(t *testing.T, v state.View) {
	buckets := func(prefix string) (out []string) {
		must(t, v.Read(func(r state.Reader) (err error) {
			out, err = r.Buckets(prefix)
			return err
		}))
		return out
	}
	for _, b := range []string{"s/a/1", "s/a", "s/b/1", "s/a/2", "t"} {
		put(t, v, b, "k1", "v")
		put(t, v, b, "k2", "v")
	}
	equal(t, buckets("s/a"), []string{"s/a", "s/a/1", "s/a/2"})
	equal(t, buckets("s/a/"), []string{"s/a/1", "s/a/2"})
	equal(t, buckets("x"), nil)
	must(t, v.Commit(ctx, func(w state.Writer) error {
		return errors.Join(w.DeleteBucket("s/a/1"), w.Delete("s/a/2", "k1"), w.DeleteBucket("never"))
	}))
	equal(t, buckets("s/"), []string{"s/a", "s/a/2", "s/b/1"})
	must(t, v.Commit(ctx, func(w state.Writer) error {
		if err := errors.Join(w.Delete("s/a/2", "k2"), w.Put("s/a/1", "new", nil)); err != nil {
			return err
		}
		inside, err := w.Buckets("s/a/")
		equal(t, inside, []string{"s/a/1"})
		return err
	}))
	equal(t, buckets(""), []string{"s/a", "s/a/1", "s/b/1", "t"})
}

func testNames(t *testing.T, v state.View) {
	long := strings.Repeat("k", state.MaxKey)
	must(t, v.Commit(ctx, func(w state.Writer) error {
		for _, err := range []error{
			w.Put("", "k", nil), w.Put("a\x00b", "k", nil), w.Put("a", long, nil),
			w.Put("a", "k", make([]byte, state.MaxValue+1)),
			w.Delete("", "k"), w.DeleteBucket(""), w.Scan("", "", nil),
		} {
			if err == nil {
				t.Error("accepted")
			}
		}
		_, _, err := w.Get("", "k")
		if err == nil {
			t.Error("accepted")
		}
		return w.Put("a", long[:state.MaxKey-2], make([]byte, 1<<20))
	}))
	if got, ok := get(t, v, "a", long[:state.MaxKey-2]); !ok || len(got) != 1<<20 {
		t.Error("a long key and value are lost")
	}
}

func testOwnWrites(t *testing.T, v state.View) {
	put(t, v, "b", "old", "1")
	put(t, v, "b", "gone", "1")
	must(t, v.Commit(ctx, func(w state.Writer) error {
		must(t, errors.Join(w.Put("b", "new", []byte("2")), w.Put("b", "old", []byte("2")), w.Delete("b", "gone")))
		var got []string
		must(t, w.Scan("b", "", func(k string, b []byte) error { got = append(got, k+"="+string(b)); return nil }))
		equal(t, got, []string{"new=2", "old=2"})
		_, ok, err := w.Get("b", "gone")
		equal(t, ok, false)
		must(t, w.DeleteBucket("b"))
		return errors.Join(err, w.Scan("b", "", func(k string, _ []byte) error { return fmt.Errorf("%s is left", k) }))
	}))
	equal(t, scan(t, v, "b", ""), nil)
}

func testUndo(t *testing.T, v state.View) {
	put(t, v, "b", "k", "1")
	no := errors.New("no")
	err := v.Commit(ctx, func(w state.Writer) error {
		must(t, errors.Join(w.Put("b", "k", []byte("2")), w.Put("b", "l", nil), w.DeleteBucket("b")))
		_, err := state.BumpSerial(w)
		return errors.Join(no, err)
	})
	if !errors.Is(err, no) {
		t.Fatal(err)
	}
	equal(t, scan(t, v, "b", ""), []string{"k=1"})
	equal(t, v.Meta().Serial, 0)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := v.Commit(ctx, func(w state.Writer) error {
				must(t, w.Put("many", fmt.Sprintf("%02d", i), nil))
				if i%2 == 1 {
					return no
				}
				return nil
			})
			if errors.Is(err, no) != (i%2 == 1) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	equal(t, len(scan(t, v, "many", "")), 25)
}

func testPanic(t *testing.T, v state.View) {
	type mine struct{ n int }
	func() {
		defer func() { equal(t, recover() == any(mine{7}), true) }()
		_ = v.Commit(ctx, func(w state.Writer) error {
			must(t, w.Put("b", "k", nil))
			panic(mine{7})
		})
		t.Error("no panic")
	}()
	equal(t, scan(t, v, "b", ""), nil)
	put(t, v, "b", "k", "after")
}

func testGoexit(t *testing.T, v state.View) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = v.Commit(ctx, func(w state.Writer) error {
			_ = w.Put("b", "k", nil)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	equal(t, scan(t, v, "b", ""), nil)
	put(t, v, "b", "k", "after")
}

func testContext(t *testing.T, v state.View) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := v.Commit(ended, func(state.Writer) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// One that waits behind another and is called off meanwhile.
	waiting, cancel := context.WithCancel(ctx)
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		must(t, v.Commit(ctx, func(state.Writer) error {
			close(started)
			<-release
			return nil
		}))
	})
	<-started
	wg.Go(func() {
		err := v.Commit(waiting, func(state.Writer) error { t.Error("ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v", err)
		}
	})
	cancel()
	runtime.Gosched()
	close(release)
	wg.Wait()
}

func testContextRunning(t *testing.T, v state.View) {
	c, cancel := context.WithCancel(ctx)
	must(t, v.Commit(c, func(w state.Writer) error {
		cancel()
		return w.Put("b", "k", []byte("1"))
	}))
	equal(t, scan(t, v, "b", ""), []string{"k=1"})
}

func testDeadWriter(t *testing.T, v state.View) {
	var kept state.Writer
	must(t, v.Commit(ctx, func(w state.Writer) error { kept = w; return w.Put("b", "k", nil) }))
	_, _, err := kept.Get("b", "k")
	_, berr := kept.Buckets("")
	_, serr := state.BumpSerial(kept)
	for _, err := range []error{
		err, berr, serr, kept.Put("b", "l", nil), kept.Delete("b", "k"), kept.DeleteBucket("b"),
		kept.Scan("b", "", func(string, []byte) error { return nil }),
	} {
		if err == nil {
			t.Error("alive")
		}
	}
	equal(t, len(scan(t, v, "b", "")), 1)
}

func testReaderIsolation(t *testing.T, v state.View) {
	put(t, v, "b", "k", "1")
	reading, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		<-reading
		put(t, v, "b", "k", "2")
		put(t, v, "b", "l", "2")
	}()
	must(t, v.Read(func(r state.Reader) error {
		close(reading)
		<-written
		b, _, err := r.Get("b", "k")
		equal(t, string(b), "1")
		_, ok, err2 := r.Get("b", "l")
		equal(t, ok, false)
		return errors.Join(err, err2)
	}))
	equal(t, scan(t, v, "b", ""), []string{"k=2", "l=2"})
}

func testConcurrent(t *testing.T, v state.View) {
	const callers, each = 16, 25
	var mu sync.Mutex
	var returned []uint64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				var n uint64
				must(t, v.Commit(ctx, func(w state.Writer) (err error) {
					n, err = state.BumpSerial(w)
					return errors.Join(err, w.Put("b", fmt.Sprintf("%02d-%02d", c, i), nil))
				}))
				// What returned is there for everyone.
				if _, ok := get(t, v, "b", fmt.Sprintf("%02d-%02d", c, i)); !ok {
					t.Errorf("%d-%d is not there", c, i)
				}
				mu.Lock()
				returned = append(returned, n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	equal(t, v.Meta().Serial, callers*each)
	equal(t, len(scan(t, v, "b", "")), callers*each)
	slices.Sort(returned)
	for i, n := range returned {
		if n != uint64(i+1) {
			t.Fatalf("serial %d was given twice or never", i+1)
		}
	}
}

func testSerial(t *testing.T, v state.View) {
	before := v.Meta()
	must(t, v.Commit(ctx, func(w state.Writer) error {
		n, err := state.BumpSerial(w)
		equal(t, n, before.Serial+1)
		equal(t, v.Meta().Serial, before.Serial)
		return err
	}))
	equal(t, v.Meta().Serial, before.Serial+1)
	equal(t, v.Meta().Lineage, before.Lineage)
}
