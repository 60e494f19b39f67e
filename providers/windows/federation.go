package windows

import (
	"context"
	"fmt"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

type federationObject = providers.Object[spec.Federation, spec.FederationOut]

// adfsToken is the path of AD FS's token endpoint.
const adfsToken = adfs.PathToken + "/"

// federationOf is the service that checks a user's password in place of the
// tenant: the one that the tenant is federated with, or, of a user without a
// tenant, the AD FS of the domain. nil: there is none.
func federationOf(env providers.Env, user person) (*federationObject, error) {
	if user.tenant == "" {
		return adfsOn(env, user.domain)
	}
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, user.tenant)
	if err != nil || t.In.Federation == "" {
		return nil, err
	}
	f, err := providers.Resolve[spec.Federation, spec.FederationOut](env, t.In.Federation)
	if err == nil && f.Out.Host == "" {
		err = errNotCreated
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.In.Federation, err)
	}
	return &f, nil
}

// adfsOn is the AD FS of a domain, the first by address; nil when there is none.
func adfsOn(env providers.Env, domain providers.Ref) (*federationObject, error) {
	all, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return nil, err
	}
	for i, f := range all {
		if f.In.Kind == spec.FederationADFS && domain != "" && f.In.Domain == domain && f.Out.Host != "" {
			return &all[i], nil
		}
	}
	return nil, nil
}

// ticketFor is the user's Kerberos ticket for a federation service, as HTTP carries
// it; "" where the session has none, and gets none.
func (p *provisioning) ticketFor(ctx context.Context, f *federationObject) (string, error) {
	if !p.inDomain() || f.In.Domain != p.in.Domain {
		return "", nil
	}
	session, err := p.kerberosSession(p.user)
	if err != nil || session == nil || !kerberos.Usable(session.TGT, p.env.Now()) {
		return "", err
	}
	provider, _, err := p.kerberosOf(p.in.Domain, kerberosLane(p.trace, nil))
	if err != nil {
		return "", err
	}
	ticket, err := provider.Ticket(ctx, session, krb.Service("HTTP", f.Out.Host))
	if err != nil {
		p.trace.skip(event.Kerberos, "sts_ticket_missing", "The session has no ticket for the federation service: its page will ask for the password.", reasonOf(err).Code)
		return "", ctx.Err()
	}
	if err := p.keepKerberos(ctx, p.user, session); err != nil {
		return "", err
	}
	credential, err := kerberos.GSS(ticket)
	if err != nil {
		return "", err
	}
	return negotiate(p.env, credential)
}

// negotiate proves a Kerberos ticket's owner to a host, as the value of the header
// Authorization (RFC 4559). Each is good for one request.
func negotiate(env providers.Env, ticket gss.Credential) (string, error) {
	exchange := gss.NewNegotiator(gss.InitiatorConfig{Credential: ticket, Flags: gss.Integrity, Now: env.Now(), Rand: env.Rand})
	token, _, err := exchange.Step(nil)
	if err != nil {
		return "", err
	}
	return gss.Header(token), nil
}

// redeem exchanges a code of AD FS for tokens. verifier is that of the challenge
// in what was asked; "" without one.
func redeem(ctx context.Context, c *http.Client, host string, asked oauth.AuthorizeRequest, code, verifier string) (*oauth.TokenResponse, error) {
	req, err := formRequest(ctx, "https://"+host+adfsToken, oauth.TokenRequest{
		GrantType: oauth.GrantAuthorizationCode, ClientID: asked.ClientID, Resource: asked.Resource, Code: code, RedirectURI: asked.RedirectURI, CodeVerifier: verifier,
	}.Form())
	if err != nil {
		return nil, err
	}
	body, err := adfsBody(c, req)
	if err != nil {
		return nil, err
	}
	return oauth.ParseTokenResponse(body)
}

// adfsBody returns what AD FS answers when it does not refuse.
func adfsBody(c *http.Client, req *http.Request) ([]byte, error) {
	reply, err := web.Do(c, req)
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, adfs.ParseError(reply.Status, reply.Body)
	}
	return reply.Body, nil
}
