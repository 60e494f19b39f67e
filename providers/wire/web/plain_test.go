package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/wire/web"
)

type connectionKey struct{}

// A plain server knows which of its requests came over one connection, and
// answers for its hosts alone, whatever the port.
func TestServePlain(t *testing.T) {
	env := conformance.NewEnv(t).For("value.plain")
	var connections atomic.Int64
	s, err := web.ServePlain(t.Context(), env, []string{"plain.test"}, func(ctx context.Context) context.Context {
		return context.WithValue(ctx, connectionKey{}, connections.Add(1))
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(connectionKey{}))
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 1; n <= 2; n++ {
		c, err := env.Network.Dial(t.Context(), "plain.test", web.PortPlain)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		for _, ask := range []struct {
			host   string
			status int
			body   string
		}{{"plain.test", 200, fmt.Sprint(n)}, {"PLAIN.test:20080", 200, fmt.Sprint(n)}, {"other.test", 421, ""}} {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", ask.host)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != ask.status || ask.status == 200 && string(body) != ask.body {
				t.Errorf("%s: %d %q, %v", ask.host, res.StatusCode, body, err)
			}
		}
		c.Close()
	}
}
