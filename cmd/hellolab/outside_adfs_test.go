package main

//lint:file-ignore SA1019 the library advises against the password grant; its users still need a server that knows it.

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"hellolab/providers/conformance/browser"
	"hellolab/providers/wire/adfs"
	"hellolab/providers/wire/sas"
)

const outsideFederation = `
variable "password" {
  type      = string
  sensitive = true
}

domain "corp" {
  dns_name     = "corp.fabrikam.com"
  netbios_name = "CORP"
}

federation "sts" {
  domain = domain.corp
}

user "alice" {
  upn      = "alice@contoso.com"
  domain   = domain.corp
  password = var.password
}

output "totp_secret" {
  value     = user.alice.totp_secret
  sensitive = true
}

output "admin_secret" {
  value     = federation.sts.admin_secret
  sensitive = true
}
`

const (
	outsideSTS    = "sts.corp.fabrikam.com"
	outsideClient = "6c0e9d0e-0b6f-4b0e-9a3e-3f6d0a7f0001"
)

// serveFederation applies and serves a domain with AD FS, and registers a client
// with it, as its administrator does.
func serveFederation(t *testing.T) *outside {
	t.Helper()
	env := []string{"HELLOLAB_VAR_password=" + domainPassword}
	o := &outside{dir: applied(t, outsideFederation, env)}
	output := func(name string) string {
		out, err := hellolab(t, o.dir, env, "output", "-raw", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	var err error
	if o.secret, err = sas.ParseTOTPSecret(output("totp_secret")); err != nil {
		t.Fatal(err)
	}
	lab := up(t, hellolab(t, o.dir, env, "serve", "-json"))
	o.connect(t, lab)
	o.authority = lab.Federations[0].Authority
	body, err := json.Marshal(adfs.Application{ID: outsideClient, Name: "Outside", RedirectURIs: []string{"http://localhost", "http://127.0.0.1/callback"}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+outsideSTS+adfs.PathApplications+outsideClient, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+output("admin_secret"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := o.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("register a client: HTTP status %d", resp.StatusCode)
	}
	return o
}

// adfsAlice opens a page of AD FS and signs in there.
func (o *outside) adfsAlice(t *testing.T, start string, typed map[string]string) {
	t.Helper()
	p := browser.Person{HTTP: o.http, Press: map[string]string{adfs.FieldAnswer: adfs.AnswerContinue}, Type: map[string]func() string{
		adfs.FieldUserName: func() string { return outsideUser },
		adfs.FieldPassword: func() string { return domainPassword },
		adfs.FieldCode:     o.code,
	}}
	for name, text := range typed {
		p.Type[name] = func() string { return text }
	}
	page, err := p.Visit(t.Context(), start)
	if err != nil {
		t.Errorf("at %.100s: %v", start, err)
	} else if page.Refusal != "" {
		t.Errorf("at %.100s: %s", start, page.Refusal)
	}
}

// Libraries that others wrote sign in at AD FS, unpatched.
func TestOutsideFederation(t *testing.T) {
	o := serveFederation(t)
	t.Run("go-oidc", o.goOIDC)
	t.Run("msal-go", o.msalGoFederation)
}

// goOIDC is coreos/go-oidc: discovery, code with PKCE and nonce by a browser, the
// id token verified by the published keys, userinfo, and a refresh.
func (o *outside) goOIDC(t *testing.T) {
	ctx := oidc.ClientContext(t.Context(), o.http)
	provider, err := oidc.NewProvider(ctx, o.authority)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: outsideClient, Endpoint: provider.Endpoint(), RedirectURL: "http://" + l.Addr().String() + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile"}}
	answers := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { answers <- r.URL.Query() })}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	verifier := oauth2.GenerateVerifier()
	go o.adfsAlice(t, config.AuthCodeURL("the state", oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("acr_values", adfs.MethodMultiple)), nil)
	var answer url.Values
	select {
	case answer = <-answers:
	case <-time.After(time.Minute):
		t.Fatal("the browser does not come back")
	}
	if answer.Get("state") != "the state" || answer.Get("code") == "" {
		t.Fatalf("%v", answer)
	}
	token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: outsideClient}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims adfs.IDClaims
	if err := id.Claims(&claims); err != nil || id.Nonce != "the nonce" || claims.UPN != outsideUser || claims.UniqueName != `CORP\alice` || !strings.Contains(strings.Join(claims.AMR, " "), "mfa") {
		t.Errorf("%+v, %v", claims, err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != id.Subject {
		t.Errorf("%+v, %v", info, err)
	}
	token.Expiry = time.Now().Add(-time.Hour)
	again, err := config.TokenSource(ctx, token).Token()
	if err != nil || again.AccessToken == token.AccessToken {
		t.Errorf("a refresh: %v", err)
	}
	if _, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier)); err == nil || !strings.Contains(err.Error(), "MSIS9612") {
		t.Errorf("the code again: %v", err)
	}
}

// msalGoFederation is Microsoft's library for Go with an authority of AD FS.
func (o *outside) msalGoFederation(t *testing.T) {
	ctx := t.Context()
	client := func(t *testing.T) public.Client {
		c, err := public.New(outsideClient, public.WithAuthority(o.authority), public.WithInstanceDiscovery(false), public.WithHTTPClient(o.http))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	scopes := []string{"openid"}
	check := func(t *testing.T, r public.AuthResult, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if r.IDToken.UPN != outsideUser || r.AccessToken == "" {
			t.Errorf("%+v", r.IDToken)
		}
	}
	t.Run("password", func(t *testing.T) {
		c := client(t)
		if _, err := c.AcquireTokenByUsernamePassword(ctx, scopes, outsideUser, domainPassword+"x"); err == nil || !strings.Contains(err.Error(), "MSIS9659") {
			t.Errorf("a wrong password: %v", err)
		}
		r, err := c.AcquireTokenByUsernamePassword(ctx, scopes, outsideUser, domainPassword)
		check(t, r, err)
		again, err := c.AcquireTokenSilent(ctx, []string{"profile"}, public.WithSilentAccount(r.Account))
		check(t, again, err)
	})
	t.Run("device code", func(t *testing.T) {
		d, err := client(t).AcquireTokenByDeviceCode(ctx, scopes)
		if err != nil {
			t.Fatal(err)
		}
		o.adfsAlice(t, d.Result.VerificationURL, map[string]string{adfs.FieldUserCode: d.Result.UserCode})
		r, err := d.AuthenticationResult(ctx)
		check(t, r, err)
	})
	t.Run("interactive", func(t *testing.T) {
		r, err := client(t).AcquireTokenInteractive(context.WithoutCancel(ctx), scopes, public.WithLoginHint(outsideUser), public.WithOpenURL(func(address string) error {
			go o.adfsAlice(t, address, nil)
			return nil
		}))
		check(t, r, err)
	})
}
