package serve

import (
	"io"
	"net"
	"sync"
	"time"
)

// relay carries bytes between two connections until both directions have
// ended, and closes both. The end of one direction is passed on as half-close,
// so a peer that has said all may still listen. When nothing moves for idle,
// or a direction fails, both end.
func relay(a, b net.Conn, idle time.Duration) {
	cut := func() {
		a.Close()
		b.Close()
	}
	defer cut()
	timer := time.AfterFunc(idle, cut)
	defer timer.Stop()
	carry := func(to, from net.Conn) {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		if _, err := io.CopyBuffer(stirring{to, timer, idle}, plainReader{from}, *buffer); err != nil || closeWrite(to) != nil {
			cut()
		}
	}
	var both sync.WaitGroup
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

// buffers are what io.Copy would make for each direction of each connection.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// stirring is a writer that puts the end of idleness off.
type stirring struct {
	w     io.Writer
	timer *time.Timer
	idle  time.Duration
}

func (s stirring) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if n > 0 {
		s.timer.Reset(s.idle)
	}
	return n, err
}

// plainReader hides every other method of a connection from io.Copy: bytes
// must pass through stirring.
type plainReader struct{ io.Reader }

// closeWrite half-closes c, where it can be.
func closeWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}
