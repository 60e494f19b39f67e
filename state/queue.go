package state

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// Bounds of the commit queue: callers beyond queueLength wait to enter it, and
// a batch ends when it holds this much.
const (
	queueLength   = 1024
	batchRequests = 4096
	batchBytes    = 32 << 20
)

// request is one call of Commit. The committer decides when its closure runs;
// the caller's own goroutine runs it, so that a panic or a Goexit in it is the
// caller's affair.
type request struct {
	claimed atomic.Bool  // by the committer, to run; or by the caller, to give up
	turn    chan *buffer // the committer's leave to run; closed when there is none
	ran     chan bool    // whether the closure succeeded
	done    chan error   // the outcome of the batch
}

// Commit implements View.
func (s *Store) Commit(ctx context.Context, fn func(Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{turn: make(chan *buffer, 1), ran: make(chan bool, 1), done: make(chan error, 1)}
	if err := s.admit(ctx, r); err != nil {
		return err
	}
	var b *buffer
	select {
	case b = <-r.turn:
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		b = <-r.turn
	}
	var err error
	if b != nil {
		err = r.run(b, fn)
	}
	// Wait for the batch even after an error: what fn saw may be others'
	// writes that are not durable yet.
	if failed := <-r.done; failed != nil {
		return failed
	}
	return err
}

// admit enters r into the queue.
func (s *Store) admit(ctx context.Context, r *request) error {
	s.admission.RLock()
	defer s.admission.RUnlock()
	if s.closed {
		return closedError(s.o.Path)
	}
	select {
	case s.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *request) run(b *buffer, fn func(Writer) error) (err error) {
	ok := false
	defer func() {
		b.done = true
		r.ran <- ok
	}()
	err = fn(b)
	ok = err == nil
	return err
}

// committer is the one goroutine that writes.
func (s *Store) committer() {
	defer close(s.drained)
	for r := range s.queue {
		s.batch(r)
	}
}

// batch runs the closures of first and of whoever waits behind it, one after
// the other, and makes their writes durable together.
func (s *Store) batch(first *request) {
	err := s.usable()
	var tx *bolt.Tx
	var base *txReader
	if err == nil {
		if tx, err = s.db.Begin(true); err == nil {
			base, err = newTxReader(s.o.Path, tx, s.sealer)
		}
	}
	empty := newLayer()
	acc, meta := empty, s.Meta()
	var members []*request
	succeeded := uint64(0)
	for r := first; r != nil; r = s.waiting(len(members), acc.size) {
		if !r.claimed.CompareAndSwap(false, true) {
			continue // given up
		}
		members = append(members, r)
		if err != nil {
			close(r.turn)
			continue
		}
		b := &buffer{merged: merged{base: base, layer: acc}, meta: meta}
		r.turn <- b
		if <-r.ran {
			acc, meta = b.layer, b.meta
			succeeded++
		}
	}
	changed := acc.root != nil || meta != s.Meta()
	switch {
	case tx == nil:
	case err != nil || !changed:
		err = errors.Join(err, tx.Rollback())
	default:
		err = s.write(tx, acc, meta)
	}
	if err == nil {
		s.commits.Add(succeeded)
	}
	for _, r := range members {
		r.done <- err
	}
}

// waiting returns the next request that waits, unless the batch is full.
func (s *Store) waiting(members, size int) *request {
	if members >= batchRequests || size >= batchBytes {
		return nil
	}
	select {
	case r := <-s.queue: // nil when closed
		return r
	default:
		return nil
	}
}

// usable reports why the state must not be touched any more, if so. Somebody
// who removes, replaces or cuts the file does not ask for its lock; commits
// would then go nowhere, or fault.
func (s *Store) usable() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	info, err := s.file.Stat()
	if err != nil {
		return writeError(s.o.Path, err)
	}
	if info.Size() < s.size.Load() || !samePlace(s.file, s.o.Path) {
		return s.broken(replacedError(s.o.Path))
	}
	return nil
}

// broken makes err the outcome of every later commit.
func (s *Store) broken(err error) error {
	s.failure.CompareAndSwap(nil, &err)
	return *s.failure.Load()
}

// wedge is broken, after which bbolt's locks are in an unknown state, so that
// nothing of it may be called any more.
func (s *Store) wedge(err error) error {
	s.wedged.Store(true)
	return s.broken(err)
}

// noteSize remembers how large the file is at least.
func (s *Store) noteSize() {
	if info, err := s.file.Stat(); err == nil {
		s.size.Store(info.Size())
	}
}

// write puts the writes of a batch into tx and commits it.
func (s *Store) write(tx *bolt.Tx, writes layer, meta Meta) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		// bbolt asserts its invariants by panic, and the file may be cut under
		// its map.
		if p := recover(); p != nil {
			err = s.wedge(damaged(s.o.Path, "writing it failed: %v", p))
		}
	}()
	before := uint64(tx.ID()) - 1
	meta.Writer = s.o.Writer
	next, err := s.apply(tx, writes, meta)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	s.o.fail("state:before-commit")
	if err := tx.Commit(); err != nil {
		return s.commitFailed(before, err)
	}
	s.o.fail("state:after-commit")
	s.noteSize()
	s.digest = next
	s.head.Store(&committed{meta, before + 1})
	s.batches.Add(1)
	return nil
}

// apply stages writes in tx, sealed, and returns the digest they lead to.
func (s *Store) apply(tx *bolt.Tx, writes layer, meta Meta) (digest, error) {
	d := s.digest
	records := tx.Bucket(bucketRecords)
	h := s.sealer.hasher()
	toggle := func(key, sealed []byte) error {
		e, err := h.element(key, sealed)
		if err != nil {
			return damaged(s.o.Path, "its record %q: %v", key, err)
		}
		d.toggle(e)
		return nil
	}
	for it := writes.from(""); it.peek() != nil; {
		e := it.next()
		key := []byte(e.key)
		if old := records.Get(key); old != nil {
			if err := toggle(key, old); err != nil {
				return d, err
			}
			d.Count--
		}
		if e.deleted {
			if err := records.Delete(key); err != nil {
				return d, fmt.Errorf("state: delete %q: %w", e.key, err)
			}
			continue
		}
		sealed, err := s.sealer.seal(domainRecord, e.key, e.value)
		if err != nil {
			return d, err
		}
		if err := toggle(key, sealed); err != nil {
			return d, err
		}
		d.Count++
		if err := records.Put(key, sealed); err != nil {
			return d, fmt.Errorf("state: put %q: %w", e.key, err)
		}
	}
	return d, putHead(tx, meta, s.sealer, d)
}

// putHead writes the two entries of the meta bucket.
func putHead(tx *bolt.Tx, m Meta, s *sealer, d digest) error {
	head, err := encodeHead(m, s)
	if err != nil {
		return err
	}
	sealed, err := d.seal(s, head, uint64(tx.ID()))
	if err != nil {
		return err
	}
	b := tx.Bucket(bucketMeta)
	return errors.Join(b.Put(keyHead, head), b.Put(keyDigest, sealed))
}

// commitFailed decides whether later commits may be tried after one failed.
// They may after a full disk, when the failed transaction's header did not
// reach the file: bbolt has then forgotten it. After anything else, above all
// a failed sync, what the disk holds is known only to a new open.
func (s *Store) commitFailed(before uint64, err error) error {
	told := writeError(s.o.Path, err)
	if diskFull(err) != 0 {
		var now uint64
		if verr := s.db.View(func(tx *bolt.Tx) error { now = uint64(tx.ID()); return nil }); verr == nil && now == before {
			return told
		}
	}
	return s.broken(told)
}
