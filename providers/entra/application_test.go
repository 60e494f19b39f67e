package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
)

// application registers one.
func (b *bench) application(name string, redirects ...string) *graph.Application {
	b.t.Helper()
	a, err := graph.Post[graph.Application](b.t.Context(), b.admin, graph.Application{DisplayName: name, UniqueName: name, PublicClient: &graph.PublicClient{RedirectURIs: redirects}}, "applications")
	b.must(err)
	return a
}

// demand makes a policy for an application.
func (b *bench) demand(app string, change func(*graph.ConditionalAccessPolicy), controls ...string) *graph.ConditionalAccessPolicy {
	b.t.Helper()
	in := graph.ConditionalAccessPolicy{DisplayName: strings.Join(controls, "+"), State: graph.PolicyEnabled,
		Conditions:    &graph.ConditionalAccessSet{Applications: graph.PolicyApplications{Include: []string{app}}},
		GrantControls: &graph.GrantControls{Operator: "AND", BuiltIn: controls}}
	if change != nil {
		change(&in)
	}
	p, err := graph.Post[graph.ConditionalAccessPolicy](b.t.Context(), b.admin, in, "identity", "conditionalAccess", "policies")
	b.must(err)
	return p
}

func (b *bench) risk(upn, level string) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), graph.RiskyUser{RiskLevel: level}, "identityProtection", "riskyUsers", b.lookup(upn).ID))
}

func (b *bench) compliant(d *testDevice, on bool) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), graph.Device{IsCompliant: &on, IsManaged: &on}, fmt.Sprintf("devices(deviceId='%s')", d.id)))
}

