package revocation_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hellolab/providers/wire/crl"
	"hellolab/providers/wire/revocation"
)

// over returns a fetcher whose every host is that server.
func over(t *testing.T, h http.HandlerFunc) *revocation.HTTP {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return revocation.NewHTTP(func(ctx context.Context, host string, port int) (net.Conn, error) {
		if host != "ca.example" || port != 80 {
			return nil, errors.New("no such host")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
}

func TestHTTP(t *testing.T) {
	f := over(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/CertEnroll/a b+.crl":
			io.WriteString(w, "list")
		case "/ocsp":
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, r.Header.Get("Content-Type")+string(body))
		case "/moved":
			http.Redirect(w, r, "/CertEnroll/a b+.crl", http.StatusFound)
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, r)
		}
	})
	if b, err := f.Fetch(ctx, "http://ca.example/CertEnroll/a%20b+.crl", nil, 100); err != nil || string(b) != "list" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := f.Fetch(ctx, "http://ca.example/ocsp", &revocation.Post{Type: "x/y", Body: []byte("z")}, 100); err != nil || string(b) != "x/yz" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := f.Fetch(ctx, "http://ca.example/endless", nil, 1<<20); !errors.Is(err, revocation.ErrTooLarge) {
		t.Errorf("endless: %v", err)
	}
	for _, url := range []string{"http://ca.example/none", "http://ca.example/moved", "http://other.example/", "https://ca.example/ocsp", "ldap:///CN=x?y", "file:///etc/passwd",
		"http://user@ca.example/ocsp", "http:///ocsp", "://", "http://ca.example:99999/", strings.Repeat("x", 1000)} {
		if b, err := f.Fetch(ctx, url, nil, 1<<20); err == nil {
			t.Errorf("%s: %q", url, b)
		}
	}
}

// slow is a fetcher that answers when it is let.
type slow struct {
	let   chan struct{}
	calls atomic.Int32
	body  []byte
}

func (s *slow) Fetch(ctx context.Context, _ string, _ *revocation.Post, _ int) ([]byte, error) {
	s.calls.Add(1)
	select {
	case <-s.let:
		return s.body, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Many who ask at once share a fetch; one that gives up does not end it for
// the others.
func TestSharedFetch(t *testing.T) {
	a := newAuthority(t, "a")
	cert := a.leaf(77, []string{baseURL}, nil)
	s := &slow{let: make(chan struct{}), body: a.list(a.base(1))}
	checker := revocation.New(s, revocation.Options{})
	hasty, cancel := context.WithCancel(ctx)
	gone := make(chan revocation.Result)
	go func() { gone <- checker.Check(hasty, cert, a.cert, now) }()
	for s.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := checker.Check(ctx, cert, a.cert, now); got.Status != revocation.Good {
				t.Errorf("%s (%v)", got, got.Err)
			}
		})
	}
	cancel()
	if got := <-gone; got.Cause != revocation.Unreachable || !errors.Is(got.Err, context.Canceled) {
		t.Errorf("gave up: %s (%v)", got, got.Err)
	}
	close(s.let)
	wg.Wait()
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func FuzzCheck(f *testing.F) {
	a := newAuthority(f, "a")
	cert := a.leaf(77, []string{baseURL}, []string{ocspURL})
	base := a.base(1)
	base.Freshest = []string{deltaURL}
	f.Add(a.list(base), a.list(a.base(2)), []byte{0x30, 3, 10, 1, 6})
	f.Fuzz(func(t *testing.T, base, delta, answer []byte) {
		n := newNetwork()
		n.files[baseURL], n.files[deltaURL], n.files[ocspURL] = base, delta, answer
		got := revocation.New(n, revocation.Options{}).Check(ctx, cert, a.cert, now)
		if got.Status == revocation.Unknown {
			return
		}
		if l, err := crl.Parse(base); err != nil || l.VerifyFrom(a.cert) != nil {
			t.Errorf("%s, and nobody signed that", got)
		}
	})
}
