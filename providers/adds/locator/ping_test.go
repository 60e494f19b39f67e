package locator

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/netlogon"
	"hellolab/providers/wire/sid"
)

// accounts knows one computer and one user.
type accounts struct{}

func (accounts) Known(_ context.Context, name string, aac uint32) (bool, error) {
	switch name {
	case "PC7$":
		return aac == 0 || aac&0x1000 != 0, nil
	case "broken":
		return false, errBroken
	}
	return false, nil
}

func pings(host string) *Pings { return &Pings{corp(), host, accounts{}, lab()} }

const ex = netlogon.Version1 | netlogon.Version5EX

func TestPing(t *testing.T) {
	berlin, paris := netip.MustParseAddr("127.0.0.5"), netip.MustParseAddr("127.0.9.5")
	is := netlogon.FlagPDC | netlogon.FlagGC | netlogon.FlagWritable | netlogon.FlagKeyList | netlogon.FlagKDC | netlogon.FlagDNSForest
	for name, c := range map[string]struct {
		host string
		p    netlogon.Ping
		from netip.Addr
		want *netlogon.Response // of which Opcode, Flags, ClientSite, Site, Address and Version are looked at
		not  netlogon.Flags
	}{
		"domain":    {"dc1.corp.example", netlogon.Ping{DNSDomain: "CORP.example.", Version: ex}, berlin, &netlogon.Response{Opcode: 23, Flags: is | netlogon.FlagClosest, Site: "Berlin", ClientSite: "Berlin", Version: 5}, netlogon.FlagRODC},
		"nothing":   {"dc1.corp.example", netlogon.Ping{Version: netlogon.Version5EX}, paris, &netlogon.Response{Opcode: 23, Flags: is, Site: "Berlin", ClientSite: "Paris", Version: 5}, netlogon.FlagClosest},
		"no site":   {"dc1.corp.example", netlogon.Ping{Version: ex}, netip.Addr{}, &netlogon.Response{Opcode: 23, Flags: is, Site: "Berlin", Version: 5}, netlogon.FlagClosest},
		"by id":     {"dc1.corp.example", netlogon.Ping{DomainGUID: mustGUID(domain), DomainSID: sid.New(5, 21, 1, 2, 3), Version: ex}, berlin, &netlogon.Response{Opcode: 23, Site: "Berlin", ClientSite: "Berlin", Version: 5}, 0},
		"user":      {"dc1.corp.example", netlogon.Ping{User: "PC7$", AAC: 0x1000, Version: ex}, berlin, &netlogon.Response{Opcode: 23, Site: "Berlin", ClientSite: "Berlin", Version: 5}, 0},
		"no user":   {"dc1.corp.example", netlogon.Ping{User: "mallory", Version: ex}, berlin, &netlogon.Response{Opcode: 25, Site: "Berlin", ClientSite: "Berlin", Version: 5}, 0},
		"other AAC": {"dc1.corp.example", netlogon.Ping{User: "PC7$", AAC: 0x200, Version: ex}, berlin, &netlogon.Response{Opcode: 25, Site: "Berlin", ClientSite: "Berlin", Version: 5}, 0},
		"address":   {"dc2.corp.example", netlogon.Ping{Version: netlogon.Version5EXWithIP | netlogon.VersionClosestSite}, paris, &netlogon.Response{Opcode: 23, Flags: netlogon.FlagWritable | netlogon.FlagClosest, Site: "Paris", ClientSite: "Paris", Version: 0x1d, Address: netip.MustParseAddr("127.0.1.2")}, netlogon.FlagPDC | netlogon.FlagGC | netlogon.FlagKeyList},
		"IPv6 only": {"rodc.corp.example", netlogon.Ping{Version: netlogon.Version5EXWithIP}, berlin, &netlogon.Response{Opcode: 23, Flags: netlogon.FlagRODC, Site: "Oslo", ClientSite: "Berlin", Version: 5}, netlogon.FlagWritable},

		"other domain":    {"dc1.corp.example", netlogon.Ping{DNSDomain: "other.example", Version: ex}, berlin, nil, 0},
		"other GUID":      {"dc1.corp.example", netlogon.Ping{DNSDomain: "corp.example", DomainGUID: guid.GUID{1}, Version: ex}, berlin, nil, 0},
		"other SID":       {"dc1.corp.example", netlogon.Ping{DNSDomain: "corp.example", DomainSID: sid.New(5, 21, 9), Version: ex}, berlin, nil, 0},
		"old client":      {"dc1.corp.example", netlogon.Ping{Version: netlogon.Version5}, berlin, nil, 0},
		"broken accounts": {"dc1.corp.example", netlogon.Ping{User: "broken", Version: ex}, berlin, nil, 0},
		"no label":        {"dc1.corp.example", netlogon.Ping{User: "a..b", Version: ex}, berlin, nil, 0},
	} {
		reply := pings(c.host).Handle(t.Context(), netlogon.MarshalRequest(77, c.p), c.from)
		id, r, err := netlogon.ParseReply(reply)
		if id != 77 || (c.want == nil) != errors.Is(err, netlogon.ErrEmpty) {
			t.Errorf("%s: %d, %+v, %v", name, id, r, err)
			continue
		}
		if c.want == nil {
			continue
		}
		if r.Opcode != c.want.Opcode || !r.Flags.Has(c.want.Flags) || r.Flags&c.not != 0 || r.ClientSite != c.want.ClientSite || r.Site != c.want.Site ||
			r.Version != c.want.Version || r.Address != c.want.Address || r.User != c.p.User {
			t.Errorf("%s: %+v", name, r)
		}
		if r.Domain != "corp.example" || r.Forest != "corp.example" || r.Host != c.host || r.NetBIOSDomain != "CORP" || r.DomainGUID != mustGUID(domain) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestServePings(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- pings("DC1.corp.example.").Serve(ctx, socket) }()
	c, err := net.Dial("udp", socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{{}, {0x30}, make([]byte, 5000), netlogon.MarshalRequest(5, netlogon.Ping{DNSDomain: "corp.example", Version: ex})} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 4096)
	n, err := c.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	if id, r, err := netlogon.ParseReply(buffer[:n]); err != nil || id != 5 || r.Host != "dc1.corp.example" || r.ClientSite != "Berlin" {
		t.Errorf("%d, %+v, %v", id, r, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := pings("dc7.corp.example").Serve(t.Context(), socket); err == nil {
		t.Error("a host that is no controller answers pings")
	}
	socket2, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket2.Close()
	if err := pings("dc1.corp.example").Serve(t.Context(), socket2); !errors.Is(err, net.ErrClosed) {
		t.Errorf("on a closed socket: %v", err)
	}
}

// whole reads a datagram at once, for who reads it in pieces.
type whole struct {
	net.Conn
	buffer *bufio.Reader
}

func (w whole) Read(b []byte) (int, error) { return w.buffer.Read(b) }

// TestAnotherClient: an LDAP client that is not ours asks, and reads the answer
// and the empty one.
func TestAnotherClient(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- pings("dc1.corp.example").Serve(ctx, socket) }()
	c, err := net.Dial("udp", socket.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := ldap.NewConn(whole{c, bufio.NewReader(c)}, false)
	client.SetTimeout(10 * time.Second)
	client.Start()
	ask := func(filter string) [][]byte {
		t.Helper()
		r, err := client.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"netlogon"}, nil))
		if err != nil {
			t.Fatalf("%s: %v", filter, err)
		}
		if len(r.Entries) == 0 {
			return nil
		}
		return r.Entries[0].GetRawAttributeValues("netlogon")
	}
	values := ask(`(&(DnsDomain=corp.example)(Host=PC7)(User=PC7$)(AAC=\00\10\00\00)(NtVer=\16\00\00\00))`)
	if len(values) != 1 {
		t.Fatalf("%d values", len(values))
	}
	if r, err := netlogon.ParseResponse(values[0]); err != nil || r.User != "PC7$" || !r.Flags.Has(netlogon.FlagClosest|netlogon.FlagPDC) {
		t.Errorf("%+v, %v", r, err)
	}
	if values := ask(`(&(DnsDomain=other.example)(NtVer=\16\00\00\00))`); values != nil {
		t.Errorf("for another domain: %x", values)
	}
	client.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
