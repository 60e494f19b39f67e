package adcs

import (
	"context"
	"crypto/x509"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/adcs/ca"
	"hellolab/providers/administer"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/krbclient"
)

// parent is the authority above: it is asked over the network, by the domain's
// administrator, for a certificate by the template of subordinate authorities.
type parent struct {
	client  *enroll.Client
	service enroll.Service
}

// parentOf returns the authority above; nil for a root.
func parentOf(env providers.Env, in spec.Authority, d providers.Object[spec.Domain, spec.DomainOut], c *adldap.Conn) (ca.Parent, error) {
	if in.Parent == "" {
		return nil, nil
	}
	above, err := providers.Resolve[spec.Authority, spec.AuthorityOut](env, in.Parent)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Parent, err)
	}
	services, err := enroll.Published(c)
	if err != nil {
		return nil, err
	}
	roots, err := enroll.Roots(c)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		if s.Host != above.Out.Host {
			continue
		}
		return &parent{service: s, client: &enroll.Client{Env: env, Roots: enroll.Pool(roots), Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
			return adldap.Ticket(ctx, env, d.Out.Realm, d.Out.Hosts[0], krb.Principal(administer.Account(d.Out)), krbclient.Password(d.Out.AdminPassword), krb.Service("HTTP", host))
		}}}, nil
	}
	return nil, fmt.Errorf("%s is not published in the directory", in.Parent)
}

// IssueSubordinate implements ca.Parent.
func (p *parent) IssueSubordinate(ctx context.Context, csr []byte) ([]*x509.Certificate, error) {
	return p.client.Enroll(ctx, p.service, ca.SubCA, csr)
}
