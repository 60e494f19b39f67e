package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Commits that wait while one runs share a transaction.
func TestGroupCommit(t *testing.T) {
	s := openStore(t, testOptions(t))
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		must(t, s.Commit(ctx, func(w Writer) error {
			close(started)
			<-release
			return w.Put("b", "first", nil)
		}))
	})
	<-started
	for i := range 100 {
		wg.Go(func() {
			must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", fmt.Sprint(i), nil) }))
		})
	}
	for len(s.queue) < 100 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if st := s.Stats(); st.Commits != 101 || st.Batches != 1 {
		t.Errorf("%+v", st)
	}
	before := s.Stats().Batches
	must(t, s.Commit(ctx, func(w Writer) error { _, _, err := w.Get("b", "1"); return err }))
	if s.Stats().Batches != before {
		t.Error("a commit that wrote nothing was synced")
	}
}

// The queue is bounded: who finds it full waits, and may give up.
func TestBackPressure(t *testing.T) {
	s := openStore(t, testOptions(t))
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		must(t, s.Commit(ctx, func(Writer) error { close(started); <-release; return nil }))
	})
	<-started
	for i := range queueLength + 50 {
		wg.Go(func() { must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", fmt.Sprint(i), nil) })) })
	}
	for len(s.queue) < queueLength {
		time.Sleep(time.Millisecond)
	}
	c, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := s.Commit(c, func(Writer) error { t.Error("ran"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(release)
	wg.Wait()
	must(t, s.Read(func(r Reader) error {
		n := 0
		err := r.Scan("b", "", func(string, []byte) error { n++; return nil })
		if n != queueLength+50 {
			t.Errorf("%d records", n)
		}
		return err
	}))
}

// Snapshots may stay open while the file outgrows its map and its free pages.
func TestSnapshotsWhileGrowing(t *testing.T) {
	s := openStore(t, testOptions(t))
	for i := range 40 {
		snap, err := s.Snapshot()
		must(t, err)
		defer func() {
			n := 0
			must(t, snap.Scan("b", "", func(string, []byte) error { n++; return nil }))
			if n != i {
				t.Errorf("snapshot %d has %d records", i, n)
			}
			must(t, snap.Close())
		}()
		must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", fmt.Sprintf("%03d", i), make([]byte, 1<<20)) }))
	}
}

func TestConcurrentSnapshotReads(t *testing.T) {
	o := testOptions(t)
	sampleState(t, o)
	s := openStore(t, o)
	snap, err := s.Snapshot()
	must(t, err)
	over := NewOverlay(snap)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				must(t, over.Read(func(r Reader) error { _, err := Objects(r); return err }))
				must(t, over.Commit(ctx, func(w Writer) error { return w.Put("b", fmt.Sprint(i), nil) }))
				must(t, s.Commit(ctx, func(w Writer) error { return w.Put("c", fmt.Sprint(i), nil) }))
			}
		})
	}
	wg.Wait()
	must(t, over.Close())
}

// Somebody removes, replaces or cuts the file while it is in use.
func TestFileTakenAway(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(p string) error { return os.Truncate(p, 0) },
		"cut":     func(p string) error { return os.Truncate(p, 20_000) },
		"renamed": func(p string) error { return os.Rename(p, p+".old") },
		"folder":  func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
		"replaced": func(p string) error {
			return errors.Join(os.WriteFile(p+"2", make([]byte, 100_000), 0o600), os.Rename(p+"2", p))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t)
			s, err := Open(ctx, o)
			must(t, err)
			must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", make([]byte, 100_000)) }))
			must(t, harm(o.Path))
			for range 2 {
				want(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "l", nil) }), ErrWrite, o.Path)
			}
			// Reading tells, or still sees the file that was removed.
			err = s.Read(func(r Reader) error { _, _, err := r.Get("b", "k"); return err })
			if name == "emptied" || name == "cut" {
				want(t, err, ErrWrite, o.Path)
			} else {
				must(t, err)
			}
			_ = s.Close()
		})
	}
}

func TestFault10FileSizeLimit(t *testing.T) {
	o := testOptions(t)
	_, out := child(t, "small", o, "")
	line := readLine(t, out)
	for _, part := range []string{"failed:", o.Path, "file too large", "ulimit"} {
		if !strings.Contains(line, part) {
			t.Errorf("%q is not in %q", part, line)
		}
	}
	var n int
	if line = readLine(t, out); line == "" || !scanOne(line, "count %d", &n) {
		t.Fatalf("after the limit was raised: %q", line)
	}
	checkFilled(t, o, n)
}

func scanOne(s, format string, to *int) bool {
	_, err := fmt.Sscanf(s, format, to)
	return err == nil
}

// checkFilled makes sure that a state holds what was acknowledged before the
// disk was full, and that it can be written again.
func checkFilled(t *testing.T, o Options, n int) {
	t.Helper()
	var s *Store
	for s == nil { // the child may be about to end
		var err error
		if s, err = Open(ctx, o); err != nil && !errors.Is(err, ErrLocked) {
			t.Fatal(err)
		}
	}
	defer s.Close()
	must(t, s.Read(func(r Reader) error {
		got := 0
		err := r.Scan("fill", "", func(_ string, v []byte) error {
			if len(v) != 50_000 {
				t.Errorf("a record of %d bytes", len(v))
			}
			got++
			return nil
		})
		if got != n || n == 0 {
			t.Errorf("%d records, %d were acknowledged", got, n)
		}
		return err
	}))
	must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
}

