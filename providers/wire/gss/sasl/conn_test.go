package sasl

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"hellolab/providers/wire/gss"
)

// layers makes both ends of a layer.
func layers(t testing.TB, kind Layers) (client, server *Layer) {
	t.Helper()
	l := newLab(t, ldapDC)
	c := NewClient(ClientConfig{Layer: kind, Begin: l.begins(GSSAPI)})
	s := NewServer(ServerConfig{Acceptor: l.accept, Layers: kind})
	if err := negotiate(c, s); err != nil {
		t.Fatal(err)
	}
	return c.Layer(), s.Layer()
}

// A library waits in Read, as go-ldap does, while the layer comes.
func TestLayerWhileReading(t *testing.T) {
	cl, sl := layers(t, Confidentiality)
	a, b := net.Pipe()
	client := NewConn(a)
	defer client.Close()
	defer b.Close()

	read := make(chan string)
	go func() {
		p := make([]byte, 3) // a library's header
		for {
			n, err := client.Read(p)
			if err != nil {
				close(read)
				return
			}
			read <- string(p[:n])
		}
	}()
	collect := func(n int) (got string) {
		for len(got) < n {
			select {
			case s := <-read:
				got += s
			case <-time.After(10 * time.Second):
				t.Fatalf("nothing came after %q", got)
			}
		}
		return got
	}
	go b.Write([]byte("plain"))
	if got := collect(5); got != "plain" {
		t.Fatalf("read %q", got)
	}
	// The reader waits in Read by now, or will; either way the layer is first.
	if err := client.Protect(cl); err != nil {
		t.Fatal(err)
	}
	if err := client.Protect(cl); !errors.Is(err, ErrProtected) {
		t.Errorf("a second layer: %v", err)
	}
	server := sl.Conn(b)
	go server.Write([]byte("protected text"))
	if got := collect(14); got != "protected text" {
		t.Errorf("read %q", got)
	}
	go client.Write([]byte("request"))
	got := make([]byte, 7)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "request" {
		t.Errorf("%q, %v", got, err)
	}
}

// A deadline in the middle of a frame loses nothing.
func TestDeadline(t *testing.T) {
	cl, sl := layers(t, Integrity)
	frames, err := cl.seal(nil, []byte("one message"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	server := sl.Conn(b)
	defer a.Close()
	defer server.Close()
	p := make([]byte, 100)
	for _, n := range []int{2, 20} {
		go a.Write(frames[:n])
		frames = frames[n:]
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := server.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("half a frame: %v", err)
		}
	}
	server.SetReadDeadline(time.Time{})
	go a.Write(frames)
	if n, err := server.Read(p); err != nil || string(p[:n]) != "one message" {
		t.Errorf("%q, %v", p[:n], err)
	}
}

func TestFramesRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		kind Layers
		bad  func(l *Layer, good []byte) []byte
		want error
	}{
		{"empty", Integrity, func(*Layer, []byte) []byte { return make([]byte, 4) }, ErrDefective},
		{"4 GB", Integrity, func(*Layer, []byte) []byte { return []byte{255, 255, 255, 255} }, ErrDefective},
		{"longer than agreed", Integrity, func(*Layer, []byte) []byte { return binary.BigEndian.AppendUint32(nil, DefaultBuffer+1) }, ErrDefective},
		{"changed", Integrity, func(_ *Layer, g []byte) []byte { g = slices.Clone(g); g[25] ^= 1; return g }, gss.ErrIntegrity},
		{"changed", Confidentiality, func(_ *Layer, g []byte) []byte { g = slices.Clone(g); g[25] ^= 1; return g }, gss.ErrIntegrity},
		{"again", Integrity, func(_ *Layer, g []byte) []byte { return slices.Concat(g, g) }, gss.ErrDuplicate},
		{"cut", Integrity, func(_ *Layer, g []byte) []byte { return g[:10] }, io.ErrUnexpectedEOF},
		{"plain text", Integrity, func(*Layer, []byte) []byte { return []byte("0\x0c\x02\x01\x01") }, ErrDefective},
		{"only signed", Confidentiality, func(l *Layer, _ []byte) []byte {
			token, err := l.ctx.Wrap([]byte("x"), false)
			if err != nil {
				t.Fatal(err)
			}
			return append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
		}, gss.ErrUnprotected},
	} {
		cl, sl := layers(t, c.kind)
		var good []byte
		if c.name != "only signed" {
			var err error
			if good, err = cl.seal(nil, []byte("good")); err != nil {
				t.Fatal(err)
			}
		}
		a, b := net.Pipe()
		go func() { a.Write(c.bad(cl, good)); a.Close() }()
		server := sl.Conn(b)
		_, err := io.Copy(io.Discard, server)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if n, again := server.Read(make([]byte, 1)); n != 0 || again == nil {
			t.Errorf("%s: read %d bytes after it", c.name, n)
		}
		server.Close()
	}
}

func FuzzFrames(f *testing.F) {
	cl, _ := layers(f, Integrity)
	frames, err := cl.seal(nil, []byte("a message"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frames)
	f.Add([]byte{0, 0, 0, 1, 5})
	_, sl := layers(f, Integrity)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, c := net.Pipe()
		go func() { a.Write(b); a.Close() }()
		server := sl.Conn(c)
		if n, err := io.Copy(io.Discard, server); n != 0 || err == nil && len(b) != 0 {
			t.Errorf("read %d bytes of %x, %v", n, b, err)
		}
		server.Close()
	})
}
