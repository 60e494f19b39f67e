package state

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestReopen(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	s := openStore(t, o)
	if len(s.Warnings()) > 0 {
		t.Errorf("warnings %q", s.Warnings())
	}
	must(t, s.Read(func(r Reader) error {
		got, err := dump(r)
		if len(got) != len(all) {
			t.Errorf("%d records, had %d", len(got), len(all))
		}
		return err
	}))
	m := s.Meta()
	if m.Format != Format || len(m.Lineage) != 32 || m.Serial != 60 || !m.Created.Equal(testNow) || m.Writer != "hellolab test" {
		t.Errorf("meta %+v", m)
	}
	for path, mode := range map[string]os.FileMode{
		o.dir(): 0o700, o.Path: 0o600, o.keyPath(): 0o600, o.markerPath(): 0o600, o.holderPath(): 0o600, o.socketPath(): 0o600,
	} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	must(t, s.Close())
	must(t, s.Close())
	entries, err := os.ReadDir(o.dir())
	must(t, err)
	if len(entries) != 3 {
		t.Errorf("left behind: %v", entries)
	}
	if err := s.Commit(ctx, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Read(nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestWriterIsRecorded(t *testing.T) {
	o := testOptions(t)
	must(t, openStore(t, o).Close())
	o.Writer = "hellolab 2"
	s := openStore(t, o)
	if got := s.Meta().Writer; got != "hellolab test" {
		t.Error(got)
	}
	must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
	must(t, s.Close())
	if got := openStore(t, o).Meta().Writer; got != "hellolab 2" {
		t.Error(got)
	}
}

func TestFault12EmptiedOrGone(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	for name, c := range map[string]struct {
		harm func(Options) error
		kind error
	}{
		"emptied":                {func(o Options) error { return os.Truncate(o.Path, 0) }, ErrEmptied},
		"emptied without marker": {func(o Options) error { return errors.Join(os.Truncate(o.Path, 0), os.Remove(o.markerPath())) }, ErrEmptied},
		"gone":                   {func(o Options) error { return os.Remove(o.Path) }, ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := copyState(t, o)
			must(t, c.harm(c2))
			want(t, survives(t, c2, all), c.kind, c2.Path, "hellolab state restore")
			if _, err := os.Stat(c2.Path); c.kind == ErrMissing && !errors.Is(err, fs.ErrNotExist) {
				t.Error("a state was begun anew")
			}
		})
	}
	t.Run("marker gone or broken", func(t *testing.T) {
		for _, harm := range []func(string) error{os.Remove, func(p string) error { return os.Truncate(p, 0) }} {
			c := copyState(t, o)
			must(t, harm(c.markerPath()))
			must(t, survives(t, c, all))
			m, err := readMarker(c.markerPath())
			if err != nil || m == nil {
				t.Errorf("marker is not made again: %v, %v", m, err)
			}
		}
	})
	t.Run("nothing yet", func(t *testing.T) {
		o := testOptions(t)
		_, err := OpenRead(ctx, o)
		want(t, err, ErrNotExist, o.Path)
		if _, err := os.Stat(o.dir()); !errors.Is(err, fs.ErrNotExist) {
			t.Error("reading made something")
		}
	})
}

// rehead rewrites the head of a state and seals it in.
func rehead(t *testing.T, o Options, fn func(*headRecord)) {
	t.Helper()
	s := openStore(t, o)
	must(t, s.Close())
	edit(t, o, func(tx *bolt.Tx) error {
		h, err := decodeHead(o.Path, tx.Bucket(bucketMeta).Get(keyHead))
		must(t, err)
		fn(&h)
		b, err := json.Marshal(h)
		must(t, err)
		return tx.Bucket(bucketMeta).Put(keyHead, append(sum256(b), b...))
	})
}

func TestFault15NewerFormat(t *testing.T) {
	o := testOptions(t)
	sampleState(t, o)
	rehead(t, o, func(h *headRecord) { h.Format, h.Writer = 7, "hellolab 9.1" })
	before, err := os.ReadFile(o.Path)
	must(t, err)
	want(t, survives(t, o, nil), ErrFormat, o.Path, "format 7", "hellolab 9.1", "format 1")
	after, err := os.ReadFile(o.Path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the file was written")
	}
}

func TestFault16OtherLineage(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	o.ExpectLineage = "0123"
	want(t, survives(t, o, all), ErrLineage, o.Path, "expected 0123")
	o.ExpectLineage = ""
	other := testOptions(t)
	sampleState(t, other)
	b, err := os.ReadFile(other.Path)
	must(t, err)
	must(t, os.WriteFile(o.Path, b, 0o600))
	want(t, survives(t, o, all), ErrLineage, o.Path, "another lab")

	none := testOptions(t)
	none.ExpectLineage = "0123"
	_, err = Open(ctx, none)
	want(t, err, ErrNotExist, none.Path, "0123")
	if _, err := os.Stat(none.keyPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made")
	}
}

func TestKey(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	t.Run("missing", func(t *testing.T) {
		c := copyState(t, o)
		must(t, os.Remove(c.keyPath()))
		want(t, survives(t, c, all), ErrNoKey, c.keyPath(), "Restore state.key", "HELLOLAB_STATE_KEY")
		if _, err := os.Stat(c.keyPath()); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a key was made for a state that has one")
		}
	})
	t.Run("other", func(t *testing.T) {
		c := copyState(t, o)
		must(t, os.WriteFile(c.keyPath(), testKey("other"), 0o600))
		want(t, survives(t, c, all), ErrKey, "does not fit", c.Path)
	})
	t.Run("flipped", func(t *testing.T) {
		c := copyState(t, o)
		b, err := os.ReadFile(c.keyPath())
		must(t, err)
		b[31] ^= 1
		must(t, os.WriteFile(c.keyPath(), b, 0o600))
		want(t, survives(t, c, all), ErrKey, c.Path)
	})
	t.Run("wrong size", func(t *testing.T) {
		for _, n := range []int{0, 31, 33, 4096} {
			c := copyState(t, o)
			must(t, os.WriteFile(c.keyPath(), make([]byte, n), 0o600))
			want(t, survives(t, c, all), ErrKey, c.keyPath())
		}
		c := copyState(t, o)
		c.Key = make([]byte, 16)
		want(t, survives(t, c, all), ErrKey, "16 bytes")
	})
	t.Run("given", func(t *testing.T) {
		c := copyState(t, o)
		b, err := os.ReadFile(c.keyPath())
		must(t, err)
		must(t, os.Remove(c.keyPath()))
		c.Key = b
		must(t, survives(t, c, all))
		fresh := testOptions(t)
		fresh.Key = testKey("given")
		must(t, openStore(t, fresh).Close())
		if _, err := os.Stat(fresh.keyPath()); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a key file was made beside a given key")
		}
	})
	t.Run("derived", func(t *testing.T) {
		fresh := testOptions(t)
		a, err := DeriveKey(fresh, "plan file")
		must(t, err)
		s := openStore(t, fresh) // the state takes the key that was made
		must(t, s.Close())
		b, err := DeriveKey(fresh, "plan file")
		must(t, err)
		c, err := DeriveKey(fresh, "other")
		must(t, err)
		if len(a) != KeySize || string(a) != string(b) || string(a) == string(c) {
			t.Error("derived keys are not one per purpose")
		}
		must(t, os.Remove(fresh.keyPath()))
		_, err = DeriveKey(fresh, "plan file")
		want(t, err, ErrNoKey)
	})
}