func TestFault9DiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	mount := func(t *testing.T, size string) Options {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
			t.Skipf("no tmpfs can be mounted here: %s", out)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
		o := testOptions(t)
		o.Path = filepath.Join(dir, "state.db")
		return o
	}
	t.Run("in commits", func(t *testing.T) {
		o := mount(t, "4m")
		s, err := Open(ctx, o)
		must(t, err)
		n, err := fillUp(s)
		want(t, err, ErrWrite, o.Path, "no space left", "Make room")
		want(t, s.Commit(ctx, func(w Writer) error { return w.Put("fill", "more", make([]byte, 200_000)) }), ErrWrite)
		_, err = s.Backup()
		want(t, err, ErrWrite, o.backupDir())
		// Room comes back: the same process goes on.
		must(t, syscall.Mount("tmpfs", o.dir(), "tmpfs", syscall.MS_REMOUNT, "size=16m"))
		must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
		must(t, s.Close())
		checkFilled(t, o, n)
	})
	t.Run("when it is made", func(t *testing.T) {
		for _, size := range []string{"4k", "8k", "16k"} {
			o := mount(t, size)
			_, err := Open(ctx, o)
			want(t, err, ErrWrite, o.dir())
			if _, err := os.Stat(o.Path); err == nil {
				t.Errorf("%s: half a state is there", size)
			}
			must(t, syscall.Mount("tmpfs", o.dir(), "tmpfs", syscall.MS_REMOUNT, "size=16m"))
			must(t, openStore(t, o).Close())
		}
	})
	t.Run("read-only", func(t *testing.T) { // fault 11
		o := mount(t, "16m")
		s := openStore(t, o)
		must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", []byte("v")) }))
		must(t, s.Close())
		must(t, syscall.Mount("tmpfs", o.dir(), "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		_, err := Open(ctx, o)
		want(t, err, ErrAccess, o.Path, "read-only")
		fresh := o
		fresh.Path = filepath.Join(o.dir(), "fresh.db")
		_, err = Open(ctx, fresh)
		want(t, err, ErrWrite, "read-only")
		snap, err := OpenRead(ctx, o)
		must(t, err)
		v, _, err := snap.Get("b", "k")
		must(t, err)
		if string(v) != "v" {
			t.Errorf("%q", v)
		}
		must(t, snap.Close())
		must(t, syscall.Mount("tmpfs", o.dir(), "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	})
}

func TestLittleAddressSpace(t *testing.T) {
	o := testOptions(t)
	_, out := child(t, "tight", o, "")
	if got := readLine(t, out); got != "fits" {
		t.Error(got)
	}
}

// The store, and an overlay beside it, against a map.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "model")
		must(t, err)
		o := testOptions(t)
		o.Path, o.Key = filepath.Join(dir, "state.db"), testKey("model")
		s, err := Open(ctx, o)
		must(t, err)
		defer func() { s.Close() }()
		newOverlay := func() *Overlay {
			snap, err := s.Snapshot()
			must(t, err)
			return NewOverlay(snap)
		}
		model := map[string]string{}
		over, overModel := newOverlay(), map[string]string{}
		bucket := rapid.SampledFrom([]string{"a", "ab", "section/x/t", "section/x/t2"})
		key := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é")), 0, 3, -1)
		value := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 20), rapid.Just(make([]byte, 5000)))
		commit := func(v View, m map[string]string) map[string]string {
			next := map[string]string{}
			for k, v := range m {
				next[k] = v
			}
			undo := rapid.Bool().Draw(rt, "undo")
			no := errors.New("no")
			err := v.Commit(ctx, func(w Writer) error {
				for range rapid.IntRange(0, 8).Draw(rt, "writes") {
					b, k := bucket.Draw(rt, "bucket"), key.Draw(rt, "key")
					switch rapid.IntRange(0, 9).Draw(rt, "op") {
					case 0:
						for rk := range next {
							if strings.HasPrefix(rk, b+"\x00") {
								delete(next, rk)
							}
						}
						must(t, w.DeleteBucket(b))
					case 1, 2, 3:
						delete(next, recordKey(b, k))
						must(t, w.Delete(b, k))
					default:
						v := value.Draw(rt, "value")
						next[recordKey(b, k)] = string(v)
						must(t, w.Put(b, k, v))
					}
				}
				got, err := dump(w)
				must(t, err)
				same(rt, got, next)
				if undo {
					return no
				}
				return nil
			})
			if undo {
				if !errors.Is(err, no) {
					rt.Fatal(err)
				}
				return m
			}
			must(t, err)
			return next
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit":  func(*rapid.T) { model = commit(s, model) },
			"overlay": func(*rapid.T) { overModel = commit(over, overModel) },
			"renew overlay": func(*rapid.T) {
				must(t, over.Close())
				over, overModel = newOverlay(), model
			},
			"reopen": func(*rapid.T) {
				must(t, s.Close())
				s, err = Open(ctx, o)
				must(t, err)
				over, overModel = newOverlay(), model
			},
			"": func(rt *rapid.T) {
				must(t, s.Read(func(r Reader) error { got, err := dump(r); same(rt, got, model); return err }))
				must(t, over.Read(func(r Reader) error { got, err := dump(r); same(rt, got, overModel); return err }))
			},
		})
	})
}

func same(t *rapid.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Fatalf("%q differs", k)
		}
	}
}
