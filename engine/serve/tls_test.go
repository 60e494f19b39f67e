package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"testing"
	"time"

	"hellolab/engine/network"
)

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TLS ends in the lab: the client sees the service's certificate, and the
// service that of the client, whichever way it comes.
func TestTLSEndsInTheLab(t *testing.T) {
	n := network.New(func(_ context.Context, host string) error { return network.ErrNoHost{Host: host} })
	defer n.Close()
	l, err := n.Listen("login.test", 443)
	if err != nil {
		t.Fatal(err)
	}
	service := selfSigned(t, "login.test")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			io.WriteString(w, c.Subject.CommonName)
		}
	})}
	defer server.Close()
	go server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{service}, ClientAuth: tls.RequestClientCert}))
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: listenHigh})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	roots := x509.NewCertPool()
	roots.AddCert(service.Leaf)
	device := selfSigned(t, "device")
	get := func(tr *http.Transport) {
		t.Helper()
		tr.TLSClientConfig = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{device}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get("https://login.test/")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "device" {
			t.Errorf("the service saw %q, %v", body, err)
		}
	}
	get(&http.Transport{DialContext: dialTo(b.Endpoints()[0].Listen)})
	get(&http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: b.Proxy().String()})})
}

// Ports below 1024 are not for everyone who runs tests.
func TestAnUnprivilegedUserGetsHighPorts(t *testing.T) {
	n := network.New(nil)
	defer n.Close()
	echo(t, n, "login.test", 443, "echo: ")
	b, err := Open(t.Context(), Options{View: emptyView(), Network: n, Listen: listenHigh})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	e := b.Endpoints()[0]
	if want := netip.AddrPortFrom(b.Address("login.test"), 10443); e.Listen != want || !errors.Is(e.Moved, syscall.EACCES) {
		t.Errorf("bound to %v (%v), want %v", e.Listen, e.Moved, want)
	}
	if got := ask(t, dial(t, e.Listen), "x"); got != "echo: x" {
		t.Errorf("got %q", got)
	}
}
