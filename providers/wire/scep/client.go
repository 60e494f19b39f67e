package scep

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/cms"
	"hellolab/providers/wire/rsakey"
	"hellolab/providers/wire/web"
)

// timeout bounds one request, in real time.
const timeout = 30 * time.Second

// Client is a device that asks.
type Client struct {
	Dial func(ctx context.Context, host string, port int) (net.Conn, error)
	URL  string // of the service, http:
	// Thumbprint is the SHA-1 of the certificate of an authority that the
	// registration authority's is to be of, in hexadecimal: what a profile of
	// device management pins (CAThumbprint).
	Thumbprint string
	Now        func() time.Time
	Rand       io.Reader
}

// Enroll sends a request that NewRequest made, and returns the chain, the
// certificate first. It signs with a key of its own, which is drawn for one
// message, so that the requested key need not decrypt (RFC 8894 2.3 lets them
// differ). What the service refuses is a *Refusal.
func (c *Client) Enroll(ctx context.Context, csr []byte) ([]*x509.Certificate, error) {
	asked, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, syntax("PKCS #10 request")
	}
	ra, authorities, err := c.authorities(ctx)
	if err != nil {
		return nil, err
	}
	key, own, err := c.transport()
	if err != nil {
		return nil, err
	}
	sealed, err := cms.Envelope(c.Rand, ra, cms.Data, csr, cipherAES128)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(own.RawSubjectPublicKeyInfo)
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(c.Rand, nonce); err != nil {
		return nil, err
	}
	a := about{kind: pkcsReq, transaction: hex.EncodeToString(id[:]), sender: string(nonce)}
	signed, err := cms.Signer{Key: key, Certificates: []*x509.Certificate{own}, Attributes: a.attributes()}.Sign(c.Rand, cms.Data, cms.ContentInfo(cms.EnvelopedOID, sealed))
	if err != nil {
		return nil, err
	}
	reply, err := c.do(ctx, opMessage, cms.ContentInfo(cms.SignedDataOID, signed))
	if err != nil {
		return nil, err
	}
	certs, err := c.open(reply, ra, &a, key, own)
	if err != nil {
		return nil, err
	}
	return chainOf(asked, append(certs, authorities...))
}

// transport draws the key of one message, and certifies it itself.
func (c *Client) transport() (*rsa.PrivateKey, *x509.Certificate, error) {
	key, err := rsakey.New(c.Rand, 2048)
	if err != nil {
		return nil, nil, err
	}
	now := c.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SCEP"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	der, err := x509.CreateCertificate(c.Rand, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return key, cert, err
}

// authorities asks for the registration authority's certificate and those above
// it, one of which the profile pins. Not every certificate of that one will do: it
// must be for enrollment agents, as NDES's is.
func (c *Client) authorities(ctx context.Context) (ra *x509.Certificate, above []*x509.Certificate, err error) {
	text, err := c.do(ctx, opCapabilities, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, needed := range capabilities {
		if !slices.Contains(strings.Fields(string(text)), needed) && needed != "SCEPStandard" {
			return nil, nil, fmt.Errorf("SCEP: %s does not offer %s", c.URL, needed)
		}
	}
	der, err := c.do(ctx, opCertificates, nil)
	if err != nil {
		return nil, nil, err
	}
	certs, err := cms.ParseCertificates(der)
	if err != nil {
		return nil, nil, err
	}
	now := c.Now()
	for _, pinned := range certs {
		sum := sha1.Sum(pinned.Raw)
		if !strings.EqualFold(hex.EncodeToString(sum[:]), c.Thumbprint) {
			continue
		}
		for _, cert := range certs {
			if !cert.IsCA && adcert.HasEKU(cert, adcert.EKUCertificateRequestAgent) && cert.KeyUsage&x509.KeyUsageKeyEncipherment != 0 && cert.CheckSignatureFrom(pinned) == nil && !now.Before(cert.NotBefore) && !now.After(cert.NotAfter) {
				return cert, slices.DeleteFunc(certs, func(o *x509.Certificate) bool { return !o.IsCA }), nil
			}
		}
	}
	return nil, nil, fmt.Errorf("SCEP: %s has no certificate of the authority with thumbprint %s", c.URL, c.Thumbprint)
}

// open verifies an answer, which must be to what was asked, and decrypts it.
func (c *Client) open(reply []byte, ra *x509.Certificate, asked *about, key *rsa.PrivateKey, own *x509.Certificate) ([]*x509.Certificate, error) {
	signed, err := cms.ParseSignedAttributes(reply)
	if err != nil {
		return nil, err
	}
	if err := signed.Verify(ra.PublicKey, cms.Accept{}); err != nil {
		return nil, err
	}
	a, err := read(signed.Attributes)
	if err != nil {
		return nil, err
	}
	if a.kind != certRep || a.transaction != asked.transaction || a.recipient != asked.sender {
		return nil, syntax("an answer to another message")
	}
	if a.status != success {
		return nil, &Refusal{a.fail, a.text}
	}
	sealed, err := cms.ParseEnvelopedData(signed.Content)
	if err != nil {
		return nil, err
	}
	if !strong(sealed) {
		return nil, syntax("the answer is not encrypted with AES")
	}
	der, err := sealed.Open(c.Rand, key, own)
	if err != nil {
		return nil, err
	}
	return cms.ParseCertificates(der)
}

// chainOf finds the certificate of the requested key, and puts those above it in
// order.
func chainOf(asked *x509.CertificateRequest, certs []*x509.Certificate) ([]*x509.Certificate, error) {
	i := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubjectPublicKeyInfo, asked.RawSubjectPublicKeyInfo)
	})
	if i < 0 {
		return nil, syntax("the answer has no certificate of the requested key")
	}
	return cms.Chain(certs[i], certs), nil
}

func (c *Client) do(ctx context.Context, operation string, message []byte) ([]byte, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("SCEP: %.200q is no address of a service", c.URL)
	}
	u.RawQuery = "operation=" + operation
	method := http.MethodGet
	if message != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	if message != nil {
		request.Header.Set("Content-Type", typeMessage)
	}
	if id := web.Correlation(ctx); id != "" {
		request.Header.Set(web.HeaderCorrelation, id)
	}
	client := &http.Client{Timeout: timeout, Transport: c.roundTripper(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, cms.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK || len(b) > cms.MaxSize {
		return nil, fmt.Errorf("SCEP: %s answers %s to %s", u.Host, response.Status, operation)
	}
	return b, nil
}

// roundTripper dials the lab's network, a connection for each request.
func (c *Client) roundTripper() http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, text, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			port, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return nil, err
			}
			return c.Dial(ctx, host, int(port))
		}}
}
