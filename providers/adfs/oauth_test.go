package adfs_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func authorization(change ...func(url.Values)) url.Values {
	q := oauth.AuthorizeRequest{ResponseType: "code", ClientID: appID, RedirectURI: redirect, Scope: "openid " + resource + "/read", State: "s", Nonce: "n",
		CodeChallenge: oauth.Challenge(verifier), CodeChallengeMethod: "S256"}.Query()
	for _, c := range change {
		c(q)
	}
	return q
}

func (l *lab) authorize(change ...func(url.Values)) web.Reply {
	l.tb.Helper()
	return l.get(l.url(wire.PathAuthorize)+"/?"+authorization(change...).Encode(), nil)
}

// location is the query that a redirect to the client carries.
func (l *lab) location(reply web.Reply) url.Values {
	l.tb.Helper()
	if reply.Status != http.StatusFound {
		l.tb.Fatalf("HTTP status %d\n%s", reply.Status, reply.Body)
	}
	u, err := url.Parse(reply.Header.Get("Location"))
	l.must(err)
	if !strings.HasPrefix(u.String(), redirect+"?") {
		l.tb.Fatalf("redirected to %s", u)
	}
	return u.Query()
}

func redeem(code string) url.Values {
	return oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: appID, Code: code, RedirectURI: redirect, CodeVerifier: verifier}.Form()
}

// claims verifies a token against the published keys.
func claims[T any](l *lab, text string) *T {
	l.tb.Helper()
	var set oauth.JWKS
	l.must(l.get(l.url(wire.PathKeys), nil).JSON(&set))
	t, err := jose.Parse(text)
	l.must(err)
	for _, k := range set.Keys {
		if k.KeyID != t.Header.KeyID {
			continue
		}
		pub, err := k.PublicKey()
		l.must(err)
		l.must(t.VerifyRS256(pub))
		c := new(T)
		l.must(t.Claims(c))
		return c
	}
	l.tb.Fatal("the token is signed by no published key")
	return nil
}

func TestCode(t *testing.T) {
	l := newLab(t)
	p, _ := l.page(l.authorize())
	if p.Method != wire.MethodForms || p.Service != "Files" || p.Error != "" {
		t.Errorf("first page: %+v", p)
	}
	answer := l.location(l.login(l.authorize()))
	if answer.Get("state") != "s" || answer.Get("code") == "" {
		t.Fatalf("%v", answer)
	}
	tokens, err := l.tokens(redeem(answer.Get("code")))
	l.must(err)
	c := claims[wire.Claims](l, tokens.AccessToken)
	if c.Audience != resource || c.Issuer != wire.TrustIssuer(host) || c.UPN != alice || c.UniqueName != `CORP\alice` || !strings.HasPrefix(c.PrimarySID, "S-1-5-21-") || c.OnPremSID != c.PrimarySID ||
		strings.Join(c.AMR, " ") != "pwd" || c.AuthTime != l.Now().Unix() || c.AppID != appID || c.Scope != "openid read" {
		t.Errorf("access token: %+v", c)
	}
	id := claims[wire.IDClaims](l, tokens.IDToken)
	if id.Audience != appID || id.Issuer != wire.Issuer(host) || id.Nonce != "n" || id.UPN != alice || id.UniqueName != `CORP\alice` || id.Subject != c.Subject || id.PwdExp == "" || id.AccessHash == "" {
		t.Errorf("id token: %+v", id)
	}
	// A code works once; what it bought ends when it comes again.
	if _, err := l.tokens(redeem(answer.Get("code"))); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeCodeInvalid}) {
		t.Errorf("the code again: %v", err)
	}
	refresh := oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: tokens.RefreshToken, Scope: "openid"}.Form()
	if _, err := l.tokens(refresh); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshInvalid}) {
		t.Errorf("its refresh token: %v", err)
	}
}