func TestApplicationsOverGraph(t *testing.T) {
	b := newBench(t)
	a := b.application("portal", "https://portal.example/cb")
	if a.AppID == "" || a.ID == a.AppID || len(a.IdentifierURIs) != 1 || a.IdentifierURIs[0] != "api://"+a.AppID {
		t.Errorf("%+v", a)
	}
	refused := func(what string, err error, code string) {
		t.Helper()
		var e *graph.Error
		if !asGraph(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	post := func(in graph.Application) error {
		_, err := graph.Post[graph.Application](t.Context(), b.admin, in, "applications")
		return err
	}
	refused("same unique name", post(graph.Application{DisplayName: "other", UniqueName: "portal"}), graph.CodeConflict)
	refused("no name", post(graph.Application{}), graph.CodeBadRequest)
	refused("unique name with a slash", post(graph.Application{DisplayName: "x", UniqueName: "a/b"}), graph.CodeBadRequest)
	refused("name with a control", post(graph.Application{DisplayName: "x\x00"}), graph.CodeBadRequest)
	refused("redirect to http", post(graph.Application{DisplayName: "x", PublicClient: &graph.PublicClient{RedirectURIs: []string{"http://evil.example/"}}}), graph.CodeBadRequest)
	b.must(post(graph.Application{DisplayName: "portal"})) // display names may repeat

	for _, filter := range []string{graph.Equals("uniqueName", "portal"), graph.Equals("appId", a.AppID)} {
		got, err := graph.First[graph.Application](t.Context(), b.admin, filter, "applications")
		if err != nil || got.ID != a.ID {
			t.Errorf("%s: %+v, %v", filter, got, err)
		}
	}
	byKey, err := graph.Get[graph.Application](t.Context(), b.admin, "applications(appId='"+a.AppID+"')")
	if err != nil || byKey.ID != a.ID {
		t.Errorf("by client id: %+v, %v", byKey, err)
	}
	b.must(b.admin.Patch(t.Context(), graph.Application{DisplayName: "Portal", PublicClient: &graph.PublicClient{RedirectURIs: []string{}}}, "applications", a.ID))
	refused("unique name changed", b.admin.Patch(t.Context(), graph.Application{UniqueName: "p"}, "applications", a.ID), graph.CodeBadRequest)
	got, err := graph.Get[graph.Application](t.Context(), b.admin, "applications", a.ID)
	if err != nil || got.DisplayName != "Portal" || len(got.PublicClient.RedirectURIs) != 0 {
		t.Errorf("changed: %+v, %v", got, err)
	}
	b.must(b.admin.Delete(t.Context(), "applications", a.ID))
	if _, err := graph.Get[graph.Application](t.Context(), b.admin, "applications", a.ID); !graph.IsNotFound(err) {
		t.Errorf("deleted: %v", err)
	}
	b.must(post(graph.Application{DisplayName: "new", UniqueName: "portal"})) // the name is free again
}

func TestPoliciesOverGraph(t *testing.T) {
	b := newBench(t)
	app := b.application("portal")
	p := b.demand(app.AppID, nil, graph.ControlMFA)
	path := []string{"identity", "conditionalAccess", "policies"}
	for name, change := range map[string]func(*graph.ConditionalAccessPolicy){
		"no application":   func(p *graph.ConditionalAccessPolicy) { p.Conditions.Applications.Include = nil },
		"no client id":     func(p *graph.ConditionalAccessPolicy) { p.Conditions.Applications.Include = []string{"portal"} },
		"unknown control":  func(p *graph.ConditionalAccessPolicy) { p.GrantControls.BuiltIn = []string{"approvedApplication"} },
		"no control":       func(p *graph.ConditionalAccessPolicy) { p.GrantControls.BuiltIn = nil },
		"block and more":   func(p *graph.ConditionalAccessPolicy) { p.GrantControls.BuiltIn = []string{"block", "mfa"} },
		"unknown operator": func(p *graph.ConditionalAccessPolicy) { p.GrantControls.Operator = "XOR" },
		"unknown state":    func(p *graph.ConditionalAccessPolicy) { p.State = "on" },
		"unknown risk":     func(p *graph.ConditionalAccessPolicy) { p.Conditions.UserRiskLevels = []string{"none"} },
		"unknown rule": func(p *graph.ConditionalAccessPolicy) {
			p.Conditions.Devices = &graph.PolicyDevices{Filter: &graph.DeviceFilter{Mode: "exclude", Rule: "x"}}
		},
		"without a name":    func(p *graph.ConditionalAccessPolicy) { p.DisplayName = "" },
		"name of a control": func(p *graph.ConditionalAccessPolicy) { p.DisplayName = "\x07" },
	} {
		in := graph.ConditionalAccessPolicy{DisplayName: "x", State: graph.PolicyEnabled, Conditions: &graph.ConditionalAccessSet{Applications: graph.PolicyApplications{Include: []string{app.AppID}}},
			GrantControls: &graph.GrantControls{Operator: "AND", BuiltIn: []string{"mfa"}}}
		change(&in)
		_, err := graph.Post[graph.ConditionalAccessPolicy](t.Context(), b.admin, in, path...)
		var e *graph.Error
		if !asGraph(err, &e) || e.Code != graph.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	token := func() error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: app.AppID, Resource: "api://" + app.AppID, Username: aliceUPN, Password: password})
		return err
	}
	want(t, token(), oauth.StrongAuthRequired)
	b.must(b.admin.Patch(t.Context(), graph.ConditionalAccessPolicy{State: graph.PolicyDisabled}, append(path, p.ID)...))
	want(t, token(), 0)
	b.must(b.admin.Patch(t.Context(), graph.ConditionalAccessPolicy{State: graph.PolicyEnabled}, append(path, p.ID)...))
	want(t, token(), oauth.StrongAuthRequired)
	b.must(b.admin.Delete(t.Context(), append(path, p.ID)...))
	want(t, token(), 0)
	b.demand("All", nil, graph.ControlMFA)
	want(t, token(), oauth.StrongAuthRequired)
}