func TestFault91Access(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	for name, c := range map[string]struct {
		path func(*Options) string
		mode os.FileMode
		kind error
	}{
		"state writable by group": {func(o *Options) string { return o.Path }, 0o620, ErrAccess},
		"key writable by others":  {(*Options).keyPath, 0o602, ErrAccess},
		"folder writable":         {(*Options).dir, 0o777, ErrAccess},
		"folder with sticky bit":  {(*Options).dir, 0o777 | os.ModeSticky, nil},
		"marker writable":         {(*Options).markerPath, 0o666, ErrAccess},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := copyState(t, o)
			must(t, os.Chmod(c.path(&c2), c.mode))
			err := survives(t, c2, all)
			if c.kind == nil {
				must(t, err)
				return
			}
			want(t, err, c.kind, c.path(&c2), "written by others")
		})
	}
	for name, path := range map[string]func(*Options) string{"state": func(o *Options) string { return o.Path }, "key": (*Options).keyPath} {
		t.Run(name+" readable", func(t *testing.T) {
			c := copyState(t, o)
			must(t, os.Chmod(path(&c), 0o644))
			s, err := OpenRead(ctx, c)
			must(t, err)
			defer s.Close()
			if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, path(&c)) || !strings.Contains(w, "0644") {
				t.Errorf("warnings %q", w)
			}
			info, err := os.Stat(path(&c))
			must(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("not made tight: %v", info.Mode())
			}
		})
	}
	t.Run("loose umask", func(t *testing.T) {
		old := syscall.Umask(0)
		defer syscall.Umask(old)
		o := testOptions(t)
		s := openStore(t, o)
		_, err := s.Backup()
		must(t, err)
		must(t, filepath.WalkDir(o.dir(), func(path string, d os.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		}))
	})
}

