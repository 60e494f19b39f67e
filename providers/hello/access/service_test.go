package access_test

import (
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

const (
	gate   = "service.gate"
	remote = "service.remote"
)

// withServices is declared, with services that take a certificate of the container.
func withServices(change func(objects)) objects {
	return declared(func(o objects) {
		o["authority.ca"] = spec.Authority{Domain: corp, CommonName: "CA", NTAuth: true}
		o[gate] = spec.Service{Domain: corp, Kind: spec.ServiceVPN, Enabled: true}
		o[remote] = spec.Service{Domain: corp, Kind: spec.ServiceRDP, Enabled: true}
		if change != nil {
			change(o)
		}
	})
}

// heldFurther is held, with the certificates for both services on both devices.
func heldFurther(change func(*access.UserCertificate)) *access.Facts {
	f := held()
	for _, device := range []string{laptop, desk} {
		for _, purpose := range []string{spec.PurposeVPN, spec.PurposeRDP} {
			c := &access.UserCertificate{Purpose: purpose, Authority: "authority.ca", NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
				UPN: "alice@contoso.com", SID: "S-1-5-21-1-2-3-1104", ForClient: true, ForLogon: purpose == spec.PurposeRDP}
			if change != nil {
				change(c)
			}
			k := f.Machines[device].Credentials[alice]
			k.Further = append(k.Further, c)
		}
	}
	return f
}

// What a VPN gateway and a Remote Desktop host make of the certificates for them.
func TestServicesThatTakeCertificates(t *testing.T) {
	ends := func(c *access.UserCertificate) { c.NotAfter = now.Add(-time.Minute) }
	to := func(set func(*spec.Service)) func(objects) {
		return func(o objects) { change(gate, set)(o); change(remote, set)(o) }
	}
	user := func(set func(*spec.User)) func(objects) { return change(alice, set) }
	for _, tt := range []struct {
		name       string
		change     func(*access.UserCertificate)
		world      func(objects)
		facts      func(*access.Facts)
		gate, host string // codes; "": it lets alice in
		rule       string // of the gateway
	}{
		{name: "good"},
		{name: "none", facts: func(f *access.Facts) {
			for _, m := range f.Machines {
				m.Credentials[alice].Further = nil
			}
		}, gate: "service_certificate_missing", host: "service_certificate_missing"},
		{name: "for another purpose", change: func(c *access.UserCertificate) { c.ForClient, c.ForLogon = false, false }, gate: "certificate_purpose", host: "certificate_purpose"},
		{name: "ended", change: ends, gate: "certificate_expired", host: "certificate_expired"},
		{name: "revoked", change: func(c *access.UserCertificate) { c.Revoked = true }, gate: "certificate_revoked", host: "certificate_revoked", rule: "U9"},
		{name: "not in NTAuth", world: change("authority.ca", func(a *spec.Authority) { a.NTAuth = false }), gate: "certificate_untrusted", host: "certificate_untrusted", rule: "D5"},
		{name: "of nobody the domain knows", change: func(c *access.UserCertificate) { c.Authority = "" }, gate: "certificate_untrusted", host: "service_refused", rule: "D5"}, // the key is registered, and not enough
		{name: "another name", change: func(c *access.UserCertificate) { c.UPN = "al@contoso.com" }, gate: "certificate_other_account", host: "certificate_name_unknown", rule: "D6"},
		{name: "no identifier", change: func(c *access.UserCertificate) { c.SID = "" }, gate: "certificate_other_account", host: "certificate_other_account", rule: "D6"},
		{name: "lists that no controller reads", world: change("authority.ca", func(a *spec.Authority) { a.CRL = &spec.AuthorityCRL{ReachableFrom: []string{"onsite", "internet"}} }),
			host: "certificate_revocation_unknown"},
		{name: "no KDC certificate", facts: func(f *access.Facts) { f.Domains[corp].Certificates = nil }, host: "kdc_no_certificate"},
		{name: "disabled account", world: user(func(u *spec.User) { u.EnabledInDomain = false }), gate: "account_disabled_in_domain", host: "account_disabled_in_domain", rule: "U4"},
		{name: "expired account", facts: func(f *access.Facts) { f.Accounts[alice].AccountExpires = now }, gate: "account_expired_in_domain", host: "account_disabled_in_domain"},
		{name: "expired password", facts: func(f *access.Facts) { f.Accounts[alice].MustChange = true }},
		{name: "services that are off", world: to(func(s *spec.Service) { s.Enabled = false }), gate: "service_refused", host: "domain_refused"},
		{name: "not authorized", world: to(func(s *spec.Service) { s.Authorize = []providers.Ref{"user.bo"} }), gate: "service_refused", host: "service_refused"},
		{name: "on the internet", world: change(laptop, func(d *spec.Device) { d.Network = "internet" }), host: "no_line_of_sight"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, f := withServices(tt.world), heldFurther(tt.change)
			if tt.facts != nil {
				tt.facts(f)
			}
			for service, code := range map[string]string{gate: tt.gate, remote: tt.host} {
				v := decide(t, o, f, laptop, service)
				if code == "" && v.Word != access.Allowed || code != "" && (v.Word != access.Refused || v.Reason != code) || v.Flow != "A1" || code != "" && v.Phase != "E" {
					t.Errorf("%s: %+v, want %q", service, v, code)
				}
				if service == gate && code != "" && (v.Rule != tt.rule || v.When == access.NextTGT) {
					t.Errorf("%s: row %q from %q, want %q", service, v.Rule, v.When, tt.rule)
				}
			}
		})
	}
	for to, v := range map[string]access.Verdict{
		gate:   decide(t, withServices(nil), heldFurther(ends), laptop, gate),
		remote: access.Decide(world(t, withServices(nil)), heldFurther(ends), access.Request{User: alice, Device: laptop, To: remote, Gesture: access.ByPassword}),
	} {
		if want := map[string]string{gate: "certificate_expired", remote: "service_needs_hello"}[to]; v.Reason != want || to == gate && (v.Action != access.AdminFix || !strings.Contains(v.Sentence, "vpn certificate has ended")) {
			t.Errorf("%s: %+v", to, v)
		}
	}
}

