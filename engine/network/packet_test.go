package network_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hellolab/engine/network"
	"hellolab/providers"
	"hellolab/providers/conformance"
)

// packets is both networks of the contract: the lab's, and the one that kinds
// are tested on.
func packets(t *testing.T, test func(*testing.T, providers.Network)) {
	t.Run("engine", func(t *testing.T) {
		n := network.New(func(_ context.Context, host string) error { return network.ErrNoHost{Host: host} })
		defer n.Close()
		test(t, n)
	})
	t.Run("conformance", func(t *testing.T) { test(t, conformance.NewEnv(t).For("nobody.x").Network) })
}

func listen(t *testing.T, n providers.Network) net.PacketConn {
	t.Helper()
	s, err := n.ListenPacket("DC.test.", 88)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetReadDeadline(time.Now().Add(10 * time.Second))
	return s
}

func dial(t *testing.T, n providers.Network) net.Conn {
	t.Helper()
	c, err := n.DialPacket(t.Context(), "dc.TEST", 88)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func TestDatagramsArriveWholeAndAreAnswered(t *testing.T) {
	packets(t, func(t *testing.T, n providers.Network) {
		s, a, b := listen(t, n), dial(t, n), dial(t, n)
		if got := s.LocalAddr().String(); got != "dc.test:88" || a.RemoteAddr().String() != got || a.LocalAddr().Network() != "lab" {
			t.Errorf("bound to %s, dialed %s", got, a.RemoteAddr())
		}
		large := bytes.Repeat([]byte("x"), providers.MaxDatagram)
		for _, sent := range [][]byte{[]byte("question"), {}, large} {
			if k, err := a.Write(sent); err != nil || k != len(sent) {
				t.Fatalf("wrote %d of %d: %v", k, len(sent), err)
			}
			sent := append([]byte(nil), sent...)
			p := make([]byte, 1<<16)
			k, from, err := s.ReadFrom(p)
			if err != nil || !bytes.Equal(p[:k], sent) || from.String() != a.LocalAddr().String() {
				t.Fatalf("read %d of %d bytes from %v: %v", k, len(sent), from, err)
			}
			if _, err := s.WriteTo(append([]byte("re: "), p[:min(k, 8)]...), from); err != nil {
				t.Fatal(err)
			}
			if k, err = a.Read(p); err != nil || string(p[:k]) != "re: "+string(sent[:min(len(sent), 8)]) {
				t.Fatalf("answered %q, %v", p[:k], err)
			}
		}
		// The other client heard nothing of it.
		b.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if k, err := b.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the other client read %d bytes, %v", k, err)
		}
		// A buffer that is too short gets the beginning, and the rest is gone.
		a.Write([]byte("one long"))
		a.Write([]byte("two"))
		p := make([]byte, 3)
		for _, want := range []string{"one", "two"} {
			if k, _, err := s.ReadFrom(p); err != nil || string(p[:k]) != want {
				t.Errorf("read %q, %v", p[:k], err)
			}
		}
		// What was written is the reader's own copy.
		mine := []byte("mine")
		a.Write(mine)
		mine[0] = 'X'
		if k, _, _ := s.ReadFrom(p); string(p[:k]) != "min" {
			t.Errorf("read %q", p[:k])
		}
	})
}

