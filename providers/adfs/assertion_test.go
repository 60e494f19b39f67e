package adfs_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/fedmeta"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/member"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/wstrust"
)

const tenant = "tenant.contoso"

// federated is a lab whose tenant is federated with the service.
func (l *lab) federated() *lab {
	l.tb.Helper()
	l.Create(tenant, spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "federated", Federation: service})
	return l
}

// trust is what Entra ID knows of the service: what its metadata says.
func (l *lab) trust() *saml.Trust {
	l.tb.Helper()
	m, err := fedmeta.Parse(l.get(l.url(wire.PathFederationMetadata), nil).Body)
	l.must(err)
	return &saml.Trust{Issuer: m.Issuer, Audience: saml.AudienceMicrosoftOnline, Certificates: m.Signing}
}

// request asks for a security token by message.
func (l *lab) request(v wstrust.Version, path string, header http.Header, change ...func(*wstrust.Request)) (*saml.Assertion, error) {
	l.tb.Helper()
	r := &wstrust.Request{Version: v, MessageID: "urn:uuid:5b4d1d0a-7c3c-4c0c-9b0a-0a0a0a0a0a0a", To: l.url(path), AppliesTo: saml.AudienceMicrosoftOnline, Username: alice, Password: password,
		Created: l.Now(), Expires: l.Now().Add(5 * time.Minute)}
	if header != nil {
		r.Username, r.Password = "", ""
	}
	for _, c := range change {
		c(r)
	}
	h := http.Header{"Content-Type": {"application/soap+xml; charset=utf-8"}, "Soapaction": {v.Action()}}
	for name, value := range header {
		h[name] = value
	}
	reply := l.send(http.MethodPost, l.url(path), r.Marshal(), h)
	if reply.Status == http.StatusUnauthorized {
		return nil, errors.New("unauthorized")
	}
	resp, err := wstrust.ParseResponse(reply.Body)
	if err != nil {
		return nil, err
	}
	return l.trust().Verify(resp.Assertion, l.Now())
}

func (l *lab) domain() *adldap.Conn {
	l.tb.Helper()
	d := conformance.Get[spec.Domain, spec.DomainOut](l.Env, corp).Out
	account, _, _ := strings.Cut(d.AdminUPN, "@")
	c, err := adldap.SignIn(l.tb.Context(), l.For(service), adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: account, Password: d.AdminPassword})
	l.must(err)
	l.tb.Cleanup(c.Close)
	return c
}

func immutableID(e *adldap.Entry) string {
	raw := e.GUID.Windows()
	return base64.StdEncoding.EncodeToString(raw[:])
}

