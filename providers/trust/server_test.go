package trust_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/administer"
	"hellolab/providers/conformance"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
	"hellolab/providers/wire/adldap"
	"hellolab/providers/wire/graph"
	"hellolab/providers/wire/ldapmsg"
)

const (
	userDN     = "CN=krbtgt_AzureAD,CN=Users,DC=d0,DC=contoso,DC=com"
	computerDN = "CN=AzureADKerberos,OU=Domain Controllers,DC=d0,DC=contoso,DC=com"
	pointDN    = "CN=900274c4-b7d2-43c8-90ee-00a9f650e335,CN=AzureAD,CN=System,DC=d0,DC=contoso,DC=com"
	thatTrust  = "trust.cloud"
	inTenant   = "d0.contoso.com"
)

// hands are an administrator's who goes around the tool.
type hands struct {
	*conformance.Env
	t     testing.TB
	ldap  *adldap.Conn
	graph *graph.Client
}

func byHand(t testing.TB, e *conformance.Env) *hands {
	t.Helper()
	env := e.For("sync.d0")
	c, _, err := administer.Directory(t.Context(), env, "domain.d0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	g, _, err := administer.Graph(t.Context(), env, "tenant.contoso")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return &hands{e, t, c, g}
}

func (h *hands) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hands) read(dn string, attributes ...string) *adldap.Entry {
	h.t.Helper()
	e, err := h.ldap.Read(dn, attributes...)
	h.must(err)
	return e
}

func (h *hands) copy() *graph.KerberosServer {
	h.t.Helper()
	k, err := graph.Get[graph.KerberosServer](h.t.Context(), h.graph, "kerberosServers", inTenant)
	h.must(err)
	return k
}

// versions are those of the key, in the domain and in the tenant.
func (h *hands) versions() (domain, tenant int) {
	h.t.Helper()
	n, err := strconv.Atoi(h.read(userDN, "msDS-KeyVersionNumber").Text("msDS-KeyVersionNumber"))
	h.must(err)
	return n, int(h.copy().KeyVersion)
}

// plan is what a plan would see: the trust as it is held.
func (h *hands) plan() (providers.Object[spec.Trust, spec.TrustOut], error) {
	rec, err := h.Read(h.t.Context(), thatTrust)
	if err != nil {
		return providers.Object[spec.Trust, spec.TrustOut]{}, err
	}
	in, inErr := providers.Decode[spec.Trust](rec.In)
	out, outErr := providers.Decode[spec.TrustOut](rec.Out)
	h.must(errors.Join(inErr, outErr))
	return providers.Object[spec.Trust, spec.TrustOut]{Addr: rec.Addr, ID: rec.ID, In: in, Out: out}, nil
}

