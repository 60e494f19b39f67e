package windows

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/cng"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/edrs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// Flow P6: provisioning on a computer of a domain without a tenant, with key trust
// (seed 000). Phase B is P1's. P7, with certificate trust, begins the same.

// domainSession is the first sign-in where the domain's is all there is: the session
// begins with it.
func (p *provisioning) domainSession(ctx context.Context) error {
	p.trace.step(event.User, event.Winlogon, local, "first_factor", "The user signs in with the first factor.", message{"user": p.user.upn, "credential": byPassword})
	if err := p.domainFirst(ctx); err != nil {
		return err
	}
	return p.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableSession, p.user.sid, sessionRecord{UPN: p.user.upn, Since: p.env.Now()})
	})
}

// enterpriseA: the application asks for an access token to the Enterprise Device
// Registration Service, which AD FS itself gives after a second factor.
func (p *provisioning) enterpriseA(ctx context.Context) (err error) {
	t := p.trace
	t.in("A")
	sts, err := p.enterpriseService()
	if err == nil && sts == nil {
		err = refuse("device_not_joined", errors.New("no AD FS of the domain registers keys"))
	}
	if err != nil {
		return err
	}
	p.sts = sts
	resource := edrs.Resource(sts.Out.Host)
	t.step(event.CXH, event.WAM, local, "token_request", "The application asks for an access token to the registration service of AD FS.",
		message{"resource": resource, "client_id": oauth.ClientProvisioning})
	if p.token, err = p.recentEnterprise(ctx, resource); err == nil && p.token == nil {
		p.token, err = p.enterpriseToken(ctx, resource)
	}
	if err != nil {
		t.refused(event.WAM, event.CXH, local, "drs_token_missing", "The plug-in has no token for the application.", err)
		return err
	}
	t.step(event.WAM, event.CXH, local, "drs_token", "The plug-in hands the token to the application.", claims(p.token.AccessToken))
	return nil
}

