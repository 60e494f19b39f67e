package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// readPatience is how long one holder may have the lock and not answer: one
// that just began has the lock a moment before its socket.
const readPatience = time.Second

// patience waits for holders that do not answer yet, for each of them anew:
// where several come and go, a reader is not turned away for the time that all
// of them took.
type patience struct {
	path   string      // of the holder file
	holder os.FileInfo // nil: there was none
	left   context.Context
	cancel context.CancelFunc
}

func newPatience(o *Options) *patience { return &patience{path: o.holderPath()} }

// wait returns when it is time to try again, or an error when the patience with
// this holder, or ctx, is over.
func (p *patience) wait(ctx context.Context) error {
	holder, err := os.Stat(p.path)
	if err != nil {
		holder = nil
	}
	if p.left == nil || !sameHolder(p.holder, holder) {
		p.end()
		p.holder = holder
		p.left, p.cancel = context.WithTimeout(ctx, readPatience)
	}
	return pause(p.left, lockPoll)
}

func (p *patience) end() {
	if p.cancel != nil {
		p.cancel()
	}
}

// sameHolder: each holder writes a file of its own.
func sameHolder(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())
}

// OpenRead returns a snapshot of the state without holding its lock: a private
// copy of the file when nobody writes, else one from the holder's control
// socket. It returns ErrNotExist when there is no state yet, and makes nothing.
func OpenRead(ctx context.Context, o Options) (*Snapshot, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := newPatience(&o)
	defer p.end()
	for {
		snap, err := openRead(ctx, &o)
		if !errors.Is(err, errAgain) {
			return snap, err
		}
		if p.wait(ctx) != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			h, _ := readHolder(&o)
			return nil, &LockedError{Path: o.Path, Holder: h.Holder}
		}
	}
}

func openRead(ctx context.Context, o *Options) (*Snapshot, error) {
	f, warnings, err := openPrivate(o.Path, false)
	if errors.Is(err, fs.ErrNotExist) {
		if exists(o.markerPath()) {
			return nil, vanished(o)
		}
		return nil, &Error{Kind: ErrNotExist, Path: o.Path,
			Detail: fmt.Sprintf("There is no state file %s.", o.Path), Hint: "`hellolab apply` makes it."}
	}
	if err != nil {
		return nil, asError(err, o.Path)
	}
	defer f.Close()
	if err := checkFolder(o.dir()); err != nil {
		return nil, err
	}
	err = lockFile(f, false)
	held := errors.Is(err, syscall.EWOULDBLOCK)
	if err != nil && !held {
		return nil, asError(err, o.Path)
	}
	if !held && !samePlace(f, o.Path) {
		return nil, errAgain
	}
	c, err := unnamedFile(o)
	if err != nil {
		return nil, err
	}
	var m *marker // nil for a copy from a holder, which is newer than it
	if held {
		err = call(ctx, o, verbSnapshot, nil, c)
		if errors.Is(err, ErrNoHolder) || errors.Is(err, errHungUp) {
			err = errAgain // it begins, or ends
		}
	} else {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			_, err = io.Copy(c, io.LimitReader(f, info.Size()))
		}
		if err == nil {
			m, err = readMarker(o.markerPath())
		}
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	snap, err := readCopy(o, c, m)
	if err != nil {
		c.Close()
		return nil, err
	}
	snap.warnings = append(warnings, snap.warnings...)
	return snap, nil
}

// unnamedFile makes a file that is gone when it is closed: beside the state,
// or where temporary files go when that folder cannot be written.
func unnamedFile(o *Options) (*os.File, error) {
	f, err := os.CreateTemp(o.dir(), filepath.Base(o.Path)+tempInfix+"*")
	if err != nil {
		if f, err = os.CreateTemp("", "hellolab-*"); err != nil {
			return nil, writeError(o.Path, err)
		}
	}
	// Whoever clears up after killed processes may have been faster.
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Close()
		return nil, writeError(o.Path, err)
	}
	return f, nil
}

// readCopy opens a private copy.
func readCopy(o *Options, c *os.File, m *marker) (*Snapshot, error) {
	size, err := c.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	v, err := verify(o, c, size, m)
	if err != nil {
		return nil, err
	}
	db, err := openBolt(c, true)
	if err != nil {
		return nil, damaged(o.Path, "%v", err)
	}
	tx, err := db.Begin(false)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	snap, err := newSnapshot(o.Path, tx, v.sealer, committed{v.head.meta(), v.meta.txid})
	if err != nil {
		return nil, errors.Join(err, tx.Rollback(), db.Close())
	}
	snap.warnings = v.warnings
	snap.release = func() error { return errors.Join(tx.Rollback(), db.Close()) }
	return snap, nil
}

// Do runs a command in the process that holds the state, which is given the
// request and answers as its Handler says. ErrNoHolder means that nobody holds
// it, and the command can be run here.
func Do(ctx context.Context, o Options, request []byte) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := newPatience(&o)
	defer p.end()
	for {
		held, err := isHeld(&o)
		if err != nil {
			return nil, err
		}
		if !held {
			return nil, fmt.Errorf("state %s: %w", o.Path, ErrNoHolder)
		}
		reply := &bounded{left: maxDoReply}
		err = call(ctx, &o, verbDo, request, reply)
		if err == nil {
			return reply.b, nil
		}
		// A holder that just began has the lock a moment before its socket.
		if !errors.Is(err, ErrNoHolder) || p.wait(ctx) != nil {
			return nil, err
		}
	}
}

// HeldBy says who holds the state for writing. ErrNoHolder means that nobody
// does, or that there is no state.
func HeldBy(ctx context.Context, o Options) (Holder, error) {
	if err := o.check(); err != nil {
		return Holder{}, err
	}
	held, err := isHeld(&o)
	if err != nil {
		return Holder{}, err
	}
	if !held {
		return Holder{}, fmt.Errorf("state %s: %w", o.Path, ErrNoHolder)
	}
	var l *LockedError
	if err := locked(ctx, &o); !errors.As(err, &l) {
		return Holder{}, err
	}
	return l.Holder, nil
}

// isHeld reports whether another process (or store) has the lock for writing.
func isHeld(o *Options) (bool, error) {
	f, _, err := openPrivate(o.Path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, asError(err, o.Path)
	}
	defer f.Close()
	err = lockFile(f, false)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

type bounded struct {
	b    []byte
	left int
}

func (w *bounded) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, fmt.Errorf("reply has more than %d bytes", maxDoReply)
	}
	w.left -= len(p)
	w.b = append(w.b, p...)
	return len(p), nil
}
