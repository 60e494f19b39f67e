package graph

import (
	"context"
	"slices"
	"sync"
)

// Walked is what became of a walk. Vertices in none of its lists were done.
type Walked struct {
	Failed  []Failure // in the order they failed
	Skipped []int32   // not begun: something before them failed; ascending
	Left    []int32   // not begun: the context ended first; ascending
}

// Failure is a vertex and the error of its function.
type Failure struct {
	Vertex int32
	Err    error
}

// Walk calls fn once for every vertex, each after all that come before it, at
// most workers at a time; of the vertices that are ready the smallest goes
// first. When fn fails, what is running finishes, what depends on the failed
// vertex is skipped, and everything else goes on. When ctx ends, no further
// vertex begins. Walk returns when nothing runs any more.
//
// The graph must have no cycle: the vertices of one would never be ready and
// are reported as left.
func (g *Graph) Walk(ctx context.Context, workers int, fn func(context.Context, int32) error) Walked {
	g.build()
	w := walk{g: g, waits: g.indegrees(), state: make([]state, g.n)}
	w.wake.L = &w.mu
	for v := range int32(g.n) {
		if w.waits[v] == 0 {
			w.ready = append(w.ready, v)
		}
	}
	var pool sync.WaitGroup
	for range max(1, min(workers, g.n)) {
		pool.Go(func() { w.work(ctx, fn) })
	}
	pool.Wait()
	for v, s := range w.state {
		switch s {
		case waiting:
			w.result.Left = append(w.result.Left, int32(v))
		case skipped:
			w.result.Skipped = append(w.result.Skipped, int32(v))
		}
	}
	return w.result
}

type state uint8

const (
	waiting state = iota
	begun
	skipped
)

type walk struct {
	g *Graph

	mu      sync.Mutex
	wake    sync.Cond
	ready   heap
	running int
	waits   []int32 // vertices that must still finish before this one
	state   []state
	result  Walked
}

func (w *walk) work(ctx context.Context, fn func(context.Context, int32) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.ready) == 0 && w.running > 0 {
			w.wake.Wait()
		}
		if len(w.ready) == 0 || ctx.Err() != nil {
			w.wake.Broadcast()
			return
		}
		v := w.ready.pop()
		w.state[v] = begun
		w.running++
		w.mu.Unlock()
		err := fn(ctx, v)
		w.mu.Lock()
		w.running--
		if err != nil {
			w.result.Failed = append(w.result.Failed, Failure{v, err})
			w.skip(v)
		} else {
			w.release(v)
		}
		if w.running == 0 || len(w.ready) > 1 {
			w.wake.Broadcast()
		} else if len(w.ready) == 1 {
			w.wake.Signal()
		}
	}
}

// release makes ready what waited for v alone.
func (w *walk) release(v int32) {
	for _, next := range w.g.Successors(v) {
		if w.waits[next]--; w.waits[next] == 0 && w.state[next] == waiting {
			w.ready.push(next)
		}
	}
}

// skip marks everything behind v. None of it can have begun: it waits for v.
func (w *walk) skip(v int32) {
	stack := slices.Clone(w.g.Successors(v))
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if w.state[next] == waiting {
			w.state[next] = skipped
			stack = append(stack, w.g.Successors(next)...)
		}
	}
}
