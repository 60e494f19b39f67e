package web_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	host  = "login.example"
	other = "graph.example"
)

// site is a lab with one server on two hosts.
type site struct {
	*conformance.Env
	env    providers.Env
	server providers.Service
}

func newSite(t *testing.T, h http.HandlerFunc) *site {
	t.Helper()
	lab := conformance.NewEnv(t)
	env := lab.For("tenant.t")
	hosts := []string{host, other}
	cert, err := web.Certificate(t.Context(), env, hosts)
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.Serve(context.WithoutCancel(t.Context()), env, hosts, cert, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &site{Env: lab, env: lab.For("device.d"), server: s}
}

func (s *site) client(t *testing.T, cert ...tls.Certificate) *http.Client {
	c := web.Client(s.env, cert...)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, url string) (web.Reply, error) {
	t.Helper()
	req, err := web.NewJSON(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return web.Do(c, req)
}

func TestExchange(t *testing.T) {
	type message struct {
		Text string `json:"text"`
	}
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := web.ReadJSON(r, &m); err != nil {
			w.WriteHeader(web.Status(err))
			return
		}
		web.WriteJSON(w, http.StatusOK, message{Text: r.Host + " heard <" + m.Text + "> in " + web.Correlation(r.Context())})
	})
	var reached []string
	s.OnFailpoint(func(name string) { reached = append(reached, name) })
	c := s.client(t)
	id := "0f8fad5b-d9cb-469f-a165-70867728950e"
	for _, h := range []string{host, other} {
		req, err := web.NewJSON(web.WithCorrelation(t.Context(), id), http.MethodPost, "https://"+h+"/a?b=c", message{Text: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("return-client-request-id", "true")
		reply, err := web.Do(c, req)
		if err != nil {
			t.Fatal(err)
		}
		var got message
		if err := reply.JSON(&got); err != nil {
			t.Fatal(err)
		}
		if want := h + " heard <hi> in " + id; got.Text != want || reply.Status != http.StatusOK {
			t.Errorf("reply %d %q, want %q", reply.Status, got.Text, want)
		}
		if bytes.Contains(reply.Body, []byte(`\u003c`)) {
			t.Errorf("body %s is escaped for HTML", reply.Body)
		}
		if reply.Header.Get("client-request-id") != id || reply.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers are %v", reply.Header)
		}
	}
	if want := []string{"wire:login.example/a", "wire:graph.example/a"}; !slices.Equal(reached, want) {
		t.Errorf("failpoints %q, want %q", reached, want)
	}
}

func TestJSONIsStrict(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		var v map[string]any
		if err := web.ReadJSON(r, &v); err != nil {
			w.WriteHeader(web.Status(err))
		}
	})
	c := s.client(t)
	cases := map[string]struct {
		kind, body string
		status     int
	}{
		"plain":      {"application/json", `{"a":1}`, 200},
		"parameters": {"application/json; charset=utf-8; odata.metadata=minimal", `{"a":1}`, 200},
		"plus json":  {"application/jose+json", `{}`, 200},
		"duplicate":  {"application/json", `{"a":1,"a":2}`, 400},
		"deep":       {"application/json", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), 400},
		"cut":        {"application/json", `{"a":`, 400},
		"form":       {"application/x-www-form-urlencoded", `{"a":1}`, 415},
		"none":       {"", `{}`, 415},
		"large":      {"application/json", `{"a":"` + strings.Repeat("x", strict.MaxBytes) + `"}`, 413},
		"very large": {"application/json", `{"a":"` + strings.Repeat("x", web.MaxBody) + `"}`, 413},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host+"/", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tt.kind)
			reply, err := web.Do(c, req)
			if err != nil {
				t.Fatal(err)
			}
			if reply.Status != tt.status {
				t.Errorf("status %d, want %d", reply.Status, tt.status)
			}
		})
	}
}

func TestPanicIsContained(t *testing.T) {
	const secret = "hunter2-hunter2"
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/value":
			panic("password is " + secret)
		case "/runtime":
			var none []int
			none[len(r.URL.Path)] = 1
		case "/begun":
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, "half")
			panic(secret)
		}
	})
	c := s.client(t)
	for _, path := range []string{"/value", "/runtime"} {
		if reply, err := get(t, c, "https://"+host+path); err != nil || reply.Status != http.StatusInternalServerError {
			t.Errorf("%s: %d, %v, want 500", path, reply.Status, err)
		}
	}
	if reply, err := get(t, c, "https://"+host+"/begun"); err == nil {
		t.Errorf("half a reply came as a whole one: %+v", reply)
	}
	if reply, err := get(t, c, "https://"+host+"/fine"); err != nil || reply.Status != http.StatusOK {
		t.Errorf("after the panics: %d, %v", reply.Status, err)
	}
	log := s.Logged()
	if strings.Contains(log, secret) {
		t.Errorf("the log holds the secret:\n%s", log)
	}
	if !strings.Contains(log, "handler panicked") || !strings.Contains(log, "index out of range") {
		t.Errorf("the log does not tell of the panics:\n%s", log)
	}
}

