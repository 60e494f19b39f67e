package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
)

// Serve answers HTTPS on port 443 of each of hosts until it is closed.
//
// A request is bounded in time, header and body (MaxBody), must be for one of
// hosts (else 421), and has a correlation id in its context. Clients are asked
// for a certificate, and may have none: the handler finds what they presented
// in r.TLS.PeerCertificates. TLS has proved possession of its key; whether to
// trust it is the handler's decision. A handler that panics costs its own
// request a 500, nobody else anything.
func Serve(ctx context.Context, env providers.Env, hosts []string, cert tls.Certificate, h http.Handler) (providers.Service, error) {
	config := &tls.Config{
		Certificates:           []tls.Certificate{cert},
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{"http/1.1"},
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true, // every connection proves its certificate anew
		Time:                   env.Now,
		Rand:                   env.Rand,
	}
	return serve(ctx, env, hosts, Port, h, func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
}

// ServePlain is Serve on port 80 without TLS: for what carries its own
// signature, such as revocation lists, which could not be fetched by a protocol
// that asks for them.
func ServePlain(ctx context.Context, env providers.Env, hosts []string, h http.Handler) (providers.Service, error) {
	return serve(ctx, env, hosts, PlainPort, h, func(l net.Listener) net.Listener { return l })
}

func serve(ctx context.Context, env providers.Env, hosts []string, port int, h http.Handler, wrap func(net.Listener) net.Listener) (providers.Service, error) {
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &server{cancel: cancel, unused: map[net.Conn]struct{}{}}
	s.http = &http.Server{
		Handler:           (&guard{env: env, hosts: hosts, port: strconv.Itoa(port), log: log}).wrap(h),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       exchangeTimeout,
		WriteTimeout:      exchangeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConnection,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		ConnState:         s.track,
	}
	for _, host := range hosts {
		l, err := env.Network.Listen(host, port)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", host, err), s.Close())
		}
		s.serving.Go(func() { _ = s.http.Serve(wrap(l)) })
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// Connection is what a handler keeps of a connection, for protocols that sign
// in connections and not requests. The requests of one come one after another.
type Connection struct{ State any }

type connectionKey struct{}

func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &Connection{})
}

// ConnectionOf returns the connection that a request came on. Outside of a
// handler of this package it is new each time.
func ConnectionOf(ctx context.Context) *Connection {
	if c, ok := ctx.Value(connectionKey{}).(*Connection); ok {
		return c
	}
	return &Connection{}
}

type server struct {
	http      *http.Server
	cancel    context.CancelFunc
	serving   sync.WaitGroup
	listeners []net.Listener

	mu     sync.Mutex
	unused map[net.Conn]struct{} // connections that have carried no request yet
	closed bool
}

// track follows a connection. http.Server.Shutdown waits seconds for one that
// a client opened and never used; here it is cut after a moment.
func (s *server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.unused, c)
		return
	}
	if s.closed {
		c.Close()
		return
	}
	s.unused[c] = struct{}{}
}

func (s *server) cutUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.unused {
		c.Close()
	}
}

// awaitRequests waits a moment for the first requests of connections that were
// just opened: their clients take a cut for a failure, for the connection was new.
func (s *server) awaitRequests() {
	for deadline := time.After(unusedGrace); ; {
		s.mu.Lock()
		waiting := len(s.unused)
		s.mu.Unlock()
		if waiting == 0 {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			return
		}
	}
}

// Close lets requests that are being answered finish for a short while.
func (s *server) Close() error {
	// A listener whose Serve has not begun is not known to http.Server yet.
	for _, l := range s.listeners {
		l.Close()
	}
	s.awaitRequests()
	s.cutUnused()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	err := s.http.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = s.http.Close()
	}
	s.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// guard stands between the network and a handler.
type guard struct {
	env   providers.Env
	hosts []string
	port  string
	log   *slog.Logger
}

func (g *guard) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.serves(r.Host) {
			http.Error(w, "This server does not answer for that host.", http.StatusMisdirectedRequest)
			return
		}
		id, err := g.correlation(r)
		if err != nil {
			http.Error(w, "The server has no randomness.", http.StatusInternalServerError)
			return
		}
		r = r.WithContext(WithCorrelation(r.Context(), id))
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.EqualFold(r.Header.Get("return-client-request-id"), "true") {
			w.Header().Set(HeaderCorrelation, id) // MS-KPP 3.1.5.1.1
		}
		began := &begun{ResponseWriter: w}
		defer g.contain(began, r)
		h.ServeHTTP(began, r)
	})
}

// serves tells whether a Host header names one of the server's hosts.
func (g *guard) serves(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil && port == g.port {
		host = name
	}
	return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// correlation returns the caller's id if it is a GUID, else a new one: what a
// peer wrote goes into events and logs.
func (g *guard) correlation(r *http.Request) (string, error) {
	if id, err := guid.Parse(r.Header.Get(HeaderCorrelation)); err == nil {
		return id.String(), nil
	}
	id, err := guid.New(g.env.Rand)
	return id.String(), err
}

// contain turns a panic of the handler into a 500, or into a cut connection
// where the reply has begun. The panic's value may hold a secret, so only what
// the Go runtime says is logged, with the stack.
func (g *guard) contain(w *begun, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares so, too
		panic(v)
	}
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	g.log.Error("handler panicked", "panic", what, "method", r.Method, "route", FailpointName(r.Host, r.URL.Path),
		"correlation", Correlation(r.Context()), "stack", string(debug.Stack()))
	if w.header {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, "The server failed.", http.StatusInternalServerError)
}

// begun is a ResponseWriter that knows whether its reply has begun.
type begun struct {
	http.ResponseWriter
	header bool
}

func (b *begun) WriteHeader(status int) {
	b.header = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.header = true
	return b.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
