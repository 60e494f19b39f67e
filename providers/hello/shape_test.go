package hello

import (
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// What is declared decides the deployment, and policy the trust.
func TestShapeOf(t *testing.T) {
	type lab = map[string]any
	set := func(p spec.Policy) func(lab) {
		return func(l lab) { p.Source, p.Scope = "gpo", "device"; l["policy.a"] = p; delete(l, "policy.hello") }
	}
	for _, c := range []struct {
		name         string
		change       func(lab)
		user, device string
		want         Shape
	}{
		{"hybrid joined", nil, "alice", "desk", Shape{HybridJoined, Hybrid, Managed, KeyTrust, ""}},
		{"Entra joined, in both", nil, "alice", "tablet", Shape{EntraJoined, Hybrid, Managed, KeyTrust, ""}},
		{"in the tenant alone, which is linked", nil, "bo", "tablet", Shape{EntraJoined, Hybrid, Managed, KeyTrust, ""}},
		{"linked by no trust", func(l lab) { delete(l, "trust.key") }, "bo", "tablet", Shape{EntraJoined, CloudOnly, Managed, NoTrust, ""}},
		{"linked by no sync", func(l lab) { delete(l, "sync.up") }, "bo", "tablet", Shape{EntraJoined, CloudOnly, Managed, NoTrust, ""}},
		{"a trust to another tenant", func(l lab) {
			with(l, "trust.key", func(x *spec.Trust) { x.Tenant = "tenant.fabrikam" })
			with(l, "sync.up", func(x *spec.Sync) { x.Tenant = "tenant.fabrikam" })
		}, "bo", "tablet", Shape{EntraJoined, CloudOnly, Managed, NoTrust, ""}},
		{"in both, though no trust is declared", func(l lab) { delete(l, "trust.key") }, "alice", "tablet", Shape{EntraJoined, Hybrid, Managed, KeyTrust, ""}},
		{"a personal device of the linked tenant", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Join, d.WorkAccounts = "registered", []providers.Ref{"user.bo"} })
		}, "bo", "tablet", Shape{Registered, CloudOnly, Managed, NoTrust, ""}},
		{"a personal device of someone in both", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Join, d.WorkAccounts = "registered", []providers.Ref{"user.alice"} })
		}, "alice", "tablet", Shape{Registered, Hybrid, Managed, KeyTrust, ""}},
		{"hybrid without a domain", func(l lab) { with(l, "device.desk", func(d *spec.Device) { d.Domain = "" }) }, "bo", "desk", Shape{HybridJoined, CloudOnly, Managed, NoTrust, ""}},
		{"domain joined, in both", func(l lab) { with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" }) }, "alice", "desk", Shape{DomainJoined, Hybrid, Managed, KeyTrust, ""}},
		{"on-premises", func(l lab) {
			with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })
			with(l, "user.alice", func(u *spec.User) { u.Tenant = "" })
		}, "alice", "desk", Shape{DomainJoined, OnPremises, Managed, KeyTrust, ""}},
		{"in the domain alone on a hybrid device", func(l lab) { with(l, "user.alice", func(u *spec.User) { u.Tenant = "" }) }, "alice", "desk", Shape{HybridJoined, Hybrid, Managed, KeyTrust, ""}},
		{"federated", func(l lab) { with(l, "tenant.contoso", func(x *spec.Tenant) { x.Authentication = "federated" }) }, "alice", "desk", Shape{HybridJoined, Hybrid, FederatedADFS, KeyTrust, ""}},

		{"no policy", func(l lab) { delete(l, "policy.hello") }, "alice", "desk", Shape{HybridJoined, Hybrid, Managed, KeyTrust, ""}},
		{"cloud switch", set(spec.Policy{UseCloudTrustForOnPremAuth: ptr(true)}), "alice", "desk", Shape{HybridJoined, Hybrid, Managed, CloudKerberos, ""}},
		{"both switches", set(spec.Policy{UseCloudTrustForOnPremAuth: ptr(true), UseCertificateForOnPremAuth: ptr(true)}), "alice", "desk", Shape{HybridJoined, Hybrid, Managed, CertTrust, RegistrationAuthority}},
		{"certificate, Entra joined", set(spec.Policy{Assign: []providers.Ref{"device.tablet"}, UseCertificateForOnPremAuth: ptr(true)}), "alice", "tablet", Shape{EntraJoined, Hybrid, Managed, CertTrust, MDMDelivery}},
		{"a switch of somebody else", set(spec.Policy{Assign: []providers.Ref{"device.tablet"}, UseCloudTrustForOnPremAuth: ptr(true)}), "alice", "desk", Shape{HybridJoined, Hybrid, Managed, KeyTrust, ""}},
		{"a switch in the cloud", func(l lab) { set(spec.Policy{UseCloudTrustForOnPremAuth: ptr(true)})(l); delete(l, "trust.key") }, "bo", "tablet", Shape{EntraJoined, CloudOnly, Managed, NoTrust, ""}},
	} {
		l := hybridLab()
		if c.change != nil {
			c.change(l)
		}
		if got, ok := worldOf(t, l).ShapeOf("user."+c.user, "device."+c.device); !ok || got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if _, ok := worldOf(t, hybridLab()).ShapeOf("user.eve", "device.desk"); ok {
		t.Error("a stranger has a shape")
	}
}

