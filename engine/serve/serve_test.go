package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hellolab/engine/network"
	"hellolab/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	echoHost = "echo.test"
	echoPort = 7443
)

// echo answers on a host: it reads to the end, and then sends it all back
// behind its name.
func echo(t *testing.T, n *network.Network, host string, port int, name string) net.Listener {
	t.Helper()
	l, err := n.Listen(host, port)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				got, _ := io.ReadAll(c)
				io.WriteString(c, name)
				c.Write(got)
			}()
		}
	}()
	return l
}

func emptyView() state.View {
	return state.NewOverlay(state.Empty(state.Meta{Lineage: "test"}))
}

// opener knows one host, which is open already.
func opener(_ context.Context, host string) error {
	if host == echoHost {
		return nil
	}
	return network.ErrNoHost{Host: host}
}

// site is a lab with one echo host, and a bridge to it.
func site(t *testing.T, change ...func(*Options)) (*network.Network, *Bridge) {
	t.Helper()
	n := network.New(opener)
	echo(t, n, echoHost, echoPort, "echo: ")
	o := Options{View: emptyView(), Network: n, Listen: net.Listen, ListenPacket: net.ListenPacket}
	for _, c := range change {
		c(&o)
	}
	b, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		n.Close()
	})
	return n, b
}

// listenHigh refuses low ports, as systems do to most users.
func listenHigh(kind, address string) (net.Listener, error) {
	if at := netip.MustParseAddrPort(address); at.Port() > 0 && at.Port() < 1024 {
		return nil, &net.OpError{Op: "listen", Net: kind, Err: syscall.EACCES}
	}
	return net.Listen(kind, address)
}

// dialTo connects to one address, whatever is asked for.
func dialTo(at netip.AddrPort) func(ctx context.Context, kind, _ string) (net.Conn, error) {
	return func(ctx context.Context, kind, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, kind, at.String())
	}
}

