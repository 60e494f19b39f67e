package entra

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/conformance/seed"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

func parseCert(der []byte) (*x509.Certificate, error) { return x509.ParseCertificate(der) }

func TestDiscoveryAndKeys(t *testing.T) {
	b := newBench(t)
	for path, v := range map[string]oauth.Version{
		"/.well-known/openid-configuration":      oauth.V1,
		"/v2.0/.well-known/openid-configuration": oauth.V2,
		"/V2.0/.WELL-KNOWN/OpenID-Configuration": oauth.V2,
	} {
		for _, tenant := range []string{b.out.TenantID, "contoso.com", "Contoso.COM", "common"} {
			req, err := http.NewRequest(http.MethodGet, "https://"+b.out.LoginHost+"/"+tenant+path, nil)
			b.must(err)
			var m oauth.Metadata
			b.must(b.send(req).JSON(&m))
			issuer := b.out.Issuer
			if v == oauth.V1 {
				issuer = "https://sts.contoso-com.entra.test/" + b.out.TenantID + "/"
			}
			if tenant == "common" { // a template, as in the cloud
				issuer = strings.Replace(issuer, b.out.TenantID, "{tenantid}", 1)
			}
			if m.Issuer != issuer || !strings.HasPrefix(m.TokenEndpoint, "https://"+b.out.LoginHost+"/") {
				t.Errorf("%s%s: %+v", tenant, path, m)
			}
			req, err = http.NewRequest(http.MethodGet, m.JWKSURI, nil)
			b.must(err)
			var keys oauth.JWKS
			b.must(b.send(req).JSON(&keys))
			tokens, err := b.signIn(interactive{})
			b.must(err)
			tok, err := jose.Parse(tokens.AccessToken)
			b.must(err)
			i := slices.IndexFunc(keys.Keys, func(k oauth.JWK) bool { return k.KeyID == tok.Header.KeyID })
			if i < 0 {
				t.Fatalf("no published key %s", tok.Header.KeyID)
			}
			pub, err := keys.Keys[i].PublicKey()
			b.must(err)
			if err := tok.VerifyRS256(pub); err != nil {
				t.Error(err)
			}
		}
	}
	req, err := http.NewRequest(http.MethodGet, "https://"+b.out.LoginHost+"/nobody.example/.well-known/openid-configuration", nil)
	b.must(err)
	reply := b.send(req)
	want(t, oauth.ParseError(reply.Status, reply.Body), oauth.TenantNotFound)
}

func TestPasswordGrant(t *testing.T) {
	b := newBench(t)
	disabled := false
	ask := oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzurePowerShell, Resource: oauth.ResourceGraph, Username: aliceUPN, Password: password}
	for _, tt := range []struct {
		name   string
		change func(*oauth.TokenRequest)
		code   oauth.Code
	}{
		{"good", func(*oauth.TokenRequest) {}, 0},
		{"name in other case", func(r *oauth.TokenRequest) { r.Username = "ALICE@Contoso.com" }, 0},
		{"wrong password", func(r *oauth.TokenRequest) { r.Password = "x" }, oauth.InvalidUserNameOrPassword},
		{"unknown user", func(r *oauth.TokenRequest) { r.Username = "carol@contoso.com" }, oauth.UserAccountNotFound},
		{"no password", func(r *oauth.TokenRequest) { r.Password = "" }, oauth.ParameterMissing},
		{"endless password", func(r *oauth.TokenRequest) { r.Password = strings.Repeat("x", 10_000) }, oauth.InvalidUserNameOrPassword},
		{"unknown client", func(r *oauth.TokenRequest) { r.ClientID = "11111111-2222-3333-4444-555555555555" }, oauth.ApplicationNotFound},
		{"unknown resource", func(r *oauth.TokenRequest) { r.Resource = "https://elsewhere.example" }, oauth.ResourceNotFound},
		{"malformed scope", func(r *oauth.TokenRequest) { r.Resource, r.Scope = "", "nonsense" }, oauth.ScopeInvalid},
		{"unknown grant", func(r *oauth.TokenRequest) { r.GrantType = "telepathy" }, oauth.GrantTypeUnsupported},
		{"no grant", func(r *oauth.TokenRequest) { r.GrantType = "" }, oauth.ParameterMissing},
	} {
		r := ask
		tt.change(&r)
		resp, err := b.token(r)
		want(t, err, tt.code)
		if err == nil {
			if c := claimsOf(t, resp.AccessToken); c.UPN != aliceUPN || !slices.Equal(c.AMR, []string{"pwd"}) || c.DeviceID != "" || c.Audience != oauth.ResourceGraph {
				t.Errorf("%s: claims %+v", tt.name, c)
			}
		}
	}
	// A disabled user learns it with the right password only.
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &disabled})
	_, err := b.token(ask)
	want(t, err, oauth.UserDisabled)
	ask.Password = "another"
	_, err = b.token(ask)
	want(t, err, oauth.InvalidUserNameOrPassword)
	b.quiet([]byte(password), []byte(b.out.AdminSecret))
}

