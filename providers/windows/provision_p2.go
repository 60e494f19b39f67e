package windows

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/wstrust"
)

// Flow P2: provisioning on an Entra joined device in a federated tenant (seed 000).
// Phases B and C are P1's. P5 has the same phase A, and so has, by inference, P8.

// federatedA: the application asks the Web Account Manager for an access token to the
// registration service, and its plug-in sends the request to the federation service.
// That authenticates the user, decides on another factor, and issues an enterprise
// token, an assertion, which the application sends to the tenant. A second factor
// of the last minutes counts, as in P1, but in P5 (reading R4).
func (p *provisioning) federatedA(ctx context.Context) (err error) {
	t := p.trace
	t.in("A")
	t.step(event.CXH, event.WAM, local, "token_request", "The application asks for an access token to the registration service.",
		message{"resource": oauth.ResourceDRS, "client_id": oauth.ClientProvisioning})
	if p.token, err = p.silently(ctx); err == nil && p.token == nil {
		p.token, err = p.byAssertion(ctx)
	}
	if err != nil {
		t.refused(event.WAM, event.CXH, local, "drs_token_missing", "The plug-in has no token for the application.", err)
		return err
	}
	t.step(event.WAM, event.CXH, local, "drs_token", "The plug-in hands the token to the application.", claims(p.token.AccessToken))
	return nil
}

// silently asks the tenant with what the session has, where the device knows of a
// second factor that is current. nil: it knows of none, or the tenant of a later one.
func (p *provisioning) silently(ctx context.Context) (*oauth.TokenResponse, error) {
	if p.world.AlwaysPrompts(p.trace.flow, p.user.addr, p.addr) {
		return nil, nil
	}
	window, err := p.factorWindow()
	if err != nil {
		return nil, err
	}
	last, _, err := view[wamRecord](p.env.Section, tableWAM, p.signInAt(p.tenant.TenantID))
	if err != nil {
		return nil, err
	}
	current := func(at time.Time) bool { return !at.IsZero() && p.env.Now().Sub(at) <= window }
	ask := func(with string) {
		p.trace.step(event.WAM, event.EntraID, https, "drs_token_request", "The plug-in asks the tenant for the token, with a second factor that is current.",
			message{"resource": oauth.ResourceDRS, "amr_values": oauth.AMRNGCMFA, "with": with})
	}
	var token *oauth.TokenResponse
	switch {
	case p.prt != nil && current(p.prt.SecondFactor):
		ask(p.prt.Credential)
		token, err = p.cloud.accessToken(ctx, p.prt, oauth.ClientProvisioning, oauth.ResourceDRS, true)
	case current(last.SecondFactor):
		ask("refresh_token")
		token, err = p.bySignIn(ctx, last)
	default:
		return nil, nil
	}
	if demandsMFA(err) || isOver(err) {
		return nil, nil
	}
	return token, err
}

// signInAt is where the plug-in keeps what a sign-in by the window left: at a tenant,
// by its id, or at AD FS, by its host.
func (p *provisioning) signInAt(provider string) string { return p.user.sid + "|" + provider }

// keepSignIn keeps what a sign-in with a second factor left.
func (p *provisioning) keepSignIn(ctx context.Context, provider string, token *oauth.TokenResponse) error {
	left := wamRecord{RefreshToken: token.RefreshToken, At: p.env.Now(), SecondFactor: p.env.Now()}
	return p.env.Section.Record(ctx, func(w providers.Writer) error { return put(w, tableWAM, p.signInAt(provider), left) })
}

// bySignIn asks the tenant with what an earlier sign-in left.
func (p *provisioning) bySignIn(ctx context.Context, last wamRecord) (*oauth.TokenResponse, error) {
	req, err := formRequest(ctx, p.cloud.at().token, oauth.TokenRequest{
		GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientProvisioning, Resource: oauth.ResourceDRS, RefreshToken: last.RefreshToken, AMRValues: oauth.AMRNGCMFA,
	}.Form())
	if err != nil {
		return nil, err
	}
	return tokenReply(p.cloud.http, req)
}

// usualMFA is how long a second factor counts for the registration of a key (seeds
// 000, 001).
const usualMFA = 10 * time.Minute

// factorWindow is that time on this device. Windows has it built in; a lab may say
// otherwise with the tenant.
func (p *provisioning) factorWindow() (time.Duration, error) {
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](p.env, p.in.Tenant)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.in.Tenant, err)
	}
	if t.In.Lifetimes != nil {
		return t.In.Lifetimes.MFA, nil
	}
	return usualMFA, nil
}