func dial(t *testing.T, at netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// ask says text, half-closes and reads the answer.
func ask(t *testing.T, c *net.TCPConn, text string) string {
	t.Helper()
	io.WriteString(c, text)
	c.CloseWrite()
	got, _ := io.ReadAll(c)
	return string(got)
}

func TestDirectAndByProxyWithHalfClose(t *testing.T) {
	_, b := site(t)
	if len(b.Endpoints()) != 1 {
		t.Fatalf("endpoints %v", b.Endpoints())
	}
	e := b.Endpoints()[0]
	if want := netip.AddrPortFrom(b.Address(echoHost), echoPort); e.Listen != want || e.Moved != nil {
		t.Errorf("bound to %v (%v), want %v", e.Listen, e.Moved, want)
	}
	if got := ask(t, dial(t, e.Listen), "hello"); got != "echo: hello" {
		t.Errorf("direct: %q", got)
	}
	// What follows the request at once belongs to the tunnel.
	got := ask(t, dial(t, b.Proxy()), fmt.Sprintf("CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\nhello", strings.ToUpper(echoHost), echoPort))
	if got != "HTTP/1.1 200 Connection established\r\n\r\necho: hello" {
		t.Errorf("by proxy: %q", got)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16)
	if got := ask(t, dial(t, e.Listen), large); got != "echo: "+large {
		t.Errorf("a large message came back as %d bytes", len(got))
	}
}

// Fault 96: the proxy goes to hosts of the lab and nowhere else.
func TestFault96TheProxyNeverGoesOut(t *testing.T) {
	_, b := site(t)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	reached := make(chan struct{}, 1)
	go func() {
		if c, err := outside.Accept(); err == nil {
			c.Close()
			reached <- struct{}{}
		}
	}()
	for name, c := range map[string]struct {
		request string
		status  int
		says    string
	}{
		"another host":        {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 403, `"example.com" is not one of them`},
		"a listening address": {"CONNECT " + outside.Addr().String() + " HTTP/1.1\r\nHost: echo.test:7443\r\n\r\n", 403, "is not one of them"},
		"absolute URI":        {"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 403, "CONNECT only"},
		"URI of a lab host":   {"GET http://echo.test/ HTTP/1.1\r\nHost: echo.test\r\n\r\n", 403, "CONNECT only"},
		"plain request":       {"GET / HTTP/1.1\r\nHost: " + outside.Addr().String() + "\r\n\r\n", 403, "CONNECT only"},
		"closed port":         {"CONNECT echo.test:1 HTTP/1.1\r\nHost: x\r\n\r\n", 502, "does not listen on port 1"},
		"no port":             {"CONNECT echo.test HTTP/1.1\r\nHost: x\r\n\r\n", 403, "not a host and port"},
		"large port":          {"CONNECT echo.test:73443 HTTP/1.1\r\nHost: x\r\n\r\n", 403, "not a host and port"},
		"no host":             {"CONNECT :443 HTTP/1.1\r\nHost: x\r\n\r\n", 403, "not a host and port"},
		"bad Host":            {"CONNECT echo.test:7443 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
		"two Hosts":           {"CONNECT echo.test:7443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, ""},
		"long header":         {"CONNECT echo.test:7443 HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, ""},
		"no HTTP":             {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, b.Proxy())
			io.WriteString(conn, c.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
				t.Errorf("answered %d %s", resp.StatusCode, body)
			}
		})
	}
	select {
	case <-reached:
		t.Error("somebody outside the lab was reached")
	default:
	}
	if got := ask(t, dial(t, b.Endpoints()[0].Listen), "still"); got != "echo: still" {
		t.Errorf("afterwards: %q", got)
	}
}

// Fault 97: a header that trickles in is cut off, and so is a tunnel through
// which nothing moves.
func TestFault97SlowPeersAreCut(t *testing.T) {
	_, b := site(t, func(o *Options) { o.Header, o.Idle = 100*time.Millisecond, 100*time.Millisecond })
	began := time.Now()
	slow := dial(t, b.Proxy())
	io.WriteString(slow, "CONNECT echo.test:7443 HTTP/1.1\r\nHost: ")
	silent := dial(t, b.Endpoints()[0].Listen)
	io.WriteString(silent, "I begin and never")
	for _, c := range []net.Conn{slow, silent} {
		if _, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("cut off after %v", took)
	}
}

// One direction that moves keeps the other, silent one open.
func TestIdleMeansBothDirections(t *testing.T) {
	_, b := site(t, func(o *Options) { o.Idle = 300 * time.Millisecond })
	c := dial(t, b.Endpoints()[0].Listen)
	for range 10 {
		time.Sleep(60 * time.Millisecond)
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(t, c, ""); got != "echo: xxxxxxxxxx" {
		t.Errorf("got %q", got)
	}
}

// Fault 97: thousands of silent connections cost a bounded number of
// descriptors and goroutines, and nobody else the service.
func TestFault97IdleConnectionsAreBounded(t *testing.T) {
	const most = 256
	flood := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := int(limit.Cur) - 2*most - 200; room < flood {
		t.Logf("this machine allows %d descriptors: %d connections instead of %d", limit.Cur, room, flood)
		flood = room
	}
	_, b := site(t, func(o *Options) { o.Connections = most })
	before := runtime.NumGoroutine()
	at := b.Endpoints()[0].Listen.String()
	var mu sync.Mutex
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	var wg sync.WaitGroup
	for w := range 8 {
		to := at
		if w%2 == 1 {
			to = b.Proxy().String()
		}
		wg.Go(func() {
			for range flood / 8 {
				c, err := net.Dial("tcp", to)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := ask(t, dial(t, b.Endpoints()[0].Listen), "me"); got != "echo: me" {
		t.Errorf("in the flood: %q", got)
	}
	if got := ask(t, dial(t, b.Proxy()), "CONNECT echo.test:7443 HTTP/1.1\r\nHost: x\r\n\r\nme"); !strings.HasSuffix(got, "echo: me") {
		t.Errorf("in the flood, by proxy: %q", got)
	}
	b.limit.mu.Lock()
	open := len(b.limit.open)
	b.limit.mu.Unlock()
	if open > most {
		t.Errorf("%d connections are open, more than %d", open, most)
	}
	eventually(t, func() error {
		if n := runtime.NumGoroutine() - before; n > 5*most {
			return fmt.Errorf("%d goroutines for %d connections", n, most)
		}
		return nil
	})
}

// eventually waits for what other goroutines are about to finish.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for range 500 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error(err)
}

func TestDescriptorsAndGoroutinesAreFlat(t *testing.T) {
	_, b := site(t)
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not list a process's descriptors:", err)
		}
		return len(entries)
	}
	round := func() {
		c := dial(t, b.Endpoints()[0].Listen)
		ask(t, c, "x")
		c.Close()
		p := dial(t, b.Proxy())
		ask(t, p, "CONNECT echo.test:7443 HTTP/1.1\r\nHost: x\r\n\r\nx")
		p.Close()
	}
	round()
	fds, goroutines := descriptors(), runtime.NumGoroutine()
	for range 200 {
		round()
	}
	eventually(t, func() error {
		if f, g := descriptors(), runtime.NumGoroutine(); f > fds+4 || g > goroutines+4 {
			return fmt.Errorf("%d descriptors and %d goroutines after 400 connections, were %d and %d", f, g, fds, goroutines)
		}
		return nil
	})
}

func TestAReloadedServiceIsMet(t *testing.T) {
	n := network.New(opener)
	defer n.Close()
	first := echo(t, n, echoHost, echoPort, "first: ")
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, ListenPacket: net.ListenPacket})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := b.Endpoints()[0].Listen
	if got := ask(t, dial(t, at), "x"); got != "first: x" {
		t.Errorf("got %q", got)
	}
	first.Close()
	if got := ask(t, dial(t, at), "x"); got != "" {
		t.Errorf("a closed service says %q", got)
	}
	echo(t, n, echoHost, echoPort, "second: ")
	if got := ask(t, dial(t, at), "x"); got != "second: x" {
		t.Errorf("got %q", got)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	n := network.New(nil)
	defer n.Close()
	echo(t, n, echoHost, echoPort, "")
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: net.Listen, ListenPacket: net.ListenPacket})
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range 4 {
		c := dial(t, b.Endpoints()[0].Listen)
		io.WriteString(c, "x")
		p := dial(t, b.Proxy())
		fmt.Fprintf(p, "CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n", echoHost, echoPort)
		if _, err := io.ReadFull(p, make([]byte, len("HTTP/1.1 200"))); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c, p)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		if got, err := io.ReadAll(c); err == nil && bytes.Contains(got, []byte("echo")) {
			t.Errorf("a connection outlived the bridge: %q", got)
		}
	}
	if _, err := net.Dial("tcp", b.Proxy().String()); err == nil {
		t.Error("the proxy listens on")
	}
}
