package locate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"hellolab/providers/wire/netlogon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is a name server and controllers on loopback.
type network struct {
	t     *testing.T
	at    map[string]string // host:port → address on loopback
	mu    sync.Mutex
	asked []string // names of records and hosts, in order
}

var errRefused = errors.New("connection refused")

func (n *network) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	return n.dial(ctx, "udp", host, port)
}

func (n *network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	return n.dial(ctx, "tcp", host, port)
}

func (n *network) dial(ctx context.Context, kind, host string, port int) (net.Conn, error) {
	at, ok := n.at[fmt.Sprintf("%s:%d/%s", host, port, kind)]
	if !ok {
		return nil, errRefused
	}
	return (&net.Dialer{}).DialContext(ctx, kind, at)
}

func (n *network) note(what string) {
	n.mu.Lock()
	n.asked = append(n.asked, what)
	n.mu.Unlock()
}

// taken returns what was asked since it was called last.
func (n *network) taken() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := strings.Join(n.asked, " ")
	n.asked = nil
	return asked
}

// datagrams serves a host; answer returns the datagrams that go back.
func (n *network) datagrams(host string, port int, answer func(b []byte) [][]byte) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.at[fmt.Sprintf("%s:%d/udp", host, port)] = socket.LocalAddr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 64<<10)
		for {
			k, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, b := range answer(buffer[:k]) {
				_, _ = socket.WriteTo(b, from)
			}
		}
	}()
	n.t.Cleanup(func() { socket.Close(); <-done })
}

// names serves SRV records: names to hosts.
func (n *network) names(records map[string][]string) {
	n.datagrams("dns", 53, func(b []byte) [][]byte {
		q := new(dns.Msg)
		if err := q.Unpack(b); err != nil {
			n.t.Error(err)
			return nil
		}
		name := strings.TrimSuffix(q.Question[0].Name, ".")
		n.note(name)
		r := new(dns.Msg).SetReply(q)
		hosts, ok := records[name]
		if !ok {
			r.Rcode = dns.RcodeNameError
		}
		for i, h := range hosts {
			r.Answer = append(r.Answer, &dns.SRV{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET},
				Priority: uint16(i), Port: 389, Target: dns.Fqdn(h)})
		}
		out, err := r.Pack()
		if err != nil {
			n.t.Error(err)
		}
		forged := append([]byte(nil), out...)
		forged[0] ^= 1
		return [][]byte{{1, 2}, forged, out}
	})
}

// controller serves pings; it is in a site and sends clients to another.
func (n *network) controller(host, site, clientSite string, flags netlogon.Flags) {
	if site != "" && site == clientSite {
		flags |= netlogon.FlagClosest
	}
	n.datagrams(host, 389, func(b []byte) [][]byte {
		id, p, err := netlogon.ParseRequest(b)
		if err != nil {
			n.t.Error(err)
			return nil
		}
		n.note(host)
		r := &netlogon.Response{Opcode: netlogon.OpResponse, Flags: flags, Domain: p.DNSDomain, Forest: "corp.example", Host: host, Site: site, ClientSite: clientSite,
			User: p.User, Version: netlogon.Version1 | netlogon.Version5EX}
		if p.User == "mallory" {
			r.Opcode = netlogon.OpUserUnknown
		}
		reply := func(id int32) []byte {
			out, err := netlogon.MarshalReply(id, r)
			if err != nil {
				n.t.Error(err)
			}
			return out
		}
		return [][]byte{{0x30}, reply(id ^ 1), reply(id)}
	})
}

func newNetwork(t *testing.T) (*network, *Client) {
	n := &network{t: t, at: map[string]string{}}
	return n, &Client{Dialer: n, DNS: "dns", Rand: rand.Reader, Patience: 300 * time.Millisecond}
}

const (
	all    = "_ldap._tcp.dc._msdcs.corp.example"
	berlin = "_ldap._tcp.Berlin._sites.dc._msdcs.corp.example"
	paris  = "_ldap._tcp.Paris._sites.dc._msdcs.corp.example"
)

