package identity_test

import (
	"fmt"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const corp = "domain.corp"

// newDomain is a domain with a group and a user, on the network.
func newDomain(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(adds.Types(), identity.Types()...)...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("group.staff", spec.Group{Domain: corp, Name: "Staff"})
	e.Create("user.boss", spec.User{UPN: "boss@contoso.com", Domain: corp, Password: providers.Secret("First.pa55word")})
	return e
}

func TestDomainUserConforms(t *testing.T) {
	user := func(n int) spec.User {
		return spec.User{UPN: fmt.Sprintf("User%d@contoso.com", n), Domain: corp, Groups: []providers.Ref{"group.staff"}, Password: providers.Secret(fmt.Sprintf("First.pa55 %d", n))}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "user", Env: newDomain, In: func(n int) any { return user(n) },
		Change: func(n int) any {
			u := user(n)
			u.UPN = fmt.Sprintf("renamed%d@fabrikam.com", n)
			u.DisplayName, u.Groups, u.SAMAccountName = "Somebody else", nil, fmt.Sprintf("other%d", n)
			u.EnabledInDomain, u.PasswordExpired = false, true
			u.Password, u.PasswordVersion = providers.Secret(fmt.Sprintf("Second.pa55 %d", n)), 2
			return u
		},
	})
}

func TestDomainGroupConforms(t *testing.T) {
	group := func(n int) spec.Group {
		return spec.Group{Domain: corp, Name: fmt.Sprintf("O'Hara & Söhne %d", n), Members: []providers.Ref{"user.boss", "group.staff"}}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "group", Env: newDomain, In: func(n int) any { return group(n) },
		Change: func(n int) any { g := group(n); g.Members = nil; return g },
	})
}

func TestPasswordSettingsConform(t *testing.T) {
	settings := func(n int) spec.PasswordSettings {
		return spec.PasswordSettings{Domain: corp, Name: fmt.Sprintf("Strict, for Söhne %d", n), Precedence: n + 1, AppliesTo: []providers.Ref{"user.boss", "group.staff"},
			MinLength: 12, History: 3, MaxAge: 30 * 24 * time.Hour, MinAge: time.Hour}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "password_settings", Env: newDomain, In: func(n int) any { return settings(n) },
		Change: func(n int) any {
			s := settings(n)
			s.Precedence, s.AppliesTo, s.MinLength, s.Complexity, s.History, s.MaxAge, s.MinAge = 70+n, []providers.Ref{"group.staff"}, 4, true, 0, 0, 0
			return s
		},
	})
}

// A group that every domain has is taken over, and stays when its block goes.
func TestWellKnownGroup(t *testing.T) {
	e := newDomain(t)
	for range 2 {
		rec := e.Create("group.keys", spec.Group{Domain: corp, WellKnown: "key_admins", Members: []providers.Ref{"user.boss"}})
		group := conformance.Get[spec.Group, spec.GroupOut](e, "group.keys")
		if group.Out.DN != "CN=Key Admins,CN=Users,DC=corp,DC=contoso,DC=com" {
			t.Errorf("taken over: %s", group.Out.DN)
		}
		if now, err := e.Read(t.Context(), "group.keys"); err != nil || now.In.GetAttr("members").LengthInt() != 1 {
			t.Errorf("read: %#v, %v", now.In, err)
		}
		e.Delete(rec.Addr)
	}
}
