package adfs_test

import (
	"testing"

	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/saml"
	"hellolab/providers/wire/web"
	"hellolab/providers/wire/wstrust"
)

const renamed = "alicia@contoso.com"

func (l *lab) byPassword(name, secret string) (*oauth.TokenResponse, error) {
	return l.tokens(oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: appID, Username: name, Password: secret}.Form())
}

func (l *lab) set(a wire.Account) {
	l.tb.Helper()
	l.must(l.admin().SetAccount(l.tb.Context(), l.For(service), a))
}

// Whoever gets a name that is free has nothing of who had it: no token, no lock-out,
// no used code. Who had it takes all along.
func TestFreedName(t *testing.T) {
	const bob, bobs = "bob@contoso.com", "Bobs-Passw0rd"
	l := newThirdParty(t, func(f *spec.Federation) { f.MFARule = spec.MFANever }).federated()
	l.set(wire.Account{UPN: bob, ImmutableID: "immutable-bob", Password: bobs})
	l.Advance(60e9) // so that bob's password is older than alice's sign-in
	held, err := l.byPassword(alice, password)
	l.must(err)
	for range 10 {
		if _, err := l.byPassword(alice, "wrong"); err == nil {
			t.Fatal("a wrong password")
		}
	}
	l.set(wire.Account{UPN: renamed, Former: alice, ImmutableID: "immutable-alice", MFA: true})
	l.set(wire.Account{UPN: alice, Former: bob, ImmutableID: "immutable-bob"})

	if _, err := l.byPassword(renamed, password); err == nil {
		t.Error("the lock-out ended with the name")
	}
	if _, err := l.byPassword(alice, bobs); err != nil {
		t.Errorf("the lock-out stayed with the name: %v", err)
	}
	refresh := oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: held.RefreshToken}
	if got, err := l.tokens(refresh.Form()); err == nil {
		t.Errorf("a token of who had the name became one of who has it: %q", got.IDToken)
	}
	a, err := l.request(wstrust.Trust13, wire.PathUserNameMixed, nil, func(r *wstrust.Request) { r.Password = bobs })
	l.must(err)
	if a.NameID != "immutable-bob" || a.Value(saml.ClaimUPN) != alice {
		t.Errorf("%+v", a)
	}
	l.set(wire.Account{UPN: renamed, Former: alice, ImmutableID: "immutable-alice", MFA: true}) // said twice, when the name is bob's
	if _, err := l.byPassword(alice, bobs); err != nil {
		t.Errorf("who has the name lost the account to who had it: %v", err)
	}
	l.Advance(11 * 60e9)
	if _, err := l.byPassword(renamed, password); err != nil {
		t.Errorf("after the lock-out: %v", err)
	}
}

// An account that somebody left under the new name gives it nothing.
func TestRenamedOntoLeftAccount(t *testing.T) {
	l := newThirdParty(t).federated()
	l.set(wire.Account{UPN: renamed, ImmutableID: "immutable-other", Password: "Others-Passw0rd", TOTPSecret: []byte("another secret of others")})
	l.set(wire.Account{UPN: renamed, Former: alice, ImmutableID: "immutable-alice", MFA: true})
	if _, err := l.byPassword(renamed, password); err != nil {
		t.Errorf("its own password: %v", err)
	}
	if _, err := l.byPassword(renamed, "Others-Passw0rd"); err == nil {
		t.Error("the password of another account signs in")
	}
}

// An account that is made anew under the name of one that was deleted begins with
// nothing.
func TestDeletedAccountLeavesNothing(t *testing.T) {
	l := newThirdParty(t).federated()
	held, err := l.byPassword(alice, password)
	l.must(err)
	for range 10 {
		if _, err := l.byPassword(alice, "wrong"); err == nil {
			t.Fatal("a wrong password")
		}
	}
	l.must(l.admin().DeleteAccount(t.Context(), l.For(service), alice))
	l.set(wire.Account{UPN: alice, ImmutableID: "immutable-next", Password: "Next-Passw0rd", TOTPSecret: totp})
	if _, err := l.byPassword(alice, "Next-Passw0rd"); err != nil {
		t.Errorf("the lock-out stayed: %v", err)
	}
	if _, err := l.tokens(oauth.TokenRequest{GrantType: oauth.GrantRefreshToken, ClientID: appID, RefreshToken: held.RefreshToken}.Form()); err == nil {
		t.Error("a token of the deleted account is good")
	}
}

// A code of the authenticator app works once, whatever the account is called.
func TestUsedCodeAfterRename(t *testing.T) {
	l := newThirdParty(t).federated()
	enter := func(name string) web.Reply {
		return l.code(l.fill(l.authorize(withFactor), map[string]string{wire.FieldUserName: name, wire.FieldPassword: password}))
	}
	if got := l.location(enter(alice)); got.Get("code") == "" {
		t.Fatalf("%v", got)
	}
	l.set(wire.Account{UPN: renamed, Former: alice, ImmutableID: "immutable-alice", MFA: true})
	if reply := enter(renamed); reply.Header.Get("Location") != "" {
		t.Errorf("the code was taken again: %s", reply.Header.Get("Location"))
	}
}
