package locator

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func ask(t testing.TB, s *DNS, name string, kind uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	r := s.Answer(t.Context(), q, false)
	if r.Id != q.Id || !r.Response || r.RecursionAvailable {
		t.Errorf("%s: the header is %+v", name, r.MsgHdr)
	}
	return r
}

// short writes what matters of an answer.
func short(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		switch rr := rr.(type) {
		case *dns.SRV:
			out = append(out, fmt.Sprintf("%s:%d", strings.TrimSuffix(rr.Target, "."), rr.Port))
		case *dns.A:
			out = append(out, rr.A.String())
		case *dns.AAAA:
			out = append(out, rr.AAAA.String())
		case *dns.CNAME:
			out = append(out, rr.Target)
		case *dns.NS:
			out = append(out, rr.Ns)
		case *dns.SOA:
			out = append(out, rr.Ns+" "+rr.Mbox)
		case *dns.URI:
			out = append(out, fmt.Sprintf("%d %s", rr.Priority, rr.Target))
		}
	}
	return strings.Join(out, " ")
}

const both, first = "dc1.corp.example:389 dc2.corp.example:10389", "dc1.corp.example:389"

func TestRecords(t *testing.T) {
	s := newDNS(t, corp())
	for _, c := range []struct {
		name string
		kind uint16
		want string
	}{
		{"_ldap._tcp.corp.example", dns.TypeSRV, both},
		{"_ldap._tcp.dc._msdcs.corp.example", dns.TypeSRV, both},
		{"_LDAP._tcp.DC._msdcs.Corp.Example", dns.TypeSRV, both},
		{"_ldap._tcp.Berlin._sites.corp.example", dns.TypeSRV, first},
		{"_ldap._tcp.berlin._sites.dc._msdcs.corp.example", dns.TypeSRV, first},
		{"_ldap._tcp.paris._sites.dc._msdcs.corp.example", dns.TypeSRV, "dc2.corp.example:10389"},
		{"_ldap._tcp.oslo._sites.dc._msdcs.corp.example", dns.TypeSRV, "rodc.corp.example:389"},
		{"_ldap._tcp.pdc._msdcs.corp.example", dns.TypeSRV, first},
		{"_ldap._tcp.gc._msdcs.corp.example", dns.TypeSRV, "dc1.corp.example:3268"},
		{"_ldap._tcp.berlin._sites.gc._msdcs.corp.example", dns.TypeSRV, "dc1.corp.example:3268"},
		{"_gc._tcp.corp.example", dns.TypeSRV, "dc1.corp.example:3268"},
		{"_gc._tcp.berlin._sites.corp.example", dns.TypeSRV, "dc1.corp.example:3268"},
		{"_ldap._tcp." + domain + ".domains._msdcs.corp.example", dns.TypeSRV, both},
		{"_kerberos._tcp.corp.example", dns.TypeSRV, "dc1.corp.example:88 dc2.corp.example:10088"},
		{"_kerberos._udp.corp.example", dns.TypeSRV, "dc1.corp.example:88 dc2.corp.example:10088"},
		{"_kerberos._tcp.dc._msdcs.corp.example", dns.TypeSRV, "dc1.corp.example:88 dc2.corp.example:10088"},
		{"_kerberos._tcp.oslo._sites.corp.example", dns.TypeSRV, "rodc.corp.example:88"},
		{"_kerberos._tcp.paris._sites.dc._msdcs.corp.example", dns.TypeSRV, "dc2.corp.example:10088"},
		{"_kpasswd._tcp.corp.example", dns.TypeSRV, "dc1.corp.example:464 dc2.corp.example:10464"},
		{"_kpasswd._udp.corp.example", dns.TypeSRV, "dc1.corp.example:464 dc2.corp.example:10464"},
		{"_kerberos.corp.example", dns.TypeURI, "0 krb5srv:m:tcp:dc1.corp.example:88 1 krb5srv:m:udp:dc1.corp.example:88 " +
			"0 krb5srv::tcp:dc2.corp.example:10088 1 krb5srv::udp:dc2.corp.example:10088"},
		{"_kpasswd.CORP.EXAMPLE", dns.TypeURI, "0 krb5srv:m:tcp:dc1.corp.example:464 1 krb5srv:m:udp:dc1.corp.example:464 " +
			"0 krb5srv::tcp:dc2.corp.example:10464 1 krb5srv::udp:dc2.corp.example:10464"},
		{ntds + "._msdcs.corp.example", dns.TypeCNAME, "dc1.corp.example."},
		{ntds + "._msdcs.corp.example", dns.TypeA, "dc1.corp.example. 127.0.1.1"},
		{"corp.example", dns.TypeA, "127.0.1.1 127.0.1.2"},
		{"gc._msdcs.corp.example", dns.TypeA, "127.0.1.1"},
		{"DC1.corp.example", dns.TypeA, "127.0.1.1"},
		{"rodc.corp.example", dns.TypeAAAA, "fd00::3"},
		{"pc7.corp.example", dns.TypeA, "127.0.1.7"},
		{"corp.example", dns.TypeSOA, "dc1.corp.example. hostmaster.corp.example."},
		{"_msdcs.corp.example", dns.TypeSOA, "dc1.corp.example. hostmaster.corp.example."},
		{"corp.example", dns.TypeNS, "dc1.corp.example. dc2.corp.example."},
	} {
		r := ask(t, s, c.name, c.kind)
		if got := short(r.Answer); r.Rcode != dns.RcodeSuccess || got != c.want || !r.Authoritative {
			t.Errorf("%s %s: %s, %q, want %q", c.name, dns.TypeToString[c.kind], dns.RcodeToString[r.Rcode], got, c.want)
		}
		for _, rr := range r.Answer[:min(1, len(r.Answer))] {
			if rr.Header().Name != dns.Fqdn(c.name) {
				t.Errorf("%s was answered for as %s", c.name, rr.Header().Name)
			}
		}
	}
	r := ask(t, s, "_ldap._tcp.corp.example", dns.TypeSRV)
	if got := strings.Fields(short(r.Extra)); !slices.Contains(got, "127.0.1.1") || !slices.Contains(got, "127.0.1.2") || len(got) != 2 {
		t.Errorf("beside the records: %v", got)
	}
}

