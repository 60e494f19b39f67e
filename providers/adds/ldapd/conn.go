package ldapd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hellolab/providers/wire/ldapmsg"
)

// conn is one client. Its goroutine reads messages, binds and starts TLS; other
// operations run beside it.
type conn struct {
	server *Server
	base   net.Conn // what was accepted: closing it ends everything
	wire   net.Conn // base, or TLS or a security layer around it
	in     *bufio.Reader
	tls    bool // waits for TLS's handshake

	session  atomic.Pointer[Session]
	lastTurn atomic.Uint64
	layered  bool          // a SASL security layer is in place
	exchange *saslExchange // a SASL bind that goes on

	writing sync.Mutex

	mu      sync.Mutex
	running map[int32]*running
	pages   []*pagedResult // oldest first
	wait    sync.WaitGroup
}

// running is an operation at work.
type running struct {
	cancel    context.CancelFunc
	abandoned bool // under conn.mu
}

func newConn(s *Server, netConn net.Conn, endpoint Endpoint) *conn {
	c := &conn{server: s, base: netConn, tls: endpoint.TLS, running: map[int32]*running{}}
	c.use(netConn)
	c.session.Store(&Session{ID: s.ids.Add(1), GlobalCatalog: endpoint.GlobalCatalog, Peer: netConn.RemoteAddr()})
	c.lastTurn.Store(s.turns.Add(1))
	return c
}

// use talks over w from now on.
func (c *conn) use(w net.Conn) {
	c.wire = w
	c.in = bufio.NewReader(w)
}

// compareQuiet orders anonymous connections first, then those that were quiet
// for longer.
func (c *conn) compareQuiet(other *conn) int {
	known := func(c *conn) int {
		if c.session.Load().Identity != nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(known(c), known(other)), cmp.Compare(c.lastTurn.Load(), other.lastTurn.Load()))
}

// update changes the session for operations that begin from now on.
func (c *conn) update(change func(*Session)) *Session {
	s := *c.session.Load()
	change(&s)
	c.session.Store(&s)
	return &s
}

// after cuts the connection when d is over, unless the result is called first.
func (c *conn) after(d time.Duration) (stop func()) {
	t := time.AfterFunc(d, func() { c.base.Close() })
	return func() { t.Stop() }
}

func (c *conn) serve() {
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
		}
		c.settle()
		c.base.Close()
	}()
	if c.tls {
		config, err := c.server.tlsConfig()
		if err != nil || c.startTLS(config) != nil {
			return
		}
	}
	patience := c.server.limits.FirstTime
	for {
		frame, err := c.read(patience)
		if err != nil {
			c.disconnectFor(err)
			return
		}
		c.lastTurn.Store(c.server.turns.Add(1))
		patience = c.server.limits.IdleTime
		m, err := ldapmsg.Decode(frame)
		if err != nil {
			c.disconnectFor(err)
			return
		}
		if !c.handle(m) {
			return
		}
	}
}

// read waits for a message, then for its end.
func (c *conn) read(patience time.Duration) ([]byte, error) {
	stop := c.after(patience)
	_, err := c.in.Peek(1)
	stop()
	if err != nil {
		return nil, err
	}
	max := c.server.limits.AnonymousSize
	if c.session.Load().Identity != nil {
		max = c.server.limits.MessageSize
	}
	defer c.after(c.server.limits.MessageTime)()
	return ldapmsg.ReadFrame(c.in, max)
}

// disconnectFor tells a client why it is cut off, where it can still be told.
func (c *conn) disconnectFor(err error) {
	switch {
	case errors.Is(err, ldapmsg.ErrMalformed):
		c.disconnect(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The server did not understand: %s.", err))
	case errors.Is(err, ldapmsg.ErrTooLarge):
		c.disconnect(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorAdminLimitExceeded, "The message is too large."))
	}
}

// disconnect sends a notice of disconnection (RFC 4511 4.4.1). The caller ends
// the connection.
func (c *conn) disconnect(e *ldapmsg.Error) {
	c.answer(0, nil, &ldapmsg.Result{Tag: ldapmsg.TagExtendedResponse, Err: e, ResponseName: ldapmsg.NoticeOfDisconnection})
}