// byAssertion has the federation service sign the user in, and exchanges its
// assertion for the token.
func (p *provisioning) byAssertion(ctx context.Context) (*oauth.TokenResponse, error) {
	t := p.trace
	f, err := federationOf(p.env, p.user)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, errors.New("the tenant is federated with no service")
	}
	pages, err := p.pages(ctx, f)
	if err != nil {
		return nil, err
	}
	ask := wstrust.SignInRequest{Realm: saml.AudienceMicrosoftOnline, Context: t.id, Fresh: -1, Username: p.user.nameAt(pages.who), Method: saml.MethodMultiple}
	t.step(event.WAM, pages.who, https, "sts_request", "The plug-in sends the token request to the federation service: its page opens in the application's window.",
		message{"realm": ask.Realm, "wauth": ask.Method, "ticket": pages.proof != ""})
	end, err := pages.signIn(ctx, p.user, ask.URL("https://"+pages.host+adfs.PathPassive+"/"))
	if err != nil {
		return nil, err
	}
	assertion, err := p.assertionIn(end, t.id)
	if err != nil {
		return nil, err
	}
	t.step(event.WAM, event.CXH, local, "enterprise_token", "The plug-in hands the federation service's assertion, the enterprise token, to the application.", assertionMessage(assertion))
	token, err := p.exchangeAssertion(ctx, assertion)
	if demandsMFA(err) && statesFactor(assertion) {
		// The tenant does not count it (federatedIdpMfaBehavior).
		token, err = p.atPage(ctx, oauth.ClientProvisioning, oauth.ResourceDRS)
	}
	if err != nil {
		return nil, err
	}
	return token, p.keepSignIn(ctx, p.tenant.TenantID, token)
}

// statesFactor reports whether an assertion says that a second factor was verified.
func statesFactor(assertion []byte) bool {
	a, err := saml.Unverified(assertion)
	return err == nil && a.Has(saml.ClaimMethods, saml.MethodMultiple)
}

// assertionIn takes the assertion off the form that a sign-in ended with, which must
// be for the tenant.
func (p *provisioning) assertionIn(end pagesEnd, wctx string) ([]byte, error) {
	if end.form == nil {
		return nil, fmt.Errorf("the sign-in ended elsewhere: %.80q", end.location)
	}
	if u, err := url.Parse(end.form.Action); err != nil || u.Hostname() != p.tenant.LoginHost {
		return nil, fmt.Errorf("the assertion is for another party: %.80q", end.form.Action)
	}
	said, err := wstrust.ParseSignInResponse(end.form.Fields)
	if err != nil {
		return nil, err
	}
	if said.Context != wctx {
		return nil, errors.New("the assertion answers another request")
	}
	result, err := wstrust.ParseResult(said.Result)
	if err != nil {
		return nil, err
	}
	return result.Assertion, nil
}

// exchangeAssertion is the application sending the assertion to the tenant, with the
// session's credential, which proves the device.
func (p *provisioning) exchangeAssertion(ctx context.Context, assertion []byte) (*oauth.TokenResponse, error) {
	p.trace.step(event.CXH, event.EntraID, https, "assertion_exchange", "The application sends the assertion to the tenant, and asks for the registration service's token.",
		message{"grant_type": oauth.GrantSAML11, "resource": oauth.ResourceDRS, "amr_values": oauth.AMRNGCMFA, "client_id": oauth.ClientProvisioning})
	session, err := p.cloud.sessionCredential(ctx, p.prt)
	if err != nil {
		return nil, err
	}
	req, err := formRequest(ctx, p.cloud.at().token, oauth.TokenRequest{
		GrantType: oauth.GrantSAML11, ClientID: oauth.ClientProvisioning, Resource: oauth.ResourceDRS, Assertion: oauth.EncodeAssertion(assertion), AMRValues: oauth.AMRNGCMFA,
	}.Form())
	if err != nil {
		return nil, err
	}
	req.Header.Set(oauth.HeaderRefreshTokenCredential, session)
	return tokenReply(p.cloud.http, req)
}

// pages is a window at a federation service, with the session's ticket where the
// computer is of its domain and on its network.
func (p *provisioning) pages(ctx context.Context, f *federationObject) (*stsPages, error) {
	proof, err := p.ticketFor(ctx, f)
	return &stsPages{wam: p.wam, host: f.Out.Host, who: identityProvider(f), proof: proof}, err
}
