// Package ldapd is the LDAP server of a domain controller: RFC 4511 and RFC
// 4513 with the habits of MS-ADTS 3.1.1.3 and 5.1.1. It serves a Backend to
// those whom an Authenticator lets in, on clear connections with StartTLS, on
// TLS, and for the global catalog.
//
// Contract: nothing a client sends costs others more than Limits allow, or the
// process anything. Results are gathered before they are written, so a client
// that does not read holds no transaction open. Every operation ends in one
// result, but for one that was abandoned. A panic of the backend costs its own
// operation an operationsError.
package ldapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hellolab/providers/wire/ldapmsg"
)

// Ports of a domain controller (MS-ADTS 3.1.1.3).
const (
	PortLDAP             = 389
	PortLDAPS            = 636
	PortGlobalCatalog    = 3268
	PortGlobalCatalogTLS = 3269
)

// Config is what a server is made of.
type Config struct {
	Backend       Backend
	Authenticator Authenticator
	Mechanisms    []string // SASL mechanisms that the Authenticator speaks

	// Controls are those that the backend honours. Pages are the server's.
	Controls []string

	// Extended are extended operations by OID, besides those that are the
	// server's: each takes a value, nil where there is none, and returns one.
	Extended map[string]func(ctx context.Context, r *Request, value []byte) ([]byte, error)

	// TLS returns the configuration of a connection. Nil, or an answer of nil:
	// there is no certificate; StartTLS is refused with unavailable, a
	// connection for TLS is closed.
	TLS func(context.Context) (*tls.Config, error)

	// RequireSigning refuses binds that leave a connection without integrity
	// protection ("LDAP server signing requirements: require signing").
	RequireSigning bool

	Rand   io.Reader // safe for concurrent use
	Log    *slog.Logger
	Limits Limits

	// Done, where set, is told of every operation that ended, before the client
	// is: what the client does next comes later. It must not block.
	Done func(context.Context, Operation)
}

// Limits bound what clients may take (MS-ADTS 3.1.1.3.4.6 names most). A zero
// field means the default. Times are real time, not the lab's.
type Limits struct {
	Connections    int           // at once; beyond, the one that was quiet for longest is closed. 1000
	Operations     int           // at once on a connection; more are answered with busy. 20
	PageSize       int           // entries of a result or a page. 1000
	ValueRange     int           // values of an attribute at once. 1500
	PagedResults   int           // unfinished ones of a connection; beyond, the oldest is forgotten. 10
	ResultBytes    int64         // of all results that are being gathered or wait for pages. 256 MB
	MessageSize    int           // bytes of a message. ldapmsg.MaxSize
	AnonymousSize  int           // and before a bind. ldapmsg.MaxSizeAnonymous
	QueryTime      time.Duration // of an operation. 120 s
	FirstTime      time.Duration // from connecting to a first message, and for TLS's handshake. 30 s
	MessageTime    time.Duration // from the first to the last octet of a message. 60 s
	WriteTime      time.Duration // for a client to read an answer. 60 s
	IdleTime       time.Duration // between messages. 900 s
	acceptingPause time.Duration // after a failed accept
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 1000)
	setDefault(&l.Operations, 20)
	setDefault(&l.PageSize, 1000)
	setDefault(&l.ValueRange, 1500)
	setDefault(&l.PagedResults, 10)
	setDefault(&l.ResultBytes, 256<<20)
	setDefault(&l.MessageSize, ldapmsg.MaxSize)
	setDefault(&l.AnonymousSize, ldapmsg.MaxSizeAnonymous)
	setDefault(&l.QueryTime, 120*time.Second)
	setDefault(&l.FirstTime, 30*time.Second)
	setDefault(&l.MessageTime, time.Minute)
	setDefault(&l.WriteTime, time.Minute)
	setDefault(&l.IdleTime, 900*time.Second)
	setDefault(&l.acceptingPause, 10*time.Millisecond)
	return l
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Operation is what happened, for a journal. It holds no secret: neither
// credentials nor values of a change.
type Operation struct {
	Session    *Session // as the operation began; for a bind, as it ended
	Name       string   // "bind", "search", "compare", "modify", "add", "delete", "modifyDN", "extended"
	Target     string   // DN, name that was bound, or OID
	Mechanism  string   // of a bind: "simple" or SASL's
	Scope      ldapmsg.Scope
	Filter     string   // of a search, text
	Attributes []string // asked for, or touched
	Entries    int      // answered
	Err        *ldapmsg.Error
}

