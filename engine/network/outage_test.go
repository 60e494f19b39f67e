package network

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
)

// sky is weather that a test sets.
type sky struct {
	mu     sync.Mutex
	bad    []providers.Outage
	passed time.Duration
}

func (s *sky) Outages(host string, port int) (found []providers.Outage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.bad {
		if o.Host == host && (o.Port == 0 || o.Port == port) {
			found = append(found, o)
		}
	}
	return found
}

func (s *sky) Pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed += d
}

func (s *sky) set(bad ...providers.Outage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = bad
}

// echo answers on a host's port until the test ends.
func echo(t *testing.T, n *Network, host string, port int) {
	t.Helper()
	l, err := n.Listen(host, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
}

func stormy(t *testing.T) (*Network, *sky) {
	t.Helper()
	n, s := New(func(context.Context, string) error { return nil }), &sky{}
	n.SetWeather(s)
	t.Cleanup(func() { n.Close() })
	echo(t, n, "dc.test", 88)
	echo(t, n, "dc.test", 389)
	p, err := n.ListenPacket("dc.test", 389)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return n, s
}

// ask sends a line and reads it back.
func ask(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

func TestAHostThatIsDown(t *testing.T) {
	n, s := stormy(t)
	dial := func(port int) error {
		c, err := n.Dial(t.Context(), "DC.test.", port)
		if err == nil {
			c.Close()
		}
		return err
	}
	for _, tt := range []struct {
		name               string
		bad                []providers.Outage
		kerberos, ldap, up bool // up: datagrams to 389
	}{
		{"fair", nil, true, true, true},
		{"the host", []providers.Outage{{Host: "dc.test"}}, false, false, false},
		{"a port", []providers.Outage{{Host: "dc.test", Port: 88}}, false, true, true},
		{"another host", []providers.Outage{{Host: "dc2.test"}}, true, true, true},
		{"over", nil, true, true, true},
	} {
		s.set(tt.bad...)
		for port, want := range map[int]bool{88: tt.kerberos, 389: tt.ldap} {
			if err := dial(port); (err == nil) != want || err != nil && !errors.As(err, new(ErrDown)) {
				t.Errorf("%s: port %d: %v", tt.name, port, err)
			}
		}
		c, err := n.DialPacket(t.Context(), "dc.test", 389)
		if (err == nil) != tt.up {
			t.Errorf("%s: datagrams: %v", tt.name, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestAHostThatIsSlow(t *testing.T) {
	n, s := stormy(t)
	s.set(providers.Outage{Host: "dc.test", Port: 88, Slow: time.Minute}, providers.Outage{Host: "dc.test", Slow: time.Second})
	c, err := n.Dial(t.Context(), "dc.test", 88)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s.passed != 0 {
		t.Errorf("dialing took %s", s.passed)
	}
	// Both together, once for each answer, however many reads it takes.
	for i := range 3 {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if want := time.Duration(i+1) * 61 * time.Second; s.passed != want {
			t.Errorf("after %d answers %s passed, want %s", i+1, s.passed, want)
		}
	}
}

// What is connected does not survive an outage that begins; whoever else is, does.
func TestReset(t *testing.T) {
	n, _ := stormy(t)
	var conns []net.Conn
	for _, port := range []int{88, 389} {
		c, err := n.Dial(t.Context(), "dc.test", port)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, c)
		conns = append(conns, c)
	}
	socket := func() net.Conn {
		c, err := n.DialPacket(t.Context(), "dc.test", 389)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	datagrams := socket()
	n.Reset("DC.test", 88)
	if _, err := conns[0].Write([]byte("hello")); err == nil {
		t.Error("a connection survived")
	}
	ask(t, conns[1])
	if _, err := datagrams.Write([]byte("hello")); err != nil {
		t.Errorf("a socket of another port: %v", err)
	}
	n.Reset("dc.test", 0)
	if _, err := conns[1].Write([]byte("hello")); err == nil {
		t.Error("the other survived")
	}
	if _, err := datagrams.Write([]byte("hello")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket survived: %v", err)
	}
	if _, err := socket().Write([]byte("hello")); err != nil { // the host's own is bound still
		t.Errorf("the host listens no more: %v", err)
	}
}
