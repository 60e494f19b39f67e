package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hellolab/providers/event"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
)

// accessClaims are the claims of an access token. Its form is the resource's
// choice, not the endpoint's: the registration service and Graph take v1.
type accessClaims struct {
	Audience   string   `json:"aud"`
	Issuer     string   `json:"iss"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Expires    int64    `json:"exp"`
	ACR        string   `json:"acr,omitempty"`
	AIO        string   `json:"aio,omitempty"` // the tenant's own note; nobody else's business
	AMR        []string `json:"amr,omitempty"`
	AuthTime   int64    `json:"auth_time,omitempty"` // of the second factor, with ngcmfa
	AppID      string   `json:"appid"`
	AppIDACR   string   `json:"appidacr"` // "0" public client, "1" secret
	DeviceID   string   `json:"deviceid,omitempty"`
	IDType     string   `json:"idtyp,omitempty"` // "app"
	Name       string   `json:"name,omitempty"`
	ObjectID   string   `json:"oid"`
	OnPremSID  string   `json:"onprem_sid,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	Scope      string   `json:"scp,omitempty"`
	Subject    string   `json:"sub"`
	TenantID   string   `json:"tid"`
	UniqueName string   `json:"unique_name,omitempty"`
	UPN        string   `json:"upn,omitempty"`
	TokenID    string   `json:"uti"`
	Version    string   `json:"ver"`

	Capabilities []string `json:"xms_cc,omitempty"` // of the client

	// Of a computer of a federated domain, which has no account in the tenant:
	// what its assertion said (saml.ClaimAccountType and those beside it).
	AccountType string `json:"accounttype,omitempty"`
	ObjectGUID  string `json:"onpremobjectguid,omitempty"` // as GUIDs are written
	PrimarySID  string `json:"primarysid,omitempty"`
}

// Application roles: the lab administrator's, and Entra Connect's.
const (
	roleAdmin = "Directory.ReadWrite.All"
	roleSync  = "ADSynchronization.ReadWrite.All"
)

func (s *server) signClaims(claims any) (string, error) {
	kid := s.keys.current.kid()
	return jose.SignRS256(s.keys.current.key, jose.Header{Type: "JWT", X5T: kid, KeyID: kid}, claims)
}

// newAccessToken makes a user's access token.
func (s *server) newAccessToken(ctx context.Context, u *user, p proof, clientID string, t target, capabilities []string) (string, accessClaims, error) {
	now := s.env.Now()
	c := accessClaims{
		Audience: t.resource, ACR: "1", AIO: noteOf(p), AMR: slices.Clone(p.AMR), AppID: clientID, AppIDACR: "0", DeviceID: p.DeviceID,
		Name: u.DisplayName, ObjectID: u.ID, OnPremSID: u.OnPremSID, Scope: t.scope, Subject: s.subject(clientID, u.ID), UniqueName: u.UPN, UPN: u.UPN, Capabilities: capabilities,
	}
	if s.mfaFresh(p) {
		c.AMR = append(c.AMR, oauth.AMRNGCMFA)
		c.AuthTime = time.UnixMilli(p.MFATime).Unix()
	}
	token, err := s.finishAccessToken(&c, now)
	if err == nil {
		s.step(ctx, event.EntraID, actorOf(clientID), "access_token_issued", "Entra ID creates the access token.", map[string]any{
			"aud": c.Audience, "amr": c.AMR, "user": u.UPN, "deviceid": c.DeviceID, "expires": time.Unix(c.Expires, 0).UTC()})
	}
	return token, c, err
}

func (s *server) finishAccessToken(c *accessClaims, now time.Time) (string, error) {
	id, err := guid.New(s.env.Rand)
	if err != nil {
		return "", err
	}
	c.Issuer, c.TenantID, c.TokenID, c.Version = s.issuer(oauth.V1), s.cfg.TenantID, id.String(), "1.0"
	c.IssuedAt, c.NotBefore, c.Expires = now.Unix(), now.Unix(), now.Add(s.cfg.Lifetimes.AccessToken).Unix()
	return s.signClaims(c)
}

