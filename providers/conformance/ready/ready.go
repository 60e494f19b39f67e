// Package ready keeps what is dear to make from one test's lab to the next:
// labs that end give back what they were lent. No two labs that live at the same
// time have the same thing, and no lab gets one twice, so that nothing tells a
// lab that another had it before.
package ready

import "sync"

// Shelf holds things by the kind that they are of. The zero value is empty. Its
// methods are safe for concurrent use.
type Shelf[K comparable, V any] struct {
	mu   sync.Mutex
	free map[K][]V
}

// Loan is what one lab has from a shelf.
type Loan[K comparable, V any] struct {
	shelf *Shelf[K, V]
	mu    sync.Mutex
	lent  map[K][]V
	over  bool
}

// Lend begins a loan.
func (s *Shelf[K, V]) Lend() *Loan[K, V] { return &Loan[K, V]{shelf: s, lent: map[K][]V{}} }

// Take returns a thing that no lab has; ok is false when none is free.
func (l *Loan[K, V]) Take(kind K) (v V, ok bool) {
	l.shelf.mu.Lock()
	free := l.shelf.free[kind]
	if n := len(free); n > 0 {
		v, ok = free[n-1], true
		l.shelf.free[kind] = free[:n-1]
	}
	l.shelf.mu.Unlock()
	if ok {
		l.Made(kind, v)
	}
	return v, ok
}

// Made adds a thing that the lab has made for itself, for those that come later.
func (l *Loan[K, V]) Made(kind K, v V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over { // a lab that has ended uses what it makes, and nobody else does
		l.lent[kind] = append(l.lent[kind], v)
	}
}

// Return gives everything back. What the lab takes later it keeps.
func (l *Loan[K, V]) Return() {
	l.mu.Lock()
	lent := l.lent
	l.lent, l.over = nil, true
	l.mu.Unlock()
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if l.shelf.free == nil {
		l.shelf.free = map[K][]V{}
	}
	for kind, things := range lent {
		l.shelf.free[kind] = append(l.shelf.free[kind], things...)
	}
}