// A domain that has nothing to do with the tenant changes nothing.
func TestUnrelatedDomain(t *testing.T) {
	l := goodLab()
	l["domain.corp"] = spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"}
	l["user.dan"] = spec.User{UPN: "dan@corp.contoso.com", Domain: "domain.corp", Password: providers.Secret("x"), EnabledInDomain: true}
	w := worldOf(t, l)
	if s, _ := w.ShapeOf("user.alice", "device.laptop"); s != entraManaged {
		t.Errorf("%+v", s)
	}
	if ps := Validate(w); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
}

// The routes of key trust are those of the documents, and in a World built
// around the pair the same.
func TestRouteOfKeyTrust(t *testing.T) {
	recs := objects(records(t, hybridLab()))
	for device, want := range map[string][3]Flow{"desk": {P4, A6, ""}, "tablet": {P1, A1, A3}} {
		near, err := Around(recs, "user.alice", "device."+device)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []*World{worldOf(t, hybridLab()), near} {
			shape, _ := w.ShapeOf("user.alice", "device."+device)
			route, refusal := Select(shape)
			if refusal != nil || [3]Flow{route.Provision, route.SignIn, route.Domain} != want || !route.WaitsForSync() {
				t.Errorf("%s: %+v, %v", device, route, refusal)
			}
		}
	}
}

