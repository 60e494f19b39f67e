package apply

import (
	"context"
	"sync"

	"hellolab/state"
)

// recorder commits the engine's records in the order they are handed to it.
// What waits while a commit is under way goes into the next one together.
//
// A step's result need not be durable before the steps that depend on it
// begin: whatever they write comes later in the same order, so that a crash
// leaves the records of a beginning of the apply, never a hole. What must be
// durable first is an intent, before the side effect it announces; waiting for
// it waits for everything recorded before.
type recorder struct {
	view state.View

	mu     sync.Mutex
	wake   sync.Cond
	queue  []entry
	closed bool
	err    error // of the first commit that failed; nothing is recorded after it
	ended  chan struct{}
}

type entry struct {
	write func(state.Writer) error
	done  func(error) // called in order, once it is durable or lost
}

func newRecorder(v state.View) *recorder {
	r := &recorder{view: v, ended: make(chan struct{})}
	r.wake.L = &r.mu
	go r.run()
	return r
}

// later records without waiting.
func (r *recorder) later(write func(state.Writer) error, done func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, entry{write, done})
	r.wake.Signal()
}

// now records and returns when it is durable.
func (r *recorder) now(write func(state.Writer) error) error {
	result := make(chan error, 1)
	r.later(write, func(err error) { result <- err })
	return <-result
}

// failed returns the error that stopped the recorder, if any.
func (r *recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// close returns when everything handed over is durable or lost.
func (r *recorder) close() {
	r.mu.Lock()
	r.closed = true
	r.wake.Signal()
	r.mu.Unlock()
	<-r.ended
}

func (r *recorder) run() {
	defer close(r.ended)
	for {
		r.mu.Lock()
		for len(r.queue) == 0 && !r.closed {
			r.wake.Wait()
		}
		batch, err := r.queue, r.err
		r.queue = nil
		r.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if err == nil {
			err = r.commit(batch)
		}
		for _, e := range batch {
			e.done(err)
		}
	}
}

func (r *recorder) commit(batch []entry) error {
	// An interrupt must not lose what has already happened.
	err := r.view.Commit(context.Background(), func(w state.Writer) error {
		for _, e := range batch {
			if err := e.write(w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
	}
	return err
}
