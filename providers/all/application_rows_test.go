package all_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/prt"
	"hellolab/providers/wire/web"
)

const portal = "application.portal"

// portal registers an application with what it requires.
func (l *lab) portal(r spec.ApplicationRequire, change ...func(*spec.Application)) spec.ApplicationOut {
	l.t.Helper()
	in := spec.Application{Tenant: "tenant.contoso", Require: &r}
	for _, c := range change {
		c(&in)
	}
	l.Create(portal, in)
	return conformance.Get[spec.Application, spec.ApplicationOut](l.Env, portal).Out
}

// require changes what the portal requires.
func (l *lab) require(r spec.ApplicationRequire) {
	l.t.Helper()
	l.Update(portal, spec.Application{Tenant: "tenant.contoso", Require: &r})
}

// to sends a sign-in on to the portal.
func to(r windows.Request) windows.Request {
	r.To = []string{portal}
	return r
}

// risk sets what is thought of alice.
func (l *lab) risk(level string) {
	l.t.Helper()
	u := conformance.Get[spec.User, spec.UserOut](l.Env, alice)
	if err := l.directory().Patch(l.t.Context(), graph.RiskyUser{RiskLevel: level}, "identityProtection", "riskyUsers", u.ID); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) patchDevice(addr string, d graph.Device) {
	l.t.Helper()
	if err := l.directory().Patch(l.t.Context(), d, "devices", conformance.Get[spec.Device, spec.DeviceOut](l.Env, addr).Out.ObjectID); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) patchUser(u graph.User) {
	l.t.Helper()
	if err := l.directory().Patch(l.t.Context(), u, "users", "alice@contoso.com"); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) revokeSessions() {
	l.t.Helper()
	l.Advance(time.Second)
	if _, err := graph.Post[struct{}](l.t.Context(), l.directory(), struct{}{}, "users", "alice@contoso.com", "revokeSignInSessions"); err != nil {
		l.t.Fatal(err)
	}
	l.Advance(time.Second)
}

// prtOf is a primary refresh token that alice has on a device.
func (l *lab) prtOf(device, credential string) prtState {
	l.t.Helper()
	return stored[prtState](l, device, "prt", l.sid("alice")+"|"+credential)
}

// portalToken gets an access token for the portal with a primary refresh token,
// as WAM does; the code is that of a refusal.
func (l *lab) portalToken(device string, rec prtState) (token string, refusal oauth.Code) {
	l.t.Helper()
	app := conformance.Get[spec.Application, spec.ApplicationOut](l.Env, portal).Out
	session := func(kdf []byte) ([]byte, error) {
		return l.tpmOf(device).HMAC(l.t.Context(), rec.SessionKey, prt.KDFInput(kdf))
	}
	now := l.Now().Unix()
	signed, err := prt.SignRequest(session, bytes.Repeat([]byte{9}, prt.ContextSize), prt.Request{ClientID: app.ClientID, RequestNonce: l.askNonce(l.t, device), Resource: app.Resource,
		GrantType: oauth.GrantRefreshToken, RefreshToken: rec.Token, IssuedAt: prt.Time(now), Expires: prt.Time(now + 300)})
	if err != nil {
		l.t.Fatal(err)
	}
	reply := l.tokenEndpoint(l.t, device, oauth.TokenRequest{GrantType: oauth.GrantJWTBearer, Request: signed})
	if reply.Status != http.StatusOK {
		var e *oauth.Error
		if !errors.As(oauth.ParseError(reply.Status, reply.Body), &e) {
			l.t.Fatalf("%d %s", reply.Status, reply.Body)
		}
		return "", e.Code
	}
	body, err := prt.OpenResponse(string(reply.Body), session)
	if err != nil {
		l.t.Fatal(err)
	}
	tokens, err := oauth.ParseTokenResponse(body)
	if err != nil {
		l.t.Fatal(err)
	}
	return tokens.AccessToken, 0
}

// visit calls the portal with a token and returns its status and code.
func (l *lab) visit(device, token string) (status int, code, challenge string) {
	l.t.Helper()
	c := web.Client(l.For(device))
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, conformance.Get[spec.Application, spec.ApplicationOut](l.Env, portal).Out.URL, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := web.Do(c, req)
	if err != nil {
		l.t.Fatal(err)
	}
	var said struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(reply.Body, &said); err != nil {
		l.t.Fatalf("%v: %s", err, reply.Body)
	}
	return reply.Status, said.Code, reply.Header.Get("WWW-Authenticate")
}

