// Package administer is how a lab's own kinds and commands change its domains and
// tenants: over the wire, signed in as the administrator whose credentials the
// lab learned when it made them.
package administer

import (
	"context"
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
)

// Domain and Tenant are declared objects.
type (
	Domain = providers.Object[spec.Domain, spec.DomainOut]
	Tenant = providers.Object[spec.Tenant, spec.TenantOut]
)

// DomainOf is the declared domain, which must have been made.
func DomainOf(env providers.Env, ref providers.Ref) (Domain, error) {
	d, err := providers.Resolve[spec.Domain, spec.DomainOut](env, ref)
	if err != nil {
		return d, fmt.Errorf("%s: %w", ref, err)
	}
	if d.ID == "" || len(d.Out.Hosts) == 0 {
		return d, fmt.Errorf("%s does not exist yet", ref)
	}
	return d, nil
}

// TenantOf is the declared tenant, which must have been made.
func TenantOf(env providers.Env, ref providers.Ref) (Tenant, error) {
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, ref)
	if err != nil {
		return t, fmt.Errorf("%s: %w", ref, err)
	}
	if t.ID == "" {
		return t, fmt.Errorf("%s does not exist yet", ref)
	}
	return t, nil
}

// Account is the account name of a domain's administrator.
func Account(d spec.DomainOut) string {
	account, _, _ := strings.Cut(d.AdminUPN, "@")
	return account
}

// SignIn signs in to a domain's directory. The caller closes the connection.
func SignIn(ctx context.Context, env providers.Env, d spec.DomainOut) (*adldap.Conn, error) {
	return adldap.SignIn(ctx, env, adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: Account(d), Password: d.AdminPassword})
}

// Directory is DomainOf and SignIn.
func Directory(ctx context.Context, env providers.Env, ref providers.Ref) (*adldap.Conn, Domain, error) {
	d, err := DomainOf(env, ref)
	if err != nil {
		return nil, d, err
	}
	c, err := SignIn(ctx, env, d.Out)
	return c, d, err
}

// GraphTenant is where a tenant is administered, and by which client.
func GraphTenant(t spec.TenantOut) graph.Tenant {
	return graph.Tenant{ID: t.TenantID, LoginHost: t.LoginHost, GraphHost: t.GraphHost, ClientID: t.AdminClientID, ClientSecret: t.AdminSecret}
}

// Graph is TenantOf, and signs in to the tenant's directory. The caller closes
// the client.
func Graph(ctx context.Context, env providers.Env, ref providers.Ref) (*graph.Client, Tenant, error) {
	t, err := TenantOf(env, ref)
	if err != nil {
		return nil, t, err
	}
	c, err := graph.SignIn(ctx, env, GraphTenant(t.Out))
	return c, t, err
}
