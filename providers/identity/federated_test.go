package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs"
	"hellolab/providers/conformance"
	"hellolab/providers/connect"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	wire "hellolab/providers/wire/adfs"
	"hellolab/providers/wire/graph"
)

const sts = "federation.sts"

// newOnPremises is a domain with AD FS.
func newOnPremises(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, slices.Concat(entra.Types(), adds.Types(), adcs.Types(), adfs.Types(), connect.Types(), identity.Types())...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create(sts, spec.Federation{Domain: corp})
	return e
}

// newFederated is a tenant that is federated with AD FS on a domain, which Connect
// synchronizes to it.
func newFederated(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := newOnPremises(tb)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "federated", Federation: sts})
	e.Create("sync.hybrid", spec.Sync{Tenant: contoso, Domain: corp})
	e.Create("group.cloud", spec.Group{Tenant: contoso, Name: "Cloud"})
	e.Create("group.staff", spec.Group{Domain: corp, Name: "Staff"})
	return e
}

// newThirdParty is a tenant that is federated with another vendor's service.
func newThirdParty(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, slices.Concat(entra.Types(), adfs.Types(), identity.Types())...)
	e.Create(sts, spec.Federation{Kind: spec.FederationThirdParty, Host: "idp.example.com"})
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}, Authentication: "federated", Federation: sts})
	return e
}

func domainUser(n int) spec.User {
	return spec.User{UPN: fmt.Sprintf("User%d@corp.contoso.com", n), Domain: corp, Password: providers.Secret(fmt.Sprintf("First.pa55 %d", n))}
}

func thirdPartyUser(n int) spec.User {
	return spec.User{UPN: fmt.Sprintf("User%d@contoso.com", n), Tenant: contoso, Password: providers.Secret(fmt.Sprintf("first password %d", n))}
}

func TestOnPremisesUserConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "user", Every: 2, Env: newOnPremises, In: func(n int) any { return domainUser(n) },
		Change: func(n int) any {
			u := domainUser(n)
			u.UPN, u.MFA, u.DisplayName = fmt.Sprintf("renamed%d@corp.contoso.com", n), "none", "Somebody else"
			return u
		},
	})
}

func TestFederatedUserConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "user", Every: 5, Env: newFederated, In: func(n int) any { return hybridUser(n) },
		Change: func(n int) any {
			u := hybridUser(n)
			u.MFA, u.UPNOnPrem, u.Groups = "push", fmt.Sprintf("User%d@corp.local", n), nil
			return u
		},
	})
}

func TestThirdPartyUserConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "user", Env: newThirdParty, In: func(n int) any { return thirdPartyUser(n) },
		Change: func(n int) any {
			u := thirdPartyUser(n)
			u.UPN, u.MFA, u.DisplayName = fmt.Sprintf("renamed%d@contoso.com", n), "none", "Somebody else"
			u.Password, u.PasswordVersion = providers.Secret(fmt.Sprintf("second password %d", n)), 2
			return u
		},
	})
}

func admin(e *conformance.Env) wire.Admin {
	out := conformance.Get[spec.Federation, spec.FederationOut](e, sts).Out
	return wire.Admin{Host: out.Host, Secret: out.AdminSecret}
}

