package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/jose"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const fabrikam = "tenant.fabrikam"

// behindFront is two tenants behind Microsoft's names. The bench is contoso's
// as seen there, with "common" in paths. Fabrikam comes first: what is for
// contoso and finds no hint fails.
func behindFront(t *testing.T) (b, other *bench) {
	t.Helper()
	e := conformance.NewEnv(t, Types()...)
	other = benchOf(t, e, fabrikam, "fabrikam.com")
	b = benchOf(t, e, contoso, "contoso.com")
	serveFront(t, e, fabrikam, contoso)
	return b.atFront(), other.atFront()
}

func serveFront(t *testing.T, e *conformance.Env, tenants ...string) {
	t.Helper()
	var envs []providers.Env
	for _, addr := range tenants {
		envs = append(envs, e.For(addr))
	}
	s, err := ServeMicrosoft(context.WithoutCancel(t.Context()), e.For("microsoft"), envs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (b *bench) atFront() *bench {
	at := *b
	at.word = "common"
	at.out.LoginHost, at.out.RegistrationHost, at.out.GraphHost = microsoft.login, microsoft.drs, microsoft.graph
	return &at
}

// Everything a device does, through names that several tenants share.
func TestFrontFindsTheTenant(t *testing.T) {
	b, _ := behindFront(t)
	for _, word := range []string{"common", "organizations", "consumers", "contoso.com", b.out.TenantID, "CONTOSO.com"} {
		b.word = word
		tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: "Alice@Contoso.com", Password: password})
		b.must(err)
		if c := claimsOf(t, tokens.AccessToken); c.TenantID != b.out.TenantID || c.Issuer != "https://sts.contoso-com.entra.test/"+b.out.TenantID+"/" {
			t.Errorf("%s: issued by %s for tenant %s", word, c.Issuer, c.TenantID)
		}
		if _, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, RefreshToken: tokens.RefreshToken}); err != nil {
			t.Errorf("%s: refresh: %v", word, err)
		}
	}
	b.word = "common"
	// The page, its second factor, the code.
	d, tokens := b.laptop()
	// Nonces are asked for before anybody is named; each is good once.
	n := b.nonce()
	b.must(b.passwordRequest(d, n))
	want(t, b.passwordRequest(d, n), oauth.NonceInvalid)
	// Key registration, Hello, the primary refresh token in both its uses.
	user := someKeys()[keyUser]
	_, err := b.registerKey(b.keyToken(d, tokens), b.keyRequest(d, user))
	b.must(err)
	s, err := b.hello(d, user)
	b.must(err)
	_, err = b.use(s, prt.Request{Resource: oauth.ResourceGraph})
	b.must(err)
	_, err = b.use(s, prt.Request{Scope: "openid aza ugs"})
	b.must(err)
	text, err := prt.SignRequest(prt.Key(s.key), make([]byte, prt.ContextSize), prt.Request{RefreshToken: s.prt, IsPrimary: "true", RequestNonce: b.nonce()})
	b.must(err)
	header := http.Header{http.CanonicalHeaderKey(oauth.HeaderRefreshTokenCredential): {text}}
	nobody := func(r *oauth.AuthorizeRequest) { r.LoginHint = "" }
	got, err := b.signIn(interactive{password: "not asked", header: header, authorize: nobody})
	b.must(err)
	if claimsOf(t, got.AccessToken).DeviceID != d.id {
		t.Error("the credential of the request counted for nothing")
	}
	device, err := jose.SignRS256(d.key, jose.Header{Type: "JWT", X5C: jose.Chain{d.cert}}, prt.Request{GrantType: oauth.GrantDeviceAuth, RequestNonce: b.nonce()})
	b.must(err)
	header = http.Header{http.CanonicalHeaderKey(oauth.HeaderDeviceCredential): {device}}
	_, err = b.signIn(interactive{header: header, authorize: nobody})
	b.must(err)
	// A device code is asked for at a tenant, entered where there is none, and
	// polled for anywhere.
	ask := url.Values{"client_id": {oauth.ClientAzureCLI}, "scope": {"openid " + oauth.ResourceGraph + "/.default"}}
	_, _, err = b.startDevice(oauth.V2, ask)
	want(t, err, oauth.TenantUnnamed)
	b.word = "contoso.com"
	waiting, _, err := b.startDevice(oauth.V2, ask)
	b.must(err)
	b.word = "common"
	_, err = b.pollDevice(waiting, oauth.ClientAzureCLI)
	want(t, err, oauth.AuthorizationPending)
	if page := b.atPage(waiting, "AAAAAAAAA", password, "continue"); page.ErrorCode == "" {
		t.Errorf("an unknown user code: %+v", page)
	}
	if page := b.atPage(waiting, waiting.UserCode, password, "continue"); page.PageID != sas.PageDone || page.ErrorCode != "" {
		t.Errorf("the page of the user code: %+v", page)
	}
	_, err = b.pollDevice(waiting, oauth.ClientAzureCLI)
	b.must(err)
	// The device certificate in TLS reaches the tenant through the front.
	_, err = b.drsCall(b.tlsClient(d), http.MethodDelete, drs.PathDevice+d.id, "", nil)
	wantDRS(t, err, "")
}

