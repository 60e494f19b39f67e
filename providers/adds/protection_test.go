package adds_test

import (
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
	"hellolab/providers/wire/sid"
)

// Over LDAP: the hour comes by due work, or an administrator asks for it at the root
// DSE; the entry on AdminSDHolder is the domain's attribute, and who takes it away
// is found.
func TestProtectionOfAdministrators(t *testing.T) {
	e := conformance.NewEnv(t, append(adds.Types(), identity.Types()...)...)
	in := spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"}
	e.Create("domain.corp", in)
	e.Create("user.eve", spec.User{UPN: "eve@contoso.com", Domain: "domain.corp", Password: providers.Secret(password), EnabledInDomain: true})
	e.Create("group.admins", spec.Group{Domain: "domain.corp", WellKnown: "domain_admins", Members: []providers.Ref{"user.eve"}})
	out := conformance.Get[spec.Domain, spec.DomainOut](e, "domain.corp").Out
	c := &cloud{Env: e, t: t, domain: out, env: e.For("service.x")}
	admin := c.signIn(out.Hosts[0], "Administrator", out.AdminPassword)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	domain, err := sid.Parse(out.SID)
	must(err)
	const holder = "CN=AdminSDHolder,CN=System,DC=corp,DC=contoso,DC=com"
	eve, err := admin.First(ldapmsg.EqualTo("userPrincipalName", "eve@contoso.com"))
	must(err)
	list := func(dn string) *secdesc.Descriptor {
		t.Helper()
		o, err := admin.Read(dn, "nTSecurityDescriptor")
		must(err)
		d, err := secdesc.Parse(o.Bytes("nTSecurityDescriptor"))
		must(err)
		return d
	}
	writable := func(dn string) bool {
		return list(dn).Permits(secdesc.WriteProperty, []sid.SID{domain.Account(sid.RIDKeyAdmins)}, secdesc.KeyCredentialLink)
	}
	state := func(what string, protected, may bool) {
		t.Helper()
		if got := list(eve.DN); got.Protected != protected || writable(eve.DN) != may {
			t.Errorf("%s: inheritance off %t, Key Admins may write %t", what, got.Protected, writable(eve.DN))
		}
	}
	last := func() string {
		t.Helper()
		o, err := admin.RootDSE("lastProtectAdminGroupsTask")
		must(err)
		return o.Text("lastProtectAdminGroupsTask")
	}
	began := last()
	state("a new administrator", false, true)
	e.Advance(59 * time.Minute)
	must(e.Due(t.Context(), "domain.corp"))
	state("before the hour", false, true)
	e.Advance(time.Minute)
	must(e.Due(t.Context(), "domain.corp"))
	state("after it", true, false)
	if now := last(); now == began || began == "" {
		t.Errorf("last run %q, then %q", began, now)
	}
	in.ProtectedKeys = true
	e.Update("domain.corp", in)
	admin = c.signIn(out.Hosts[0], "Administrator", out.AdminPassword) // it opened anew
	state("before the next hour", true, false)
	must(admin.AddValue("", "runProtectAdminGroupsTask", "1"))
	state("with the entry on AdminSDHolder", true, true)
	if err := c.signIn(out.Hosts[0], "eve", password).AddValue("", "becomeRidMaster", "1"); !adldap.IsCode(err, ldapmsg.UnwillingToPerform) {
		t.Errorf("another operation: %v", err)
	}
	if rec, err := e.Read(t.Context(), "domain.corp"); err != nil || !rec.In.GetAttr("adminsdholder_key_admins").True() {
		t.Errorf("as declared: %v", err)
	}
	must(admin.Replace(holder, adldap.Attributes{"nTSecurityDescriptor": nil})) // its default again
	if rec, err := e.Read(t.Context(), "domain.corp"); err != nil || rec.In.GetAttr("adminsdholder_key_admins").True() {
		t.Errorf("drift is not found: %v", err)
	}
}
