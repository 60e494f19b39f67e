// Package web is what every HTTPS client and server of the lab shares: TLS
// over the lab's network with the lab's public authorities and clock, bounds
// on everything a peer sends, and the correlation id that ties the events of
// one flow together (the header client-request-id of Microsoft's services,
// MS-KPP 2.2.1.1).
//
// HTTP/1.1 (RFC 9112) over TLS 1.2 or 1.3. Nothing is read from the process's
// environment, no proxy is asked, redirects are the caller's to follow.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

const (
	// Port is where every service of the lab answers HTTPS.
	Port = 443
	// PlainPort is where the few services answer that need no TLS.
	PlainPort = 80
	// MaxBody bounds a request's body.
	MaxBody = 1 << 20
	// MaxReply bounds a reply's body.
	MaxReply = 4 << 20
	// idlePerHost is how many connections a client keeps to one host for later.
	idlePerHost = 16
	// maxHeader bounds the header block of a request or a reply.
	maxHeader = 64 << 10

	// Real time, not lab time: a peer that stalls is cut off.
	handshakeTimeout = 15 * time.Second
	headerTimeout    = 15 * time.Second
	exchangeTimeout  = 2 * time.Minute
	idleTimeout      = time.Minute
	closeGrace       = 2 * time.Second
	unusedGrace      = 100 * time.Millisecond // for the request of a connection that was just opened
)

// ErrTooLarge is a body beyond its bound.
var ErrTooLarge = errors.New("body is too large")

// readAll reads a body of at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return b, nil
}

// HeaderCorrelation carries the correlation id of a request.
const HeaderCorrelation = "client-request-id"

type correlationKey struct{}

// WithCorrelation returns a context whose requests carry id.
func WithCorrelation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// Correlation returns the id that WithCorrelation put into ctx, or "". In a
// handler it is never empty: a request without one, or with one that is not a
// GUID, gets a new one.
func Correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

var (
	guidText = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
	keyText  = regexp.MustCompile(`\([^)]*\)`)
)

// FailpointName returns the name of the instant after the reply of a request
// was read: "wire:" and host and path, with what differs from run to run taken
// out, so that the set of names is the same in every run:
//
//	wire:login.contoso.example/{id}/oauth2/token            a GUID
//	wire:graph.contoso.example/v1.0/users/{id}              a segment with "@"
//	wire:graph.contoso.example/v1.0/users({id})/memberOf    a key in parentheses
func FailpointName(host, path string) string {
	path = guidText.ReplaceAllString(path, "{id}")
	path = keyText.ReplaceAllString(path, "({id})")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.Contains(s, "@") {
			segments[i] = "{id}"
		}
	}
	return "wire:" + host + strings.Join(segments, "/")
}
