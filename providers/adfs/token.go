package adfs

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// token answers the token endpoint: grants of OAuth 2.0 here, those of devices in
// package prt.
func (s *server) token(w http.ResponseWriter, r *http.Request) {
	var err error
	switch grant := r.PostFormValue("grant_type"); {
	case grant == oauth.GrantServerChallenge && s.primary != nil:
		err = s.primary.ServeNonce(w, r)
	case grant == oauth.GrantJWTBearer && s.primary != nil:
		if len(r.PostForm["request"]) > 1 {
			err = repeated()
		} else {
			err = s.primary.Serve(w, r, r.PostForm.Get("request"))
		}
	default:
		s.answer(w, r, s.grant)
		return
	}
	if err != nil {
		s.refuseToken(w, r, err)
	}
}

// answer answers the endpoints that clients ask by a form.
func (s *server) answer(w http.ResponseWriter, r *http.Request, do func(*http.Request) ([]byte, error)) {
	body, err := do(r)
	if err != nil {
		s.refuseToken(w, r, err)
		return
	}
	reply(w, http.StatusOK, typeJSON, body)
}

func (s *server) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	e := s.refusal(r.Context(), err)
	if e.OAuth != adfs.AuthorizationPending { // not a decision, and polled for
		s.refused(r.Context(), "token_refused", e)
	}
	reply(w, e.Status, typeJSON, e.Encode(web.Correlation(r.Context())))
}

// tokenGrant is a wish for tokens whose grant was verified.
type tokenGrant struct {
	account *farm.Account
	proof   farm.Proof
	client  *application
	target  target
	family  string        // of the code
	refresh *refreshToken // to be used up
	nonce   string
	info    bool // client_info is asked for
}

func (s *server) grant(r *http.Request) ([]byte, error) {
	if err := r.ParseForm(); err != nil {
		return nil, adfs.NewError(adfs.InvalidRequest, "", "The form cannot be read.")
	}
	req, err := oauth.ParseTokenRequest(r.PostForm)
	if err != nil {
		return nil, repeated()
	}
	if req.GrantType == "" {
		return nil, missing("grant_type")
	}
	client, confidential, err := s.authenticateClient(r, req)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	var g *tokenGrant
	switch req.GrantType {
	case oauth.GrantClientCredentials:
		if !confidential {
			return nil, clientFailed()
		}
		return s.clientCredentials(ctx, client, req)
	case oauth.GrantPassword:
		g, err = s.passwordGrant(ctx, client, req)
	case oauth.GrantAuthorizationCode:
		g, err = s.codeGrant(ctx, client, req)
	case oauth.GrantRefreshToken:
		g, err = s.refreshGrant(ctx, client, req)
	case oauth.GrantDeviceCode, oauth.GrantDeviceCodeShort:
		g, err = s.deviceCodeGrant(ctx, client, req)
	default:
		return nil, adfs.NewError(adfs.UnsupportedGrantType, adfs.CodeGrantType, "The authorization server does not support the requested 'grant_type'.")
	}
	if err != nil {
		return nil, err
	}
	g.info = req.ClientInfo
	resp, err := s.makeTokens(ctx, g)
	if err != nil {
		return nil, err
	}
	if req.Resource != "" {
		resp.Resource = g.target.resource
	}
	s.step(ctx, actorOf(client.ID), "access_token_returned", "returns the access token to the application.", nil)
	return resp.Encode(oauth.V2)
}

func clientFailed() *adfs.Error {
	return adfs.NewError(adfs.InvalidClient, adfs.CodeClientFailed, "Client authentication failed. Please verify the credential provided for client authentication is valid.").
		WithHint("Check the client's secret.")
}

// authenticateClient finds who asks. A confidential client proves itself by its
// secret, in the form or in the header (RFC 6749 2.3.1); a public one has none.
func (s *server) authenticateClient(r *http.Request, req oauth.TokenRequest) (app *application, confidential bool, err error) {
	id, secret := req.ClientID, req.ClientSecret
	if user, password, ok := r.BasicAuth(); ok {
		if secret != "" || id != "" && !strings.EqualFold(id, user) {
			return nil, false, clientFailed()
		}
		id, secret = user, password
	}
	if id == "" {
		return nil, false, missing("client_id")
	}
	app, err = s.application(id)
	switch {
	case err != nil:
		return nil, false, err
	case app == nil:
		e := unknownClient()
		e.OAuth, e.Status = adfs.InvalidClient, http.StatusBadRequest
		return nil, false, e
	case len(app.Secret) == 0 && secret == "":
		return app, false, nil
	case !app.proves(secret):
		return nil, false, clientFailed()
	}
	return app, true, nil
}

