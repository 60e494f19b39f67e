package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Options say which state to open, and how. Beside the file at Path live, named
// after it (here for state.db): state.key, state.marker, state.holder,
// control.sock and backups/.
type Options struct {
	Path    string // the state file
	KeyPath string // the key file; "" means beside the state file
	Key     []byte // the key itself, KeySize bytes; the key file is then not used

	Holder      Holder        // who opens, for those who find the state locked
	LockTimeout time.Duration // how long to wait for another holder; 0 refuses at once

	// ExpectLineage, when set, refuses the state of another lab.
	ExpectLineage string

	Now    func() time.Time
	Rand   io.Reader // cryptographic; nil means crypto/rand
	Writer string    // program and version, recorded in the state

	// Failpoint, when set, is called at named instants at which a crash or a
	// failing disk must do no harm:
	//
	//	state:before-key     a new state key is about to be written
	//	state:after-key      the key file is durable
	//	state:init-temp      the temporary file of a new state exists, unfilled
	//	state:init-filled    it is filled and synced, under its temporary name
	//	state:init-placed    it has its name
	//	state:init-done      the marker is durable
	//	state:before-commit  closures of a batch ran; nothing is written
	//	state:after-commit   the batch is durable; no caller knows
	//	state:backup-filled  a backup is written under its temporary name
	//	state:restore-filled a restored state is written under its temporary name
	//	state:restore-aside  the state it replaces has been put aside
	//	state:before-marker  a clean close is about to be noted
	Failpoint func(name string)
}

func (o *Options) check() error {
	if o.Path == "" || o.Now == nil {
		return errors.New("state: Options.Path and Options.Now are required")
	}
	o.Path = filepath.Clean(o.Path)
	return nil
}

func (o *Options) rand() io.Reader {
	if o.Rand == nil {
		return rand.Reader
	}
	return o.Rand
}

func (o *Options) fail(name string) {
	if o.Failpoint != nil {
		o.Failpoint(name)
	}
}

func (o *Options) dir() string { return filepath.Dir(o.Path) }

func (o *Options) stem() string { return strings.TrimSuffix(filepath.Base(o.Path), ".db") }

func (o *Options) keyPath() string {
	if o.KeyPath != "" {
		return o.KeyPath
	}
	return filepath.Join(o.dir(), o.stem()+".key")
}

func (o *Options) markerPath() string { return filepath.Join(o.dir(), o.stem()+".marker") }
func (o *Options) holderPath() string { return filepath.Join(o.dir(), o.stem()+".holder") }
func (o *Options) backupDir() string  { return filepath.Join(o.dir(), "backups") }

func (o *Options) socketPath() string {
	if o.stem() == "state" {
		return filepath.Join(o.dir(), "control.sock")
	}
	return filepath.Join(o.dir(), o.stem()+".control.sock")
}

// DeriveKey returns KeySize bytes derived from the state key for a purpose
// outside the state, such as sealing plan files. It makes the key when there
// is none yet, but never when the state it belonged to is there.
func DeriveKey(o Options, purpose string) ([]byte, error) {
	if o.Path == "" {
		return nil, errors.New("state: Options.Path is required")
	}
	create := !exists(o.Path) && !exists(o.markerPath())
	if create && o.Key == nil {
		if err := makeFolder(o.dir()); err != nil {
			return nil, err
		}
	}
	key, _, err := o.key(create)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noKey(o.keyPath(), o.Path)
	}
	if err != nil {
		return nil, err
	}
	return subkey(key, "", "outside: "+purpose, KeySize)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func lineageError(path, got, want string) *Error {
	return &Error{Kind: ErrLineage, Path: path,
		Detail: fmt.Sprintf("The state file %s belongs to another lab (lineage %s, expected %s).", path, got, want),
		Hint:   "Put the lab's own state back, or run `hellolab state restore`."}
}
