package lab

import (
	"sync"

	"hellolab/providers/event"
)

// taps are those who see events besides the lab's own sink.
type taps struct {
	mu   sync.Mutex
	next int
	open map[int]event.Sink
}

// Tap has fn see every event of the lab from now on, besides the sink that the
// lab was opened with, until stop is called. A lab without a sink emits nothing.
// fn is called from any goroutine, one event at a time.
func (l *Lab) Tap(fn event.Sink) (stop func()) {
	l.taps.mu.Lock()
	defer l.taps.mu.Unlock()
	if l.taps.open == nil {
		l.taps.open = map[int]event.Sink{}
	}
	n := l.taps.next
	l.taps.next++
	l.taps.open[n] = fn
	return func() {
		l.taps.mu.Lock()
		defer l.taps.mu.Unlock()
		delete(l.taps.open, n)
	}
}

// sink is what kinds emit to: nil where nobody listens, so that they need not
// gather what they would say.
func (l *Lab) sink() event.Sink {
	if l.opts.Emit == nil {
		return nil
	}
	return func(e event.Event) {
		l.opts.Emit(e)
		l.taps.mu.Lock()
		defer l.taps.mu.Unlock()
		for _, fn := range l.taps.open {
			fn(e)
		}
	}
}
