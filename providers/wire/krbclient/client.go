// Package krbclient is a Kerberos client of one realm: it obtains tickets by
// password or by a pre-authentication given to it, and changes passwords
// (RFC 4120 3.1 and 3.3, RFC 6806, RFC 3244). It dials through a function of
// the caller's, keeps nothing, and believes no reply that it could not verify.
// What a KDC refuses comes back as a *krb.Error.
package krbclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"hellolab/providers/wire/krb"
)

// Client speaks to the KDCs of a realm.
type Client struct {
	Realm string
	// Dial opens a connection to a KDC; network is "tcp" or "udp".
	Dial func(ctx context.Context, network string) (net.Conn, error)
	// DialPassword opens one to the password service; nil: passwords cannot be changed.
	DialPassword func(ctx context.Context, network string) (net.Conn, error)
	Now          func() time.Time
	Rand         io.Reader
	UDP          bool // begin with a datagram, as old clients do
}

// maxDatagram is the largest message sent or taken by UDP.
const maxDatagram = 65507

// datagramPatience is how long an answer by UDP is waited for before TCP is tried.
const datagramPatience = 2 * time.Second

// exchange sends one message and reads the answer.
func (c *Client) exchange(ctx context.Context, dial func(context.Context, string) (net.Conn, error), message []byte) ([]byte, error) {
	if c.UDP && len(message) < maxDatagram {
		answer, err := c.datagram(ctx, dial, message)
		if err == nil && !tooBig(answer) {
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	conn, err := dial(ctx, "tcp")
	if err != nil {
		return nil, fmt.Errorf("reach the domain controller: %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer closeWhenDone(ctx, conn)()
	if err := krb.WriteFrame(conn, message); err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("ask the domain controller: %w", err))
	}
	answer, err := krb.ReadFrame(conn)
	if err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("hear the domain controller: %w", err))
	}
	return answer, nil
}

func (c *Client) datagram(ctx context.Context, dial func(context.Context, string) (net.Conn, error), message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, datagramPatience)
	defer cancel()
	conn, err := dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer closeWhenDone(ctx, conn)()
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	b := make([]byte, maxDatagram)
	n, err := conn.Read(b)
	return b[:n], err
}

// closeWhenDone closes the connection when ctx ends first.
func closeWhenDone(ctx context.Context, conn net.Conn) func() {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return func() { stop() }
}

func tooBig(answer []byte) bool {
	if !krb.IsError(answer) {
		return false
	}
	e, err := krb.ParseError(answer)
	return err == nil && e.Code == krb.ErrResponseTooBig
}

// number draws a number of 31 bits that is not 0: what every implementation
// takes for a nonce or a sequence number.
func (c *Client) number() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(c.Rand, b[:]); err != nil {
		return 0, err
	}
	return max(1, binary.BigEndian.Uint32(b[:])&0x3fffffff), nil
}

// wrong is what a client says of a reply that it does not believe.
func wrong(code krb.Code, format string, args ...any) error {
	return krb.NewError(code, format, args...).WithHint("The reply did not come from the domain controller that was asked, or was changed on its way.")
}
