package serve

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"hellolab/engine/network"
)

// Bounds of a request to the proxy.
const (
	maxProxyHeader = 16 << 10
	proxyIdle      = 30 * time.Second
	maxShownHost   = 128
)

// serveProxy answers on l: CONNECT (RFC 9110 9.3.6) to hosts of the lab. It has
// no way out: what it dials is the lab's network.
func (b *Bridge) serveProxy(l net.Listener) {
	b.proxy = &http.Server{
		Handler:           http.HandlerFunc(b.connect),
		ReadHeaderTimeout: b.o.Header,
		IdleTimeout:       proxyIdle,
		MaxHeaderBytes:    maxProxyHeader,
		ErrorLog:          slog.NewLogLogger(b.o.Log.Handler(), slog.LevelDebug),
	}
	b.running.Go(func() { _ = b.proxy.Serve(limitedListener{l, b.limit}) })
}

func (b *Bridge) connect(w http.ResponseWriter, r *http.Request) {
	if !b.enter() {
		return
	}
	defer b.running.Done()
	if r.Method != http.MethodConnect {
		refuse(w, http.StatusForbidden, "This proxy of a hellolab takes CONNECT only: speak HTTPS with the lab's hosts.")
		return
	}
	host, portText, err := net.SplitHostPort(r.URL.Host)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil || host == "" || port == 0 {
		refuse(w, http.StatusForbidden, fmt.Sprintf("%q is not a host and port.", shown(r.URL.Host)))
		return
	}
	inside, err := b.dial(host, int(port))
	var nobody network.ErrNoHost
	var closed network.ErrRefused
	switch {
	case errors.As(err, &nobody):
		refuse(w, http.StatusForbidden, fmt.Sprintf("This proxy connects to hosts of its lab only and never goes out; %q is not one of them. `hellolab serve` lists them.", shown(host)))
		return
	case errors.As(err, &closed):
		refuse(w, http.StatusBadGateway, fmt.Sprintf("The lab's host %q does not listen on port %d.", shown(host), port))
		return
	case err != nil:
		b.o.Log.Warn("cannot reach a service of the lab", "host", shown(host), "port", port, "error", err)
		refuse(w, http.StatusBadGateway, fmt.Sprintf("The lab's host %q cannot be reached; HELLOLAB_LOG=warn tells why.", shown(host)))
		return
	}
	defer inside.Close()
	outside, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "The connection cannot be taken over.")
		return
	}
	defer outside.Close()
	if outside.SetDeadline(time.Time{}) != nil {
		return
	}
	if _, err := io.WriteString(outside, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	relay(ahead{outside, io.MultiReader(io.LimitReader(buffered, int64(buffered.Reader.Buffered())), outside)}, inside, b.o.Idle)
}

// ahead is a connection some of whose bytes were read ahead.
type ahead struct {
	net.Conn
	r io.Reader
}

func (a ahead) Read(p []byte) (int, error) { return a.r.Read(p) }
func (a ahead) CloseWrite() error          { return closeWrite(a.Conn) }

// shown bounds what a peer wrote before it is repeated.
func shown(host string) string { return host[:min(len(host), maxShownHost)] }

func refuse(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Connection", "close")
	http.Error(w, sentence, status)
}
