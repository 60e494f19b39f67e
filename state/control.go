package state

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// The control socket is how other processes of the same user reach a state
// that is held. One connection carries one request.
//
//	request:  4 bytes "HLC1" | 1 byte verb | 4 bytes length | body
//	reply:    frames of 1 byte kind | 4 bytes length | body, big-endian;
//	          'd' data, any number; then 'z' end (empty) or 'e' error (text)
//
// Verb 's' (snapshot, empty body) streams a state file. Verb 'd' (do) hands the
// body to the holder's Handler and returns what that returned.
const (
	controlMagic  = "HLC1"
	verbSnapshot  = 's'
	verbDo        = 'd'
	frameData     = 'd'
	frameEnd      = 'z'
	frameError    = 'e'
	maxFrame      = 1 << 20
	maxDoRequest  = 4 << 20
	maxDoReply    = 64 << 20
	maxPeers      = 64
	requestPeriod = 5 * time.Second  // to send a request
	stallPeriod   = 30 * time.Second // to take a frame of the reply
	maxSocketPath = 103              // bytes of sun_path everywhere, less the NUL
)

// Handler runs a command in the process that holds the state. ctx ends when
// the caller hangs up or the store closes.
type Handler func(ctx context.Context, request []byte) (reply []byte, err error)

type controlServer struct {
	store    *Store
	listener net.Listener
	address  string // as in holderRecord
	cleanup  func()
	handler  atomic.Pointer[Handler]
	ctx      context.Context
	stop     context.CancelFunc
	peers    chan struct{}
	wg       sync.WaitGroup
	once     sync.Once
}

// Handle sets what the verb "do" of the control socket calls.
func (s *Store) Handle(h Handler) { s.control.handler.Store(&h) }

func startControl(s *Store) (*controlServer, error) {
	path, err := filepath.Abs(s.o.socketPath())
	if err != nil {
		return nil, err
	}
	c := &controlServer{store: s, address: filepath.Base(path), cleanup: func() {}, peers: make(chan struct{}, maxPeers)}
	if len(path) > maxSocketPath {
		dir, err := os.MkdirTemp(shortTemp(), "hellolab-")
		if err != nil {
			return nil, writeError(path, err)
		}
		c.cleanup = func() { os.RemoveAll(dir) }
		path = filepath.Join(dir, "control.sock")
		c.address = path
	} else if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path) // of a holder that died: the lock is ours
	}
	if c.listener, err = net.Listen("unix", path); err != nil {
		c.cleanup()
		return nil, writeError(path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		c.listener.Close()
		c.cleanup()
		return nil, writeError(path, err)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.wg.Add(1)
	go c.accept()
	return c, nil
}

// shortTemp is a folder for temporary files whose name leaves room for a socket's.
func shortTemp() string {
	if d := os.TempDir(); len(d) < maxSocketPath-40 {
		return d
	}
	return "/tmp"
}

func (c *controlServer) close() {
	c.once.Do(func() {
		c.stop()
		c.listener.Close() // removes the socket
		c.wg.Wait()
		c.cleanup()
	})
}

func (c *controlServer) accept() {
	defer c.wg.Done()
	for {
		conn, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if pause(c.ctx, 10*time.Millisecond) != nil { // out of descriptors
				return
			}
			continue
		}
		select {
		case c.peers <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		c.wg.Add(1)
		go func() {
			defer c.wg.Done()
			defer func() { <-c.peers }()
			c.serve(conn.(*net.UnixConn))
		}()
	}
}

func (c *controlServer) serve(conn *net.UnixConn) {
	defer conn.Close()
	defer context.AfterFunc(c.ctx, func() { conn.Close() })()
	if samePeer(conn) != nil {
		return
	}
	w := &frameWriter{conn: conn}
	impatient := time.AfterFunc(requestPeriod, func() { conn.Close() })
	verb, body, err := readRequest(conn)
	impatient.Stop()
	if err == nil {
		err = c.answer(conn, verb, body, w)
	}
	w.end(err)
}

func (c *controlServer) answer(conn net.Conn, verb byte, body []byte, w *frameWriter) error {
	switch verb {
	case verbSnapshot:
		snap, err := c.store.Snapshot()
		if err != nil {
			return err
		}
		defer snap.Close()
		_, err = snap.WriteTo(w)
		return err
	case verbDo:
		h := c.handler.Load()
		if h == nil {
			return errors.New("the process that holds the state takes no commands")
		}
		ctx, cancel := context.WithCancel(c.ctx)
		defer cancel()
		go func() { // the caller says nothing more: reading ends when it hangs up
			_, _ = io.Copy(io.Discard, conn)
			cancel()
		}()
		reply, err := (*h)(ctx, body)
		if err != nil {
			return err
		}
		_, err = w.Write(reply)
		return err
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
}

func readRequest(r io.Reader) (verb byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[5:])
	if string(head[:4]) != controlMagic || n > maxDoRequest {
		return 0, nil, errors.New("not a request")
	}
	// Read in place: a request may hold secrets, and its reader wipes it.
	body = make([]byte, n)
	if _, err = io.ReadFull(r, body); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return head[4], body, err
}

// frameWriter writes data frames. A peer that takes none for stallPeriod is
// hung up on.
type frameWriter struct{ conn net.Conn }

func (w *frameWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxFrame)]
		if err := w.frame(frameData, part); err != nil {
			return n, err
		}
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

