package serve

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hellolab/engine/network"
	"hellolab/providers"
)

// echoPackets answers each datagram on a host with a name before it.
func echoPackets(t *testing.T, n *network.Network, host string, port int, name string) net.PacketConn {
	t.Helper()
	s, err := n.ListenPacket(host, port)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		p := make([]byte, providers.MaxDatagram)
		for {
			k, from, err := s.ReadFrom(p)
			if err != nil {
				return
			}
			answer := append([]byte(name), p[:k]...)
			s.WriteTo(answer[:min(len(answer), providers.MaxDatagram)], from)
		}
	}()
	return s
}

// packetSite is a lab whose host answers on one port for both protocols.
func packetSite(t *testing.T, change ...func(*Options)) (n *network.Network, b *Bridge, udp net.PacketConn, at netip.AddrPort) {
	t.Helper()
	n, b = site(t, append([]func(*Options){func(o *Options) {
		udp = echoPackets(t, o.Network.(*network.Network), echoHost, echoPort, "udp: ")
	}}, change...)...)
	e := b.Endpoints()
	if len(e) != 2 || e[0].Protocol != TCP || e[1].Protocol != UDP || e[0].Listen != e[1].Listen {
		t.Fatalf("endpoints %+v", e)
	}
	return n, b, udp, e[1].Listen
}

func dialUDP(t *testing.T, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// tell sends text and returns the answer, asking again as UDP's clients do.
func tell(t *testing.T, c *net.UDPConn, text string) string {
	t.Helper()
	p := make([]byte, 1<<16)
	for range 20 {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Read(p)
		if err == nil {
			return string(p[:n])
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	return "nothing"
}

func (b *Bridge) peersOpen() int {
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	return len(b.peers.open)
}

func TestDatagramsThroughRealSockets(t *testing.T) {
	_, b, _, at := packetSite(t)
	if want := netip.AddrPortFrom(b.Address(echoHost), echoPort); at != want || b.Endpoints()[1].Moved != nil {
		t.Errorf("bound to %v (%v), want %v", at, b.Endpoints()[1].Moved, want)
	}
	if got := ask(t, dial(t, at), "hello"); got != "echo: hello" {
		t.Errorf("TCP: %q", got)
	}
	a, c := dialUDP(t, at), dialUDP(t, at)
	large := strings.Repeat("x", providers.MaxDatagram-len("udp: "))
	for _, text := range []string{"hello", "", large} {
		for _, conn := range []*net.UDPConn{a, c} {
			if got := tell(t, conn, text); got != "udp: "+text {
				t.Errorf("%d bytes came back as %d", len(text), len(got))
			}
		}
	}
	if n := b.peersOpen(); n != 2 {
		t.Errorf("%d peers for two", n)
	}
}

// What dig does: a question over UDP, the same over TCP.
func TestDNSFromOutside(t *testing.T) {
	n := network.New(nil)
	defer n.Close()
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		rr, err := dns.NewRR(q.Question[0].Name + " 60 IN SRV 0 100 88 dc.test.")
		if err != nil {
			t.Error(err)
		}
		a.Answer = append(a.Answer, rr)
		w.WriteMsg(a)
	})
	p, err := n.ListenPacket("dc.test", 53)
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen("dc.test", 53)
	if err != nil {
		t.Fatal(err)
	}
	var servers sync.WaitGroup
	defer servers.Wait()
	for _, s := range []*dns.Server{{PacketConn: p, Handler: answer}, {Listener: l, Handler: answer}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		servers.Go(func() { s.ActivateAndServe() })
		<-up
		defer s.Shutdown()
	}
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: listenHigh, ListenPacket: listenPacketHigh})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i, protocol := range []string{"tcp", "udp"} {
		e := b.Endpoints()[i]
		if want := netip.AddrPortFrom(b.Address("dc.test"), 10053); e.Listen != want || !errors.Is(e.Moved, syscall.EACCES) {
			t.Errorf("%s is bound to %v (%v), want %v", protocol, e.Listen, e.Moved, want)
		}
		c := &dns.Client{Net: protocol, Timeout: 10 * time.Second}
		got, _, err := c.Exchange(new(dns.Msg).SetQuestion("_kerberos._udp.test.", dns.TypeSRV), e.Listen.String())
		if err != nil || len(got.Answer) != 1 || got.Answer[0].(*dns.SRV).Target != "dc.test." {
			t.Errorf("%s: %v, %v", protocol, got, err)
		}
	}
}

// listenPacketHigh refuses low ports, as systems do to most users.
func listenPacketHigh(kind, address string) (net.PacketConn, error) {
	if at := netip.MustParseAddrPort(address); at.Port() > 0 && at.Port() < 1024 {
		return nil, &net.OpError{Op: "listen", Net: kind, Err: syscall.EACCES}
	}
	return net.ListenPacket(kind, address)
}

