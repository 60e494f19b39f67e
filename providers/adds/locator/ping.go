package locator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"hellolab/providers/wire/netlogon"
)

// Accounts knows the accounts of a domain.
type Accounts interface {
	// Known says whether an enabled account has this sAMAccountName and one of
	// the kinds of account in aac (bits of userAccountControl; 0 for any).
	Known(ctx context.Context, name string, aac uint32) (bool, error)
}

// Addresses knows where the hosts of the lab are.
type Addresses interface {
	// Address returns the address of a host, by its DNS name in lower case; the
	// zero address when there is no such host.
	Address(ctx context.Context, host string) (netip.Addr, error)
}

// Pings answers netlogon pings for one domain controller.
type Pings struct {
	Domain    Domain
	Host      string // of the controller
	Accounts  Accounts
	Addresses Addresses
}

const (
	readers  = 4               // of one socket
	patience = 5 * time.Second // with accounts and addresses
	maxPing  = 4 << 10         // bytes of a ping that are read
)

// Serve answers until ctx is done; then it closes the socket and returns nil.
func (s *Pings) Serve(ctx context.Context, socket net.PacketConn) error {
	if _, ok := s.Domain.controller(s.Host); !ok {
		return fmt.Errorf("%s is no controller of %s", s.Host, s.Domain.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	errs := make([]error, readers)
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			defer cancel()
			if err := s.read(ctx, socket); ctx.Err() == nil {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *Pings) read(ctx context.Context, socket net.PacketConn) error {
	buffer := make([]byte, maxPing+1)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply := s.Handle(ctx, buffer[:n], addressOf(from)); reply != nil {
			_, _ = socket.WriteTo(reply, from) // a datagram may get lost on any way
		}
	}
}

// addressOf is the address of a peer; the zero one for peers inside the lab's
// network, which have names.
func addressOf(peer net.Addr) netip.Addr {
	if peer == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// Handle returns the datagram that answers one; nil for what is no ping.
func (s *Pings) Handle(ctx context.Context, datagram []byte, from netip.Addr) []byte {
	id, p, err := netlogon.ParseRequest(datagram)
	if err != nil && !errors.Is(err, netlogon.ErrFilter) {
		return nil
	}
	var r *netlogon.Response
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		r = s.answer(ctx, *p, from)
	}
	reply, err := netlogon.MarshalReply(id, r)
	if err != nil { // a name of the ping that no answer can hold
		reply, _ = netlogon.MarshalReply(id, nil)
	}
	return reply
}

// answer looks up what the response needs; nil stands for the empty answer.
func (s *Pings) answer(ctx context.Context, p netlogon.Ping, from netip.Addr) *netlogon.Response {
	known := p.User == ""
	if !known {
		var err error
		if known, err = s.Accounts.Known(ctx, p.User, p.AAC); err != nil {
			return nil
		}
	}
	var own netip.Addr
	if p.Version&netlogon.Version5EXWithIP != 0 {
		own, _ = s.Addresses.Address(ctx, canonical(s.Host)) // without one there is no address in the answer
	}
	return s.Domain.Answer(s.Host, p, known, own, from)
}

// Answer is the response of the controller host to a ping from an address; nil
// when the answer is the empty one: the domain is not this one, or the client
// understands only forms from before Windows 2000 Server's last, which are not
// spoken.
func (d *Domain) Answer(host string, p netlogon.Ping, known bool, own, from netip.Addr) *netlogon.Response {
	c, ok := d.controller(host)
	switch {
	case !ok,
		!p.DomainGUID.IsZero() && p.DomainGUID != d.GUID,
		p.DNSDomain != "" && canonical(p.DNSDomain) != canonical(d.Name),
		!p.DomainSID.IsZero() && p.DomainSID != d.SID,
		p.Version&(netlogon.Version5EX|netlogon.Version5EXWithIP) == 0:
		return nil
	}
	site := d.SiteOf(from)
	r := &netlogon.Response{
		Opcode: netlogon.OpResponse, Flags: d.flags(c, site), DomainGUID: d.GUID,
		Forest: d.forest(), Domain: canonical(d.Name), Host: canonical(c.Host), NetBIOSDomain: strings.ToUpper(d.NetBIOS), NetBIOSHost: c.netBIOS(),
		User: p.User, Site: c.Site, ClientSite: site,
		Version: netlogon.Version1 | netlogon.Version5EX | p.Version&netlogon.VersionClosestSite,
	}
	if !known {
		r.Opcode = netlogon.OpUserUnknown
	}
	if p.Version&netlogon.Version5EXWithIP != 0 && own.Is4() {
		r.Version |= netlogon.Version5EXWithIP
		r.Address = own
	}
	return r
}
