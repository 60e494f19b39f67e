package application_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/wire/sas"
	"hellolab/providers/wire/web"
)

const password = "correct horse battery staple"

// browser is a person at a browser: it keeps cookies, follows redirects within
// the lab, and fills in the tenant's pages.
type browser struct {
	t      *testing.T
	env    *conformance.Env
	http   *http.Client
	cookie map[string]*http.Cookie // by host
	totp   []byte
	asked  []string // pages of the tenant
}

func newBrowser(t *testing.T, e *conformance.Env) *browser {
	t.Helper()
	b := &browser{t: t, env: e, http: web.Client(e.For(contoso)), cookie: map[string]*http.Cookie{}}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// send sends one request and follows where it leads, to the page that ends it.
func (b *browser) send(req *http.Request) (*http.Request, web.Reply) {
	b.t.Helper()
	for range 8 {
		if c := b.cookie[req.URL.Host]; c != nil {
			req.AddCookie(c)
		}
		req.Header.Set("Accept", "text/html")
		resp, err := web.Do(b.http, req)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range (&http.Response{Header: resp.Header}).Cookies() {
			if b.cookie[req.URL.Host] = c; c.MaxAge < 0 {
				delete(b.cookie, req.URL.Host)
			}
		}
		if resp.Status != http.StatusFound {
			return req, resp
		}
		if req, err = http.NewRequestWithContext(b.t.Context(), http.MethodGet, resp.Header.Get("Location"), nil); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Fatal("redirects without end")
	return nil, web.Reply{}
}

func (b *browser) form(target string, v url.Values) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, target, strings.NewReader(v.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func (b *browser) auth(target string, r sas.AuthRequest) *sas.AuthReply {
	b.t.Helper()
	req, err := web.NewJSON(b.t.Context(), http.MethodPost, target, r)
	if err != nil {
		b.t.Fatal(err)
	}
	reply, err := web.Do(b.http, req)
	if err != nil {
		b.t.Fatal(err)
	}
	a, err := sas.ParseAuthReply(reply.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// visit opens a page and signs in where the tenant asks.
func (b *browser) visit(at string) (host string, reply web.Reply) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, at, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.asked = nil
	for range 4 {
		last, reply := b.send(req)
		page, err := sas.ParsePage(reply.Body)
		if err != nil {
			return last.URL.Host, reply
		}
		b.asked = append(b.asked, page.PageID)
		switch page.PageID {
		case sas.PageSignIn:
			req = b.form(page.URLPost, sas.Login{Login: "alice@contoso.com", Password: password, Ctx: page.Ctx, FlowToken: page.FlowToken}.Form())
		case sas.PageTFA:
			begun := b.auth(page.URLBeginAuth, sas.AuthRequest{Method: sas.MethodBegin, AuthMethodID: sas.MethodAppOTP, FlowToken: page.FlowToken, Ctx: page.Ctx})
			ended := b.auth(page.URLEndAuth, sas.AuthRequest{Method: sas.MethodEnd, AuthMethodID: sas.MethodAppOTP, FlowToken: begun.FlowToken, Ctx: begun.Ctx, AdditionalAuthData: sas.TOTP(b.totp, b.env.Now())})
			req = b.form(page.URLPost, sas.ProcessAuth{Request: ended.Ctx, MFAAuthMethod: sas.MethodAppOTP, FlowToken: ended.FlowToken}.Form())
		default:
			return last.URL.Host, reply
		}
	}
	b.t.Fatal("pages without end")
	return "", web.Reply{}
}

// A browser signs in at the tenant's page, and ends at the application.
func TestBrowserAtTheTenant(t *testing.T) {
	e := newLab(t)
	e.Create("user.alice", spec.User{UPN: "alice@contoso.com", Tenant: contoso, Password: providers.Secret(password)})
	e.Create("application.portal", spec.Application{Tenant: contoso, CAE: true})
	app := conformance.Get[spec.Application, spec.ApplicationOut](e, "application.portal").Out
	b := newBrowser(t, e)
	var err error
	if b.totp, err = sas.ParseTOTPSecret(conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out.TOTPSecret); err != nil {
		t.Fatal(err)
	}
	ends := func(status int, words ...string) {
		t.Helper()
		host, reply := b.visit(app.URL)
		if host != app.Host || reply.Status != status {
			t.Errorf("ended at %s: %d %s", host, reply.Status, reply.Body)
		}
		for _, w := range words {
			if !strings.Contains(string(reply.Body), w) {
				t.Errorf("no %q in %s", w, reply.Body)
			}
		}
	}
	ends(http.StatusOK, "alice@contoso.com", "none was proved", "pwd")
	if got := strings.Join(b.asked, " "); got != sas.PageSignIn {
		t.Errorf("pages %s", got)
	}
	if len(b.cookie) != 0 {
		t.Errorf("cookies stay: %v", b.cookie)
	}

	e.Update("application.portal", spec.Application{Tenant: contoso, Require: &spec.ApplicationRequire{MFA: true}})
	ends(http.StatusOK, "alice@contoso.com", "mfa")
	if got := strings.Join(b.asked, " "); got != sas.PageSignIn+" "+sas.PageTFA {
		t.Errorf("pages %s", got)
	}
	e.Update("application.portal", spec.Application{Tenant: contoso, Require: &spec.ApplicationRequire{JoinedDevice: true}})
	ends(http.StatusForbidden, "AADSTS50129", "sign_in_refused")
	e.Update("application.portal", spec.Application{Tenant: contoso, Require: &spec.ApplicationRequire{MaxRisk: "none"}})
	e.Update("user.alice", spec.User{UPN: "alice@contoso.com", Tenant: contoso, Password: providers.Secret(password), Risk: "low"})
	ends(http.StatusForbidden, "AADSTS53003")
	e.Update("user.alice", spec.User{UPN: "alice@contoso.com", Tenant: contoso, Password: providers.Secret(password)})
	e.Advance(time.Hour)
	ends(http.StatusOK, "alice@contoso.com")
}
