package locator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"hellolab/providers/wire/locate"
	"hellolab/providers/wire/netlogon"
)

// dialer reaches servers on loopback from an address of its own.
type dialer struct {
	from string
	at   map[string]string // host:port/network
}

func (d dialer) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	return d.dial(ctx, "tcp", host, port, &net.TCPAddr{IP: net.ParseIP(d.from)})
}

func (d dialer) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	return d.dial(ctx, "udp", host, port, &net.UDPAddr{IP: net.ParseIP(d.from)})
}

func (d dialer) dial(ctx context.Context, network, host string, port int, from net.Addr) (net.Conn, error) {
	at, ok := d.at[fmt.Sprintf("%s:%d/%s", host, port, network)]
	if !ok {
		return nil, errors.New("connection refused")
	}
	return (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, at)
}

// TestLocate: a client of the wire finds its controller in this package's
// servers, by its site and by what it needs.
func TestLocate(t *testing.T) {
	d := dialer{at: map[string]string{}}
	port := serveDNS(t, newDNS(t, corp()))
	d.at["dns:53/udp"] = fmt.Sprintf("127.0.0.1:%d", port)
	d.at["dns:53/tcp"] = d.at["dns:53/udp"]
	for _, c := range corp().Controllers {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d.at[canonical(c.Host)+":389/udp"] = socket.LocalAddr().String()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- pings(c.Host).Serve(ctx, socket) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	for name, c := range map[string]struct {
		from string
		q    locate.Query
		want string
	}{
		"in Berlin":            {"127.0.0.5", locate.Query{Want: netlogon.FlagWritable}, "dc1.corp.example"},
		"in Paris":             {"127.0.9.5", locate.Query{Want: netlogon.FlagWritable}, "dc2.corp.example"},
		"moved to Paris":       {"127.0.9.5", locate.Query{Site: "Berlin"}, "dc2.corp.example"},
		"key list, from Paris": {"127.0.9.5", locate.Query{Site: "Paris", Want: netlogon.FlagKeyList}, "dc1.corp.example"},
		"global catalog":       {"127.0.9.5", locate.Query{Want: netlogon.FlagGC}, "dc1.corp.example"},
		"its account":          {"127.0.0.5", locate.Query{User: "PC7$", AAC: 0x1000}, "dc1.corp.example"},
	} {
		d.from = c.from
		client := &locate.Client{Dialer: d, DNS: "dns", Rand: rand.Reader, Patience: 5 * time.Second}
		c.q.Domain = "corp.example"
		got, err := client.Locate(t.Context(), c.q)
		if err != nil || got.Host != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
