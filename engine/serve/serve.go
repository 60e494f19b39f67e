// Package serve bridges the lab's network, which is in memory, to sockets on
// loopback, so that programs outside the lab (curl, MSAL, kinit) meet the very
// servers that the lab's devices meet. It carries bytes and reads none: TLS
// ends in the lab's services, client certificates included.
//
// Each host has a loopback address of its own for life (engine/address), on which
// each port that the host listens on in the lab is bound, for TCP, UDP or both,
// or a high port in its place where that may not be. A proxy that knows CONNECT and the lab's hosts
// alone serves clients that take a proxy and no hosts file.
//
// A connection dials the lab's network anew. A service that was reloaded is
// met by the next connection; one that came after Open is met through the
// proxy. Connections are bounded in number and in idle time: in a flood of
// them the one that was silent the longest makes room. So it is with datagrams:
// each peer has a socket in the lab, for as long as it is not silent, and peers
// are bounded.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"hellolab/engine/address"
	"hellolab/engine/network"
	"hellolab/state"
)

// Bounds of a bridge, for Options that leave them zero. Real time, not lab time.
const (
	DefaultConnections = 1024
	DefaultIdle        = 5 * time.Minute
	DefaultHeader      = 10 * time.Second
	DefaultPeers       = 256 // each takes 64 kB
	DefaultPeerIdle    = 30 * time.Second

	dialTimeout = 15 * time.Second
	acceptPause = 10 * time.Millisecond // out of descriptors: others may end
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Network is the lab's network as a bridge sees it.
type Network interface {
	Dial(ctx context.Context, host string, port int) (net.Conn, error)
	Listening() []network.Addr
	DialPacket(ctx context.Context, host string, port int) (net.Conn, error)
	ListeningPacket() []network.Addr
}

// Options are what a bridge runs with. View, Network, Listen and, where the lab
// has datagrams, ListenPacket are required.
type Options struct {
	View         state.View // keeps the addresses of hosts
	Network      Network
	Listen       func(network, address string) (net.Listener, error)
	ListenPacket func(network, address string) (net.PacketConn, error)
	Proxy        netip.AddrPort // where the proxy listens, on loopback; port 0 lets the machine choose
	Log          *slog.Logger

	Connections int           // open at a time, all listeners together
	Idle        time.Duration // how long a connection may carry nothing
	Header      time.Duration // how long a request to the proxy may take to arrive
	Peers       int           // that exchange datagrams at a time, all sockets together
	PeerIdle    time.Duration // how long such a peer may be silent
}

// Endpoint is a port of a host and the socket it is bound to.
type Endpoint struct {
	Host     string
	Port     int            // in the lab
	Protocol Protocol       // TCP and UDP of a port are two endpoints, on one port of this machine if possible
	Listen   netip.AddrPort // on this machine
	Moved    error          // why it is not bound under its own number on the host's address; nil when it is
}

// Bridge is a lab within reach of outside clients. Close ends it.
type Bridge struct {
	o         Options
	addresses map[string]netip.Addr
	endpoints []Endpoint
	proxyAt   netip.AddrPort
	proxy     *http.Server
	limit     *limiter // of connections
	peers     *limiter // of sockets in the lab, one for each peer
	ctx       context.Context
	stop      context.CancelFunc

	mu      sync.Mutex
	closers []io.Closer // everything that is bound
	closed  bool
	running sync.WaitGroup
}

// Open binds every address that somebody listens on in the lab, and the proxy,
// or nothing.
func Open(ctx context.Context, o Options) (*Bridge, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Connections = orDefault(o.Connections, DefaultConnections)
	o.Idle = orDefault(o.Idle, DefaultIdle)
	o.Header = orDefault(o.Header, DefaultHeader)
	o.Peers = orDefault(o.Peers, DefaultPeers)
	o.PeerIdle = orDefault(o.PeerIdle, DefaultPeerIdle)
	if !o.Proxy.IsValid() {
		o.Proxy = netip.AddrPortFrom(loopback, 0)
	}
	if !o.Proxy.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", o.Proxy.Addr())
	}
	b := &Bridge{o: o, limit: newLimiter(o.Connections), peers: newLimiter(o.Peers)}
	open := b.listening()
	hosts := make([]string, len(open))
	for i, at := range open {
		hosts[i] = at.Host
	}
	var err error
	if b.addresses, err = address.Assign(ctx, o.View, hosts...); err != nil {
		return nil, err
	}
	b.ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := b.bindAll(open); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Address returns the loopback address of a host.
func (b *Bridge) Address(host string) netip.Addr { return b.addresses[host] }

// Endpoints returns what is bound, by host and port, TCP before UDP.
func (b *Bridge) Endpoints() []Endpoint { return b.endpoints }

// Proxy returns where the proxy listens.
func (b *Bridge) Proxy() netip.AddrPort { return b.proxyAt }

// Close ends listeners and connections and waits for what served them.
func (b *Bridge) Close() error {
	b.mu.Lock()
	b.closed = true
	closers := b.closers
	b.closers = nil
	b.mu.Unlock()
	b.stop()
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	if b.proxy != nil {
		_ = b.proxy.Close() // its listener is among those closed above
	}
	b.limit.close()
	b.peers.close()
	b.running.Wait()
	return errors.Join(errs...)
}

// enter counts what Close waits for; false once it has begun to.
func (b *Bridge) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	return true
}

// accept carries the connections of one endpoint until its listener closes.
func (b *Bridge) accept(l net.Listener, e Endpoint) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !b.pause() {
				return
			}
			continue
		}
		outside := b.limit.admit(c)
		if outside == nil || !b.enter() {
			c.Close()
			continue
		}
		go func() {
			defer b.running.Done()
			defer outside.Close()
			inside, err := b.dial(e.Host, e.Port)
			if err != nil {
				b.o.Log.Warn("cannot reach a service of the lab", "host", e.Host, "port", e.Port, "error", err)
				return
			}
			relay(outside, inside, b.o.Idle)
		}()
	}
}

// pause waits a little after a socket failed; false when the bridge closes.
func (b *Bridge) pause() bool {
	select {
	case <-time.After(acceptPause):
		return true
	case <-b.ctx.Done():
		return false
	}
}

func (b *Bridge) dialPacket(host string, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(b.ctx, dialTimeout)
	defer cancel()
	return b.o.Network.DialPacket(ctx, host, port)
}

func (b *Bridge) dial(host string, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(b.ctx, dialTimeout)
	defer cancel()
	return b.o.Network.Dial(ctx, host, port)
}
