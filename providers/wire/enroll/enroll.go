// Package enroll is how a member of a domain asks an enterprise CA for a
// certificate: it finds the enrollment services in the directory and asks one
// by MS-WSTEP over HTTPS, authenticated with Kerberos. Whom it trusts for TLS
// are the root authorities that the directory publishes.
//
// Sources: MS-WSTEP, MS-ADTS 7 (public key services), RFC 4559.
package enroll

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstep"
)

// timeout bounds one request.
const timeout = 30 * time.Second

// Service is an enrollment service, as the directory publishes it.
type Service struct {
	Name      string // common name of the authority
	Host      string
	URL       string   // of the service; see Address
	Templates []string // by name
}

// ServerURL is a value of msPKI-Enrollment-Servers, which tells where a service
// is (MS-WCCE 2.2.2.11.2): lines of priority, authentication, whether it only
// renews, and URL. Authentication 2 is Kerberos.
func ServerURL(url string) string { return "1\n2\n0\n" + url }

// ParseServerURL returns the URL of a value whose authentication is Kerberos.
func ParseServerURL(value string) (url string, ok bool) {
	lines := strings.Split(value, "\n")
	if len(lines) < 4 || lines[1] != "2" || !strings.HasPrefix(lines[3], "https://") {
		return "", false
	}
	return lines[3], true
}

// Client asks.
type Client struct {
	Env   providers.Env
	Roots *x509.CertPool // for TLS
	// Ticket obtains one for a host's HTTP service.
	Ticket func(ctx context.Context, host string) (gss.Credential, error)
}

// ErrPending is a request that an administrator must approve first.
var ErrPending = errors.New("the request waits for an administrator")

// Issued is what a service answers.
type Issued struct {
	Chain []*x509.Certificate // the certificate first
	CMC   []byte              // the CA's full response, a ContentInfo: the chain, signed
}

// Enroll asks a service for a certificate by a template and returns the chain,
// the certificate first. A refusal is a *wstep.Fault.
func (c *Client) Enroll(ctx context.Context, s Service, template string, csr []byte) ([]*x509.Certificate, error) {
	issued, err := c.ask(ctx, s, csr, false, template)
	if err != nil {
		return nil, err
	}
	return issued.Chain, nil
}

func (c *Client) ask(ctx context.Context, s Service, request []byte, cmc bool, template string) (*Issued, error) {
	client := &wstep.Client{HTTP: c.http(s.Host), URL: s.URL, Rand: c.Env.Rand}
	defer client.HTTP.CloseIdleConnections()
	r, err := client.Enroll(ctx, request, cmc, template)
	if err != nil {
		return nil, fmt.Errorf("enroll at %s: %w", s.Name, err)
	}
	if r.Pending() {
		return nil, fmt.Errorf("enroll at %s: %w", s.Name, ErrPending)
	}
	leaf, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", s.Name, err)
	}
	signed, err := cms.ParseSignedData(r.CMC)
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", s.Name, err)
	}
	return &Issued{cms.Chain(leaf, signed.Certificates), r.CMC}, nil
}

// http is a client that proves itself by Kerberos with its first request: the
// ticket is obtained for each connection's host.
func (c *Client) http(host string) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &negotiating{client: c, host: host, next: &http.Transport{
			DisableCompression: true,
			DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				name, port, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				n, err := strconv.ParseUint(port, 10, 16)
				if err != nil {
					return nil, err
				}
				raw, err := c.Env.Network.Dial(ctx, name, int(n))
				if err != nil {
					return nil, err
				}
				secure := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: c.Roots, MinVersion: tls.VersionTLS12, Time: c.Env.Now, Rand: c.Env.Rand})
				if err := secure.HandshakeContext(ctx); err != nil {
					return nil, errors.Join(fmt.Errorf("TLS with %s: %w", name, err), raw.Close())
				}
				return secure, nil
			},
		}},
	}
}

// negotiating sends a token of Kerberos with each request, and believes an
// answer only of a server that proved itself with it, too.
type negotiating struct {
	client *Client
	host   string
	next   *http.Transport
}

func (n *negotiating) RoundTrip(r *http.Request) (*http.Response, error) {
	ticket, err := n.client.Ticket(r.Context(), n.host)
	if err != nil {
		return nil, err
	}
	exchange := gss.NewNegotiator(gss.InitiatorConfig{Credential: ticket, Flags: gss.Mutual | gss.Integrity, Now: n.client.Env.Now(), Rand: n.client.Env.Rand})
	token, _, err := exchange.Step(nil)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", gss.Header(token))
	if id := web.Correlation(r.Context()); id != "" {
		r.Header.Set(web.HeaderCorrelation, id)
	}
	resp, err := n.next.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusUnauthorized {
		return resp, err
	}
	proof, _, err := gss.FromHeader(resp.Header.Values("WWW-Authenticate"))
	if err == nil {
		_, _, err = exchange.Step(proof)
	}
	if err != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, wstep.MaxMessage))
		return nil, errors.Join(fmt.Errorf("%s did not prove itself: %w", n.host, err), resp.Body.Close())
	}
	return resp, nil
}

// CloseIdleConnections ends what is kept for later requests.
func (n *negotiating) CloseIdleConnections() { n.next.CloseIdleConnections() }
