package faults

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/administer"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/ldapmsg"
	"hellolab/providers/wire/secdesc"
)

// What ends the protection of an account gives it back what it inherits, but not that
// of an administrator, who is protected by another group, for not an hour.
func TestEndOfProtection(t *testing.T) {
	e := conformance.NewEnv(t, append(adds.Types(), identity.Types()...)...)
	e.Create("domain.corp", spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	for _, name := range []string{"eve", "bo"} {
		e.Create("user."+name, spec.User{UPN: name + "@contoso.com", Domain: "domain.corp", Password: providers.Secret("C0rrect.horse"), EnabledInDomain: true})
	}
	e.Create("group.admins", spec.Group{Domain: "domain.corp", WellKnown: "domain_admins", Members: []providers.Ref{"user.eve"}})
	c, _, err := administer.Directory(t.Context(), e.For("user.eve"), "domain.corp")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	of := func(name string) *adldap.Entry {
		t.Helper()
		o, err := c.First(ldapmsg.EqualTo("userPrincipalName", name+"@contoso.com"), attrList, attrAdminCount)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for name, after := range map[string]bool{"eve": true, "bo": false} {
		for step, do := range []func(*adldap.Conn, string) error{protect, unprotect} {
			if err := do(c, of(name).DN); err != nil {
				t.Fatal(err)
			}
			o := of(name)
			list, err := secdesc.Parse(o.Bytes(attrList))
			if want := step == 0 || after; err != nil || list.Protected != want || (o.Text(attrAdminCount) == "1") != want {
				t.Errorf("%s, step %d: inheritance off %t, marked %q, %v", name, step, list.Protected, o.Text(attrAdminCount), err)
			}
		}
	}
}