// Why an access token is refused. Each has its own sentence at the service it
// was sent to.
var (
	errTokenMissing   = errors.New("the access token is missing")
	errTokenMalformed = errors.New("the access token is malformed")
	errTokenSignature = errors.New("the access token is not signed by this tenant's key")
	errTokenIssuer    = errors.New("the access token is from another issuer")
	errTokenAudience  = errors.New("the access token is for another audience")
	errTokenExpired   = errors.New("the access token has expired")
	errTokenEarly     = errors.New("the access token is not valid yet")
)

// bearer validates the access token of a request to one of the tenant's own
// services.
func (s *server) bearer(r *http.Request, audience string) (*accessClaims, error) {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || text == "" {
		return nil, errTokenMissing
	}
	c, err := s.readAccessToken(text)
	if err == nil && c.Audience != audience {
		err = errTokenAudience
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// readAccessToken validates an access token of the tenant's, whatever it is for.
func (s *server) readAccessToken(text string) (*accessClaims, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTokenMalformed, err)
	}
	// The key is looked up among the tenant's own and nowhere else.
	pair := s.keys.signing[t.Header.KeyID]
	if pair == nil {
		return nil, errTokenSignature
	}
	pub, ok := rsaPublic(pair.cert.PublicKey)
	if !ok || t.VerifyRS256(pub) != nil {
		return nil, errTokenSignature
	}
	var c accessClaims
	if err := t.Claims(&c); err != nil {
		return nil, fmt.Errorf("%w: %w", errTokenMalformed, err)
	}
	now := s.env.Now().Unix()
	switch {
	case c.Issuer != s.issuer(oauth.V1) || c.TenantID != s.cfg.TenantID:
		return nil, errTokenIssuer
	case now >= c.Expires:
		return nil, errTokenExpired
	case now < c.NotBefore:
		return nil, errTokenEarly
	}
	return &c, nil
}

// idClaims are the claims of an id_token.
type idClaims struct {
	Audience      string   `json:"aud"`
	Issuer        string   `json:"iss"`
	IssuedAt      int64    `json:"iat"`
	NotBefore     int64    `json:"nbf"`
	Expires       int64    `json:"exp"`
	AMR           []string `json:"amr,omitempty"`
	Name          string   `json:"name"`
	Nonce         string   `json:"nonce,omitempty"`
	ObjectID      string   `json:"oid"`
	OnPremSID     string   `json:"onprem_sid,omitempty"`
	PreferredName string   `json:"preferred_username,omitempty"` // V2
	Subject       string   `json:"sub"`
	TenantName    string   `json:"tenant_display_name,omitempty"`
	TenantID      string   `json:"tid"`
	UniqueName    string   `json:"unique_name,omitempty"` // V1
	UPN           string   `json:"upn,omitempty"`
	Version       string   `json:"ver"`
}

// newIDToken makes an id_token: signed, or bare where it comes over TLS with a
// PRT or from an endpoint of version 1.
func (s *server) newIDToken(u *user, p proof, clientID, nonce string, v oauth.Version, signed bool) (string, error) {
	now := s.env.Now()
	c := idClaims{
		Audience: clientID, Issuer: s.signInIssuer(v), IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(s.cfg.Lifetimes.AccessToken).Unix(),
		AMR: p.AMR, Name: u.DisplayName, Nonce: nonce, ObjectID: u.ID, OnPremSID: u.OnPremSID, Subject: s.subject(clientID, u.ID), TenantName: s.cfg.Name, TenantID: s.cfg.TenantID, Version: "1.0",
		UniqueName: u.UPN, UPN: u.UPN,
	}
	if v == oauth.V2 {
		c.Version, c.PreferredName, c.UniqueName = "2.0", u.UPN, ""
	}
	if !signed {
		return jose.Unsigned(c)
	}
	return s.signClaims(c)
}
