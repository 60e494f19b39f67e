package position_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/windows/position"
)

// waited is how long machines waited.
type waited struct{ time.Duration }

func (w *waited) Wait(d time.Duration) { w.Duration += d }

// TestCaptivePortal: what is outside does not answer, for 21 seconds an attempt, but
// for plain HTTP, which is led to the portal; the domain is out of sight.
func TestCaptivePortal(t *testing.T) {
	for _, tt := range []struct {
		host   string
		port   int
		portal bool // answers
		sight  bool
	}{
		{"login.contoso.com", 443, false, true},
		{"sts.contoso.com", 443, false, true},
		{"gate.contoso.com", 443, false, true},
		{"other.fabrikam.com", 443, false, true},
		{"web.contoso.com", 80, true, true}, // lists of an authority, opened to the internet
		{"other.fabrikam.com", 80, true, true},
		{"lan.contoso.com", 80, false, false},
		{"dc1.contoso.com", 88, false, false},
		{"connect.contoso.com", 443, false, false},
	} {
		l, clock := newLab(t), &waited{}
		n := position.Of(providers.Env{Network: l, Objects: l, Waiter: clock}, position.Position{Place: position.Captive})
		c, err := n.Dial(t.Context(), tt.host, tt.port)
		_, packetErr := n.DialPacket(t.Context(), tt.host, tt.port)
		var silent *position.Unanswered
		var far *position.NoLineOfSight
		var timeout net.Error
		switch {
		case len(*l.dialed) > 0:
			t.Errorf("%s:%d is reached: %q", tt.host, tt.port, *l.dialed)
		case !tt.sight:
			if !errors.As(err, &far) || !errors.As(packetErr, &far) || clock.Duration != 0 {
				t.Errorf("%s:%d: %v, %v after %s", tt.host, tt.port, err, packetErr, clock)
			}
		case tt.portal:
			if err != nil || clock.Duration != 0 {
				t.Errorf("%s:%d: %v after %s", tt.host, tt.port, err, clock)
				continue
			}
			redirected(t, c, tt.host)
		default:
			if !errors.As(err, &silent) || !errors.As(err, &timeout) || !timeout.Timeout() || silent.Host != tt.host || !errors.As(packetErr, &silent) || clock.Duration != position.AttemptTimeout {
				t.Errorf("%s:%d: %v, %v after %s", tt.host, tt.port, err, packetErr, clock)
			}
		}
	}
}

// redirected asks over a connection for a page and wants the portal's.
func redirected(t *testing.T, c net.Conn, host string) {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get("http://" + host + "/list.crl")
	if err != nil {
		t.Errorf("%s: %v", host, err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != position.PortalPage || len(body) > 0 || err != nil {
		t.Errorf("%s: %s %q %q %v", host, resp.Status, resp.Header.Get("Location"), body, err)
	}
}

// What is no request the portal hangs up on, without a word.
func TestPortalHangsUp(t *testing.T) {
	l := newLab(t)
	for _, request := range []string{"\r\n", "GET\r\n", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 1<<17)} {
		c, err := position.Of(providers.Env{Network: l, Objects: l}, position.Position{Place: position.Captive}).Dial(t.Context(), "a.example", 80)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(c, request) // it may hang up in the middle
		if said, err := io.ReadAll(c); len(said) > 0 || err != nil {
			t.Errorf("%.20q: %q, %v", request, said, err)
		}
		c.Close()
	}
}
