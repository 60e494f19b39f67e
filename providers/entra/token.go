package entra

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// token answers the token endpoint.
func (s *server) token(w http.ResponseWriter, r *http.Request, v oauth.Version) {
	err := s.grant(w, r, v)
	switch {
	case err == nil:
	case errors.Is(err, &oauth.Error{Code: oauth.AuthorizationPending}):
		s.sendRefusal(w, r, v, s.oauthError(r.Context(), err)) // not a decision, and polled for
	default:
		s.refuseToken(w, r, v, "token_refused", err)
	}
}

func (s *server) grant(w http.ResponseWriter, r *http.Request, v oauth.Version) error {
	if err := r.ParseForm(); err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The form cannot be read.")
	}
	req, err := oauth.ParseTokenRequest(r.PostForm)
	if err != nil {
		return oauth.NewError(oauth.RequestMalformed, "The request gives a parameter twice.")
	}
	switch req.GrantType {
	case "":
		return missing("grant_type")
	case oauth.GrantServerChallenge:
		return s.nonce(w, r)
	case oauth.GrantJWTBearer:
		return s.jwtBearer(w, r, v, req)
	case oauth.GrantClientCredentials:
		return s.clientCredentials(w, r, v, req)
	}
	if req.ClientID == "" {
		return missing("client_id")
	}
	if err := s.checkClient(req.ClientID); err != nil {
		return err
	}
	if _, _, basic := r.BasicAuth(); basic || req.ClientSecret != "" {
		return oauth.NewError(oauth.ClientIsPublic)
	}
	switch req.GrantType {
	case oauth.GrantPassword:
		return s.passwordGrant(w, r, v, req)
	case oauth.GrantRefreshToken:
		return s.refreshGrant(w, r, v, req)
	case oauth.GrantAuthorizationCode:
		return s.codeGrant(w, r, v, req)
	case oauth.GrantSAML11:
		return s.samlGrant(w, r, v, req)
	case oauth.GrantDeviceCode, oauth.GrantDeviceCodeShort:
		return s.deviceCodeGrant(w, r, v, req)
	}
	return oauth.NewError(oauth.GrantTypeUnsupported, "The grant type '%.64s' is not supported.", req.GrantType)
}

func missing(parameter string) error {
	return oauth.NewError(oauth.ParameterMissing, "The request body must contain the following parameter: '%s'.", parameter)
}

// nonce answers the empty request that begins a sign-in.
func (s *server) nonce(w http.ResponseWriter, r *http.Request) error {
	n, err := s.newNonce(nonceSignIn)
	if err != nil {
		return err
	}
	s.step(r.Context(), event.EntraID, event.CloudAP, "nonce_issued", "Entra ID returns a nonce.",
		map[string]any{"good_for": s.cfg.Lifetimes.Nonce.String()})
	web.WriteJSON(w, http.StatusOK, oauth.NonceResponse{Nonce: n})
	return nil
}

func (s *server) passwordGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	ctx := r.Context()
	if req.Username == "" {
		return missing("username")
	}
	if req.Password == "" {
		return missing("password")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	demands, err := demandsOf(req.AMRValues, req.Claims, req.ClientID, t)
	if err != nil {
		return err
	}
	u, err := s.checkPassword(ctx, req.Username, req.Password, "")
	if err != nil {
		return err
	}
	return s.grantTokens(w, r, v, tokenGrant{user: u, proof: passwordProof(u, s.env.Now()), client: req.ClientID, target: t, demands: demands, clientInfo: req.ClientInfo})
}

func (s *server) refreshGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	if req.RefreshToken == "" {
		return missing("refresh_token")
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	demands, err := demandsOf(req.AMRValues, req.Claims, req.ClientID, t)
	if err != nil {
		return err
	}
	token, err := s.openRefreshToken(req.RefreshToken)
	if err != nil {
		return err
	}
	if !sameFamily(token.ClientID, req.ClientID) {
		e := oauth.NewError(oauth.GrantInvalid, "The refresh token was issued to another client.")
		e.SubError = "client_mismatch"
		return e
	}
	u, _, err := s.standing(token.proof)
	if err != nil {
		return err
	}
	return s.grantTokens(w, r, v, tokenGrant{user: u, proof: token.proof, client: req.ClientID, target: t, refresh: token, demands: demands, clientInfo: req.ClientInfo})
}

