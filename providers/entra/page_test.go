package entra

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	inputTag   = regexp.MustCompile(`<input [^>]*>`)
	attribute  = regexp.MustCompile(`(name|value|type)="([^"]*)"`)
)

// fill reads the page's one form as a browser does, and fills in what a person types.
func fill(t *testing.T, page []byte, typed map[string]string) (action string, values url.Values) {
	t.Helper()
	m := formAction.FindSubmatch(page)
	if m == nil {
		t.Fatalf("no form in %s", page)
	}
	values = url.Values{}
	for _, input := range inputTag.FindAllString(string(page), -1) {
		a := map[string]string{}
		for _, pair := range attribute.FindAllStringSubmatch(input, -1) {
			a[pair[1]] = unescape(pair[2])
		}
		if v, ok := typed[a["name"]]; ok {
			a["value"] = v
		}
		values.Set(a["name"], a["value"])
	}
	return unescape(string(m[1])), values
}

func unescape(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">").Replace(s)
}

// A browser without scripts signs in by the forms alone.
func TestSignInByForms(t *testing.T) {
	b := newBench(t)
	for _, fresh := range []bool{false, true} {
		ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientAzureCLI, RedirectURI: "http://127.0.0.1:49152/", Scope: "openid " + oauth.ResourceGraph + "/.default",
			CodeChallenge: oauth.Challenge(codeVerifier), CodeChallengeMethod: "S256", State: `"><script>`, ResponseMode: "form_post"}
		if fresh {
			ask.Claims = oauth.FreshMFAClaims
		}
		reply := b.get("https://" + b.out.LoginHost + "/organizations/oauth2/v2.0/authorize?" + ask.Query().Encode())
		secure(t, reply)
		action, form := fill(t, reply.Body, map[string]string{"login": aliceUPN, "passwd": "wrong"})
		reply = b.send(b.form(action, form))
		if secure(t, reply); !strings.Contains(string(reply.Body), "AADSTS50126") || !strings.Contains(string(reply.Body), `value="`+aliceUPN+`"`) {
			t.Fatalf("wrong password: %s", reply.Body)
		}
		action, form = fill(t, reply.Body, map[string]string{"passwd": password})
		reply = b.send(b.form(action, form))
		if fresh {
			action, form = fill(t, reply.Body, map[string]string{"otc": "000000"})
			if reply = b.send(b.form(action, form)); !strings.Contains(string(reply.Body), "AADSTS500121") {
				t.Fatalf("wrong code: %s", reply.Body)
			}
			action, form = fill(t, reply.Body, map[string]string{"otc": sas.TOTP(b.totp[aliceUPN], b.Now())})
			reply = b.send(b.form(action, form))
			// The page that was left does not lead anywhere a second time.
			if again := b.send(b.form(action, form)); strings.Contains(string(again.Body), `name="code"`) {
				t.Error("a used page brings a second code")
			}
		}
		action, form = fill(t, reply.Body, nil)
		if action != ask.RedirectURI || form.Get("state") != ask.State || form.Get("code") == "" {
			t.Fatalf("%s: %v", action, form)
		}
		tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: ask.ClientID, Code: form.Get("code"), RedirectURI: ask.RedirectURI, CodeVerifier: codeVerifier})
		b.must(err)
		if c := claimsOf(t, tokens.AccessToken); c.UPN != aliceUPN {
			t.Errorf("claims %+v", c)
		}
	}
}

// secure holds a page against what keeps others' scripts and frames away.
func secure(t *testing.T, r web.Reply) {
	t.Helper()
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") ||
		r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
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