// handle takes a message; false: the session is over.
func (c *conn) handle(m *ldapmsg.Message) bool {
	if _, bind := m.Op.(*ldapmsg.Bind); !bind {
		c.exchange = nil // RFC 4513 5.2.1: another request ends it
	}
	switch op := m.Op.(type) {
	case *ldapmsg.Unbind:
		return false
	case *ldapmsg.Abandon:
		c.abandon(op.ID)
		return true
	case *ldapmsg.Refused:
		return c.answer(m.ID, nil, &ldapmsg.Result{Tag: op.Response(), Err: op.Err}) == nil
	case *ldapmsg.Bind:
		c.settle()
		return c.bind(m, op)
	case *ldapmsg.Extended:
		if op.Name == ldapmsg.StartTLS {
			return c.extendedStartTLS(m, op)
		}
	}
	return c.start(m)
}

// start runs an operation beside the connection's goroutine.
func (c *conn) start(m *ldapmsg.Message) bool {
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.limits.QueryTime)
	r := &running{cancel: cancel}
	c.mu.Lock()
	_, twice := c.running[m.ID]
	full := len(c.running) >= c.server.limits.Operations
	if !twice && !full {
		c.running[m.ID] = r
	}
	c.mu.Unlock()
	switch {
	case twice:
		cancel()
		c.disconnect(ldapmsg.Errorf(ldapmsg.ProtocolError, ldapmsg.ErrorProtocolError, "The message id %d is in use.", m.ID))
		return false
	case full:
		cancel()
		return c.answer(m.ID, nil, &ldapmsg.Result{Tag: m.Op.Response(), Err: ldapmsg.Errorf(ldapmsg.Busy, ldapmsg.ErrorBusy, "A connection may have %d operations at work.", c.server.limits.Operations)}) == nil
	}
	session := c.session.Load()
	c.wait.Go(func() {
		defer cancel()
		c.run(ctx, session, m)
	})
	return true
}

// finish takes an operation off the list; false: it was abandoned, and nothing
// may be answered.
func (c *conn) finish(id int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.running[id]
	delete(c.running, id)
	return r == nil || !r.abandoned
}

func (c *conn) abandon(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.running[id]; r != nil {
		r.abandoned = true
		r.cancel()
	}
}

// settle abandons everything that runs, waits for it and forgets pages: before
// a bind (RFC 4511 4.2.1) and at the end.
func (c *conn) settle() {
	c.mu.Lock()
	for _, r := range c.running {
		r.abandoned = true
		r.cancel()
	}
	c.mu.Unlock()
	c.wait.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pages {
		p.release()
	}
	c.pages = nil
}

// answer sends protocolOps of a search, if any, and a result.
func (c *conn) answer(id int32, ops [][]byte, result *ldapmsg.Result, controls ...ldapmsg.Control) error {
	last, err := result.Encode()
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	defer c.after(c.server.limits.WriteTime)()
	var out bytes.Buffer
	put := func(op []byte, controls []ldapmsg.Control) error {
		message, err := ldapmsg.Envelope(id, op, controls)
		if err != nil {
			return err
		}
		out.Write(message)
		if out.Len() < flushBytes {
			return nil
		}
		_, err = out.WriteTo(c.wire)
		return err
	}
	for _, op := range ops {
		if err := put(op, nil); err != nil {
			return err
		}
	}
	if err := put(last, controls); err != nil {
		return err
	}
	_, err = out.WriteTo(c.wire)
	return err
}

// flushBytes is how much of an answer is gathered before it is written.
const flushBytes = 32 << 10

// startTLS makes the connection one of TLS.
func (c *conn) startTLS(config *tls.Config) error {
	defer c.after(c.server.limits.FirstTime)()
	t := tls.Server(c.base, config)
	if err := t.HandshakeContext(c.server.ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	state := t.ConnectionState()
	c.use(t)
	c.update(func(s *Session) {
		s.TLS, s.Signed, s.Confidential = &state, true, true
		s.Identity = nil // what was proved before, somebody in between may have proved
	})
	return nil
}

// errNoCertificate is a server without TLS.
var errNoCertificate = errors.New("the server has no certificate")

func (s *Server) tlsConfig() (*tls.Config, error) {
	if s.config.TLS == nil {
		return nil, errNoCertificate
	}
	config, err := s.config.TLS(s.ctx)
	if err == nil && config == nil {
		err = errNoCertificate
	}
	return config, err
}

// logPanic logs a panic without its value, which may hold a secret, unless it
// is the Go runtime's.
func (c *conn) logPanic(v any) {
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	c.server.log.Error("LDAP operation panicked", "panic", what, "session", c.session.Load().ID, "stack", string(debug.Stack()))
}

// quietEnd says whether an error of a connection is no more than its end.
func quietEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
}