func (s *server) codeGrant(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	ctx := r.Context()
	if req.Code == "" {
		return missing("code")
	}
	var c authCode
	if s.seal.Open(purposeCode, req.Code, &c) != nil {
		return oauth.NewError(oauth.GrantInvalid, "The authorization code is not valid.")
	}
	expires := time.Unix(c.Expires, 0)
	switch {
	case !strings.EqualFold(c.ClientID, req.ClientID):
		return oauth.NewError(oauth.GrantInvalid, "The authorization code was issued to another application.")
	case c.RedirectURI != req.RedirectURI:
		return oauth.NewError(oauth.RedirectMismatch)
	case s.env.Now().After(expires):
		return oauth.NewError(oauth.RefreshTokenExpired, "The authorization code has expired.")
	case (c.Challenge == "") != (req.CodeVerifier == ""):
		return oauth.NewError(oauth.ChallengeMissing)
	case c.Challenge != "" && (!oauth.ValidVerifier(req.CodeVerifier) ||
		subtle.ConstantTimeCompare([]byte(oauth.Challenge(req.CodeVerifier)), []byte(c.Challenge)) != 1):
		return oauth.NewError(oauth.VerifierMismatch)
	}
	t, err := s.targetOf(c.Resource, c.Scope)
	if err != nil {
		return err
	}
	if first, err := s.useOnce(ctx, "code", req.Code, expires); err != nil {
		return err
	} else if !first {
		if err := s.revokeFamily(ctx, c.Family); err != nil {
			return err
		}
		return oauth.NewError(oauth.CodeRedeemed)
	}
	u, _, err := s.standing(c.proof)
	if err != nil {
		return err
	}
	return s.grantTokens(w, r, v, tokenGrant{user: u, proof: c.proof, client: c.ClientID, target: t, family: c.Family, nonce: c.Nonce,
		demands: c.Demands, clientInfo: req.ClientInfo})
}

// clientCredentials is how the lab's administrator gets a token for Graph, and
// an application that has a secret.
func (s *server) clientCredentials(w http.ResponseWriter, r *http.Request, v oauth.Version, req oauth.TokenRequest) error {
	ctx := r.Context()
	client, roles, err := s.confidentialClient(req)
	if err != nil {
		return err
	}
	t, err := s.targetOf(req.Resource, req.Scope)
	if err != nil {
		return err
	}
	if t.resource != oauth.ResourceGraph || len(roles) == 0 {
		return oauth.NewError(oauth.ResourceNotFound, "The application has no permission for %s.", t.resource)
	}
	c := accessClaims{Audience: t.resource, AppID: client, AppIDACR: "1", IDType: "app",
		ObjectID: client, Subject: client, Roles: roles}
	token, err := s.finishAccessToken(&c, s.env.Now())
	if err != nil {
		return err
	}
	life := oauth.Seconds(s.cfg.Lifetimes.AccessToken / time.Second)
	if client == s.cfg.AdminClientID {
		s.step(ctx, event.EntraID, "", "admin_token_issued", "Entra ID creates an access token for the lab's administrator.", nil)
	} else {
		s.step(ctx, event.EntraID, "", "application_token_issued", "Entra ID creates an access token for an application that proved itself by its secret.",
			map[string]any{"client_id": client, "roles": roles, "expires": time.Unix(c.Expires, 0).UTC()})
	}
	return s.answerToken(w, r, v, oauth.TokenResponse{TokenType: "Bearer", ExpiresIn: life, ExtExpiresIn: life,
		ExpiresOn: oauth.Seconds(c.Expires), NotBefore: oauth.Seconds(c.NotBefore), Resource: t.resource, AccessToken: token})
}