// The objects are those of a read-only controller without a controller, and the
// tenant has number and version of the key.
func TestServerObject(t *testing.T) {
	seed.Proves(t, "COMP-15")
	e := newDirectories(t, 1)
	before := e.Now()
	e.Create(thatTrust, cloud(0))
	h := byHand(t, e)
	user := h.read(userDN, "sAMAccountName", "userAccountControl", "msDS-SecondaryKrbTgtNumber", "msDS-KrbTgtLinkBl", "unicodePwd")
	number := user.Text("msDS-SecondaryKrbTgtNumber")
	if n, err := strconv.Atoi(number); err != nil || n < 1 || n > 65535 || user.Text("sAMAccountName") != "krbtgt_"+number || user.Text("userAccountControl") != "514" || user.Bytes("unicodePwd") != nil {
		t.Errorf("user: %q %q %q", number, user.Text("sAMAccountName"), user.Text("userAccountControl"))
	}
	computer := h.read(computerDN, "sAMAccountName", "userAccountControl", "primaryGroupID", "msDS-KrbTgtLink", "msDS-RevealOnDemandGroup", "msDS-NeverRevealGroup")
	if computer.Text("sAMAccountName") != "AzureADKerberos$" || computer.Text("userAccountControl") != "83890176" || computer.Text("primaryGroupID") != "521" {
		t.Errorf("computer: %q %q %q", computer.Text("sAMAccountName"), computer.Text("userAccountControl"), computer.Text("primaryGroupID"))
	}
	if dn, id, err := adldap.SplitName(computer.Text("msDS-KrbTgtLink")); err != nil || id != user.GUID || !strings.EqualFold(dn, userDN) {
		t.Errorf("link to %s, %v", dn, err)
	}
	if dn, id, err := adldap.SplitName(user.Text("msDS-KrbTgtLinkBl")); err != nil || id != computer.GUID {
		t.Errorf("back link to %s, %v", dn, err)
	}
	for attribute, want := range map[string][]string{
		"msDS-RevealOnDemandGroup": {"CN=Allowed RODC Password Replication Group", "CN=Domain Users"},
		"msDS-NeverRevealGroup":    {"CN=Account Operators", "CN=Administrators", "CN=Backup Operators", "CN=Denied RODC Password Replication Group", "CN=Server Operators"},
	} {
		var got []string
		for _, v := range computer.Values(attribute) {
			dn, _, err := adldap.SplitName(string(v))
			h.must(err)
			name, _, _ := strings.Cut(dn, ",")
			got = append(got, name)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s is %v", attribute, got)
		}
	}
	tenant := conformance.Get[spec.Tenant, spec.TenantOut](e, "tenant.contoso").Out
	if k := h.read(pointDN, "keywords", "objectClass").Values("keywords"); len(k) != 2 || !slices.ContainsFunc(k, func(b []byte) bool { return strings.HasSuffix(string(b), tenant.TenantID) }) {
		t.Errorf("keywords %q", k)
	}
	domain, copied := h.versions()
	updated, err := time.Parse(time.RFC3339, h.copy().KeyUpdated)
	h.must(err)
	if domain < 1 || domain != copied || strconv.Itoa(int(h.copy().ID)) != number || updated.Before(before.Truncate(time.Second)) {
		t.Errorf("versions %d and %d, copy %+v", domain, copied, h.copy())
	}
	o, err := h.plan()
	h.must(err)
	if o.Out.Server != int(h.copy().ID) || o.Out.DomainKey != domain || o.Out.TenantKey != domain || o.In.KeyVersion != 1 || o.In.Allowed != nil || o.In.Denied != nil {
		t.Errorf("%+v", o)
	}

	e.Delete(thatTrust)
	for _, dn := range []string{userDN, computerDN, pointDN} {
		if _, err := h.ldap.Read(dn); !adldap.IsCode(err, ldapmsg.NoSuchObject) {
			t.Errorf("%s: %v", dn, err)
		}
	}
	if _, err := graph.Get[graph.KerberosServer](t.Context(), h.graph, "kerberosServers", inTenant); !graph.IsNotFound(err) {
		t.Errorf("the tenant's copy: %v", err)
	}
}

// Key trust makes nothing of all this.
func TestKeyTrustHasNoServerObject(t *testing.T) {
	e := newDirectories(t, 1)
	e.Create("authority.root", spec.Authority{Domain: "domain.d0", CommonName: "root"})
	e.Create("trust.key", key(0))
	h := byHand(t, e)
	for _, dn := range []string{userDN, computerDN} {
		if _, err := h.ldap.Read(dn); !adldap.IsCode(err, ldapmsg.NoSuchObject) {
			t.Errorf("%s: %v", dn, err)
		}
	}
	if out := conformance.Get[spec.Trust, spec.TrustOut](e, "trust.key").Out; out.Server != 0 || out.DomainKey != 0 {
		t.Errorf("%+v", out)
	}
}

