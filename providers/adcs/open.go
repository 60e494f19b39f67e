package adcs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/adcs/ces"
	"hellolab/providers/wire/krb"
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

// open answers plain HTTP, where lists and OCSP are read, and HTTPS, where
// members of the domain enroll.
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
		Enroller:     &enroller{Service: &ces.Service{CA: authority, Lookup: s.members.lookup, May: s.members.may, URL: s.url()}, admins: s.members.administrators()},
		Fail:         fail,
	}
	// The path holds the authority's name as it is, which http.ServeMux would
	// read as a pattern.
	only := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ces.Path(authority) {
			http.NotFound(w, r)
			return
		}
		enrollment.ServeHTTP(w, r)
	})
	if err := s.listen(80, nil, authority.Handler(fail)); err != nil {
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
	web := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, web)
	s.running.Go(func() {
		if err := web.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("listener of an authority ended", "host", host, "port", port, "error", err)
		}
	})
	return nil
}

// Close ends the listeners and their connections.
func (s *server) Close() error {
	var err error
	for _, web := range s.servers {
		err = errors.Join(err, web.Close())
	}
	s.running.Wait()
	return err
}

// webCertificate is the server's own certificate for TLS.
type webCertificate struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS#8
}

func (s *server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := loadWeb(s.env)
	if err == nil && cert == nil {
		err = errors.New("the authority's server has no certificate yet")
	}
	if err != nil {
		return nil, err
	}
	for _, above := range s.ca.Chain() {
		cert.Certificate = append(cert.Certificate, above.Raw)
	}
	return cert, nil
}

func loadWeb(env providers.Env) (*tls.Certificate, error) {
	var raw []byte
	err := env.Section.View(func(r providers.Reader) (err error) {
		raw, _, err = r.Get(tableServer, keyWeb)
		return err
	})
	if err != nil || raw == nil {
		return nil, err
	}
	var w webCertificate
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(w.Key)
	if err != nil {
		return nil, fmt.Errorf("the server's key: %w", err)
	}
	leaf, err := x509.ParseCertificate(w.Certificate)
	return &tls.Certificate{Certificate: [][]byte{w.Certificate}, PrivateKey: key, Leaf: leaf}, err
}

// ensureWeb gives the server a certificate of its own authority when it has
// none, or the end of the one it has is near.
func ensureWeb(ctx context.Context, env providers.Env, authority *ca.CA, who ca.Requester) error {
	now := env.Now()
	cert, err := loadWeb(env)
	if err != nil {
		return err
	}
	if cert != nil && cert.Leaf.CheckSignatureFrom(authority.Certificate()) == nil && now.Before(cert.Leaf.NotAfter.Add(-renewBefore)) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), caEnv(env).Rand)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(caEnv(env).Rand, &x509.CertificateRequest{}, key)
	if err != nil {
		return err
	}
	issued, err := authority.Issue(ctx, ca.Request{Requester: who, CSR: csr, Template: ca.WebServer})
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	data, err := json.Marshal(webCertificate{Certificate: issued.Certificate.Raw, Key: pkcs8})
	if err != nil {
		return err
	}
	err = env.Section.Record(ctx, func(w providers.Writer) error { return w.Put(tableServer, keyWeb, data) })
	if err == nil {
		tellCertified(env, authority, issued.Certificate)
	}
	return err
}

// renewBefore is how long before its end the server's certificate is renewed.
const renewBefore = 6 * 7 * 24 * time.Hour

// due publishes lists that are due and renews the server's certificate.
func due(ctx context.Context, env providers.Env, _ authorityObject) error {
	authority, set, err := load(env)
	if err != nil {
		return err
	}
	if _, _, err := authority.Lists(ctx); err != nil && !errors.Is(err, ca.ErrNoList) {
		return err
	}
	return ensureWeb(ctx, env, authority, set.self())
}
