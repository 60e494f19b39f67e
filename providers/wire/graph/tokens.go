package graph

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"hellolab/providers"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// Tokens keeps access tokens of administrative clients, so that not every small
// errand at a directory begins with a sign-in. The zero value is ready; it is
// safe for concurrent use.
type Tokens struct {
	mu   sync.Mutex
	kept map[[sha256.Size]byte]keptToken // by the client's credential
}

type keptToken struct {
	text        string
	from, until time.Time // lab time
}

// maxTokens bounds what is kept: a lab has few tenants.
const maxTokens = 64

// SignIn is the function SignIn with connections of the caller's, and with the
// token of an earlier call while it is good. A directory that does not take it
// any more is signed in to anew.
func (k *Tokens) SignIn(ctx context.Context, env providers.Env, over *http.Client, t Tenant) (*Client, error) {
	c := &Client{host: t.GraphHost, http: over, close: func() {}}
	c.again = func(ctx context.Context) error { return k.renew(ctx, env, t, c) }
	now := env.Now()
	k.mu.Lock()
	held, ok := k.kept[t.digest()]
	k.mu.Unlock()
	if ok && !now.Before(held.from) && now.Before(held.until) {
		c.token = held.text
		return c, nil
	}
	if err := c.again(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (k *Tokens) renew(ctx context.Context, env providers.Env, t Tenant, c *Client) error {
	token, err := t.token(ctx, c.http)
	if err != nil {
		return err
	}
	c.token = token.AccessToken
	// A tenth of its life is left for what is done with it.
	now, life := env.Now(), time.Duration(token.ExpiresIn)*time.Second
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= maxTokens {
		k.kept = map[[sha256.Size]byte]keptToken{}
	}
	k.kept[t.digest()] = keptToken{c.token, now, now.Add(life - life/10)}
	return nil
}

func (t Tenant) digest() [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{t.ID, t.LoginHost, t.ClientID, t.ClientSecret}, "\x00")))
}

// token signs the client in by its secret.
func (t Tenant) token(ctx context.Context, c *http.Client) (*oauth.TokenResponse, error) {
	form := oauth.TokenRequest{
		GrantType:    oauth.GrantClientCredentials,
		ClientID:     t.ClientID,
		ClientSecret: t.ClientSecret,
		Resource:     oauth.ResourceGraph,
	}.Form()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+t.LoginHost+"/"+t.ID+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := web.Do(c, req)
	if err == nil && reply.Status != http.StatusOK {
		err = oauth.ParseError(reply.Status, reply.Body)
	}
	var token *oauth.TokenResponse
	if err == nil {
		token, err = oauth.ParseTokenResponse(reply.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("sign in as the tenant's administrator: %w", err)
	}
	return token, nil
}