// TestForest: two domains of a forest, and a child whose root is not served.
func TestForest(t *testing.T) {
	s := newDNS(t, corp(), emea())
	for name, want := range map[string]string{
		"_gc._tcp.corp.example":                  "dc1.corp.example:3268 dc9.emea.corp.example:3268",
		"_ldap._tcp.emea.corp.example":           "dc9.emea.corp.example:389",
		"_ldap._tcp.dc._msdcs.emea.corp.example": "dc9.emea.corp.example:389",
		"_ldap._tcp.09000000-0000-0000-0000-000000000000.domains._msdcs.corp.example": "dc9.emea.corp.example:389",
	} {
		if got := short(ask(t, s, name, dns.TypeSRV).Answer); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	child := newDNS(t, emea())
	if got := short(ask(t, child, "_gc._tcp.corp.example", dns.TypeSRV).Answer); got != "dc9.emea.corp.example:3268" {
		t.Errorf("the global catalog of the child: %q", got)
	}
	if r := ask(t, child, "dc1.corp.example", dns.TypeSRV); r.Rcode != dns.RcodeRefused {
		t.Errorf("for its parent, the child answers %s", dns.RcodeToString[r.Rcode])
	}
}

func TestNoAnswer(t *testing.T) {
	s := newDNS(t, corp())
	for _, c := range []struct {
		name  string
		kind  uint16
		rcode int
		soa   bool
	}{
		{"nobody.corp.example", dns.TypeA, dns.RcodeNameError, true},
		{"_ldap._tcp.rome._sites.dc._msdcs.corp.example", dns.TypeSRV, dns.RcodeNameError, true},
		{"_tcp.corp.example", dns.TypeSRV, dns.RcodeSuccess, true}, // there are names below
		{"dc._msdcs.corp.example", dns.TypeA, dns.RcodeSuccess, true},
		{"_ldap._tcp.corp.example", dns.TypeA, dns.RcodeSuccess, true},
		{"dc1.corp.example", dns.TypeAAAA, dns.RcodeSuccess, true},
		{"pc7.corp.example", dns.TypeTXT, dns.RcodeSuccess, true},
		{"broken.corp.example", dns.TypeA, dns.RcodeServerFailure, false},
		{"corp.example", dns.TypeANY, dns.RcodeRefused, false},
		{"corp.example", dns.TypeAXFR, dns.RcodeRefused, false},
		{"corp.example", dns.TypeIXFR, dns.RcodeRefused, false},
		{"www.other.example", dns.TypeA, dns.RcodeRefused, false},
		{"example", dns.TypeSOA, dns.RcodeRefused, false},
		{"notcorp.example", dns.TypeA, dns.RcodeRefused, false},
		{".", dns.TypeNS, dns.RcodeRefused, false},
	} {
		r := ask(t, s, c.name, c.kind)
		if r.Rcode != c.rcode || len(r.Answer) != 0 || (len(r.Ns) == 1 && r.Ns[0].Header().Rrtype == dns.TypeSOA) != c.soa {
			t.Errorf("%s %s: %s, answer %q, authority %q", c.name, dns.TypeToString[c.kind], dns.RcodeToString[r.Rcode], short(r.Answer), short(r.Ns))
		}
	}
}

func TestOddMessages(t *testing.T) {
	s := newDNS(t, corp())
	for name, c := range map[string]struct {
		change func(q *dns.Msg)
		rcode  int
	}{
		"plain":        {func(*dns.Msg) {}, dns.RcodeSuccess},
		"an answer":    {func(q *dns.Msg) { q.Response = true }, dns.RcodeNotImplemented},
		"an update":    {func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"a notice":     {func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"no question":  {func(q *dns.Msg) { q.Question = nil }, dns.RcodeFormatError},
		"two":          {func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }, dns.RcodeFormatError},
		"class CHAOS":  {func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		"class ANY":    {func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY }, dns.RcodeRefused},
		"EDNS 1":       {func(q *dns.Msg) { q.SetEdns0(4096, false); q.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		"EDNS 0":       {func(q *dns.Msg) { q.SetEdns0(4096, true) }, dns.RcodeSuccess},
		"EDNS of none": {func(q *dns.Msg) { q.SetEdns0(0, false) }, dns.RcodeSuccess},
	} {
		q := new(dns.Msg)
		q.SetQuestion("dc1.corp.example.", dns.TypeA)
		c.change(q)
		r := s.Answer(t.Context(), q, true)
		if r.Rcode != c.rcode || (q.IsEdns0() != nil) != (r.IsEdns0() != nil) {
			t.Errorf("%s: %s", name, dns.RcodeToString[r.Rcode])
		}
		if _, err := r.Pack(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTruncation(t *testing.T) {
	d := corp()
	for i := range 40 {
		d.Controllers = append(d.Controllers, Controller{Host: fmt.Sprintf("dc%d.corp.example", 100+i), Site: "Berlin", Writable: true})
	}
	s := newDNS(t, d)
	for _, c := range []struct {
		edns     uint16
		datagram bool
		most     int
		cut      bool
	}{{0, true, 512, true}, {100, true, 512, true}, {1000, true, 1000, true}, {65535, true, maxUDP, true}, {0, false, dns.MaxMsgSize, false}} {
		q := new(dns.Msg)
		q.SetQuestion("_ldap._tcp.corp.example.", dns.TypeSRV)
		if c.edns != 0 {
			q.SetEdns0(c.edns, false)
		}
		r := s.Answer(t.Context(), q, c.datagram)
		b, err := r.Pack()
		if err != nil || len(b) > c.most || r.Truncated != c.cut || !c.cut && len(r.Answer) != 42 {
			t.Errorf("%+v: %d bytes, cut %v, %d records, %v", c, len(b), r.Truncated, len(r.Answer), err)
		}
	}
}

// slow answers when it is told to.
type slow struct{ wait chan struct{} }

func (s slow) Address(ctx context.Context, _ string) (a netip.Addr, err error) {
	select {
	case <-s.wait:
	case <-ctx.Done():
	}
	return a, ctx.Err()
}

// TestLookUpsAreBounded: questions beyond those being looked up are refused at
// once, and answered again afterwards.
func TestLookUpsAreBounded(t *testing.T) {
	wait := make(chan struct{})
	s, err := NewDNS(slow{wait}, corp())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan *dns.Msg)
	q := new(dns.Msg)
	q.SetQuestion("pc7.corp.example.", dns.TypeA)
	for range maxAtOnce {
		go func() { done <- s.Answer(t.Context(), q, true) }()
	}
	for len(s.atOnce) < maxAtOnce {
		time.Sleep(time.Millisecond)
	}
	if r := s.Answer(t.Context(), q, true); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("one too many: %s", dns.RcodeToString[r.Rcode])
	}
	close(wait)
	for range maxAtOnce {
		if r := <-done; r.Rcode != dns.RcodeNameError {
			t.Errorf("one that waited: %s", dns.RcodeToString[r.Rcode])
		}
	}
	if r := s.Answer(t.Context(), q, true); r.Rcode != dns.RcodeNameError {
		t.Errorf("afterwards: %s", dns.RcodeToString[r.Rcode])
	}
}

// serveDNS serves on loopback until the test ends.
func serveDNS(t *testing.T, s *DNS) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 2)
	go func() { errs <- s.ServeListener(ctx, l) }()
	go func() { errs <- s.ServePacket(ctx, struct{ net.PacketConn }{p}) }() // sockets of the lab's network are not *net.UDPConn, either
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("serving ended with %v", err)
			}
		}
	})
	return port
}