// Three policies of each switch: where a value comes from, and what it overrides.
func TestProof(t *testing.T) {
	for _, c := range []struct {
		name     string
		policies map[string]spec.Policy
		want     Trust
		level    Level
		policy   string
	}{
		{"nothing set", nil, KeyTrust, Unset, ""},
		{"named trust", map[string]spec.Policy{"policy.a": {Source: "mdm", Scope: "device", Trust: "trust.key"}}, KeyTrust, DeviceCSP, "policy.a"},
		{"cloud", map[string]spec.Policy{"policy.a": {Source: "mdm", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)}}, CloudKerberos, DeviceCSP, "policy.a"},
		{"certificate wins over cloud, whatever its level", map[string]spec.Policy{
			"policy.a": {Source: "gpo", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)},
			"policy.b": {Source: "mdm", Scope: "device", UseCertificateForOnPremAuth: ptr(true)},
		}, CertTrust, DeviceCSP, "policy.b"},
		{"certificate off, cloud on", map[string]spec.Policy{
			"policy.a": {Source: "gpo", Scope: "user", UseCertificateForOnPremAuth: ptr(false)},
			"policy.b": {Source: "mdm", Scope: "device", UseCertificateForOnPremAuth: ptr(true), UseCloudTrustForOnPremAuth: ptr(true)},
		}, CloudKerberos, DeviceCSP, "policy.b"},
		{"group policy names a trust, device management switches", map[string]spec.Policy{
			"policy.a": {Source: "gpo", Scope: "device", Trust: "trust.key"},
			"policy.b": {Source: "mdm", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)},
		}, KeyTrust, ComputerGPO, "policy.a"},
		{"a switch where Windows has none", map[string]spec.Policy{"policy.a": {Source: "mdm", Scope: "user", UseCloudTrustForOnPremAuth: ptr(true), UseCertificateForOnPremAuth: ptr(true)}}, KeyTrust, Unset, ""},
		{"certificate by the user's group policy", map[string]spec.Policy{"policy.a": {Source: "gpo", Scope: "user", UseCertificateForOnPremAuth: ptr(true)}}, CertTrust, UserGPO, "policy.a"},
		{"a trust and a switch", map[string]spec.Policy{"policy.a": {Source: "mdm", Scope: "device", Trust: "trust.key", UseCloudTrustForOnPremAuth: ptr(true)}}, CloudKerberos, DeviceCSP, "policy.a"},
		{"a trust of another lab", map[string]spec.Policy{"policy.a": {Source: "mdm", Scope: "device", Trust: "trust.gone"}}, KeyTrust, Unset, ""},
	} {
		l := hybridLab()
		delete(l, "policy.hello")
		for addr, p := range c.policies {
			l[addr] = p
		}
		got := worldOf(t, l).InForce("user.alice", "device.desk").Proof()
		if got.Value != c.want || got.Origin.Level != c.level || got.Origin.Policy != c.policy || got.Origin.Policy == "" && got.Origin.Default == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// Naming a trust sets the two switches, and leaves the declared policy alone.
func TestNamedTrustIsItsSwitches(t *testing.T) {
	w := worldOf(t, hybridLab())
	f := w.InForce("user.alice", "device.desk")
	for _, s := range []Setting[bool]{f.UseCloudTrustForOnPremAuth, f.UseCertificateForOnPremAuth} {
		if s.Value || s.Origin.Policy != "policy.hello" || s.Origin.Level != ComputerGPO {
			t.Errorf("%+v", s)
		}
	}
	if p := w.Policies["policy.hello"].In; p.UseCloudTrustForOnPremAuth != nil || p.UseCertificateForOnPremAuth != nil {
		t.Errorf("%+v", p)
	}
}

func TestReachDomain(t *testing.T) {
	type lab = map[string]any
	for _, c := range []struct {
		name         string
		change       func(lab)
		user, device string
		flow         Flow
		rule         string
	}{
		{"hybrid joined", nil, "alice", "desk", A6, ""},
		{"Entra joined", nil, "alice", "tablet", A3, ""},
		{"not in the domain", nil, "bo", "tablet", "", "not_domain_account"},
		{"a stranger", nil, "eve", "tablet", "", "unknown_object"},
		{"personal", func(l lab) { with(l, "device.tablet", func(d *spec.Device) { d.Join = "registered" }) }, "alice", "tablet", "", "registered_device_trust"},
		{"personal, cloud Kerberos", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Join = "registered" })
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) })
		}, "alice", "tablet", "", "registered_device_trust"},
		{"joined elsewhere", func(l lab) { with(l, "device.desk", func(d *spec.Device) { d.Domain = "domain.other" }) }, "alice", "desk", "", "device_of_other_domain"},
	} {
		l := hybridLab()
		if c.change != nil {
			c.change(l)
		}
		flow, refusal := worldOf(t, l).ReachDomain("user."+c.user, "device."+c.device, "domain.corp")
		rule := ""
		if refusal != nil {
			rule = refusal.Rule
			if !strings.HasSuffix(refusal.Reason, ".") || !strings.HasSuffix(refusal.Hint, ".") {
				t.Errorf("%s: %+v", c.name, refusal)
			}
		}
		if flow != c.flow || rule != c.rule {
			t.Errorf("%s: %s, %s", c.name, flow, rule)
		}
	}
}

