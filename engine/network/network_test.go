package network

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nobody(_ context.Context, host string) error { return ErrNoHost{host} }

// connected returns both ends of a connection to a host opened on demand.
func connected(t *testing.T) (client, server net.Conn) {
	t.Helper()
	var n *Network
	accepted := make(chan net.Conn, 1)
	n = New(func(_ context.Context, host string) error {
		l, err := n.Listen(host, 443)
		if err != nil {
			return err
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				accepted <- c
			}
		}()
		return nil
	})
	t.Cleanup(func() { n.Close() })
	client, err := n.Dial(t.Context(), "Login.Example.", 443)
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted
}

func TestDialOpensTheOwnerOnce(t *testing.T) {
	opened := 0
	var n *Network
	n = New(func(_ context.Context, host string) error {
		opened++
		_, err := n.Listen(host, 443)
		return err
	})
	defer n.Close()
	for range 3 {
		if _, err := n.Dial(t.Context(), "a.test", 443); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
	var refused ErrRefused
	if _, err := n.Dial(t.Context(), "b.test", 80); !errors.As(err, &refused) {
		t.Errorf("dialing a port nobody listens on: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	n := New(nobody)
	var none ErrNoHost
	if _, err := n.Dial(t.Context(), "nowhere.test", 443); !errors.As(err, &none) || none.Host != "nowhere.test" {
		t.Errorf("got %v", err)
	}
	if _, err := n.Listen("a.test", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("A.TEST", 1); err == nil {
		t.Error("an address was bound twice")
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range backlog {
		if _, err := n.Dial(ctx, "a.test", 1); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := n.Dial(ctx, "a.test", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("dialing with a full backlog: %v", err)
	}
	n.Close()
	if _, err := n.Dial(t.Context(), "a.test", 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialing a closed network: %v", err)
	}
}

func TestBytesArriveInOrderThroughASmallWindow(t *testing.T) {
	c, s := connected(t)
	sent := make([]byte, 5*window+17)
	if _, err := rand.Read(sent); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Write(sent)
		c.Close()
	}()
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("read %d of %d bytes, %v", len(got), len(sent), err)
	}
	if _, err := s.Write(sent); err == nil {
		t.Error("writing to a closed peer succeeded")
	}
}

func TestDeadlines(t *testing.T) {
	c, s := connected(t)
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read: %v", err)
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := c.Write(make([]byte, 2*window)); !errors.Is(err, os.ErrDeadlineExceeded) || n != window {
		t.Fatalf("write: %d, %v", n, err)
	}
	// A deadline taken back lets the connection go on.
	c.SetDeadline(time.Time{})
	go s.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatalf("read after the deadline was lifted: %v", err)
	}
	var timeout net.Error
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("a past deadline is a timeout, got %v", err)
	}
}

func TestCloseWakesReadersAndWriters(t *testing.T) {
	c, s := connected(t)
	errs := make(chan error, 2)
	go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
	go func() { _, err := s.Write(make([]byte, 2*window)); errs <- err }()
	time.Sleep(time.Millisecond)
	c.Close()
	for range 2 {
		select {
		case <-errs:
		case <-time.After(time.Second):
			t.Fatal("somebody still waits")
		}
	}
}

func TestHalfClose(t *testing.T) {
	c, s := connected(t)
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s); err != nil || string(got) != "question" {
		t.Fatalf("the peer read %q, %v", got, err)
	}
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("writing after the half-close succeeded")
	}
	if _, err := s.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "answer" {
		t.Fatalf("read %q, %v", got, err)
	}
}

func TestListening(t *testing.T) {
	n := New(nobody)
	defer n.Close()
	for _, at := range []Addr{{"b.test", 443}, {"a.test", 443}, {"A.test", 88}} {
		if _, err := n.Listen(at.Host, at.Port); err != nil {
			t.Fatal(err)
		}
	}
	l, err := n.Listen("c.test", 1)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if got, want := n.Listening(), []Addr{{"a.test", 88}, {"a.test", 443}, {"b.test", 443}}; !slices.Equal(got, want) {
		t.Errorf("listening %v, want %v", got, want)
	}
}
