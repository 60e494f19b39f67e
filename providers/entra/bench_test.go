package entra

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const (
	contoso  = "tenant.contoso"
	password = "correct horse battery staple"
	aliceUPN = "alice@contoso.com"
	bobUPN   = "bob@contoso.com"
)

// bench is a tenant and a client of it that can do everything a device does,
// with keys in memory, and everything wrong that a peer could.
type bench struct {
	*conformance.Env
	t        testing.TB
	addr     string
	out      spec.TenantOut
	http     *http.Client
	admin    *graph.Client
	totp     map[string][]byte // by UPN
	anchored bool              // users get an ImmutableID: the tenant is federated
	word     string            // for the tenant in paths of the token service; "" is its id
}

func newBench(t testing.TB, change ...func(*spec.Tenant)) *bench {
	t.Helper()
	e := conformance.NewEnv(t, Types()...)
	return benchOf(t, e, contoso, "contoso.com", change...)
}

func benchOf(t testing.TB, e *conformance.Env, addr, domain string, change ...func(*spec.Tenant)) *bench {
	t.Helper()
	in := spec.Tenant{Domains: []string{domain}}
	for _, c := range change {
		c(&in)
	}
	e.Create(addr, in)
	b := &bench{Env: e, t: t, addr: addr, out: conformance.Get[spec.Tenant, spec.TenantOut](e, addr).Out, anchored: in.Federation != "", http: web.Client(e.For(addr)), totp: map[string][]byte{}}
	t.Cleanup(b.http.CloseIdleConnections)
	b.signInAdmin()
	b.user("alice@" + domain)
	b.user("bob@" + domain)
	return b
}

func attestation(mode string) func(*spec.Tenant) {
	return func(in *spec.Tenant) { in.Attestation = mode }
}

// signInAdmin gets a token for Graph, anew where the clock ran past the last.
func (b *bench) signInAdmin() {
	b.t.Helper()
	c, err := graph.SignIn(b.t.Context(), b.For(b.addr), graph.Tenant{ID: b.out.TenantID, LoginHost: b.out.LoginHost, GraphHost: b.out.GraphHost,
		ClientID: b.out.AdminClientID, ClientSecret: b.out.AdminSecret})
	b.must(err)
	b.t.Cleanup(c.Close)
	b.admin = c
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// user makes an account with a password and an authenticator app.
func (b *bench) user(upn string) string {
	b.t.Helper()
	in := graph.User{UserPrincipalName: upn, PasswordProfile: &graph.PasswordProfile{Password: password}}
	if b.anchored {
		in.ImmutableID = anchorOf(upn)
	}
	u, err := graph.Post[graph.User](b.t.Context(), b.admin, in, "users")
	b.must(err)
	m, err := graph.Post[graph.SoftwareOathMethod](b.t.Context(), b.admin, struct{}{}, "users", u.ID, "authentication", "softwareOathMethods")
	b.must(err)
	b.totp[upn], err = sas.ParseTOTPSecret(m.SecretKey)
	b.must(err)
	return u.ID
}

func (b *bench) patchUser(upn string, u graph.User) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), u, "users", upn))
}

func (b *bench) lookup(upn string) *graph.User {
	b.t.Helper()
	u, err := graph.Get[graph.User](b.t.Context(), b.admin, "users", upn)
	b.must(err)
	return u
}

func (b *bench) enable(d *testDevice, on bool) {
	b.t.Helper()
	b.must(b.admin.Patch(b.t.Context(), graph.Device{AccountEnabled: &on}, fmt.Sprintf("devices(deviceId='%s')", d.id)))
}

func (b *bench) login(path string) string {
	return "https://" + b.out.LoginHost + "/" + cmp.Or(b.word, b.out.TenantID) + path
}

func (b *bench) send(req *http.Request) web.Reply {
	b.t.Helper()
	reply, err := web.Do(b.http, req)
	b.must(err)
	return reply
}

func (b *bench) form(target string, v url.Values) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, target, strings.NewReader(v.Encode()))
	b.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// token asks the v1 token endpoint.
func (b *bench) token(r oauth.TokenRequest) (*oauth.TokenResponse, error) {
	b.t.Helper()
	reply := b.send(b.form(b.login("/oauth2/token"), r.Form()))
	if reply.Status != http.StatusOK {
		return nil, oauth.ParseError(reply.Status, reply.Body)
	}
	return oauth.ParseTokenResponse(reply.Body)
}

func (b *bench) nonce() string {
	b.t.Helper()
	reply := b.send(b.form(b.login("/oauth2/token"), oauth.TokenRequest{GrantType: oauth.GrantServerChallenge}.Form()))
	var n oauth.NonceResponse
	b.must(reply.JSON(&n))
	return n.Nonce
}

// want compares a refusal's code. 0 wants none.
func want(t testing.TB, err error, code oauth.Code) {
	t.Helper()
	if code == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *oauth.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("err = %v, want %s", err, code.ID())
	}
}

func wantDRS(t testing.TB, err error, subcode string) {
	t.Helper()
	if subcode == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !drs.HasSubcode(err, subcode) {
		t.Errorf("err = %v (%+v), want %s", err, err, subcode)
	}
}

