package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"

	"hellolab/providers"
)

// Client returns an HTTPS client of the lab. It presents certificate, if one
// is given, to servers that ask; sends the context's correlation id; reads
// each reply whole, at most MaxReply bytes, before it returns it; and then
// calls env.Failpoint with FailpointName. Connections are kept alive: call
// CloseIdleConnections when done with the client.
//
// Redirects are returned, not followed.
func Client(env providers.Env, certificate ...tls.Certificate) *http.Client {
	d := &dialer{env: env, certificates: certificate}
	return &http.Client{
		Timeout: exchangeTimeout,
		Transport: &transport{
			failpoint: env.Failpoint,
			next: &http.Transport{
				DialContext:            refusePlain,
				DialTLSContext:         d.dial,
				MaxResponseHeaderBytes: maxHeader,
				MaxIdleConnsPerHost:    idlePerHost,
				IdleConnTimeout:        idleTimeout,
				DisableCompression:     true, // a small body may not unfold into a large one
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func refusePlain(_ context.Context, _, addr string) (net.Conn, error) {
	return nil, fmt.Errorf("%s: only https is spoken here", addr)
}

// dialer makes TLS connections over the lab's network.
type dialer struct {
	env          providers.Env
	certificates []tls.Certificate

	mu    sync.Mutex
	roots *x509.CertPool
}

func (d *dialer) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	roots, err := d.trusted(ctx)
	if err != nil {
		return nil, fmt.Errorf("web roots: %w", err)
	}
	conn, err := d.env.Network.Dial(ctx, host, int(port))
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: host,
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		Time:       d.env.Now,
		Rand:       d.env.Rand,
		// The curves that Windows offers, the fastest first. The hybrid with ML-KEM,
		// which Go prefers, is a third of a handshake's cost.
		CurvePreferences: []tls.CurveID{tls.CurveP256, tls.X25519, tls.CurveP384},
		// The one certificate is presented whatever authorities the server
		// names: it asks for device certificates without naming any.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(d.certificates) == 0 {
				return &tls.Certificate{}, nil
			}
			return &d.certificates[0], nil
		},
	})
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", host, err)
	}
	return secure, nil
}

func (d *dialer) trusted(ctx context.Context) (*x509.CertPool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.roots == nil {
		roots, err := d.env.PKI.Roots(ctx, providers.WebRoot)
		if err != nil {
			return nil, err
		}
		d.roots = roots
	}
	return d.roots, nil
}

// transport bounds replies, stamps requests and marks the instants between.
type transport struct {
	next      *http.Transport
	failpoint func(string)
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context()) // a RoundTripper may not change its request
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if id := Correlation(req.Context()); id != "" && req.Header.Get(HeaderCorrelation) == "" {
		req.Header.Set(HeaderCorrelation, id)
	}
	// A server that closes, because its object changed, cuts idle connections. A
	// request that meets such a cut was not read, and net/http sends it again on
	// a new connection if this header is present; empty, it is not sent itself.
	req.Header["Idempotency-Key"] = nil
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := readAll(resp.Body, MaxReply)
	resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read reply of %s: %w", req.URL.Host, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	if t.failpoint != nil {
		t.failpoint(FailpointName(req.URL.Hostname(), req.URL.Path))
	}
	return resp, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// Reply is a reply that was read whole.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request and reads its reply. Any status is a reply.
func Do(c *http.Client, req *http.Request) (Reply, error) {
	resp, err := c.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, MaxReply)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}