func TestServe(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", serveDNS(t, newDNS(t, corp())))
	q := new(dns.Msg)
	q.SetQuestion("_kerberos._udp.corp.example.", dns.TypeSRV)
	for _, network := range []string{"udp", "tcp"} {
		// Garbage first: it hurts nobody.
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{{0}, {0xff, 0xff}, make([]byte, 12), []byte(strings.Repeat("\xc0\x0c", 300))} {
			_, _ = c.Write(b)
		}
		c.Close()
		client := &dns.Client{Net: network}
		r, _, err := client.Exchange(q, addr)
		if err != nil || short(r.Answer) != "dc1.corp.example:88 dc2.corp.example:10088" {
			t.Errorf("%s: %v, %v", network, r, err)
		}
	}
}

// TestServingEnds: with a connection that says nothing.
func TestServingEnds(t *testing.T) {
	s := newDNS(t, corp())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeListener(ctx, l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a silent client holds the server")
	}
}

func FuzzAnswer(f *testing.F) {
	s := newDNS(f, corp(), emea())
	for _, name := range []string{"_ldap._tcp.dc._msdcs.corp.example.", ntds + "._msdcs.corp.example.", "corp.example.", "broken.corp.example."} {
		for _, kind := range []uint16{dns.TypeSRV, dns.TypeA, dns.TypeANY, dns.TypeURI} {
			q := new(dns.Msg)
			q.SetQuestion(name, kind)
			q.SetEdns0(1232, true)
			b, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, true)
		}
	}
	f.Add([]byte(strings.Repeat("\xc0\x0c", 40)), false)
	f.Fuzz(func(t *testing.T, b []byte, datagram bool) {
		q := new(dns.Msg)
		if q.Unpack(b) != nil {
			return
		}
		r := s.Answer(t.Context(), q, datagram)
		out, err := r.Pack()
		if err != nil {
			t.Fatalf("the answer %v to %v cannot be written: %v", r, q, err)
		}
		if datagram && len(out) > maxUDP+512 {
			t.Fatalf("%d bytes in a datagram", len(out))
		}
	})
}
