package all_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/krb"
)

// kvno is the version of the key that alice's partial ticket at her desk is
// under.
func (l *lab) kvno() uint32 {
	l.t.Helper()
	c := l.cloudTickets(desk, "alice").Domain
	if c == nil {
		l.t.Fatal("the desk has no partial ticket")
	}
	ticket, err := krb.ParseTicket(c.Ticket)
	if err != nil {
		l.t.Fatal(err)
	}
	return ticket.EncPart.KeyVersion()
}

// TestRotatedServerKey: after a rotation the next sign-in brings a ticket under
// the new key, which the domain takes. A key that is new in the domain alone makes
// the tenant's tickets worth nothing, until an apply brings the two together. U2.
func TestRotatedServerKey(t *testing.T) {
	seed.Proves(t, "A2-06", "A5")
	l := newCloudDesk(t)
	l.expect(deskPIN(), "success")
	out := conformance.Get[spec.Trust, spec.TrustOut](l.Env, cloudTrust).Out
	if want := uint32(out.Server)<<16 | uint32(out.DomainKey); l.kvno() != want || out.DomainKey != out.TenantKey {
		t.Errorf("key version %#x, want %#x; %+v", l.kvno(), want, out)
	}

	in := spec.Trust{Type: "cloud_kerberos", Tenant: "tenant.contoso", Domain: corp, KeyVersion: 1}
	l.Advance(time.Minute)
	r, err := trust.Rotate(t.Context(), l.For(cloudTrust), in)
	if err != nil {
		t.Fatal(err)
	}
	l.restartDesk()
	l.expect(deskPIN(), "success")
	if want := uint32(out.Server)<<16 | uint32(out.DomainKey+1); l.kvno() != want || r.Is != out.DomainKey+1 {
		t.Errorf("key version %#x, want %#x; %+v", l.kvno(), want, r)
	}

	l.Advance(time.Minute)
	c := l.administrator()
	if err := c.Replace("CN=krbtgt_AzureAD,CN=Users,"+c.Base, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Not.for the tenant 1")}}); err != nil {
		t.Fatal(err)
	}
	l.Advance(time.Minute)
	l.restartDesk()
	l.expect(deskPIN(), "cloud_kerberos_key_differs")
	rec, err := l.Read(t.Context(), cloudTrust)
	if err != nil {
		t.Fatal(err)
	}
	if v := rec.In.GetAttr("key_version"); !v.RawEquals(cty.NumberIntVal(0)) {
		t.Errorf("the plan would see key_version = %#v", v)
	}
	l.Update(cloudTrust, in)
	l.restartDesk()
	l.expect(deskPIN(), "success")
}

// TestServerObjectStaysInDomain: Connect carries neither the user nor the computer
// to the tenant, and the tenant's copy of the key goes with the trust.
func TestServerObjectStaysInDomain(t *testing.T) {
	l := newCloudLab(t)
	l.cycle()
	c := l.directory()
	for u, err := range graph.List[graph.User](t.Context(), c, "", "users") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(u.UserPrincipalName+u.DisplayName+u.SAMAccountName), "krbtgt") {
			t.Errorf("the tenant has %s", u.UserPrincipalName)
		}
	}
	for d, err := range graph.List[graph.Device](t.Context(), c, "", "devices") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.EqualFold(d.DisplayName, "AzureADKerberos") {
			t.Errorf("the tenant has the device %s", d.DisplayName)
		}
	}
	l.Delete("policy.hello")
	l.Delete(cloudTrust)
	if _, err := graph.Get[graph.KerberosServer](t.Context(), c, "kerberosServers", "corp.contoso.com"); !graph.IsNotFound(err) {
		t.Errorf("the tenant's copy: %v", err)
	}
}
