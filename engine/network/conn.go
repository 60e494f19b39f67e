package network

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// window is how many bytes of one direction wait for the reader before the
// writer does: a TCP window, so that neither end can fill the memory.
const window = 64 << 10

// stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex
	buf     []byte
	changed chan struct{} // made by whoever waits, closed when it should look again; nil: nobody waits
	closed  bool          // no more bytes come in
	reset   bool          // nobody reads any more
}

func newStream() *stream { return &stream{} }

// wake lets everyone who waits look again; the caller holds mu.
func (s *stream) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait returns what the next wake closes; the caller holds mu.
func (s *stream) wait() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *stream) read(p []byte, late *deadline) (int, error) {
	for {
		if late.passed() {
			return 0, os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		switch {
		case s.reset:
			s.mu.Unlock()
			return 0, net.ErrClosed
		case len(s.buf) > 0:
			n := copy(p, s.buf)
			if s.buf = s.buf[n:]; len(s.buf) == 0 {
				s.buf = nil
			}
			s.wake()
			s.mu.Unlock()
			return n, nil
		case s.closed:
			s.mu.Unlock()
			return 0, io.EOF
		case len(p) == 0:
			s.mu.Unlock()
			return 0, nil
		}
		changed := s.wait()
		s.mu.Unlock()
		select {
		case <-changed:
		case <-late.wait():
		}
	}
}

func (s *stream) write(p []byte, late *deadline) (n int, err error) {
	for len(p) > 0 {
		if late.passed() {
			return n, os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		if s.closed || s.reset {
			s.mu.Unlock()
			return n, io.ErrClosedPipe
		}
		if room := window - len(s.buf); room > 0 {
			k := min(room, len(p))
			s.buf = append(s.buf, p[:k]...)
			p, n = p[k:], n+k
			s.wake()
			s.mu.Unlock()
			continue
		}
		changed := s.wait()
		s.mu.Unlock()
		select {
		case <-changed:
		case <-late.wait():
		}
	}
	return n, nil
}

// close ends the direction: the writer's side lets waiting bytes be read, the
// reader's (drop) throws them away and fails the writer.
func (s *stream) close(drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if drop {
		s.reset, s.buf = true, nil
	}
	s.wake()
}

// deadline is a settable point in wall time, as net.Conn has one per direction.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{} // closed when the point has passed
}

func newDeadline() *deadline { return &deadline{done: make(chan struct{})} }

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.done:
		d.done = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	done := d.done
	once := sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.done == done {
			close(done)
		}
	})
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, once)
		return
	}
	close(done)
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *deadline) passed() bool {
	select {
	case <-d.wait():
		return true
	default:
		return false
	}
}

// conn is one end of a connection in memory.
type conn struct {
	in, out      *stream
	rlate, wlate *deadline
	local, peer  Addr
	closed       func() // tells the network, once
}

// pipe returns the two ends of a connection.
func pipe(client, server Addr, closed func(*conn)) (c, s *conn) {
	up, down := newStream(), newStream()
	c = &conn{in: down, out: up, rlate: newDeadline(), wlate: newDeadline(), local: client, peer: server}
	s = &conn{in: up, out: down, rlate: newDeadline(), wlate: newDeadline(), local: server, peer: client}
	c.closed = sync.OnceFunc(func() { closed(c) })
	s.closed = sync.OnceFunc(func() { closed(s) })
	return c, s
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p, c.rlate) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p, c.wlate) }

func (c *conn) Close() error {
	c.out.close(false)
	c.in.close(true)
	c.rlate.set(time.Time{})
	c.wlate.set(time.Time{})
	c.closed()
	return nil
}

// CloseWrite is half-close: the peer reads what was written and then the end,
// and may go on writing.
func (c *conn) CloseWrite() error {
	c.out.close(false)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.peer }

func (c *conn) SetDeadline(t time.Time) error {
	c.rlate.set(t)
	c.wlate.set(t)
	return nil
}
func (c *conn) SetReadDeadline(t time.Time) error  { c.rlate.set(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.wlate.set(t); return nil }
