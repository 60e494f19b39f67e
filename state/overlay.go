package state

import (
	"context"
	"sync"
	"sync/atomic"
)

// Base is what an Overlay stands on: one consistent, unchanging state. Its
// Reader methods are safe for concurrent use.
type Base interface {
	Reader
	Meta() Meta
	Close() error
}

// Overlay is a View whose reads fall through to a snapshot and whose writes
// stay in memory. Plans, checks and tests run on one each: making it costs
// nothing, and nothing outlives it.
type Overlay struct {
	base Base
	mu   sync.Mutex // one closure at a time
	now  atomic.Pointer[version]
}

// version is one state of an overlay; it never changes.
type version struct {
	layer layer
	meta  Meta
}

var _ View = (*Overlay)(nil)

// NewOverlay returns an overlay on base, which it owns: Close closes it.
func NewOverlay(base Base) *Overlay {
	o := &Overlay{base: base}
	o.now.Store(&version{layer: newLayer(), meta: base.Meta()})
	return o
}

// Meta implements View.
func (o *Overlay) Meta() Meta { return o.now.Load().meta }

// Version changes with every commit, before it returns. It is compared with ==.
func (o *Overlay) Version() any { return o.now.Load() }

// Read implements View. fn sees the overlay as it is now; commits made
// meanwhile do not show.
func (o *Overlay) Read(fn func(Reader) error) error {
	return fn(&merged{base: o.base, layer: o.now.Load().layer})
}

// Commit implements View.
func (o *Overlay) Commit(ctx context.Context, fn func(Writer) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	v := o.now.Load()
	w := &buffer{merged: merged{base: o.base, layer: v.layer}, meta: v.meta}
	defer func() { w.done = true }()
	if err := fn(w); err != nil {
		return err
	}
	o.now.Store(&version{layer: w.layer, meta: w.meta})
	return nil
}

// Snapshot returns the overlay as it is now, to stand another overlay on. It
// is valid until the overlay is closed; closing it does nothing.
func (o *Overlay) Snapshot() Base {
	v := o.now.Load()
	return &frozen{merged: merged{base: o.base, layer: v.layer}, meta: v.meta}
}

// Close gives the base back.
func (o *Overlay) Close() error { return o.base.Close() }

type frozen struct {
	merged
	meta Meta
}

func (f *frozen) Meta() Meta   { return f.meta }
func (f *frozen) Close() error { return nil }

// Empty returns a state without records, for a lab that has none yet.
func Empty(m Meta) Base { return empty{m} }

type empty struct{ meta Meta }

func (empty) Get(bucket, _ string) ([]byte, bool, error) { return nil, false, checkBucket(bucket) }
func (empty) Scan(bucket, _ string, _ func(string, []byte) error) error {
	return checkBucket(bucket)
}
func (empty) Buckets(string) ([]string, error) { return nil, nil }
func (e empty) Meta() Meta                     { return e.meta }
func (empty) Close() error                     { return nil }