// tokenGrant is a validated wish for tokens.
type tokenGrant struct {
	user       *user
	proof      proof
	client     string
	target     target
	demands    oauth.Demands
	refresh    *refreshToken // to be used up
	family     string        // of the code, whose first refresh token this becomes
	nonce      string
	clientInfo bool
}

// grantTokens validates the second factor, creates the tokens and returns them
// (the three steps of the documents' phase A).
func (s *server) grantTokens(w http.ResponseWriter, r *http.Request, v oauth.Version, g tokenGrant) error {
	resp, err := s.makeTokens(r.Context(), v, g, true)
	if err != nil {
		return err
	}
	s.step(r.Context(), event.EntraID, actorOf(g.client), "access_token_returned", "Entra ID returns the access token to the application.", nil)
	return s.answerToken(w, r, v, resp)
}

func (s *server) makeTokens(ctx context.Context, v oauth.Version, g tokenGrant, withRefresh bool) (oauth.TokenResponse, error) {
	if endedBy(g.demands, g.proof) {
		return oauth.TokenResponse{}, oauth.NewError(oauth.FreshTokenNeeded, "The resource does not take the session any more; a fresh token is needed.")
	}
	if err := s.demandMFA(g.demands, g.proof, g.user); err != nil {
		s.tellDemand(ctx, g.client, err)
		return oauth.TokenResponse{}, err
	}
	if err := s.conditionalAccess(ctx, g.client, g.user, g.proof, g.target, false); err != nil {
		s.tellDemand(ctx, g.client, err)
		return oauth.TokenResponse{}, err
	}
	s.step(ctx, event.EntraID, actorOf(g.client), "token_request_validated", "Entra ID validates the token request and the MFA claim that goes with it.",
		map[string]any{"user": g.user.UPN, "client_id": g.client, "resource": g.target.resource, "amr": g.proof.AMR, "mfa_demanded": g.demands.MFA, "fresh_mfa_demanded": g.demands.FreshMFA})
	serial, family := 0, g.family
	switch {
	case g.refresh != nil:
		if err := s.useRefreshToken(ctx, g.refresh); err != nil {
			return oauth.TokenResponse{}, err
		}
		serial, family = g.refresh.Serial+1, g.refresh.Family
	case family == "" && withRefresh:
		var err error
		if family, err = s.newFamily(); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	access, c, err := s.newAccessToken(ctx, g.user, g.proof, g.client, g.target, g.demands.Capabilities)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	resp := oauth.TokenResponse{TokenType: "Bearer", Scope: g.target.reply(v), ExpiresIn: oauth.Seconds(c.Expires - c.IssuedAt),
		ExtExpiresIn: oauth.Seconds(c.Expires - c.IssuedAt), ExpiresOn: oauth.Seconds(c.Expires), NotBefore: oauth.Seconds(c.NotBefore),
		Resource: g.target.resource, AccessToken: access}
	if withRefresh {
		if knowsClient(g.client) {
			resp.FOCI = "1"
		}
		if resp.RefreshToken, err = s.newRefreshToken(g.proof, g.client, family, serial); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	// Endpoints of version 1 return it bare (Microsoft, "Authorize access to web
	// applications using OAuth 2.0": "an unsigned JSON Web Token").
	if resp.IDToken, err = s.newIDToken(g.user, g.proof, g.client, g.nonce, v, v == oauth.V2); err != nil {
		return oauth.TokenResponse{}, err
	}
	if g.clientInfo {
		resp.ClientInfo = oauth.ClientInfo{UID: g.user.ID, UTID: s.cfg.TenantID}.Encode()
	}
	return resp, nil
}

// tellDemand tells that a second factor is wanted.
func (s *server) tellDemand(ctx context.Context, client string, err error) {
	var e *oauth.Error
	if errors.As(err, &e) && (e.Code == oauth.StrongAuthRequired || e.Code == oauth.StrongAuthEnrollment) {
		s.step(ctx, event.EntraID, actorOf(client), "mfa_demanded", "Entra ID demands a second factor: the sign-in has none, or none that is current.",
			map[string]any{"code": e.Code.ID(), "current_for": s.cfg.Lifetimes.MFA.String()})
	}
}
