package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/connect"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
)

// newHybrid is a tenant and a domain that Connect synchronizes, with a group in
// each.
func newHybrid(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, slices.Concat(entra.Types(), adds.Types(), connect.Types(), identity.Types())...)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("sync.hybrid", spec.Sync{Tenant: contoso, Domain: corp})
	e.Create("group.cloud", spec.Group{Tenant: contoso, Name: "Cloud"})
	e.Create("group.staff", spec.Group{Domain: corp, Name: "Staff"})
	return e
}

func hybridUser(n int) spec.User {
	return spec.User{UPN: fmt.Sprintf("User%d@contoso.com", n), Tenant: contoso, Domain: corp, Groups: []providers.Ref{"group.staff", "group.cloud"},
		Password: providers.Secret(fmt.Sprintf("First.pa55 %d", n))}
}

func TestHybridUserConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "user", Every: 3, Env: newHybrid, In: func(n int) any { return hybridUser(n) },
		Change: func(n int) any {
			u := hybridUser(n)
			u.DisplayName, u.Groups, u.MFA, u.Risk = "Somebody else", []providers.Ref{"group.cloud"}, "push", "medium"
			u.UPN = fmt.Sprintf("renamed%d@contoso.com", n)
			u.SAMAccountName, u.UPNOnPrem = fmt.Sprintf("other%d", n), fmt.Sprintf("User%d@corp.local", n)
			u.Password, u.PasswordVersion = providers.Secret(fmt.Sprintf("Second.pa55 %d", n)), 2
			return u
		},
	})
}

// Both halves are there, each with what it says itself.
func TestHybridUser(t *testing.T) {
	e := newHybrid(t)
	in := hybridUser(1)
	in.MFA, in.Risk = "totp", "low"
	e.Create("user.alice", e.With("user", in, "enabled_in_tenant", cty.False))
	out := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
	if out.ObjectID == "" || out.DomainID == "" || out.ObjectID == out.DomainID || !strings.HasPrefix(out.SID, "S-1-5-21-") || out.DN != "CN=User1,CN=Users,DC=corp,DC=contoso,DC=com" || out.TOTPSecret == "" {
		t.Errorf("%+v", out)
	}
	tenant, domain := admins(t, e)
	u, err := graph.Get[graph.User](t.Context(), tenant, "users", out.ObjectID)
	if err != nil || !u.Synced() || u.OnPremSID != out.SID || *u.AccountEnabled {
		t.Errorf("%+v, %v", u, err)
	}
	account, err := domain.Read(adldap.ByGUID(out.DomainID), "userAccountControl", "memberOf")
	if err != nil || account.Text("userAccountControl") != "512" || len(account.Values("memberOf")) != 1 {
		t.Errorf("%s, %v", account.Text("userAccountControl"), err)
	}
	// The tenant's groups: its own, and the domain's, which came with Connect.
	if names := memberships(t, tenant, out.ObjectID); names != "Cloud Staff" {
		t.Errorf("groups in the tenant: %s", names)
	}
	// Groups may declare the membership, on either side.
	e.Update("group.cloud", spec.Group{Tenant: contoso, Name: "Cloud", Members: []providers.Ref{"user.alice"}})
	e.Update("group.staff", spec.Group{Domain: corp, Name: "Staff", Members: []providers.Ref{"user.alice"}})
	for _, g := range []string{"group.cloud", "group.staff"} {
		rec, err := e.Read(t.Context(), g)
		if err != nil || rec.In.GetAttr("members").LengthInt() != 1 {
			t.Errorf("%s: %#v, %v", g, rec.In.GetAttr("members"), err)
		}
	}
	// What is deleted, is in neither; and what Connect finds gone, it leaves gone.
	e.Delete("user.alice")
	if _, err := graph.Get[graph.User](t.Context(), tenant, "users", out.ObjectID); !graph.IsNotFound(err) {
		t.Errorf("in the tenant: %v", err)
	}
	if _, err := domain.Read(adldap.ByGUID(out.DomainID)); err == nil {
		t.Error("in the domain")
	}
	server := conformance.Get[spec.Sync, spec.SyncOut](e, "sync.hybrid").Out
	r, err := wire.Cycle(t.Context(), e.For("sync.hybrid"), wire.Server{Host: server.Host, Secret: server.Admin}, wire.Request{})
	if err != nil || r.Result != wire.Success {
		t.Errorf("%+v, %v", r, err)
	}
}

// A user whom the domain names otherwise has the tenant's name as mail address
// (alternate login id).
func TestAlternateLoginID(t *testing.T) {
	e := newHybrid(t)
	in := hybridUser(1)
	in.UPNOnPrem = "user1@corp.local"
	e.Create("user.alice", in)
	tenant, domain := admins(t, e)
	out := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
	u, err := graph.Get[graph.User](t.Context(), tenant, "users", out.ObjectID)
	if err != nil || u.UserPrincipalName != in.UPN {
		t.Errorf("%+v, %v", u, err)
	}
	account, err := domain.Read(adldap.ByGUID(out.DomainID), "userPrincipalName")
	if err != nil || account.Text("userPrincipalName") != in.UPNOnPrem {
		t.Errorf("%v, %v", account, err)
	}
}

