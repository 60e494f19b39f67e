package hello

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

// federatedLab is the hybrid lab, federated with AD FS, by certificate trust;
// without the tablet, and without bo, whom AD FS could not sign in.
func federatedLab() map[string]any {
	l := hybridLab()
	for _, addr := range []string{"device.tablet", "enrollment.tablet", "user.bo"} {
		delete(l, addr)
	}
	l["federation.sts"] = spec.Federation{Kind: "adfs", Domain: "domain.corp", Authority: "authority.root", MFA: "builtin", MFARule: "on_request",
		RegistrationAuthority: true, DeviceRegistration: true, Enabled: true, SigningVersion: 1}
	with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "federated", "federation.sts" })
	with(l, "sync.up", func(s *spec.Sync) { s.DeviceWriteback = true })
	with(l, "trust.key", func(t *spec.Trust) {
		t.Type, t.Federation, t.Authority = "certificate", "federation.sts", "authority.root"
	})
	return l
}

// onPremisesLab is a domain without a tenant: AD FS, alice, her desk and her
// enrollment, by key trust.
func onPremisesLab() map[string]any {
	l := federatedLab()
	for _, addr := range []string{"tenant.contoso", "sync.up"} {
		delete(l, addr)
	}
	with(l, "trust.key", func(t *spec.Trust) { t.Type, t.Tenant, t.Authority = "key", "", "" })
	with(l, "user.alice", func(u *spec.User) { u.Tenant, u.UPN = "", "alice@corp.contoso.com" })
	with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })
	return l
}

func pairOf(w *World) (*User, *Device) { return w.Users["user.alice"], w.Devices["device.desk"] }