// TestApplicationSingleSignOn: one sign-in, looked at as far as the application.
func TestApplicationSingleSignOn(t *testing.T) {
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	app := l.portal(spec.ApplicationRequire{})
	tap := l.listen()
	v := l.expect(to(byPIN(pin)), "success")
	s := l.story("A1")

	seed.Proves(t, "COMP-25")
	seed.Proves(t, "KEY-20", "A1")
	seed.Proves(t, "PRT-18", "A1")
	seed.Proves(t, "PRT-01", "A1")
	s.phase("E").inOrder(t, "prt_cached", "explorer_started", "app_token_request", "session_signature_verified", "access_token_issued", "response_sealed", "app_token", "app_request", "access_granted", "app_answered")
	if v.Phase != "E" || v.Claims["aud"] != app.Resource || v.Claims["scp"] != "user_impersonation" || v.Claims["deviceid"] != conformance.Get[spec.Device, spec.DeviceOut](l.Env, laptop).Out.DeviceID {
		t.Errorf("verdict %+v", v)
	}
	if amr := texts(v.Claims["amr"]); !slices.Contains(amr, oauth.AMRMFA) || slices.Contains(amr, oauth.AMRPassword) {
		t.Errorf("amr %v", amr)
	}
	// Everything the application answered was to a token, and the token it took came from the tenant.
	calls := 0
	for _, x := range tap.exchanges() {
		if x.request.URL.Host == app.Host || x.request.Host == app.Host {
			calls++
			if x.bearer() == "" {
				t.Error("the application was called without a token")
			}
		}
	}
	if calls != 1 {
		t.Errorf("%d calls of the application", calls)
	}
	for token, want := range map[string]string{"": "token_missing", "x": "token_malformed", l.prtOf(laptop, "ngc").Token: "token_malformed"} {
		if status, code, challenge := l.visit(laptop, token); status != http.StatusUnauthorized || code != want || !strings.Contains(challenge, app.Resource) {
			t.Errorf("%.10q: %d %s %s", token, status, code, challenge)
		}
	}
	status, err := l.windows.Status(l.For(laptop), laptop, alice)
	if err != nil || !status.PRT || !strings.Contains(status.Text(), "AzureAdPrt : YES") {
		t.Errorf("%+v, %v", status, err)
	}
	// A token for another resource is none here.
	graphToken, err2 := l.graphToken()
	if status, code, _ := l.visit(laptop, graphToken); err2 != nil || status != http.StatusUnauthorized || code != "token_audience" {
		t.Errorf("token for Graph: %d %s, %v", status, code, err2)
	}
}

// graphToken is alice's own token for Graph.
func (l *lab) graphToken() (string, error) {
	reply := l.tokenEndpoint(l.t, laptop, oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzurePowerShell, Resource: oauth.ResourceGraph, Username: "alice@contoso.com", Password: password})
	r, err := oauth.ParseTokenResponse(reply.Body)
	if err != nil {
		return "", err
	}
	return r.AccessToken, nil
}

func TestApplicationThatDemandsMFA(t *testing.T) {
	seed.Proves(t, "POL-10", "A1")
	seed.Proves(t, "PRT-10", "A1")
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.portal(spec.ApplicationRequire{MFA: true})
	hello := l.expect(to(byPIN(pin)), "success")
	if s := l.story("A1"); s.has("mfa_prompt") || s.has("password_prompt") {
		t.Errorf("somebody was asked\n%s", s)
	}
	if !slices.Contains(texts(hello.Claims["amr"]), oauth.AMRMFA) {
		t.Errorf("claims %v", hello.Claims)
	}
	seen := len(l.Events())
	v := l.expect(to(byPassword(password)), "mfa_required")
	if v.Reason.Code != "AADSTS50076" || v.Phase != "E" {
		t.Errorf("%+v", v)
	}
	s := story{t: t, events: l.Events()[seen:]}
	s.inOrder(t, "explorer_started", "app_token_request", "conditional_access_evaluated", "mfa_demanded", "token_refused", "mfa_prompt", "app_token_refused")
	if s.has("access_granted") || s.has("access_token_issued") {
		t.Errorf("a token was issued\n%s", s)
	}
	// Windows sign-in itself is not asked about, and neither is an application without demands.
	l.expect(byPassword(password), "success")
	l.require(spec.ApplicationRequire{})
	l.expect(to(byPassword(password)), "success")
}