// What somebody changes by hand is seen, and an apply mends it.
func TestDrift(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		change func(*hands)
		gone   bool
		sees   func(spec.Trust) bool
	}{
		"the computer is deleted": {change: func(h *hands) { h.must(h.ldap.Delete(computerDN)) }, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the user is deleted":     {change: func(h *hands) { h.must(h.ldap.Delete(userDN)) }, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"both are deleted":        {change: func(h *hands) { h.must(h.ldap.Delete(computerDN)); h.must(h.ldap.Delete(userDN)) }, gone: true},
		"the computer stands for no controller": {change: func(h *hands) {
			h.must(h.ldap.Replace(computerDN, adldap.Attributes{"userAccountControl": {"4096"}, "primaryGroupID": {"515"}}))
		}, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the key is newer in the domain": {change: func(h *hands) {
			h.must(h.ldap.Replace(userDN, adldap.Attributes{"unicodePwd": {adldap.QuotedPassword("Another.pa55 of it")}}))
		}, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the key is newer in the tenant": {change: func(h *hands) {
			k := h.copy()
			k.KeyVersion, k.Key = k.KeyVersion+1, make([]byte, 32)
			h.must(h.graph.Put(ctx, k, "kerberosServers", inTenant))
		}, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the tenant has another key of the version": {change: func(h *hands) {
			h.Advance(2 * time.Minute)
			k := h.copy()
			k.Key = make([]byte, 32)
			h.must(h.graph.Put(ctx, k, "kerberosServers", inTenant))
		}, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the tenant has another server's": {change: func(h *hands) {
			k := h.copy()
			k.ID, k.Key = k.ID%65535+1, make([]byte, 32)
			h.must(h.graph.Put(ctx, k, "kerberosServers", inTenant))
		}, sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"the tenant has none": {change: func(h *hands) { h.must(h.graph.Delete(ctx, "kerberosServers", inTenant)) },
			sees: func(in spec.Trust) bool { return in.KeyVersion == 0 }},
		"a group is allowed besides": {change: func(h *hands) {
			h.must(h.ldap.AddValue(computerDN, "msDS-RevealOnDemandGroup", "CN=Domain Admins,CN=Users,"+h.ldap.Base))
		}, sees: func(in spec.Trust) bool {
			return slices.Contains(in.Allowed, providers.Ref("CN=Domain Admins,CN=Users,DC=d0,DC=contoso,DC=com")) && in.KeyVersion == 1
		}},
		"a declared group is denied": {change: func(h *hands) {
			h.must(h.ldap.Replace(computerDN, adldap.Attributes{"msDS-NeverRevealGroup": {"CN=Hello people,CN=Users," + h.ldap.Base}}))
		}, sees: func(in spec.Trust) bool { return slices.Equal(in.Denied, []providers.Ref{"group.g0"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			e := newDirectories(t, 1)
			e.Create(thatTrust, cloud(0))
			h := byHand(t, e)
			c.change(h)
			o, err := h.plan()
			if c.gone {
				if !errors.Is(err, providers.ErrGone) {
					t.Fatalf("%+v, %v", o, err)
				}
				e.Create(thatTrust, cloud(0))
			} else {
				h.must(err)
				if !c.sees(o.In) {
					t.Fatalf("%+v", o.In)
				}
				e.Update(thatTrust, cloud(0))
			}
			if o, err = h.plan(); err != nil || o.In.KeyVersion != 1 || o.In.Allowed != nil || o.In.Denied != nil || o.Out.DomainKey != o.Out.TenantKey || o.Out.DomainKey == 0 {
				t.Errorf("mended: %+v, %v", o, err)
			}
			if domain, tenant := h.versions(); domain != tenant {
				t.Errorf("versions %d and %d", domain, tenant)
			}
		})
	}
}

