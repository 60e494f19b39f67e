package connect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/cng"
	wire "hellolab/providers/wire/connect"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/keycred"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

func TestConformance(t *testing.T) {
	in := func(n int) spec.Sync {
		return spec.Sync{Tenant: contoso, Domain: providers.Ref(fmt.Sprintf("domain.d%d", n))}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "sync",
		Env: func(tb testing.TB) *conformance.Env {
			e := conformance.NewEnv(tb, kinds()...)
			e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
			for n := range 4 {
				e.Create(fmt.Sprintf("domain.d%d", n), spec.Domain{DNSName: fmt.Sprintf("d%d.contoso.com", n), NetBIOSName: fmt.Sprintf("D%d", n)})
			}
			return e
		},
		In: func(n int) any { return in(n) },
		Change: func(n int) any {
			s := in(n)
			s.Interval, s.Staging, s.Scope = time.Hour, true, []string{fmt.Sprintf("CN=Users,DC=d%d,DC=contoso,DC=com", n)}
			day, paused := 24*time.Hour, false
			s.DeviceWriteback, s.DeviceSchedule, s.KeySchedule = true, &spec.SyncSchedule{Interval: &day}, &spec.SyncSchedule{Enabled: &paused}
			return s
		},
	})
}

// What the domain says goes up, once.
func TestExportToTenant(t *testing.T) {
	l := newLab(t)
	l.must(l.domain.Add(dn("Staff"), adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {"Staff"}, "displayName": {"Staff"}}))
	l.must(l.domain.Add(dn("All"), adldap.Attributes{"objectClass": {"group"}, "sAMAccountName": {"All"}, "displayName": {"All"}}))
	for _, m := range [][2]string{{"Staff", "alice"}, {"Staff", "bob"}, {"All", "Staff"}} {
		l.must(l.domain.AddValue(dn(m[0]), "member", dn(m[1])))
	}
	l.wrote("first", l.cycle(), wire.Counts{Users: wire.Count{Added: 2}, Groups: wire.Count{Added: 2}, Passwords: 2})
	e, err := l.domain.Read(dn("alice"), "objectSid")
	l.must(err)
	u := l.user("alice")
	if !u.Synced() || u.ImmutableID != graph.SourceAnchor(e.GUID) || u.SAMAccountName != "alice" || u.DomainName != "corp.contoso.com" || u.DisplayName != "Alice" || !strings.EqualFold(u.DistinguishedName, dn("alice")) || u.OnPremSID == "" {
		t.Errorf("%+v", u)
	}
	g, err := graph.First[graph.Group](t.Context(), l.tenant, graph.Equals("displayName", "Staff"), "groups")
	l.must(err)
	members := func() (n int) {
		for _, err := range graph.List[graph.DirectoryObject](t.Context(), l.tenant, "", "groups", g.ID, "members") {
			l.must(err)
			n++
		}
		return n
	}
	if members() != 2 {
		t.Errorf("%d members", members())
	}
	l.wrote("again", l.cycle(), wire.Counts{})

	// The domain's password signs in to the tenant, and so does the next.
	signIn := func(password string) error {
		form := oauth.TokenRequest{GrantType: oauth.GrantPassword, ClientID: oauth.ClientAzureCLI, Username: "alice@contoso.com", Password: password}.Form()
		c := web.Client(l.For(contoso))
		defer c.CloseIdleConnections()
		out := conformance.Get[spec.Tenant, spec.TenantOut](l.Env, contoso).Out
		resp, err := c.PostForm("https://"+out.LoginHost+"/"+out.TenantID+"/oauth2/token", form)
		l.must(err)
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("%s", resp.Status)
		}
		return nil
	}
	if err := signIn(password); err != nil {
		t.Error(err)
	}
	l.must(l.domain.Replace(dn("alice"), adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Another horse 2")}}))
	l.wrote("password", l.cycle(), wire.Counts{Passwords: 1})
	if signIn(password) == nil || signIn("Another horse 2") != nil {
		t.Error("the old password signs in, or the new one does not")
	}

	// A change, a rename, and who left a group.
	l.must(l.domain.Replace(dn("alice"), adldap.Attributes{"userPrincipalName": {"alicia@contoso.com"}, "userAccountControl": {"514"}}))
	l.must(l.domain.RemoveValue(dn("Staff"), "member", dn("bob")))
	l.wrote("changes", l.cycle(), wire.Counts{Users: wire.Count{Updated: 1}})
	if a := l.user("alicia"); a.ID != u.ID || *a.AccountEnabled || members() != 1 {
		t.Errorf("%+v, %d members", a, members())
	}
	// What the tenant says of signing in to it stays, until the domain says otherwise.
	no := false
	l.must(l.tenant.Patch(t.Context(), graph.User{AccountEnabled: &no}, "users", l.user("bob").ID))
	l.wrote("the tenant blocks", l.cycle(), wire.Counts{})
	if *l.user("bob").AccountEnabled {
		t.Error("Connect lets in whom the tenant blocked")
	}
	// Gone in the domain, gone in the tenant; gone in the tenant alone, it comes back.
	l.must(l.domain.Delete(dn("bob")))
	l.must(l.domain.Delete(dn("All")))
	l.wrote("deleted", l.cycle(), wire.Counts{Users: wire.Count{Deleted: 1}, Groups: wire.Count{Deleted: 1}})
	l.must(l.tenant.Delete(t.Context(), "users", u.ID))
	l.wrote("deleted in the tenant", l.cycle(), wire.Counts{Users: wire.Count{Added: 1}, Passwords: 1})
	if l.user("alicia").ID == u.ID || members() != 1 {
		t.Errorf("not made anew; %d members", members())
	}
	// A new account with an old name is another user.
	l.must(l.domain.Delete(dn("alice")))
	l.person("alice")
	l.wrote("same name", l.cycle(), wire.Counts{Users: wire.Count{Added: 1, Deleted: 1}, Passwords: 1})
}

// A user of the tenant with the name becomes the domain's, and nobody else's does.
func TestSoftMatch(t *testing.T) {
	l := newLab(t)
	cloud, err := graph.Post[graph.User](t.Context(), l.tenant, graph.User{UserPrincipalName: "alice@contoso.com"}, "users")
	l.must(err)
	l.wrote("first", l.cycle(), wire.Counts{Users: wire.Count{Added: 2}, Passwords: 2})
	if u := l.user("alice"); u.ID != cloud.ID || !u.Synced() {
		t.Errorf("%+v", u)
	}
	// A second account of the domain that says it is alice is refused, by name.
	l.must(l.domain.Add(dn("impostor"), adldap.Attributes{"objectClass": {"user"}, "sAMAccountName": {"impostor"}, "mail": {"alice@contoso.com"}, "userPrincipalName": {"impostor@elsewhere.org"},
		"userAccountControl": {"514"}}))
	r := l.ask(wire.Request{})
	if r.Result != wire.CompletedErrors || len(r.Errors) != 1 || r.Errors[0].Code != graph.CodeConflict || !strings.HasPrefix(r.Errors[0].Object, "CN=impostor") {
		t.Errorf("%+v", r)
	}
}

// A name whose domain the tenant does not know becomes one of its first
// domain's, with a warning; the mail address comes first (alternate login id).
func TestUnverifiedSuffix(t *testing.T) {
	l := newLab(t)
	for name, mail := range map[string]string{"carol": "", "dora": "dora.mail@contoso.com"} {
		a := adldap.Attributes{"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@corp.local"}, "userAccountControl": {"514"}}
		a.Set("mail", mail)
		l.must(l.domain.Add(dn(name), a))
	}
	r := l.cycle()
	if names := l.names(); names != "alice bob carol dora.mail" {
		t.Errorf("names: %s", names)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Sentence, "carol@contoso.com") || len(r.Of(dn("CAROL"))) != 1 {
		t.Errorf("%+v", r.Warnings)
	}
}

