package ldapd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// ports is a network of one host, each of whose ports is one of loopback's.
type ports struct {
	bound  map[int]net.Addr
	closed []int // cannot be bound
}

func (p *ports) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	return nil, errors.New("nobody dials here")
}

func (p *ports) Listen(host string, port int) (net.Listener, error) {
	for _, c := range p.closed {
		if c == port {
			return nil, fmt.Errorf("port %d is taken", port)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		p.bound[port] = l.Addr()
	}
	return l, err
}

func TestPorts(t *testing.T) {
	l := serve(t, nil)
	network := &ports{bound: map[int]net.Addr{}}
	if err := l.server.Listen(network, "dc1.corp.example"); err != nil {
		t.Fatal(err)
	}
	if len(network.bound) != 4 {
		t.Errorf("%v", network.bound)
	}
	c, err := ldap.DialURL("ldap://" + network.bound[PortGlobalCatalog].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(aliceDN, alicePassword); err != nil {
		t.Fatal(err)
	}
	if last := l.seen()[len(l.seen())-1]; !last.Session.GlobalCatalog || last.Session.TLS != nil {
		t.Errorf("%+v", last.Session)
	}

	// Where one port is taken nothing is left behind.
	other := New(Config{Backend: l.memory, Authenticator: l.memory})
	taken := &ports{bound: map[int]net.Addr{}, closed: []int{PortGlobalCatalogTLS}}
	if err := other.Listen(taken, "dc1.corp.example"); err == nil {
		t.Error("listens on a port that is taken")
	}
	for port, addr := range taken.bound {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			t.Errorf("port %d is left open", port)
		}
	}
}

// How fast one client is answered.
func BenchmarkSearch(b *testing.B) {
	l := serve(b, nil)
	l.addMany(1000)
	c := l.dial(b, true)
	for _, filter := range []string{"(cn=alice)", "(cn=user0*)"} {
		b.Run(filter, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.Search(find(filter)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