// A plan brings and takes certificates for services; an enrollment that is made anew
// has none.
func TestFurtherCertificatesPlanned(t *testing.T) {
	was := withServices(nil)
	with := func(set func(objects)) objects {
		return withServices(func(o objects) {
			o["certificate.vpn"] = spec.Certificate{Enrollment: "enrollment.al", Authority: "authority.ca", Purpose: spec.PurposeVPN}
			if set != nil {
				set(o)
			}
		})
	}
	template := func(o objects) {
		change("authority.ca", func(a *spec.Authority) { a.Templates = map[string]*spec.AuthorityTemplate{"VPNUser": {}} })(o)
	}
	for name, tt := range map[string]struct {
		is    objects
		fresh []string
		want  string
		gap   string
	}{
		"made":                       {with(nil), []string{"certificate.vpn"}, "success", ""},
		"not issued":                 {with(template), []string{"certificate.vpn"}, "service_certificate_missing", "certificate_not_issued"},
		"by lists from domains only": {with(change("authority.ca", func(a *spec.Authority) { a.CRL = &spec.AuthorityCRL{ReachableFrom: []string{"dc"}} })), []string{"certificate.vpn"}, "service_certificate_missing", "no_line_of_sight"},
		"made with its enrollment":   {with(nil), []string{"certificate.vpn", "enrollment.al"}, "success", ""},
		"enrollment made anew":       {with(nil), []string{"enrollment.al"}, "service_certificate_missing", ""},
	} {
		w := world(t, tt.is, tt.fresh...)
		f := access.Planned(held(), world(t, was), w)
		v := access.Decide(w, f, access.Request{User: alice, Device: laptop, To: gate})
		if gaps := strings.Join(f.Gaps, "\n"); v.Reason != tt.want || !strings.Contains(gaps, tt.gap) || tt.gap == "" && gaps != "" {
			t.Errorf("%s: %s, gaps %q", name, v.Reason, gaps)
		}
	}
	f := access.Planned(heldFurther(nil), world(t, with(nil)), world(t, was))
	if v := access.Decide(world(t, was), f, access.Request{User: alice, Device: laptop, To: gate}); v.Reason != "service_certificate_missing" {
		t.Errorf("deleted: %+v", v)
	}
	if v := access.Decide(world(t, was), f, access.Request{User: alice, Device: laptop, To: remote}); v.Word != access.Allowed {
		t.Errorf("that of the other purpose stays: %+v", v)
	}
}
