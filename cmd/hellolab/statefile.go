package main

import (
	"context"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hellolab/state"
)

// labFolder holds everything of a lab that is not its author's.
const labFolder = ".hellolab"

// stateFlags name the state and how long to wait for it.
type stateFlags struct {
	state       string
	lockTimeout time.Duration
	commands    bool // whoever opens it for writing runs commands of others meanwhile
}

func (f *stateFlags) flags(fs *flag.FlagSet) {
	fs.StringVar(&f.state, "state", "", "state `FILE` instead of "+labFolder+"/state.db")
	fs.DurationVar(&f.lockTimeout, "lock-timeout", 0, "wait this long for another command to let go of the state")
}

// options describes the state for opening it by operation.
func (s *session) stateOptions(f *stateFlags, operation string) (state.Options, error) {
	o := state.Options{
		Path:        filepath.Join(s.labDir(), labFolder, "state.db"),
		Holder:      state.Holder{Operation: operation, User: s.user, Host: s.host, PID: s.pid, Since: s.now().UTC(), Commands: f.commands},
		LockTimeout: f.lockTimeout,
		Now:         s.now,
		Rand:        s.rand,
		Writer:      programName(),
		Failpoint:   s.failpoint,
	}
	if f.state != "" {
		o.Path = s.path(f.state)
	}
	if encoded := s.getenv("HELLOLAB_STATE_KEY"); encoded != "" {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(key) != state.KeySize {
			return o, mistake("Make one with `openssl rand -base64 32`.", "HELLOLAB_STATE_KEY is not %d bytes in base64", state.KeySize)
		}
		o.Key = key
	}
	return o, nil
}

// openRead opens the state for reading, also while another process holds it.
func (s *session) openRead(ctx context.Context, f *stateFlags) (*state.Snapshot, error) {
	o, err := s.stateOptions(f, "read")
	if err != nil {
		return nil, err
	}
	snap, err := state.OpenRead(ctx, o)
	if err != nil {
		return nil, err
	}
	s.stateWarnings(snap.Warnings())
	return snap, nil
}

// openWrite opens the state for operation, making it when there is none.
func (s *session) openWrite(ctx context.Context, f *stateFlags, operation string) (*state.Store, error) {
	o, err := s.stateOptions(f, operation)
	if err != nil {
		return nil, err
	}
	store, err := state.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	s.stateWarnings(store.Warnings())
	return store, nil
}

// openExisting is openWrite for commands that make no sense without a state.
func (s *session) openExisting(ctx context.Context, f *stateFlags, operation string) (*state.Store, error) {
	snap, err := s.openRead(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := snap.Close(); err != nil {
		return nil, err
	}
	return s.openWrite(ctx, f, operation)
}

func (s *session) stateWarnings(sentences []string) {
	for _, w := range sentences {
		s.warnf("%s", w)
	}
}

// journalDir holds the recordings of runs.
func (s *session) journalDir() string { return filepath.Join(s.labDir(), labFolder, "journal") }

// exists reports whether there is a file of that name.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
