package kdc

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// maxDatagram is the longest datagram there is.
const maxDatagram = 65507

// DatagramAnswer is the KDC's Answer for port 88 by UDP: a reply that is
// longer than the policy allows becomes KRB_ERR_RESPONSE_TOO_BIG, and the
// client comes back by TCP.
func (k *KDC) DatagramAnswer(ctx context.Context, message []byte, _, _ netip.Addr) []byte {
	return k.guard(func() []byte { return k.answer(ctx, message, k.Policy.MaxDatagram) })
}

// ServePacket answers the datagrams of pc until ctx ends, which is no error,
// or pc fails. It closes pc, and returns when the last answer is given.
func ServePacket(ctx context.Context, pc net.PacketConn, answer Answer, limits Limits) error {
	limits = limits.filled()
	defer context.AfterFunc(ctx, func() { _ = pc.Close() })()
	defer func() { _ = pc.Close() }()
	var wg sync.WaitGroup
	defer wg.Wait()
	local := address(pc.LocalAddr())
	free := make(chan struct{}, limits.Requests)
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := pc.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if n == 0 || from == nil {
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			continue // too busy: the sender tries again
		}
		message := append([]byte(nil), buffer[:n]...)
		wg.Go(func() {
			defer func() { <-free }()
			if reply := answer(ctx, message, local, address(from)); len(reply) > 0 && len(reply) <= maxDatagram {
				_, _ = pc.WriteTo(reply, from)
			}
		})
	}
}
