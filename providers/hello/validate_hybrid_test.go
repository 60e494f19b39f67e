package hello

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func TestHybridLabHasNoProblems(t *testing.T) {
	l := hybridLab()
	if ps := Validate(worldOf(t, l)); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
	if ps := Validate(worldOf(t, l, sortedKeys(l)...)); len(ps) != 0 {
		t.Errorf("when made: %+v", ps)
	}
}

// rulesTold are the problems of a lab, as "addr attribute rule", warnings with a
// "?". Each must be told in sentences, without a secret.
func rulesTold(t *testing.T, w *World) []string {
	t.Helper()
	var got []string
	for _, p := range Validate(w) {
		s := fmt.Sprintf("%s %s %s", p.Addr, p.Attribute, p.Rule)
		if p.Warning {
			s += "?"
		}
		got = append(got, s)
		if p.Summary == "" || strings.HasSuffix(p.Summary, ".") || !strings.HasSuffix(p.Detail, ".") && !strings.HasSuffix(p.Detail, "?") || strings.Contains(p.Detail, "  ") {
			t.Errorf("%q: %q is no sentence", p.Summary, p.Detail)
		}
		if strings.Contains(p.Detail, "271828") || strings.Contains(p.Detail, "correct horse") || strings.Contains(p.Detail, "%!") {
			t.Errorf("%q tells a secret or is misformatted", p.Detail)
		}
	}
	return got
}