func TestUserNameMixed(t *testing.T) {
	l := newLab(t).federated()
	e, err := l.domain().First(ldapmsg.EqualTo("userPrincipalName", alice))
	l.must(err)
	for v, path := range map[wstrust.Version]string{wstrust.Trust13: wire.PathUserNameMixed, wstrust.Trust2005: wire.PathUserNameMixed2005} {
		a, err := l.request(v, path, nil)
		l.must(err)
		if a.NameID != immutableID(e) || a.Value(saml.ClaimImmutableID) != a.NameID || a.Value(saml.ClaimUPN) != alice || a.Method != saml.MethodPassword ||
			a.Has(saml.ClaimMethods, saml.MethodMultiple) || a.Value(saml.ClaimInside) != "true" || a.NotOnOrAfter.Sub(a.NotBefore) != time.Hour {
			t.Errorf("%+v", a)
		}
		for name, tt := range map[string]struct {
			change  func(*wstrust.Request)
			subcode string
		}{
			"wrong password":  {func(r *wstrust.Request) { r.Password = "wrong" }, "FailedAuthentication"},
			"nobody":          {func(r *wstrust.Request) { r.Username = "nobody@contoso.com" }, "FailedAuthentication"},
			"no user":         {func(r *wstrust.Request) { r.Username, r.Password = "", "" }, "FailedAuthentication"},
			"another realm":   {func(r *wstrust.Request) { r.AppliesTo = "urn:other" }, "InvalidScope"},
			"old timestamp":   {func(r *wstrust.Request) { r.Created, r.Expires = r.Created.Add(-time.Hour), r.Expires.Add(-time.Hour) }, "InvalidSecurity"},
			"another edition": {func(r *wstrust.Request) { r.Version = wstrust.Trust13 + wstrust.Trust2005 - r.Version }, "InvalidRequest"},
		} {
			_, err := l.request(v, path, nil, tt.change)
			var f *soap.Fault
			if !errors.As(err, &f) || f.Subcode.Local != tt.subcode {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// Fault 88: a message with a document type, and one that is none.
	for _, body := range []string{`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>`, "<x/>", "", strings.Repeat("<a>", 10_000)} {
		if reply := l.send(http.MethodPost, l.url(wire.PathUserNameMixed), []byte(body), nil); reply.Status != http.StatusBadRequest {
			t.Errorf("%.20q: HTTP status %d", body, reply.Status)
		}
	}
}

// A computer of the domain gets an assertion that lets it register itself; it is
// known by its ticket.
func TestWindowsTransport(t *testing.T) {
	l := newLab(t).federated()
	pc := &member.Account{Host: "pc1.corp.contoso.com", Password: "Aa1-machine password"}
	e, err := pc.Join(l.domain())
	l.must(err)
	for v, path := range map[wstrust.Version]string{wstrust.Trust13: wire.PathWindowsTransport, wstrust.Trust2005: wire.PathWindowsTrans2005} {
		a, err := l.request(v, path, l.negotiate(t.Context(), "PC1$", pc.Password))
		l.must(err)
		if a.Value(saml.ClaimAccountType) != saml.AccountComputer || a.Value(saml.ClaimObjectGUID) != immutableID(e) || !strings.HasPrefix(a.Value(saml.ClaimPrimarySID), "S-1-5-21-") ||
			a.Value(saml.ClaimImmutableID) != immutableID(e) || a.Method != saml.MethodWindows || a.Value(saml.ClaimUPN) != "" {
			t.Errorf("%+v", a)
		}
		if a, err = l.request(v, path, l.negotiate(t.Context(), "alice", password)); err != nil || a.Value(saml.ClaimUPN) != alice || a.Value(saml.ClaimAccountType) != "" {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := l.request(v, path, http.Header{}); err == nil {
			t.Error("nobody gets an assertion")
		}
	}
}

func (l *lab) passive(change ...func(*wstrust.SignInRequest)) string {
	r := &wstrust.SignInRequest{Realm: saml.AudienceMicrosoftOnline, Context: "estsredirect=2&estsrequest=x", Username: alice, Fresh: -1}
	for _, c := range change {
		c(r)
	}
	return r.URL(l.url(wire.PathPassive + "/"))
}

func withMultiple(r *wstrust.SignInRequest) { r.Method = saml.MethodMultiple }

// After the second factor the assertion says so (P2-03).
func TestPassive(t *testing.T) {
	l := newLab(t).federated()
	login := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, tenant).Out.LoginHost
	page := l.get(l.passive(withMultiple), nil)
	if p, _ := l.page(page); p.UserName != alice || p.Method != wire.MethodForms {
		t.Errorf("%+v", p)
	}
	reply := l.code(l.login(page))
	form, err := wstrust.ReadPage(reply.Body)
	l.must(err)
	answer, err := wstrust.ParseSignInResponse(form.Fields)
	l.must(err)
	if form.Action != "https://"+login+"/login.srf" || answer.Context != "estsredirect=2&estsrequest=x" {
		t.Errorf("%s, %+v", form.Action, answer.Context)
	}
	resp, err := wstrust.ParseResult(answer.Result)
	l.must(err)
	a, err := l.trust().Verify(resp.Assertion, l.Now())
	l.must(err)
	if !a.Has(saml.ClaimMethods, saml.MethodMultiple) || a.Value(saml.ClaimMethodTime) != l.Now().UTC().Format(time.RFC3339) {
		t.Errorf("%+v", a)
	}
	if !has(l.steps(0), "passive_request", "first_factor_verified", "mfa_demanded", "mfa_challenged", "mfa_verified", "assertion_issued") {
		t.Errorf("told: %v", l.steps(0))
	}
	// A page works once.
	if p, _ := l.page(l.login(page)); p.Method != wire.MethodTOTP {
		t.Errorf("%+v", p)
	}
	if p, _ := l.page(l.code(l.login(page))); p.Error == "" {
		t.Error("a code of the adapter worked twice")
	}
	// With a ticket only the second factor is asked for.
	l.Advance(time.Minute)
	if p, _ := l.page(l.get(l.passive(withMultiple), l.negotiate(t.Context(), "alice", password))); p.Method != wire.MethodTOTP {
		t.Errorf("%+v", p)
	}
	for name, tt := range map[string]func(*wstrust.SignInRequest){
		"another realm":                  func(r *wstrust.SignInRequest) { r.Realm = "urn:other" },
		"a reply address of nobody":      func(r *wstrust.SignInRequest) { r.Reply = "https://evil.example.com/" },
		"a reply address without TLS":    func(r *wstrust.SignInRequest) { r.Reply = "http://" + login + "/" },
		"a reply address with user info": func(r *wstrust.SignInRequest) { r.Reply = "https://" + login + "@evil.example.com/" },
		"an unknown method":              func(r *wstrust.SignInRequest) { r.Method = "urn:retina" },
	} {
		if p, _ := l.page(l.get(l.passive(tt), nil)); p.Error == "" || p.Action != "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if reply := l.get(l.url(wire.PathPassive)+"?wa=wsignout1.0", nil); reply.Status != http.StatusOK {
		t.Errorf("sign-out: HTTP status %d", reply.Status)
	}
}

func TestMetadata(t *testing.T) {
	l := newLab(t)
	endpoints, err := wstrust.ParseMetadata(l.get(l.url(wire.PathMEX), nil).Body)
	l.must(err)
	if len(endpoints) != 4 || endpoints[0].URL != l.url(wire.PathUserNameMixed) {
		t.Errorf("%+v", endpoints)
	}
	m, err := fedmeta.Parse(l.get(l.url(wire.PathFederationMetadata), nil).Body)
	l.must(err)
	if m.Issuer != l.out().Issuer || len(m.Signing) != 1 || m.Passive != l.url(wire.PathPassive+"/") {
		t.Errorf("%+v", m)
	}
	for _, path := range []string{wire.PathConfiguration, strings.ToUpper(wire.PathConfiguration)} {
		c, err := wire.ParseMetadata(l.get(l.url(path), nil).Body)
		l.must(err)
		if c.Issuer != "https://"+host+"/adfs" || c.AccessTokenIssuer != m.Issuer || !c.MultiRefreshToken || c.Can(wire.CapabilityHelloCertificate) {
			t.Errorf("%+v", c)
		}
	}
}

// Fault 89: what a former token-signing key signed is believed for the overlap,
// and not after.
func TestRollover(t *testing.T) {
	l := newLab(t).federated()
	before, stale := l.out(), l.trust()
	old, err := l.tokens(url.Values{"grant_type": {"password"}, "client_id": {appID}, "username": {alice}, "password": {password}})
	l.must(err)
	l.Update(service, spec.Federation{Domain: corp, SigningVersion: 2})
	after := l.out()
	if after.SigningThumbprint == before.SigningThumbprint {
		t.Fatal("no new token-signing certificate")
	}
	userinfo := func() int {
		return l.get(l.url(wire.PathUserinfo), http.Header{"Authorization": {"Bearer " + old.AccessToken}}).Status
	}
	if got := userinfo(); got != http.StatusOK {
		t.Errorf("a token of the former key: HTTP status %d", got)
	}
	status, err := l.admin().Status(t.Context(), l.For(service))
	l.must(err)
	if len(status.Signing) != 2 || status.Signing[0].Thumbprint != after.SigningThumbprint || !status.Signing[1].Published.Equal(l.Now().Add(20*24*time.Hour)) {
		t.Errorf("%+v", status)
	}
	// Who still has the former metadata does not know the new key; the new one has both.
	resp := func() []byte {
		r := &wstrust.Request{Version: wstrust.Trust13, MessageID: "urn:uuid:1", To: l.url(wire.PathUserNameMixed), AppliesTo: saml.AudienceMicrosoftOnline, Username: alice, Password: password}
		answer, err := wstrust.ParseResponse(l.send(http.MethodPost, l.url(wire.PathUserNameMixed), r.Marshal(), nil).Body)
		l.must(err)
		return answer.Assertion
	}()
	if _, err := stale.Verify(resp, l.Now()); !errors.Is(err, &saml.Error{Kind: saml.UnknownSigner}) {
		t.Errorf("by stale metadata: %v", err)
	}
	if fresh := l.trust(); len(fresh.Certificates) != 2 {
		t.Errorf("%d certificates are published", len(fresh.Certificates))
	} else if _, err := fresh.Verify(resp, l.Now()); err != nil {
		t.Error(err)
	}
	l.Advance(20 * 24 * time.Hour)
	if got := userinfo(); got != http.StatusUnauthorized {
		t.Errorf("after the overlap: HTTP status %d", got)
	}
	l.must(l.Due(t.Context(), service))
	l.Reload(service)
	if status, err = l.admin().Status(t.Context(), l.For(service)); err != nil || len(status.Signing) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if fresh := l.trust(); len(fresh.Certificates) != 1 || slices.ContainsFunc(fresh.Certificates, stale.Certificates[0].Equal) {
		t.Error("the former certificate is still published")
	}
}

// Each of several tenants gets the answers for its own users.
func TestSeveralTenants(t *testing.T) {
	l := newLab(t).federated()
	l.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}, Authentication: "federated", Federation: service})
	for addr, change := range map[string]func(*wstrust.SignInRequest){
		tenant:            func(*wstrust.SignInRequest) {},
		"tenant.fabrikam": func(r *wstrust.SignInRequest) { r.Username = "alice@Fabrikam.com" },
	} {
		login := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, addr).Out.LoginHost
		for _, reply := range []string{"", "https://" + login + "/other"} {
			page := l.get(l.passive(change, func(r *wstrust.SignInRequest) { r.Reply = reply }), nil)
			form, err := wstrust.ReadPage(l.login(page).Body)
			l.must(err)
			want := reply
			if want == "" {
				want = "https://" + login + "/login.srf"
			}
			if form.Action != want {
				t.Errorf("%s: the answer goes to %s", addr, form.Action)
			}
		}
	}
}

// Fault 98: many sign in at once.
func TestManyAtOnce(t *testing.T) {
	l := newLab(t).federated()
	l.request(wstrust.Trust13, wire.PathUserNameMixed, nil) // whatever opens, opens once
	var wg sync.WaitGroup
	failed := make(chan error, 40)
	for range 20 {
		wg.Go(func() {
			_, err := l.request(wstrust.Trust13, wire.PathUserNameMixed, nil)
			failed <- err
		})
		wg.Go(func() {
			_, err := l.tokens(url.Values{"grant_type": {"password"}, "client_id": {appID}, "username": {alice}, "password": {password}, "scope": {"openid"}})
			failed <- err
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
}
