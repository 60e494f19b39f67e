// Package locate finds a domain controller as a Windows client does (MS-ADTS
// 6.3.6.1): SRV records say which there are, those of the client's site first;
// a netlogon ping says which of them is alive and can do what is needed.
//
// A controller tells the client which site it is in. Who asked in the wrong
// site, or in none, asks once more in the right one.
package locate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"hellolab/providers/wire/netlogon"
)

// Dialer reaches the hosts of a network, by name.
type Dialer interface {
	Dial(ctx context.Context, host string, port int) (net.Conn, error)
	// DialPacket returns a socket that is a net.PacketConn, too.
	DialPacket(ctx context.Context, host string, port int) (net.Conn, error)
}

// Client looks for domain controllers.
type Client struct {
	Dialer   Dialer
	DNS      string        // the host that answers DNS
	Rand     io.Reader     // numbers messages, and spreads clients over controllers
	Patience time.Duration // with one datagram's answer; 0 for half a second
}

// Query is what kind of controller is looked for.
type Query struct {
	Domain string // DNS name
	Forest string // DNS name of its forest's root; "" when that is the domain
	Site   string // where the client was last; "" when that is not known
	Want   netlogon.Flags
	User   string // an account that it must know; "" for none
	AAC    uint32 // kinds of that account
}

// Controller is a domain controller that answered.
type Controller struct {
	Host string // as its record names it, in lower case
	Port int    // of LDAP, or of the global catalog when that is wanted
	Ping netlogon.Response
}

// Why no controller was found.
var (
	ErrDNS       = errors.New("the name server does not answer")
	ErrNoRecords = errors.New("there are no records of such a domain controller")
	ErrNoAnswer  = errors.New("no domain controller answers")
	ErrNoneFits  = errors.New("no domain controller can do what is needed")
)

// Locate returns the controller to use. The error wraps one of the four above,
// or the context's.
func (c *Client) Locate(ctx context.Context, q Query) (*Controller, error) {
	s := search{client: c, query: q, tried: map[string]bool{}}
	if q.Site != "" {
		if s.round(ctx, q.Site); s.settled(q.Site) {
			return s.result(ctx)
		}
	}
	s.round(ctx, "")
	if best, ok := Choose(q, s.answers); ok && !best.Ping.Flags.Has(netlogon.FlagClosest) {
		if site := best.Ping.ClientSite; site != "" && !strings.EqualFold(site, q.Site) {
			s.round(ctx, site)
		}
	}
	return s.result(ctx)
}

// search is one Locate.
type search struct {
	client  *Client
	query   Query
	tried   map[string]bool // hosts
	answers []Controller
	records int
	failed  error // of DNS
}

// round pings the controllers of a site, or of the domain, until one fits.
func (s *search) round(ctx context.Context, site string) {
	records, err := s.client.srv(ctx, Name(s.query, site))
	if err != nil {
		s.failed = err
		return
	}
	s.records += len(records)
	for _, r := range Order(records, s.client.Rand) {
		if s.tried[r.Host] || ctx.Err() != nil {
			continue
		}
		s.tried[r.Host] = true
		p, err := s.client.ping(ctx, s.query, r.Host)
		if err != nil {
			continue
		}
		a := Controller{r.Host, int(r.Port), *p}
		s.answers = append(s.answers, a)
		if Misfit(s.query, &a.Ping) == "" {
			return
		}
	}
}

// settled says whether a controller of the site was found and does not send the
// client elsewhere.
func (s *search) settled(site string) bool {
	best, ok := Choose(s.query, s.answers)
	return ok && (best.Ping.ClientSite == "" || strings.EqualFold(best.Ping.ClientSite, site) || best.Ping.Flags.Has(netlogon.FlagClosest))
}

func (s *search) result(ctx context.Context) (*Controller, error) {
	if best, ok := Choose(s.query, s.answers); ok {
		return &best, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look for a domain controller of %s: %w", s.query.Domain, err)
	}
	switch {
	case len(s.answers) > 0:
		var why []string
		for _, a := range s.answers {
			why = append(why, a.Host+" "+Misfit(s.query, &a.Ping))
		}
		return nil, fmt.Errorf("%w: %s", ErrNoneFits, strings.Join(why, "; "))
	case s.records > 0:
		return nil, fmt.Errorf("%w: %d of %s were asked", ErrNoAnswer, len(s.tried), s.query.Domain)
	case s.failed != nil:
		return nil, s.failed
	}
	return nil, fmt.Errorf("%w: %s", ErrNoRecords, Name(s.query, ""))
}

// ping asks one controller, and asks again once when nothing comes back.
func (c *Client) ping(ctx context.Context, q Query, host string) (*netlogon.Response, error) {
	socket, err := c.Dialer.DialPacket(ctx, host, netlogon.Port)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	p := netlogon.Ping{DNSDomain: q.Domain, User: q.User, AAC: q.AAC, Version: netlogon.Version1 | netlogon.Version5 | netlogon.Version5EX}
	for range 2 {
		var id int32
		if id, err = c.number(); err != nil {
			return nil, err
		}
		id &= 1<<31 - 1
		var r *netlogon.Response
		err = c.patiently(ctx, socket, func() error {
			if _, err := socket.Write(netlogon.MarshalRequest(id, p)); err != nil {
				return err
			}
			buffer := make([]byte, 4<<10)
			for {
				n, err := socket.Read(buffer)
				if err != nil {
					return err
				}
				var of int32
				of, r, err = netlogon.ParseReply(buffer[:n])
				if of == id && (err == nil || errors.Is(err, netlogon.ErrEmpty)) {
					return err // what answers nothing that was asked is passed over
				}
			}
		})
		if err == nil || errors.Is(err, netlogon.ErrEmpty) {
			return r, err
		}
	}
	return nil, err
}

// patiently runs what waits for an answer on a socket, for a while.
func (c *Client) patiently(ctx context.Context, socket net.Conn, do func() error) error {
	patience := c.Patience
	if patience == 0 {
		patience = 500 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := socket.SetDeadline(time.Time{}); err != nil {
		return err
	}
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		_ = socket.SetDeadline(time.Unix(1, 0)) // wakes whoever reads
	})
	err := do()
	if !stop() {
		<-expired
	}
	return err
}
