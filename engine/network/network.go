// Package network is the lab's network: names, and byte streams and datagrams
// between them, in memory. It opens the owner of a host when somebody dials it
// first, so a plan or a check pays only for the systems it touches, and nothing
// of a lab is reachable from outside the process.
//
// Connections behave as TCP does where it matters to protocols: bytes in
// order, a bounded window, half-close, deadlines, resets. They do not lose,
// delay or reorder. Datagrams behave as UDP's: whole, bounded in size, and
// lost when the receiver's bounded queue is full; they are neither delayed nor
// reordered. The contract is that of providers.Network.
package network

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// backlog is how many connections wait for Accept before Dial does.
const backlog = 128

// Addr is a host and port of the lab.
type Addr struct {
	Host string
	Port int
}

func (Addr) Network() string  { return "lab" }
func (a Addr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// Opener makes the owner of a host listen. It is called before every dial of
// an address nobody listens on, and answers ErrNoHost for a name no object has.
type Opener func(ctx context.Context, host string) error

// ErrNoHost is a name that no object of the lab answers on.
type ErrNoHost struct{ Host string }

func (e ErrNoHost) Error() string { return fmt.Sprintf("no host named %q in the lab", e.Host) }

// ErrRefused is a host of the lab on which nothing listens at that port.
type ErrRefused struct{ Addr Addr }

func (e ErrRefused) Error() string { return fmt.Sprintf("connection to %s refused", e.Addr) }

// Network is one lab's network. The zero value is not usable; see New.
type Network struct {
	open Opener

	mu        sync.Mutex
	listeners map[Addr]*listener
	conns     map[*conn]struct{}
	sockets   map[net.Addr]*socket // by local address
	clients   int                  // numbers client ends
	weather   Weather              // nil: fair
	closed    bool
}

// New returns a network on which nobody listens yet.
func New(open Opener) *Network {
	return &Network{open: open, listeners: map[Addr]*listener{}, conns: map[*conn]struct{}{}, sockets: map[net.Addr]*socket{}}
}

// Dial connects to host and port, opening the owner of host if need be.
func (n *Network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	return n.through(ctx, Addr{Host: Canonical(host), Port: port}, n.dial)
}

func (n *Network) dial(ctx context.Context, to Addr) (net.Conn, error) {
	l, err := n.listener(to)
	if err != nil {
		return nil, err
	}
	if l == nil {
		if err := n.open(ctx, to.Host); err != nil {
			return nil, err
		}
		if l, err = n.listener(to); err != nil {
			return nil, err
		}
		if l == nil {
			return nil, ErrRefused{to}
		}
	}
	client, server, err := n.connect(to)
	if err != nil {
		return nil, err
	}
	select {
	case l.queue <- server:
		return client, nil
	case <-l.done:
		err = ErrRefused{to}
	case <-ctx.Done():
		err = ctx.Err()
	}
	client.Close()
	server.Close()
	return nil, err
}

// Listen binds host and port.
func (n *Network) Listen(host string, port int) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	at := Addr{Host: Canonical(host), Port: port}
	if _, taken := n.listeners[at]; taken {
		return nil, fmt.Errorf("%s is already in use in the lab", at)
	}
	l := &listener{addr: at, queue: make(chan *conn, backlog), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { n.unlisten(l) })
	n.listeners[at] = l
	return l, nil
}

// Listening returns the addresses that somebody listens on for streams now, in order.
func (n *Network) Listening() []Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return sorted(slices.Collect(maps.Keys(n.listeners)))
}

// Knows reports whether somebody listens on a host now.
func (n *Network) Knows(host string) bool {
	host = Canonical(host)
	n.mu.Lock()
	defer n.mu.Unlock()
	for at := range n.listeners {
		if at.Host == host {
			return true
		}
	}
	for at := range n.sockets {
		if at, bound := at.(Addr); bound && at.Host == host {
			return true
		}
	}
	return false
}

func sorted(list []Addr) []Addr {
	slices.SortFunc(list, func(a, b Addr) int { return cmp.Or(strings.Compare(a.Host, b.Host), a.Port-b.Port) })
	return list
}

// Close ends every listener, connection and socket.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	var ends []interface{ Close() error }
	for _, l := range n.listeners {
		ends = append(ends, l)
	}
	for c := range n.conns {
		ends = append(ends, c)
	}
	for _, s := range n.sockets {
		ends = append(ends, s)
	}
	n.mu.Unlock()
	for _, e := range ends {
		e.Close()
	}
	return nil
}

func (n *Network) listener(at Addr) (*listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	return n.listeners[at], nil
}

func (n *Network) connect(to Addr) (client, server *conn, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, nil, net.ErrClosed
	}
	n.clients++
	client, server = pipe(Addr{Host: "client", Port: n.clients}, to, n.forget)
	n.conns[client] = struct{}{}
	n.conns[server] = struct{}{}
	return client, server, nil
}

func (n *Network) forget(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

// unlisten takes l off the network and resets the connections nobody accepted.
func (n *Network) unlisten(l *listener) {
	n.mu.Lock()
	delete(n.listeners, l.addr)
	close(l.done)
	n.mu.Unlock()
	for {
		select {
		case c := <-l.queue:
			c.Close()
		default:
			return
		}
	}
}

// listener is one bound address.
type listener struct {
	addr  Addr
	queue chan *conn
	done  chan struct{}
	close func()
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.close(); return nil }
func (l *listener) Addr() net.Addr { return l.addr }

// Canonical folds a DNS name: case does not matter, nor does the root's dot.
func Canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// SameHost reports whether two names are one DNS name.
func SameHost(a, b string) bool { return Canonical(a) == Canonical(b) }
