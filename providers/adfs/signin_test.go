package adfs_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/event"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/filetime"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/sas"
)

func withFactor(q url.Values) { q.Set("amr_values", "ngcmfa") }

// The service's rule demands a second factor or waives it, and the decision is
// told (P2-02).
func TestFactorRule(t *testing.T) {
	for _, tt := range []struct {
		name          string
		rule, adapter string
		asked         bool
		challenged    bool
		refused       bool
		told          string
	}{
		{"on request, asked", spec.MFAOnRequest, spec.AdapterBuiltin, true, true, false, "mfa_demanded"},
		{"on request, not asked", spec.MFAOnRequest, spec.AdapterBuiltin, false, false, false, "mfa_not_demanded"},
		{"always", spec.MFAAlways, spec.AdapterBuiltin, false, true, false, "mfa_demanded"},
		{"never, asked", spec.MFANever, spec.AdapterBuiltin, true, false, false, "mfa_waived"},
		{"never", spec.MFANever, spec.AdapterBuiltin, false, false, false, "mfa_not_demanded"},
		{"third party's adapter", spec.MFAOnRequest, spec.AdapterThirdParty, true, true, false, "mfa_demanded"},
		{"no adapter, asked", spec.MFAOnRequest, spec.AdapterNone, true, false, true, "authorization_refused!"},
		{"no adapter", spec.MFAOnRequest, spec.AdapterNone, false, false, false, "mfa_not_demanded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, func(f *spec.Federation) { f.MFARule, f.MFA = tt.rule, tt.adapter })
			since := len(l.Events())
			var change []func(url.Values)
			if tt.asked {
				change = append(change, withFactor)
			}
			reply := l.login(l.authorize(change...))
			if tt.challenged {
				p, _ := l.page(reply)
				if want := map[string]string{spec.AdapterBuiltin: wire.MethodTOTP, spec.AdapterThirdParty: wire.MethodPartner}[tt.adapter]; p.Method != want {
					t.Fatalf("the adapter's page: %+v", p)
				}
				reply = l.code(reply)
			}
			if got := l.location(reply); (got.Get("error") != "") != tt.refused {
				t.Errorf("%v", got)
			}
			steps := l.steps(since)
			if !has(steps, tt.told) || tt.challenged != has(steps, "mfa_challenged", "mfa_verified", "code_issued") {
				t.Errorf("told: %v", steps)
			}
			if tt.adapter == spec.AdapterThirdParty && !slices.ContainsFunc(l.Events()[since:], func(e event.Event) bool {
				return e.Actor == event.MFAAdapter && strings.HasPrefix(e.Text, "Another vendor's adapter")
			}) {
				t.Error("the trace does not tell whose adapter it is")
			}
		})
	}
}

// A token after a second factor says so, and when; ngcmfa only while it is
// current (P6-03).
func TestFactorClaims(t *testing.T) {
	l := newLab(t)
	l.Advance(time.Minute)
	reply := l.login(l.authorize(withFactor, func(q url.Values) {
		q.Set("client_id", oauth.ClientProvisioning)
		q.Set("redirect_uri", oauth.NativeRedirect(oauth.ClientProvisioning))
		q.Set("scope", "")
		q.Set("resource", wire.ResourceDRS(host))
	}))
	l.Advance(20 * time.Second)
	reply = l.code(reply)
	u, err := url.Parse(reply.Header.Get("Location"))
	l.must(err)
	form := oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, ClientID: oauth.ClientProvisioning, RedirectURI: oauth.NativeRedirect(oauth.ClientProvisioning), Code: u.Query().Get("code"), CodeVerifier: verifier}
	tokens, err := l.tokens(form.Form())
	l.must(err)
	c := claims[wire.Claims](l, tokens.AccessToken)
	if strings.Join(c.AMR, " ") != "pwd mfa ngcmfa" || c.AuthTime != l.Now().Unix() || c.Audience != wire.ResourceDRS(host) || c.MethodReferences != wire.MethodMultiple {
		t.Errorf("%+v", c)
	}
	l.Advance(10*time.Minute + time.Second)
	tokens, err = l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientProvisioning, RefreshToken: tokens.RefreshToken, Resource: wire.ResourceDRS(host)}.Form())
	l.must(err)
	if c := claims[wire.Claims](l, tokens.AccessToken); strings.Join(c.AMR, " ") != "pwd mfa" {
		t.Errorf("later: %+v", c)
	}
	_, err = l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: oauth.ClientProvisioning, RefreshToken: tokens.RefreshToken, Resource: wire.ResourceDRS(host), AMRValues: "ngcmfa"}.Form())
	if !errors.Is(err, &wire.Error{OAuth: wire.InteractionRequired, Code: wire.CodeInteraction}) {
		t.Errorf("a fresh second factor silently: %v", err)
	}
}

