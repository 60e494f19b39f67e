package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"hellolab/engine/network"
	"hellolab/state"
)

// Fault 21: a port that is taken is replaced by a high one; when none is left,
// nothing stays half up.
func TestFault21PortTaken(t *testing.T) {
	addresses, err := Addresses(t.Context(), emptyView(), []string{echoHost})
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

func TestAddressesAreForLife(t *testing.T) {
	view := emptyView()
	get := func(hosts ...string) map[string]netip.Addr {
		t.Helper()
		a, err := Addresses(t.Context(), view, hosts)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := get("login.a.test")["login.a.test"]
	if got := get("x.test", "LOGIN.A.TEST", "b.test"); got["login.a.test"] != first || len(got) != 3 {
		t.Errorf("got %v, want %v kept", got, first)
	}
	if other, err := Addresses(t.Context(), emptyView(), []string{"login.a.test"}); err != nil || other["login.a.test"] != first {
		t.Errorf("another lab has %v, want %v: it follows from the name", other, first)
	}
	// The address of a name that another host got before goes to neither twice.
	view = emptyView()
	err := view.Commit(t.Context(), func(w state.Writer) error {
		return w.Put(state.BucketLab, keyHosts+"early.test", []byte(first.String()))
	})
	if err != nil {
		t.Fatal(err)
	}
	moved := get("login.a.test")["login.a.test"]
	if moved == first || get("login.a.test")["login.a.test"] != moved || get("early.test")["early.test"] != first {
		t.Errorf("the address %v was given twice", first)
	}
	// 20,000 hosts, none sharing, none where systems live.
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("host%d.test", i)
	}
	seen := map[netip.Addr]string{}
	for host, a := range get(many...) {
		b := a.As4()
		if other, shared := seen[a]; shared || b[0] != 127 || b[1] == 0 || b[1] == 255 || b[3] == 0 || b[3] == 255 {
			t.Fatalf("%s has %v, and so has %q", host, a, other)
		}
		seen[a] = host
	}
	if a, b := nth(0), nth(pool-1); a != netip.MustParseAddr("127.1.0.1") || b != netip.MustParseAddr("127.254.255.254") {
		t.Errorf("the pool is %v to %v", a, b)
	}
}

func TestADamagedAddressIsToldOf(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.1", "localhost"} {
		view := emptyView()
		err := view.Commit(t.Context(), func(w state.Writer) error { return w.Put(state.BucketLab, keyHosts+"a.test", []byte(bad)) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Addresses(t.Context(), view, []string{"b.test"}); err == nil || !strings.Contains(err.Error(), `"a.test"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
