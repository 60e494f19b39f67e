package serve

import (
	"errors"
	"net"
	"sync"
	"time"

	"hellolab/providers"
)

// packets relays the datagrams of one endpoint. Each peer outside has a socket
// of its own in the lab, so that answers find it, until it was silent for a
// while. Peers of all endpoints are bounded together: one more makes the one
// that was silent the longest give way, as connections do.
type packets struct {
	b       *Bridge
	e       Endpoint
	outside net.PacketConn

	mu    sync.Mutex
	peers map[string]*peer // by address outside
}

// peer is somebody outside and their socket in the lab.
type peer struct {
	inside net.Conn
	timer  *time.Timer // ends it when it was silent for long
}

// relayPackets carries the datagrams of an endpoint until its socket closes.
func (b *Bridge) relayPackets(outside net.PacketConn, e Endpoint) {
	r := &packets{b: b, e: e, outside: outside, peers: map[string]*peer{}}
	p := make([]byte, providers.MaxDatagram)
	for {
		n, from, err := outside.ReadFrom(p)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !b.pause() {
				return
			}
			continue
		}
		// A socket whose time was just up, or whose service was reloaded, is
		// replaced, once.
		for range 2 {
			to := r.peer(from)
			if to == nil {
				break
			}
			to.timer.Reset(b.o.PeerIdle)
			if _, err := to.inside.Write(p[:n]); err == nil {
				break
			}
			r.end(from.String(), to)
		}
	}
}

// peer returns that of an address outside, a new one if need be; nil when the
// lab cannot be reached.
func (r *packets) peer(from net.Addr) *peer {
	name := from.String()
	r.mu.Lock()
	known := r.peers[name]
	r.mu.Unlock()
	if known != nil {
		return known
	}
	c, err := r.b.dialPacket(r.e.Host, r.e.Port)
	if err != nil {
		r.b.o.Log.Warn("cannot reach a service of the lab", "host", r.e.Host, "port", r.e.Port, "protocol", r.e.Protocol, "error", err)
		return nil
	}
	inside := r.b.peers.admit(c)
	if inside == nil {
		c.Close()
		return nil
	}
	p := &peer{inside: inside, timer: time.AfterFunc(r.b.o.PeerIdle, func() { inside.Close() })}
	r.mu.Lock()
	r.peers[name] = p
	r.mu.Unlock()
	r.b.running.Go(func() { r.answer(from, p) })
	return p
}

// answer carries what the lab says to a peer until its socket closes.
func (r *packets) answer(to net.Addr, p *peer) {
	defer r.end(to.String(), p)
	b := make([]byte, providers.MaxDatagram)
	for {
		n, err := p.inside.Read(b)
		if err != nil {
			return
		}
		p.timer.Reset(r.b.o.PeerIdle)
		// What cannot be sent is lost, as UDP's.
		if _, err := r.outside.WriteTo(b[:n], to); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// end forgets a peer, if it is still the one of that name.
func (r *packets) end(name string, p *peer) {
	p.timer.Stop()
	p.inside.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.peers[name] == p {
		delete(r.peers, name)
	}
}