func (s *server) passwordGrant(ctx context.Context, client *application, req oauth.TokenRequest) (*tokenGrant, error) {
	if req.Username == "" {
		return nil, missing("username")
	}
	if req.Password == "" {
		return nil, missing("password")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return nil, err
	}
	asked, err := asksFactor(req.AMRValues, req.Claims, "")
	if err != nil {
		return nil, err
	}
	a, err := s.password(ctx, req.Username, req.Password)
	if err != nil {
		return nil, err
	}
	p := s.proofOf(a, oauthAMR(adfs.MethodPassword), adfs.MethodPassword)
	s.step(ctx, actorOf(client.ID), "first_factor_verified", "verifies user name and password"+s.byWhom()+".", map[string]any{"account": a.Qualified(), "amr": p.AMR})
	if err := s.silentFactor(ctx, client, asked.and(t), p); err != nil {
		return nil, err
	}
	return &tokenGrant{account: a, proof: *p, client: client, target: t}, nil
}

// silentFactor refuses a request that nobody can be asked about and that needs a
// second factor.
func (s *server) silentFactor(ctx context.Context, client *application, d demand, p *farm.Proof) error {
	need, err := s.demandsFactor(ctx, actorOf(client.ID), d, p)
	if err == nil && need {
		err = adfs.NewError(adfs.InteractionRequired, adfs.CodeInteraction, "Interaction is required by the token broker to resolve the issue: a second factor is needed.").
			WithHint("Sign in at the service's pages.")
	}
	return err
}

func (s *server) codeGrant(ctx context.Context, client *application, req oauth.TokenRequest) (*tokenGrant, error) {
	if req.Code == "" {
		return nil, missing("code")
	}
	invalid := func(why string) error {
		return adfs.NewError(adfs.InvalidGrant, adfs.CodeCodeInvalid, "The authorization code received in 'code' parameter is invalid: %s.", why).WithHint("Sign in again for a new code.")
	}
	var c authCode
	if s.seal.Open(purposeCode, req.Code, &c) != nil {
		return nil, invalid("the service did not issue it")
	}
	expires := time.Unix(c.Expires, 0)
	switch {
	case !strings.EqualFold(c.ClientID, client.ID):
		return nil, invalid("it was issued to another client")
	case c.RedirectURI != req.RedirectURI:
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeRedirectToken, "The 'redirect_uri' parameter is invalid. It is not the one that the code was sent to.")
	case s.env.Now().After(expires):
		return nil, invalid("it has expired")
	case (c.Challenge == "") != (req.CodeVerifier == ""):
		return nil, invalid("challenge or verifier is missing")
	case c.Challenge != "" && (!oauth.ValidVerifier(req.CodeVerifier) ||
		subtle.ConstantTimeCompare([]byte(oauth.Challenge(req.CodeVerifier)), []byte(c.Challenge)) != 1):
		return nil, invalid("the verifier does not match the challenge")
	}
	t, err := s.targetOf(c.Resource, c.Scope)
	if err != nil {
		return nil, err
	}
	first, err := s.useOnce(ctx, "code", req.Code, expires)
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, errors.Join(invalid("it was redeemed before"), s.revokeFamily(ctx, c.Family))
	}
	a, err := s.standing(ctx, &c.Proof)
	if err != nil {
		return nil, err
	}
	return &tokenGrant{account: a, proof: c.Proof, client: client, target: t, family: c.Family, nonce: c.Nonce}, nil
}

func (s *server) refreshGrant(ctx context.Context, client *application, req oauth.TokenRequest) (*tokenGrant, error) {
	if req.RefreshToken == "" {
		return nil, missing("refresh_token")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return nil, err
	}
	asked, err := asksFactor(req.AMRValues, req.Claims, "")
	if err != nil {
		return nil, err
	}
	token, err := s.refreshTokenOf(client, req.RefreshToken)
	if err != nil {
		return nil, err
	}
	a, err := s.standing(ctx, &token.Proof)
	if err != nil {
		return nil, err
	}
	if !a.Computer {
		if err := s.silentFactor(ctx, client, asked.and(t), &token.Proof); err != nil {
			return nil, err
		}
	}
	return &tokenGrant{account: a, proof: token.Proof, client: client, target: t, refresh: token}, nil
}

// clientCredentials issues a token to a client for itself.
func (s *server) clientCredentials(ctx context.Context, client *application, req oauth.TokenRequest) ([]byte, error) {
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return nil, err
	}
	if t.resource == adfs.ResourceUserinfo || t.resource == adfs.ResourceDRS(s.set.Host) {
		return nil, adfs.NewError(adfs.InvalidGrant, adfs.CodeResourceDenied, "The client is not allowed to access the requested resource.")
	}
	c := adfs.Claims{Audience: t.resource, AppID: client.ID, AppType: "Confidential", Subject: s.subject(client.ID, client.ID)}
	token, err := s.finish(&c)
	if err != nil {
		return nil, err
	}
	s.step(ctx, "", "application_token_issued", "creates an access token for an application that proved itself by its secret.",
		map[string]any{"client_id": client.ID, "aud": c.Audience, "expires": time.Unix(c.Expires, 0).UTC()})
	return oauth.TokenResponse{TokenType: "bearer", ExpiresIn: oauth.Seconds(c.Expires - c.IssuedAt), AccessToken: token}.Encode(oauth.V2)
}
