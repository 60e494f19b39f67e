package adfs

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hellolab/providers/adfs/farm"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
)

// makeTokens creates what a grant is good for.
func (s *server) makeTokens(ctx context.Context, g *tokenGrant) (oauth.TokenResponse, error) {
	serial, family := 0, g.family
	if g.refresh != nil {
		if err := s.useRefreshToken(ctx, g.refresh); err != nil {
			return oauth.TokenResponse{}, err
		}
		serial, family = g.refresh.Serial+1, g.refresh.Family
	}
	if family == "" {
		var err error
		if family, err = s.newFamily(); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	resp, err := s.tokensOf(ctx, g)
	if err != nil {
		return resp, err
	}
	resp.RefreshTokenExpiresIn = oauth.Seconds(refreshLife / time.Second)
	resp.RefreshToken, err = s.newRefreshToken(&g.proof, g.client.ID, family, serial)
	return resp, err
}

// tokensOf makes access token and id token.
func (s *server) tokensOf(ctx context.Context, g *tokenGrant) (oauth.TokenResponse, error) {
	if g.target.resource == adfs.ResourceDRS(s.set.Host) && !g.client.windows {
		return oauth.TokenResponse{}, adfs.NewError(adfs.InvalidGrant, adfs.CodeResourceDenied, "The client is not allowed to access the requested resource: devices and keys are Windows' to register.")
	}
	token, c, err := s.accessToken(ctx, g.account, &g.proof, g.client.ID, g.target)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	resp := oauth.TokenResponse{TokenType: "bearer", Scope: strings.Join(g.target.scope, " "), ExpiresIn: oauth.Seconds(c.Expires - c.IssuedAt), AccessToken: token}
	if g.target.has("openid") {
		if resp.IDToken, err = s.idToken(g.account, &g.proof, g.client.ID, g.nonce, token); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	if g.info {
		resp.ClientInfo = oauth.ClientInfo{UID: c.Subject, UTID: s.set.Host}.Encode()
	}
	return resp, nil
}

// accessToken makes an access token of an account.
func (s *server) accessToken(ctx context.Context, a *farm.Account, p *farm.Proof, clientID string, t target) (string, *adfs.Claims, error) {
	c := &adfs.Claims{
		Audience: t.resource, AppID: clientID, AppType: "Public", AuthMethod: p.Method, AuthTime: p.At, AMR: slices.Clone(p.AMR), Scope: strings.Join(t.scope, " "),
		Subject: s.subject(clientID, a.ImmutableID), UPN: a.UPN, UniqueName: a.Qualified(), DeviceID: p.DeviceID, InsideCorpNet: "true",
	}
	if !a.SID.IsZero() {
		c.PrimarySID = a.SID.String()
		c.OnPremSID = c.PrimarySID
	}
	if p.MFATime != 0 {
		c.AuthTime, c.MethodReferences = p.MFATime, adfs.MethodMultiple
		if p.Fresh(s.env.Now(), s.set.lifetimes().MFA) {
			c.AMR = append(c.AMR, oauth.AMRNGCMFA)
		}
	}
	if a.Computer {
		c.AccountType, c.PermitsRegister = adfs.AccountComputer, "true"
		c.ObjectGUID = a.ImmutableID
	}
	token, err := s.finish(c)
	if err == nil {
		s.step(ctx, actorOf(clientID), "access_token_issued", "creates the access token.", map[string]any{
			"aud": c.Audience, "amr": c.AMR, "account": a.Qualified(), "deviceid": c.DeviceID, "expires": time.Unix(c.Expires, 0).UTC()})
	}
	return token, c, err
}

// finish gives claims what every access token has, and signs them.
func (s *server) finish(c *adfs.Claims) (string, error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return "", err
	}
	now := s.env.Now()
	c.Issuer, c.TokenID, c.Version = adfs.TrustIssuer(s.set.Host), id.String(), "1.0"
	c.IssuedAt, c.NotBefore, c.Expires = now.Unix(), now.Unix(), now.Add(s.set.lifetimes().AccessToken).Unix()
	return s.sign(c)
}

func (s *server) sign(claims any) (string, error) {
	kid := s.keys[0].kid()
	return jose.SignRS256(s.keys[0].key, jose.Header{Type: "JWT", X5T: kid, KeyID: kid}, claims)
}

// idToken makes an id token, with the hash of the access token that it comes
// with (OpenID Connect Core 3.1.3.6).
func (s *server) idToken(a *farm.Account, p *farm.Proof, clientID, nonce, access string) (string, error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return "", err
	}
	now := s.env.Now()
	c := adfs.IDClaims{Audience: clientID, Issuer: adfs.Issuer(s.set.Host), IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(s.set.lifetimes().AccessToken).Unix(),
		AuthTime: p.At, AMR: p.AMR, Nonce: nonce, Subject: s.subject(clientID, a.ImmutableID), UPN: a.UPN, UniqueName: a.Qualified(), Email: a.Mail, DisplayName: a.DisplayName, TokenID: id.String()}
	if !a.SID.IsZero() {
		c.SID = a.SID.String()
		c.OnPremSID = c.SID
	}
	if !a.PasswordExpires.IsZero() && p.Method == adfs.MethodPassword {
		c.PwdExp = strconv.FormatInt(max(0, int64(a.PasswordExpires.Sub(now)/time.Second)), 10)
	}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		c.AccessHash = base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	return s.sign(c)
}

// subject is the name of an account towards one client: pairwise, so that two
// clients cannot compare (OpenID Connect Core 8.1).
func (s *server) subject(clientID, account string) string {
	mac := hmac.New(sha256.New, s.seal.Key(purposeSubject))
	mac.Write([]byte(strings.ToLower(clientID) + "\x00" + account))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func badToken(why string) *adfs.Error {
	return adfs.NewError(adfs.InvalidToken, "", "The access token %s.", why).WithHint("Ask for a token of this service for this resource.")
}

// verify validates an access token of the service for an audience. The key is
// looked up among the service's own and nowhere else.
func (s *server) verify(text, audience string) (*adfs.Claims, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, badToken("is malformed")
	}
	now := s.env.Now()
	k := s.keys.find(t.Header.KeyID, now)
	if k == nil || t.VerifyRS256(&k.key.PublicKey) != nil {
		return nil, badToken("is not signed by a current key of this service")
	}
	var c adfs.Claims
	if err := t.Claims(&c); err != nil {
		return nil, badToken("is malformed")
	}
	switch {
	case c.Issuer != adfs.TrustIssuer(s.set.Host):
		return nil, badToken("is from another issuer")
	case c.Audience != audience:
		return nil, badToken("is for another audience")
	case now.Unix() >= c.Expires:
		return nil, badToken("has expired")
	case now.Unix() < c.NotBefore:
		return nil, badToken("is not valid yet")
	}
	return &c, nil
}

// bearer validates the access token that a request brings.
func (s *server) bearer(r *http.Request, audience string) (*adfs.Claims, error) {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || text == "" {
		return nil, badToken("is missing")
	}
	return s.verify(text, audience)
}
