package network

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"hellolab/providers"
)

// Weather tells what trouble there is on a network at the moment.
type Weather interface {
	// Outages are those that touch a port of a host, whose name is canonical.
	Outages(host string, port int) []providers.Outage
	// Pass lets lab time pass: a slow host answers no sooner.
	Pass(time.Duration)
}

// ErrDown is a host of the lab that does not answer.
type ErrDown struct{ Addr Addr }

func (e ErrDown) Error() string { return fmt.Sprintf("%s does not answer", e.Addr) }

// SetWeather has a network ask w about each dial from now on.
func (n *Network) SetWeather(w Weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.weather = w
}

// weatherAt is the trouble on the way to an address: an error where it is down,
// else how much longer an answer takes.
func (n *Network) weatherAt(to Addr) (Weather, time.Duration, error) {
	n.mu.Lock()
	w := n.weather
	n.mu.Unlock()
	if w == nil {
		return nil, 0, nil
	}
	var slow time.Duration
	for _, o := range w.Outages(to.Host, to.Port) {
		if o.Slow <= 0 {
			return w, 0, ErrDown{to}
		}
		slow += o.Slow
	}
	return w, slow, nil
}

// Reset ends the connections and sockets of clients to a port of a host, of
// all ports when it is zero: what a cable does that is pulled.
func (n *Network) Reset(host string, port int) {
	host = Canonical(host)
	hit := func(a net.Addr) bool {
		at, ok := a.(Addr)
		return ok && at.Host == host && (port == 0 || at.Port == port)
	}
	n.mu.Lock()
	var ends []interface{ Close() error }
	for c := range n.conns {
		if hit(c.RemoteAddr()) || hit(c.LocalAddr()) {
			ends = append(ends, c)
		}
	}
	for _, s := range n.sockets {
		if hit(s.peer) {
			ends = append(ends, s)
		}
	}
	n.mu.Unlock()
	for _, e := range ends {
		e.Close()
	}
}

// through dials by dial, through the weather on the way.
func (n *Network) through(ctx context.Context, to Addr, dial func(context.Context, Addr) (net.Conn, error)) (net.Conn, error) {
	w, slow, err := n.weatherAt(to)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, to)
	if err != nil || slow == 0 {
		return c, err
	}
	return &slowConn{Conn: c, pass: func() { w.Pass(slow) }}, nil
}

// slowConn is a client's end of a connection to a slow host: what is first read
// after something was written is an answer, and takes its time.
type slowConn struct {
	net.Conn
	pass func()

	mu    sync.Mutex
	asked bool
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.asked = true
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	answer := c.asked && n > 0
	if answer {
		c.asked = false
	}
	c.mu.Unlock()
	if answer {
		c.pass()
	}
	return n, err
}

// CloseWrite ends the sending half, where the connection has halves.
func (c *slowConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}