// registered is what the service has of an account, nil for nothing.
func registered(t *testing.T, e *conformance.Env, upn string) *wire.Account {
	t.Helper()
	a, err := admin(e).Account(t.Context(), e.For(sts), upn)
	var none *wire.NotFound
	if errors.As(err, &none) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A second factor that the service lost, or that it has too much, is a difference;
// the next apply makes it what is declared.
func TestDriftAtAdapter(t *testing.T) {
	for name, c := range map[string]struct {
		env  func(testing.TB) *conformance.Env
		user spec.User
		at   string
	}{
		"on-premises": {newOnPremises, domainUser(1), "user1@corp.contoso.com"},
		"federated":   {newFederated, hybridUser(1), "user1@contoso.com"},
		"third party": {newThirdParty, thirdPartyUser(1), "user1@contoso.com"},
	} {
		e := c.env(t)
		c.user.Groups = nil
		e.Create("user.alice", c.user)
		before := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
		if a := registered(t, e, c.at); a == nil || !a.MFA || before.TOTPSecret == "" {
			t.Fatalf("%s: %+v", name, a)
		}
		if err := admin(e).DeleteAccount(t.Context(), e.For(sts), c.at); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Read(t.Context(), "user.alice"); err != nil {
			t.Fatal(err)
		}
		now := conformance.Get[spec.User, spec.UserOut](e, "user.alice")
		if now.In.MFA != "none" || (now.In.PasswordVersion == 0) != (name == "third party") {
			t.Errorf("%s: the loss is not seen: %+v", name, now.In)
		}
		e.Update("user.alice", c.user)
		after := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
		if a := registered(t, e, c.at); a == nil || !a.MFA || after.TOTPSecret == "" {
			t.Errorf("%s: not made good: %+v", name, a)
		}
		// The tenant's secret stays; on-premises nobody knows it any more.
		if kept := after.TOTPSecret == before.TOTPSecret; kept != (name != "on-premises") {
			t.Errorf("%s: the secret stayed: %v", name, kept)
		}
		c.user.MFA = "none"
		e.Update("user.alice", c.user)
		if a := registered(t, e, c.at); a != nil && a.MFA || (a == nil) != (name != "third party") {
			t.Errorf("%s: a factor that is not declared: %+v", name, a)
		}
		e.Delete("user.alice")
		if a := registered(t, e, c.at); a != nil {
			t.Errorf("%s: left behind: %+v", name, a)
		}
	}
}

// The account at a third party's service is the tenant's by one id, and the tenant
// has no password of it.
func TestThirdPartyAccount(t *testing.T) {
	e := newThirdParty(t)
	e.Create("user.alice", thirdPartyUser(1))
	out := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
	at := conformance.Get[spec.Tenant, spec.TenantOut](e, contoso).Out
	tenant, err := graph.SignIn(t.Context(), e.For(contoso), graph.Tenant{ID: at.TenantID, LoginHost: at.LoginHost, GraphHost: at.GraphHost, ClientID: at.AdminClientID, ClientSecret: at.AdminSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tenant.Close)
	u, err := graph.Get[graph.User](t.Context(), tenant, "users", out.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	a := registered(t, e, "user1@contoso.com")
	if a == nil || u.ImmutableID == "" || a.ImmutableID != u.ImmutableID || u.Synced() {
		t.Errorf("%+v %+v", a, u)
	}
	if u.PasswordChanged != "" {
		t.Errorf("the tenant has a password, of %s", u.PasswordChanged)
	}
}

// A name that changes takes along what the service has: the factor, and at a third
// party's the account with its password.
func TestServiceFollowsName(t *testing.T) {
	for name, c := range map[string]struct {
		env     func(testing.TB) *conformance.Env
		user    spec.User
		change  func(*spec.User)
		was, is string
	}{
		"on-premises":        {newOnPremises, domainUser(1), func(u *spec.User) { u.UPN = "al@corp.contoso.com" }, "user1@corp.contoso.com", "al@corp.contoso.com"},
		"federated":          {newFederated, hybridUser(1), func(u *spec.User) { u.UPN = "al@contoso.com" }, "user1@contoso.com", "al@contoso.com"},
		"alternate login id": {newFederated, hybridUser(1), func(u *spec.User) { u.UPNOnPrem = "user1@corp.local" }, "user1@contoso.com", "user1@corp.local"},
		"third party":        {newThirdParty, thirdPartyUser(1), func(u *spec.User) { u.UPN = "al@contoso.com" }, "user1@contoso.com", "al@contoso.com"},
	} {
		e := c.env(t)
		c.user.Groups = nil
		e.Create("user.alice", c.user)
		before, had := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out, registered(t, e, c.was)
		c.change(&c.user)
		e.Update("user.alice", c.user)
		if a := registered(t, e, c.was); a != nil {
			t.Errorf("%s: under the former name: %+v", name, a)
		}
		if a := registered(t, e, c.is); a == nil || !a.MFA || a.ImmutableID != had.ImmutableID {
			t.Errorf("%s: under the new name: %+v, before %+v", name, a, had)
		}
		now, err := e.Read(t.Context(), "user.alice")
		if after := conformance.Get[spec.User, spec.UserOut](e, "user.alice"); err != nil || now.ID != before.ObjectID || after.Out.TOTPSecret != before.TOTPSecret || after.In.PasswordVersion != 1 {
			t.Errorf("%s: read %+v, %v", name, after, err)
		}
	}
}
