package application

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// skew is how far the tenant's clock may differ from the application's: the
// tolerance of Microsoft's own token libraries.
const skew = 5 * time.Minute

// scopeNeeded is the permission that a user's token carries.
const scopeNeeded = "user_impersonation"

// claims are those of an access token or id token that count here.
type claims struct {
	Audience  string   `json:"aud"`
	Issuer    string   `json:"iss"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	AMR       []string `json:"amr"`
	AppID     string   `json:"appid"`
	DeviceID  string   `json:"deviceid"`
	Name      string   `json:"name"`
	Nonce     string   `json:"nonce"`
	ObjectID  string   `json:"oid"`
	Scope     string   `json:"scp"`
	TenantID  string   `json:"tid"`
	UPN       string   `json:"upn"`
}

// shown is what traces and answers say of a token.
func (c *claims) shown() map[string]any {
	m := map[string]any{"aud": c.Audience, "iss": c.Issuer, "upn": c.UPN, "oid": c.ObjectID, "tid": c.TenantID, "amr": c.AMR, "appid": c.AppID, "scp": c.Scope, "exp": c.Expires}
	if c.DeviceID != "" {
		m["deviceid"] = c.DeviceID
	}
	return m
}

// verify checks what every token of the tenant's must have, each check with a
// code of its own: form, algorithm, key, signature, issuer, tenant, audience,
// and time by lab time with skew on both ends.
func (p *relyingParty) verify(ctx context.Context, text string, as use, audiences ...string) (*claims, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return nil, refusal("token_malformed", "The token is malformed.")
	}
	if t.Header.Algorithm != "RS256" {
		return nil, refusal("token_algorithm", "The token is not signed with RS256.")
	}
	key, d, err := p.trust.key(ctx, t.Header.KeyID)
	if err != nil {
		return nil, err
	}
	if t.VerifyRS256(key) != nil {
		return nil, refusal("token_signature", "The token's signature is wrong.")
	}
	var c claims
	if t.Claims(&c) != nil {
		return nil, refusal("token_malformed", "The claims of the token are malformed.")
	}
	now := p.env.Now()
	switch {
	case c.Issuer != d.issuer[as]:
		return nil, refusal("token_issuer", "The token is from another issuer.")
	case c.TenantID != p.tenant.TenantID:
		return nil, refusal("token_tenant", "The token is of another tenant.")
	case !slices.Contains(audiences, c.Audience):
		return nil, refusal("token_audience", "The token is for another application.")
	case c.Expires == 0 || !now.Before(time.Unix(c.Expires, 0).Add(skew)):
		return nil, refusal("token_expired", "The token has expired.")
	case now.Before(time.Unix(c.NotBefore, 0).Add(-skew)):
		return nil, refusal("token_early", "The token is not valid yet.")
	}
	return &c, nil
}

// accessToken checks an access token for this application.
func (p *relyingParty) accessToken(ctx context.Context, text string) (*claims, error) {
	c, err := p.verify(ctx, text, accessToken, p.app.Resource, p.app.ClientID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(c.Scope), scopeNeeded) {
		e := refusal("token_scope", "The token does not let its client act for a user here.")
		e.status, e.oauth = http.StatusForbidden, "insufficient_scope"
		return nil, e
	}
	return c, nil
}

// evaluate asks the tenant whether it still stands behind a good token.
func (p *relyingParty) evaluate(ctx context.Context, text string) error {
	d, err := p.trust.document(ctx)
	if err != nil {
		return err
	}
	away := unavailable("evaluation_unavailable", "The tenant cannot be asked whether the token still stands.")
	form := url.Values{"token": {text}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.introspect, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := web.Do(p.http, req)
	if err != nil || answer.Status != http.StatusOK {
		return away
	}
	r, err := oauth.ParseIntrospection(answer.Body)
	switch {
	case err != nil:
		return away
	case !r.Active:
		sentence := r.Sentence
		if sentence == "" {
			sentence = "The tenant does not stand behind the token any more."
		}
		return revoked(r.Code, sentence, p.env.Now().Unix())
	}
	return nil
}