// interactive is one sign-in at the tenant's page.
type interactive struct {
	upn, password string
	client        string
	resource      string
	fresh         bool
	otp           func() string    // nil: the right one
	push          func(number int) // answers the notification, which then is asked for instead of a code
	header        http.Header
	redirect      string
	verifier      string
	authorize     func(*oauth.AuthorizeRequest)
	visit         func(*url.URL) *http.Request // what another site answers the browser with; nil: it is the client's
}

const codeVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func (b *bench) page(i interactive) interactive {
	if i.upn == "" {
		i.upn = aliceUPN
	}
	if i.password == "" {
		i.password = password
	}
	if i.client == "" {
		i.client = oauth.ClientBroker
	}
	if i.resource == "" {
		i.resource = oauth.ResourceDRS
	}
	if i.redirect == "" {
		i.redirect = oauth.NativeRedirect(i.client)
	}
	if i.verifier == "" {
		i.verifier = codeVerifier
	}
	if i.otp == nil {
		i.otp = func() string { return sas.TOTP(b.totp[i.upn], b.Now()) }
	}
	return i
}

// code goes through the pages to a code.
func (b *bench) code(i interactive) (string, error) {
	b.t.Helper()
	i = b.page(i)
	ask := oauth.AuthorizeRequest{ResponseType: "code", ClientID: i.client, RedirectURI: i.redirect, Resource: i.resource, LoginHint: i.upn,
		CodeChallenge: oauth.Challenge(i.verifier), CodeChallengeMethod: "S256", State: "st&te"}
	if i.fresh {
		ask.AMRValues = oauth.AMRNGCMFA
	}
	if i.authorize != nil {
		i.authorize(&ask)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.login("/oauth2/authorize?")+ask.Query().Encode(), nil)
	b.must(err)
	for name, v := range i.header {
		req.Header[name] = v
	}
	for asked := false; ; {
		reply := b.send(req)
		if reply.Status == http.StatusFound {
			u, err := req.URL.Parse(reply.Header.Get("Location"))
			b.must(err)
			if u.Path == req.URL.Path && u.Query().Get("sso_nonce") != "" { // a browser goes there with the same headers
				req.URL = u
				continue
			}
			if i.visit != nil {
				if next := i.visit(u); next != nil {
					req = next
					continue
				}
			}
			if e := u.Query().Get("error_codes"); e != "" {
				var n int
				_, _ = fmt.Sscan(e, &n)
				return "", oauth.NewError(oauth.Code(n))
			}
			if u.Query().Get("state") != ask.State {
				b.t.Errorf("state %q came back", u.Query().Get("state"))
			}
			return u.Query().Get("code"), nil
		}
		page, err := sas.ParsePage(reply.Body)
		b.must(err)
		if page.ErrorCode != "" {
			var n int
			_, _ = fmt.Sscan(page.ErrorCode, &n)
			return "", oauth.NewError(oauth.Code(n))
		}
		switch {
		case page.PageID == sas.PageSignIn && !asked:
			asked = true
			req = b.form(page.URLPost, sas.Login{Login: i.upn, Password: i.password, Ctx: page.Ctx, FlowToken: page.FlowToken, Canary: page.Canary}.Form())
		case page.PageID == sas.PageTFA:
			method, answer := sas.MethodAppOTP, ""
			if i.push != nil {
				method = sas.MethodAppNotification
			}
			begun := b.auth(page.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: method, FlowToken: page.FlowToken, Ctx: page.Ctx})
			if i.push != nil {
				i.push(begun.Entropy)
			} else {
				answer = i.otp()
			}
			ended := b.auth(page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: method, FlowToken: begun.FlowToken, Ctx: begun.Ctx,
				SessionID: begun.SessionID, AdditionalAuthData: answer, PollCount: 1})
			if !ended.Success {
				return "", fmt.Errorf("%s: %w", ended.ResultValue, oauth.NewError(oauth.Code(ended.ErrCode)))
			}
			req = b.form(page.URLPost, sas.ProcessAuth{Request: ended.Ctx, MFAAuthMethod: method, Login: i.upn, FlowToken: ended.FlowToken, Canary: page.Canary}.Form())
		default:
			b.t.Fatalf("page %s", page.PageID)
		}
	}
}

func (b *bench) auth(target string, r sas.AuthRequest) *sas.AuthReply {
	b.t.Helper()
	req, err := web.NewJSON(b.t.Context(), http.MethodPost, target, r)
	b.must(err)
	a, err := sas.ParseAuthReply(b.send(req).Body)
	b.must(err)
	return a
}

func (b *bench) redeem(code string, i interactive) (*oauth.TokenResponse, error) {
	b.t.Helper()
	i = b.page(i)
	return b.token(oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: i.client, Code: code, RedirectURI: i.redirect, CodeVerifier: i.verifier})
}

// signIn goes through the pages to tokens.
func (b *bench) signIn(i interactive) (*oauth.TokenResponse, error) {
	b.t.Helper()
	code, err := b.code(i)
	if err != nil {
		return nil, err
	}
	return b.redeem(code, i)
}
