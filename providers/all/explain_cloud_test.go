package all_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/hello/access"
	"hellolab/providers/hello/explain"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// TestExplainCloudTrust: under cloud Kerberos trust, what is explained of a
// sign-in is how it ends, by the first condition that is not met.
func TestExplainCloudTrust(t *testing.T) {
	no := false
	for name, c := range map[string]struct {
		domain func(*spec.Domain)
		change func(l *previewLab)
		desk   map[string]string // by target: the reason, "success"
		laptop map[string]string
	}{
		"nothing amiss": {
			desk:   map[string]string{"": "success", "tenant.contoso": "success", corp: "success"},
			laptop: map[string]string{"": "success", "tenant.contoso": "success", corp: "success"},
		},
		"privileged": {
			change: func(l *previewLab) {
				l.Create("group.admins", spec.Group{Domain: corp, WellKnown: "domain_admins", Members: []providers.Ref{alice}})
			},
			desk:   map[string]string{"": "cloud_kerberos_denied", "tenant.contoso": "cloud_kerberos_denied", corp: "cloud_kerberos_denied"},
			laptop: map[string]string{"": "success", "tenant.contoso": "success", corp: "cloud_kerberos_denied"},
		},
		"disabled in the domain": {
			change: func(l *previewLab) { l.declare(alice, "enabled_in_domain", false) },
			desk:   map[string]string{"": "account_disabled_in_domain", corp: "account_disabled_in_domain"},
			laptop: map[string]string{"": "success", corp: "account_disabled_in_domain"},
		},
		"password over": {
			change: func(l *previewLab) { l.declare(alice, "password_expired", true) },
			desk:   map[string]string{"": "password_expired_on_prem", corp: "password_expired_on_prem"},
			laptop: map[string]string{"tenant.contoso": "success", corp: "password_expired_on_prem"},
		},
		"disabled in the tenant": {
			change: func(l *previewLab) { l.declare(alice, "enabled_in_tenant", false) },
			desk:   map[string]string{"": "user_disabled", corp: "user_disabled"},
			laptop: map[string]string{"": "user_disabled", corp: "user_disabled"},
		},
		"device disabled in the tenant": {
			change: func(l *previewLab) {
				l.declare(desk, "enabled_in_tenant", false)
				l.declare(laptop, "enabled_in_tenant", false)
			},
			desk:   map[string]string{"": "key_device_disabled", corp: "key_device_disabled"},
			laptop: map[string]string{"": "key_device_disabled", corp: "key_device_disabled"},
		},
		"no controller that exchanges": {
			domain: func(d *spec.Domain) {
				d.Controllers = map[string]*spec.Controller{"dc1": {OS: "windows-server-2016", Build: "14393.3000"}, "dc2": {OS: "windows-server-2022", Writable: &no}}
			},
			desk:   map[string]string{"": "dc_not_found", corp: "dc_not_found"},
			laptop: map[string]string{"": "success", corp: "dc_not_found"},
		},
		"away": {
			change: func(l *previewLab) {
				for _, d := range []string{desk, laptop} {
					rec, err := l.For("").Objects.Lookup(d)
					if err != nil {
						l.t.Fatal(err)
					}
					l.Update(d, with(rec, map[string]cty.Value{"network": cty.StringVal("internet")}))
				}
			},
			desk:   map[string]string{"": "cached_logon_missing", corp: "cached_logon_missing"},
			laptop: map[string]string{"": "success", corp: "no_line_of_sight"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var of []func(*spec.Domain)
			if c.domain != nil {
				of = append(of, c.domain)
			}
			l := &previewLab{newCloudLab(t, of...)}
			l.Create(desk, onDesk())
			l.device("laptop")
			l.Create(deskEnrolled, enrollment(alice, desk))
			l.enroll()
			l.restartDesk()
			if c.change != nil {
				c.change(l)
			}
			for device, ends := range map[string]map[string]string{desk: c.desk, laptop: c.laptop} {
				for to, want := range ends {
					all := l.explained(l.world(l.records()), l.facts(), alice, device, to).SignIns
					s := all[len(all)-1]
					if to == "" {
						s = all[0]
					}
					if s.Reason != want || s.Verdict.Works() != (want == "success") {
						t.Errorf("%s to %q: explained as %s %s, want %s\n%+v", device, to, s.Verdict, s.Reason, want, s.Conditions)
					}
					r := windows.Request{User: alice, Device: device, PIN: []byte(pin)}
					if to != "" {
						r.To = []string{to}
					}
					if v := l.signIn(r); v.Code != want {
						t.Errorf("%s to %q: it ended with %s, want %s", device, to, v.Code, want)
					}
				}
			}
			x := l.explained(l.world(l.records()), l.facts(), alice, desk, "")
			if x.Choice.Provision != "P3" || x.Choice.SignIn != "A5" || x.Choice.Trust != "cloud_kerberos" {
				t.Errorf("%+v", x.Choice)
			}
			for _, c := range x.Provisioning.Deployment {
				if c.Name == "partial_ticket" && c.Verdict != explain.Met {
					t.Errorf("%+v", c)
				}
			}
			for _, e := range x.Endings {
				for _, w := range e.Ways {
					if w.Now == access.Unknown || w.Next == access.Unknown {
						t.Errorf("%s: %+v", e.Step, w)
					}
				}
			}
		})
	}
}
