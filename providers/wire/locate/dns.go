package locate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/miekg/dns"
)

const (
	portDNS    = 53
	sizeUDP    = 1232
	maxRecords = 64 // that are tried
)

func (c *Client) number() (int32, error) {
	var b [4]byte
	if _, err := io.ReadFull(c.Rand, b[:]); err != nil {
		return 0, fmt.Errorf("number a message: %w", err)
	}
	return int32(binary.BigEndian.Uint32(b[:])), nil
}

// srv returns the SRV records of a name; none when there is no such name.
func (c *Client) srv(ctx context.Context, name string) ([]Record, error) {
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, fmt.Errorf("%w: %q is no DNS name", ErrNoRecords, name)
	}
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeSRV)
	q.RecursionDesired = true
	q.SetEdns0(sizeUDP, false)
	r, err := c.exchange(ctx, q, c.Dialer.DialPacket, 2)
	if err == nil && r.Truncated {
		r, err = c.exchange(ctx, q, c.Dialer.Dial, 1)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDNS, err)
	case r.Rcode == dns.RcodeNameError:
		return nil, nil
	case r.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("%w: to %s it says %s", ErrDNS, name, dns.RcodeToString[r.Rcode])
	}
	var records []Record
	for _, rr := range r.Answer {
		s, ok := rr.(*dns.SRV)
		if !ok || s.Target == "." || !strings.EqualFold(s.Hdr.Name, q.Question[0].Name) || len(records) == maxRecords {
			continue
		}
		records = append(records, Record{strings.ToLower(strings.TrimSuffix(s.Target, ".")), s.Port, s.Priority, s.Weight})
	}
	return records, nil
}

// exchange sends a question as often as it is told to and returns the answer to
// it.
func (c *Client) exchange(ctx context.Context, q *dns.Msg, dial func(context.Context, string, int) (net.Conn, error), times int) (*dns.Msg, error) {
	socket, err := dial(ctx, c.DNS, portDNS)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	conn := &dns.Conn{Conn: socket, UDPSize: sizeUDP}
	for range times {
		var id int32
		if id, err = c.number(); err != nil {
			return nil, err
		}
		q.Id = uint16(id)
		var r *dns.Msg
		err = c.patiently(ctx, socket, func() error {
			if err := conn.WriteMsg(q); err != nil {
				return err
			}
			for {
				b, err := conn.ReadMsgHeader(nil)
				if errors.Is(err, dns.ErrShortRead) {
					continue // what is no answer is passed over
				}
				if err != nil {
					return err
				}
				if r = new(dns.Msg); r.Unpack(b) == nil && answers(r, q) {
					return nil
				}
			}
		})
		if err == nil {
			return r, nil
		}
	}
	return nil, err
}

// answers says whether r is the answer to q.
func answers(r, q *dns.Msg) bool {
	return r.Response && r.Id == q.Id && len(r.Question) == 1 && r.Question[0].Qtype == q.Question[0].Qtype &&
		r.Question[0].Qclass == q.Question[0].Qclass && strings.EqualFold(r.Question[0].Name, q.Question[0].Name)
}
