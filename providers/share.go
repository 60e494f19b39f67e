package providers

import (
	"context"
	"sync"
)

// shared is what the calls of one piece of work have opened.
type shared struct {
	mu   sync.Mutex
	held map[string]*opened
}

// opened is one thing that is shared: it is ready once the mutex can be had.
type opened struct {
	mu    sync.Mutex
	done  bool
	value any
	err   error
	close func()
}

type sharedKey struct{}

// Sharing returns a context under which calls share what they open with Share,
// until end closes it: a plan reads a thousand objects of one directory and signs
// in to it once. The work must be of one lab, and over when end is called.
func Sharing(ctx context.Context) (_ context.Context, end func()) {
	s := &shared{held: map[string]*opened{}}
	return context.WithValue(ctx, sharedKey{}, s), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, o := range s.held {
			o.mu.Lock()
			if o.close != nil {
				o.close()
			}
			o.mu.Unlock()
		}
		clear(s.held)
	}
}

// Share returns what name stands for, opened by the first who asks for it: under
// Sharing it is everybody's, and must be safe for concurrent use; else the
// caller's own. An error is shared, too: who asks in vain asks once. release is
// never nil, and to be called when the caller is done.
func Share[T any](ctx context.Context, name string, open func(context.Context) (T, error), close func(T)) (v T, release func(), err error) {
	s, ok := ctx.Value(sharedKey{}).(*shared)
	if !ok {
		if v, err = open(ctx); err != nil {
			return v, func() {}, err
		}
		return v, func() { close(v) }, nil
	}
	s.mu.Lock()
	o := s.held[name]
	if o == nil {
		o = &opened{}
		s.held[name] = o
	}
	s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done {
		opened, err := open(ctx)
		if err != nil && ctx.Err() != nil {
			return v, func() {}, err // it is this caller's work that ended
		}
		o.done, o.value, o.err = true, opened, err
		if err == nil {
			o.close = func() { close(opened) }
		}
	}
	if o.err != nil {
		return v, func() {}, o.err
	}
	return o.value.(T), func() {}, nil
}