func (w *frameWriter) frame(kind byte, body []byte) error {
	defer time.AfterFunc(stallPeriod, func() { w.conn.Close() }).Stop()
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)))
	bufs := net.Buffers{head, body}
	_, err := bufs.WriteTo(w.conn)
	return err
}

func (w *frameWriter) end(err error) {
	if err == nil {
		_ = w.frame(frameEnd, nil)
		return
	}
	text := []byte(err.Error())
	_ = w.frame(frameError, text[:min(len(text), maxFrame)])
}

// RemoteError is an error that happened in the process that holds the state.
type RemoteError struct{ Message string }

func (e *RemoteError) Error() string { return e.Message }

// call sends one request to the holder and copies the data of its reply to w.
func call(ctx context.Context, o *Options, verb byte, body []byte, w io.Writer) error {
	if len(body) > maxDoRequest {
		return fmt.Errorf("state: request has %d bytes, more than %d", len(body), maxDoRequest)
	}
	conn, err := dialHolder(ctx, o)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	head := append([]byte(controlMagic), verb)
	head = binary.BigEndian.AppendUint32(head, uint32(len(body)))
	bufs := net.Buffers{head, body}
	if _, err = bufs.WriteTo(conn); err != nil {
		err = fmt.Errorf("%w: %w", errHungUp, err)
	} else {
		err = readReply(bufio.NewReaderSize(conn, 64<<10), w)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func dialHolder(ctx context.Context, o *Options) (*net.UnixConn, error) {
	h, err := readHolder(o)
	if err != nil || h.Socket == "" {
		return nil, errors.Join(ErrNoHolder, err)
	}
	path := h.Socket
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.dir(), path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, errors.Join(ErrNoHolder, err)
	}
	unix := conn.(*net.UnixConn)
	if err := samePeer(unix); err != nil {
		unix.Close()
		return nil, err
	}
	return unix, nil
}

var errHungUp = errors.New("the process that holds the state hung up")

func readReply(r io.Reader, w io.Writer) error {
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("%w: %w", errHungUp, err)
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n > maxFrame {
			return fmt.Errorf("frame of %d bytes", n)
		}
		body := io.LimitReader(r, int64(n))
		switch head[0] {
		case frameData:
			if m, err := io.Copy(w, body); err != nil {
				return err
			} else if m != int64(n) {
				return io.ErrUnexpectedEOF
			}
		case frameError:
			text, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			return &RemoteError{string(text)}
		case frameEnd:
			return nil
		default:
			return fmt.Errorf("frame of kind %q", head[0])
		}
	}
}