// Faults 46 and 47 at AD FS.
func TestCodeRefused(t *testing.T) {
	l := newLab(t)
	code := func() string { t.Helper(); return l.location(l.login(l.authorize())).Get("code") }
	for name, change := range map[string]func(url.Values){
		"another client":       func(v url.Values) { v.Set("client_id", oauth.ClientBroker) },
		"unknown client":       func(v url.Values) { v.Set("client_id", "00000000-0000-0000-0000-000000000001") },
		"no verifier":          func(v url.Values) { v.Del("code_verifier") },
		"another verifier":     func(v url.Values) { v.Set("code_verifier", strings.Repeat("x", 43)) },
		"another redirect URI": func(v url.Values) { v.Set("redirect_uri", redirect+"2") },
		"a secret":             func(v url.Values) { v.Set("client_secret", "x") },
		"twice":                func(v url.Values) { v.Add("code", v.Get("code")) },
	} {
		form := redeem(code())
		change(form)
		if tokens, err := l.tokens(form); err == nil {
			t.Errorf("%s: %+v", name, tokens)
		}
	}
	for name, change := range map[string]func(url.Values){
		"unknown redirect URI": func(q url.Values) { q.Set("redirect_uri", "https://evil.example.com/") },
		"user info":            func(q url.Values) { q.Set("redirect_uri", "http://localhost@evil.example.com/callback") },
		"unknown client":       func(q url.Values) { q.Set("client_id", "x") },
		"repeated":             func(q url.Values) { q.Add("client_id", appID) },
	} {
		reply := l.authorize(change)
		if p, _ := l.page(reply); reply.Status == http.StatusFound || p.Error == "" || p.Action != "" {
			t.Errorf("%s: HTTP status %d, %+v", name, reply.Status, p)
		}
	}
	for name, change := range map[string]func(url.Values){
		wire.InvalidResource:         func(q url.Values) { q.Set("scope", "openid https://nobody.example.com/x") },
		wire.InvalidScope:            func(q url.Values) { q.Set("scope", "unheard") },
		wire.UnsupportedResponseType: func(q url.Values) { q.Set("response_type", "token") },
		wire.InvalidRequest:          func(q url.Values) { q.Set("code_challenge_method", "plain") },
		wire.LoginRequired:           func(q url.Values) { q.Set("prompt", "none") },
	} {
		if got := l.location(l.authorize(change)); got.Get("error") != name || got.Get("state") != "s" {
			t.Errorf("want %s: %v", name, got)
		}
	}
	// Of eight at once one wins.
	form := redeem(code())
	var wg sync.WaitGroup
	won := make([]bool, 8)
	for i := range won {
		wg.Go(func() { _, err := l.tokens(form); won[i] = err == nil })
	}
	wg.Wait()
	n := 0
	for _, w := range won {
		if w {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of eight redeemed one code", n)
	}
	late := code()
	l.Advance(10*time.Minute + time.Second)
	if _, err := l.tokens(redeem(late)); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeCodeInvalid}) {
		t.Errorf("a late code: %v", err)
	}
}

func TestRefresh(t *testing.T) {
	l := newLab(t)
	grant := oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password, Resource: resource}
	tokens, err := l.tokens(grant.Form())
	l.must(err)
	if tokens.IDToken != "" || tokens.Resource != resource || tokens.ExpiresIn != 3600 {
		t.Errorf("%+v", tokens)
	}
	again := func(token string) (*oauth.TokenResponse, error) {
		return l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: token, Resource: resource}.Form())
	}
	next, err := again(tokens.RefreshToken)
	l.must(err)
	if _, err := again(tokens.RefreshToken); err == nil {
		t.Error("a refresh token worked twice")
	}
	if _, err := again(next.RefreshToken); err == nil {
		t.Error("its family goes on")
	}
	// A changed password ends what the former one bought, and a disabled account everything.
	tokens, err = l.tokens(grant.Form())
	l.must(err)
	l.Advance(time.Minute)
	l.Update("user.alice", spec.User{UPN: alice, Domain: corp, Password: []byte("Another 9 horse"), PasswordVersion: 2})
	if _, err := again(tokens.RefreshToken); err == nil {
		t.Error("a refresh token outlives the password")
	}
	grant.Password = "Another 9 horse"
	tokens, err = l.tokens(grant.Form())
	l.must(err)
	l.Advance(8*time.Hour + time.Second)
	if _, err := again(tokens.RefreshToken); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeRefreshExpired}) {
		t.Errorf("after its life: %v", err)
	}
}