// enterpriseToken signs the user in at AD FS, in the application's window.
func (p *provisioning) enterpriseToken(ctx context.Context, resource string) (*oauth.TokenResponse, error) {
	pages, err := p.enterprisePages(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := random(p.env, 32)
	if err != nil {
		return nil, err
	}
	verifier := base64.RawURLEncoding.EncodeToString(secret)
	ask := oauth.AuthorizeRequest{
		ResponseType: "code", ClientID: oauth.ClientProvisioning, RedirectURI: oauth.NativeRedirect(oauth.ClientProvisioning), Resource: resource, LoginHint: p.user.upnOnPrem,
		CodeChallenge: oauth.Challenge(verifier), CodeChallengeMethod: "S256", AMRValues: oauth.AMRNGCMFA, ClientRequestID: p.trace.id,
	}
	p.trace.step(event.WAM, event.STS, https, "sts_request", "The plug-in sends the token request to AD FS: its page opens in the application's window.",
		message{"resource": resource, "amr_values": ask.AMRValues, "session": pages.session != "", "ticket": pages.proof != ""})
	end, err := pages.signIn(ctx, p.user, "https://"+pages.host+adfs.PathAuthorize+"/?"+ask.Query().Encode())
	if err != nil {
		return nil, err
	}
	if end.form != nil {
		return nil, fmt.Errorf("the sign-in ended elsewhere: %.80q", end.form.Action)
	}
	code, err := redirectedCode(ask.RedirectURI, end.location)
	if err != nil {
		return nil, err
	}
	token, err := redeem(ctx, p.cloud.http, pages.host, ask, code, verifier)
	if err != nil {
		return nil, err
	}
	return token, p.keepSignIn(ctx, pages.host, token)
}

// recentEnterprise gets the token by what the last sign-in at AD FS left, where a
// trust says that its second factor is enough while it is current. nil: it is not.
func (p *provisioning) recentEnterprise(ctx context.Context, resource string) (*oauth.TokenResponse, error) {
	if p.world.AlwaysPrompts(p.trace.flow, p.user.addr, p.addr) {
		return nil, nil
	}
	host := p.sts.Out.Host
	left, ok, err := view[wamRecord](p.env.Section, tableWAM, p.signInAt(host))
	if err != nil || !ok || p.env.Now().Sub(left.SecondFactor) > p.enterpriseWindow() {
		return nil, err
	}
	p.trace.step(event.WAM, event.STS, https, "drs_token_request", "The plug-in asks AD FS for the token, with a second factor that is current.", message{"resource": resource, "since": left.SecondFactor})
	req, err := formRequest(ctx, "https://"+host+adfsToken, oauth.TokenRequest{
		GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientProvisioning, Resource: resource, RefreshToken: left.RefreshToken, AMRValues: oauth.AMRNGCMFA,
	}.Form())
	if err != nil {
		return nil, err
	}
	body, err := adfsBody(p.cloud.http, req)
	var refusal *adfs.Error
	if errors.As(err, &refusal) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return oauth.ParseTokenResponse(body)
}

// enterpriseWindow is how long a second factor counts at AD FS.
func (p *provisioning) enterpriseWindow() time.Duration {
	if l := p.sts.In.Lifetimes; l != nil {
		return l.MFA
	}
	return usualMFA
}

// enterprisePages is a window at AD FS, which knows the session by its own token;
// without one, the user by a ticket and the device by its key.
func (p *provisioning) enterprisePages(ctx context.Context) (s *stsPages, err error) {
	asked := p.cloud.towards(p.sts)
	if p.enterprise != nil {
		s = &stsPages{wam: p.wam, host: p.sts.Out.Host, who: identityProvider(p.sts)}
		s.session, err = asked.sessionCredential(ctx, p.enterprise)
		return s, err
	}
	if s, err = p.pages(ctx, p.sts); err != nil {
		return nil, err
	}
	s.device, err = asked.deviceCredential(ctx)
	return s, err
}

// deviceCredential proves the device to AD FS's pages (MS-OAPXBC 2.2.1.2), by a
// signature over a nonce of its.
func (c *cloudAP) deviceCredential(ctx context.Context) (string, error) {
	nonce, err := c.nonce(ctx)
	if err != nil {
		return "", err
	}
	key, err := c.m.deviceSigner(ctx)
	if err != nil {
		return "", err
	}
	now := c.m.env.Now()
	return prt.SignDeviceRequest(key, c.m.identity().Certificate, prt.Request{
		GrantType: oauth.GrantDeviceAuth, Issuer: "aad:brokerplugin", RequestNonce: nonce,
		IssuedAt: prt.Time(now.Unix()), Expires: prt.Time(now.Add(5 * time.Minute).Unix()),
	})
}

// enterpriseC: the registration service of AD FS takes token and public key, and
// writes the key to the user's object in the domain at once.
func (p *provisioning) enterpriseC(ctx context.Context) error {
	return p.register(ctx, p.registerEnterprise)
}

func (p *provisioning) registerEnterprise(ctx context.Context) (done registered, err error) {
	pub, err := p.key.Key.RSA()
	if err != nil {
		return done, err
	}
	p.trace.step(event.CXH, event.EnterpriseDRS, https, "key_registration", "The application sends token and public key to the registration service of AD FS.",
		message{"kid": p.key.ID, "device_id": p.identity().DeviceID, "token": claims(p.token.AccessToken)})
	reply, err := edrs.RegisterKey(ctx, p.cloud.http, "https://"+p.sts.Out.RegistrationHost+edrs.PathKey, p.token.AccessToken, &drs.KeyRequest{PublicKey: cng.MarshalRSAPublic(pub)})
	if err != nil {
		return done, farFromFederation(err)
	}
	return registered{entry: reply.KeyID, upn: reply.UPN, hint: reply.Context}, nil
}
