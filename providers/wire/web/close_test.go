package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/web"
)

func TestCloseIsPrompt(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-leave
			io.WriteString(w, "done")
		}
	})
	unused, err := s.env.Network.Dial(t.Context(), host, web.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close()
	if _, err := get(t, s.client(t), "https://"+host+"/idle"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if reply, err := get(t, s.client(t), "https://"+host+"/slow"); err != nil || string(reply.Body) != "done" {
			t.Errorf("request in flight at close: %q, %v", reply.Body, err)
		}
	})
	<-entered
	began := time.Now()
	wg.Go(func() { time.Sleep(20 * time.Millisecond); close(leave) })
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("close took %s", took)
	}
	if _, err := get(t, s.client(t), "https://"+host+"/"); err == nil {
		t.Error("a closed server answers")
	}
}

// A client whose connection is new when the server closes is answered, or, if
// it says nothing, cut soon.
func TestCloseAnswersNewConnections(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") })
	roots, err := s.env.PKI.Roots(t.Context(), providers.WebRoot)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *tls.Conn {
		conn, err := s.env.Network.Dial(t.Context(), host, web.Port)
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, Time: s.env.Now, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { secure.Close() })
		return secure
	}
	asks, silent := open(), open()
	closed := make(chan error)
	go func() { closed <- s.server.Close() }()
	time.Sleep(20 * time.Millisecond)
	if _, err := io.WriteString(asks, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(asks), nil)
	if err != nil {
		t.Fatalf("asked while the server closes: %v", err)
	}
	reply.Body.Close()
	began := time.Now()
	if _, err := silent.Read(make([]byte, 1)); err == nil || time.Since(began) > time.Second {
		t.Errorf("a silent connection: %v after %s", err, time.Since(began))
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A client that kept a connection must not notice that its server was closed
// and opened again: that is what the change of an object does.
func TestClientOutlivesItsServer(t *testing.T) {
	hello := func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }
	s := newSite(t, hello)
	c, tenant := s.client(t), s.For("tenant.t")
	cert, err := web.Certificate(t.Context(), tenant, []string{host})
	if err != nil {
		t.Fatal(err)
	}
	server := s.server
	for n := range 50 {
		req, err := web.NewJSON(t.Context(), http.MethodPost, "https://"+host+"/", n)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := web.Do(c, req); err != nil || string(reply.Body) != fmt.Sprint(n) {
			t.Fatalf("request %d: %q, %v", n, reply.Body, err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if server, err = web.Serve(context.WithoutCancel(t.Context()), tenant, []string{host}, cert, http.HandlerFunc(hello)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}