func TestDatagramErrors(t *testing.T) {
	packets(t, func(t *testing.T, n providers.Network) {
		if _, err := n.DialPacket(t.Context(), "dc.test", 88); err == nil {
			t.Fatal("nobody listens, and a dial succeeds")
		}
		s, c := listen(t, n), dial(t, n)
		if _, err := n.ListenPacket("dc.test", 88); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("an address was bound twice: %v", err)
		}
		if l, err := n.Listen("dc.test", 88); err != nil {
			t.Errorf("a stream's port is another than a datagram's: %v", err)
		} else {
			l.Close()
		}
		bound, connected := s.(net.Conn), c.(net.PacketConn)
		past := time.Now().Add(-time.Second)
		p := make([]byte, providers.MaxDatagram+1)
		for name, e := range map[string]struct {
			do   func() (int, error)
			want error // nil: any
		}{
			"too long":              {func() (int, error) { return c.Write(p) }, syscall.EMSGSIZE},
			"answer too long":       {func() (int, error) { return s.WriteTo(p, c.LocalAddr()) }, syscall.EMSGSIZE},
			"connected, WriteTo":    {func() (int, error) { return connected.WriteTo(p[:1], s.LocalAddr()) }, net.ErrWriteToConnected},
			"bound, Write":          {func() (int, error) { return bound.Write(p[:1]) }, nil},
			"an address of no lab":  {func() (int, error) { return s.WriteTo(p[:1], &net.UDPAddr{Port: 88}) }, nil},
			"no address":            {func() (int, error) { return s.WriteTo(p[:1], nil) }, nil},
			"past the read's time":  {func() (int, error) { c.SetReadDeadline(past); return c.Read(p) }, os.ErrDeadlineExceeded},
			"past the write's time": {func() (int, error) { c.SetDeadline(past); defer c.SetDeadline(time.Time{}); return c.Write(p[:1]) }, os.ErrDeadlineExceeded},
		} {
			if k, err := e.do(); err == nil || k != 0 || e.want != nil && !errors.Is(err, e.want) {
				t.Errorf("%s: %d, %v", name, k, err)
			}
		}
		// Nobody any more at an address: an answer is lost, as UDP's.
		gone := c.LocalAddr()
		c.Close()
		if k, err := s.WriteTo([]byte("late"), gone); err != nil || k != 4 {
			t.Errorf("an answer to nobody: %d, %v", k, err)
		}
		// The service goes: its clients are refused, and meet the next one.
		c = dial(t, n)
		s.Close()
		if _, err := c.Write([]byte("x")); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("writing to nobody: %v", err)
		}
		s = listen(t, n)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, _, err := s.ReadFrom(p); err != nil {
			t.Error(err)
		}
	})
}

func TestDatagramCloseWakesReaders(t *testing.T) {
	packets(t, func(t *testing.T, n providers.Network) {
		s, c := listen(t, n), dial(t, n)
		s.SetReadDeadline(time.Time{})
		c.SetReadDeadline(time.Time{})
		errs := make(chan error, 4)
		for range 2 {
			go func() { _, _, err := s.ReadFrom(make([]byte, 1)); errs <- err }()
			go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
		}
		time.Sleep(time.Millisecond)
		for range 2 { // Close is good for twice
			if err := errors.Join(s.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			select {
			case err := <-errs:
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("somebody still reads")
			}
		}
		if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing to a closed socket: %v", err)
		}
		if _, err := s.WriteTo(nil, c.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("answering from a closed socket: %v", err)
		}
	})
}

// A deadline that is set while somebody reads counts for that read.
func TestDatagramDeadlineWhileReading(t *testing.T) {
	packets(t, func(t *testing.T, n providers.Network) {
		s := listen(t, n)
		s.SetReadDeadline(time.Time{})
		got := make(chan error, 1)
		go func() { _, _, err := s.ReadFrom(make([]byte, 1)); got <- err }()
		time.Sleep(time.Millisecond)
		s.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		var timeout net.Error
		if err := <-got; !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v", err)
		}
		s.SetReadDeadline(time.Now().Add(time.Minute))
		dial(t, n).Write([]byte("x"))
		if _, _, err := s.ReadFrom(make([]byte, 1)); err != nil {
			t.Errorf("after the deadline was moved: %v", err)
		}
	})
}

