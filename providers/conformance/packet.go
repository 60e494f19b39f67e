package conformance

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"hellolab/providers"
)

// Bounds of what waits for the reader of one socket.
const (
	queueDatagrams = 256
	queueBytes     = 256 << 10
)

func (n *network) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	to := labAddr(net.JoinHostPort(canonical(host), strconv.Itoa(port)))
	if n.dead() {
		return nil, ErrKilled
	}
	if n.socket(to) == nil {
		if err := n.open(ctx, host); err != nil {
			return nil, err
		}
		if n.socket(to) == nil {
			return nil, fmt.Errorf("connection to %s refused", to)
		}
	}
	n.mu.Lock()
	n.clients++
	from := labAddr("client.:" + strconv.Itoa(n.clients)) // with its dot it is no host's
	n.mu.Unlock()
	return n.bind(from, to)
}

func (n *network) ListenPacket(host string, port int) (net.PacketConn, error) {
	return n.bind(labAddr(net.JoinHostPort(canonical(host), strconv.Itoa(port))), "")
}

func (n *network) bind(local, peer labAddr) (*socket, error) {
	s := &socket{net: n, local: local, peer: peer}
	s.changed = sync.NewCond(&s.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed:
		return nil, net.ErrClosed
	case n.sockets[local] != nil:
		return nil, fmt.Errorf("%s is already in use", local)
	}
	n.sockets[local] = s
	return s, nil
}

func (n *network) socket(at labAddr) *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets[at]
}

type datagram struct {
	from labAddr
	data []byte
}

// socket takes datagrams: bound to a host's port, or connected to one.
type socket struct {
	net         *network
	local, peer labAddr // peer is "" when it is bound

	mu              sync.Mutex
	changed         *sync.Cond
	queue           []datagram
	bytes           int
	closed          bool
	readBy, writeBy time.Time
	alarm           *time.Timer // wakes readers when their deadline has passed
}

func (s *socket) put(from labAddr, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.peer != "" && s.peer != from || len(s.queue) == queueDatagrams || s.bytes+len(p) > queueBytes {
		return
	}
	s.queue, s.bytes = append(s.queue, datagram{from, append([]byte(nil), p...)}), s.bytes+len(p)
	s.changed.Signal()
}

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, nil, net.ErrClosed
		case passed(s.readBy):
			return 0, nil, os.ErrDeadlineExceeded
		case len(s.queue) > 0:
			d := s.queue[0]
			s.queue, s.bytes = s.queue[1:], s.bytes-len(d.data)
			return copy(p, d.data), d.from, nil
		}
		s.changed.Wait()
	}
}

func (s *socket) WriteTo(p []byte, to net.Addr) (int, error) {
	at, ok := to.(labAddr)
	switch {
	case s.peer != "":
		return 0, net.ErrWriteToConnected
	case !ok:
		return 0, fmt.Errorf("%v is not an address of the lab's network", to)
	}
	return s.send(p, s.net.socket(at))
}

func (s *socket) Read(p []byte) (int, error) {
	n, _, err := s.ReadFrom(p)
	return n, err
}

func (s *socket) Write(p []byte) (int, error) {
	if s.peer == "" {
		return 0, fmt.Errorf("%s is connected to nobody", s.local)
	}
	there := s.net.socket(s.peer)
	n, err := s.send(p, there)
	if err == nil && there == nil {
		return 0, fmt.Errorf("connection to %s refused", s.peer)
	}
	return n, err
}

// send gives p to a socket, or to nobody where there is none.
func (s *socket) send(p []byte, there *socket) (int, error) {
	s.mu.Lock()
	closed, late := s.closed, passed(s.writeBy)
	s.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case s.net.dead():
		return 0, ErrKilled
	case late:
		return 0, os.ErrDeadlineExceeded
	case len(p) > providers.MaxDatagram:
		return 0, syscall.EMSGSIZE
	}
	if there != nil {
		there.put(s.local, p)
	}
	return len(p), nil
}

func (s *socket) Close() error {
	s.mu.Lock()
	s.closed, s.queue = true, nil
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	// Of two that close it at once, neither returns before the address is free.
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.net.sockets[s.local] == s {
		delete(s.net.sockets, s.local)
	}
	return nil
}

func (s *socket) LocalAddr() net.Addr  { return s.local }
func (s *socket) RemoteAddr() net.Addr { return s.peer }

func (s *socket) SetDeadline(t time.Time) error {
	_ = s.SetWriteDeadline(t)
	return s.SetReadDeadline(t)
}

func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readBy = t
	if s.alarm != nil {
		s.alarm.Stop()
	}
	if left := time.Until(t); !t.IsZero() && left > 0 {
		s.alarm = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
	s.changed.Broadcast()
	return nil
}

func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeBy = t
	return nil
}

// address returns the loopback address of a host: the next one of 127.10.0/24
// and what follows, in the order of the questions.
func (e *Env) address(_ context.Context, host string) (netip.Addr, error) {
	name := canonical(host)
	if _, t := e.owner(name); t == nil && !e.net.listens(name) {
		return netip.Addr{}, fmt.Errorf("%q: %w", host, providers.ErrNoHost)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a, known := e.addresses[name]
	if !known {
		n := len(e.addresses)
		a = netip.AddrFrom4([4]byte{127, 10, byte(n / 254), byte(1 + n%254)})
		e.addresses[name] = a
	}
	return a, nil
}
