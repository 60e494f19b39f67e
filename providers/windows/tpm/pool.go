package tpm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hellolab/providers/windows/tpm/worker"
)

// Options configure a Pool.
type Options struct {
	// Command starts the program again as a worker: its first argument is
	// worker.Word. Standard streams are the pool's to set.
	Command func() *exec.Cmd
	Workers int       // at work at the same time; 0 means one more than there are processors
	Hosts   int       // processes at most, each with the TPM up that it ran last; 0 means 12
	Ahead   int       // TPMs baked ahead at most; 0 means 32
	Rand    io.Reader // names of images; nil means crypto/rand
	Log     *slog.Logger

	// Shelf, when set, is asked for a TPM before one is baked.
	Shelf Shelf
}

// Shelf has TPMs that were baked before. It gives each to one pool only, and
// once. Its methods are safe for concurrent use.
type Shelf interface {
	Take() *Baked // nil: none is there
	Made(*Baked)  // the pool has baked one
}

// Pool runs the TPMs of all devices on a few worker processes. Few of them work
// at a time, one more than there are processors, so that no processor idles
// while a worker waits for its next command. More may be there, each with a
// device's TPM up: to take another device's costs some 2 ms. Its methods are safe for concurrent use.
type Pool struct {
	o     Options
	slots chan struct{} // one token for each worker at work

	mu       sync.Mutex
	closed   bool
	idle     []*process // least recently used first
	running  int
	names    map[string]*nameLock
	baked    []*Baked
	baking   int
	expected int // TPMs that Expect announced and Take has not taken
	bakers   sync.WaitGroup
	keys     atomic.Int64 // RSA keys created
}

type nameLock struct {
	token chan struct{}
	users int
}

// ErrClosed is what a closed pool answers.
var ErrClosed = errors.New("tpm pool is closed")

// NewPool returns a pool. It starts no process before one is needed.
func NewPool(o Options) *Pool {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0) + 1
	}
	if o.Hosts <= 0 {
		o.Hosts = 12
	}
	o.Hosts = max(o.Hosts, o.Workers)
	if o.Ahead <= 0 {
		o.Ahead = 32
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Pool{o: o, slots: make(chan struct{}, o.Workers), names: map[string]*nameLock{}}
}

// Available returns an error when this build cannot run a TPM, naming device.
func Available(device string) error {
	if worker.Available() {
		return nil
	}
	return fmt.Errorf("%s has a TPM, and %w; set tpm = \"none\" to run it with software keys", device, worker.ErrNoSimulator)
}

// Level is how much lies ready.
type Level struct {
	Baked   int // manufactured TPMs with their keys
	Baking  int
	Workers int // processes that run
	Keys    int // RSA keys that were created so far
}

// Level reports what lies ready.
func (p *Pool) Level() Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Level{Baked: len(p.baked), Baking: p.baking, Workers: p.running, Keys: int(p.keys.Load())}
}

// Close ends the workers. What is not saved is not lost: every change of a TPM
// was saved before its answer was given.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.stop()
		p.gone()
	}
	p.bakers.Wait()
	return nil
}

func (p *Pool) gone() {
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
}

// acquire returns a worker for the goroutine's own use; see pick.
func (p *Pool) acquire(ctx context.Context, v version) (*process, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w, err := p.pick(v)
	if err != nil {
		<-p.slots
	}
	return w, err
}

// pick takes the worker that holds v; else one that holds nothing, a new one
// while there may be more, or the one whose TPM was not used for longest.
func (p *Pool) pick(v version) (*process, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	at := slices.IndexFunc(p.idle, func(w *process) bool { return w.resident == v })
	if at < 0 && v != (version{}) {
		at = slices.IndexFunc(p.idle, func(w *process) bool { return w.resident == version{} })
	}
	if at < 0 && p.running >= p.o.Hosts {
		at = 0
	}
	if at >= 0 {
		w := p.idle[at]
		p.idle = slices.Delete(p.idle, at, at+1)
		p.mu.Unlock()
		return w, nil
	}
	p.running++
	p.mu.Unlock()
	w, err := start(p.o.Command(), &p.keys)
	if err != nil {
		p.gone()
		return nil, err
	}
	return w, nil
}