func TestCodesOfTheAdapter(t *testing.T) {
	l := newLab(t)
	begin := func() (p *wire.Page, try func(code string) *wire.Page) {
		reply := l.login(l.authorize(withFactor))
		return nil, func(code string) *wire.Page {
			answer := l.fill(reply, map[string]string{wire.FieldCode: code})
			if answer.Status == http.StatusFound {
				return nil
			}
			p, _ := l.page(answer)
			return p
		}
	}
	_, try := begin()
	if p := try("000000"); p == nil || p.Error == "" || p.Method != wire.MethodTOTP {
		t.Errorf("a wrong code: %+v", p)
	}
	good := sas.TOTP(totp, l.Now())
	if p := try(good); p != nil {
		t.Fatalf("the right code: %+v", p)
	}
	_, try = begin()
	if p := try(good); p == nil || !strings.Contains(p.Error, "used before") {
		t.Errorf("the code again: %+v", p)
	}
	l.Advance(time.Minute)
	for range 10 {
		try("000000")
	}
	if p := try(sas.TOTP(totp, l.Now())); p == nil || !strings.Contains(p.Error, "locked") {
		t.Errorf("after ten wrong codes: %+v", p)
	}
	l.must(l.admin().DeleteAccount(t.Context(), l.For(service), alice))
	if got := l.location(l.login(l.authorize(withFactor))); got.Get("error") != wire.AccessDenied {
		t.Errorf("without a second factor: %v", got)
	}
}

func TestAccountsRefused(t *testing.T) {
	l := newLab(t)
	user := func(name string, change func(*spec.User)) string {
		u := spec.User{UPN: name + "@corp.contoso.com", Domain: corp, Password: []byte(password)}
		if change != nil {
			change(&u)
		}
		l.Create("user."+name, u)
		return u.UPN
	}
	disabled := "disabled@corp.contoso.com"
	l.Create("user.disabled", l.With("user", spec.User{UPN: disabled, Domain: corp, Password: []byte(password)}, "enabled_in_domain", cty.False))
	expired := user("expired", func(u *spec.User) { u.PasswordExpired = true })
	user("bob", nil)
	for _, tt := range []struct{ name, password, code, says string }{
		{alice, "wrong", wire.CodeCredentials, "Invalid"},
		{"nobody@contoso.com", password, wire.CodeCredentials, "Invalid"},
		{`OTHER\alice`, password, wire.CodeCredentials, "Invalid"},
		{`CORP\bob`, password, "", ""},
		{"bob@corp.contoso.com", password, "", ""},
		{"alice*", password, wire.CodeCredentials, "Invalid"}, // fault 84
		{"a)(objectClass=*", password, wire.CodeCredentials, "Invalid"},
		{disabled, password, wire.CodeAccountValidation, "disabled"},
		{expired, password, wire.CodeAccountValidation, "must be changed"},
	} {
		_, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: tt.name, Password: tt.password}.Form())
		var e *wire.Error
		if (err != nil) != (tt.code != "") || err != nil && (!errors.As(err, &e) || e.OAuth != wire.InvalidGrant || e.Code != tt.code || !strings.Contains(e.Sentence, tt.says)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		reply := l.fill(l.authorize(), map[string]string{wire.FieldUserName: tt.name, wire.FieldPassword: tt.password})
		if tt.code == "" {
			l.location(reply)
		} else if p, _ := l.page(reply); !strings.Contains(p.Error, tt.says) || p.Method != wire.MethodForms {
			t.Errorf("%s: the page says %q", tt.name, p.Error)
		}
	}
	if strings.Contains(l.Logged(), password) {
		t.Error("a password was logged")
	}
	for _, e := range l.Events() {
		if strings.Contains(e.Text, password) {
			t.Errorf("a password was told: %+v", e)
		}
	}
}

