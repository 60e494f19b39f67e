package serve

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"hellolab/engine/network"
)

// Protocol is how an endpoint is spoken to.
type Protocol string

const (
	TCP Protocol = "tcp" // streams in the lab
	UDP Protocol = "udp" // datagrams in the lab
)

const (
	// highPort is added to a port that may not be bound or is taken: 443 is 10443.
	highPort = 10000
	// samePort is how often a port that the machine chose for one protocol is
	// tried for the other.
	samePort = 8
)

// listener is one bound socket.
type listener struct {
	stream net.Listener   // of TCP
	packet net.PacketConn // of UDP
	at     netip.AddrPort
}

func (l *listener) Close() error {
	if l.packet != nil {
		return l.packet.Close()
	}
	return l.stream.Close()
}

// listening is what to bind: a host's port in the lab, with its protocols.
type listening struct {
	network.Addr
	protocols []Protocol
}

// listening returns all ports that somebody listens on, by host and port.
func (b *Bridge) listening() []listening {
	protocols := map[network.Addr][]Protocol{}
	for _, at := range b.o.Network.Listening() {
		protocols[at] = append(protocols[at], TCP)
	}
	for _, at := range b.o.Network.ListeningPacket() {
		protocols[at] = append(protocols[at], UDP)
	}
	var all []listening
	for at, ps := range protocols {
		all = append(all, listening{at, ps})
	}
	slices.SortFunc(all, func(a, b listening) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), a.Port-b.Port)
	})
	return all
}

// bindAll binds what somebody listens on, and the proxy, and begins to serve.
func (b *Bridge) bindAll(open []listening) error {
	var bound []*listener
	for _, at := range open {
		listeners, moved, err := b.bind(at)
		for _, l := range listeners {
			b.closers = append(b.closers, l)
		}
		if err != nil {
			return err
		}
		for i, l := range listeners {
			b.endpoints = append(b.endpoints, Endpoint{Host: at.Host, Port: at.Port, Protocol: at.protocols[i], Listen: l.at, Moved: moved[i]})
		}
		bound = append(bound, listeners...)
	}
	p, err := b.o.Listen("tcp", b.o.Proxy.String())
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // which names the address again
		}
		return fmt.Errorf("the proxy cannot listen on %s: %w", b.o.Proxy, err)
	}
	b.closers = append(b.closers, p)
	b.proxyAt = addrPort(p.Addr())
	// Nothing is accepted before everything is bound.
	for i, e := range b.endpoints {
		l := bound[i]
		if e.Protocol == UDP {
			b.running.Go(func() { b.relayPackets(l.packet, e) })
		} else {
			b.running.Go(func() { b.accept(l.stream, e) })
		}
	}
	b.serveProxy(p)
	return nil
}

// bind binds the protocols of a host's port to one port of this machine, for a
// client's file may name one for both (krb5.conf); or each to its own, where
// there is none for both. moved is why they are not under their own number on
// the host's address. What is bound is returned with an error, too.
func (b *Bridge) bind(at listening) (bound []*listener, moved []error, err error) {
	moved = make([]error, len(at.protocols))
	bound, why, err := b.bindTogether(at.Addr, at.protocols)
	if err == nil {
		for i := range moved {
			moved[i] = why
		}
		return bound, moved, nil
	}
	if len(at.protocols) == 1 {
		return nil, nil, err
	}
	for i := range at.protocols {
		one, why, err := b.bindTogether(at.Addr, at.protocols[i:i+1])
		if err != nil {
			return bound, nil, err
		}
		bound, moved[i] = append(bound, one...), why
	}
	return bound, moved, nil
}

// bindTogether tries a host's address, there a high port, then any, and last
// 127.0.0.1, the one loopback address that every system has. moved is why it is
// not the first of these.
func (b *Bridge) bindTogether(at network.Addr, protocols []Protocol) (bound []*listener, moved, err error) {
	own := b.addresses[at.Host]
	high := at.Port + highPort
	if high > 65535 {
		high = 0
	}
	for _, try := range []netip.AddrPort{
		netip.AddrPortFrom(own, uint16(at.Port)), netip.AddrPortFrom(own, uint16(high)),
		netip.AddrPortFrom(own, 0), netip.AddrPortFrom(loopback, 0),
	} {
		if bound, err = b.bindAt(try, protocols); err == nil {
			return bound, moved, nil
		}
		b.o.Log.Debug("cannot bind", "host", at.Host, "address", try, "protocols", protocols, "error", err)
		if moved == nil {
			moved = err
		}
	}
	return nil, nil, fmt.Errorf("no loopback port for %s: %w", at, moved)
}

// bindAt binds all protocols to one address and port, or none.
func (b *Bridge) bindAt(at netip.AddrPort, protocols []Protocol) (bound []*listener, err error) {
	for range samePort {
		on := at
		for _, p := range protocols {
			var l *listener
			if l, err = b.listen(p, on); err != nil {
				break
			}
			bound, on = append(bound, l), l.at
		}
		if err == nil {
			return bound, nil
		}
		for _, l := range bound {
			l.Close()
		}
		if len(bound) == 0 || at.Port() != 0 {
			return nil, err
		}
		bound = nil
	}
	return nil, err
}

func (b *Bridge) listen(p Protocol, at netip.AddrPort) (*listener, error) {
	if p == UDP {
		c, err := b.o.ListenPacket("udp", at.String())
		if err != nil {
			return nil, err
		}
		return &listener{packet: c, at: addrPort(c.LocalAddr())}, nil
	}
	l, err := b.o.Listen("tcp", at.String())
	if err != nil {
		return nil, err
	}
	return &listener{stream: l, at: addrPort(l.Addr())}, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
