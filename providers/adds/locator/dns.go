package locator

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
)

// Bounds of the DNS server.
const (
	maxConnections = 64
	maxAtOnce      = 64   // questions whose answers are being looked up
	maxUDP         = 1232 // bytes of an answer, whatever the client could take
	dnsPatience    = 5 * time.Second
	maxCNAME       = 4
)

// DNS answers for the zones of domains, and for no other name.
type DNS struct {
	zones     []*zone
	addresses Addresses
	atOnce    chan struct{}
}

// NewDNS makes the server of domains. Hosts of a domain that are not its
// controllers have the addresses that addresses knows. It fails on a domain that
// DNS cannot hold.
func NewDNS(addresses Addresses, domains ...Domain) (*DNS, error) {
	for i := range domains {
		if err := domains[i].Check(); err != nil {
			return nil, err
		}
	}
	return &DNS{zonesOf(domains), addresses, make(chan struct{}, maxAtOnce)}, nil
}

// ServePacket answers datagrams until ctx is done; then it closes the socket
// and returns nil.
func (s *DNS) ServePacket(ctx context.Context, socket net.PacketConn) error {
	return s.serve(ctx, &dns.Server{PacketConn: socket, UDPSize: maxUDP})
}

// ServeListener answers over TCP until ctx is done; then it closes the listener
// and its connections and returns nil.
func (s *DNS) ServeListener(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, &dns.Server{Listener: netutil.LimitListener(l, maxConnections)})
}

func (s *DNS) serve(ctx context.Context, srv *dns.Server) error {
	started, done := make(chan struct{}), make(chan error, 1)
	srv.NotifyStartedFunc = func() { close(started) }
	srv.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(s.Answer(ctx, q, srv.PacketConn != nil)) // who asked may be gone
	})
	go func() { done <- srv.ActivateAndServe() }()
	select {
	case err := <-done:
		return err
	case <-started:
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		err := srv.Shutdown()
		<-done
		return err
	}
}

// Answer answers a message. Over UDP the answer fits into what the client takes,
// and says so when it does not hold everything.
func (s *DNS) Answer(ctx context.Context, q *dns.Msg, datagram bool) *dns.Msg {
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable = false
	size := dns.MinMsgSize
	if o := q.IsEdns0(); o != nil {
		r.SetEdns0(maxUDP, false)
		size = min(max(size, int(o.UDPSize())), maxUDP)
		if o.Version() != 0 {
			r.Rcode = dns.RcodeBadVers
			return r
		}
	}
	switch {
	case q.Response || q.Opcode != dns.OpcodeQuery:
		r.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		r.Rcode = dns.RcodeFormatError
	default:
		select {
		case s.atOnce <- struct{}{}:
			ctx, cancel := context.WithTimeout(ctx, dnsPatience)
			s.answer(ctx, r)
			cancel()
			<-s.atOnce
		default:
			r.Rcode = dns.RcodeServerFailure
		}
	}
	if datagram {
		r.Truncate(size)
	} else {
		r.Truncate(dns.MaxMsgSize)
	}
	return r
}

// answer fills in r what its question asks for.
func (s *DNS) answer(ctx context.Context, r *dns.Msg) {
	q := r.Question[0]
	z := closest(s.zones, strings.ToLower(q.Name))
	switch q.Qtype {
	case dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR:
		z = nil
	}
	if z == nil || q.Qclass != dns.ClassINET {
		r.Rcode = dns.RcodeRefused
		return
	}
	exists, err := s.follow(ctx, r, z, q.Name, q.Qtype)
	switch {
	case err != nil:
		r.Rcode, r.Answer = dns.RcodeServerFailure, nil
	case len(r.Answer) > 0:
		r.Authoritative = true
		s.additional(ctx, r)
	case !z.ours():
		r.Rcode = dns.RcodeRefused
	default:
		r.Authoritative = true
		r.Ns = z.soa()
		if !exists {
			r.Rcode = dns.RcodeNameError
		}
	}
}

// follow adds the records of a name, and of what it is an alias for as far as
// that lies in a zone that is served.
func (s *DNS) follow(ctx context.Context, r *dns.Msg, z *zone, name string, kind uint16) (exists bool, err error) {
	for range maxCNAME {
		found, known, err := s.lookup(ctx, z, name, kind)
		if err != nil {
			return false, err
		}
		exists = exists || known
		r.Answer = append(r.Answer, found...)
		alias, ok := last(found).(*dns.CNAME)
		if !ok || kind == dns.TypeCNAME {
			break
		}
		name = alias.Target
		if z = closest(s.zones, name); z == nil {
			break
		}
	}
	return exists, nil
}

func last(rr []dns.RR) dns.RR {
	if len(rr) == 0 {
		return nil
	}
	return rr[len(rr)-1]
}

// ours says whether the zone answers by itself: that of a forest's root whose
// domain is not served has only some records of it.
func (z *zone) ours() bool { return z.sets[z.apex][dns.TypeSOA] != nil }

func (z *zone) soa() []dns.RR {
	if !z.ours() {
		return nil
	}
	soa := dns.Copy(z.sets[z.apex][dns.TypeSOA].records[0])
	soa.Header().Ttl = minTTL
	return []dns.RR{soa}
}

// lookup finds the records of a name, with the name as it was asked for, and
// says whether the name is one at all.
func (s *DNS) lookup(ctx context.Context, z *zone, name string, kind uint16) (found []dns.RR, exists bool, err error) {
	lower := strings.ToLower(name)
	sets, known := z.sets[lower]
	of := sets[kind]
	if of == nil {
		of = sets[dns.TypeCNAME]
	}
	hosts := []string{}
	switch {
	case of != nil:
		for _, rr := range of.records {
			rr = dns.Copy(rr)
			rr.Header().Name = name
			found = append(found, rr)
		}
		hosts = of.hosts
	case known || z.parents[lower]:
	default: // perhaps a host that is no controller
		hosts = []string{canonical(lower)}
	}
	for _, h := range hosts {
		rr, there, err := s.address(ctx, h, name, kind)
		if err != nil {
			return nil, false, err
		}
		if rr != nil {
			found = append(found, rr)
		}
		known = known || there
	}
	return found, known || z.parents[lower], nil
}

// address is the record of a host's address under a name: nil when the host has
// no address of that kind, or is not there.
func (s *DNS) address(ctx context.Context, host, name string, kind uint16) (rr dns.RR, there bool, err error) {
	a, err := s.addresses.Address(ctx, host)
	switch a = a.Unmap(); {
	case err != nil:
		return nil, false, err
	case kind == dns.TypeA && a.Is4():
		rr = &dns.A{Hdr: header(name, kind), A: a.AsSlice()}
	case kind == dns.TypeAAAA && a.Is6():
		rr = &dns.AAAA{Hdr: header(name, kind), AAAA: a.AsSlice()}
	}
	return rr, a.IsValid(), nil
}

// additional adds the addresses of the hosts that an answer names.
func (s *DNS) additional(ctx context.Context, r *dns.Msg) {
	seen := map[string]bool{}
	for _, rr := range r.Answer {
		host := ""
		switch rr := rr.(type) {
		case *dns.SRV:
			host = rr.Target
		case *dns.NS:
			host = rr.Ns
		}
		if host == "" || seen[host] {
			continue
		}
		seen[host] = true
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if a, _, err := s.address(ctx, canonical(host), host, kind); err == nil && a != nil {
				r.Extra = append([]dns.RR{a}, r.Extra...) // the OPT record stays behind
			}
		}
	}
}