func TestWhoAnswersForWhom(t *testing.T) {
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	c := s.client(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for h, status := range map[string]int{
		"":                        200,
		"LOGIN.example:443":       200,
		"evil.example":            http.StatusMisdirectedRequest,
		"login.example:8443":      http.StatusMisdirectedRequest,
		"login.example.evil.test": http.StatusMisdirectedRequest,
	} {
		req.Host = h
		if reply, err := web.Do(c, req); err != nil || reply.Status != status {
			t.Errorf("Host %q: %d, %v, want %d", h, reply.Status, err, status)
		}
	}
	if _, err := get(t, c, "http://"+host+"/"); err == nil {
		t.Error("plain HTTP is spoken")
	}
}

func TestServerCertificateIsVerified(t *testing.T) {
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	stranger := selfSigned(t, s.Now(), "stranger.example")
	bad, err := web.Serve(t.Context(), s.env, []string{"stranger.example"}, stranger, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	var unknown x509.UnknownAuthorityError
	if _, err := get(t, s.client(t), "https://stranger.example/"); !errors.As(err, &unknown) {
		t.Errorf("a self-signed server: %v", err)
	}

	// Lab time rules, not the machine's.
	s.Advance(10 * 365 * 24 * time.Hour)
	var invalid x509.CertificateInvalidError
	if _, err := get(t, s.client(t), "https://"+host+"/"); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("an expired server: %v", err)
	}
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	tenant := s.For("tenant.t")
	cert, err := web.Certificate(t.Context(), tenant, []string{host})
	if err != nil {
		t.Fatal(err)
	}
	again, err := web.Serve(t.Context(), tenant, []string{host}, cert, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if reply, err := get(t, s.client(t), "https://"+host+"/"); err != nil || reply.Status != http.StatusNotFound {
		t.Errorf("a renewed server: %d, %v", reply.Status, err)
	}
}

func TestCertificateIsKept(t *testing.T) {
	env := conformance.NewEnv(t).For("tenant.t")
	issued := func(hosts ...string) *x509.Certificate {
		c, err := web.Certificate(t.Context(), env, hosts)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	first := issued(host)
	if again := issued(host); !again.Equal(first) {
		t.Error("a second call makes another certificate")
	}
	both := issued(host, other)
	if both.Equal(first) || !slices.Equal(both.DNSNames, []string{host, other}) {
		t.Errorf("certificate for two hosts has %v", both.DNSNames)
	}
	if again := issued(other); !again.Equal(both) {
		t.Error("fewer hosts make another certificate")
	}
}

func TestClientCertificate(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			fmt.Fprint(w, c.Subject.CommonName)
		}
	})
	device := selfSigned(t, s.Now(), "device")
	for name, c := range map[string]*http.Client{"device": s.client(t, device), "": s.client(t)} {
		if reply, err := get(t, c, "https://"+host+"/"); err != nil || string(reply.Body) != name {
			t.Errorf("server saw %q, %v, want %q", reply.Body, err, name)
		}
	}
}

func TestBounds(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "https://"+other+"/", http.StatusFound)
		case "/large":
			w.Write(make([]byte, web.MaxReply+1))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}
	})
	c := s.client(t)
	for _, path := range []string{"/large", "/endless"} {
		if _, err := get(t, c, "https://"+host+path); !errors.Is(err, web.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", path, err)
		}
	}
	if reply, err := get(t, c, "https://"+host+"/redirect"); err != nil || reply.Status != http.StatusFound {
		t.Errorf("redirect: %d, %v", reply.Status, err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	req.Header.Set("X-Large", strings.Repeat("x", 128<<10))
	if reply, err := web.Do(c, req); err == nil && reply.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("128 KiB of headers: %d", reply.Status)
	}
}

func TestForeignCorrelationIsNotTrusted(t *testing.T) {
	seen := ""
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) { seen = web.Correlation(r.Context()) })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	req.Header.Set(web.HeaderCorrelation, "x\" level=ERROR")
	if _, err := web.Do(s.client(t), req); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 36 || strings.Contains(seen, "level") {
		t.Errorf("correlation is %q, want a new GUID", seen)
	}
}

func TestFailpointName(t *testing.T) {
	for path, want := range map[string]string{
		"/common/oauth2/token": "wire:h/common/oauth2/token",
		"/0f8fad5b-d9cb-469f-a165-70867728950e/oauth2/v2.0/token":      "wire:h/{id}/oauth2/v2.0/token",
		"/v1.0/users/alice@contoso.com/memberOf":                       "wire:h/v1.0/users/{id}/memberOf",
		"/v1.0/users('0F8FAD5B-D9CB-469F-A165-70867728950E')/memberOf": "wire:h/v1.0/users({id})/memberOf",
		"": "wire:h",
	} {
		if got := web.FailpointName("h", path); got != want {
			t.Errorf("FailpointName(%q) = %q, want %q", path, got, want)
		}
	}
}

func selfSigned(t *testing.T, now time.Time, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
