package wstep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"hellolab/providers/wire/guid"
)

// maxResponse bounds an answer, in bytes: a chain of certificates twice.
const maxResponse = MaxMessage

// ErrAuthentication is a server's 401.
var ErrAuthentication = errors.New("the enrollment service does not know who asks")

// Client asks an enrollment service. Who it is, is its HTTP client's matter.
type Client struct {
	HTTP *http.Client
	URL  string // of the service
	Rand io.Reader
}

// Enroll asks for a certificate: PKCS #10, or a CMS message around one when cms
// is set. template may be empty when the request itself names it. A refusal is
// a *Fault.
func (c *Client) Enroll(ctx context.Context, token []byte, cms bool, template string) (*Response, error) {
	r := &Request{Token: token, CMS: cms}
	if template != "" {
		r.Context = map[string]string{ContextTemplate: template}
	}
	return c.do(ctx, r)
}

// Status asks after a request that was pending.
func (c *Client) Status(ctx context.Context, requestID string) (*Response, error) {
	return c.do(ctx, &Request{Query: true, RequestID: requestID})
}

// ContextTemplate is the context item that names a template.
const ContextTemplate = "CertificateTemplate"

func (c *Client) do(ctx context.Context, r *Request) (*Response, error) {
	id, err := guid.New(c.Rand)
	if err != nil {
		return nil, err
	}
	r.MessageID = "urn:uuid:" + id.String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(r.Marshal()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType+"; charset=utf-8")
	reply, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxResponse+1))
	if err != nil {
		return nil, err
	}
	if reply.StatusCode == http.StatusUnauthorized {
		return nil, ErrAuthentication
	}
	if kind, _, err := mime.ParseMediaType(reply.Header.Get("Content-Type")); err != nil || kind != contentType {
		return nil, fmt.Errorf("the enrollment service answers %s", reply.Status)
	}
	response, err := ParseResponse(body)
	if err != nil {
		return nil, err
	}
	if response.RelatesTo != r.MessageID {
		return nil, malformed("an answer to another request")
	}
	return response, nil
}
