package serve

import (
	"net"
	"sync"
	"sync/atomic"
)

// limiter bounds the connections that are open, or the sockets of peers. Whoever comes when it is full
// is admitted, and the connection that carried nothing the longest is closed:
// a peer that opens thousands and is silent gets in nobody's way.
type limiter struct {
	max  int
	tick atomic.Uint64 // counts accesses, a clock for "longest"

	mu     sync.Mutex
	open   map[*limited]struct{}
	closed bool
}

func newLimiter(most int) *limiter { return &limiter{max: most, open: map[*limited]struct{}{}} }

// admit returns c counted, or nil when the limiter is closed.
func (l *limiter) admit(c net.Conn) *limited {
	m := &limited{Conn: c, limiter: l}
	m.used.Store(l.tick.Add(1))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if len(l.open) >= l.max {
		l.evict()
	}
	l.open[m] = struct{}{}
	return m
}

func (l *limiter) evict() {
	var victim *limited
	oldest := ^uint64(0)
	for m := range l.open {
		if used := m.used.Load(); used < oldest {
			victim, oldest = m, used
		}
	}
	delete(l.open, victim)
	victim.Conn.Close()
}

func (l *limiter) forget(m *limited) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, m)
}

// close cuts every connection; later ones are not admitted.
func (l *limiter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for m := range l.open {
		m.Conn.Close()
	}
}

// limited is a connection that its limiter counts.
type limited struct {
	net.Conn
	limiter *limiter
	used    atomic.Uint64
}

func (m *limited) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if n > 0 {
		m.used.Store(m.limiter.tick.Add(1))
	}
	return n, err
}

func (m *limited) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	if n > 0 {
		m.used.Store(m.limiter.tick.Add(1))
	}
	return n, err
}

// CloseWrite is TCP's half-close.
func (m *limited) CloseWrite() error { return closeWrite(m.Conn) }

func (m *limited) Close() error {
	m.limiter.forget(m)
	return m.Conn.Close()
}

// limitedListener admits what it accepts.
type limitedListener struct {
	net.Listener
	limiter *limiter
}

func (l limitedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	m := l.limiter.admit(c)
	if m == nil {
		c.Close()
		return nil, net.ErrClosed
	}
	return m, nil
}
