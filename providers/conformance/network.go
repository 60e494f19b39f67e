package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// network implements providers.Network in memory.
type network struct {
	open func(ctx context.Context, host string) error
	dead func() bool

	mu        sync.Mutex
	listeners map[string]*listener // by "host:port"
	conns     map[*end]struct{}
	sockets   map[labAddr]*socket // by local address
	clients   int                 // numbers the sockets of DialPacket
	closed    bool
}

func newNetwork(open func(context.Context, string) error) *network {
	return &network{open: open, dead: func() bool { return false },
		listeners: map[string]*listener{}, conns: map[*end]struct{}{}, sockets: map[labAddr]*socket{}}
}

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

func sameHost(a, b string) bool { return canonical(a) == canonical(b) }

func (n *network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	at := net.JoinHostPort(canonical(host), strconv.Itoa(port))
	if n.dead() {
		return nil, ErrKilled
	}
	l := n.at(at)
	if l == nil {
		if err := n.open(ctx, host); err != nil {
			return nil, err
		}
		if l = n.at(at); l == nil {
			return nil, fmt.Errorf("connection to %s refused", at)
		}
	}
	client, server := n.pipe(at)
	select {
	case l.queue <- server:
		return client, nil
	case <-l.done:
		return nil, fmt.Errorf("connection to %s refused", at)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Listen(host string, port int) (net.Listener, error) {
	at := net.JoinHostPort(canonical(host), strconv.Itoa(port))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	if n.listeners[at] != nil {
		return nil, fmt.Errorf("%s is already in use", at)
	}
	l := &listener{net: n, addr: at, queue: make(chan net.Conn, 64), done: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

func (n *network) at(addr string) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[addr]
}

// close cuts every connection and closes every socket.
func (n *network) close() {
	n.mu.Lock()
	conns, sockets := n.conns, n.sockets
	n.closed, n.conns, n.sockets = true, map[*end]struct{}{}, map[labAddr]*socket{}
	n.mu.Unlock()
	for c := range conns {
		c.Close()
	}
	for _, s := range sockets {
		s.Close()
	}
}

// listens reports whether somebody listens on a host.
func (n *network) listens(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for at := range n.listeners {
		if on, _, _ := net.SplitHostPort(at); on == host {
			return true
		}
	}
	for at, s := range n.sockets {
		if on, _, _ := net.SplitHostPort(string(at)); s.peer == "" && on == host {
			return true
		}
	}
	return false
}

type listener struct {
	net   *network
	addr  string
	queue chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		close(l.done)
		l.net.mu.Unlock()
		for {
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return labAddr(l.addr) }

type labAddr string

func (labAddr) Network() string  { return "lab" }
func (a labAddr) String() string { return string(a) }

// pipe returns the ends of a connection. Unlike net.Pipe it buffers: TLS peers
// that close at the same time must not wait for each other.
func (n *network) pipe(to string) (client, server *end) {
	up, down := newFlow(), newFlow()
	client = &end{net: n, in: down, out: up, local: "client:0", remote: labAddr(to)}
	server = &end{net: n, in: up, out: down, local: labAddr(to), remote: "client:0"}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[client], n.conns[server] = struct{}{}, struct{}{}
	return client, server
}

// end is one end of a connection.
type end struct {
	net           *network
	in, out       *flow
	local, remote labAddr
}

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }

func (e *end) Close() error {
	e.in.shut(true)
	e.out.shut(false)
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	delete(e.net.conns, e)
	return nil
}

func (e *end) LocalAddr() net.Addr  { return e.local }
func (e *end) RemoteAddr() net.Addr { return e.remote }

func (e *end) SetDeadline(t time.Time) error {
	e.in.expire(&e.in.readBy, t)
	e.out.expire(&e.out.writeBy, t)
	return nil
}
func (e *end) SetReadDeadline(t time.Time) error  { e.in.expire(&e.in.readBy, t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { e.out.expire(&e.out.writeBy, t); return nil }

// flow is one direction: at most window bytes wait for the reader.
type flow struct {
	mu              sync.Mutex
	changed         *sync.Cond
	buf             []byte
	ended, broken   bool // no more comes; nobody reads
	readBy, writeBy time.Time
	alarm           *time.Timer // wakes who waits when a deadline has passed
}

const window = 64 << 10

func newFlow() *flow {
	f := &flow{}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.broken:
			return 0, net.ErrClosed
		case passed(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(f.buf) > 0 || len(p) == 0:
			k := copy(p, f.buf)
			f.buf = f.buf[k:]
			f.changed.Broadcast()
			return k, nil
		case f.ended:
			return 0, io.EOF
		}
		f.changed.Wait()
	}
}

func (f *flow) write(p []byte) (done int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(p) > 0 {
		room := window - len(f.buf)
		switch {
		case f.ended || f.broken:
			return done, io.ErrClosedPipe
		case passed(f.writeBy):
			return done, os.ErrDeadlineExceeded
		case room > 0:
			k := min(room, len(p))
			f.buf = append(f.buf, p[:k]...)
			p, done = p[k:], done+k
			f.changed.Broadcast()
		default:
			f.changed.Wait()
		}
	}
	return done, nil
}

func (f *flow) shut(byReader bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.broken = f.broken || byReader
	f.readBy, f.writeBy = time.Time{}, time.Time{} // what is read now is what came, or the end
	f.arm()
	f.changed.Broadcast()
}

func (f *flow) expire(by *time.Time, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*by = t
	f.changed.Broadcast()
	f.arm()
}

// arm sets the alarm to the next deadline that is ahead.
func (f *flow) arm() {
	var next time.Duration
	for _, by := range []time.Time{f.readBy, f.writeBy} {
		if left := time.Until(by); !by.IsZero() && left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	switch {
	case f.alarm == nil && next > 0:
		f.alarm = time.AfterFunc(next, f.wake)
	case f.alarm != nil && next > 0:
		f.alarm.Reset(next)
	case f.alarm != nil:
		f.alarm.Stop()
	}
}

func (f *flow) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
	f.arm()
}

func passed(t time.Time) bool { return !t.IsZero() && time.Until(t) <= 0 }