// What Connect does not carry is said, with the reason.
func TestNotCarried(t *testing.T) {
	for name, c := range map[string]struct {
		sync *spec.Sync
		want string
	}{
		"no sync":  {nil, "no sync leads from domain.corp to tenant.contoso"},
		"staging":  {&spec.Sync{Tenant: contoso, Domain: corp, Staging: true}, "staging mode"},
		"scope":    {&spec.Sync{Tenant: contoso, Domain: corp, Scope: []string{"CN=Computers,DC=corp,DC=contoso,DC=com"}}, "scope"},
		"bad base": {&spec.Sync{Tenant: contoso, Domain: corp, Scope: []string{"OU=Nowhere,DC=corp,DC=contoso,DC=com"}}, "OU=Nowhere"},
	} {
		e := conformance.NewEnv(t, slices.Concat(entra.Types(), adds.Types(), connect.Types(), identity.Types())...)
		e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
		e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
		if c.sync != nil {
			e.Create("sync.hybrid", *c.sync)
		}
		in := hybridUser(1)
		in.Groups = nil
		if _, err := e.TryCreate(t.Context(), "user.alice", in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A user of another name is the same account, in both directories: no more to be
// found by the former name, which is free for somebody else.
func TestRenamed(t *testing.T) {
	e := newHybrid(t)
	in := hybridUser(1)
	in.Groups = nil
	e.Create("user.alice", in)
	before := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
	renamed := in
	renamed.UPN = "Alicia@contoso.com"
	e.Update("user.alice", renamed)
	after := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out
	if after.ObjectID != before.ObjectID || after.DomainID != before.DomainID || after.SID != before.SID || after.TOTPSecret != before.TOTPSecret || after.DN != "CN=Alicia,CN=Users,DC=corp,DC=contoso,DC=com" {
		t.Errorf("%+v, before %+v", after, before)
	}
	tenant, domain := admins(t, e)
	u, err := graph.Get[graph.User](t.Context(), tenant, "users", after.ObjectID)
	if err != nil || u.UserPrincipalName != renamed.UPN || u.SAMAccountName != "Alicia" || u.DistinguishedName != after.DN {
		t.Errorf("in the tenant: %+v, %v", u, err)
	}
	account, err := domain.Read(adldap.ByGUID(after.DomainID), "userPrincipalName", "sAMAccountName")
	if err != nil || account.Text("userPrincipalName") != renamed.UPN || account.Text("sAMAccountName") != "Alicia" {
		t.Errorf("in the domain: %v, %v", account, err)
	}
	e.Create("user.another", in)
	if other := conformance.Get[spec.User, spec.UserOut](e, "user.another").Out; other.ObjectID == before.ObjectID || other.DN != before.DN {
		t.Errorf("who has the former name now: %+v", other)
	}

	// Where the author keeps the account's name, it stays, and the object's with it.
	renamed.UPN, renamed.SAMAccountName = "Liddell@contoso.com", "Alicia"
	e.Update("user.alice", renamed)
	if now := conformance.Get[spec.User, spec.UserOut](e, "user.alice").Out; now.DN != after.DN {
		t.Errorf("the object is %s", now.DN)
	}

	// A name that is taken is refused, and one that Connect does not carry is said.
	taken := renamed
	taken.UPN = in.UPN
	if _, err := e.TryUpdate(t.Context(), "user.alice", taken); err == nil || !strings.Contains(err.Error(), "userPrincipalName") {
		t.Errorf("a name that is taken: %v", err)
	}
	e.Update("sync.hybrid", spec.Sync{Tenant: contoso, Domain: corp, Staging: true})
	renamed.UPN = "al@contoso.com"
	if _, err := e.TryUpdate(t.Context(), "user.alice", renamed); err == nil || !strings.Contains(err.Error(), "still Liddell@contoso.com in the tenant") {
		t.Errorf("staging: %v", err)
	}
	seen, err := e.Read(t.Context(), "user.alice")
	if err != nil || seen.In.GetAttr("upn").AsString() != "Liddell@contoso.com" || seen.In.GetAttr("upn_onprem").AsString() != "al@contoso.com" {
		t.Errorf("what is seen of it: %#v, %v", seen.In, err)
	}
}

func admins(t *testing.T, e *conformance.Env) (*graph.Client, *adldap.Conn) {
	t.Helper()
	at := conformance.Get[spec.Tenant, spec.TenantOut](e, contoso).Out
	tenant, err := graph.SignIn(t.Context(), e.For(contoso), graph.Tenant{ID: at.TenantID, LoginHost: at.LoginHost, GraphHost: at.GraphHost, ClientID: at.AdminClientID, ClientSecret: at.AdminSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tenant.Close)
	d := conformance.Get[spec.Domain, spec.DomainOut](e, corp).Out
	domain, err := adldap.SignIn(t.Context(), e.For(corp), adldap.Domain{Realm: d.Realm, Host: d.Hosts[0], BaseDN: d.DN, Account: "Administrator", Password: d.AdminPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(domain.Close)
	return tenant, domain
}

func memberships(t *testing.T, c *graph.Client, user string) string {
	t.Helper()
	var names []string
	for g, err := range graph.List[graph.DirectoryObject](t.Context(), c, "", "users", user, "memberOf") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, g.DisplayName)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
