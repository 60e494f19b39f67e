package sasl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"hellolab/providers/wire/gss"
)

// Layer protects what a connection carries, in frames (RFC 4422 3.7):
//
//	u32 length, big-endian, and so many bytes: a Wrap token
type Layer struct {
	ctx     *gss.Context
	kind    Layers
	longest int // frame taken
	chunk   int // most bytes in a frame sent
}

const lengthSize = 4

func newLayer(ctx *gss.Context, kind Layers, takes, peerTakes int) *Layer {
	return &Layer{ctx, kind, takes, ctx.MaxMessage(min(peerTakes, MaxBuffer), kind == Confidentiality)}
}

// Kind says what the layer does: Integrity or Confidentiality.
func (l *Layer) Kind() Layers { return l.kind }

// Conn returns c with the layer on it. Nothing of the peer's may have been read
// from c that belongs to the layer.
func (l *Layer) Conn(c net.Conn) net.Conn {
	p := NewConn(c)
	p.Protect(l)
	return p
}

// seal appends the frames of b to out.
func (l *Layer) seal(out, b []byte) ([]byte, error) {
	for len(b) > 0 {
		n := min(len(b), l.chunk)
		token, err := l.ctx.Wrap(b[:n], l.kind == Confidentiality)
		if err != nil {
			return nil, err
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(token))), token...)
		b = b[n:]
	}
	return out, nil
}

// frame says how long the frame is that b starts with, its length included; 0
// if b is too short to tell.
func (l *Layer) frame(b []byte) (int, error) {
	if len(b) < lengthSize {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || uint64(n) > uint64(l.longest) {
		return 0, fmt.Errorf("frame of %d bytes where %d were agreed: %w", n, l.longest, ErrDefective)
	}
	return lengthSize + int(n), nil
}

func (l *Layer) open(frame []byte) ([]byte, error) {
	message, sealed, err := l.ctx.Unwrap(frame[lengthSize:])
	if err == nil && l.kind == Confidentiality && !sealed {
		err = gss.ErrUnprotected
	}
	return message, err
}

// Conn is a connection that a layer can be put on while somebody waits in Read:
// what bytes are is decided when they arrive. It is for clients that hand their
// connection to a library and negotiate through it. The peer sends nothing
// between its last message of the negotiation and the first request under the
// layer, so Protect comes in time if it comes before that request.
//
// One Read, any number of Writes and Protect may go on at once.
type Conn struct {
	net.Conn
	layer atomic.Pointer[Layer]

	write sync.Mutex

	// Of Read alone.
	raw   []byte // the beginning of a frame
	plain []byte // opened and not yet read
	err   error  // a mistake in what came: nothing after it can be trusted
}

// NewConn returns c as it is, until Protect.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// ErrProtected is what Protect answers the second time.
var ErrProtected = errors.New("connection has a security layer already")

// Protect puts the layer on what is written and what arrives from now on. Nil
// is no layer, and changes nothing.
func (c *Conn) Protect(l *Layer) error {
	if l != nil && !c.layer.CompareAndSwap(nil, l) {
		return ErrProtected
	}
	return nil
}

// Read reads what arrives, opened if there is a layer.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.layer.Load() == nil {
		n, err := c.Conn.Read(p)
		if c.layer.Load() == nil || n == 0 {
			return n, err
		}
		// The layer came while Read waited, and the bytes after it.
		c.raw = append(c.raw, p[:n]...)
	}
	return c.readFrames(p)
}

func (c *Conn) readFrames(p []byte) (int, error) {
	l := c.layer.Load()
	for len(c.plain) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		n, err := l.frame(c.raw)
		if err != nil {
			c.err = err
			continue
		}
		if n == 0 || len(c.raw) < n {
			if err := c.fill(n); err != nil {
				return 0, err
			}
			continue
		}
		if c.plain, c.err = l.open(c.raw[:n]); c.err != nil {
			c.plain = nil
			continue
		}
		c.raw = c.raw[n:]
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

// readAhead is how much is read at once at least.
const readAhead = 4 << 10

// fill reads once, with room for a frame of n bytes. What it got stays when the
// deadline passes, so that a later Read goes on. It never writes over what was
// read before: plain may still be there.
func (c *Conn) fill(n int) error {
	have := len(c.raw)
	if cap(c.raw) < max(n, have+lengthSize) {
		c.raw = append(make([]byte, 0, max(n, have+readAhead)), c.raw...)
	}
	got, err := c.Conn.Read(c.raw[have:cap(c.raw)])
	c.raw = c.raw[:have+got]
	switch {
	case got > 0:
		return nil
	case err == io.EOF && have > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write sends p, protected if there is a layer.
func (c *Conn) Write(p []byte) (int, error) {
	l := c.layer.Load()
	if l == nil {
		return c.Conn.Write(p)
	}
	c.write.Lock()
	defer c.write.Unlock()
	frames, err := l.seal(nil, p)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(frames); err != nil {
		return 0, err
	}
	return len(p), nil
}