// A flood waits for nobody and fills no memory: what fits no queue is lost, and
// what comes when there is room again arrives.
func TestDatagramFloodsAreBounded(t *testing.T) {
	for _, size := range []int{0, 1, 1 << 10, 60 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			packets(t, func(t *testing.T, n providers.Network) {
				s := listen(t, n)
				var wg sync.WaitGroup
				for range 4 {
					c := dial(t, n)
					wg.Go(func() {
						for range 1000 {
							if _, err := c.Write(make([]byte, size)); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				count, total := 0, 0
				p := make([]byte, 1<<16)
				for {
					s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
					k, _, err := s.ReadFrom(p)
					if errors.Is(err, os.ErrDeadlineExceeded) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					count, total = count+1, total+k
				}
				if count == 0 || count > 256 || total > 256<<10 {
					t.Errorf("%d datagrams of %d bytes waited, %d bytes", count, size, total)
				}
				dial(t, n).Write([]byte("after"))
				s.SetReadDeadline(time.Now().Add(10 * time.Second))
				if k, _, err := s.ReadFrom(p); err != nil || string(p[:k]) != "after" {
					t.Errorf("after the flood: %q, %v", p[:k], err)
				}
			})
		})
	}
}

// A DNS library speaks over the sockets as over the system's, which it tells
// from streams by what they implement.
func TestDNSOverDatagrams(t *testing.T) {
	packets(t, func(t *testing.T, n providers.Network) {
		s, err := n.ListenPacket("dc.test", 53)
		if err != nil {
			t.Fatal(err)
		}
		server := &dns.Server{PacketConn: s, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			a := new(dns.Msg).SetReply(q)
			rr, err := dns.NewRR(q.Question[0].Name + " 60 IN A 127.1.2.3")
			if err != nil {
				t.Error(err)
			}
			a.Answer = append(a.Answer, rr)
			w.WriteMsg(a)
		})}
		up, down := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(up) }
		go func() { down <- server.ActivateAndServe() }()
		<-up
		c, err := n.DialPacket(t.Context(), "dc.test", 53)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		answer, _, err := new(dns.Client).ExchangeWithConn(new(dns.Msg).SetQuestion("dc.test.", dns.TypeA), &dns.Conn{Conn: c})
		if err != nil || len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "127.1.2.3") {
			t.Errorf("answered %v, %v", answer, err)
		}
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

func TestDialPacketOpensTheOwner(t *testing.T) {
	opened := 0
	var n *network.Network
	n = network.New(func(_ context.Context, host string) error {
		opened++
		_, err := n.ListenPacket(host, 88)
		return err
	})
	if n.Knows("DC.test") {
		t.Error("a host is known before anybody listens")
	}
	c := dial(t, n)
	dial(t, n)
	if opened != 1 || !n.Knows("DC.test.") || n.Knows("client") {
		t.Errorf("opened %d times", opened)
	}
	var refused network.ErrRefused
	_, err := n.DialPacket(t.Context(), "other.test", 1)
	if !errors.As(err, &refused) || refused.Addr != (network.Addr{Host: "other.test", Port: 1}) {
		t.Errorf("a port nobody listens on: %v", err)
	}
	if got, want := n.ListeningPacket(), []network.Addr{{Host: "dc.test", Port: 88}, {Host: "other.test", Port: 88}}; !slices.Equal(got, want) {
		t.Errorf("listening %v", got)
	}
	if got := n.Listening(); len(got) != 0 {
		t.Errorf("listening for streams: %v", got)
	}
	n.Close()
	if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read on a closed network: %v", err)
	}
	if _, err := n.DialPacket(t.Context(), "dc.test", 88); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialing on a closed network: %v", err)
	}
	if _, err := n.ListenPacket("dc.test", 88); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listening on a closed network: %v", err)
	}
}

// TestClosedTwiceAtOnce: whoever closes a socket that another is closing may
// bind its address when their call returns.
func TestClosedTwiceAtOnce(t *testing.T) {
	n := network.New(nil)
	for range 2000 {
		s, err := n.ListenPacket("dc.test", 464)
		if err != nil {
			t.Fatal(err)
		}
		var other sync.WaitGroup
		other.Go(func() { _ = s.Close() })
		if _, _, err := s.ReadFrom(nil); err == nil {
			t.Fatal("read from a socket that was closed")
		}
		_ = s.Close()
		again, err := n.ListenPacket("dc.test", 464)
		if err != nil {
			t.Fatal(err)
		}
		other.Wait()
		if _, err := n.ListenPacket("dc.test", 464); err == nil {
			t.Fatal("the late one freed the address that another has by now")
		}
		_ = again.Close()
	}
}