// An application's tokens: by which names it is asked for, and what they say.
func TestApplicationTokens(t *testing.T) {
	b := newBench(t)
	app, other := b.application("portal"), b.application("other")
	ask := func(client, resource string) (*oauth.TokenResponse, error) {
		return b.token(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: client, Resource: resource, Username: aliceUPN, Password: password})
	}
	v2 := func(scope string) (*oauth.TokenResponse, error) {
		reply := b.send(b.form(b.login("/oauth2/v2.0/token"), oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: app.AppID, Scope: scope, Username: aliceUPN, Password: password}.Form()))
		if reply.Status != http.StatusOK {
			return nil, oauth.ParseError(reply.Status, reply.Body)
		}
		return oauth.ParseTokenResponse(reply.Body)
	}
	for name, audience := range map[string]string{"api://" + app.AppID: "api://" + app.AppID, app.AppID: app.AppID, "API://" + strings.ToUpper(app.AppID): "api://" + app.AppID} {
		tokens, err := ask(app.AppID, name)
		b.must(err)
		c := claimsOf(t, tokens.AccessToken)
		if c.Audience != audience || c.Scope != "user_impersonation" || c.AppID != app.AppID || c.DeviceID != "" || len(c.Roles) != 0 || c.UPN != aliceUPN {
			t.Errorf("%s: %+v", name, c)
		}
		if tokens.FOCI != "" {
			t.Error("an author's application is in the family of the cloud's own")
		}
	}
	for scope, code := range map[string]oauth.Code{
		"openid api://" + app.AppID + "/.default": 0, app.AppID + "/.default": 0, "api://" + app.AppID + "/user_impersonation": 0,
		"api://" + app.AppID + "/Admin": oauth.ScopeInvalid, "api://11111111-2222-3333-4444-555555555555/.default": oauth.ResourceNotFound, "api://x/.default": oauth.ResourceNotFound,
	} {
		_, err := v2(scope)
		if want(t, err, code); t.Failed() {
			t.Fatal(scope)
		}
	}
	// Refresh tokens stay with their application, and make no primary refresh token.
	tokens, err := ask(app.AppID, app.AppID)
	b.must(err)
	refresh := func(client string) error {
		_, err := b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: client, Resource: "api://" + app.AppID, RefreshToken: tokens.RefreshToken})
		return err
	}
	want(t, refresh(other.AppID), oauth.GrantInvalid)
	want(t, refresh(oauth.ClientBroker), oauth.GrantInvalid)
	d, _ := b.laptop()
	_, err = b.deviceRequest(d, prt.Request{ClientID: oauth.ClientBroker, RequestNonce: b.nonce(), GrantType: oauth.GrantRefreshToken, RefreshToken: tokens.RefreshToken, Scope: "openid aza"})
	want(t, err, oauth.GrantInvalid)
	want(t, refresh(app.AppID), 0)
	// A client that was deleted is nobody.
	b.must(b.admin.Delete(t.Context(), "applications", other.ID))
	_, err = ask(other.AppID, app.AppID)
	want(t, err, oauth.ApplicationNotFound)
	_, err = ask(app.AppID, other.AppID)
	want(t, err, oauth.ResourceNotFound)
}

// Every grant asks, and the issue of a primary refresh token does not.
func TestEveryGrantAsks(t *testing.T) {
	b := newBench(t)
	app := b.application("portal", "http://localhost")
	uri := "api://" + app.AppID
	d, user := b.enrolled()
	hello, err := b.hello(d, user)
	b.must(err)
	byPassword := b.passwordPRT(d)
	page := func(change func(*oauth.AuthorizeRequest)) interactive {
		return interactive{client: app.AppID, redirect: "http://localhost:4711", resource: uri, authorize: change}
	}
	plain, err := b.signIn(page(nil))
	b.must(err)
	code, err := b.code(page(nil))
	b.must(err)

	b.demand(app.AppID, nil, graph.ControlMFA)
	use := func(s *session) error {
		_, err := b.use(s, prt.Request{ClientID: app.AppID, Resource: uri, RequestNonce: b.nonce()})
		return err
	}
	want(t, use(hello), 0)
	want(t, use(byPassword), oauth.StrongAuthRequired)
	_, err = b.redeem(code, page(nil))
	want(t, err, oauth.StrongAuthRequired) // the code is older than the demand
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: app.AppID, Resource: uri, RefreshToken: plain.RefreshToken})
	want(t, err, oauth.StrongAuthRequired)
	b.Advance(time.Minute) // a code of the authenticator app works once
	asked := len(b.Events())
	withMFA, err := b.signIn(page(nil)) // the page asks, and the person answers
	b.must(err)
	inOrder(t, b.since(asked), "conditional_access_evaluated", "mfa_demanded", "mfa_verified", "conditional_access_evaluated", "code_issued", "access_token_issued")
	_, err = b.token(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: app.AppID, Resource: uri, RefreshToken: withMFA.RefreshToken})
	want(t, err, 0) // and the refresh token remembers
	_, err = b.code(page(func(r *oauth.AuthorizeRequest) { r.Prompt = "none" }))
	want(t, err, oauth.UserPromptRequired)

	b.risk(aliceUPN, "high")
	b.demand(app.AppID, func(p *graph.ConditionalAccessPolicy) { p.Conditions.UserRiskLevels = []string{"high"} }, graph.ControlBlock)
	want(t, use(hello), oauth.AccessBlocked)
	_, err = b.code(page(nil))
	want(t, err, oauth.AccessBlocked)
	again, err := b.hello(d, user) // Windows sign-in is not asked about
	b.must(err)
	renewed, err := b.use(again, prt.Request{ClientID: oauth.ClientBroker, Scope: "openid aza", RequestNonce: b.nonce()})
	if want(t, err, 0); renewed != nil && renewed.RefreshToken == "" {
		t.Error("no renewed token")
	}
	b.risk(aliceUPN, "none")
	want(t, use(again), 0)

	b.demand(app.AppID, nil, graph.ControlCompliantDevice)
	want(t, use(again), oauth.DeviceNotCompliant)
	b.compliant(d, true)
	want(t, use(again), 0)
	b.Advance(time.Minute)
	_, err = b.code(page(nil)) // with the second factor, and from no device
	want(t, err, oauth.DeviceNotRegistered)
}

