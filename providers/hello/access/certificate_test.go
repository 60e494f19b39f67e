package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

const sts = "federation.sts"

// federatedLab is declared with certificate trust in a tenant that is federated with
// AD FS.
func federatedLab(change ...func(objects)) objects {
	o := declared(func(o objects) {
		t := o[tenant].(spec.Tenant)
		t.Authentication, t.Federation = "federated", sts
		o[tenant] = t
		o[sts] = spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.ca", RegistrationAuthority: true, DeviceRegistration: true, Enabled: true, MFA: spec.AdapterBuiltin}
		o["authority.ca"] = spec.Authority{Domain: corp, CommonName: "CA", NTAuth: true}
		o["trust.certificate"] = spec.Trust{Type: spec.TrustCertificate, Tenant: tenant, Domain: corp, Federation: sts}
		p := o["policy.hello"].(spec.Policy)
		p.Trust = "trust.certificate"
		o["policy.hello"] = p
		s := o["sync.corp"].(spec.Sync)
		s.DeviceWriteback = true
		o["sync.corp"] = s
	})
	for _, c := range change {
		c(o)
	}
	return o
}

// with is held, and a sign-in certificate on both devices.
func withCertificate(change func(*access.UserCertificate)) *access.Facts {
	f := held()
	for _, device := range []string{laptop, desk} {
		c := &access.UserCertificate{Authority: "authority.ca", NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
			Domain: "corp.contoso.com", UPN: "alice@contoso.com", SID: "S-1-5-21-1-2-3-1104", ForLogon: true}
		if change != nil {
			change(c)
		}
		f.Machines[device].Credentials[alice].Certificates = []*access.UserCertificate{c}
		f.Machines[device].Written = true
	}
	f.Federations[sts] = &access.Federation{Agent: &access.AgentCertificate{NotAfter: now.AddDate(2, 0, 0)}}
	return f
}

func change[T any](addr string, set func(*T)) func(objects) {
	return func(o objects) {
		v := o[addr].(T)
		set(&v)
		o[addr] = v
	}
}