// The same refusal in both versions of the endpoint.
func TestRefusalForms(t *testing.T) {
	b := newBench(t)
	form := oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientProvisioning, Resource: oauth.ResourceDRS, Username: aliceUPN, Password: password}.Form()
	for path, word := range map[string]string{"/oauth2/token": `"error":"interaction_required"`, "/oAuth2/v2.0/token/": `"suberror":"basic_action"`} {
		if strings.Contains(path, "v2.0") {
			form.Del("resource")
			form.Set("scope", oauth.ResourceDRS+"/.default")
		}
		reply := b.send(b.form(b.login(path), form))
		if reply.Status != http.StatusBadRequest || !bytes.Contains(reply.Body, []byte(word)) || reply.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, reply.Status, reply.Body)
		}
	}
}

func TestTwoFactors(t *testing.T) {
	seed.Proves(t, "PA-04", "P1")
	seed.Proves(t, "PA-05", "P1")
	seed.Proves(t, "PA-06", "P1")
	seed.Proves(t, "PA-11", "P1")
	seed.Proves(t, "PA-12", "P1")
	b := newBench(t)
	// One factor: a demand for the second, and no token.
	_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS,
		AMRValues: oauth.AMRNGCMFA, Username: aliceUPN, Password: password})
	want(t, err, oauth.StrongAuthRequired)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientProvisioning, Resource: oauth.ResourceDRS, Username: aliceUPN, Password: password})
	want(t, err, oauth.StrongAuthRequired)

	began := len(b.Events())
	tokens, err := b.signIn(interactive{fresh: true})
	b.must(err)
	c := claimsOf(t, tokens.AccessToken)
	if !slices.Equal(c.AMR, []string{"pwd", "mfa", "ngcmfa"}) || c.Audience != oauth.ResourceDRS || c.AuthTime != b.Now().Unix() {
		t.Errorf("claims %+v", c)
	}
	inOrder(t, b.since(began), "first_factor_verified", "mfa_demanded", "mfa_challenged", "mfa_verified", "code_issued", "token_request_validated", "access_token_issued", "access_token_returned")

	// The time of the token is that of the second factor, not its own.
	b.Advance(3 * time.Minute)
	later, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, RefreshToken: tokens.RefreshToken})
	b.must(err)
	if got := claimsOf(t, later.AccessToken); got.AuthTime != c.AuthTime || got.IssuedAt == c.IssuedAt {
		t.Errorf("auth_time %d of a token issued at %d, want %d", got.AuthTime, got.IssuedAt, c.AuthTime)
	}

	// Nobody without an app gets past.
	carol := "carol@contoso.com"
	_, err = graph.Post[graph.User](t.Context(), b.admin, graph.User{UserPrincipalName: carol, PasswordProfile: &graph.PasswordProfile{Password: password}}, "users")
	b.must(err)
	_, err = b.signIn(interactive{upn: carol, fresh: true})
	want(t, err, oauth.StrongAuthEnrollment)
}

func TestSecondFactorStaysCurrent(t *testing.T) {
	seed.Proves(t, "PA-07", "P1")
	for after, code := range map[time.Duration]oauth.Code{
		9*time.Minute + 59*time.Second: 0,
		10 * time.Minute:               0,
		10*time.Minute + 1*time.Second: oauth.StrongAuthRequired,
	} {
		b := newBench(t)
		tokens, err := b.signIn(interactive{fresh: true})
		b.must(err)
		b.Advance(after)
		_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, AMRValues: oauth.AMRNGCMFA, RefreshToken: tokens.RefreshToken})
		want(t, err, code)
		// A refused demand costs the refresh token nothing.
		if code != 0 {
			_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, Resource: oauth.ResourceDRS, RefreshToken: tokens.RefreshToken})
			want(t, err, 0)
		}
	}
}

func TestSecondFactorRefusals(t *testing.T) {
	seed.Proves(t, "PA-14", "P1")
	b := newBench(t)
	fixed := sas.TOTP(b.totp[aliceUPN], b.Now())
	for _, tt := range []struct {
		name, otp string
		code      oauth.Code
	}{
		{"wrong", "000000", oauth.AuthenticationFailed},
		{"empty", "", oauth.AuthenticationFailed},
		{"right", fixed, 0},
		{"right again", fixed, oauth.AuthenticationFailed},
		{"another user's", sas.TOTP(b.totp[bobUPN], b.Now()), oauth.AuthenticationFailed},
	} {
		_, err := b.signIn(interactive{fresh: true, otp: func() string { return tt.otp }})
		want(t, err, tt.code)
	}
	b.Advance(5 * time.Minute)
	_, err := b.signIn(interactive{fresh: true, otp: func() string { return fixed }})
	want(t, err, oauth.AuthenticationFailed)
	// Guessing ends.
	for n := range maxGuesses {
		_, _ = b.signIn(interactive{fresh: true, otp: func() string { return strings.Repeat(string(rune('0'+n%10)), 5) + string(rune('0'+n/10)) }})
	}
	_, err = b.signIn(interactive{fresh: true})
	want(t, err, oauth.AuthenticationFailed)
	b.Advance(time.Hour)
	_, err = b.signIn(interactive{fresh: true})
	want(t, err, 0)
	b.quiet(b.totp[aliceUPN])
}
