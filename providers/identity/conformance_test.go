package identity_test

import (
	"fmt"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const contoso = "tenant.contoso"

// newLab is a tenant with a group and a user, on the network.
func newLab(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(entra.Types(), identity.Types()...)...)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
	e.Create("group.everyone", spec.Group{Tenant: contoso, Name: "Everyone"})
	e.Create("user.boss", spec.User{UPN: "boss@contoso.com", Tenant: contoso, MFA: "none"})
	return e
}

func TestUserConforms(t *testing.T) {
	user := func(n int) spec.User {
		return spec.User{UPN: fmt.Sprintf("User%d@contoso.com", n), Tenant: contoso, Groups: []providers.Ref{"group.everyone"},
			Password: providers.Secret(fmt.Sprintf("first password %d", n))}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "user", Env: newLab, In: func(n int) any { return user(n) },
		Change: func(n int) any {
			u := user(n)
			u.UPN, u.Risk = fmt.Sprintf("renamed%d@contoso.com", n), "medium"
			u.DisplayName, u.Groups, u.MFA = "Somebody else", nil, "none"
			u.Password, u.PasswordVersion = providers.Secret(fmt.Sprintf("second password %d", n)), 2
			return u
		},
	})
}

// The authenticator app is a second step of making or changing an account: it
// must survive a kill between any two.
func TestUserWithAppConforms(t *testing.T) {
	for _, c := range []struct{ has, gets string }{{"push", "totp"}, {"totp", "push"}} {
		t.Run(c.has+" to "+c.gets, func(t *testing.T) {
			user := func(n int, mfa string) spec.User {
				return spec.User{UPN: fmt.Sprintf("user%d@contoso.com", n), Tenant: contoso, MFA: mfa, Password: providers.Secret(fmt.Sprintf("the password %d", n))}
			}
			conformance.Run(t, conformance.Harness{
				Kind: "user", Env: newLab, In: func(n int) any { return user(n, c.has) }, Change: func(n int) any { return user(n, c.gets) },
			})
		})
	}
}

// What a user's app computes is there for the second factor it is, and only then.
func TestAppSecrets(t *testing.T) {
	e := newLab(t)
	for mfa, want := range map[string][2]bool{"totp": {true, false}, "push": {true, true}, "none": {false, false}} {
		addr := "user." + mfa
		e.Create(addr, spec.User{UPN: mfa + "@contoso.com", Tenant: contoso, MFA: mfa})
		out := conformance.Get[spec.User, spec.UserOut](e, addr).Out
		if got := [2]bool{out.TOTPSecret != "", out.PhoneSecret != ""}; got != want {
			t.Errorf("%s: secrets of codes and phone %v, want %v", mfa, got, want)
		}
	}
}

func TestGroupConforms(t *testing.T) {
	group := func(n int) spec.Group {
		return spec.Group{Tenant: contoso, Name: fmt.Sprintf("O'Hara & Söhne %d", n), Members: []providers.Ref{"user.boss", "group.everyone"}}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "group", Env: newLab, In: func(n int) any { return group(n) },
		Change: func(n int) any { g := group(n); g.Members = nil; return g },
	})
}

// Two groups without a name of their own show their block's, and are two.
func TestUnnamedGroups(t *testing.T) {
	e := newLab(t)
	for _, addr := range []string{"group.staff", "module.a.group.staff"} {
		e.Create(addr, spec.Group{Tenant: contoso})
	}
	first, second := conformance.Get[spec.Group, spec.GroupOut](e, "group.staff"), conformance.Get[spec.Group, spec.GroupOut](e, "module.a.group.staff")
	if first.ID == second.ID {
		t.Error("two groups have one id")
	}
	for _, o := range []providers.Object[spec.Group, spec.GroupOut]{first, second} {
		rec, err := e.Find(t.Context(), o.Addr, "")
		if err != nil || rec.ID != o.ID {
			t.Errorf("%s: found %q, %v; want %q", o.Addr, rec.ID, err, o.ID)
		}
		if rec, err = e.Read(t.Context(), o.Addr); err != nil || !rec.In.GetAttr("name").IsNull() && rec.In.GetAttr("name").AsString() != "" {
			t.Errorf("%s: read name %#v, %v", o.Addr, rec.In.GetAttr("name"), err)
		}
	}
}
