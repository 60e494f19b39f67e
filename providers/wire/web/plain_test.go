package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/wire/web"
)

func TestPlain(t *testing.T) {
	lab := conformance.NewEnv(t)
	s, err := web.ServePlain(context.WithoutCancel(t.Context()), lab.For("authority.a"), []string{host}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil || web.Correlation(r.Context()) == "" {
			t.Errorf("request %+v", r)
		}
		_, _ = io.WriteString(w, r.URL.EscapedPath())
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for named, want := range map[string]int{host: 200, host + ":80": 200, host + ":443": 421, other: 421} {
		conn, err := lab.For("device.d").Network.Dial(t.Context(), host, web.PlainPort)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET /a%%20b//c HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", named); err != nil {
			t.Fatal(err)
		}
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reply.Body)
		conn.Close()
		if err != nil || reply.StatusCode != want || want == 200 && string(body) != "/a%20b//c" {
			t.Errorf("%s: %s %q, %v", named, reply.Status, body, err)
		}
	}
}

// A handler knows which requests came on one connection.
func TestConnectionOf(t *testing.T) {
	lab := conformance.NewEnv(t)
	s, err := web.ServePlain(context.WithoutCancel(t.Context()), lab.For("authority.a"), []string{host}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := web.ConnectionOf(r.Context())
		n, _ := c.State.(int)
		c.State = n + 1
		fmt.Fprint(w, n)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		conn, err := lab.For("device.d").Network.Dial(t.Context(), host, web.PlainPort)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		for n := range 3 {
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
			reply, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(reply.Body); err != nil || string(body) != fmt.Sprint(n) {
				t.Errorf("request %d: %q, %v", n, body, err)
			}
		}
		conn.Close()
	}
}