// What waits on a phone is polled for with headers, and what stands is asked
// with the token alone.
func TestFrontOfPhonesAndApplications(t *testing.T) {
	b, _ := behindFront(t)
	p := pushedOn(b)
	b.word = "contoso.com"
	page, begun := p.begin()
	if !strings.HasPrefix(page.URLEndAuth, "https://login.microsoftonline.com/common/") {
		t.Errorf("the page polls at %s", page.URLEndAuth)
	}
	for _, answer := range []*sas.AuthReply{p.poll(page, begun), p.polls(page, begun)} {
		if answer.ResultValue != sas.ResultPending {
			t.Errorf("a poll got %+v", answer)
		}
	}
	p.approve(begun.Entropy)
	if answer := p.poll(page, begun); answer.ResultValue != sas.ResultSuccess {
		t.Errorf("after the approval a poll got %+v", answer)
	}
	b.word = "common"
	tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: aliceUPN, Password: password})
	b.must(err)
	var standing oauth.Introspection
	b.must(b.send(b.form(b.login("/oauth2/v2.0/introspect"), url.Values{"token": {tokens.AccessToken}})).JSON(&standing))
	if !standing.Active {
		t.Errorf("introspection: %+v", standing)
	}
}

func TestFrontRefusesWhatNamesNoTenant(t *testing.T) {
	b, other := behindFront(t)
	for name, r := range map[string]oauth.TokenRequest{
		"client credentials": {GrantType: oauth.GrantClientCredentials, ClientID: b.out.AdminClientID, ClientSecret: b.out.AdminSecret},
		"password":           {GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: "alice", Password: password},
		"another domain":     {GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: "alice@nowhere.example", Password: password},
		"refresh token":      {GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, RefreshToken: "0.AAAA.x"},
		"short code":         {GrantType: oauth.GrantAuthorizationCode, ClientID: oauth.ClientBroker, Code: "x"},
		"nothing":            {},
	} {
		_, err := b.token(r)
		if want(t, err, oauth.TenantUnnamed); t.Failed() {
			t.Fatal(name)
		}
	}
	b.word = "nowhere.example"
	_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: aliceUPN, Password: password})
	want(t, err, oauth.TenantNotFound)
	// What the path names goes before what the request says.
	b.word = other.out.TenantID
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: aliceUPN, Password: password})
	want(t, err, oauth.UserAccountNotFound)
	// A token of one tenant does not open at another, whatever it begins with.
	b.word = "common"
	tokens, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: aliceUPN, Password: password})
	b.must(err)
	_, rest, _ := strings.Cut(strings.TrimPrefix(tokens.RefreshToken, refreshPrefix), ".")
	foreign, _, _ := strings.Cut(strings.TrimPrefix(other.tokens().RefreshToken, refreshPrefix), ".")
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientBroker, RefreshToken: refreshPrefix + foreign + "." + rest})
	want(t, err, oauth.GrantInvalid)
	// Nor does a nonce of one.
	d, _ := b.laptop()
	other.word = ""
	want(t, b.passwordRequest(d, other.nonce()), oauth.NonceInvalid)

	_, err = b.drsCall(b.http, http.MethodPost, drs.PathDevice, "", b.joinRequest(someKeys()[keyDevice], someKeys()[keyTransport]))
	wantDRS(t, err, "token_missing")
	_, err = b.drsCall(b.http, http.MethodGet, "/nowhere.example/Discover", "", nil)
	wantDRS(t, err, "tenant_not_found")
	if reply := b.get("https://graph.microsoft.com/v1.0/users"); reply.Status != http.StatusUnauthorized {
		t.Errorf("Graph answered %d", reply.Status)
	}
	if reply := b.get(b.login("/oauth2/authorize?prompt=none&client_id=" + oauth.ClientBroker)); reply.Status != http.StatusBadRequest || !strings.Contains(string(reply.Body), "AADSTS50059") {
		t.Errorf("a silent request of nobody got %d %s", reply.Status, reply.Body)
	}
}