func TestLocate(t *testing.T) {
	n, c := newNetwork(t)
	n.names(map[string][]string{all: {"Dead.corp.example", "silent.corp.example", "dc1.corp.example", "dc2.corp.example"},
		berlin: {"dc1.corp.example"}, paris: {"rodc.corp.example", "dc2.corp.example"}, "_ldap._tcp.pdc._msdcs.corp.example": {"dc2.corp.example"}})
	n.datagrams("silent.corp.example", 389, func([]byte) [][]byte { n.note("silent.corp.example"); return nil })
	n.controller("dc1.corp.example", "Berlin", "Paris", netlogon.FlagWritable)
	n.controller("dc2.corp.example", "Paris", "Paris", netlogon.FlagWritable|netlogon.FlagPDC|netlogon.FlagKeyList)
	n.controller("rodc.corp.example", "Paris", "Paris", netlogon.FlagRODC)
	for name, c2 := range map[string]struct {
		q     Query
		want  string
		asked string
	}{
		"its own site":      {Query{Site: "Paris"}, "rodc.corp.example", paris + " rodc.corp.example"},
		"that can write":    {Query{Site: "Paris", Want: netlogon.FlagWritable}, "dc2.corp.example", paris + " rodc.corp.example dc2.corp.example"},
		"where it was":      {Query{Site: "Berlin", Want: netlogon.FlagWritable}, "dc2.corp.example", berlin + " dc1.corp.example " + all + " silent.corp.example silent.corp.example dc2.corp.example"},
		"no site":           {Query{}, "rodc.corp.example", all + " silent.corp.example silent.corp.example dc1.corp.example " + paris + " rodc.corp.example"},
		"a site of nothing": {Query{Site: "Rome"}, "rodc.corp.example", "_ldap._tcp.Rome._sites.dc._msdcs.corp.example " + all + " silent.corp.example silent.corp.example dc1.corp.example " + paris + " rodc.corp.example"},
		"primary":           {Query{Want: netlogon.FlagPDC}, "dc2.corp.example", "_ldap._tcp.pdc._msdcs.corp.example dc2.corp.example"},
	} {
		c2.q.Domain = "corp.example"
		got, err := c.Locate(t.Context(), c2.q)
		if err != nil || got.Host != c2.want || got.Port != 389 || got.Ping.Domain != "corp.example" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if asked := n.taken(); asked != c2.asked {
			t.Errorf("%s: asked %s\nwant %s", name, asked, c2.asked)
		}
	}
	for name, c2 := range map[string]struct {
		q    Query
		want error
	}{
		"no domain":   {Query{Domain: "other.example"}, ErrNoRecords},
		"no name":     {Query{Domain: strings.Repeat("a", 64) + ".example"}, ErrNoRecords},
		"no key list": {Query{Domain: "corp.example", Want: netlogon.FlagKeyList | netlogon.FlagGC}, ErrNoRecords},
		"no flags":    {Query{Domain: "corp.example", Want: netlogon.FlagWebService}, ErrNoneFits},
		"no user":     {Query{Domain: "corp.example", User: "mallory"}, ErrNoneFits},
	} {
		if got, err := c.Locate(t.Context(), c2.q); !errors.Is(err, c2.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	n, c := newNetwork(t)
	q := Query{Domain: "corp.example"}
	if _, err := c.Locate(t.Context(), q); !errors.Is(err, ErrDNS) || !errors.Is(err, errRefused) {
		t.Errorf("no name server: %v", err)
	}
	n.names(map[string][]string{all: {"dead.corp.example"}})
	if _, err := c.Locate(t.Context(), q); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("no controller: %v", err)
	}
	silent, c := newNetwork(t)
	silent.datagrams("dns", 53, func([]byte) [][]byte { return nil })
	if _, err := c.Locate(t.Context(), q); !errors.Is(err, ErrDNS) {
		t.Errorf("a silent name server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Locate(ctx, q); !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody waits: %v", err)
	}
	c.Rand = strings.NewReader("")
	if _, err := c.Locate(t.Context(), q); !errors.Is(err, ErrDNS) {
		t.Errorf("without randomness: %v", err)
	}
}

// TestTruncated: what does not fit into a datagram comes by a stream.
func TestTruncated(t *testing.T) {
	n, c := newNetwork(t)
	n.controller("dc7.corp.example", "Berlin", "Berlin", 0)
	answer := func(q *dns.Msg) *dns.Msg {
		r := new(dns.Msg).SetReply(q)
		for i := range 100 {
			r.Answer = append(r.Answer, &dns.SRV{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET}, Priority: uint16(100 - i),
				Target: fmt.Sprintf("dc%d.corp.example.", i)})
		}
		return r
	}
	n.datagrams("dns", 53, func(b []byte) [][]byte {
		q := new(dns.Msg)
		if err := q.Unpack(b); err != nil {
			t.Error(err)
		}
		r := answer(q)
		r.Truncate(512)
		out, err := r.Pack()
		if err != nil {
			t.Error(err)
		}
		return [][]byte{out}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.at["dns:53/tcp"] = l.Addr().String()
	srv := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(answer(q)) })}
	started, done := make(chan struct{}), make(chan error, 1)
	srv.NotifyStartedFunc = func() { close(started) }
	go func() { done <- srv.ActivateAndServe() }()
	<-started
	records, err := c.srv(t.Context(), all)
	if err != nil || len(records) != maxRecords || !slices.ContainsFunc(records, func(r Record) bool { return r.Host == "dc7.corp.example" }) {
		t.Errorf("%d records, %v", len(records), err)
	}
	if got, err := c.Locate(t.Context(), Query{Domain: "corp.example"}); err != nil || got.Host != "dc7.corp.example" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := srv.Shutdown(); err != nil {
		t.Error(err)
	}
	<-done
}
