package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// KeptBackups is how many backups Backup leaves.
const KeptBackups = 10

const backupTime = "20060102T150405.000000000Z"

// Backup is a copy of a state that was made before an apply. It is sealed as
// the state is, and needs the same key.
type Backup struct {
	Path   string
	Serial uint64
	Made   time.Time
}

// Backup writes a copy of the state as it is now into the folder backups
// beside it, removes the oldest beyond KeptBackups, and returns its path.
func (s *Store) Backup() (string, error) {
	dir := s.o.backupDir()
	if err := makeFolder(dir); err != nil {
		return "", err
	}
	snap, err := s.Snapshot()
	if err != nil {
		return "", err
	}
	defer snap.Close()
	name := fmt.Sprintf("%s-%06d-%s.db", s.o.stem(), snap.Meta().Serial, s.o.Now().UTC().Format(backupTime))
	path := filepath.Join(dir, name)
	removeLeftovers(globQuote(filepath.Join(dir, s.o.stem())) + "-*")
	err = replaceFile(path, func(f *os.File) error {
		_, err := snap.WriteTo(f)
		s.o.fail("state:backup-filled")
		return err
	})
	if err != nil {
		return "", writeError(path, err)
	}
	all, err := Backups(s.o)
	if err != nil {
		return "", err
	}
	for _, b := range all[min(KeptBackups, len(all)):] {
		if err := os.Remove(b.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", writeError(b.Path, err)
		}
	}
	return path, nil
}

// Backups lists the backups of the state at o.Path, newest first.
func Backups(o Options) ([]Backup, error) {
	entries, err := os.ReadDir(o.backupDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, asError(err, o.backupDir())
	}
	var out []Backup
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), o.stem()+"-")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		serial, when, ok := strings.Cut(strings.TrimSuffix(rest, ".db"), "-")
		var b Backup
		if _, err := fmt.Sscanf(serial, "%d", &b.Serial); err != nil || !ok {
			continue
		}
		if b.Made, err = time.Parse(backupTime, when); err != nil {
			continue
		}
		b.Path = filepath.Join(o.backupDir(), e.Name())
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Backup) int { return b.Made.Compare(a.Made) })
	return out, nil
}

// Restore puts a backup in the place of the state, which nobody may hold. The
// state that was there, damaged or not, is kept in the folder backups under
// the name it returns; "" when there was none. An empty backup name means the
// newest one that is whole.
func Restore(ctx context.Context, o Options, backup string) (restored Meta, aside string, err error) {
	if err := o.check(); err != nil {
		return Meta{}, "", err
	}
	if err := checkFolder(o.dir()); err != nil {
		return Meta{}, "", asError(err, o.dir())
	}
	f, _, err := openPrivate(o.Path, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Meta{}, "", asError(err, o.Path)
	default:
		defer f.Close()
		if err := lockState(ctx, &o, f); err != nil {
			return Meta{}, "", err
		}
		if !samePlace(f, o.Path) {
			return Meta{}, "", &LockedError{Path: o.Path}
		}
	}
	m, err := readMarker(o.markerPath())
	if err != nil {
		return Meta{}, "", asError(err, o.markerPath())
	}
	if m != nil && o.ExpectLineage == "" {
		o.ExpectLineage = m.Lineage
	}
	c, v, err := pickBackup(&o, backup)
	if err != nil {
		return Meta{}, "", err
	}
	defer os.Remove(c.Name())
	defer c.Close()
	o.fail("state:restore-filled")
	if f != nil {
		if aside, err = putAside(&o, f); err != nil {
			return Meta{}, "", err
		}
	}
	o.fail("state:restore-aside")
	// The marker goes first: a state newer than its marker is no fault.
	if err := writeMarker(o.markerPath(), marker{v.head.Lineage, v.head.Serial, v.meta.txid}); err != nil {
		return Meta{}, "", err
	}
	if err := os.Rename(c.Name(), o.Path); err != nil {
		return Meta{}, "", writeError(o.Path, err)
	}
	if err := syncFolder(o.dir()); err != nil {
		return Meta{}, "", writeError(o.Path, err)
	}
	return v.head.meta(), aside, nil
}

// pickBackup returns a verified, synced temporary copy of a backup.
func pickBackup(o *Options, backup string) (*os.File, *verified, error) {
	if backup != "" {
		return copyBackup(o, backup)
	}
	all, err := Backups(*o)
	if err != nil {
		return nil, nil, err
	}
	var first error
	for _, b := range all {
		c, v, err := copyBackup(o, b.Path)
		if err == nil {
			return c, v, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = &Error{Kind: ErrNotExist, Path: o.backupDir(), Detail: fmt.Sprintf("There is no backup in %s.", o.backupDir())}
	}
	return nil, nil, first
}

func copyBackup(o *Options, backup string) (*os.File, *verified, error) {
	src, _, err := openPrivate(backup, false)
	if err != nil {
		return nil, nil, asError(err, backup)
	}
	defer src.Close()
	removeLeftovers(globQuote(o.Path))
	c, err := createTemp(o.Path)
	if err != nil {
		return nil, nil, writeError(o.Path, err)
	}
	v, err := func() (*verified, error) {
		n, err := io.Copy(c, src)
		if err == nil {
			err = c.Sync()
		}
		if err != nil {
			return nil, writeError(o.Path, err)
		}
		of := *o
		of.Path, of.KeyPath = backup, o.keyPath()
		return verify(&of, c, n, nil)
	}()
	if err != nil {
		c.Close()
		os.Remove(c.Name())
		return nil, nil, err
	}
	return c, v, nil
}

// putAside keeps the state that a restore replaces.
func putAside(o *Options, f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return "", err
	}
	if err := makeFolder(o.backupDir()); err != nil {
		return "", err
	}
	aside := filepath.Join(o.backupDir(), fmt.Sprintf("replaced-%s-%s.db", o.stem(), o.Now().UTC().Format(backupTime)))
	if err := os.Link(o.Path, aside); err == nil {
		return aside, nil
	}
	err = replaceFile(aside, func(dst *os.File) error {
		_, err := io.Copy(dst, io.NewSectionReader(f, 0, info.Size()))
		return err
	})
	if err != nil {
		return "", writeError(aside, err)
	}
	return aside, nil
}
