package adfs_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/event"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/wstrust"
)

// Another vendor's service has accounts of its own, and no domain.
func TestThirdParty(t *testing.T) {
	l := newThirdParty(t).federated()
	a, err := l.request(wstrust.Trust13, wire.PathUserNameMixed, nil)
	l.must(err)
	if a.NameID != "immutable-alice" || a.Value(saml.ClaimUPN) != alice || a.Value(saml.ClaimPrimarySID) != "" || a.Value(saml.ClaimInside) != "false" || a.Issuer != "http://idp.example.com/adfs/services/trust" {
		t.Errorf("%+v", a)
	}
	reply := l.code(l.login(l.get(l.passive(withMultiple), nil)))
	form, err := wstrust.ReadPage(reply.Body)
	l.must(err)
	if form.Fields.Get("wresult") == "" {
		t.Errorf("%s", reply.Body)
	}
	for _, e := range l.Events() {
		if e.Actor == event.STS {
			t.Errorf("AD FS in the trace: %+v", e)
		}
	}
	for _, path := range []string{wire.PathWindowsTransport, "/EnrollmentServer/contract"} {
		if reply := l.send(http.MethodPost, l.url(path), nil, nil); reply.Status != http.StatusNotFound {
			t.Errorf("%s: HTTP status %d", path, reply.Status)
		}
	}
	l.Restart()
	login := func(secret string) error {
		_, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: strings.ToUpper(alice), Password: secret}.Form())
		return err
	}
	l.must(login(password))
	for range 10 {
		if err := login("wrong"); err == nil {
			t.Error("a wrong password")
		}
	}
	if err := login(password); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("after ten wrong passwords: %v", err)
	}
	l.Advance(11 * 60e9)
	l.must(l.admin().SetAccount(t.Context(), l.For(service), wire.Account{UPN: alice, ImmutableID: "immutable-alice", Disabled: true}))
	if err := login(password); !errors.Is(err, &wire.Error{OAuth: wire.InvalidGrant, Code: wire.CodeCredentials}) {
		t.Errorf("disabled: %v", err)
	}
}

func TestAdministration(t *testing.T) {
	l := newLab(t)
	ctx, env, a := t.Context(), l.For(service), l.admin()
	got, err := a.Account(ctx, env, alice)
	l.must(err)
	if got.UPN != alice || !got.MFA || got.TOTPSecret != nil {
		t.Errorf("%+v", got)
	}
	// What is not named stays.
	l.must(a.SetAccount(ctx, env, wire.Account{UPN: alice, MFA: true}))
	if got, err = a.Account(ctx, env, alice); err != nil || !got.MFA {
		t.Errorf("%+v, %v", got, err)
	}
	var missing *wire.NotFound
	if _, err := a.Account(ctx, env, "bob@contoso.com"); !errors.As(err, &missing) {
		t.Errorf("nobody: %v", err)
	}
	for name, account := range map[string]wire.Account{
		"a password at AD FS": {UPN: alice, Password: "x"}, "no UPN": {UPN: "alice"}, "a short secret": {UPN: alice, TOTPSecret: []byte("x")},
	} {
		if err := a.SetAccount(ctx, env, account); err == nil || errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.must(a.DeleteAccount(ctx, env, alice))
	l.must(a.DeleteAccount(ctx, env, alice))

	app, err := a.Application(ctx, env, appID)
	l.must(err)
	if app.Name != "Files" || app.Resource != resource || len(app.RedirectURIs) != 1 {
		t.Errorf("%+v", app)
	}
	if err := a.SetApplication(ctx, env, wire.Application{ID: oauth.ClientBroker, Name: "x"}); err == nil {
		t.Error("a client of Windows was registered anew")
	}
	l.must(a.DeleteApplication(ctx, env, appID))
	if _, err := a.Application(ctx, env, appID); !errors.As(err, &missing) {
		t.Errorf("deleted: %v", err)
	}
	// Fault 95: without the secret there is no administration.
	for _, secret := range []string{"", "x", a.Secret + "x", a.Secret[1:]} {
		for _, path := range []string{wire.PathStatus, wire.PathAccounts + alice, wire.PathApplications + appID, "/lab/other"} {
			if reply := l.get(l.url(path), http.Header{"Authorization": {"Bearer " + secret}}); reply.Status != http.StatusUnauthorized {
				t.Errorf("%q at %s: HTTP status %d", secret, path, reply.Status)
			}
		}
	}
}

// A service that is not enabled answers nobody but its administrator.
func TestDisabled(t *testing.T) {
	l := newLab(t)
	l.Update(service, l.With("federation", spec.Federation{Domain: corp}, "enabled", cty.False))
	for _, path := range []string{wire.PathConfiguration, wire.PathKeys, wire.PathAuthorize, wire.PathPassive, wire.PathMEX, "/EnrollmentServer/contract"} {
		if reply := l.get(l.url(path), nil); reply.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: HTTP status %d", path, reply.Status)
		}
	}
	if _, err := l.admin().Account(t.Context(), l.For(service), alice); err != nil {
		t.Error(err)
	}
	l.Update(service, spec.Federation{Domain: corp})
	if reply := l.get(l.url(wire.PathConfiguration), nil); reply.Status != http.StatusOK {
		t.Errorf("enabled again: HTTP status %d", reply.Status)
	}
}

func TestConfidentialClient(t *testing.T) {
	l := newLab(t)
	const id, secret = "6c0e9d0e-0b6f-4b0e-9a3e-3f6d0a7f0002", "a secret of a client"
	l.must(l.admin().SetApplication(t.Context(), l.For(service), wire.Application{ID: id, Name: "Daemon", Secret: secret}))
	form := oauth.TokenRequest{GrantType: oauth.GrantClientCredentials, ClientID: id, ClientSecret: secret, Resource: resource}
	tokens, err := l.tokens(form.Form())
	l.must(err)
	if c := claims[wire.Claims](l, tokens.AccessToken); c.Audience != resource || c.AppID != id || c.UPN != "" || c.AppType != "Confidential" || tokens.RefreshToken != "" {
		t.Errorf("%+v", c)
	}
	for name, change := range map[string]func(*oauth.TokenRequest){
		wire.InvalidClient:   func(r *oauth.TokenRequest) { r.ClientSecret = "wrong" },
		wire.InvalidGrant:    func(r *oauth.TokenRequest) { r.Resource = "" },
		wire.InvalidResource: func(r *oauth.TokenRequest) { r.Resource = "https://nobody.example.com" },
	} {
		other := form
		change(&other)
		var e *wire.Error
		if _, err := l.tokens(other.Form()); !errors.As(err, &e) || e.OAuth != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	public := form
	public.ClientID, public.ClientSecret = appID, ""
	if _, err := l.tokens(public.Form()); !errors.Is(err, &wire.Error{OAuth: wire.InvalidClient, Code: wire.CodeClientFailed}) {
		t.Errorf("a public client for itself: %v", err)
	}
}
