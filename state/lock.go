package state

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// The lock is the kernel's, on the state file itself, and ends with the
// process that holds it; nothing needs to be unlocked by force. The holder
// file beside it only says who that is and where its control socket listens.

const (
	lockPoll = 5 * time.Millisecond
	// readerGrace is how long a writer waits for readers, who hold the lock
	// only while they copy the file.
	readerGrace = 5 * time.Second
	// holderGrace is how long the holder file may lag behind the lock.
	holderGrace = 200 * time.Millisecond
	maxHolder   = 16 << 10
)

type holderRecord struct {
	Holder
	Socket string `json:"socket,omitempty"` // absolute, or relative to the state's folder
}

// lockState takes the lock of the state file f for writing. Another writer is
// waited for up to o.LockTimeout.
func lockState(ctx context.Context, o *Options, f *os.File) error {
	waited := time.Duration(0)
	for {
		err := lockFile(f, true)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return asError(err, o.Path)
		}
		patience := o.LockTimeout
		if lockFile(f, false) == nil { // readers only, who will not be long
			_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
			patience = max(patience, readerGrace)
		}
		if waited >= patience {
			return locked(ctx, o)
		}
		if err := pause(ctx, lockPoll); err != nil {
			return err
		}
		waited += lockPoll
	}
}

// locked says who holds the state.
func locked(ctx context.Context, o *Options) error {
	for waited := time.Duration(0); ; waited += lockPoll {
		h, err := readHolder(o)
		if err == nil && alive(o, h.Holder) || waited >= holderGrace {
			return &LockedError{Path: o.Path, Holder: h.Holder}
		}
		if err := pause(ctx, lockPoll); err != nil {
			return err
		}
	}
}

// alive reports whether a holder of this host still runs; those of other hosts do.
func alive(o *Options, h Holder) bool {
	if h.PID <= 0 {
		return false
	}
	return h.Host != o.Holder.Host || !errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH)
}

func writeHolder(o *Options, socket string) error {
	b, err := json.Marshal(holderRecord{o.Holder, socket})
	if err != nil {
		return err
	}
	err = replaceFile(o.holderPath(), func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return writeError(o.holderPath(), err)
	}
	return nil
}

func readHolder(o *Options) (holderRecord, error) {
	var h holderRecord
	f, _, err := openPrivate(o.holderPath(), false)
	if err != nil {
		return h, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHolder))
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(b, &h)
}

func removeHolder(o *Options) { _ = os.Remove(o.holderPath()) }