// Server serves LDAP on any number of listeners.
type Server struct {
	config Config
	limits Limits
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	ids    atomic.Uint64
	turns  atomic.Uint64 // counts messages, to tell who was quiet
	bytes  atomic.Int64  // of results in memory

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*conn]struct{}
	closed    bool
}

// New makes a server that listens nowhere yet.
func New(config Config) *Server {
	s := &Server{config: config, limits: config.Limits.withDefaults(), log: config.Log, conns: map[*conn]struct{}{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Endpoint is what a listener's connections are.
type Endpoint struct {
	TLS           bool // from the first octet
	GlobalCatalog bool
}

// Network is where hosts have ports.
type Network interface {
	Listen(host string, port int) (net.Listener, error)
}

// Listen serves the four ports of a domain controller on host. On an error
// nothing is left listening.
func (s *Server) Listen(network Network, host string) error {
	endpoints := map[int]Endpoint{
		PortLDAP: {}, PortLDAPS: {TLS: true},
		PortGlobalCatalog: {GlobalCatalog: true}, PortGlobalCatalogTLS: {TLS: true, GlobalCatalog: true},
	}
	for port, endpoint := range endpoints {
		l, err := network.Listen(host, port)
		if err == nil {
			err = s.Serve(l, endpoint)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("listen on %s, port %d: %w", host, port, err), s.Close())
		}
	}
	return nil
}

// Serve takes connections of l in the background until the server is closed,
// which closes l.
func (s *Server) Serve(l net.Listener, endpoint Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(net.ErrClosed, l.Close())
	}
	s.listeners = append(s.listeners, l)
	s.wait.Go(func() { s.accept(l, endpoint) })
	return nil
}

func (s *Server) accept(l net.Listener, endpoint Endpoint) {
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
				return
			}
			// No descriptors, or a connection that ended at once.
			s.log.Debug("accept failed", "error", err)
			select {
			case <-time.After(s.limits.acceptingPause):
			case <-s.ctx.Done():
				return
			}
			continue
		}
		s.open(c, endpoint)
	}
}

// open serves a connection. Where there are too many, the one that was quiet
// for longest makes room; an anonymous one before others.
func (s *Server) open(netConn net.Conn, endpoint Endpoint) {
	c := newConn(s, netConn, endpoint)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		netConn.Close()
		return
	}
	if len(s.conns) >= s.limits.Connections {
		quiet := slices.MinFunc(keys(s.conns), func(a, b *conn) int { return a.compareQuiet(b) })
		delete(s.conns, quiet)
		quiet.base.Close()
	}
	s.conns[c] = struct{}{}
	s.wait.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
		c.serve()
	})
}

func keys(m map[*conn]struct{}) []*conn {
	list := make([]*conn, 0, len(m))
	for c := range m {
		list = append(list, c)
	}
	return list
}

// Close ends all connections and waits for what runs on them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.listeners = nil
	for c := range s.conns {
		c.base.Close()
	}
	s.mu.Unlock()
	s.cancel()
	s.wait.Wait()
	return errors.Join(errs...)
}

// reserve takes n bytes of memory for results; false: there is none left.
func (s *Server) reserve(n int) bool {
	if s.bytes.Add(int64(n)) > s.limits.ResultBytes {
		s.bytes.Add(-int64(n))
		return false
	}
	return true
}

func (s *Server) release(n int) { s.bytes.Add(-int64(n)) }
