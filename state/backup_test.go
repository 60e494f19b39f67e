package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBackupAndRestore(t *testing.T) {
	o := testOptions(t)
	now := testNow
	o.Now = func() time.Time { now = now.Add(time.Second); return now }
	s := openStore(t, o)
	var paths []string
	for i := range KeptBackups + 3 {
		must(t, s.Commit(ctx, func(w Writer) error {
			_, err := BumpSerial(w)
			return errors.Join(err, w.Put("b", "k", fmt.Append(nil, i)))
		}))
		p, err := s.Backup()
		must(t, err)
		paths = append(paths, p)
	}
	all, err := Backups(o)
	must(t, err)
	if len(all) != KeptBackups || all[0].Path != paths[len(paths)-1] || all[0].Serial != KeptBackups+3 {
		t.Fatalf("backups %+v", all)
	}
	if !strings.HasSuffix(all[0].Path, "backups/state-000013-"+all[0].Made.Format(backupTime)+".db") {
		t.Errorf("name %s", all[0].Path)
	}
	info, err := os.Stat(all[0].Path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, s.Close())

	value := func() string {
		s := openStore(t, o)
		defer s.Close()
		var v string
		must(t, s.Read(func(r Reader) error { b, _, err := r.Get("b", "k"); v = string(b); return err }))
		return v
	}
	for name, harm := range map[string]func() error{
		"emptied": func() error { return os.Truncate(o.Path, 0) },
		"cut":     func() error { return os.Truncate(o.Path, 9000) },
		"gone":    func() error { return os.Remove(o.Path) },
		"garbage": func() error { return os.WriteFile(o.Path, make([]byte, 100_000), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			must(t, harm())
			damage, _ := os.ReadFile(o.Path)
			m, aside, err := Restore(ctx, o, "")
			must(t, err)
			if m.Serial != KeptBackups+3 || value() != "12" {
				t.Errorf("restored serial %d, value %s", m.Serial, value())
			}
			kept, _ := os.ReadFile(aside)
			if (aside != "") != (len(damage) > 0) || string(kept) != string(damage) {
				t.Errorf("what was damaged is not kept: %q", aside)
			}
		})
	}
	t.Run("older on purpose", func(t *testing.T) {
		m, aside, err := Restore(ctx, o, all[3].Path)
		must(t, err)
		if m.Serial != all[3].Serial || value() != "9" || aside == "" {
			t.Errorf("serial %d, value %s, aside %q", m.Serial, value(), aside)
		}
	})
	t.Run("newest is damaged", func(t *testing.T) {
		b, err := os.ReadFile(all[0].Path)
		must(t, err)
		must(t, os.WriteFile(all[0].Path, b[:len(b)/2], 0o600))
		_, _, err = Restore(ctx, o, all[0].Path)
		want(t, err, ErrDamaged, all[0].Path)
		m, _, err := Restore(ctx, o, "")
		must(t, err)
		if m.Serial != all[1].Serial {
			t.Errorf("serial %d", m.Serial)
		}
	})
	t.Run("of another lab", func(t *testing.T) {
		other := testOptions(t)
		other.KeyPath = o.keyPath()
		s := openStore(t, other)
		p, err := s.Backup()
		must(t, err)
		_, _, err = Restore(ctx, o, p)
		want(t, err, ErrLineage, p)
		if got := value(); got != "11" {
			t.Errorf("value %s", got)
		}
	})
	t.Run("none", func(t *testing.T) {
		empty := testOptions(t)
		must(t, openStore(t, empty).Close())
		_, _, err := Restore(ctx, empty, "")
		want(t, err, ErrNotExist, empty.backupDir())
		_, _, err = Restore(ctx, empty, filepath.Join(empty.dir(), "nothing.db"))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		must(t, openStore(t, empty).Close())
	})
}

// A snapshot of an open store is a state file of its own.
func TestSnapshotWriteTo(t *testing.T) {
	o := testOptions(t)
	sampleState(t, o)
	s := openStore(t, o)
	snap, err := s.Snapshot()
	must(t, err)
	must(t, s.Commit(ctx, func(w Writer) error { return w.DeleteBucket(BucketObjects) }))
	to := testOptions(t)
	must(t, os.MkdirAll(to.dir(), 0o700))
	to.KeyPath = o.keyPath()
	f, err := os.OpenFile(to.Path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = snap.WriteTo(f)
	must(t, err)
	must(t, f.Close())
	must(t, openStore(t, to).Read(func(r Reader) error {
		all, err := Objects(r)
		if len(all) < 1000 {
			t.Errorf("%d objects", len(all))
		}
		return err
	}))
	must(t, s.Close())
	if _, _, err := snap.Get("b", "k"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	must(t, snap.Close())
}
