package revocation

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Dial connects to a host of the lab, as providers.Network.Dial does.
type Dial func(ctx context.Context, host string, port int) (net.Conn, error)

// timeout is how long one fetch may take, in real time: Windows' default.
const timeout = 15 * time.Second

// HTTP is a Fetcher of http: URLs over dial. Redirects are refused, bodies are
// never unfolded, and each fetch has a connection of its own. ldap: and every
// other scheme is an error.
type HTTP struct{ client *http.Client }

// NewHTTP returns a fetcher.
func NewHTTP(dial Dial) *HTTP {
	return &HTTP{&http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				host, text, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				port, err := strconv.ParseUint(text, 10, 16)
				if err != nil {
					return nil, err
				}
				return dial(ctx, host, int(port))
			},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Fetch implements Fetcher.
func (h *HTTP) Fetch(ctx context.Context, address string, post *Post, limit int) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%.200q is no address that is fetched", address)
	}
	method, body := http.MethodGet, io.Reader(nil)
	if post != nil {
		method, body = http.MethodPost, bytes.NewReader(post.Body)
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Microsoft-CryptoAPI/10.0") // as a Windows client's
	if post != nil {
		request.Header.Set("Content-Type", post.Type)
	}
	response, err := h.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", u.Host, response.Status)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%s: %w", u.Host, ErrTooLarge)
	}
	return b, nil
}
