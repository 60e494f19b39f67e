package serve

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"hellolab/engine/address"
	"hellolab/engine/network"
)

// Fault 21: a port that is taken is replaced by a high one; when none is left,
// nothing stays half up.
func TestFault21PortTaken(t *testing.T) {
	addresses, err := address.Assign(t.Context(), emptyView(), echoHost)
	if err != nil {
		t.Fatal(err)
	}
	own := netip.AddrPortFrom(addresses[echoHost], echoPort)
	taken, err := net.Listen("tcp", own.String())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, b := site(t)
	e := b.Endpoints()[0]
	if want := netip.AddrPortFrom(own.Addr(), echoPort+highPort); e.Listen != want || !errors.Is(e.Moved, syscall.EADDRINUSE) {
		t.Errorf("bound to %v (%v), want %v", e.Listen, e.Moved, want)
	}
	if got := ask(t, dial(t, e.Listen), "x"); got != "echo: x" {
		t.Errorf("got %q", got)
	}

	n := network.New(nil)
	defer n.Close()
	echo(t, n, "a.test", 1443, "")
	_, err = Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, Proxy: own})
	if !errors.Is(err, syscall.EADDRINUSE) || err.Error() != "the proxy cannot listen on "+own.String()+": bind: address already in use" {
		t.Errorf("a proxy whose port is taken: %v", err)
	}
	echo(t, n, "b.test", 1443, "")
	full := errors.New("no port")
	closed := 0
	opened := 0
	_, err = Open(t.Context(), Options{View: emptyView(), Network: n, Listen: func(_, _ string) (net.Listener, error) {
		if opened++; opened > 1 {
			return nil, full
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		return closing{l, &closed}, err
	}})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "b.test:1443") || closed != 1 {
		t.Errorf("got %v with %d listeners closed", err, closed)
	}
}

type closing struct {
	net.Listener
	n *int
}

func (c closing) Close() error { *c.n++; return c.Listener.Close() }

// Fault 93: nothing listens outside loopback.
func TestFault93LoopbackOnly(t *testing.T) {
	n := network.New(nil)
	defer n.Close()
	for _, at := range []string{"0.0.0.0:0", "192.0.2.1:8080", "[::]:0"} {
		_, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, Proxy: netip.MustParseAddrPort(at)})
		if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("%s: %v", at, err)
		}
	}
}