// A sign-in by certificate is judged as a controller judges it.
func TestSignInCertificate(t *testing.T) {
	crl := func(from ...string) func(objects) {
		return change("authority.ca", func(a *spec.Authority) { a.CRL = &spec.AuthorityCRL{ReachableFrom: from} })
	}
	bo := func(o objects) { o["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: tenant, Domain: corp} }
	for _, tt := range []struct {
		name      string
		change    func(*access.UserCertificate)
		world     func(objects)
		code      string // "": the sign-in works
		rule      string
		keyRemain bool
	}{
		{name: "good"},
		{name: "ended", change: func(c *access.UserCertificate) { c.NotAfter = now.Add(-time.Minute) }, code: "certificate_expired", rule: "K6"},
		{name: "revoked", change: func(c *access.UserCertificate) { c.Revoked = true }, code: "certificate_revoked", rule: "U9"},
		{name: "not in NTAuth", world: change("authority.ca", func(a *spec.Authority) { a.NTAuth = false }), code: "certificate_untrusted", rule: "D5"},
		{name: "of nobody the domain knows", change: func(c *access.UserCertificate) { c.Authority = "" }, code: "certificate_untrusted", rule: "D5"},
		{name: "the same, and the key is registered", change: func(c *access.UserCertificate) { c.Authority = "" }, keyRemain: true},
		{name: "lists that no controller reads", world: crl("internet"), code: "certificate_revocation_unknown", rule: "K4"},
		{name: "lists that controllers alone read", world: crl("dc"), code: "kdc_certificate_unknown_revocation", rule: "K3"},
		{name: "no purpose", change: func(c *access.UserCertificate) { c.ForLogon = false }, code: "certificate_purpose"},
		{name: "a former name", change: func(c *access.UserCertificate) { c.UPN = "al@contoso.com" }, code: "certificate_name_unknown", rule: "U10"},
		{name: "a former name, which is another's now", change: func(c *access.UserCertificate) { c.UPN = "bo@contoso.com" }, world: bo, code: "certificate_other_account", rule: "D6"},
		{name: "the same, no identifier, weak mapping", change: func(c *access.UserCertificate) { c.UPN, c.SID = "bo@contoso.com", "" },
			world: func(o objects) { bo(o); change(corp, func(d *spec.Domain) { d.Mapping = "none" })(o) }, code: "certificate_name_mismatch", rule: "U10"},
		{name: "the account's other name", change: func(c *access.UserCertificate) { c.UPN = "alice@corp.contoso.com" }},
		{name: "no identifier", change: func(c *access.UserCertificate) { c.SID = "" }, code: "certificate_other_account", rule: "D6"},
		{name: "no identifier, weak mapping", change: func(c *access.UserCertificate) { c.SID = "" }, world: change(corp, func(d *spec.Domain) { d.Mapping = "none" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, f := federatedLab(), withCertificate(tt.change)
			if tt.world != nil {
				o = federatedLab(tt.world)
			}
			if !tt.keyRemain {
				f.Accounts[alice].DomainKeys = nil // the key itself is nothing to certificate trust
			}
			for device, flow := range map[string]string{laptop: "A4", desk: "A7"} {
				v := decide(t, o, f, device, corp)
				if tt.code == "" {
					if v.Word != access.Allowed || v.Flow != flow {
						t.Errorf("%s: %+v", device, v)
					}
					continue
				}
				phase := "B"
				switch tt.code {
				case "kdc_certificate_unknown_revocation":
					phase = "C"
				case "certificate_name_unknown": // the name is looked for first
					phase = "A"
				}
				if v.Word != access.Refused || v.Reason != tt.code || v.Flow != flow || v.Phase != phase || v.Rule != tt.rule {
					t.Errorf("%s: %+v", device, v)
				}
			}
		})
	}
}

// Without a certificate there is nothing to show, wherever the device is; what a
// device kept of another trust does not stand in.
func TestNoSignInCertificate(t *testing.T) {
	f := withCertificate(nil)
	for _, d := range []string{laptop, desk} {
		f.Machines[d].Credentials[alice].Certificates = nil
	}
	f.Machines[desk].Credentials[alice].CachedKey = &access.CachedLogon{At: now, KeyID: "l"}
	for device, flow := range map[string]string{laptop: "A4", desk: "A7"} {
		for _, network := range []string{"onsite", "internet"} {
			o := federatedLab(change(device, func(d *spec.Device) { d.Network = network }))
			if v := decide(t, o, f, device, corp); v.Reason != "certificate_missing" || v.Phase != "A" || v.Flow != flow || v.Rule != "T4" {
				t.Errorf("%s, %s: %+v", device, network, v)
			}
		}
	}
	if v := decide(t, federatedLab(), f, laptop, tenant); v.Word != access.Allowed {
		t.Errorf("the tenant takes the key itself: %+v", v)
	}
}

// An Entra joined device finds the domain by the certificate, and shows the one
// that ends last.
func TestCertificateOfTheDevice(t *testing.T) {
	f := withCertificate(func(c *access.UserCertificate) { c.Domain = "" })
	if v := decide(t, federatedLab(), f, laptop, corp); v.Reason != "certificate_no_domain" || v.Phase != "A" {
		t.Errorf("it leads nowhere: %+v", v)
	}
	if v := decide(t, federatedLab(), f, desk, corp); v.Word != access.Allowed {
		t.Errorf("a member knows its domain: %+v", v)
	}
	f = withCertificate(nil)
	k := f.Machines[desk].Credentials[alice]
	old := *k.Certificates[0]
	old.NotAfter, old.Revoked = now.Add(time.Hour), true
	k.Certificates = append(k.Certificates, &old)
	if v := decide(t, federatedLab(), f, desk, corp); v.Word != access.Allowed {
		t.Errorf("beside one that ends sooner: %+v", v)
	}
}

// Federation is no part of a Hello sign-in.
func TestFederationIsDown(t *testing.T) {
	o := federatedLab(change(sts, func(s *spec.Federation) { s.Enabled = false }))
	for _, device := range []string{laptop, desk} {
		for _, to := range []string{"", tenant, corp} {
			if v := decide(t, o, withCertificate(nil), device, to); v.Word != access.Allowed {
				t.Errorf("%s to %q: %+v", device, to, v)
			}
		}
	}
}

// On-premises the domain alone opens Windows; AD FS's token comes behind it.
func TestOnPremises(t *testing.T) {
	o := federatedLab(func(o objects) {
		delete(o, tenant)
		delete(o, "sync.corp")
		delete(o, "trust.certificate")
		delete(o, laptop)
		delete(o, "enrollment.al")
	},
		change("trust.key", func(t *spec.Trust) { t.Tenant, t.Federation = "", sts }),
		change("policy.hello", func(p *spec.Policy) { p.Trust = "trust.key" }),
		change(alice, func(u *spec.User) { u.Tenant = "" }),
		change(desk, func(d *spec.Device) { d.Join, d.Tenant = "domain", "" }))
	f := withCertificate(nil)
	m := f.Machines[desk]
	m.DeviceID, m.Enterprise = "", "desk"
	for _, to := range []string{"", corp} {
		if v := decide(t, o, f, desk, to); v.Word != access.Allowed || v.Flow != string(hello.A8) {
			t.Errorf("to %q: %+v", to, v)
		}
	}
	m.Written = false
	if v := decide(t, o, f, desk, ""); v.Word != access.Degraded || v.Reason != "no_enterprise_prt" {
		t.Errorf("AD FS does not know the device: %+v", v)
	}
	if v := decide(t, o, f, desk, corp); v.Word != access.Allowed {
		t.Errorf("to the domain: %+v", v)
	}
	f.Accounts[alice].DomainKeys = nil
	if v := decide(t, o, f, desk, corp); v.Reason != "key_not_synced" || v.Phase != "B" {
		t.Errorf("the directory does not have the key: %+v", v)
	}
	m.Enterprise = ""
	if v := decide(t, o, f, desk, ""); v.Reason != "device_not_joined" {
		t.Errorf("not registered: %+v", v)
	}
}

// A plan that makes an enrollment in a federated lab provisions it as the flow
// would, or says what stops it.
func TestPlannedThroughFederation(t *testing.T) {
	was := federatedLab(func(o objects) { delete(o, "enrollment.desk") })
	for _, tt := range []struct {
		name   string
		change func(objects)
		facts  func(*access.Facts)
		code   string // "": provisioned, with a certificate
	}{
		{name: "everything there"},
		{name: "AD FS is down", change: change(sts, func(s *spec.Federation) { s.Enabled = false }), code: "federation_unreachable"},
		{name: "no adapter", change: change(sts, func(s *spec.Federation) { s.MFA = spec.AdapterNone }), code: "federation_refused"},
		{name: "never a second factor", change: change(sts, func(s *spec.Federation) { s.MFARule = spec.MFANever }), code: "mfa_required"},
		{name: "none registered", change: change(alice, func(u *spec.User) { u.MFA = "none" }), code: "adapter_not_registered"},
		{name: "not accepted: the tenant asks for its own", change: change(tenant, func(t *spec.Tenant) { t.MFA = &spec.TenantMFA{Federated: "reject"} })},
		{name: "device not written back", facts: func(f *access.Facts) { f.Machines[desk].Written = false }, code: "no_enterprise_prt"},
		{name: "no registration authority", change: change(sts, func(s *spec.Federation) { s.RegistrationAuthority = false }), code: "registration_authority_not_ready"},
		{name: "agent certificate revoked", facts: func(f *access.Facts) { f.Federations[sts].Agent.Revoked = true }, code: "agent_certificate_unusable"},
		{name: "agent certificate ended", change: change("authority.ca", func(a *spec.Authority) {
			a.Templates = map[string]*spec.AuthorityTemplate{hello.AgentTemplate: {Enabled: false}}
		}), facts: func(f *access.Facts) { f.Federations[sts].Agent.NotAfter = now }, code: "registration_authority_not_ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, f := federatedLab(), withCertificate(nil)
			if tt.change != nil {
				tt.change(o)
			}
			delete(f.Machines[desk].Credentials, alice)
			f.Accounts[alice].TenantKeys = f.Accounts[alice].TenantKeys[:1]
			if tt.facts != nil {
				tt.facts(f)
			}
			is := world(t, o, "enrollment.desk")
			then := access.Planned(f, world(t, was), is)
			v := access.Decide(is, then, access.Request{User: alice, Device: desk, To: corp})
			told := strings.Join(then.Gaps, "\n")
			switch {
			case tt.code == "" && (v.Word != access.Allowed || v.Flow != "A7" || told != ""):
				t.Errorf("%+v, %q", v, told)
			case tt.code == "agent_certificate_unusable": // the key is registered by then
				if v.Reason != "certificate_missing" || !strings.Contains(told, tt.code) {
					t.Errorf("%+v, %q", v, told)
				}
			case tt.code != "" && (v.Reason != "no_hello_credential" || !strings.Contains(told, "("+tt.code+")")):
				t.Errorf("%+v, %q", v, told)
			}
		})
	}
}
