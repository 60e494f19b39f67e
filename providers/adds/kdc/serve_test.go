package kdc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/krb"
)

func echo(_ context.Context, b []byte, _, _ netip.Addr) []byte { return b }

// listen serves answer on loopback until the test ends.
func listen(t *testing.T, answer Answer, limits Limits) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, ln, answer, limits) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(c net.Conn, message []byte) ([]byte, error) {
	if err := krb.WriteFrame(c, message); err != nil {
		return nil, err
	}
	return krb.ReadFrame(c)
}

func TestServeManyOnOneConnection(t *testing.T) {
	c := dial(t, "tcp", listen(t, echo, Limits{PerConn: 5}))
	for i := range 5 {
		if b, err := ask(c, []byte{byte(i)}); err != nil || !bytes.Equal(b, []byte{byte(i)}) {
			t.Fatal(i, b, err)
		}
	}
	if _, err := krb.ReadFrame(c); !errors.Is(err, io.EOF) {
		t.Errorf("after the last request: %v", err)
	}
}

// Fault 72: lengths that cannot be.
func TestServeLengths(t *testing.T) {
	address := listen(t, echo, Limits{})
	for _, n := range []uint32{0, krb.MaxMessage + 1, 1 << 31, 1<<32 - 1} {
		c := dial(t, "tcp", address)
		if _, err := c.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil {
			t.Fatal(err)
		}
		b, err := krb.ReadFrame(c)
		if err != nil {
			t.Fatal(n, err)
		}
		if e, err := krb.ParseError(b); err != nil || e.Code != krb.ErrFieldTooLong {
			t.Error(n, e, err)
		}
		if _, err := krb.ReadFrame(c); !errors.Is(err, io.EOF) {
			t.Error(n, err)
		}
	}
}

// Fault 72: bytes that trickle, and connections that say nothing.
func TestServeSlowPeers(t *testing.T) {
	address := listen(t, echo, Limits{Idle: 200 * time.Millisecond, Message: 100 * time.Millisecond})
	silent := dial(t, "tcp", address)
	if _, err := krb.ReadFrame(silent); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	slow := dial(t, "tcp", address)
	start := time.Now()
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		b := []byte{0}
		if i == 3 {
			b = []byte{200}
		}
		if _, err = slow.Write(b); err == nil {
			time.Sleep(30 * time.Millisecond)
		}
	}
	if err == nil {
		t.Errorf("a message of %s is still waited for", time.Since(start))
	}
}

// Fault 72: a flood of half-open connections does not keep others out.
func TestServeFlood(t *testing.T) {
	address := listen(t, echo, Limits{Connections: 8, Idle: time.Minute})
	var flood []net.Conn
	for range 100 {
		flood = append(flood, dial(t, "tcp", address))
	}
	for range 5 {
		c := dial(t, "tcp", address)
		if b, err := ask(c, []byte("x")); err != nil || string(b) != "x" {
			t.Fatal(err)
		}
	}
	if _, err := flood[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		var n *net.OpError
		if !errors.As(err, &n) || n.Timeout() {
			t.Errorf("the oldest is still there: %v", err)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	started := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		done <- Serve(ctx, ln, func(ctx context.Context, b []byte, _, _ netip.Addr) []byte {
			close(started)
			<-ctx.Done()
			return b
		}, Limits{})
	}()
	c := dial(t, "tcp", ln.Addr().String())
	if err := krb.WriteFrame(c, []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-started
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPackets(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Policy.MaxDatagram = 700 })
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ServePacket(ctx, pc, l.DatagramAnswer, Limits{}) }()
	c := dial(t, "udp", pc.LocalAddr().String())
	b := make([]byte, 65536)
	exchange := func(message []byte) []byte {
		t.Helper()
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
	if _, err := c.Write([]byte("garbage")); err != nil { // is not answered
		t.Fatal(err)
	}
	if e, err := krb.ParseError(exchange([]byte{0x60 | krb.MsgASReq, 0})); err != nil || e.Code != krb.ErrGeneric {
		t.Error(e, err)
	}
	// Too long for a datagram: the same bytes are answered by TCP, once.
	for name, req := range map[string][]byte{"AS": asReq(t, l, nil), "TGS": newTGSReq(l, l.tgt(t, nil)).encode(t)} {
		if e, err := krb.ParseError(exchange(req)); err != nil || e.Code != krb.ErrResponseTooBig {
			t.Fatal(name, e, err)
		}
		if e := l.last(); e.Outcome != event.Done || e.Reason.Code != "52" {
			t.Errorf("%s: %+v", name, e)
		}
		if _, err := krb.ParseKDCRep(l.KDCAnswer(ctx, req, netip.Addr{}, netip.Addr{})); err != nil {
			t.Error(name, err)
		}
		if _, err := krb.ParseKDCRep(l.KDCAnswer(ctx, req, netip.Addr{}, netip.Addr{})); code(err) != krb.ErrRepeat {
			t.Error(name, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Datagrams beyond what is answered at once are dropped, not queued.
func TestPacketFlood(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var now, most atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = ServePacket(ctx, pc, func(ctx context.Context, b []byte, _, _ netip.Addr) []byte {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-ctx.Done()
			return nil
		}, Limits{Requests: 3})
	})
	c := dial(t, "udp", pc.LocalAddr().String())
	for range 200 {
		_, _ = c.Write([]byte("x"))
	}
	for deadline := time.Now().Add(5 * time.Second); now.Load() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestGuard(t *testing.T) {
	l := newLab(t, nil)
	b := l.guard(func() []byte { panic("secret") })
	if e, err := krb.ParseError(b); err != nil || e.Code != krb.ErrGeneric {
		t.Error(e, err)
	}
	if e := l.last(); e.Step != "panic" {
		t.Errorf("%+v", e)
	}
}
