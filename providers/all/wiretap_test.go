package all_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/leak"
	"hellolab/providers/windows/ksp"
)

// wiretap is a listener on all lines of a lab: it speaks TLS to both ends, as
// an interception proxy that clients trust, and writes down what passes. To
// services it shows the device's certificate as the device would.
type wiretap struct {
	l  *lab
	mu sync.Mutex
	// lines are in the order they were dialed.
	lines []*line
}

// line is one connection.
type line struct {
	from, host     string
	sent, received recording
}

type recording struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *recording) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.b.Bytes())
}

// listen taps what is dialed from now on.
func (l *lab) listen() *wiretap {
	w := &wiretap{l: l}
	l.Through(func(env providers.Env) providers.Network { return tapped{env.Network, env, w} })
	return w
}

// tapped is one object's network.
type tapped struct {
	providers.Network
	env providers.Env
	tap *wiretap
}

func (t tapped) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	server, err := t.Network.Dial(ctx, host, port)
	if err != nil || port != 443 { // what a domain speaks is not HTTPS
		return server, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	chain, err := t.env.PKI.Issue(ctx, providers.WebRoot, &x509.Certificate{DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, key.Public())
	if err != nil {
		return nil, err
	}
	roots, err := t.env.PKI.Roots(ctx, providers.WebRoot)
	if err != nil {
		return nil, err
	}
	n := &line{from: t.env.Addr, host: host}
	t.tap.mu.Lock()
	t.tap.lines = append(t.tap.lines, n)
	t.tap.mu.Unlock()
	near, far := net.Pipe()
	client := tls.Server(far, &tls.Config{Time: t.env.Now, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}})
	service := tls.Client(server, &tls.Config{Time: t.env.Now, RootCAs: roots, ServerName: host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.certificate() }})
	go func() { io.Copy(io.MultiWriter(service, &n.sent), client); service.Close() }()
	go func() { io.Copy(io.MultiWriter(client, &n.received), service); client.Close() }()
	return near, nil
}

// certificate is that of the device whose section the dialing object has.
func (t tapped) certificate() (*tls.Certificate, error) {
	m, ok := storedIn[machineState](t.tap.l.t, t.env.Section, "machine", "record")
	own := m.Registration
	if own == nil {
		own = m.Enterprise
	}
	if !ok || own == nil || m.Storage != ksp.TPM {
		return &tls.Certificate{}, nil
	}
	key, err := ksp.Signer(context.Background(), t.tap.l.tpmIn(t.env.Section, "device.tapped-"+t.env.Addr), m.DeviceKey, nil)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{own.Certificate}, PrivateKey: key,
		SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256}}, nil
}

// exchange is one request and its reply.
type exchange struct {
	from, host string
	request    *http.Request
	body       []byte
	status     int
	header     http.Header
	reply      []byte
}

// exchanges are what passed until now, line by line.
func (w *wiretap) exchanges() (all []exchange) {
	w.mu.Lock()
	lines := slices.Clone(w.lines)
	w.mu.Unlock()
	for _, n := range lines {
		sent, received := bufio.NewReader(bytes.NewReader(n.sent.bytes())), bufio.NewReader(bytes.NewReader(n.received.bytes()))
		for {
			req, err := http.ReadRequest(sent)
			if err != nil {
				break
			}
			x := exchange{from: n.from, host: n.host, request: req}
			x.body, _ = io.ReadAll(req.Body)
			res, err := http.ReadResponse(received, req)
			if err != nil {
				break
			}
			x.status, x.header = res.StatusCode, res.Header
			x.reply, _ = io.ReadAll(res.Body)
			all = append(all, x)
		}
	}
	return all
}

// last is the latest exchange for a method and a path's beginning.
func (w *wiretap) last(t testing.TB, method, path string) exchange {
	t.Helper()
	all := w.exchanges()
	for _, x := range slices.Backward(all) {
		if x.request.Method == method && strings.HasPrefix(strings.ToLower(x.request.URL.Path), strings.ToLower(path)) {
			return x
		}
	}
	t.Fatalf("no %s %s among %d exchanges", method, path, len(all))
	return exchange{}
}

// bearer is the access token that a request carries.
func (x exchange) bearer() string {
	token, _ := strings.CutPrefix(x.request.Header.Get("Authorization"), "Bearer ")
	return token
}

// form is the body of a posted form.
func (x exchange) form() url.Values {
	v, _ := url.ParseQuery(string(x.body))
	return v
}

// unfolded is all that passed, with everything that is encoded in it decoded:
// forms, JSON strings, base64 and tokens, layer by layer.
func (w *wiretap) unfolded() []byte {
	w.mu.Lock()
	lines := slices.Clone(w.lines)
	w.mu.Unlock()
	var out bytes.Buffer
	for _, n := range lines {
		out.Write(n.sent.bytes())
		out.Write(n.received.bytes())
	}
	for _, x := range w.exchanges() {
		out.Write(leak.Unfold(x.request.URL.RawQuery))
		for _, values := range x.request.Header {
			for _, v := range values {
				out.Write(leak.Unfold(v))
			}
		}
		out.Write(leak.Unfold(string(x.body)))
		out.Write(leak.Unfold(string(x.reply)))
	}
	return out.Bytes()
}