func TestScope(t *testing.T) {
	l := newLab(t)
	base := "DC=corp,DC=contoso,DC=com"
	l.must(l.domain.Add("OU=Sales,"+base, adldap.Attributes{"objectClass": {"organizationalUnit"}}))
	l.cycle()
	l.register("alice", someKeys()[0], deviceID(1), false)
	l.wrote("key", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	l.must(l.domain.AddValue(dn("alice"), "msDS-KeyCredentialLink", foreign(t, "<GUID="+l.guid(dn("alice"))+">")))
	// Out of scope: gone from the tenant, with the key that Connect wrote; not with another's.
	l.update(func(s *spec.Sync) { s.Scope = []string{"OU=Sales," + base} })
	l.wrote("out of scope", l.cycle(), wire.Counts{Users: wire.Count{Deleted: 2}, Keys: wire.Count{Deleted: 1}})
	if l.names() != "" || len(l.credentials(dn("alice"))) != 1 {
		t.Errorf("%q, %d keys", l.names(), len(l.credentials(dn("alice"))))
	}
	// A scope that is not there stops the cycle and removes nobody.
	l.update(func(s *spec.Sync) { s.Scope = []string{people, "OU=sales," + base, "CN=ALICE," + people} })
	l.wrote("in scope", l.cycle(), wire.Counts{Users: wire.Count{Added: 2}, Passwords: 2})
	l.update(func(s *spec.Sync) { s.Scope = []string{"OU=Nowhere," + base} })
	r := l.ask(wire.Request{})
	if r.Result != wire.Stopped || r.Err() == nil || r.Errors[0].Code != "noSuchObject (32)" || l.names() != "alice bob" {
		t.Errorf("%+v; %s", r, l.names())
	}
}

// guid is the objectGUID of an object.
func (l *lab) guid(name string) string {
	l.t.Helper()
	e, err := l.domain.Read(name)
	l.must(err)
	return e.GUID.String()
}

// foreign is a value that Connect did not write.
func foreign(t *testing.T, name string) string {
	t.Helper()
	k := keycred.New(blobOf(someKeys()[2]), keycred.UsageNGC, keycred.SourceAD)
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return ldapmsg.DNBinary{Binary: b, DN: name}.String()
}

// Keys come down at cycles and only so, as the tenant has them.
func TestKeys(t *testing.T) {
	seed.Proves(t, "P4-02")
	seed.Proves(t, "P4-03")
	seed.Proves(t, "P4-04")
	seed.Proves(t, "KS-02")
	seed.Proves(t, "KS-03")
	seed.Proves(t, "KS-04")
	l := newLab(t)
	l.cycle()
	l.wrote("before anybody registered a key", l.cycle(), wire.Counts{}) // KS-02
	l.register("alice", someKeys()[0], deviceID(1), true)
	if n := len(l.credentials(dn("alice"))); n != 0 {
		t.Errorf("%d keys arrived between cycles", n) // P4-02
	}
	from := len(l.Events())
	l.wrote("registered", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	want := []string{"Entra Connect: cycle_began", "Entra Connect: domain_imported", "Entra Connect: updates_requested", "Entra ID: public_key_sent", "Entra Connect: tenant_imported", "Entra Connect: tenant_export_began",
		"Active Directory: key_credential_added", "Entra Connect: key_written", "Entra Connect: sync_cycle"}
	if got := l.steps(from); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("steps:\n%s", strings.Join(got, "\n"))
	}
	k, err := keycred.Parse(l.credentials(dn("alice"))[0])
	l.must(err)
	d := l.user("alice").HelloKeys[0]
	if !bytes.Equal(k.Material, d.KeyMaterial) || k.Source != keycred.SourceAzureAD || k.Usage != keycred.UsageNGC || k.Device.String() != d.DeviceID || graph.Time(k.CreatedTime()) != d.Created || !k.MFA() || !k.Attested() {
		t.Errorf("%+v", k)
	}
	if pub, err := cng.ParseRSAPublic(k.Material); err != nil || !pub.Equal(&someKeys()[0].PublicKey) {
		t.Errorf("another key: %v", err)
	}
	l.wrote("again", l.cycle(), wire.Counts{})
	// A second key of another device, and a key written in the domain alone.
	l.register("alice", someKeys()[1], deviceID(2), false)
	l.must(l.domain.AddValue(dn("alice"), "msDS-KeyCredentialLink", foreign(t, dn("alice"))))
	l.wrote("second", l.cycle(), wire.Counts{Keys: wire.Count{Added: 1}})
	if n := len(l.user("alice").HelloKeys); n != 2 { // KS-03
		t.Errorf("the tenant has %d keys", n)
	}
	// Deleted in the domain alone, it comes back; not another's (reading R10, T-10).
	l.must(l.domain.Replace(dn("alice"), adldap.Attributes{"msDS-KeyCredentialLink": nil}))
	if n := len(l.credentials(dn("alice"))); n != 0 {
		t.Fatalf("%d keys before the cycle", n)
	}
	l.wrote("deleted in the domain", l.cycle(), wire.Counts{Keys: wire.Count{Added: 2}})
	if n := len(l.keys(dn("alice"))); n != 2 {
		t.Errorf("%d keys", n)
	}
	// Gone in the tenant, it goes; the other device's and another's stay.
	l.must(l.domain.AddValue(dn("alice"), "msDS-KeyCredentialLink", foreign(t, dn("alice"))))
	l.unregister("alice", deviceID(1))
	l.wrote("deleted in the tenant", l.cycle(), wire.Counts{Keys: wire.Count{Deleted: 1}})
	if n := len(l.keys(dn("alice"))); n != 2 {
		t.Errorf("%d keys", n)
	}
	// Deleted in both, it stays gone.
	l.unregister("alice", deviceID(2))
	l.must(l.domain.Replace(dn("alice"), adldap.Attributes{"msDS-KeyCredentialLink": nil}))
	l.wrote("deleted in both", l.cycle(), wire.Counts{})
	if n := len(l.keys(dn("alice"))); n != 0 {
		t.Errorf("%d keys", n)
	}
}
