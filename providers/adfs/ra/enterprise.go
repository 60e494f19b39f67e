package ra

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"hellolab/providers"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
)

// Enterprise asks the enterprise's CA over the wire, as the service's account: it
// finds the enrollment service that the directory publishes, at each request.
type Enterprise struct {
	Env       providers.Env
	Directory Directory
	Ticket    func(ctx context.Context, host string) (gss.Credential, error) // for the HTTP service of a host
	Authority string                                                         // common name; "": any that has the template
	Template  string                                                         // of what Submit is asked for
}

// Submit sends what an agent signed.
func (e *Enterprise) Submit(ctx context.Context, request []byte) (*enroll.Issued, error) {
	client, service, err := e.find(ctx, e.Template)
	if err != nil {
		return nil, err
	}
	return client.Submit(ctx, service, request)
}

// Enroll asks for a certificate of the account's own.
func (e *Enterprise) Enroll(ctx context.Context, template string, csr []byte) ([]*x509.Certificate, error) {
	client, service, err := e.find(ctx, template)
	if err != nil {
		return nil, err
	}
	return client.Enroll(ctx, service, template, csr)
}

func (e *Enterprise) find(ctx context.Context, template string) (*enroll.Client, enroll.Service, error) {
	c, err := e.Directory(ctx, "")
	if err != nil {
		return nil, enroll.Service{}, err
	}
	defer c.Close()
	published, err := enroll.Published(c)
	if err != nil {
		return nil, enroll.Service{}, err
	}
	roots, err := enroll.Roots(c)
	if err != nil {
		return nil, enroll.Service{}, err
	}
	for _, service := range published {
		if e.Authority != "" && service.Name != e.Authority {
			continue
		}
		// One that is asked for by name says itself what it does not issue.
		if e.Authority != "" || slices.Contains(service.Templates, template) {
			return &enroll.Client{Env: e.Env, Roots: enroll.Pool(roots), Ticket: e.Ticket}, service, nil
		}
	}
	return nil, enroll.Service{}, fmt.Errorf("no enrollment service issues by the template %s", template)
}
