package scep

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// AdminPath is where challenges are asked for, over HTTPS on the service's host
// with a bearer secret. Windows' page of that name gives a challenge to whoever
// may enroll; this form, which names account and template, is ours.
//
//	POST ChallengeRequest → Challenge
const AdminPath = "/certsrv/mscep_admin/"

// Path is where the service itself answers, over HTTP.
const Path = "/certsrv/mscep/mscep.dll"

// ChallengeRequest asks for one challenge: whoever brings it gets a certificate
// by the template in the account's name.
type ChallengeRequest struct {
	Account  string `json:"account"` // DOMAIN\name, or a user principal name
	Template string `json:"template"`
}

// Challenge is what a profile of device management carries to a device. It is
// good once.
type Challenge struct {
	URL        string `json:"url"`
	Thumbprint string `json:"ca_thumbprint"`
	Password   string `json:"challenge"`
	Expires    string `json:"expires"` // RFC 3339
}

// AdminRefusal is the body of a request for a challenge that was not served.
type AdminRefusal struct {
	Error string `json:"error"`
}

// Admin asks for challenges, as device management does.
type Admin struct {
	Env    providers.Env
	Host   string
	Secret string
	Roots  *x509.CertPool // that its web certificate is of
}

// pinned trusts an authority's own certificates for the web.
type pinned struct {
	providers.PKI
	roots *x509.CertPool
}

func (p pinned) Roots(context.Context, providers.Root) (*x509.CertPool, error) { return p.roots, nil }

// Challenge asks for one.
func (a *Admin) Challenge(ctx context.Context, account, template string) (*Challenge, error) {
	env := a.Env
	env.PKI = pinned{env.PKI, a.Roots}
	client := web.Client(env)
	defer client.CloseIdleConnections()
	request, err := web.NewJSON(ctx, http.MethodPost, "https://"+a.Host+AdminPath, ChallengeRequest{account, template})
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.Secret)
	reply, err := web.Do(client, request)
	if err != nil {
		return nil, fmt.Errorf("ask %s for a challenge: %w", a.Host, err)
	}
	if reply.Status != http.StatusOK {
		var no AdminRefusal
		if strict.Unmarshal(reply.Body, &no) != nil || no.Error == "" {
			no.Error = fmt.Sprintf("it answered %d %s", reply.Status, http.StatusText(reply.Status))
		}
		return nil, fmt.Errorf("ask %s for a challenge: %s", a.Host, no.Error)
	}
	var v Challenge
	if err := strict.Unmarshal(reply.Body, &v); err != nil {
		return nil, fmt.Errorf("ask %s for a challenge: %w", a.Host, err)
	}
	return &v, nil
}
