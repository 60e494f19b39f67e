package all_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/windows"
)

// recorder is a network whose lines are tapped: it speaks TLS to both ends, as
// an interception proxy that the device trusts, and writes down what passes.
type recorder struct {
	providers.Network
	env providers.Env
	t   testing.TB

	mu       sync.Mutex
	recorded bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recorded.Write(b)
}

// seen is a copy of what passed until now.
func (r *recorder) seen() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.recorded.Bytes())
}

func (r *recorder) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	server, err := r.Network.Dial(ctx, host, port)
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	chain, err := r.env.PKI.Issue(ctx, providers.WebRoot, &x509.Certificate{DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, key.Public())
	if err != nil {
		return nil, err
	}
	roots, err := r.env.PKI.Roots(ctx, providers.WebRoot)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	device := tls.Server(far, &tls.Config{Time: r.env.Now, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}})
	service := tls.Client(server, &tls.Config{Time: r.env.Now, RootCAs: roots, ServerName: host})
	go func() { io.Copy(io.MultiWriter(service, r), device); service.Close() }()
	go func() { io.Copy(io.MultiWriter(device, r), service); device.Close() }()
	return near, nil
}

// TestTraffic records every byte of a provisioning and of three sign-ins: the
// PIN and private keys never leave the device, biometric data neither.
func TestTraffic(t *testing.T) {
	l := newLab(t)
	seed.Proves(t, "CT-46")
	l.device("laptop")
	l.Declare(enrolled, enrollment(alice, laptop, "face"))
	env := l.For(enrolled)
	tap := &recorder{Network: env.Network, env: env, t: t}
	env.Network = tap
	kind := l.kind("enrollment")
	rec, err := env.Objects.Lookup(enrolled)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kind.Create(t.Context(), env, rec.In); err != nil {
		t.Fatal(err)
	}
	for _, r := range []windows.Request{
		{PIN: providers.Secret(pin)}, {Gesture: "face"}, {Password: providers.Secret(password)},
	} {
		r.User, r.Device = alice, laptop
		if v, err := l.windows.SignIn(t.Context(), env, r); err != nil || v.Code != "success" {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	traffic := tap.seen()
	if !bytes.Contains(traffic, []byte("grant_type")) || !bytes.Contains(traffic, []byte("kngc")) {
		t.Fatalf("%d bytes recorded, and no request among them", len(traffic))
	}
	secrets := map[string][]byte{"the PIN": []byte(`"` + pin + `"`), "the PIN in a form": []byte("=" + pin)}
	err = env.Section.View(func(r providers.Reader) error {
		for _, table := range []string{"container", "sensor", "keypool", "tpm"} {
			if err := r.Scan(table, "", func(key string, v []byte) error {
				secrets[table+" "+key] = bytes.Clone(v[len(v)/2 : len(v)/2+min(48, len(v)/2)])
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(secrets) < 5 {
		t.Fatalf("%d secrets to look for, %v", len(secrets), err)
	}
	for name, secret := range secrets {
		if bytes.Contains(traffic, secret) {
			t.Errorf("%s went over the network", name)
		}
	}
}