// A certificate is delivered as the trust says, else by the join type.
func TestDelivery(t *testing.T) {
	for _, c := range []struct {
		name  string
		lab   map[string]any
		join  string
		given string
		want  Delivery
	}{
		{"hybrid joined", federatedLab(), "hybrid", "", RegistrationAuthority},
		{"on-premises", onPremisesLab(), "domain", "", RegistrationAuthority},
		{"Entra joined", federatedLab(), "entra", "", MDMDelivery},
		{"hybrid joined, by device management", federatedLab(), "hybrid", "mdm_scep", MDMDelivery},
		{"Entra joined, by the registration authority", federatedLab(), "entra", "ra", RegistrationAuthority},
	} {
		l := with(c.lab, "device.desk", func(d *spec.Device) {
			if d.Join = c.join; c.join == "entra" {
				d.Domain = ""
			}
		})
		l = with(l, "trust.key", func(x *spec.Trust) { x.Type, x.Delivery = "certificate", c.given })
		if s, ok := worldOf(t, l).ShapeOf("user.alice", "device.desk"); !ok || s.Trust != CertTrust || s.Delivery != c.want {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// What each part of certificate trust contributes to the facts of a launch.
func TestPlannedFactsOfCertificateTrust(t *testing.T) {
	sts := func(change func(*spec.Federation)) func(map[string]any) {
		return func(l map[string]any) { with(l, "federation.sts", change) }
	}
	for _, c := range []struct {
		name          string
		change        func(map[string]any)
		prt, ra, cert bool
		mdm           bool
	}{
		{"as declared", func(map[string]any) {}, true, true, true, false},
		{"no AD FS", func(l map[string]any) {
			delete(l, "federation.sts")
			with(l, "trust.key", func(x *spec.Trust) { x.Federation = "" })
		}, false, false, true, false},
		{"AD FS is down", sts(func(f *spec.Federation) { f.Enabled = false }), false, false, true, false},
		{"no registration authority", sts(func(f *spec.Federation) { f.RegistrationAuthority = false }), true, false, true, false},
		{"no authority to ask", sts(func(f *spec.Federation) { f.Authority = "" }), true, false, true, false},
		{"no device write-back", func(l map[string]any) { with(l, "sync.up", func(s *spec.Sync) { s.DeviceWriteback = false }) }, false, true, true, false},
		{"template off", func(l map[string]any) {
			with(l, "authority.root", func(a *spec.Authority) {
				a.Templates = map[string]*spec.AuthorityTemplate{SignInTemplate: {Enabled: false}}
			})
		}, true, true, false, false},
		{"agent's template off", func(l map[string]any) {
			with(l, "authority.root", func(a *spec.Authority) {
				a.Templates = map[string]*spec.AuthorityTemplate{AgentTemplate: {Enabled: false}}
			})
		}, true, false, true, false},
		{"device management", func(l map[string]any) { with(l, "trust.key", func(x *spec.Trust) { x.Delivery = "mdm_scep" }) }, true, true, true, true},
	} {
		l := federatedLab()
		c.change(l)
		f := worldOf(t, l).Planned("user.alice", "device.desk")
		if f.EnterprisePRT != c.prt || f.RegistrationAuthority != c.ra || f.Template != c.cert || f.MDMCertificate != c.mdm {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// On-premises the enterprise services stand where the tenant's do elsewhere.
func TestServicesOfDeployments(t *testing.T) {
	seed.Proves(t, "MOD-15")
	for _, c := range []struct {
		name             string
		lab              map[string]any
		registers, signs string
	}{
		{"managed", hybridLab(), "tenant.contoso", "tenant.contoso"},
		{"federated", federatedLab(), "tenant.contoso", "federation.sts"},
		{"on-premises", onPremisesLab(), "federation.sts", "federation.sts"},
		{"on-premises, no device registration", with(onPremisesLab(), "federation.sts", func(f *spec.Federation) { f.DeviceRegistration = false }), "", "federation.sts"},
	} {
		w := worldOf(t, c.lab)
		u, d := pairOf(w)
		if r, s := w.RegistersAt(d), w.TokenServiceOf(u); r != c.registers || s != c.signs {
			t.Errorf("%s: registers at %q, signs in at %q", c.name, r, s)
		}
	}
	l := onPremisesLab()
	delete(l, "federation.sts")
	w := worldOf(t, l)
	u, d := pairOf(w)
	if r, s := w.RegistersAt(d), w.TokenServiceOf(u); r != "" || s != "" {
		t.Errorf("a domain alone: %q %q", r, s)
	}
	if f := w.Planned("user.alice", "device.desk"); f.Joined {
		t.Errorf("registered with nothing: %+v", f)
	}
}

// P5 to P7 ask again however lately a second factor was given, unless the trust
// takes one that is current; the other flows always take it.
func TestAlwaysPrompts(t *testing.T) {
	seed.Proves(t, "PA-08", string(P5))
	seed.Proves(t, "PA-08", string(P6))
	seed.Proves(t, "PA-08", string(P7))
	hybrid, home := federatedLab(), onPremisesLab()
	for _, c := range []struct {
		name   string
		lab    map[string]any
		recent bool
		typ    string
		flow   Flow
		want   bool
	}{
		{"P5", hybrid, false, "certificate", P5, true}, {"P6", home, false, "key", P6, true}, {"P7", home, false, "certificate", P7, true},
		{"P5, recent", hybrid, true, "certificate", P5, false}, {"P6, recent", home, true, "key", P6, false}, {"P7, recent", home, true, "certificate", P7, false},
		{"of another trust", home, true, "certificate", P6, true},
		{"P8", hybrid, false, "key", P8, false}, {"P4", hybrid, false, "key", P4, false}, {"P2", hybrid, false, "key", P2, false},
	} {
		l := with(c.lab, "trust.key", func(x *spec.Trust) { x.Type, x.RecentMFA = c.typ, c.recent })
		w := worldOf(t, l)
		if got := w.AlwaysPrompts(c.flow, "user.alice", "device.desk"); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !worldOf(t, home).AlwaysPrompts(P6, "user.nobody", "device.desk") {
		t.Error("a stranger is not asked")
	}
}

// A KDC means other things by the same error where a certificate signs.
func TestReasonsOfCertificates(t *testing.T) {
	for code, want := range map[int32]string{
		62: "certificate_untrusted", 66: "certificate_other_account", 70: "certificate_untrusted", 71: "certificate_expired", 72: "certificate_revoked",
		73: "certificate_revocation_unknown", 74: "certificate_revocation_unknown", 75: "certificate_name_mismatch", 77: "certificate_purpose",
		6: "certificate_name_unknown", 16: "kdc_no_certificate", 18: "account_disabled_in_domain", 37: "domain_clock_skew",
	} {
		if r, ok := ReasonOfCertificate(code); !ok || r.Code != want || r.Status == "" || r.Hint == "" {
			t.Errorf("error %d: %+v, %v", code, r, ok)
		}
	}
	if r, ok := ReasonOfCertificate(60); ok || r.Code != "domain_refused" {
		t.Errorf("error 60: %s, %v", r.Code, ok)
	}
}

// The federation that decides is the tenant's, and AD FS's domain is its own.
func TestAuthenticationOf(t *testing.T) {
	third := with(federatedLab(), "federation.sts", func(f *spec.Federation) { f.Kind, f.Domain, f.Host = "third_party", "", "idp.example.com" })
	for name, c := range map[string]struct {
		lab  map[string]any
		user string
		want Authentication
	}{
		"managed": {hybridLab(), "user.alice", Managed}, "AD FS": {federatedLab(), "user.alice", FederatedADFS},
		"third party": {third, "user.alice", FederatedThirdParty}, "on-premises": {onPremisesLab(), "user.alice", FederatedADFS},
	} {
		w := worldOf(t, c.lab)
		if got := w.AuthenticationOf(w.Users[c.user]); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if w := worldOf(t, federatedLab()); w.FederationOn(providers.Ref("domain.other")) != nil || w.FederationOn("") != nil {
		t.Error("AD FS of another domain")
	}
}