func (b *bench) tokens() *oauth.TokenResponse {
	b.t.Helper()
	t, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: "alice@fabrikam.com", Password: password})
	b.must(err)
	return t
}

func TestFrontNamesItsOwnHosts(t *testing.T) {
	b, other := behindFront(t)
	document := func(target string) map[string]any {
		t.Helper()
		reply := b.get(target)
		var m map[string]any
		if err := json.Unmarshal(reply.Body, &m); err != nil || reply.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", target, reply.Status, reply.Body)
		}
		return m
	}
	for _, host := range []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com"} {
		for path, endpoints := range map[string]map[string]string{
			"/" + b.out.TenantID + "/v2.0/": {"issuer": "https://login.microsoftonline.com/" + b.out.TenantID + "/v2.0",
				"token_endpoint": "https://" + host + "/" + b.out.TenantID + "/oauth2/v2.0/token", "jwks_uri": "https://" + host + "/" + b.out.TenantID + "/discovery/v2.0/keys"},
			"/" + b.out.TenantID + "/": {"issuer": "https://sts.windows.net/" + b.out.TenantID + "/", "jwks_uri": "https://" + host + "/common/discovery/keys"},
			"/common/v2.0/": {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "token_endpoint": "https://" + host + "/common/oauth2/v2.0/token",
				"jwks_uri": "https://" + host + "/common/discovery/v2.0/keys", "cloud_graph_host_name": "graph.microsoft.com"},
			"/organizations/": {"issuer": "https://sts.windows.net/{tenantid}/", "authorization_endpoint": "https://" + host + "/organizations/oauth2/authorize"},
		} {
			m := document("https://" + host + path + ".well-known/openid-configuration")
			for name, want := range endpoints {
				if m[name] != want {
					t.Errorf("%s%s: %s is %v, want %s", host, path, name, m[name], want)
				}
			}
		}
	}
	if keys := document("https://login.windows.net/common/discovery/keys")["keys"].([]any); len(keys) != 2*len(b.server().keys.jwks) {
		t.Errorf("%d keys for two tenants", len(keys))
	}
	for upn, kind := range map[string]string{aliceUPN: "Managed", "bo@fabrikam.com": "Managed", "x@nowhere.example": "Unknown"} {
		if m := document(b.login("/UserRealm/" + upn + "?api-version=1.0")); m["account_type"] != kind {
			t.Errorf("realm of %s: %v", upn, m)
		}
	}
	for endpoint, want := range map[string]string{
		"https://login.microsoftonline.com/common/oauth2/v2.0/authorize":                               "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		"https://login.windows.net/" + b.out.TenantID + "/oauth2/authorize":                            "https://login.windows.net/" + b.out.TenantID + "/v2.0/.well-known/openid-configuration",
		"https://login.contoso-com.entra.test/" + b.out.TenantID + "/oauth2/v2.0/authorize":            "https://login.contoso-com.entra.test/" + b.out.TenantID + "/v2.0/.well-known/openid-configuration",
		"https://login.fabrikam-com.entra.test/" + other.out.TenantID + "/oauth2/v2.0/authorize?x=y#z": "https://login.fabrikam-com.entra.test/" + other.out.TenantID + "/v2.0/.well-known/openid-configuration",
	} {
		m := document(b.login("/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(endpoint)))
		if m["tenant_discovery_endpoint"] != want || len(m["metadata"].([]any)) != 3 {
			t.Errorf("instance of %s: %v", endpoint, m)
		}
	}
	for _, endpoint := range []string{"https://login.evil.example/common", "http://login.microsoftonline.com/common", "https://graph.microsoft.com/x", ""} {
		if reply := b.get(b.login("/discovery/instance?authorization_endpoint=" + url.QueryEscape(endpoint))); reply.Status != http.StatusBadRequest {
			t.Errorf("instance of %q: %d", endpoint, reply.Status)
		}
	}
	m := document("https://enterpriseregistration.windows.net/contoso.com/Discover?api-version=1.9")
	if text, _ := json.Marshal(m); !strings.Contains(string(text), "https://enterpriseregistration.windows.net/EnrollmentServer/") ||
		!strings.Contains(string(text), "https://login.microsoftonline.com/"+b.out.TenantID+"/oauth2/token") || strings.Contains(string(text), ".entra.test") {
		t.Errorf("registration discovery: %s", text)
	}
	// One certificate has all the names; a name that is none of them is not served.
	if cert, err := web.Certificate(t.Context(), b.For("microsoft"), MicrosoftHosts()); err != nil || len(cert.Leaf.DNSNames) != 9 {
		t.Errorf("certificate for %v, %v", cert.Leaf.DNSNames, err)
	}
	req, err := http.NewRequest(http.MethodGet, "https://login.microsoftonline.com/common/discovery/keys", nil)
	b.must(err)
	req.Host = "login.contoso-com.entra.test"
	if reply := b.send(req); reply.Status != http.StatusMisdirectedRequest {
		t.Errorf("a host that is not the front's: %d", reply.Status)
	}
}

// An authorization request that names nobody: the page asks who, and goes on
// at that user's tenant.
func TestFrontAsksWhoSignsIn(t *testing.T) {
	b, _ := behindFront(t)
	evil := `"><script>alert(1)</script>`
	q := oauth.AuthorizeRequest{ResponseType: "code", ClientID: oauth.ClientBroker, RedirectURI: oauth.NativeRedirect(oauth.ClientBroker), State: evil}.Query()
	reply := b.get(b.login("/oauth2/v2.0/authorize?" + q.Encode()))
	page := string(reply.Body)
	if reply.Status != http.StatusOK || !strings.Contains(page, `action="https://login.microsoftonline.com/common/oauth2/v2.0/authorize"`) ||
		!strings.Contains(page, `name="login_hint"`) || strings.Contains(page, "<script>") || strings.Contains(page, "$Config") {
		t.Fatalf("%d %s", reply.Status, page)
	}
	q.Set("login_hint", "alice@nowhere.example")
	if page := string(b.get(b.login("/oauth2/v2.0/authorize?" + q.Encode())).Body); !strings.Contains(page, "No tenant of this lab has the user name alice@nowhere.example") {
		t.Errorf("an unknown name: %s", page)
	}
	q.Set("login_hint", aliceUPN)
	if page := string(b.get(b.login("/oauth2/v2.0/authorize?" + q.Encode())).Body); !strings.Contains(page, "ConvergedSignIn") {
		t.Errorf("a known name: %s", page)
	}
}

// The administrator of each tenant reaches their own directory.
func TestFrontGraph(t *testing.T) {
	b, other := behindFront(t)
	for _, at := range []*bench{b, other} {
		c, err := graph.SignIn(t.Context(), at.For(at.addr), graph.Tenant{ID: at.out.TenantID, LoginHost: microsoft.login, GraphHost: microsoft.graph,
			ClientID: at.out.AdminClientID, ClientSecret: at.out.AdminSecret})
		b.must(err)
		defer c.Close()
		n := 0
		for u, err := range graph.List[graph.User](t.Context(), c, "", "users") {
			b.must(err)
			if n++; !strings.HasSuffix(u.UserPrincipalName, "@"+strings.TrimPrefix(at.addr, "tenant.")+".com") {
				t.Errorf("%s lists %s", at.addr, u.UserPrincipalName)
			}
		}
		if n != 2 {
			t.Errorf("%s has %d users", at.addr, n)
		}
	}
}

// One tenant leaves no choice: nothing needs to be named.
func TestFrontOfOneTenant(t *testing.T) {
	b := newBench(t)
	serveFront(t, b.Env, contoso)
	b = b.atFront()
	b.word = "organizations"
	_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: b.out.AdminClientID, ClientSecret: b.out.AdminSecret})
	b.must(err)
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: "alice", Password: password})
	want(t, err, oauth.UserAccountNotFound)
	// A tenant that changed is met as it is.
	b.Update(contoso, spec.Tenant{Domains: []string{"contoso.com", "contoso.org"}})
	b.word = "contoso.org"
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientBroker, Username: aliceUPN, Password: password})
	b.must(err)
	if _, err := ServeMicrosoft(t.Context(), b.For("microsoft"), nil); err == nil {
		t.Error("a lab without a tenant is served")
	}
}

// FuzzTenantOf: a text names a tenant or none, and never harms.
func FuzzTenantOf(f *testing.F) {
	for _, s := range []string{"", "0.A", "1.A.", "0.AAAAAAAAAAAAAAAAAAAAAAAA.x", strings.Repeat("A", 40), "a.b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := tenantOf(s); ok && len(id) != 36 || !ok && id != "" {
			t.Errorf("%q names %q, %v", s, id, ok)
		}
		var h hintList
		h.signed(s)
		h.parameters(url.Values{"request": {s}, "code": {s}, "username": {s}})
		h.json([]byte(s))
	})
}
