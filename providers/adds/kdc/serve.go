package kdc

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
)

// Limits bound what strangers can make a server hold. The zero value is the
// default in the comments.
type Limits struct {
	Connections int           // at once, 256; one more ends the one that has waited longest
	Idle        time.Duration // between requests on a connection, 30 s
	Message     time.Duration // for one request or reply to arrive whole, 10 s
	Requests    int           // answered at once by UDP, 64; further datagrams are dropped
	PerConn     int           // requests on one connection, 1000
}

func (l Limits) filled() Limits {
	def(&l.Connections, 256)
	def(&l.Idle, 30*time.Second)
	def(&l.Message, 10*time.Second)
	def(&l.Requests, 64)
	def(&l.PerConn, 1000)
	return l
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Answer answers one message from a peer; nil is no answer.
type Answer func(ctx context.Context, message []byte, local, remote netip.Addr) []byte

// KDCAnswer is the KDC's Answer for port 88 by TCP.
func (k *KDC) KDCAnswer(ctx context.Context, message []byte, _, _ netip.Addr) []byte {
	return k.guard(func() []byte { return k.Handle(ctx, message) })
}

// PasswordAnswer is the password service's Answer for port 464.
func (k *KDC) PasswordAnswer(ctx context.Context, message []byte, local, _ netip.Addr) []byte {
	return k.guard(func() []byte { return k.HandlePassword(ctx, message, local) })
}

// guard keeps one request that makes the program fail from ending all others.
// No request is known to; the event tells of one that does.
func (k *KDC) guard(answer func() []byte) (out []byte) {
	defer func() {
		if r := recover(); r != nil {
			k.Events.Emit(event.Event{At: k.Now().UTC(), Actor: Actor, Protocol: "Kerberos", Step: "panic", Text: "A request made the KDC fail.", Outcome: event.Failed})
			out, _ = krb.NewError(krb.ErrGeneric, "").Encode(k.Realm, krb.TGS(k.Realm), k.Now())
		}
	}()
	return answer()
}

// Serve answers the connections of ln until ctx ends, which is no error, or
// ln fails. It closes ln, and returns when the last answer is given.
func Serve(ctx context.Context, ln net.Listener, answer Answer, limits Limits) error {
	s := &server{answer: answer, limits: limits.filled(), conns: map[*conn]struct{}{}, next: make(chan *conn), done: make(chan struct{})}
	defer s.wg.Wait()
	defer s.closeAll()
	defer context.AfterFunc(ctx, func() { _ = ln.Close(); s.closeAll() })()
	for {
		c, err := ln.Accept()
		if err != nil {
			_ = ln.Close()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		s.add(ctx, c)
	}
}

type server struct {
	answer Answer
	limits Limits
	wg     sync.WaitGroup
	next   chan *conn    // to a worker that has nothing to do
	done   chan struct{} // closed with closed
	mu     sync.Mutex
	conns  map[*conn]struct{}
	turn   uint64
	closed bool
}

// conn is a connection; turn says when it last had a request answered, 0 for
// one that is being answered. The watch closes it when its peer is too slow.
type conn struct {
	net.Conn
	watch   *time.Timer
	message time.Duration // for a message that has begun to arrive whole
	begun   bool          // a message has
	turn    uint64
}

// Read shortens the wait once a message has begun, so that bytes that trickle
// do not keep a connection.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.begun {
		c.begun = true
		c.watch.Reset(c.message)
	}
	return n, err
}

// buffers are for reading: most requests come with their length in one piece,
// and are read with one call of the system. They serve one connection after the
// other; a message is never a slice of one.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

func (s *server) add(ctx context.Context, c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return
	}
	if len(s.conns) >= s.limits.Connections {
		s.evict()
	}
	if len(s.conns) >= s.limits.Connections { // all are being answered
		_ = c.Close()
		return
	}
	s.turn++
	n := &conn{Conn: c, watch: time.AfterFunc(s.limits.Idle, func() { _ = c.Close() }), message: s.limits.Message, turn: s.turn}
	s.conns[n] = struct{}{}
	select {
	case s.next <- n:
	default:
		s.wg.Add(1)
		go s.work(ctx, n)
	}
}

// work serves one connection after the other. A worker keeps its stack, which
// grows to what an answer takes: to grow it anew for each connection is a
// twentieth of a ticket's time. There are at most as many workers as there were
// connections at once.
func (s *server) work(ctx context.Context, c *conn) {
	defer s.wg.Done()
	for {
		s.serve(ctx, c)
		select {
		case c = <-s.next:
		case <-s.done:
			return
		}
	}
}

// evict ends the connection that has waited longest for its peer.
func (s *server) evict() {
	var oldest *conn
	for c := range s.conns {
		if c.turn != 0 && (oldest == nil || c.turn < oldest.turn) {
			oldest = c
		}
	}
	if oldest != nil {
		delete(s.conns, oldest)
		_ = oldest.Close()
	}
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		close(s.done)
	}
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *server) mark(c *conn, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.turn = 0; !busy {
		s.turn++
		c.turn = s.turn
	}
}

func (s *server) serve(ctx context.Context, c *conn) {
	defer func() {
		c.watch.Stop()
		_ = c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	in := buffers.Get().(*bufio.Reader)
	in.Reset(c)
	defer func() {
		in.Reset(nil)
		buffers.Put(in)
	}()
	local, remote := address(c.LocalAddr()), address(c.RemoteAddr())
	for range s.limits.PerConn {
		message, err := s.read(c, in)
		var e *krb.Error
		if errors.As(err, &e) && e.Code == krb.ErrFieldTooLong {
			// RFC 4120 7.2.2: a length that cannot be is answered before the end.
			if b, err := e.Encode("", krb.Principal("krbtgt"), time.Unix(0, 0)); err == nil {
				_ = s.write(c, b)
			}
			return
		}
		if err != nil {
			return
		}
		s.mark(c, true)
		reply := s.answer(ctx, message, local, remote)
		if reply == nil || s.write(c, reply) != nil {
			return
		}
		s.mark(c, false)
	}
}

// read waits for a message to begin, and then for its end.
func (s *server) read(c *conn, in *bufio.Reader) ([]byte, error) {
	c.begun = false
	c.watch.Reset(s.limits.Idle)
	defer c.watch.Stop()
	return krb.ReadFrame(in)
}

func (s *server) write(c *conn, b []byte) error {
	c.watch.Reset(s.limits.Message)
	defer c.watch.Stop()
	return krb.WriteFrame(c, b)
}

func address(a net.Addr) netip.Addr {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok { // TCP and UDP
		return a.AddrPort().Addr().Unmap()
	}
	if a == nil {
		return netip.Addr{}
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}