// A key is rotated when another is announced, and at once by the command: in both
// places, by one. A change of the lists leaves it.
func TestRotation(t *testing.T) {
	e := newDirectories(t, 1)
	e.Create(thatTrust, cloud(0))
	h := byHand(t, e)
	first, _ := h.versions()
	in := cloud(0)
	in.Allowed = []providers.Ref{"group.g0"}
	e.Update(thatTrust, in)
	if domain, tenant := h.versions(); domain != first || tenant != first {
		t.Errorf("lists: versions %d and %d, before %d", domain, tenant, first)
	}
	in.KeyVersion = 2
	e.Update(thatTrust, in)
	if domain, tenant := h.versions(); domain != first+1 || tenant != first+1 {
		t.Errorf("announced: versions %d and %d, before %d", domain, tenant, first)
	}
	r, err := trust.Rotate(t.Context(), e.For(thatTrust), in)
	if want := (trust.Rotation{Server: int(h.copy().ID), WasDomain: first + 1, WasTenant: first + 1, Is: first + 2}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	if domain, tenant := h.versions(); domain != first+2 || tenant != first+2 {
		t.Errorf("rotated: versions %d and %d, before %d", domain, tenant, first)
	}
	// That is no drift: nothing has to be mended.
	if o, err := h.plan(); err != nil || o.In.KeyVersion != 2 || o.Out.DomainKey != first+2 {
		t.Errorf("%+v, %v", o, err)
	}
	// The trust knows its objects by more than a mark, which an address is in.
	h.must(h.ldap.Replace(userDN, adldap.Attributes{"description": {"Of another address."}}))
	h.must(h.ldap.Replace(computerDN, adldap.Attributes{"description": nil}))
	in.KeyVersion = 3
	e.Update(thatTrust, in)
	if domain, tenant := h.versions(); domain != first+3 || tenant != first+3 {
		t.Errorf("without the mark: versions %d and %d, before %d", domain, tenant, first)
	}
	h.must(h.ldap.Delete(computerDN))
	if _, err := trust.Rotate(t.Context(), e.For(thatTrust), in); !errors.Is(err, trust.ErrNoServer) {
		t.Errorf("%v", err)
	}
}

// A server object that somebody else made is neither taken over nor removed.
func TestTaken(t *testing.T) {
	e := newDirectories(t, 1)
	h := byHand(t, e)
	h.must(h.ldap.AddKrbtgt(userDN, adldap.Attributes{"objectClass": {"user"}, "description": {"Ours."}}))
	if _, err := e.TryCreate(t.Context(), thatTrust, cloud(0)); err == nil || !strings.Contains(err.Error(), "is not of this trust") {
		t.Errorf("%v", err)
	}
	if _, err := h.ldap.Read(computerDN); !adldap.IsCode(err, ldapmsg.NoSuchObject) {
		t.Errorf("a computer was made: %v", err)
	}
	if _, err := e.Find(t.Context(), thatTrust, "domain.d0 tenant.contoso"); !errors.Is(err, providers.ErrGone) {
		t.Errorf("%v", err)
	}
	if got := h.read(userDN, "description").Text("description"); got != "Ours." {
		t.Errorf("%q", got)
	}
	// A second trust to the domain meets the first's.
	h.must(h.ldap.Delete(userDN))
	e.Create(thatTrust, cloud(0))
	e.Create("tenant.fabrikam", spec.Tenant{Domains: []string{"fabrikam.com"}})
	e.Create("sync.second", spec.Sync{Tenant: "tenant.fabrikam", Domain: "domain.d0"})
	second := cloud(0)
	second.Tenant = "tenant.fabrikam"
	if _, err := e.TryCreate(t.Context(), "trust.second", second); err == nil || !strings.Contains(err.Error(), "a domain has one") {
		t.Errorf("%v", err)
	}
	if o, err := h.plan(); err != nil || o.In.KeyVersion != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

// Lists name groups of the domain.
func TestListsElsewhere(t *testing.T) {
	e := newDirectories(t, 2)
	in := cloud(0)
	in.Allowed = []providers.Ref{"group.g1"}
	if _, err := e.TryCreate(t.Context(), thatTrust, in); err == nil || !strings.Contains(err.Error(), "group.g1 is not a group of domain.d0") {
		t.Errorf("%v", err)
	}
}

// An empty list is a list: nobody is on it.
func TestEmptyLists(t *testing.T) {
	e := newDirectories(t, 1)
	in := cloud(0)
	in.Allowed, in.Denied = []providers.Ref{}, []providers.Ref{}
	e.Create(thatTrust, in)
	h := byHand(t, e)
	c := h.read(computerDN, "msDS-RevealOnDemandGroup", "msDS-NeverRevealGroup")
	if n := len(c.Values("msDS-RevealOnDemandGroup")) + len(c.Values("msDS-NeverRevealGroup")); n != 0 {
		t.Errorf("%d groups", n)
	}
	if o, err := h.plan(); err != nil || o.In.Allowed == nil || len(o.In.Allowed)+len(o.In.Denied) != 0 || o.In.Denied == nil {
		t.Errorf("%+v, %v", o, err)
	}
}
