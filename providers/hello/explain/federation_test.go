package explain

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

// federatedLab is a lab by a flow: federated and hybrid joined for P5 and P8,
// Entra joined for P2, on-premises for P6 and P7.
func federatedLab(flow hello.Flow) map[string]any {
	yes := true
	join := map[hello.Flow]string{hello.P2: "entra", hello.P5: "hybrid", hello.P6: "domain", hello.P7: "domain", hello.P8: "hybrid"}[flow]
	objects := labOf(join, "federated", map[string]spec.Policy{"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes, Trust: "trust.t"}})
	delete(objects, "application.app")
	objects["authority.ca"] = spec.Authority{Domain: "domain.corp", CommonName: "CA", NTAuth: true}
	objects["federation.sts"] = spec.Federation{Kind: "adfs", Domain: "domain.corp", Authority: "authority.ca", MFA: "builtin", MFARule: "on_request", RegistrationAuthority: true, DeviceRegistration: true, Enabled: true, SigningVersion: 1}
	t := spec.Trust{Type: "key", Tenant: "tenant.contoso", Domain: "domain.corp"}
	if flow == hello.P5 || flow == hello.P7 {
		t.Type = "certificate"
	}
	tenant := objects["tenant.contoso"].(spec.Tenant)
	tenant.Federation = "federation.sts"
	objects["tenant.contoso"] = tenant
	s := objects["sync.up"].(spec.Sync)
	s.DeviceWriteback = true
	objects["sync.up"] = s
	if join == "domain" {
		t.Tenant = ""
		u := objects["user.alice"].(spec.User)
		u.Tenant = ""
		objects["user.alice"] = u
		delete(objects, "tenant.contoso")
		delete(objects, "sync.up")
	}
	objects["trust.t"] = t
	return objects
}

// Each flow through a federation service says who signs the user in, where keys
// are registered, what it needs, and whether it asks again for a second factor.
func TestFlowsThroughFederation(t *testing.T) {
	for _, c := range []struct {
		flow           hello.Flow
		signIn, domain hello.Flow
		registration   string
		needs          []string // besides the first two
		says           string
	}{
		{hello.P2, hello.A1, hello.A3, "tenant.contoso", []string{"key_export"}, "federated with federation.sts"},
		{hello.P5, hello.A7, "", "tenant.contoso", []string{"device_in_domain", "registration_authority", "agent_certificate"}, "however lately one was given"},
		{hello.P6, hello.A8, "", "federation.sts", []string{"registration_service", "key_export"}, "however lately one was given"},
		{hello.P7, hello.A8, "", "federation.sts", []string{"registration_service", "device_in_domain", "registration_authority", "agent_certificate"}, "registers devices and keys: there is no tenant"},
		{hello.P8, hello.A6, "", "tenant.contoso", []string{"key_export"}, "federated with federation.sts"},
	} {
		x := explained(t, federatedLab(c.flow), "")
		ch := x.Choice
		if ch.Provision != string(c.flow) || ch.SignIn != string(c.signIn) || ch.Domain != string(c.domain) || ch.Tokens != "federation.sts" || ch.Registration != c.registration {
			t.Errorf("%s: %+v", c.flow, ch)
		}
		if text := strings.Join(ch.Why, " "); !strings.Contains(text, c.says) {
			t.Errorf("%s: %q is not in %s", c.flow, c.says, text)
		}
		var got []string
		for _, d := range x.Provisioning.Deployment {
			got = append(got, d.Name)
			if d.Verdict == NotMet && d.Name != "kdc_certificate" {
				t.Errorf("%s: %+v", c.flow, d)
			}
		}
		for _, want := range append([]string{"federation_service", "second_factor_service"}, c.needs...) {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %q lacks %s", c.flow, got, want)
			}
		}
		for _, check := range x.Provisioning.Checks {
			if check.Verdict == NotMet {
				t.Errorf("%s: %+v", c.flow, check)
			}
		}
	}
}

// What phase A lacks of the federation service is said by name.
func TestFederationIsMissing(t *testing.T) {
	for code, change := range map[string]func(map[string]any, *spec.Federation){
		"federation_unreachable": func(_ map[string]any, f *spec.Federation) { f.Enabled = false },
		"adapter_missing":        func(_ map[string]any, f *spec.Federation) { f.MFA = "none" },
		"device_not_joined":      func(_ map[string]any, f *spec.Federation) { f.DeviceRegistration = false },
		"federated_mfa_missing": func(o map[string]any, f *spec.Federation) {
			f.MFARule = "never"
			tenant := o["tenant.contoso"].(spec.Tenant)
			tenant.MFA = &spec.TenantMFA{Provider: "builtin", Federated: "enforce"}
			o["tenant.contoso"] = tenant
		},
		"registration_authority_not_ready": func(_ map[string]any, f *spec.Federation) { f.RegistrationAuthority = false },
		"device_not_written_back": func(o map[string]any, _ *spec.Federation) {
			s := o["sync.up"].(spec.Sync)
			s.DeviceWriteback = false
			o["sync.up"] = s
		},
	} {
		flow := hello.P5
		if code == "adapter_missing" || code == "device_not_joined" {
			flow = hello.P7
		}
		o := federatedLab(flow)
		f := o["federation.sts"].(spec.Federation)
		change(o, &f)
		o["federation.sts"] = f
		var codes []string
		for _, d := range explained(t, o, "").Provisioning.Deployment {
			codes = append(codes, d.Code)
		}
		if !slices.Contains(codes, code) {
			t.Errorf("%s is not among %q", code, codes)
		}
	}
}

// A sign-in by certificate fails for the reason that the preview gives, and its
// first condition that is not met says so; what would end it includes revoking it.
func TestCertificateConditions(t *testing.T) {
	for _, flow := range []hello.Flow{hello.P5, hello.P7} {
		for code, change := range map[string]func(*access.UserCertificate, map[string]any){
			"success":             func(*access.UserCertificate, map[string]any) {},
			"certificate_expired": func(c *access.UserCertificate, _ map[string]any) { c.NotAfter = now.Add(-time.Hour) },
			"certificate_revoked": func(c *access.UserCertificate, _ map[string]any) { c.Revoked = true },
			"certificate_purpose": func(c *access.UserCertificate, _ map[string]any) { c.ForLogon = false },
			"certificate_untrusted": func(_ *access.UserCertificate, o map[string]any) {
				a := o["authority.ca"].(spec.Authority)
				a.NTAuth = false
				o["authority.ca"] = a
			},
			"certificate_name_unknown": func(c *access.UserCertificate, _ map[string]any) { c.UPN = "al@contoso.com" },
			"certificate_missing":      nil,
		} {
			o := federatedLab(flow)
			cert := &access.UserCertificate{Raw: []byte("der"), Authority: "authority.ca", NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), Domain: "corp.contoso.com", UPN: "alice@contoso.com", SID: "S-1-5-21-1-2-3-1104", ForLogon: true}
			held := &access.Credential{KeyID: "k", PIN: hello.ShapeOfPIN([]byte("271828")), Session: true, Certificates: []*access.UserCertificate{cert}}
			if change == nil {
				held.Certificates = nil
			} else {
				change(cert, o)
			}
			facts := access.NewFacts(now)
			facts.Machines["device.laptop"] = &access.Machine{DeviceID: "d", Enterprise: "d", Written: true, Credentials: map[string]*access.Credential{"user.alice": held}}
			facts.Accounts["user.alice"] = &access.Account{TenantKeys: []access.Key{{ID: "k", DeviceID: "d"}}}
			facts.Domains["domain.corp"] = &access.Domain{Certificates: map[string]*access.Certificate{"dc1": {Authority: "authority.ca", NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ForKDC: true, ForServer: true, Named: true}}}
			w := worldOf(t, o)
			x := Explain(w, Held{Applied: true, Lab: facts, Launch: w.Planned("user.alice", "device.laptop")}, Request{User: "user.alice", Device: "device.laptop", To: "domain.corp"})
			s := x.SignIns[len(x.SignIns)-1]
			if s.Reason != code {
				t.Errorf("%s: %s, want %s", flow, s.Reason, code)
			}
			first := "success"
			for _, c := range s.Conditions {
				if c.Verdict == NotMet && first == "success" {
					first = c.Code
				}
			}
			if first != code {
				t.Errorf("%s, %s: the first condition not met is %s", flow, code, first)
			}
			ends := slices.ContainsFunc(x.Endings, func(e Ending) bool {
				return strings.Contains(e.How, "hellolab revoke certificate ") && slices.ContainsFunc(e.Ways, func(w Way) bool { return w.Reason == "certificate_revoked" })
			})
			if code == "success" && !ends {
				t.Errorf("%s: revoking is not among what would end it: %+v", flow, x.Endings)
			}
		}
	}
}