// The two endpoints word one refusal differently.
func TestWordsOfRefusals(t *testing.T) {
	b := newBench(t)
	app := b.application("portal")
	b.demand(app.AppID, func(p *graph.ConditionalAccessPolicy) { p.Conditions.UserRiskLevels = []string{"high"} }, graph.ControlBlock)
	b.demand(app.AppID, nil, graph.ControlMFA)
	ask := func(path string) oauth.ErrorBody {
		form := url.Values{"grant_type": {"password"}, "client_id": {app.AppID}, "username": {aliceUPN}, "password": {password}, "resource": {app.AppID}}
		if strings.Contains(path, "v2.0") {
			form.Del("resource")
			form.Set("scope", app.AppID+"/.default")
		}
		var body oauth.ErrorBody
		b.must(json.Unmarshal(b.send(b.form(b.login(path), form)).Body, &body))
		return body
	}
	v1, v2 := ask("/oauth2/token"), ask("/oauth2/v2.0/token")
	if v1.Error != "interaction_required" || v1.SubError != "" || v1.Claims == "" || v2.Error != "invalid_grant" || v2.SubError != "basic_action" || v2.Claims == "" {
		t.Errorf("second factor: %+v\n%+v", v1, v2)
	}
	b.risk(aliceUPN, "high")
	v1, v2 = ask("/oauth2/token"), ask("/oauth2/v2.0/token")
	if v1.Error != "interaction_required" || v1.SubError != "message_only" || v1.Claims != "" || v2.Error != "invalid_grant" || v2.SubError != "message_only" || !strings.Contains(v2.Claims, "capolids") {
		t.Errorf("block: %+v\n%+v", v1, v2)
	}
}

func TestIntrospection(t *testing.T) {
	b := newBench(t)
	app := b.application("portal")
	d, user := b.enrolled()
	stands := func(token string) oauth.Code {
		t.Helper()
		reply := b.send(b.form(b.login("/oauth2/introspect"), url.Values{"token": {token}}))
		if reply.Status != http.StatusOK {
			t.Fatalf("%d %s", reply.Status, reply.Body)
		}
		r, err := oauth.ParseIntrospection(reply.Body)
		b.must(err)
		if r.Active != (r.Code == 0) {
			t.Errorf("%+v", r)
		}
		return r.Code
	}
	get := func() string {
		s, err := b.hello(d, user)
		b.must(err)
		tokens, err := b.use(s, prt.Request{ClientID: app.AppID, Resource: app.AppID, RequestNonce: b.nonce()})
		b.must(err)
		return tokens.AccessToken
	}
	token := get()
	expect := func(what string, code oauth.Code) {
		t.Helper()
		if got := stands(token); got != code {
			t.Errorf("%s: %d, want %d", what, got, code)
		}
	}
	expect("new", 0)
	no, yes := false, true
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &no})
	expect("disabled user", oauth.UserDisabled)
	b.patchUser(aliceUPN, graph.User{AccountEnabled: &yes})
	b.enable(d, false)
	expect("disabled device", oauth.DeviceDisabled)
	b.enable(d, true)
	expect("as before", 0)
	b.Advance(time.Millisecond)
	_, err := graph.Post[struct{}](t.Context(), b.admin, struct{}{}, "users", aliceUPN, "revokeSignInSessions")
	b.must(err)
	expect("revoked sessions", oauth.FreshTokenNeeded)
	token = get()
	expect("a session since", 0) // in the same second
	b.Advance(2 * time.Hour)
	expect("expired", oauth.GrantInvalid)
	for _, garbage := range []string{"", "x", token + "x", "a.b.c"} {
		if got := stands(garbage); got != oauth.GrantInvalid {
			t.Errorf("%q: %d", garbage, got)
		}
	}
	if reply := b.send(b.form(b.login("/oauth2/introspect"), url.Values{})); reply.Status != http.StatusBadRequest {
		t.Errorf("no token: %d", reply.Status)
	}
}

func asGraph(err error, e **graph.Error) bool { return errors.As(err, e) }
