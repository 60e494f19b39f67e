// Package state keeps what a lab learned: the engine's records and one section
// of tables per system, in one bbolt file. It knows neither kinds nor
// configuration; values are bytes to it.
//
// A View is a place records live: the Store (the file, one writer at a time)
// or an Overlay (a snapshot whose writes stay in memory). Everything above the
// two is written once, over View, and one conformance suite runs on both
// (statetest).
//
// Beside state.db lie state.key (the key of the seals), state.marker (what the
// last clean close left), state.holder and control.sock (who holds the lock, and
// how to reach it) and backups/. All are the user's alone. docs/adr/0002 says
// how records are sealed, 0003 how damage is found.
package state

import (
	"context"
	"time"
)

// Buckets of a view. A system's tables live in "section/<address>/<table>".
//
// A bucket is a name, not a thing: it exists while it holds a record. Names are
// not empty and hold no NUL byte; keys are any bytes. Both are kept readable in
// the file, so neither may carry a secret; values are sealed.
const (
	BucketObjects   = "objects"   // address -> Object
	BucketIntents   = "intents"   // address -> Intent
	BucketOutputs   = "outputs"   // name -> Output
	BucketLab       = "lab"       // small engine records: clock offset, lab CA, hosts
	BucketRevisions = "revisions" // section name -> revision, 8 bytes big-endian
)

// Reader reads records of one consistent state. Returned values belong to the caller.
type Reader interface {
	Get(bucket, key string) (value []byte, ok bool, err error)
	// Scan calls fn for keys with prefix in byte order until it errs.
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error
	// Buckets lists the names of buckets with prefix that hold at least one record, in order.
	Buckets(prefix string) ([]string, error)
}

// Writer writes records; it reads its own writes.
type Writer interface {
	Reader
	Put(bucket, key string, value []byte) error
	// Delete removes a record; one that is not there is no error.
	Delete(bucket, key string) error
	DeleteBucket(bucket string) error
}

// View is a place records live.
type View interface {
	Meta() Meta
	Read(fn func(Reader) error) error
	// Commit runs fn in the one ordered queue and returns when its writes are
	// durable (Store) or visible (Overlay). An error from fn undoes fn's writes
	// alone, though others share its fsync; so does a panic, which goes on in the
	// caller. When ctx ends before fn began, fn never runs; once it runs, Commit
	// reports its outcome whatever ctx says. fn must not call Commit or Read of
	// the same view.
	Commit(ctx context.Context, fn func(Writer) error) error
}

// Meta identifies a state.
type Meta struct {
	Format  int       // version of the layout
	Lineage string    // identity of the lab, random, for life
	Serial  uint64    // grows with every plan applied; a saved plan names the one it was made at
	Created time.Time // when the lineage began
	Writer  string    // program and version that wrote last
}

// Object is the engine's record of one declared thing.
type Object struct {
	Addr     string            `json:"addr"`
	Kind     string            `json:"kind"`
	ID       string            `json:"id"`
	In       []byte            `json:"in"`                  // msgpack of Schema.InType, write-only attributes null
	Out      []byte            `json:"out"`                 // msgpack of Schema.OutType
	Sens     []string          `json:"sensitive,omitempty"` // paths of In that were marked sensitive
	Deps     []string          `json:"deps,omitempty"`      // direct dependencies, sorted
	ReadAt   map[string]uint64 `json:"read_at,omitempty"`   // revision of each section it was read at
	Tainted  bool              `json:"tainted,omitempty"`   // creation was left half done
	Modified time.Time         `json:"modified"`
}

// Intent is committed before a side effect and removed with its result.
// What is left over after a crash says what to look for.
type Intent struct {
	Addr   string    `json:"addr"`
	Kind   string    `json:"kind"`
	Action string    `json:"action"` // create, update, delete
	Key    string    `json:"key"`    // what Type.Find looks for
	In     []byte    `json:"in"`     // what was asked, as in Object
	Deps   []string  `json:"deps,omitempty"`
	Began  time.Time `json:"began"`
}

// Output is a root output value.
type Output struct {
	Value     []byte `json:"value"` // cty JSON with type
	Sensitive bool   `json:"sensitive,omitempty"`
}