// Each case breaks the hybrid lab in one way and names every problem it must cause.
func TestValidateHybrid(t *testing.T) {
	type lab = map[string]any
	desk := func(change func(*spec.Device)) func(lab) { return func(l lab) { with(l, "device.desk", change) } }
	tablet := func(change func(*spec.Device)) func(lab) { return func(l lab) { with(l, "device.tablet", change) } }
	alice := func(change func(*spec.User)) func(lab) { return func(l lab) { with(l, "user.alice", change) } }
	// cloud turns the trust into cloud Kerberos trust, with groups of the domain.
	cloud := func(change func(lab, *spec.Trust)) func(lab) {
		return func(l lab) {
			for name, wellKnown := range map[string]string{"admins": "domain_admins", "denied": "denied_rodc_replication", "allowed": "allowed_rodc_replication", "staff": ""} {
				l["group."+name] = spec.Group{Domain: "domain.corp", WellKnown: wellKnown}
			}
			with(l, "trust.key", func(t *spec.Trust) { t.Type = "cloud_kerberos"; change(l, t) })
		}
	}
	in := func(l lab, group string, members ...providers.Ref) {
		with(l, group, func(g *spec.Group) { g.Members = members })
	}
	denied := []string{"enrollment.desk user cloud_kerberos_privileged?", "enrollment.tablet user cloud_kerberos_privileged?"}
	const tooFew = "trust.key denied cloud_trust_denies_too_few?"
	domain := func(change func(*spec.Domain)) func(lab) { return func(l lab) { with(l, "domain.corp", change) } }
	sync := func(change func(*spec.Sync)) func(lab) { return func(l lab) { with(l, "sync.up", change) } }
	policy := func(change func(*spec.Policy)) func(lab) { return func(l lab) { with(l, "policy.hello", change) } }
	controllers := func(templates ...string) func(lab) {
		return domain(func(d *spec.Domain) {
			d.Controllers = map[string]*spec.Controller{}
			for i, t := range templates {
				c := &spec.Controller{OS: "windows-server-2022"}
				if t != "" {
					c.KDCCertificate = &spec.KDCCertificate{Template: t}
				}
				d.Controllers[fmt.Sprintf("dc%d", i+1)] = c
			}
		})
	}
	controller := func(change func(*spec.Controller)) func(lab) {
		return domain(func(d *spec.Domain) {
			c := &spec.Controller{OS: "windows-server-2022"}
			change(c)
			d.Controllers = map[string]*spec.Controller{"dc1": c}
		})
	}
	all := sortedKeys(hybridLab())

	for _, c := range []struct {
		name   string
		change func(lab)
		made   []string
		want   []string
	}{
		// Sync.
		{"no sync", func(l lab) { delete(l, "sync.up") }, nil,
			[]string{"device.desk domain hybrid_join_needs_sync", "trust.key domain trust_needs_sync", "user.alice domain user_in_both_needs_sync"}},
		{"a sync of another tenant", func(l lab) {
			l["tenant.fabrikam"] = spec.Tenant{Domains: []string{"fabrikam.com"}, Authentication: "managed", DeviceQuota: 50}
			with(l, "sync.up", func(s *spec.Sync) { s.Tenant = "tenant.fabrikam" })
		}, nil, []string{"device.desk domain hybrid_join_needs_sync", "trust.key domain trust_needs_sync", "user.alice domain user_in_both_needs_sync"}},
		{"two syncs", func(l lab) { l["sync.again"] = l["sync.up"] }, nil, []string{"sync.up domain sync_twice"}},
		{"two syncs of one server", func(l lab) {
			l["tenant.fabrikam"] = spec.Tenant{Domains: []string{"fabrikam.com"}, Authentication: "managed", DeviceQuota: 50}
			l["sync.zwei"] = spec.Sync{Tenant: "tenant.fabrikam", Domain: "domain.corp", Interval: time.Hour, Enabled: true, KeyExport: true, KeyRight: true}
		}, nil, []string{"sync.zwei domain sync_server_taken"}},
		{"no interval", sync(func(s *spec.Sync) { s.Interval = 0 }), nil, []string{"sync.up interval interval_not_positive"}},
		{"an interval of minutes", sync(func(s *spec.Sync) { s.Interval = time.Minute }), nil, []string{"sync.up interval interval_below_floor?"}},
		{"an interval of weeks", sync(func(s *spec.Sync) { s.Interval = 14 * 24 * time.Hour }), nil, []string{"sync.up interval interval_too_long?"}},
		{"staging", sync(func(s *spec.Sync) { s.Staging = true }), nil, []string{"sync.up staging keys_not_written?", "sync.up staging sync_in_staging"}},
		{"staging later", sync(func(s *spec.Sync) { s.Staging = true }), all, []string{"sync.up staging keys_not_written?"}},
		{"no key export", sync(func(s *spec.Sync) { s.KeyExport = false }), nil, []string{"sync.up key_export keys_not_written?"}},
		{"no right to write keys", sync(func(s *spec.Sync) { s.KeyRight = false }), nil, []string{"sync.up key_writeback_right keys_not_written?"}},
		{"scheduler off", sync(func(s *spec.Sync) { s.Enabled = false }), nil, []string{"sync.up enabled keys_not_written?"}},
		{"scheduler off, and keys by themselves", sync(func(s *spec.Sync) { s.Enabled, s.KeySchedule = false, &spec.SyncSchedule{} }), nil, nil},
		{"export of keys paused", sync(func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: ptr(false)} }), nil, []string{"sync.up key_export_schedule.enabled keys_not_written?"}},
		{"schedules of what is off", sync(func(s *spec.Sync) {
			s.KeyExport, s.KeySchedule, s.DeviceSchedule = false, &spec.SyncSchedule{}, &spec.SyncSchedule{}
		}), nil,
			[]string{"sync.up device_writeback_schedule schedule_unused?", "sync.up key_export keys_not_written?", "sync.up key_export_schedule schedule_unused?"}},
		{"intervals of parts", sync(func(s *spec.Sync) {
			s.KeySchedule, s.DeviceWriteback, s.DeviceSchedule = &spec.SyncSchedule{Interval: ptr(time.Duration(0))}, true, &spec.SyncSchedule{Interval: ptr(time.Minute)}
		}), nil, []string{"sync.up device_writeback_schedule.interval interval_below_floor?", "sync.up key_export_schedule.interval interval_not_positive"}},
		{"scheduler off, and nobody waits", func(l lab) {
			with(l, "sync.up", func(s *spec.Sync) { s.Enabled = false })
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust = "" })
			delete(l, "trust.key")
		}, nil, []string{"enrollment.desk  trust_not_declared?"}},

		// Users in both.
		{"no verified suffix", alice(func(u *spec.User) { u.UPN = "alice@corp.contoso.com" }), nil, []string{"user.alice upn upn_suffix_unverified"}},
		{"alternate login id", alice(func(u *spec.User) { u.UPNOnPrem = "alice@corp.contoso.com" }), nil, nil},
		{"alternate login id of a verified domain", alice(func(u *spec.User) { u.UPNOnPrem = "al@contoso.com" }), nil, []string{"user.alice upn_onprem upn_onprem_verified"}},
		{"alternate login id of somebody else", func(l lab) {
			zoe := l["user.alice"].(spec.User)
			zoe.UPN, zoe.UPNOnPrem = "zoe@contoso.com", "Zoe@corp.local"
			l["user.zoe"] = zoe
			alice(func(u *spec.User) { u.UPNOnPrem = "zoe@corp.local" })(l)
		}, nil, []string{"user.zoe upn_onprem upn_taken"}},
		{"an account that every domain has", alice(func(u *spec.User) { u.SAMAccountName = "KRBTGT" }), nil, []string{"user.alice sam_account_name sam_account_name_taken"}},
		{"alternate login id without suffix", alice(func(u *spec.User) { u.UPNOnPrem = "alice" }), nil, []string{"user.alice upn_onprem upn_malformed"}},
		{"account name too long", alice(func(u *spec.User) { u.SAMAccountName = strings.Repeat("a", 21) }), nil, []string{"user.alice sam_account_name sam_account_name_malformed"}},
		{"settings of an account that is not there", func(l lab) {
			with(l, "user.bo", func(u *spec.User) {
				u.UPNOnPrem, u.SAMAccountName, u.PasswordExpired = "bo@corp.contoso.com", "bo", true
			})
		}, nil, []string{"user.bo password_expired domain_setting_unused?", "user.bo sam_account_name domain_setting_unused?", "user.bo upn_onprem domain_setting_unused?"}},
		{"member of groups of both", func(l lab) {
			l["group.cloud"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"user.alice", "device.desk"}}
			l["group.corp"] = spec.Group{Domain: "domain.corp", Members: []providers.Ref{"user.alice", "device.desk"}}
		}, nil, nil},
		{"member of a group of neither", func(l lab) {
			l["group.corp"] = spec.Group{Domain: "domain.corp", Members: []providers.Ref{"user.bo", "device.tablet"}}
		}, nil, []string{"group.corp members member_elsewhere", "group.corp members member_elsewhere"}},
		{"someone in both enrolls certificates", func(l lab) {
			with(l, "authority.root", func(a *spec.Authority) {
				a.Templates = map[string]*spec.AuthorityTemplate{"User": {Enabled: true, Enroll: []providers.Ref{"user.alice"}}}
			})
		}, nil, nil},

		// Members of a domain.
		{"hybrid without domain", desk(func(d *spec.Device) { d.Domain = "" }), nil, []string{"device.desk domain join_needs_domain"}},
		{"hybrid without tenant", desk(func(d *spec.Device) { d.Tenant = "" }), nil, []string{"device.desk tenant join_needs_tenant"}},
		{"domain joined", func(l lab) {
			with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })
		}, nil, []string{"enrollment.desk device domain_join_unregistered"}},
		{"on-premises", func(l lab) {
			with(l, "device.desk", func(d *spec.Device) { d.Join, d.Tenant = "domain", "" })
			l["user.dan"] = spec.User{UPN: "dan@corp.contoso.com", Domain: "domain.corp", Password: providers.Secret("x"), MFA: "totp", EnabledInTenant: true, EnabledInDomain: true}
			with(l, "enrollment.desk", func(e *spec.Enrollment) { e.User = "user.dan" })
		}, nil, []string{"enrollment.desk device on_premises_needs_adfs"}},
		{"domain joined and a tenant", desk(func(d *spec.Device) { d.Join = "domain" }), nil, []string{"device.desk tenant tenant_unused?", "enrollment.desk device domain_join_unregistered"}},
		{"Entra joined and a domain", tablet(func(d *spec.Device) { d.Domain = "domain.corp" }), nil, []string{"device.tablet domain domain_unused?"}},
		{"joined by", desk(func(d *spec.Device) { d.JoinedBy = "user.alice" }), nil, []string{"device.desk joined_by joined_by_of_member?"}},
		{"no computer name", desk(func(d *spec.Device) { d.Name = "alice_s computer at home" }), nil, []string{"device.desk name computer_name_malformed"}},
		{"name of another computer", func(l lab) {
			l["device.other"] = l["device.desk"]
			with(l, "device.other", func(d *spec.Device) { d.Name = "DESK" })
		}, nil, []string{"device.other name computer_name_taken"}},
		{"name of a service", func(l lab) { l["service.desk"] = spec.Service{Domain: "domain.corp", Kind: "kerberos", Enabled: true} }, nil, []string{"device.desk name computer_name_taken"}},
		{"name of a controller", desk(func(d *spec.Device) { d.Name = "DC1" }), nil, []string{"device.desk name computer_name_taken"}},
		{"name of Connect's server", desk(func(d *spec.Device) { d.Name = "connect" }), nil, []string{"device.desk name computer_name_taken"}},
		{"joined away", func(l lab) {
			with(l, "device.desk", func(d *spec.Device) { d.Network = "internet" })
			delete(l, "enrollment.desk")
		}, nil, []string{"device.desk network join_off_network"}},
		{"joined on no network", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Network, d.TrustedRoots = "none", nil })
			delete(l, "enrollment.tablet")
		}, nil, []string{"device.tablet network join_off_network"}},
		{"joined behind a portal", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Network, d.TrustedRoots = "captive", nil })
			delete(l, "enrollment.tablet")
		}, nil, []string{"device.tablet network join_off_network"}},
		{"enrolled behind a portal", tablet(func(d *spec.Device) { d.Network, d.TrustedRoots = "captive", nil }), []string{"device.tablet"},
			[]string{"device.tablet trusted_roots kdc_root_not_trusted?", "enrollment.tablet device enrollment_off_network"}},
		{"Entra joined away", tablet(func(d *spec.Device) { d.Network = "internet" }), nil, nil},
		{"enrolled away", desk(func(d *spec.Device) { d.Network = "vpn" }), []string{"device.desk"}, []string{"enrollment.desk device enrollment_off_network"}},
		{"taken away once enrolled", desk(func(d *spec.Device) { d.Network = "internet" }), all, nil},
		{"enrolled on no network", tablet(func(d *spec.Device) { d.Network, d.TrustedRoots = "none", nil }), []string{"device.tablet"},
			[]string{"device.tablet trusted_roots kdc_root_not_trusted?", "enrollment.tablet device enrollment_off_network"}},

		// Who enrolls on them.
		{"user of the tenant alone", func(l lab) { with(l, "enrollment.desk", func(e *spec.Enrollment) { e.User = "user.bo" }) }, nil, []string{"enrollment.desk user user_not_in_both"}},
		{"user of the domain alone", func(l lab) {
			l["user.dan"] = spec.User{UPN: "dan@corp.contoso.com", Domain: "domain.corp", Password: providers.Secret("x"), MFA: "totp", EnabledInTenant: true, EnabledInDomain: true}
			with(l, "enrollment.desk", func(e *spec.Enrollment) { e.User = "user.dan" })
		}, nil, []string{"enrollment.desk user user_without_tenant"}},
		{"user of another domain", func(l lab) {
			l["domain.lab"] = spec.Domain{DNSName: "lab.contoso.com", NetBIOSName: "LAB"}
			l["sync.lab"] = spec.Sync{Tenant: "tenant.contoso", Domain: "domain.lab", Interval: time.Hour, Enabled: true, KeyExport: true, KeyRight: true}
			with(l, "user.alice", func(u *spec.User) { u.Domain = "domain.lab" })
			delete(l, "enrollment.tablet")
		}, nil, []string{"enrollment.desk user domain_mismatch"}},
		{"disabled in the domain", alice(func(u *spec.User) { u.EnabledInDomain = false }), nil, []string{"enrollment.desk user user_disabled"}},
		{"computer disabled in the domain", desk(func(d *spec.Device) { d.EnabledInDomain = false }), nil, []string{"enrollment.desk device device_disabled"}},
		{"expired password", alice(func(u *spec.User) { u.PasswordExpired = true }), nil, []string{"enrollment.desk user password_expired"}},
		{"all of it later", func(l lab) {
			with(l, "user.alice", func(u *spec.User) { u.EnabledInDomain, u.PasswordExpired = false, true })
			with(l, "device.desk", func(d *spec.Device) { d.EnabledInDomain = false })
		}, all, nil},

		// The trust, and the certificates it needs.
		{"trust declared twice", func(l lab) { l["trust.again"] = l["trust.key"] }, nil, []string{"trust.again  trust_not_turned_on?", "trust.key domain trust_twice"}},
		{"trust that nobody uses", policy(func(p *spec.Policy) { p.Trust = "" }), nil, []string{"trust.key  trust_not_turned_on?"}},
		{"no authority", func(l lab) {
			delete(l, "authority.root")
		}, nil, []string{"trust.key authority key_trust_needs_authority"}},
		{"authority of another domain", func(l lab) {
			l["domain.lab"] = spec.Domain{DNSName: "lab.contoso.com", NetBIOSName: "LAB"}
			l["authority.lab"] = spec.Authority{Domain: "domain.lab", CommonName: "Lab CA"}
			with(l, "trust.key", func(x *spec.Trust) { x.Authority = "authority.lab" })
		}, nil, []string{"trust.key authority trust_authority_elsewhere"}},
		{"controllers with certificates", controllers("", "kerberos_authentication", "domain_controller_authentication"), nil, nil},
		{"controller without certificate", controllers("", "none"), nil, []string{"domain.corp controller controller_without_kdc_certificate?"}},
		{"certificate without purpose", controllers("", "domain_controller"), nil, []string{"domain.corp controller kdc_certificate_without_purpose?"}},
		{"certificate without purpose, which nobody demands", func(l lab) {
			controllers("domain_controller")(l)
			with(l, "device.tablet", func(d *spec.Device) { d.StrictKDC = ptr(false) })
		}, nil, nil},
		{"certificate without purpose, which a member demands", func(l lab) {
			controllers("domain_controller")(l)
			delete(l, "enrollment.tablet")
			with(l, "device.desk", func(d *spec.Device) { d.StrictKDC = ptr(true) })
		}, nil, []string{"domain.corp controller kdc_certificate_without_purpose?"}},
		{"lists in the internet only", func(l lab) {
			with(l, "authority.root", func(a *spec.Authority) {
				a.CRL = &spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, ReachableFrom: []string{"internet", "dc"}}
			})
		}, nil, []string{"authority.root crl.reachable_from kdc_revocation_unreachable?"}},
		{"lists in the internet only, and it does not matter", func(l lab) {
			with(l, "authority.root", func(a *spec.Authority) {
				a.CRL = &spec.AuthorityCRL{Validity: 7 * 24 * time.Hour, ReachableFrom: []string{"internet"}}
			})
			for _, addr := range []string{"device.desk", "device.tablet"} {
				with(l, addr, func(d *spec.Device) { d.RevocationUnknown = "allow" })
			}
		}, nil, nil},
		{"root not trusted", tablet(func(d *spec.Device) { d.TrustedRoots = nil }), nil, []string{"device.tablet trusted_roots kdc_root_not_trusted?"}},
		{"root not trusted by someone who needs none", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.TrustedRoots = nil })
			with(l, "enrollment.tablet", func(e *spec.Enrollment) { e.User = "user.bo" })
		}, nil, nil},
		{"roots of a personal device", tablet(func(d *spec.Device) {
			d.Join, d.JoinedBy, d.WorkAccounts, d.StrictKDC = "registered", "", []providers.Ref{"user.bo"}, ptr(true)
		}), nil, []string{"device.tablet strict_kdc_validation kdc_setting_unused?", "device.tablet trusted_roots kdc_setting_unused?", "enrollment.tablet user not_work_account"}},
		{"roots of a device on no network", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) { d.Network = "none" })
		}, all, []string{"device.tablet trusted_roots kdc_setting_unused?"}},
		{"roots of a device behind a portal", func(l lab) { with(l, "device.tablet", func(d *spec.Device) { d.Network = "captive" }) }, all, []string{"device.tablet trusted_roots kdc_setting_unused?"}},
		{"a personal device of someone in both", func(l lab) {
			with(l, "device.tablet", func(d *spec.Device) {
				d.Join, d.JoinedBy, d.WorkAccounts, d.TrustedRoots = "registered", "", []providers.Ref{"user.alice"}, nil
			})
		}, nil, []string{"enrollment.tablet device registered_device_trust"}},

		// Policies.
		{"cloud switch", policy(func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) }), nil,
			[]string{"enrollment.desk device no_cloud_tgt", "enrollment.tablet device cloud_trust_missing?", "trust.key  trust_not_turned_on?"}},
		{"cloud switch, keys made", policy(func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) }), all,
			[]string{"enrollment.desk device cloud_trust_missing?", "enrollment.tablet device cloud_trust_missing?", "trust.key  trust_not_turned_on?"}},
		{"cloud switch and a trust", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) })
			with(l, "trust.key", func(t *spec.Trust) { t.Type = "cloud_kerberos" })
		}, nil, []string{"trust.key  trust_not_turned_on?"}},
		{"cloud switch and a trust to elsewhere", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust, p.UseCloudTrustForOnPremAuth = "", ptr(true) })
			l["domain.other"] = spec.Domain{DNSName: "fabrikam.com", NetBIOSName: "FABRIKAM"}
			l["trust.other"] = spec.Trust{Type: "cloud_kerberos", KeyVersion: 1, Tenant: "tenant.contoso", Domain: "domain.other"}
			delete(l, "enrollment.tablet")
			delete(l, "trust.key")
		}, nil, []string{"enrollment.desk device no_cloud_tgt", "trust.other  trust_not_turned_on?", "trust.other domain trust_needs_sync"}},
		{"cloud switch for someone of the cloud alone", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) { p.Trust = "" })
			l["policy.cloud"] = spec.Policy{Source: "mdm", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)}
			with(l, "enrollment.tablet", func(e *spec.Enrollment) { e.User = "user.bo" })
			delete(l, "enrollment.desk")
		}, nil, []string{"trust.key  trust_not_turned_on?"}},
		{"a policy names a cloud trust", func(l lab) {
			with(l, "trust.key", func(t *spec.Trust) { t.Type = "cloud_kerberos" })
			delete(l, "authority.root") // it needs none
			with(l, "device.tablet", func(d *spec.Device) { d.TrustedRoots = nil })
		}, nil, nil},
		{"a policy in user scope names a cloud trust", func(l lab) {
			with(l, "trust.key", func(t *spec.Trust) { t.Type = "cloud_kerberos" })
			l["policy.u"] = spec.Policy{Source: "mdm", Scope: "user", Trust: "trust.key"}
		}, nil, []string{"policy.u trust trust_in_user_scope?"}},
		{"privileged", cloud(func(l lab, t *spec.Trust) { in(l, "group.admins", "user.alice") }), nil, denied},
		{"privileged by way of another group", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.staff", "user.alice")
			in(l, "group.denied", "group.staff")
		}), nil, denied},
		{"privileged, on another list", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.admins", "user.alice")
			t.Denied = []providers.Ref{"group.staff"}
		}), nil, []string{tooFew}},
		{"privileged, on the usual list and another", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.admins", "user.alice")
			t.Denied = []providers.Ref{"group.staff", "group.denied"}
		}), nil, denied},
		{"denied", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.staff", "user.alice")
			t.Allowed, t.Denied = []providers.Ref{"group.staff"}, []providers.Ref{"group.staff"}
		}), nil, append(slices.Clone(denied), tooFew)},
		{"not allowed", cloud(func(l lab, t *spec.Trust) { t.Allowed = []providers.Ref{"group.staff"} }), nil, denied},
		{"allowed", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.staff", "user.alice")
			t.Allowed = []providers.Ref{"group.staff"}
		}), nil, nil},
		{"allowed by the domain's own group", cloud(func(l lab, t *spec.Trust) {
			in(l, "group.allowed", "user.alice")
			t.Allowed = []providers.Ref{"group.allowed"}
		}), nil, nil},
		{"lists of another directory", cloud(func(l lab, t *spec.Trust) {
			l["group.cloud"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"user.alice"}}
			t.Allowed, t.Denied = []providers.Ref{"group.cloud"}, []providers.Ref{"group.cloud", "group.staff"}
		}), nil, append(slices.Clone(denied), "trust.key allowed trust_list_elsewhere", tooFew, "trust.key denied trust_list_elsewhere")},
		{"settings of the other trust", cloud(func(l lab, t *spec.Trust) { t.Authority = "authority.root" }), nil, []string{"trust.key authority trust_setting_unused?"}},
		{"settings of cloud Kerberos trust", func(l lab) {
			l["group.staff"] = spec.Group{Domain: "domain.corp"}
			with(l, "trust.key", func(t *spec.Trust) {
				t.Allowed, t.Denied = []providers.Ref{"group.staff"}, []providers.Ref{"group.staff"}
			})
		}, nil, []string{"trust.key allowed trust_setting_unused?", "trust.key denied trust_setting_unused?"}},
		{"certificate switch", policy(func(p *spec.Policy) { p.Trust, p.UseCertificateForOnPremAuth = "", ptr(true) }), nil,
			[]string{"enrollment.desk device certificate_needs_federation", "enrollment.tablet device certificate_in_managed_tenant?", "enrollment.tablet device certificate_payload_missing?", "enrollment.tablet device certificate_trust_missing?", "trust.key  trust_not_turned_on?"}},
		{"both switches", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) {
				p.Trust, p.UseCloudTrustForOnPremAuth, p.UseCertificateForOnPremAuth = "", ptr(true), ptr(true)
			})
			delete(l, "enrollment.desk")
			delete(l, "trust.key")
		}, all, []string{"enrollment.tablet device certificate_in_managed_tenant?", "enrollment.tablet device certificate_payload_missing?", "enrollment.tablet device certificate_trust_missing?", "policy.hello use_cloud_trust_for_on_prem_auth certificate_shadows_cloud_trust?"}},
		{"switches in two scopes", func(l lab) {
			l["policy.hello"] = spec.Policy{Source: "mdm", Scope: "user", UsePassportForWork: ptr(true)}
			l["policy.cloud"] = spec.Policy{Source: "mdm", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)}
			delete(l, "enrollment.desk")
			delete(l, "trust.key")
		}, nil, []string{"policy.cloud use_cloud_trust_for_on_prem_auth trust_scope_split?"}},
		{"cloud switch in user scope", func(l lab) {
			l["policy.u"] = spec.Policy{Source: "gpo", Scope: "user", UseCloudTrustForOnPremAuth: ptr(true)}
		}, nil, []string{"policy.u use_cloud_trust_for_on_prem_auth device_only_setting"}},
		{"certificate switch in the user's CSP", func(l lab) {
			l["policy.u"] = spec.Policy{Source: "mdm", Scope: "user", UseCertificateForOnPremAuth: ptr(true)}
		}, nil, []string{"policy.u use_certificate_for_on_prem_auth device_only_setting"}},
		{"trust in user scope", func(l lab) {
			l["policy.u"] = spec.Policy{Source: "mdm", Scope: "user", Trust: "trust.key"}
		}, nil, []string{"policy.u trust trust_in_user_scope?"}},
		{"trust against the cloud switch", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) { p.UseCloudTrustForOnPremAuth = ptr(true) })
			delete(l, "enrollment.desk")
			delete(l, "enrollment.tablet")
		}, nil, []string{"policy.hello use_cloud_trust_for_on_prem_auth trust_contradicts_switch"}},
		{"trust against the certificate switch", func(l lab) {
			with(l, "policy.hello", func(p *spec.Policy) { p.UseCertificateForOnPremAuth = ptr(true) })
			delete(l, "enrollment.desk")
			delete(l, "enrollment.tablet")
		}, nil, []string{"policy.hello use_certificate_for_on_prem_auth trust_contradicts_switch"}},
		{"trust and the switches it has anyway", policy(func(p *spec.Policy) {
			p.UseCertificateForOnPremAuth, p.UseCloudTrustForOnPremAuth = ptr(false), ptr(false)
		}), nil, nil},
		{"two policies, one level, other trusts", func(l lab) {
			l["policy.other"] = spec.Policy{Source: "gpo", Scope: "device", UseCloudTrustForOnPremAuth: ptr(true)}
		}, nil, []string{"policy.other use_cloud_trust_for_on_prem_auth policy_conflict?"}},

		// The domain.
		{"cached logons", domain(func(d *spec.Domain) { d.CachedLogons = 51 }), nil, []string{"domain.corp cached_logons cached_logons_range"}},
		{"a controller's build", controller(func(c *spec.Controller) { c.Build = "20348.2031" }), nil, nil},
		{"no build", controller(func(c *spec.Controller) { c.Build = "latest" }), nil, []string{"domain.corp controller controller_build_malformed"}},
		{"a build of another release", controller(func(c *spec.Controller) { c.Build = "17763.1012" }), nil, []string{"domain.corp controller controller_build_malformed"}},
		{"RC4 alone", controller(func(c *spec.Controller) { c.ETypes = []string{"rc4"} }), nil, []string{"domain.corp controller controller_without_aes"}},
		{"only read-only controllers", controller(func(c *spec.Controller) { c.Writable = ptr(false) }), nil, []string{"domain.corp controller no_writable_controller"}},
		{"no cached logons, and their age", domain(func(d *spec.Domain) { d.CachedLogons, d.ForceNetwork = 0, time.Hour }), nil, []string{"domain.corp force_network_logon force_network_unused?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := hybridLab()
			c.change(l)
			if got := rulesTold(t, worldOf(t, l, c.made...)); !equalStrings(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// What is unknown at plan is not judged.
func TestUnknownHybridAttributes(t *testing.T) {
	text, flag := cty.UnknownVal(cty.String), cty.UnknownVal(cty.Bool)
	for _, c := range []struct {
		addr, attr string
		v          cty.Value
	}{
		{"user.alice", "domain", text}, {"user.alice", "enabled_in_domain", flag}, {"user.alice", "upn_onprem", text}, {"user.alice", "password_expired", flag},
		{"device.desk", "domain", text}, {"device.desk", "tenant", text}, {"device.desk", "network", text}, {"device.desk", "name", text}, {"device.desk", "enabled_in_domain", flag},
		{"device.tablet", "trusted_roots", cty.UnknownVal(cty.List(cty.String))}, {"device.tablet", "strict_kdc_validation", flag},
		{"sync.up", "tenant", text}, {"sync.up", "domain", text}, {"sync.up", "interval", text}, {"sync.up", "staging", flag}, {"sync.up", "enabled", flag}, {"sync.up", "key_export", flag},
		{"sync.up", "device_writeback", flag}, {"sync.up", "key_export_schedule", cty.UnknownVal(cty.Object(map[string]cty.Type{"interval": cty.String, "enabled": cty.Bool}))},
		{"trust.key", "tenant", text}, {"trust.key", "domain", text}, {"trust.key", "authority", text},
		{"authority.root", "domain", text},
		{"policy.hello", "trust", text}, {"policy.hello", "use_cloud_trust_for_on_prem_auth", flag}, {"policy.hello", "use_passport_for_work", flag},
		{"domain.corp", "cached_logons", cty.UnknownVal(cty.Number)}, {"domain.corp", "force_network_logon", text},
	} {
		w, err := NewWorld(replace(records(t, hybridLab()), c.addr, c.attr, c.v))
		if err != nil {
			t.Errorf("%s.%s: %v", c.addr, c.attr, err)
			continue
		}
		if got := rulesTold(t, w); len(got) != 0 {
			t.Errorf("%s.%s unknown: %q", c.addr, c.attr, got)
		}
	}
}

// Validation says what a device would do, and names the policy behind it.
func TestStrictKDC(t *testing.T) {
	for join, want := range map[string]bool{"entra": true, "hybrid": false, "domain": false} {
		for _, set := range []*bool{nil, ptr(true), ptr(false)} {
			expect := want
			if set != nil {
				expect = *set
			}
			if got := StrictKDC(spec.Device{Join: join, StrictKDC: set}); got != expect {
				t.Errorf("%s %v: %v", join, set, got)
			}
		}
	}
}
