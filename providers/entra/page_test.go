package entra

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/browser"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

// appAtEnd is the client at the end of a sign-in, on the user's machine: it
// takes what the browser brings. All else goes to the lab.
type appAtEnd struct {
	lab  http.RoundTripper
	got  url.Values
	seen func(*http.Response)
	last *http.Request // to the lab
}

func (a *appAtEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		a.last = r
		resp, err := a.lab.RoundTrip(r)
		if err == nil {
			a.seen(resp)
		}
		return resp, err
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	a.got = r.Form
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// A browser without scripts signs in by the forms alone.
func TestSignInByForms(t *testing.T) {
	b := newBench(t)
	for _, mode := range []string{"query", "form_post"} {
		for _, fresh := range []bool{false, true} {
			ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientAzureCLI, RedirectURI: "http://127.0.0.1:49152/", Scope: "openid " + oauth.ResourceGraph + "/.default",
				CodeChallenge: oauth.Challenge(codeVerifier), CodeChallengeMethod: "S256", State: `"><script>&+`, ResponseMode: mode}
			if fresh {
				ask.Claims = oauth.FreshMFAClaims
			}
			app := &appAtEnd{lab: b.http.Transport, seen: func(r *http.Response) { secure(t, r.Header) }}
			typed := map[string]string{"login": aliceUPN, "passwd": "wrong", "otc": "000000"}
			visit := func() *browser.Page {
				p := browser.Person{HTTP: &http.Client{Transport: app}, Type: map[string]func() string{}}
				for name := range typed {
					p.Type[name] = func() string { return typed[name] }
				}
				page, err := p.Visit(t.Context(), "https://"+b.out.LoginHost+"/organizations/oauth2/v2.0/authorize?"+ask.Query().Encode())
				b.must(err)
				return page
			}
			if page := visit(); !strings.Contains(page.Refusal, "AADSTS50126") {
				t.Fatalf("wrong password: %s", page.Body)
			}
			typed["passwd"] = password
			if fresh {
				if page := visit(); !strings.Contains(page.Refusal, "AADSTS500121") {
					t.Fatalf("wrong code: %s", page.Body)
				}
				b.Advance(time.Minute) // one code an authenticator's half-minute
				typed["otc"] = sas.TOTP(b.totp[aliceUPN], b.Now())
			}
			visit()
			if app.got.Get("state") != ask.State || app.got.Get("code") == "" {
				t.Fatalf("%s: %v", mode, app.got)
			}
			if fresh { // the page that was left leads nowhere a second time
				again := app.last.Clone(t.Context())
				again.Body, _ = app.last.GetBody()
				if reply := b.send(again); strings.Contains(string(reply.Body), "code=") || reply.Status == http.StatusFound {
					t.Errorf("a used page: %d %s", reply.Status, reply.Body)
				}
			}
			tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: ask.ClientID, Code: app.got.Get("code"), RedirectURI: ask.RedirectURI, CodeVerifier: codeVerifier})
			b.must(err)
			if c := claimsOf(t, tokens.AccessToken); c.UPN != aliceUPN {
				t.Errorf("claims %+v", c)
			}
		}
	}
}

// secure holds a page against what keeps others' scripts and frames away.
func secure(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
}

func TestLogout(t *testing.T) {
	b := newBench(t)
	at := func(q url.Values) web.Reply { return b.get(b.login("/oauth2/v2.0/logout?" + q.Encode())) }
	if reply := at(url.Values{"client_id": {oauth.ClientAzureCLI}, "post_logout_redirect_uri": {"http://localhost:8080/"}}); reply.Header.Get("Location") != "http://localhost:8080/" {
		t.Errorf("sent to %q", reply.Header.Get("Location"))
	}
	for _, q := range []url.Values{nil, {"post_logout_redirect_uri": {"http://localhost/"}}, {"client_id": {oauth.ClientAzureCLI}, "post_logout_redirect_uri": {"https://evil.example/"}}} {
		if reply := at(q); reply.Status != http.StatusOK || reply.Header.Get("Location") != "" {
			t.Errorf("%v: %d to %q", q, reply.Status, reply.Header.Get("Location"))
		}
	}
}

func TestClaimsChallenges(t *testing.T) {
	b := newBench(t)
	tokens, err := b.signIn(interactive{client: oauth.ClientAzureCLI, redirect: "http://localhost", resource: oauth.ResourceGraph})
	b.must(err)
	refresh := func(claims string) error {
		next, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientAzureCLI, RefreshToken: tokens.RefreshToken, Claims: claims})
		if err == nil {
			tokens = next
		}
		return err
	}
	want(t, refresh(`{"access_token":{"xms_cc":{"values":["cp1"]}}}`), 0)
	if c := claimsOf(t, tokens.AccessToken); len(c.Capabilities) != 1 || c.Capabilities[0] != "cp1" {
		t.Errorf("xms_cc %v", c.Capabilities)
	}
	want(t, refresh(`{"access_token":`), oauth.RequestMalformed)
	want(t, refresh(`{"access_token":{"amr":{"values":["mfa"]}}}`), oauth.StrongAuthRequired)
	// A resource that ended sessions sends its client for one that began later.
	began := b.Now().Unix()
	want(t, refresh(`{"access_token":{"nbf":{"essential":true,"value":"`+fmt.Sprint(began-60)+`"}}}`), 0)
	want(t, refresh(`{"access_token":{"nbf":{"essential":true,"value":"`+fmt.Sprint(began+60)+`"}}}`), oauth.FreshTokenNeeded)
}

func TestPublicClientHasNoSecret(t *testing.T) {
	b := newBench(t)
	ask := oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, ClientSecret: "x", Username: aliceUPN, Password: password}
	_, err := b.token(ask)
	want(t, err, oauth.ClientIsPublic)
	ask.ClientSecret = ""
	req := b.form(b.login("/oauth2/token"), ask.Form())
	req.SetBasicAuth(oauth.ClientAzureCLI, "x")
	reply := b.send(req)
	want(t, oauth.ParseError(reply.Status, reply.Body), oauth.ClientIsPublic)
}

// What a reply says was granted, which MSAL compares with what it asked for.
func TestGrantedScopes(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		asked, granted string
		code           oauth.Code
	}{
		{asked: "openid offline_access https://graph.microsoft.com/User.Read", granted: "https://graph.microsoft.com/User.Read openid"},
		{asked: "openid profile User.Read", granted: "User.Read openid profile"},
		{asked: "https://graph.microsoft.com/.default", granted: "https://graph.microsoft.com/.default"},
		{asked: "https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read", granted: "https://graph.microsoft.com/User.Read"},
		{asked: oauth.ResourceDRS + "/adrs_access openid", granted: "openid " + oauth.ResourceDRS + "/adrs_access"},
		{asked: "Mail.Read", code: oauth.ScopeInvalid},
		{asked: "https://graph.microsoft.com/User.Read " + oauth.ResourceDRS + "/adrs_access", code: oauth.ScopeInvalid},
	} {
		reply := b.send(b.form(b.login("/oauth2/v2.0/token"), oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, Username: aliceUPN, Password: password, Scope: tt.asked}.Form()))
		if tt.code != 0 {
			want(t, oauth.ParseError(reply.Status, reply.Body), tt.code)
			continue
		}
		tokens, err := oauth.ParseTokenResponse(reply.Body)
		if b.must(err); tokens.Scope != tt.granted {
			t.Errorf("%s: granted %q, want %q", tt.asked, tokens.Scope, tt.granted)
		}
	}
}
