package application

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hellolab/providers/spec"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/strict"
	"hellolab/providers/wire/web"
)

// How long what the tenant publishes is believed, and how often a token with an
// unknown key may make the application look again: anybody can send such a
// token, and must not make it ask the tenant each time. By lab time.
const (
	trustLife    = 24 * time.Hour
	trustRefresh = 5 * time.Minute
	maxKeys      = 32
)

// trust is what the application knows of its tenant: the OpenID configuration
// of both versions of its endpoint, and the keys that sign. People sign in at
// the second, whose id tokens are signed; access tokens are of the first, as
// those of every application that does not ask for another form.
type trust struct {
	now    func() time.Time
	http   *http.Client
	tenant spec.TenantOut
	log    *slog.Logger

	mu    sync.Mutex // held while the tenant is asked: one asks, others wait
	doc   *document
	asked time.Time
}

// use is what a token is for: each has an issuer of its own.
type use int

const (
	accessToken use = iota
	idToken
)

type document struct {
	issuer     [2]string // by use
	authorize  string
	token      string
	introspect string
	keys       map[string]*rsa.PublicKey
}

// document returns what is published, asking the tenant where it is not known
// or too old.
func (t *trust) document(ctx context.Context) (*document, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doc != nil && t.now().Sub(t.asked) < trustLife {
		return t.doc, nil
	}
	return t.ask(ctx)
}

// key returns the signing key of an id, and the document that has it. An
// unknown id may be a new key's.
func (t *trust) key(ctx context.Context, kid string) (*rsa.PublicKey, *document, error) {
	d, err := t.document(ctx)
	if err != nil {
		return nil, nil, err
	}
	if key := d.keys[kid]; key != nil {
		return key, d, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.now().Sub(t.asked) >= trustRefresh:
		if d, err = t.ask(ctx); err != nil {
			return nil, nil, err
		}
	case t.doc != nil:
		d = t.doc // somebody else asked meanwhile
	}
	key := d.keys[kid]
	if key == nil {
		return nil, nil, refusal("token_key", "The token is signed with a key that the tenant does not publish.")
	}
	return key, d, nil
}

// ask reads configuration and keys. mu is held.
func (t *trust) ask(ctx context.Context) (*document, error) {
	t.asked = t.now()
	d, err := t.fetch(context.WithoutCancel(ctx)) // for all who wait, not for this one alone
	if err != nil {
		t.doc = nil
		t.log.WarnContext(ctx, "the tenant's signing keys cannot be read", "error", err)
		return nil, unavailable("keys_unavailable", "The tenant's signing keys cannot be read.")
	}
	t.doc = d
	return d, nil
}

func (t *trust) fetch(ctx context.Context) (*document, error) {
	base := "https://" + t.tenant.LoginHost + "/" + t.tenant.TenantID
	var first, m oauth.Metadata
	if err := t.get(ctx, base+"/.well-known/openid-configuration", &first); err != nil {
		return nil, err
	}
	if err := t.get(ctx, base+"/v2.0/.well-known/openid-configuration", &m); err != nil {
		return nil, err
	}
	for _, u := range []string{m.JWKSURI, m.AuthorizationEndpoint, m.TokenEndpoint, m.IntrospectionEndpoint} {
		if at, err := url.Parse(u); err != nil || at.Scheme != "https" || at.Host != t.tenant.LoginHost {
			return nil, fmt.Errorf("the configuration names %.80q, which is not on the tenant's host", u)
		}
	}
	var set oauth.JWKS
	if err := t.get(ctx, m.JWKSURI, &set); err != nil {
		return nil, err
	}
	d := &document{issuer: [2]string{accessToken: first.Issuer, idToken: m.Issuer}, authorize: m.AuthorizationEndpoint, token: m.TokenEndpoint, introspect: m.IntrospectionEndpoint, keys: map[string]*rsa.PublicKey{}}
	if first.Issuer == "" || m.Issuer == "" || len(set.Keys) > maxKeys {
		return nil, errors.New("the configuration has no issuer, or too many keys")
	}
	for _, k := range set.Keys {
		if k.KeyID == "" || k.Use != "sig" {
			continue
		}
		pub, err := k.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("key %.64q: %w", k.KeyID, err)
		}
		d.keys[k.KeyID] = pub
	}
	return d, nil
}

func (t *trust) get(ctx context.Context, target string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	answer, err := web.Do(t.http, req)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s answered %d", target, answer.Status)
	}
	return strict.Unmarshal(answer.Body, v)
}
