package state

import (
	"errors"
	"fmt"
	"time"
)

// What can be wrong with a state, for errors.Is. The errors themselves are
// sentences that name the file and what to do.
var (
	ErrNotExist = errors.New("no state yet")
	ErrMissing  = errors.New("state vanished")
	ErrEmptied  = errors.New("state was emptied")
	ErrDamaged  = errors.New("state is damaged")
	ErrOlder    = errors.New("state is older than it was")
	ErrFormat   = errors.New("state has a newer format")
	ErrLineage  = errors.New("state of another lab")
	ErrKey      = errors.New("wrong state key")
	ErrNoKey    = errors.New("state key is missing")
	ErrAccess   = errors.New("access to the state is not safe")
	ErrWrite    = errors.New("state cannot be written")
	ErrLocked   = errors.New("state is locked")
	ErrNoHolder = errors.New("nobody holds the state")
	ErrClosed   = errors.New("state is closed")
)

// Error is what a user reads when a state cannot be used.
type Error struct {
	Kind   error  // one of the sentinels above
	Path   string // the file it is about
	Detail string // a sentence
	Hint   string // what to do next; may be empty
	Err    error  // cause; may be nil
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Detail
	}
	return e.Detail + " " + e.Hint
}

func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

const hintRestore = "Run `hellolab state restore` to bring back the newest backup."

func damaged(path, format string, args ...any) *Error {
	return &Error{
		Kind:   ErrDamaged,
		Path:   path,
		Detail: fmt.Sprintf("The state file %s is damaged: %s.", path, fmt.Sprintf(format, args...)),
		Hint:   hintRestore,
	}
}

// Holder says who holds a state for writing.
type Holder struct {
	Operation string    `json:"operation"` // the command: apply, serve
	User      string    `json:"user"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Since     time.Time `json:"since"`
	// Commands says that the holder runs commands of others: Do reaches it.
	Commands bool `json:"commands,omitempty"`
}

// LockedError says that another process holds the state. Holder is zero when
// its side file cannot be read.
type LockedError struct {
	Path   string
	Holder Holder
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("The state file %s is in use by another process.", e.Path)
	}
	return fmt.Sprintf("The state file %s is in use: %s@%s runs %q (pid %d) since %s. Wait for it to end, or allow waiting with -lock-timeout.",
		e.Path, e.Holder.User, e.Holder.Host, e.Holder.Operation, e.Holder.PID, e.Holder.Since.Format(time.RFC3339))
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }
