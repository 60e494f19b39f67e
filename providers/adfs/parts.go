package adfs

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/adfs/edrs"
	"hellolab/providers/adfs/farm"
	"hellolab/providers/adfs/prt"
	"hellolab/providers/adfs/ra"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/enroll"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/revocation"
)

// Templates of the certificate authority that the registration authority asks by.
const (
	templateAgent = "WHFBEnrollmentAgent" // a copy of Exchange Enrollment Agent (Offline request)
	templateUser  = "WHFBAuthentication"  // a copy of Smartcard Logon, signed by an agent
)

// parts are what AD FS has besides the token service. Each is nil where the
// service has none.
type parts struct {
	registration *edrs.Service
	primary      *prt.Service
}

// assemble makes the parts that the settings ask for.
func (s *server) assemble() {
	if !s.set.adfs() {
		return
	}
	life := s.set.lifetimes()
	if s.set.DRSHost != "" {
		s.registration = &edrs.Service{Host: s.set.Host, Directory: s.directory, Verify: s.verified, Seal: s.seal, MFA: life.MFA, Now: s.env.Now, Rand: s.env.Rand, Log: s.log, Emit: s.env.Emit}
	}
	s.primary = &prt.Service{Host: s.set.Host, Directory: s.directory, Seal: s.seal, Accounts: accounts{s}, Tokens: tokens{s}, Once: s.useOnce,
		Revocation: revocationOf(s.env), Mapping: s.mapping,
		NonceLife: life.Nonce, Life: life.PRT, Now: s.env.Now, Rand: s.env.Rand, Emit: s.env.Emit}
	if s.set.registers() {
		authority := &ra.Service{Directory: s.set.directoryAt(s.env), Agent: s.agent, CA: s.set.enterprise(s.env), Template: templateUser, Now: s.env.Now, Rand: s.env.Rand, Emit: s.env.Emit}
		s.primary.Certificates = authority.Issue
	}
}

// revocationOf gets lists and answers over the lab's network, as a server inside
// does: an authority's are reached where it opens them to "onsite".
func revocationOf(env providers.Env) *revocation.Checker {
	return revocation.New(revocation.NewHTTP(func(ctx context.Context, host string, port int) (net.Conn, error) {
		authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
		if err != nil {
			return nil, err
		}
		for _, a := range authorities {
			if strings.EqualFold(a.Out.Host, host) && a.In.CRL != nil && a.In.CRL.ReachableFrom != nil && !slices.Contains(a.In.CRL.ReachableFrom, "onsite") {
				return nil, fmt.Errorf("%s does not open its lists to servers inside (crl.reachable_from)", a.Addr)
			}
		}
		return env.Network.Dial(ctx, host, port)
	}), revocation.Options{})
}

// mapping is how the domain has certificates name their accounts; the strictest way
// where that is not known.
func (s *server) mapping() string {
	d, err := providers.Resolve[spec.Domain, spec.DomainOut](s.env, s.set.In.Domain)
	if err != nil {
		return prt.MappingFull
	}
	return d.In.Mapping
}

// capabilities are what the service says that it can, only while it can: a
// registration authority without an agent certificate issues nothing.
func (s *server) capabilities() (all []string) {
	if s.primary == nil {
		return nil
	}
	if s.primary.Certificates != nil {
		if a, err := load[storedAgent](s.env, tableServer, keyAgent); err == nil && a.leaf() != nil && s.env.Now().Before(a.leaf().NotAfter) {
			all = append(all, adfs.CapabilityHelloCertificate, adfs.CapabilityHelloReceipt)
		}
	}
	return append(all, adfs.CapabilityKDF2)
}

// directoryAt signs the service's account in to the domain, at a controller or at
// the usual one.
func (s *settings) directoryAt(env providers.Env) ra.Directory {
	return func(ctx context.Context, controller string) (*adldap.Conn, error) {
		account := s.Account
		if controller != "" {
			account.Controller = controller
		}
		return account.Directory(ctx, env)
	}
}