func TestApplicationThatDemandsADevice(t *testing.T) {
	seed.Proves(t, "POL-11", "A1")
	seed.Proves(t, "PRT-09")
	seed.Proves(t, "PRT-07")
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.Create("device.home", spec.Device{Join: "none"})
	home := func() windows.Request {
		r := to(byPassword(password))
		r.Device = "device.home"
		return r
	}
	l.portal(spec.ApplicationRequire{})

	// Without a primary refresh token the application asks, each time.
	for range 2 {
		seen := len(l.Events())
		v := l.expect(home(), "success")
		s := story{t: t, events: l.Events()[seen:]}
		s.inOrder(t, "local_session", "credentials_prompt", "authorize_request", "password_prompt", "password_typed", "first_factor_verified", "code_issued", "app_token", "access_granted")
		if v.Claims["deviceid"] != nil || slices.Contains(texts(v.Claims["amr"]), oauth.AMRMFA) {
			t.Errorf("claims %v", v.Claims)
		}
	}
	wrong := home()
	wrong.Password = providers.Secret("wrong")
	l.expect(wrong, "wrong_password")
	l.expect(windows.Request{Device: "device.home", PIN: providers.Secret(pin), To: []string{portal}}, "device_not_joined")
	l.expect(windows.Request{Device: "device.home", Password: providers.Secret(password)}, "device_not_joined")

	// A second factor is a prompt, too, and this sign-in has a password only.
	l.require(spec.ApplicationRequire{MFA: true})
	l.expect(home(), "mfa_required")
	if !l.has("mfa_prompt") {
		t.Error("no second factor was asked for")
	}
	l.windows.Hands = func(_ windows.Prompt, has []byte) ([]byte, bool) { return has, true }
	l.expect(home(), "success")
	l.windows.Hands = nil

	l.require(spec.ApplicationRequire{JoinedDevice: true})
	v := l.expect(home(), "device_not_registered")
	if v.Reason.Code != "AADSTS50129" {
		t.Errorf("%+v", v.Reason)
	}
	l.expect(to(byPIN(pin)), "success")
	l.expect(to(byPassword(password)), "success")

	l.require(spec.ApplicationRequire{CompliantDevice: true})
	l.expect(home(), "device_not_registered")
	l.expect(to(byPIN(pin)), "device_not_compliant")
	if v := l.expect(to(byPassword(password)), "device_not_compliant"); v.Reason.Code != "AADSTS53000" {
		t.Errorf("%+v", v.Reason)
	}
	l.patchDevice(laptop, graph.Device{IsCompliant: new(true)})
	l.expect(to(byPIN(pin)), "success")
	l.expect(to(byPassword(password)), "success")
	l.expect(home(), "device_not_registered")
	// A program that has no proof of a device is told that one is needed.
	app := conformance.Get[spec.Application, spec.ApplicationOut](l.Env, portal).Out
	reply := l.tokenEndpoint(t, laptop, oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: app.ClientID, Resource: app.Resource, Username: "alice@contoso.com", Password: password})
	var e *oauth.Error
	if !errors.As(oauth.ParseError(reply.Status, reply.Body), &e) || e.Code != oauth.DeviceAuthenticationNeeded || reply.Status != http.StatusUnauthorized {
		t.Errorf("%d %s", reply.Status, reply.Body)
	}
}

func TestApplicationThatMindsRisk(t *testing.T) {
	seed.Proves(t, "POL-12", "A1")
	l := newLab(t)
	l.device("laptop")
	l.enroll()
	l.portal(spec.ApplicationRequire{MaxRisk: "low"})
	for _, c := range []struct {
		level, action  string
		hello, plainly string
	}{
		{"none", "block", "success", "success"}, {"low", "block", "success", "success"}, {"medium", "block", "access_denied", "access_denied"}, {"high", "block", "access_denied", "access_denied"},
		{"low", "mfa", "success", "success"}, {"medium", "mfa", "success", "mfa_required"}, {"high", "mfa", "success", "mfa_required"}, {"none", "mfa", "success", "success"},
	} {
		l.require(spec.ApplicationRequire{MaxRisk: "low", RiskAction: c.action})
		l.risk(c.level)
		if v := l.signIn(to(byPIN(pin))); v.Code != c.hello {
			t.Errorf("risk %s, %s, Hello: %s, want %s", c.level, c.action, v.Code, c.hello)
		}
		if v := l.signIn(to(byPassword(password))); v.Code != c.plainly {
			t.Errorf("risk %s, %s, password: %s, want %s", c.level, c.action, v.Code, c.plainly)
		}
		l.expect(byPIN(pin), "success") // the device itself is open to her
	}
	l.risk("high")
	l.require(spec.ApplicationRequire{MaxRisk: "none"})
	if v := l.expect(to(byPIN(pin)), "access_denied"); v.Reason.Code != "AADSTS53003" {
		t.Errorf("%+v", v.Reason)
	}
	// What the language says of the user reaches the tenant, and back.
	l.Update(alice, spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret(password), Risk: "medium"})
	if rec, err := l.Read(t.Context(), alice); err != nil || rec.In.GetAttr("risk").AsString() != "medium" {
		t.Errorf("risk reads %#v, %v", rec.In.GetAttr("risk"), err)
	}
}

// A personal device is known to the tenant and joined to nothing: what wants a
// joined device refuses it, and what wants a compliant one asks management.
func TestPersonalDeviceAtApplications(t *testing.T) {
	seed.Proves(t, "POL-11", "A1")
	l := newLab(t)
	l.own()
	l.Advance(codeAge)
	l.Create(personal, work(alice, ownerPIN))
	l.portal(spec.ApplicationRequire{MFA: true})
	if v := l.expect(to(onPhone(ownerPIN)), "success"); v.Claims["deviceid"] != conformance.Get[spec.Device, spec.DeviceOut](l.Env, phonepc).Out.DeviceID {
		t.Errorf("claims %v", v.Claims)
	}
	l.require(spec.ApplicationRequire{JoinedDevice: true})
	if v := l.expect(to(onPhone(ownerPIN)), "device_not_joined_app"); v.Reason.Code != "AADSTS53001" {
		t.Errorf("%+v", v.Reason)
	}
	l.require(spec.ApplicationRequire{CompliantDevice: true})
	l.expect(to(onPhone(ownerPIN)), "device_not_compliant")
	l.patchDevice(phonepc, graph.Device{IsCompliant: new(true)})
	l.expect(to(onPhone(ownerPIN)), "success")
}
