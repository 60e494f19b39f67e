package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"hellolab/providers"
)

// Bounds of what waits for the reader of one socket, as a system's receive
// buffer has them: what comes on top is lost.
const (
	queueDatagrams = 256
	queueBytes     = 256 << 10
)

// client is the address of a socket that DialPacket returned, which no name of
// the lab can be.
type client int

func (client) Network() string  { return "lab" }
func (c client) String() string { return net.JoinHostPort("client", strconv.Itoa(int(c))) }

// DialPacket returns a datagram socket connected to host and port, opening the
// owner of host if need be. The socket is a net.PacketConn, too, as Go's UDP
// sockets are.
func (n *Network) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	to := Addr{Host: Canonical(host), Port: port}
	if _, _, err := n.weatherAt(to); err != nil { // slowness is of streams alone
		return nil, err
	}
	bound, err := n.listensPacket(to)
	if err != nil {
		return nil, err
	}
	if !bound {
		if err := n.open(ctx, to.Host); err != nil {
			return nil, err
		}
		if bound, err = n.listensPacket(to); err != nil {
			return nil, err
		}
		if !bound {
			return nil, ErrRefused{to}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	n.clients++
	s := newSocket(n, client(n.clients), to)
	n.sockets[s.local] = s
	return s, nil
}

// ListenPacket binds host and port for datagrams.
func (n *Network) ListenPacket(host string, port int) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	at := Addr{Host: Canonical(host), Port: port}
	if _, taken := n.sockets[at]; taken {
		return nil, fmt.Errorf("%s is already in use for datagrams in the lab", at)
	}
	s := newSocket(n, at, nil)
	n.sockets[at] = s
	return s, nil
}

// ListeningPacket returns the addresses that somebody listens on for datagrams
// now, in order.
func (n *Network) ListeningPacket() []Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	var bound []Addr
	for at := range n.sockets {
		if at, ok := at.(Addr); ok {
			bound = append(bound, at)
		}
	}
	return sorted(bound)
}

func (n *Network) listensPacket(at Addr) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false, net.ErrClosed
	}
	return n.sockets[at] != nil, nil
}

func (n *Network) socket(at net.Addr) *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets[at]
}

// unbind takes s off the network.
func (n *Network) unbind(s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[s.local] == s {
		delete(n.sockets, s.local)
	}
}

// datagram is one that waits for its reader.
type datagram struct {
	from net.Addr
	data []byte
}

// socket is one end that takes datagrams: bound to a host's port, or connected
// to one.
type socket struct {
	net          *Network
	local        net.Addr // Addr or client
	peer         net.Addr // whom it is connected to; nil when it is bound
	rlate, wlate *deadline

	mu      sync.Mutex
	queue   []datagram
	bytes   int           // in queue
	changed chan struct{} // closed and replaced whenever a reader should look again
	closed  bool
}

func newSocket(n *Network, local, peer net.Addr) *socket {
	return &socket{net: n, local: local, peer: peer, rlate: newDeadline(), wlate: newDeadline(), changed: make(chan struct{})}
}

// put queues a datagram if there is room, and if it comes from the peer of a
// connected socket.
func (s *socket) put(from net.Addr, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.peer != nil && s.peer != from || len(s.queue) >= queueDatagrams || s.bytes+len(p) > queueBytes {
		return
	}
	s.queue = append(s.queue, datagram{from, append([]byte(nil), p...)})
	s.bytes += len(p)
	if len(s.queue) == 1 {
		s.wake()
	}
}

// wake lets everyone who waits look again; the caller holds mu.
func (s *socket) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// ReadFrom waits for a datagram; what p has no room for is lost.
func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if s.rlate.passed() {
			return 0, nil, os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return 0, nil, net.ErrClosed
		}
		if len(s.queue) > 0 {
			d := s.queue[0]
			s.queue[0] = datagram{}
			s.queue, s.bytes = s.queue[1:], s.bytes-len(d.data)
			s.mu.Unlock()
			return copy(p, d.data), d.from, nil
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.rlate.wait():
		}
	}
}

// WriteTo sends a datagram to where one came from.
func (s *socket) WriteTo(p []byte, to net.Addr) (int, error) {
	if s.peer != nil {
		return 0, net.ErrWriteToConnected
	}
	if err := s.sendable(p); err != nil {
		return 0, err
	}
	switch to.(type) {
	case Addr, client:
	default:
		return 0, fmt.Errorf("%v is not an address of the lab's network", to)
	}
	if there := s.net.socket(to); there != nil {
		there.put(s.local, p)
	}
	return len(p), nil
}

// sendable says why p cannot be sent now.
func (s *socket) sendable(p []byte) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return net.ErrClosed
	case s.wlate.passed():
		return os.ErrDeadlineExceeded
	case len(p) > providers.MaxDatagram:
		return syscall.EMSGSIZE
	}
	return nil
}

func (s *socket) Read(p []byte) (int, error) {
	n, _, err := s.ReadFrom(p)
	return n, err
}

// Write sends a datagram to the peer. Nobody there is known at once, as by
// ICMP: ErrRefused.
func (s *socket) Write(p []byte) (int, error) {
	to, connected := s.peer.(Addr)
	if !connected {
		return 0, fmt.Errorf("%s is connected to nobody", s.local)
	}
	if err := s.sendable(p); err != nil {
		return 0, err
	}
	there := s.net.socket(to)
	if there == nil {
		return 0, ErrRefused{to}
	}
	there.put(s.local, p)
	return len(p), nil
}

func (s *socket) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed, s.queue, s.bytes = true, nil, 0
		s.wake()
	}
	s.mu.Unlock()
	s.rlate.set(time.Time{})
	s.wlate.set(time.Time{})
	s.net.unbind(s) // of two that close it at once, neither returns before the address is free
	return nil
}

func (s *socket) LocalAddr() net.Addr { return s.local }

// RemoteAddr is the peer of a connected socket, and nil of a bound one.
func (s *socket) RemoteAddr() net.Addr { return s.peer }

func (s *socket) SetDeadline(t time.Time) error {
	s.rlate.set(t)
	s.wlate.set(t)
	return nil
}
func (s *socket) SetReadDeadline(t time.Time) error  { s.rlate.set(t); return nil }
func (s *socket) SetWriteDeadline(t time.Time) error { s.wlate.set(t); return nil }