// enterprise asks the declared authority, as the service's account.
func (s *settings) enterprise(env providers.Env) *ra.Enterprise {
	e := &ra.Enterprise{Env: env, Directory: s.directoryAt(env), Template: templateUser, Ticket: func(ctx context.Context, host string) (gss.Credential, error) {
		return s.Account.Ticket(ctx, env, krb.Service("HTTP", host))
	}}
	if a, err := providers.Resolve[spec.Authority, spec.AuthorityOut](env, s.In.Authority); err == nil {
		e.Authority = a.In.CommonName
	}
	return e
}

// agent is the enrollment agent that the service is.
func (s *server) agent(context.Context) (*enroll.Agent, error) {
	stored, err := load[storedAgent](s.env, tableServer, keyAgent)
	if errors.Is(err, providers.ErrGone) {
		return nil, errors.New("none was enrolled")
	}
	if err != nil {
		return nil, err
	}
	cert := stored.leaf()
	if cert == nil {
		return nil, errors.New(stored.Error)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(stored.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("its key is a %T", parsed)
	}
	return &enroll.Agent{Key: key, Certificate: cert}, nil
}

// verified reads an access token for a resource.
func (s *server) verified(_ context.Context, token, resource string) (*adfs.Claims, error) {
	return s.verify(token, resource)
}

// accounts are the service's, for primary refresh tokens.
type accounts struct{ *server }

// Password implements prt.Accounts.
func (a accounts) Password(ctx context.Context, name, password string) (*farm.Account, error) {
	return a.password(ctx, name, password)
}

// Standing implements prt.Accounts.
func (a accounts) Standing(ctx context.Context, p *farm.Proof) (*farm.Account, error) {
	return a.standingAccount(ctx, p)
}

// tokens are the token service's, for primary refresh tokens.
type tokens struct{ *server }

// Client implements prt.Tokens.
func (t tokens) Client(_ context.Context, id, scope string) error {
	app, err := t.application(id)
	switch {
	case err != nil:
		return err
	case app == nil:
		return unknownClient()
	case !t.set.userGroups() && strings.EqualFold(id, oauth.ClientCloudAP) && slices.Contains(strings.Fields(scope), scopeUserGroups):
		return adfs.NewError(adfs.UnauthorizedClient, adfs.CodeScopeDenied, "Received invalid OAuth request. The client '%s' is forbidden to access the resource with scope '%s'.", oauth.ClientCloudAP, scopeUserGroups).
			WithHint("Give the client the scope: Set-AdfsApplicationPermission (ugs_scope of the federation).")
	}
	return nil
}

// Redeem implements prt.Tokens.
func (t tokens) Redeem(ctx context.Context, client, refreshToken string) (*farm.Proof, error) {
	app, err := t.application(client)
	if err == nil && app == nil {
		err = unknownClient()
	}
	if err != nil {
		return nil, err
	}
	// A primary refresh token is good for any client: one application's token does not
	// become one.
	if !app.windows {
		return nil, refreshInvalid("it was issued to an application, and not to Windows")
	}
	token, err := t.refreshTokenOf(app, refreshToken)
	if err != nil {
		return nil, err
	}
	return &token.Proof, t.useRefreshToken(ctx, token)
}

// Issue implements prt.Tokens.
func (t tokens) Issue(ctx context.Context, g prt.Grant) (*oauth.TokenResponse, error) {
	if g.IDOnly {
		id, err := t.idToken(g.Account, g.Proof, g.Client, "", "")
		return &oauth.TokenResponse{IDToken: id}, err
	}
	app, err := t.application(g.Client)
	if err == nil && app == nil {
		err = unknownClient()
	}
	if err != nil {
		return nil, err
	}
	to, err := t.targetOf(g.Resource, g.Scope)
	if err != nil {
		return nil, err
	}
	asked, err := asksFactor(g.AMRValues, g.Claims, "")
	if err != nil {
		return nil, err
	}
	if err := t.silentFactor(ctx, app, asked.and(to), g.Proof); err != nil {
		return nil, err
	}
	resp, err := t.tokensOf(ctx, &tokenGrant{account: g.Account, proof: *g.Proof, client: app, target: to})
	if err != nil {
		return nil, err
	}
	resp.Resource = g.Resource
	return &resp, nil
}
