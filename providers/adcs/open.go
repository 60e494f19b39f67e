package adcs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/adcs/ces"
	"hellolab/providers/hello"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/scep"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstep"
)

// Bounds of the listeners, in real time.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
	bodyTimeout   = 30 * time.Second
	maxHeader     = 96 << 10 // a Kerberos token with a large PAC
	maxReplays    = 1 << 16
)

// server is an authority that answers.
type server struct {
	env      providers.Env
	ca       *ca.CA
	settings *settings
	members  *members
	log      *slog.Logger
	running  sync.WaitGroup
	servers  []*http.Server
}

// open answers plain HTTP, where lists and OCSP are read and devices enroll by
// SCEP, and HTTPS, where members of the domain enroll and device management asks
// for challenges.
func open(_ context.Context, env providers.Env, _ authorityObject) (providers.Service, error) {
	authority, set, err := load(env)
	if err != nil {
		return nil, err
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	env.Rand = caEnv(env).Rand
	s := &server{env: env, ca: authority, settings: set, log: env.Log}
	s.members = &members{env: env, settings: set, replays: krb.NewReplayCache(maxReplays)}
	fail := func(err error) { s.log.Error("authority failed", "error", err) }
	enrollment := &wstep.Server[ca.Requester]{
		Authenticate: s.members.authenticate,
		Enroller:     &enroller{env: env, Service: &ces.Service{CA: authority, Lookup: s.members.lookup, May: s.members.may, URL: s.url()}, admins: s.members.administrators()},
		Fail:         fail,
	}
	devices := &ndes{s}
	// The path holds the authority's name as it is, which http.ServeMux would
	// read as a pattern.
	only := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case ces.Path(authority):
			enrollment.ServeHTTP(w, r)
		case scep.AdminPath:
			devices.administer(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	lists, enrollDevice := authority.Handler(fail), devices.handler(fail)
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimSuffix(r.URL.Path, "/") == scep.Path || strings.HasPrefix(r.URL.Path, scep.Path+"/") {
			enrollDevice.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, ca.PathLists) && strings.Contains(r.URL.Path, "+") && !hello.DoubleEscaping(set.In) {
			http.NotFound(w, r) // 404.11 of IIS
			return
		}
		lists.ServeHTTP(w, r)
	})
	if err := s.listen(80, nil, plain); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, Time: env.Now, Rand: env.Rand, NextProtos: []string{"http/1.1"}, GetCertificate: s.certificate}
	if err := s.listen(443, secure, only); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *server) url() string { return serviceURL(s.ca) }

// serviceURL is where an authority's members enroll.
func serviceURL(authority *ca.CA) string {
	return (&url.URL{Scheme: "https", Host: authority.Config().Host, Path: ces.Path(authority)}).String()
}

func (s *server) listen(port int, secure *tls.Config, handler http.Handler) error {
	host := s.settings.Account.Host
	l, err := s.env.Network.Listen(host, port)
	if err != nil {
		return fmt.Errorf("listen on %s, port %d: %w", host, port, err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	served := &http.Server{
		Handler: correlated(handler), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, served)
	s.running.Go(func() {
		if err := served.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("listener of an authority ended", "host", host, "port", port, "error", err)
		}
	})
	return nil
}

// correlated takes over the correlation id of a request, if it is a GUID: what a
// peer wrote goes into events.
func correlated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, err := guid.Parse(r.Header.Get(web.HeaderCorrelation)); err == nil {
			r = r.WithContext(web.WithCorrelation(r.Context(), id.String()))
		}
		h.ServeHTTP(w, r)
	})
}

// Close ends the listeners and their connections.
func (s *server) Close() error {
	var err error
	for _, served := range s.servers {
		err = errors.Join(err, served.Close())
	}
	s.running.Wait()
	return err
}