// A member of a domain asks a controller before it asks the tenant.
func TestPlannedFactsOfMembers(t *testing.T) {
	for _, c := range []struct {
		name   string
		user   func(*spec.User)
		device func(*spec.Device)
		want   Facts
	}{
		{"as declared", nil, nil, Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true, DomainAccount: true}},
		{"not in the domain", func(u *spec.User) { u.Domain = "" }, nil, Facts{Joined: true, WorkAccount: true, TPM: true}},
		{"in another domain", func(u *spec.User) { u.Domain = "domain.other" }, nil, Facts{Joined: true, WorkAccount: true, TPM: true}},
		{"disabled in the domain", func(u *spec.User) { u.EnabledInDomain = false }, nil, Facts{Joined: true, WorkAccount: true, TPM: true, DomainAccount: true}},
		{"computer disabled in the domain", nil, func(d *spec.Device) { d.EnabledInDomain = false }, Facts{Joined: true, WorkAccount: true, TPM: true, DomainAccount: true}},
		{"disabled in the tenant", func(u *spec.User) { u.EnabledInTenant = false }, nil, Facts{Joined: true, WorkAccount: true, TPM: true, DomainAccount: true}},
		{"away", nil, func(d *spec.Device) { d.Network = "internet" }, Facts{Joined: true, WorkAccount: true, TPM: true, DomainAccount: true}},
		{"away, before the tunnel is up", nil, func(d *spec.Device) { d.Network = "vpn" }, Facts{Joined: true, WorkAccount: true, TPM: true, DomainAccount: true}},
		{"domain joined", nil, func(d *spec.Device) { d.Join, d.Tenant = "domain", "" }, Facts{WorkAccount: true, TPM: true, DomainAccount: true}},
	} {
		l := hybridLab()
		if c.user != nil {
			with(l, "user.alice", c.user)
		}
		if c.device != nil {
			with(l, "device.desk", c.device)
		}
		if got := worldOf(t, l).Planned("user.alice", "device.desk"); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	l := with(hybridLab(), "device.tablet", func(d *spec.Device) { d.Network = "internet" })
	if got := worldOf(t, l).Planned("user.alice", "device.tablet"); !got.PRT || got.DomainAccount {
		t.Errorf("an Entra joined device asks the tenant alone: %+v", got)
	}
}

// Hello is off on hybrid joined devices until a policy turns it on (facts of
// "Configure Windows Hello for Business"), whichever trust is named.
func TestHybridNeedsAPolicy(t *testing.T) {
	l := with(hybridLab(), "policy.hello", func(p *spec.Policy) { p.UsePassportForWork = nil })
	w := worldOf(t, l)
	if f := w.InForce("user.alice", "device.desk"); f.UsePassportForWork.Value {
		t.Errorf("%+v", f.UsePassportForWork)
	}
	if f := w.InForce("user.alice", "device.tablet"); !f.UsePassportForWork.Value {
		t.Errorf("%+v", f.UsePassportForWork)
	}
	var rules []string
	for _, p := range Validate(w) {
		rules = append(rules, p.Addr+" "+p.Rule)
	}
	if !equalStrings(rules, []string{"enrollment.desk policy_disabled"}) {
		t.Errorf("%q", rules)
	}
}

func TestComputerName(t *testing.T) {
	for addr, want := range map[string]string{"device.laptop": "laptop", "module.a.device.laptop": "laptop", `device.pc["x y"]`: "pc-x-y"} {
		if got := ComputerName(addr, spec.Device{}); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if got := ComputerName("device.a", spec.Device{Name: "B 1"}); got != "B 1" {
		t.Errorf("%q", got)
	}
}
