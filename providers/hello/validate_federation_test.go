package hello

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

type lab = map[string]any

// thirdPartyLab is the good lab, federated with another vendor's service.
func thirdPartyLab() lab {
	l := goodLab()
	l["federation.idp"] = spec.Federation{Kind: "third_party", Host: "idp.example.com", MFA: "builtin", MFARule: "on_request", Enabled: true, SigningVersion: 1,
		RegistrationAuthority: true, DeviceRegistration: true}
	return with(l, "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "federated", "federation.idp" })
}

// keyFederatedLab is the federated lab by key trust (P8).
func keyFederatedLab() lab {
	return with(federatedLab(), "trust.key", func(t *spec.Trust) { t.Type, t.Federation, t.Authority = "key", "", "" })
}

// onPremisesCertificateLab is the on-premises lab by certificate trust (P7).
func onPremisesCertificateLab() lab {
	return with(onPremisesLab(), "trust.key", func(t *spec.Trust) { t.Type = "certificate" })
}

// Every deployment that is supported has no problem, to be made or made.
func TestFederatedLabsHaveNoProblems(t *testing.T) {
	for name, l := range map[string]lab{"P2, third party": thirdPartyLab(), "P5": federatedLab(), "P6": onPremisesLab(), "P7": onPremisesCertificateLab(), "P8": keyFederatedLab()} {
		flow, _, _ := strings.Cut(name, ",")
		w := worldOf(t, l)
		if ps := Validate(w); len(ps) != 0 {
			t.Errorf("%s: %+v", name, ps)
		}
		if ps := Validate(worldOf(t, l, sortedKeys(l)...)); len(ps) != 0 {
			t.Errorf("%s, when made: %+v", name, ps)
		}
		for _, e := range w.Enrollments {
			if route, ps := w.FlowFor(e); string(route.Provision) != flow || len(ps) != 0 {
				t.Errorf("%s: %s, %v", name, route.Provision, ps)
			}
		}
	}
}

// Each unsupported line of the deployment page, as a lab that asks for it, and
// the rule that refuses it. Numbers are those of the project's table of
// deployments, whose sources are "Plan a Windows Hello for Business deployment"
// and the pages of each trust. Rows 17 to 19 (a domain joined device registered by
// hand, Entra Domain Services, local accounts) cannot be written down at all, but
// for a device that is joined to nothing.
func TestUnsupportedDeployments(t *testing.T) {
	seed.Proves(t, "MOD-06")
	for _, c := range []struct {
		name, rule string
		lab        lab
	}{
		{"row 9: certificate trust, managed tenant", "trust.key tenant certificate_needs_federation", with(federatedLab(), "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "managed", "" })},
		{"row 9: its devices", "enrollment.desk device certificate_needs_federation", with(federatedLab(), "tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "managed", "" })},
		{"row 10: certificate trust, third party", "trust.key tenant certificate_needs_adfs", thirdPartyCertificates()},
		{"row 10: its devices", "enrollment.desk device certificate_needs_adfs", thirdPartyCertificates()},
		{"row 8: Entra joined, by the registration authority", "enrollment.desk device entra_certificate_by_ra", entraJoined(federatedLab(), "ra")},
		{"row 7: hybrid joined, by device management", "enrollment.desk device hybrid_certificate_by_mdm", with(federatedLab(), "trust.key", func(x *spec.Trust) { x.Delivery = "mdm_scep" })},
		{"row 11: no AD FS", "enrollment.desk device on_premises_needs_adfs", without(onPremisesLab(), "federation.sts", "trust.key")},
		{"row 11: a trust without AD FS", "trust.key federation on_premises_needs_adfs", with(without(onPremisesLab(), "federation.sts"), "trust.key", func(x *spec.Trust) { x.Federation = "" })},
		{"row 11: no adapter", "federation.sts mfa on_premises_needs_adapter", with(onPremisesLab(), "federation.sts", func(f *spec.Federation) { f.MFA = "none" })},
		{"row 11: an adapter that is never asked", "federation.sts mfa on_premises_needs_adapter", with(onPremisesLab(), "federation.sts", func(f *spec.Federation) { f.MFARule = "never" })},
		{"row 12: by device management", "trust.key certificate_delivery on_premises_certificate_by_mdm", with(onPremisesCertificateLab(), "trust.key", func(x *spec.Trust) { x.Delivery = "mdm_scep" })},
		{"row 12: its devices", "enrollment.desk device on_premises_certificate_by_mdm", with(onPremisesCertificateLab(), "trust.key", func(x *spec.Trust) { x.Delivery = "mdm_scep" })},
		{"row 13: cloud Kerberos on-premises", "trust.key tenant cloud_kerberos_on_premises", with(onPremisesLab(), "trust.key", func(x *spec.Trust) { x.Type, x.Federation = "cloud_kerberos", "" })},
		{"row 13: its devices", "enrollment.desk device cloud_kerberos_on_premises", with(onPremisesLab(), "trust.key", func(x *spec.Trust) { x.Type, x.Federation = "cloud_kerberos", "" })},
		{"row 14: Entra joined", "enrollment.desk user user_without_tenant", entraJoined(with(onPremisesLab(), "tenant.contoso", func(t *spec.Tenant) {
			t.Domains, t.Authentication = []string{"contoso.com"}, "managed"
		}), "")},
		{"row 15: cloud services besides", "trust.key tenant on_premises_with_cloud", with(federatedLab(), "trust.key", func(x *spec.Trust) { x.Tenant = "" })},
		{"row 16: domain joined alone", "enrollment.desk device domain_join_unregistered", with(federatedLab(), "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })},
		{"row 19: joined to nothing", "enrollment.desk device device_not_joined", with(federatedLab(), "device.desk", func(d *spec.Device) { d.Join, d.Tenant, d.Domain = "none", "", "" })},
		{"AD FS in the cloud alone", "federation.sts domain federation_needs_domain", with(without(federatedLab(), "domain.corp", "authority.root", "sync.up", "trust.key", "policy.hello", "device.desk", "enrollment.desk", "user.alice"),
			"federation.sts", func(f *spec.Federation) { f.Domain, f.Authority = "", "" })},
	} {
		w := worldOf(t, c.lab)
		if got := rulesTold(t, w); !slices.Contains(got, c.rule) {
			t.Errorf("%s: %q, want %q", c.name, got, c.rule)
		}
		for _, p := range Validate(w) {
			if p.Addr+" "+p.Attribute+" "+p.Rule == c.rule && strings.Count(p.Detail, ".")+strings.Count(p.Detail, "?") < 2 {
				t.Errorf("%s: %q has no hint", c.name, p.Detail)
			}
		}
	}
}

func inTenant(u *spec.User) { *u = hybridLab()["user.bo"].(spec.User) }

func without(l lab, addrs ...string) lab {
	for _, a := range addrs {
		delete(l, a)
	}
	return l
}

func entraJoined(l lab, delivery string) lab {
	with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant, d.Domain = "entra", "tenant.contoso", "" })
	return with(l, "trust.key", func(x *spec.Trust) { x.Delivery = delivery })
}

func thirdPartyCertificates() lab {
	return with(federatedLab(), "federation.sts", func(f *spec.Federation) {
		f.Kind, f.Domain, f.Authority, f.Host = "third_party", "", "", "idp.example.com"
	})
}

// Each case breaks a federated lab in one way and names every problem that causes.
func TestValidateFederation(t *testing.T) {
	seed.Proves(t, "PA-08")
	seed.Proves(t, "PA-09")
	seed.Proves(t, "CE-06")
	sts := func(l lab, change func(*spec.Federation)) lab { return with(l, "federation.sts", change) }
	idp := func(change func(*spec.Federation)) lab { return with(thirdPartyLab(), "federation.idp", change) }
	trust := func(l lab, change func(*spec.Trust)) lab { return with(l, "trust.key", change) }
	authority := func(change func(*spec.Authority)) lab { return with(federatedLab(), "authority.root", change) }
	all := func(l lab) []string { return sortedKeys(l) }
	second := func(l lab, change func(*spec.Federation)) lab {
		l["federation.two"] = spec.Federation{Kind: "adfs", Domain: "domain.corp", Host: "fs.contoso.com", MFA: "builtin", MFARule: "on_request", Enabled: true, SigningVersion: 1}
		return with(l, "federation.two", change)
	}
	for _, c := range []struct {
		name string
		lab  lab
		made func(lab) []string
		want []string
	}{
		// Federation services.
		{"AD FS without domain", without(sts(federatedLab(), func(f *spec.Federation) { f.Domain = "" }), "trust.key", "policy.hello", "enrollment.desk"), nil, []string{"federation.sts domain federation_needs_domain"}},
		{"third party without host", idp(func(f *spec.Federation) { f.Host = "" }), nil, []string{"federation.idp host federation_needs_host"}},
		{"third party with AD FS's settings", idp(func(f *spec.Federation) { f.Domain, f.Authority = "domain.corp", "authority.root" }), nil,
			[]string{"federation.idp authority federation_setting_foreign", "federation.idp domain federation_setting_foreign"}},
		{"no host name", idp(func(f *spec.Federation) { f.Host = "idp" }), nil, []string{"federation.idp host host_malformed"}},
		{"two of a domain", second(federatedLab(), func(f *spec.Federation) {}), nil, []string{"federation.two domain federation_twice"}},
		{"two of a host", second(federatedLab(), func(f *spec.Federation) { f.Kind, f.Domain, f.Host = "third_party", "", "STS.corp.contoso.com" }), nil, []string{"federation.two host federation_host_taken"}},
		{"authority of another domain", second(with(with(keyFederatedLab(), "domain.lab", func(d *spec.Domain) { d.DNSName, d.NetBIOSName = "lab.contoso.com", "LAB" }), "authority.lab", func(a *spec.Authority) {
			a.Domain, a.CommonName, a.NTAuth = "domain.lab", "Lab CA", true
		}), func(f *spec.Federation) { f.Domain, f.Authority = "domain.lab", "authority.root" }), nil, []string{"federation.two authority federation_authority_elsewhere"}},
		{"signing certificate zero", sts(federatedLab(), func(f *spec.Federation) { f.SigningVersion = 0 }), nil, []string{"federation.sts signing_version signing_version_malformed"}},
		{"always a factor, and no adapter", sts(federatedLab(), func(f *spec.Federation) { f.MFA, f.MFARule = "none", "always" }), nil, []string{"enrollment.desk user federation_without_second_factor", "federation.sts mfa_rule mfa_rule_without_adapter"}},
		{"no lifetimes", sts(federatedLab(), func(f *spec.Federation) {
			f.Lifetimes = &spec.FederationLifetimes{Nonce: time.Minute, Assertion: time.Hour, AccessToken: time.Hour, PRT: time.Hour, SigningOverlap: time.Hour}
		}), nil, []string{"federation.sts lifetimes.mfa lifetime_not_positive"}},
		{"a device of its name", with(federatedLab(), "device.desk", func(d *spec.Device) { d.Name = "STS" }), nil, []string{"device.desk name computer_name_taken"}},
		{"a device, and another name of it", sts(with(federatedLab(), "device.desk", func(d *spec.Device) { d.Name = "STS" }), func(f *spec.Federation) { f.Host = "fs.contoso.com" }), nil, nil},

		// Tenants and users.
		{"federated, with none", with(thirdPartyLab(), "tenant.contoso", func(t *spec.Tenant) { t.Federation = "" }), nil,
			[]string{"tenant.contoso federation federation_missing"}},
		{"managed, with one", with(thirdPartyLab(), "tenant.contoso", func(t *spec.Tenant) { t.Authentication = "managed" }), nil, []string{"tenant.contoso authentication tenant_not_federated"}},
		{"managed, and what becomes of factors", with(goodLab(), "tenant.contoso", func(t *spec.Tenant) { t.MFA = &spec.TenantMFA{Provider: "builtin", Federated: "enforce"} }), nil, []string{"tenant.contoso mfa.federated_behavior federated_behavior_unused?"}},
		{"AD FS without synchronization", without(federatedLab(), "sync.up"), nil,
			[]string{"device.desk domain hybrid_join_needs_sync", "enrollment.desk device no_enterprise_prt", "tenant.contoso federation federation_needs_sync", "trust.key domain trust_needs_sync", "user.alice domain user_in_both_needs_sync"}},
		{"user of the tenant alone", with(keyFederatedLab(), "user.bo", inTenant), nil, []string{"user.bo domain federated_user_elsewhere"}},
		{"user of another domain", with(with(with(keyFederatedLab(), "domain.lab", func(d *spec.Domain) { d.DNSName, d.NetBIOSName = "lab.contoso.com", "LAB" }), "sync.lab", func(s *spec.Sync) {
			s.Tenant, s.Domain, s.Interval, s.Enabled, s.KeyExport, s.KeyRight = "tenant.contoso", "domain.lab", time.Hour, true, true, true
		}), "user.bo", func(u *spec.User) { inTenant(u); u.Domain, u.EnabledInDomain = "domain.lab", true }), nil, []string{"user.bo domain federated_user_elsewhere"}},

		// Enrollments through a federation service.
		{"it is down", sts(keyFederatedLab(), func(f *spec.Federation) { f.Enabled = false }), nil, []string{"device.desk join join_through_federation_down", "enrollment.desk user federation_down"}},
		{"it is down later", sts(keyFederatedLab(), func(f *spec.Federation) { f.Enabled = false }), all, nil},
		{"down, and certificates wait", sts(federatedLab(), func(f *spec.Federation) { f.Enabled = false }), all, []string{"enrollment.desk device no_enterprise_prt?", "enrollment.desk device registration_authority_not_ready?"}},
		{"no adapter", sts(keyFederatedLab(), func(f *spec.Federation) { f.MFA = "none" }), nil, []string{"enrollment.desk user federation_without_second_factor"}},
		{"a factor that is never asked for", sts(keyFederatedLab(), func(f *spec.Federation) { f.MFARule = "never" }), nil, []string{"enrollment.desk user federation_without_second_factor"}},
		{"no adapter, later", sts(keyFederatedLab(), func(f *spec.Federation) { f.MFA = "none" }), all, nil},
		{"no adapter, and nobody asks", with(sts(keyFederatedLab(), func(f *spec.Federation) { f.MFA = "none" }), "tenant.contoso", func(t *spec.Tenant) { t.MFA = &spec.TenantMFA{Provider: "builtin", Federated: "enforce"} }), nil,
			[]string{"enrollment.desk user federation_without_second_factor"}},
		{"another vendor's adapter, P8", sts(keyFederatedLab(), func(f *spec.Federation) { f.MFA = "third_party" }), nil, []string{"federation.sts mfa third_party_mfa_unnamed?"}},
		{"another vendor's adapter, P2", idp(func(f *spec.Federation) { f.MFA = "third_party" }), nil, []string{"federation.idp mfa third_party_mfa_unnamed?"}},
		{"another vendor's adapter, P5", sts(federatedLab(), func(f *spec.Federation) { f.MFA = "third_party" }), nil, nil},
		{"another vendor's adapter, P6", sts(onPremisesLab(), func(f *spec.Federation) { f.MFA = "third_party" }), nil, nil},
		{"another vendor's adapter, P7", sts(onPremisesCertificateLab(), func(f *spec.Federation) { f.MFA = "third_party" }), nil, nil},
		{"another vendor's service in the tenant, P5", with(federatedLab(), "tenant.contoso", func(t *spec.Tenant) { t.MFA = &spec.TenantMFA{Provider: "third_party"} }), nil, nil},
		{"recent factor, P5", trust(federatedLab(), func(x *spec.Trust) { x.RecentMFA = true }), nil, []string{"trust.key accept_recent_mfa recent_mfa_unnamed?"}},
		{"recent factor, P6", trust(onPremisesLab(), func(x *spec.Trust) { x.RecentMFA = true }), nil, []string{"trust.key accept_recent_mfa recent_mfa_unnamed?"}},
		{"recent factor, P7", trust(onPremisesCertificateLab(), func(x *spec.Trust) { x.RecentMFA = true }), nil, []string{"trust.key accept_recent_mfa recent_mfa_unnamed?"}},

		// On-premises.
		{"no registration service", sts(onPremisesLab(), func(f *spec.Federation) { f.DeviceRegistration = false }), nil, []string{"enrollment.desk device on_premises_needs_registration", "federation.sts device_registration registration_service_off?"}},
		{"no registration service later", sts(onPremisesLab(), func(f *spec.Federation) { f.DeviceRegistration = false }), all, []string{"federation.sts device_registration registration_service_off?"}},
		{"no second factor", with(onPremisesLab(), "user.alice", func(u *spec.User) { u.MFA = "none" }), nil, []string{"enrollment.desk user no_mfa"}},
		{"disabled in the domain", with(onPremisesLab(), "user.alice", func(u *spec.User) { u.EnabledInDomain = false }), nil, []string{"enrollment.desk user user_disabled"}},
		{"disabled in a tenant that it has not", with(onPremisesLab(), "user.alice", func(u *spec.User) { u.EnabledInTenant = false }), nil, nil},
		{"device away", with(onPremisesLab(), "device.desk", func(d *spec.Device) { d.Network = "vpn" }), func(lab) []string { return []string{"device.desk"} }, []string{"enrollment.desk device enrollment_off_network"}},
		{"user of another domain, at home", with(with(onPremisesLab(), "domain.lab", func(d *spec.Domain) { d.DNSName, d.NetBIOSName = "lab.contoso.com", "LAB" }), "user.alice", func(u *spec.User) { u.Domain = "domain.lab" }), nil, []string{"enrollment.desk user domain_mismatch"}},
		{"no trust declared", with(without(onPremisesLab(), "trust.key"), "policy.hello", func(p *spec.Policy) { p.Trust = "" }), nil, []string{"enrollment.desk  trust_not_declared?"}},
		{"no KDC certificate", without(sts(onPremisesLab(), func(f *spec.Federation) { f.Authority = "" }), "authority.root"), nil, []string{"trust.key authority key_trust_needs_authority"}},

		// Certificate trust.
		{"no authority for it", without(sts(onPremisesCertificateLab(), func(f *spec.Federation) { f.Authority = "" }), "authority.root"), nil,
			[]string{"enrollment.desk device registration_authority_not_ready", "federation.sts registration_authority registration_authority_off?", "trust.key authority certificate_trust_needs_authority"}},
		{"no registration authority", sts(federatedLab(), func(f *spec.Federation) { f.RegistrationAuthority = false }), nil,
			[]string{"enrollment.desk device registration_authority_not_ready", "federation.sts registration_authority registration_authority_off?"}},
		{"no registration authority later", sts(federatedLab(), func(f *spec.Federation) { f.RegistrationAuthority = false }), all,
			[]string{"enrollment.desk device registration_authority_not_ready?", "federation.sts registration_authority registration_authority_off?"}},
		{"no AD FS named, and one there", trust(federatedLab(), func(x *spec.Trust) { x.Federation, x.Authority = "", "" }), nil, nil},
		{"AD FS of another kind", second(trust(federatedLab(), func(x *spec.Trust) { x.Federation = "federation.two" }), func(f *spec.Federation) { f.Kind, f.Domain = "third_party", "" }), nil,
			[]string{"enrollment.desk device registration_authority_not_ready", "trust.key federation trust_federation_not_adfs"}},
		{"no device write-back", with(federatedLab(), "sync.up", func(s *spec.Sync) { s.DeviceWriteback = false }), nil, []string{"enrollment.desk device no_enterprise_prt", "sync.up device_writeback devices_not_written?"}},
		{"no device write-back later", with(federatedLab(), "sync.up", func(s *spec.Sync) { s.DeviceWriteback = false }), all, []string{"sync.up device_writeback devices_not_written?"}},
		{"authority that nobody trusts", authority(func(a *spec.Authority) { a.NTAuth = false }), nil, []string{"authority.root ntauth sign_in_authority_not_trusted?"}},
		{"lists that controllers do not reach", authority(func(a *spec.Authority) {
			a.CRL = &spec.AuthorityCRL{ReachableFrom: []string{"internet"}, Validity: 7 * 24 * time.Hour, Overlap: time.Hour}
		}), nil, []string{"authority.root crl.reachable_from kdc_revocation_unreachable?", "authority.root crl.reachable_from sign_in_revocation_unreachable?"}},
		{"a scope of AD FS", idp(func(f *spec.Federation) { f.UserGroups = new(false) }), nil, []string{"federation.idp ugs_scope federation_setting_unused?"}},
		{"template that is none", authority(func(a *spec.Authority) {
			a.Templates = map[string]*spec.AuthorityTemplate{"WHFBAuthentification": {Enabled: true}, "webserver": {Enabled: true}}
		}), nil, []string{"authority.root template template_unknown"}},
		{"template off", authority(func(a *spec.Authority) {
			a.Templates = map[string]*spec.AuthorityTemplate{SignInTemplate: {}}
		}), nil, []string{"authority.root template sign_in_template_off?", "enrollment.desk device template_not_ready"}},
		{"lists of trusted groups", trust(federatedLab(), func(x *spec.Trust) { x.Allowed = []providers.Ref{"group.none"} }), nil, []string{"trust.key allowed trust_setting_unused?"}},
		{"certificates' settings elsewhere", trust(keyFederatedLab(), func(x *spec.Trust) { x.Federation, x.Delivery, x.RecentMFA = "federation.sts", "ra", true }), nil,
			[]string{"trust.key accept_recent_mfa recent_mfa_unnamed?", "trust.key accept_recent_mfa trust_setting_unused?", "trust.key certificate_delivery trust_setting_unused?", "trust.key federation trust_setting_unused?"}},
		{"switch against the trust", with(without(federatedLab(), "enrollment.desk"), "policy.hello", func(p *spec.Policy) { p.UseCertificateForOnPremAuth = ptr(false) }), nil, []string{"policy.hello use_certificate_for_on_prem_auth trust_contradicts_switch"}},
		{"switch without trust", with(without(federatedLab(), "trust.key"), "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCertificateForOnPremAuth = "", ptr(true) }), nil, []string{"enrollment.desk device certificate_trust_missing?"}},
		{"Entra joined, by device management", with(entraJoined(federatedLab(), "mdm_scep"), "device.desk", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.root"} }), nil, nil},
		{"Entra joined, by nobody", with(entraJoined(federatedLab(), ""), "device.desk", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.root"} }), nil, []string{"enrollment.desk device certificate_payload_missing?"}},
		{"Entra joined, by device management, managed", with(with(entraJoined(federatedLab(), "mdm_scep"), "device.desk", func(d *spec.Device) { d.TrustedRoots = []providers.Ref{"authority.root"} }),
			"tenant.contoso", func(t *spec.Tenant) { t.Authentication, t.Federation = "managed", "" }), nil, []string{"enrollment.desk device certificate_in_managed_tenant?"}},
		{"Entra joined, without the root", entraJoined(federatedLab(), "mdm_scep"), nil, []string{"device.desk trusted_roots kdc_root_not_trusted?"}},

		// Further certificates.
		{"VPN certificate", with(federatedLab(), "certificate.vpn", func(x *spec.Certificate) {
			x.Enrollment, x.Authority, x.Purpose, x.Delivery = "enrollment.desk", "authority.root", "vpn", "mdm_scep"
		}), nil, []string{"certificate.vpn enrollment certificate_beside_group_policy?"}},
		{"two VPN certificates", with(with(federatedLab(), "certificate.vpn", func(x *spec.Certificate) {
			x.Enrollment, x.Authority, x.Purpose = "enrollment.desk", "authority.root", "vpn"
		}),
			"certificate.again", func(x *spec.Certificate) {
				x.Enrollment, x.Authority, x.Purpose = "enrollment.desk", "authority.root", "vpn"
			}), nil, []string{"certificate.again enrollment certificate_beside_group_policy?", "certificate.vpn enrollment certificate_beside_group_policy?", "certificate.vpn purpose certificate_twice"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var made []string
			if c.made != nil {
				made = c.made(c.lab)
			}
			if got := rulesTold(t, worldOf(t, c.lab, made...)); !equalStrings(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// Certificates can be left off: the flow is then the one that ends with the key,
// and the plan says that nothing is enrolled and why.
func TestWithoutCertificates(t *testing.T) {
	seed.Proves(t, "CE-06")
	for _, c := range []struct {
		lab       lab
		with, off Flow
	}{{federatedLab(), P5, P8}, {onPremisesCertificateLab(), P7, P6}} {
		for flow, change := range map[Flow]func(*spec.Policy){c.with: func(*spec.Policy) {}, c.off: func(p *spec.Policy) { p.Trust, p.UseCertificateForOnPremAuth = "", ptr(false) }} {
			w := worldOf(t, with(c.lab, "policy.hello", change))
			route, problems := w.FlowFor(w.Enrollments["enrollment.desk"])
			if route.Provision != flow || len(problems) > 0 {
				t.Errorf("%s: %s, %v", flow, route.Provision, problems)
			}
			certificates := route.Stages()[3]
			if certificates.Runs != (flow == c.with) || !certificates.Runs && certificates.Why == "" {
				t.Errorf("%s: %+v", flow, certificates)
			}
			with(c.lab, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCertificateForOnPremAuth = "trust.key", nil })
		}
		for i, p := range c.with.Phases()[:2] {
			if p != c.off.Phases()[i] {
				t.Errorf("%s and %s differ in phase %s", c.with, c.off, p.Letter)
			}
		}
	}
	if n := len(P6.Phases()); n != 3 {
		t.Errorf("P6 has %d phases, and ends after C", n)
	}
}

// What is unknown at plan is not judged.
func TestUnknownFederation(t *testing.T) {
	text, flag, number := cty.UnknownVal(cty.String), cty.UnknownVal(cty.Bool), cty.UnknownVal(cty.Number)
	for _, c := range []struct {
		addr, attr string
		v          cty.Value
	}{
		{"federation.sts", "kind", text}, {"federation.sts", "domain", text}, {"federation.sts", "host", text}, {"federation.sts", "authority", text}, {"federation.sts", "mfa", text}, {"federation.sts", "mfa_rule", text},
		{"federation.sts", "registration_authority", flag}, {"federation.sts", "device_registration", flag}, {"federation.sts", "enabled", flag}, {"federation.sts", "signing_version", number},
		{"tenant.contoso", "authentication", text}, {"tenant.contoso", "federation", text}, {"sync.up", "device_writeback", flag}, {"user.alice", "domain", text}, {"user.alice", "tenant", text},
		{"trust.key", "tenant", text}, {"trust.key", "federation", text}, {"trust.key", "authority", text}, {"trust.key", "certificate_delivery", text}, {"trust.key", "accept_recent_mfa", flag},
		{"authority.root", "ntauth", flag}, {"device.desk", "domain", text},
	} {
		w, err := NewWorld(replace(records(t, federatedLab()), c.addr, c.attr, c.v))
		if err != nil {
			t.Errorf("%s.%s: %v", c.addr, c.attr, err)
			continue
		}
		if got := rulesTold(t, w); len(got) != 0 {
			t.Errorf("%s.%s unknown: %q", c.addr, c.attr, got)
		}
	}
}