func TestFault92Swapped(t *testing.T) {
	o := testOptions(t)
	all := sampleState(t, o)
	elsewhere := copyState(t, o)
	for name, path := range map[string]func(*Options) string{
		"state": func(o *Options) string { return o.Path }, "key": (*Options).keyPath, "marker": (*Options).markerPath,
	} {
		t.Run(name+" by a link", func(t *testing.T) {
			c := copyState(t, o)
			must(t, os.Remove(path(&c)))
			must(t, os.Symlink(path(&elsewhere), path(&c)))
			want(t, survives(t, c, all), ErrAccess, path(&c), "symbolic link")
		})
		t.Run(name+" by a FIFO", func(t *testing.T) {
			c := copyState(t, o)
			must(t, os.Remove(path(&c)))
			must(t, syscall.Mkfifo(path(&c), 0o600))
			want(t, survives(t, c, all), ErrAccess, path(&c))
		})
		t.Run(name+" by a folder", func(t *testing.T) {
			c := copyState(t, o)
			must(t, os.Remove(path(&c)))
			must(t, os.Mkdir(path(&c), 0o700))
			if survives(t, c, all) == nil {
				t.Error("opened")
			}
		})
	}
	t.Run("dangling link", func(t *testing.T) {
		o := testOptions(t)
		must(t, os.MkdirAll(o.dir(), 0o700))
		must(t, os.Symlink(filepath.Join(t.TempDir(), "target"), o.Path))
		_, err := Open(ctx, o)
		want(t, err, ErrAccess, "symbolic link")
	})
}

func TestFault2HalfMade(t *testing.T) {
	o := testOptions(t)
	must(t, os.MkdirAll(o.dir(), 0o700))
	half := o.Path + tempInfix + "123"
	must(t, os.WriteFile(half, []byte("half"), 0o600))
	must(t, os.WriteFile(o.keyPath()+tempInfix+"9", []byte("half"), 0o600))
	s := openStore(t, o)
	must(t, s.Commit(ctx, func(w Writer) error { return w.Put("b", "k", nil) }))
	left, err := filepath.Glob(filepath.Join(o.dir(), "*"+tempInfix+"*"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOpenIsCalledOff(t *testing.T) {
	o := testOptions(t)
	openStore(t, o)
	c, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	o.LockTimeout = time.Hour
	if _, err := Open(c, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}