// release gives a worker back; a dead one is replaced when next needed.
func (p *Pool) release(w *process) {
	p.mu.Lock()
	switch {
	case w.dead:
		p.running--
	case p.closed:
		p.running--
		defer w.stop()
	default:
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	<-p.slots
	p.pump()
}

// lock serializes the users of one device's TPM.
func (p *Pool) lock(ctx context.Context, name string) (unlock func(), err error) {
	p.mu.Lock()
	l := p.names[name]
	if l == nil {
		l = &nameLock{token: make(chan struct{}, 1)}
		p.names[name] = l
	}
	l.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		if l.users--; l.users == 0 {
			delete(p.names, name)
		}
		p.mu.Unlock()
	}
	select {
	case l.token <- struct{}{}:
		return func() { <-l.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// Idle reports whether no worker has anything to do, and no TPM is expected that
// is not baked: the moment for work that could as well wait.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots) == 0 && p.expected <= len(p.baked)
}

func (p *Pool) newVersion() (v version, err error) {
	if _, err := io.ReadFull(p.o.Rand, v[:]); err != nil {
		return v, fmt.Errorf("name a TPM image: %w", err)
	}
	return v, nil
}

// Expect announces that n TPMs will be taken. Workers without work bake them
// ahead, within Options.Ahead.
func (p *Pool) Expect(n int) {
	p.mu.Lock()
	p.expected += n
	p.mu.Unlock()
	p.pump()
}

// pump bakes ahead on workers that are free at this moment.
func (p *Pool) pump() {
	for {
		p.mu.Lock()
		want := min(p.expected, p.o.Ahead) - len(p.baked) - p.baking
		if p.closed || want <= 0 {
			p.mu.Unlock()
			return
		}
		select {
		case p.slots <- struct{}{}:
		default:
			p.mu.Unlock()
			return
		}
		p.baking++
		p.bakers.Add(1)
		p.mu.Unlock()
		go p.bakeAhead()
	}
}

func (p *Pool) bakeAhead() {
	defer p.bakers.Done()
	b := p.shelved()
	var w *process
	var err error
	if b == nil {
		if w, err = p.pick(version{}); err == nil {
			b, err = p.bake(w)
		}
	}
	p.mu.Lock()
	p.baking--
	if err != nil {
		p.expected = 0 // whoever takes one meets the same error, and reports it
	} else {
		p.baked = append(p.baked, b)
	}
	p.mu.Unlock()
	if err != nil {
		p.o.Log.Debug("baking a TPM ahead failed", "error", err)
	}
	if w != nil {
		p.release(w)
	} else {
		<-p.slots
		p.pump()
	}
}

// shelved returns a TPM from the shelf, or nil.
func (p *Pool) shelved() *Baked {
	if p.o.Shelf == nil {
		return nil
	}
	return p.o.Shelf.Take()
}

// Take returns a manufactured TPM that no other device has: one baked ahead,
// or one made now. Its image is dated now.
func (p *Pool) Take(ctx context.Context, now time.Time) (*Baked, error) {
	p.mu.Lock()
	p.expected = max(0, p.expected-1)
	var b *Baked
	if n := len(p.baked); n > 0 {
		b, p.baked = p.baked[n-1], p.baked[:n-1]
	}
	p.mu.Unlock()
	if b == nil {
		b = p.shelved()
	}
	if b == nil {
		w, err := p.acquire(ctx, version{})
		if err != nil {
			return nil, err
		}
		b, err = p.bake(w)
		p.release(w)
		if err != nil {
			return nil, err
		}
	} else {
		p.pump()
	}
	b.date(now)
	return b, nil
}