// A member of the domain signs in with a ticket, and is asked for nothing.
func TestNegotiate(t *testing.T) {
	l := newLab(t)
	header := l.negotiate(t.Context(), "alice", password)
	reply := l.get(l.url(wire.PathAuthorize)+"?"+authorization().Encode(), header)
	tokens, err := l.tokens(redeem(l.location(reply).Get("code")))
	l.must(err)
	if c := claims[wire.Claims](l, tokens.AccessToken); strings.Join(c.AMR, " ") != "wia" || c.AuthMethod != wire.MethodWindows {
		t.Errorf("%+v", c)
	}
	if reply.Header.Get("WWW-Authenticate") == "" {
		t.Error("the service did not prove itself")
	}
	// Fault 60: the same token again.
	if got := l.location(l.get(l.url(wire.PathAuthorize)+"?"+authorization().Encode(), header)); got.Get("error") != wire.AccessDenied {
		t.Errorf("a token again: %v", got)
	}
	// Who says that it can is offered it, beside the page.
	reply = l.get(l.url(wire.PathAuthorize)+"?"+authorization().Encode(), http.Header{"User-Agent": {wire.AgentWindows + " (Windows)"}})
	if p, _ := l.page(reply); reply.Status != http.StatusUnauthorized || reply.Header.Get("WWW-Authenticate") != "Negotiate" || p.Method != wire.MethodForms {
		t.Errorf("HTTP status %d, %v", reply.Status, reply.Header)
	}
	if reply := l.authorize(); reply.Status != http.StatusOK || reply.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("another client: HTTP status %d", reply.Status)
	}
	header = l.negotiate(t.Context(), "alice", password)
	if p, _ := l.page(l.get(l.url(wire.PathAuthorize)+"?"+authorization(func(q url.Values) { q.Set("prompt", "login") }).Encode(), header)); p.Method != wire.MethodForms {
		t.Errorf("prompt=login: %+v", p)
	}
}

func TestDeviceCode(t *testing.T) {
	l := newLab(t)
	start := func() *oauth.DeviceAuthorization {
		reply := l.post(l.url(wire.PathDeviceCode)+"/", url.Values{"client_id": {appID}, "scope": {"openid"}})
		d, err := oauth.ParseDeviceAuthorization(reply.Body)
		l.must(err)
		return d
	}
	poll := func(d *oauth.DeviceAuthorization) (*oauth.TokenResponse, error) {
		return l.tokens(oauth.TokenRequest{GrantType: oauth.GrantDeviceCode, ClientID: appID, DeviceCode: d.DeviceCode}.Form())
	}
	enter := func(d *oauth.DeviceAuthorization, answer string) *wire.Page {
		reply := l.fill(l.get(d.VerificationURI, nil), map[string]string{wire.FieldUserCode: strings.ToLower(d.UserCode[:4]) + "-" + d.UserCode[4:]})
		p, _ := l.page(l.fill(l.login(reply), map[string]string{wire.FieldAnswer: answer}))
		return p
	}
	d := start()
	if _, err := poll(d); !errors.Is(err, &wire.Error{OAuth: wire.AuthorizationPending}) {
		t.Errorf("before: %v", err)
	}
	if p := enter(d, wire.AnswerContinue); p.Done == "" {
		t.Errorf("%+v", p)
	}
	tokens, err := poll(d)
	l.must(err)
	if id := claims[wire.IDClaims](l, tokens.IDToken); id.UPN != alice {
		t.Errorf("%+v", id)
	}
	if _, err := poll(d); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant}) {
		t.Errorf("again: %v", err)
	}
	d = start()
	enter(d, "cancel")
	if _, err := poll(d); !errors.Is(err, &wire.Error{OAuth: wire.AuthorizationDeclined}) {
		t.Errorf("declined: %v", err)
	}
	d = start()
	l.Advance(16 * time.Minute)
	if _, err := poll(d); !errors.Is(err, &wire.Error{OAuth: wire.ExpiredToken}) {
		t.Errorf("late: %v", err)
	}
	if p, _ := l.page(l.fill(l.get(d.VerificationURI, nil), map[string]string{wire.FieldUserCode: "nonsense"})); p.Error == "" || p.Method != wire.MethodDevice {
		t.Errorf("no code: %+v", p)
	}
}

// What the domain decides of an account holds at AD FS, too.
func TestLockedAndExpired(t *testing.T) {
	l := newLab(t)
	c := l.domain()
	e, err := c.First(ldapmsg.EqualTo("userPrincipalName", alice))
	l.must(err)
	says := func(want string) {
		t.Helper()
		_, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: alice, Password: password}.Form())
		if !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeAccountValidation}) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	l.must(c.Replace(e.DN, adldap.Attributes{"userAccountControl": {"528"}})) // locked out
	says("locked out")
	l.must(c.Replace(e.DN, adldap.Attributes{"userAccountControl": {"512"}}))
	l.Advance(42 * 24 * time.Hour)
	says("the password has expired")
	l.must(c.Replace(e.DN, adldap.Attributes{"accountExpires": {strconv.FormatUint(filetime.From(l.Now().Add(-time.Hour)), 10)}}))
	says("the account has expired")
}