// TCP and UDP of a port go to one port, wherever either finds its own taken.
func TestBothProtocolsGoToOnePort(t *testing.T) {
	_, probe, _, own := packetSite(t)
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	high := netip.AddrPortFrom(own.Addr(), echoPort+highPort)
	for name, c := range map[string]struct {
		tcp, udp []netip.AddrPort // taken
		want     netip.AddrPort   // invalid: any other
	}{
		"nothing is taken":          {nil, nil, own},
		"UDP is taken":              {nil, []netip.AddrPort{own}, high},
		"TCP is taken":              {[]netip.AddrPort{own}, nil, high},
		"the high one of the other": {[]netip.AddrPort{own}, []netip.AddrPort{high}, netip.AddrPort{}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, at := range c.tcp {
				l, err := net.Listen("tcp", at.String())
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			for _, at := range c.udp {
				p, err := net.ListenPacket("udp", at.String())
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
			}
			_, b, _, at := packetSite(t)
			if c.want.IsValid() && at != c.want || at.Addr() != own.Addr() {
				t.Errorf("bound to %v, want %v", at, c.want)
			}
			for _, e := range b.Endpoints() {
				if (at != own) != errors.Is(e.Moved, syscall.EADDRINUSE) {
					t.Errorf("%s: moved for %v", e.Protocol, e.Moved)
				}
			}
			if got := tell(t, dialUDP(t, at), "x"); got != "udp: x" {
				t.Errorf("got %q", got)
			}
			if got := ask(t, dial(t, at), "x"); got != "echo: x" {
				t.Errorf("got %q", got)
			}
		})
	}

	// Where no port is for both, each has its own; where there is none at all,
	// nothing stays up.
	n := network.New(nil)
	defer n.Close()
	echo(t, n, echoHost, echoPort, "echo: ")
	echoPackets(t, n, echoHost, echoPort, "udp: ")
	odd := func(kind, address string) (net.PacketConn, error) {
		if netip.MustParseAddrPort(address).Port() != 0 {
			return nil, syscall.EADDRINUSE
		}
		return net.ListenPacket(kind, address)
	}
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, ListenPacket: odd})
	if err != nil {
		t.Fatal(err)
	}
	if e := b.Endpoints(); e[0].Listen != own || e[0].Moved != nil || e[1].Listen == own || e[1].Moved == nil {
		t.Errorf("endpoints %+v", e)
	}
	if got := tell(t, dialUDP(t, b.Endpoints()[1].Listen), "x"); got != "udp: x" {
		t.Errorf("got %q", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	never := func(string, string) (net.PacketConn, error) { return nil, syscall.EADDRINUSE }
	if _, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, ListenPacket: never}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	l, err := net.Listen("tcp", own.String())
	if err != nil {
		t.Fatal("something stayed up:", err)
	}
	l.Close()
}

// A silent peer's socket in the lab ends, and one that comes again gets another.
func TestSilentPeersAreForgotten(t *testing.T) {
	_, b, _, at := packetSite(t, func(o *Options) { o.PeerIdle = 200 * time.Millisecond })
	busy, silent := dialUDP(t, at), dialUDP(t, at)
	tell(t, silent, "x")
	before := time.Now()
	for b.peersOpen() != 1 || time.Since(before) < 300*time.Millisecond {
		if got := tell(t, busy, "x"); got != "udp: x" {
			t.Fatalf("got %q", got)
		}
		if time.Since(before) > 10*time.Second {
			t.Fatalf("%d peers", b.peersOpen())
		}
		time.Sleep(10 * time.Millisecond)
	}
	eventually(t, func() error {
		if n := b.peersOpen(); n > 0 {
			return fmt.Errorf("%d peers are silent and not forgotten", n)
		}
		return nil
	})
	if got := tell(t, silent, "again"); got != "udp: again" {
		t.Errorf("got %q", got)
	}
}

// Fault 97, for datagrams: thousands of peers cost a bounded number of sockets
// and goroutines, and nobody else the service.
func TestFault97PeersAreBounded(t *testing.T) {
	const most, flood = 32, 4000
	_, b, _, at := packetSite(t, func(o *Options) { o.Peers = most })
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range flood / 4 {
				c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
				if err != nil {
					t.Error(err)
					return
				}
				c.Write(bytes.Repeat([]byte("f"), 1000))
				c.Close()
			}
		})
	}
	me := dialUDP(t, at)
	for range 20 {
		if got := tell(t, me, "me"); !strings.HasSuffix(got, "me") {
			t.Errorf("in the flood: %q", got)
		}
	}
	wg.Wait()
	if n := b.peersOpen(); n > most {
		t.Errorf("%d peers, more than %d", n, most)
	}
	if got := tell(t, dialUDP(t, at), "after"); got != "udp: after" {
		t.Errorf("after the flood: %q", got)
	}
	eventually(t, func() error {
		if n := runtime.NumGoroutine() - before; n > most+8 {
			return fmt.Errorf("%d goroutines for %d peers", n, most)
		}
		return nil
	})
}

func TestAReloadedServiceIsMetByItsPeers(t *testing.T) {
	n, _, first, at := packetSite(t)
	c := dialUDP(t, at)
	if got := tell(t, c, "x"); got != "udp: x" {
		t.Errorf("got %q", got)
	}
	first.Close()
	// Nobody there: the datagram is lost, and the bridge goes on.
	c.Write([]byte("lost"))
	time.Sleep(10 * time.Millisecond)
	echoPackets(t, n, echoHost, echoPort, "second: ")
	if got := tell(t, c, "x"); !strings.HasPrefix(got, "second: ") {
		t.Errorf("got %q", got)
	}
}

func TestCloseEndsPeers(t *testing.T) {
	n, b, _, at := packetSite(t)
	c := dialUDP(t, at)
	tell(t, c, "x")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal("the socket stayed up:", err)
	}
	p.Close()
	if b.peersOpen() != 0 {
		t.Errorf("%d peers stay", b.peersOpen())
	}
	if len(n.ListeningPacket()) != 1 {
		t.Error("the lab's own socket was closed")
	}
}
