package hello

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

func TestGoodLabHasNoProblems(t *testing.T) {
	if ps := Validate(worldOf(t, goodLab())); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
	if ps := Validate(worldOf(t, goodLab(), "tenant.contoso", "user.alice", "device.laptop", "enrollment.alice_laptop")); len(ps) != 0 {
		t.Errorf("when made: %+v", ps)
	}
	if ps := Validate(worldOf(t, nil)); len(ps) != 0 {
		t.Errorf("empty: %+v", ps)
	}
}

// Each case breaks the good lab in one way and names every problem it must
// cause, as "addr attribute rule", warnings with a "?".
func TestValidate(t *testing.T) {
	type lab = map[string]any
	user := func(change func(*spec.User)) func(lab) {
		return func(l lab) { with(l, "user.alice", change) }
	}
	device := func(change func(*spec.Device)) func(lab) {
		return func(l lab) { with(l, "device.laptop", change) }
	}
	enrollment := func(change func(*spec.Enrollment)) func(lab) {
		return func(l lab) { with(l, "enrollment.alice_laptop", change) }
	}
	tenant := func(change func(*spec.Tenant)) func(lab) {
		return func(l lab) { with(l, "tenant.contoso", change) }
	}
	policy := func(p spec.Policy) func(lab) {
		return func(l lab) { l["policy.p"] = p }
	}
	fabrikam := func(l lab) {
		l["tenant.fabrikam"] = spec.Tenant{Domains: []string{"fabrikam.com"}, Authentication: "managed", DeviceQuota: 50}
	}
	mdm := spec.Policy{Source: "mdm", Scope: "device"}
	const alice = providers.Ref("user.alice")
	registered := func(change func(*spec.Device)) func(lab) { // alice's own device
		return device(func(d *spec.Device) {
			d.Join, d.WorkAccounts = "registered", []providers.Ref{alice}
			if change != nil {
				change(d)
			}
		})
	}
	enrolled := []string{"tenant.contoso", "user.alice", "device.laptop", "enrollment.alice_laptop"}

	for _, c := range []struct {
		name   string
		change func(lab)
		made   []string
		want   []string
	}{
		{"tenant without domain", tenant(func(x *spec.Tenant) { x.Domains = []string{} }), nil, []string{"tenant.contoso domains tenant_without_domain"}},
		{"no domain name", tenant(func(x *spec.Tenant) { x.Domains = []string{"contoso.com", "contoso"} }), nil, []string{"tenant.contoso domains domain_malformed"}},
		{"hyphen at the end", tenant(func(x *spec.Tenant) { x.Domains = []string{"contoso.com", "a-.com"} }), nil, []string{"tenant.contoso domains domain_malformed"}},
		{"listed twice", tenant(func(x *spec.Tenant) { x.Domains = []string{"contoso.com", "CONTOSO.com"} }), nil, []string{"tenant.contoso domains domain_listed_twice"}},
		{"domain of two tenants", func(l lab) {
			fabrikam(l)
			with(l, "tenant.fabrikam", func(x *spec.Tenant) { x.Domains = []string{"fabrikam.com", "Contoso.com"} })
		}, nil, []string{"tenant.fabrikam domains domain_claimed_twice"}},
		{"federated", tenant(func(x *spec.Tenant) { x.Authentication = "federated" }), nil,
			[]string{"tenant.contoso federation federation_missing"}},
		{"lifetimes", tenant(func(x *spec.Tenant) {
			x.Lifetimes = &spec.TenantLifetimes{Nonce: 0, MFA: 0, AccessToken: time.Hour, PRT: time.Hour, PRTRenewal: time.Hour}
		}), nil, []string{"tenant.contoso lifetimes.mfa lifetime_not_positive", "tenant.contoso lifetimes.nonce lifetime_not_positive", "tenant.contoso lifetimes.prt_renewal renewal_after_expiry?"}},

		{"unknown suffix", user(func(u *spec.User) { u.UPN = "alice@contoso.net" }), nil, []string{"user.alice upn upn_suffix_unverified"}},
		{"subdomain is not verified", user(func(u *spec.User) { u.UPN = "alice@corp.contoso.com" }), nil, []string{"user.alice upn upn_suffix_unverified"}},
		{"suffix by case", user(func(u *spec.User) { u.UPN = "Alice@Contoso.COM" }), nil, nil},
		{"no suffix", user(func(u *spec.User) { u.UPN = "alice" }), nil, []string{"user.alice upn upn_malformed"}},
		{"two ats", user(func(u *spec.User) { u.UPN = "a@b@contoso.com" }), nil, []string{"user.alice upn upn_malformed"}},
		{"empty name", user(func(u *spec.User) { u.UPN = "@contoso.com" }), nil, []string{"user.alice upn upn_malformed"}},
		{"space", user(func(u *spec.User) { u.UPN = "al ice@contoso.com" }), nil, []string{"user.alice upn upn_malformed"}},
		{"name taken", func(l lab) {
			l["user.bo"] = spec.User{UPN: "ALICE@contoso.com", Tenant: "tenant.contoso", EnabledInTenant: true}
		}, nil, []string{"user.bo upn upn_taken"}},

		{"member of another tenant", func(l lab) {
			fabrikam(l)
			l["group.g"] = spec.Group{Tenant: "tenant.fabrikam", Members: []providers.Ref{"user.alice", "device.laptop"}}
		}, nil, []string{"group.g members member_elsewhere", "group.g members member_elsewhere"}},
		{"group of another tenant", func(l lab) {
			fabrikam(l)
			l["group.g"] = spec.Group{Tenant: "tenant.fabrikam"}
			with(l, "user.alice", func(u *spec.User) { u.Groups = []providers.Ref{"group.g"} })
		}, nil, []string{"user.alice groups member_elsewhere"}},

		{"join without tenant", device(func(d *spec.Device) { d.Tenant = "" }), nil, []string{"device.laptop tenant join_needs_tenant"}},
		{"tenant without join", func(l lab) {
			l["device.spare"] = spec.Device{Join: "none", Tenant: "tenant.contoso", EnabledInTenant: true}
		}, nil, []string{"device.spare tenant tenant_unused?"}},
		{"nobody joins", func(l lab) {
			l["device.spare"] = spec.Device{Join: "entra", Tenant: "tenant.contoso", TPM: "2.0", EnabledInTenant: true}
		}, nil, []string{"device.spare joined_by nobody_joins"}},
		{"nobody joins any more", func(l lab) {
			l["device.spare"] = spec.Device{Join: "entra", Tenant: "tenant.contoso", TPM: "2.0", EnabledInTenant: true}
		}, []string{"device.spare"}, nil},
		{"joined by a user of another tenant", func(l lab) {
			fabrikam(l)
			l["user.eve"] = spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", EnabledInTenant: true}
			with(l, "device.laptop", func(d *spec.Device) { d.JoinedBy = "user.eve" })
		}, nil, []string{"device.laptop joined_by joined_by_other_tenant"}},
		{"joined by someone disabled", func(l lab) {
			l["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", EnabledInTenant: false}
			with(l, "device.laptop", func(d *spec.Device) { d.JoinedBy = "user.bo" })
		}, nil, []string{"device.laptop joined_by joined_by_disabled", "device.laptop joined_by joined_by_without_password"}},

		{"device setting in user scope", policy(spec.Policy{Source: "mdm", Scope: "user", DisablePostLogonProvisioning: ptr(false), Biometrics: &spec.Biometrics{UseBiometrics: ptr(true)}, UsePassportForWork: ptr(true)}), nil,
			[]string{"policy.p biometrics.use_biometrics device_only_setting", "policy.p disable_post_logon_provisioning device_only_setting"}},
		{"PIN rules in user GPO", policy(spec.Policy{Source: "gpo", Scope: "user", UsePassportForWork: ptr(true), PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(6)}}), nil,
			[]string{"policy.p pin_complexity.minimum_pin_length device_only_setting"}},
		{"computer GPO for users", policy(spec.Policy{Source: "gpo", Scope: "device", Assign: []providers.Ref{"user.alice"}}), nil, []string{"policy.p assign policy_reaches_nobody?"}},
		{"user GPO for devices", policy(spec.Policy{Source: "gpo", Scope: "user", Assign: []providers.Ref{"device.laptop"}}), nil, []string{"policy.p assign policy_reaches_nobody?"}},
		{"length out of bounds", policy(spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(3), MaximumPINLength: ptr(128)}}), nil,
			[]string{"policy.p pin_complexity.maximum_pin_length pin_length_ignored?", "policy.p pin_complexity.minimum_pin_length pin_length_ignored?"}},
		{"lengths reversed", policy(spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(9), MaximumPINLength: ptr(9)}}), nil,
			[]string{"policy.p pin_complexity.minimum_pin_length pin_length_ignored?"}},
		{"no class left", policy(spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{Digits: "forbid", LowercaseLetters: "forbid", UppercaseLetters: "forbid", SpecialCharacters: "forbid"}}), nil,
			[]string{"enrollment.alice_laptop pin pin_impossible", "policy.p pin_complexity pin_impossible"}},
		{"conflict", func(l lab) {
			l["policy.a"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(true)}
			l["policy.b"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(false)}
			l["user.bo"] = l["user.alice"].(spec.User)
			with(l, "user.bo", func(u *spec.User) { u.UPN = "bo@contoso.com" })
			l["enrollment.bo"] = spec.Enrollment{User: "user.bo", Device: "device.laptop", PIN: providers.Secret("271828")}
		}, nil, []string{"policy.b require_security_device policy_conflict?"}}, // once, though it concerns two enrollments

		{"enrolled twice", func(l lab) {
			l["enrollment.again"] = l["enrollment.alice_laptop"]
		}, nil, []string{"enrollment.alice_laptop user enrolled_twice"}},
		{"other tenant", func(l lab) {
			fabrikam(l)
			with(l, "user.alice", func(u *spec.User) { u.UPN, u.Tenant = "alice@fabrikam.com", "tenant.fabrikam" })
			with(l, "device.laptop", func(d *spec.Device) { d.JoinedBy = "user.bo" })
			l["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("x"), EnabledInTenant: true}
		}, nil, []string{"enrollment.alice_laptop user tenant_mismatch"}},
		{"registered", registered(nil), nil, nil},
		{"registered by two accounts", func(l lab) {
			fabrikam(l)
			l["user.eve"] = spec.User{UPN: "eve@fabrikam.com", Tenant: "tenant.fabrikam", Password: providers.Secret("x"), MFA: "totp", EnabledInTenant: true}
			registered(func(d *spec.Device) { d.WorkAccounts = append(d.WorkAccounts, "user.eve") })(l)
			l["enrollment.eve"] = spec.Enrollment{User: "user.eve", Device: "device.laptop", PIN: providers.Secret("271828")}
		}, nil, nil},
		{"registered, unlocked by a local account", registered(func(d *spec.Device) { d.UnlockAccount = "local" }), nil, nil},
		{"camera that matches by itself", device(func(d *spec.Device) { d.Sensors = map[string]*spec.Sensor{"web": {Kind: "face", MatchOnChip: true}} }), nil, []string{"device.laptop sensor match_on_chip_of_camera"}},
		{"reader that matches by itself", device(func(d *spec.Device) {
			d.Sensors = map[string]*spec.Sensor{"reader": {Kind: "fingerprint", MatchOnChip: true}}
		}), nil, nil},
		{"registered without tenant", registered(func(d *spec.Device) { d.Tenant = "" }), nil, []string{"device.laptop tenant join_needs_tenant"}},
		{"registered without work account", registered(func(d *spec.Device) { d.WorkAccounts = nil }), nil,
			[]string{"device.laptop work_accounts registered_without_work_account", "enrollment.alice_laptop user not_work_account"}},
		{"registered, unlocked by a work account", registered(func(d *spec.Device) { d.UnlockAccount = "work" }), nil, []string{"device.laptop unlock_account unlock_by_work_account"}},
		{"registered and joined by", registered(func(d *spec.Device) { d.JoinedBy = alice }), nil, []string{"device.laptop joined_by joined_by_of_registered"}},
		{"PIN of a local account", registered(func(d *spec.Device) { d.UnlockAccount, d.UnlockPIN = "local", providers.Secret("271828") }), nil,
			[]string{"device.laptop unlock_pin unlock_pin_without_microsoft_account"}},
		{"simple PIN of a Microsoft account", registered(func(d *spec.Device) { d.UnlockPIN = providers.Secret("1234") }), nil, []string{"device.laptop unlock_pin pin_too_simple"}},
		{"work account twice", registered(func(d *spec.Device) { d.WorkAccounts = []providers.Ref{alice, alice} }), nil, []string{"device.laptop work_accounts work_account_twice"}},
		{"two work accounts of a tenant", func(l lab) {
			l["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("x"), EnabledInTenant: true}
			registered(func(d *spec.Device) { d.WorkAccounts = append(d.WorkAccounts, "user.bo") })(l)
		}, nil, []string{"device.laptop work_accounts work_accounts_of_one_tenant"}},
		{"registered with a tenant of nobody", func(l lab) {
			fabrikam(l)
			registered(func(d *spec.Device) { d.Tenant = "tenant.fabrikam" })(l)
		}, nil, []string{"device.laptop tenant tenant_of_no_work_account"}},
		{"work account disabled", func(l lab) {
			registered(nil)(l)
			user(func(u *spec.User) { u.EnabledInTenant, u.Password = false, nil })(l)
			delete(l, "enrollment.alice_laptop")
		}, nil, []string{"device.laptop work_accounts work_account_disabled", "device.laptop work_accounts work_account_without_password"}},
		{"enrolled without work account", func(l lab) {
			l["user.bo"] = spec.User{UPN: "bo@contoso.com", Tenant: "tenant.contoso", Password: providers.Secret("x"), MFA: "totp", EnabledInTenant: true}
			registered(nil)(l)
			l["enrollment.bo"] = spec.Enrollment{User: "user.bo", Device: "device.laptop", PIN: providers.Secret("271828")}
		}, nil, []string{"enrollment.bo user not_work_account"}},
		{"work accounts of a joined device", device(func(d *spec.Device) { d.WorkAccounts = []providers.Ref{alice} }), nil, []string{"device.laptop work_accounts work_accounts_unregistered"}},
		{"joined and unlocked otherwise", device(func(d *spec.Device) { d.UnlockAccount, d.UnlockPIN = "microsoft", providers.Secret("271828") }), nil,
			[]string{"device.laptop unlock_account unlock_account_of_join", "device.laptop unlock_pin unlock_pin_unregistered"}},
		{"joined to nothing and unlocked for work", func(l lab) {
			l["device.spare"] = spec.Device{Join: "none", UnlockAccount: "work", EnabledInTenant: true}
		}, nil, []string{"device.spare unlock_account unlock_account_of_join"}},
		{"joined to nothing and unlocked for oneself", func(l lab) {
			l["device.spare"] = spec.Device{Join: "none", UnlockAccount: "microsoft", EnabledInTenant: true}
		}, nil, nil},

		{"unjoined", device(func(d *spec.Device) { d.Join, d.Tenant = "none", "" }), nil, []string{"enrollment.alice_laptop device device_not_joined"}},
		{"user disabled", user(func(u *spec.User) { u.EnabledInTenant = false }), nil,
			[]string{"enrollment.alice_laptop user user_disabled"}},
		{"user disabled later", user(func(u *spec.User) { u.EnabledInTenant = false }), enrolled, nil},
		{"device disabled", device(func(d *spec.Device) { d.EnabledInTenant = false }), nil, []string{"enrollment.alice_laptop device device_disabled"}},
		{"device disabled later", device(func(d *spec.Device) { d.EnabledInTenant = false }), enrolled, nil},
		{"no password", user(func(u *spec.User) { u.Password = nil }), nil,
			[]string{"enrollment.alice_laptop user no_password"}},
		{"password not known to this run", user(func(u *spec.User) { u.Password = nil }), []string{"user.alice"}, nil},
		{"no second factor", user(func(u *spec.User) { u.MFA = "none" }), nil, []string{"enrollment.alice_laptop user no_mfa"}},
		{"second factor by phone", user(func(u *spec.User) { u.MFA = "push" }), nil, nil},
		{"second factor removed later", user(func(u *spec.User) { u.MFA = "none" }), enrolled, nil},

		{"second factor of the tenant", tenant(func(x *spec.Tenant) { x.MFA = &spec.TenantMFA{Provider: "builtin"} }), nil, nil},
		{"second factor of another vendor", tenant(func(x *spec.Tenant) { x.MFA = &spec.TenantMFA{Provider: "third_party"} }), nil,
			[]string{"tenant.contoso mfa.provider third_party_mfa_unnamed?"}},
		{"second factor of another vendor, twice", func(l lab) {
			tenant(func(x *spec.Tenant) { x.MFA = &spec.TenantMFA{Provider: "third_party"} })(l)
			l["device.desk"] = l["device.laptop"]
			l["enrollment.alice_desk"] = spec.Enrollment{User: "user.alice", Device: "device.desk", PIN: providers.Secret("271828"), PINVersion: 1}
		}, enrolled, []string{"tenant.contoso mfa.provider third_party_mfa_unnamed?"}},
		{"second factor of another vendor, for nobody", func(l lab) {
			tenant(func(x *spec.Tenant) { x.MFA = &spec.TenantMFA{Provider: "third_party"} })(l)
			delete(l, "enrollment.alice_laptop")
			delete(l, "device.laptop")
		}, nil, nil},

		{"policy off", policy(spec.Policy{Source: "mdm", Scope: "device", UsePassportForWork: ptr(false)}), nil, []string{"enrollment.alice_laptop device policy_disabled"}},
		{"policy off later", policy(spec.Policy{Source: "mdm", Scope: "device", UsePassportForWork: ptr(false)}), enrolled, []string{"enrollment.alice_laptop device policy_disabled?"}},
		{"no post-logon provisioning", policy(spec.Policy{Source: "mdm", Scope: "device", DisablePostLogonProvisioning: ptr(true)}), nil, []string{"enrollment.alice_laptop device post_logon_disabled"}},
		{"no post-logon provisioning later", policy(spec.Policy{Source: "mdm", Scope: "device", DisablePostLogonProvisioning: ptr(true)}), enrolled, nil},
		{"remote", device(func(d *spec.Device) { d.Session = "remote" }), nil, []string{"enrollment.alice_laptop device remote_session"}},
		{"TPM required", func(l lab) {
			l["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(true)}
			with(l, "device.laptop", func(d *spec.Device) { d.TPM = "none" })
		}, nil, []string{"enrollment.alice_laptop device tpm_missing"}},
		{"TPM required later", func(l lab) {
			l["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(true)}
			with(l, "device.laptop", func(d *spec.Device) { d.TPM = "none" })
		}, enrolled, []string{"enrollment.alice_laptop device tpm_missing?"}},
		{"software key", device(func(d *spec.Device) { d.TPM = "none" }), nil, nil},

		{"gesture", enrollment(func(e *spec.Enrollment) { e.Gestures = []string{"face"} }), nil, nil},
		{"no sensor", enrollment(func(e *spec.Enrollment) { e.Gestures = []string{"fingerprint"} }), nil, []string{"enrollment.alice_laptop gestures gesture_without_sensor"}},
		{"biometrics off", func(l lab) {
			with(l, "enrollment.alice_laptop", func(e *spec.Enrollment) { e.Gestures = []string{"face"} })
			p := mdm
			p.Biometrics = &spec.Biometrics{UseBiometrics: ptr(false)}
			l["policy.p"] = p
		}, nil, []string{"enrollment.alice_laptop gestures biometrics_disabled"}},
		{"biometrics off later", func(l lab) {
			with(l, "enrollment.alice_laptop", func(e *spec.Enrollment) { e.Gestures = []string{"face"} })
			p := mdm
			p.Biometrics = &spec.Biometrics{UseBiometrics: ptr(false)}
			l["policy.p"] = p
		}, enrolled, []string{"enrollment.alice_laptop gestures biometrics_disabled?"}},

		{"simple PIN", enrollment(func(e *spec.Enrollment) { e.PIN = providers.Secret("1234") }), nil, []string{"enrollment.alice_laptop pin pin_too_simple"}},
		{"short PIN", func(l lab) {
			p := mdm
			p.PINComplexity = &spec.PINComplexity{MinimumPINLength: ptr(8)}
			l["policy.p"] = p
		}, nil, []string{"enrollment.alice_laptop pin pin_too_short"}},
		{"short PIN later", func(l lab) {
			p := mdm
			p.PINComplexity = &spec.PINComplexity{MinimumPINLength: ptr(8)}
			l["policy.p"] = p
		}, enrolled, []string{"enrollment.alice_laptop pin pin_too_short?"}},
		{"PIN not known to this run", func(l lab) {
			p := mdm
			p.PINComplexity = &spec.PINComplexity{MinimumPINLength: ptr(8)}
			l["policy.p"] = p
			with(l, "enrollment.alice_laptop", func(e *spec.Enrollment) { e.PIN = nil })
		}, nil, nil},
		{"references outside a partial plan", func(l lab) {
			delete(l, "tenant.contoso")
			delete(l, "user.alice")
		}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab := goodLab()
			c.change(lab)
			var got []string
			for _, p := range Validate(worldOf(t, lab, c.made...)) {
				s := fmt.Sprintf("%s %s %s", p.Addr, p.Attribute, p.Rule)
				if p.Warning {
					s += "?"
				}
				got = append(got, s)
				if p.Summary == "" || strings.HasSuffix(p.Summary, ".") || !strings.HasSuffix(p.Detail, ".") && !strings.HasSuffix(p.Detail, "?") {
					t.Errorf("%q: %q is no sentence", p.Summary, p.Detail)
				}
				if strings.Contains(p.Detail, "271828") || strings.Contains(p.Detail, "correct horse") || strings.Contains(p.Detail, "%!") {
					t.Errorf("%q tells a secret or is misformatted", p.Detail)
				}
			}
			if !equalStrings(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestValidateSuggests(t *testing.T) {
	lab := with(goodLab(), "user.alice", func(u *spec.User) { u.UPN = "alice@contso.com" })
	ps := Validate(worldOf(t, lab))
	if len(ps) != 1 || !strings.Contains(ps[0].Detail, `Did you mean "alice@contoso.com"?`) {
		t.Errorf("%+v", ps)
	}
}

func TestValidateNamesThePolicyBehind(t *testing.T) {
	lab := goodLab()
	lab["policy.staff"] = spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: ptr(false)}
	ps := Validate(worldOf(t, lab))
	if len(ps) != 1 || !strings.Contains(ps[0].Detail, "policy.staff (computer GPO) says so") || !strings.Contains(ps[0].Detail, "event 7203") {
		t.Errorf("%+v", ps)
	}
}

func TestTooManyEnrollments(t *testing.T) {
	lab := goodLab()
	for i := range 10 {
		user := fmt.Sprintf("user.u%d", i)
		lab[user] = lab["user.alice"]
		with(lab, user, func(u *spec.User) { u.UPN = fmt.Sprintf("u%d@contoso.com", i) })
		lab["enrollment."+user[5:]] = spec.Enrollment{User: providers.Ref(user), Device: "device.laptop", PIN: providers.Secret("271828")}
	}
	ps := Validate(worldOf(t, lab))
	if len(ps) != 1 || ps[0].Rule != "too_many_enrollments" || !ps[0].Warning {
		t.Errorf("%+v", ps)
	}
	delete(lab, "enrollment.u0")
	if ps = Validate(worldOf(t, lab)); len(ps) != 0 {
		t.Errorf("ten are fine: %+v", ps)
	}
}

// Every launch condition of the documents is a problem at plan, so nothing is
// sent for a provisioning that would not start.
func TestLaunchConditionsAtPlan(t *testing.T) {
	lab := goodLab()
	lab["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", UsePassportForWork: ptr(false), RequireSecurityDevice: ptr(true), DisablePostLogonProvisioning: ptr(true)}
	with(lab, "device.laptop", func(d *spec.Device) { d.TPM, d.Session = "none", "remote" })
	var rules []string
	for _, p := range Validate(worldOf(t, lab)) {
		rules = append(rules, p.Rule)
	}
	want := []string{"policy_disabled", "post_logon_disabled", "remote_session", "tpm_missing"}
	if !slices.Equal(rules, want) {
		t.Errorf("%v, want %v", rules, want)
	}
}

// TestThirdPartyMFAByFlow: the documents name another vendor's second factor
// for P5 to P7, and for no other flow.
func TestThirdPartyMFAByFlow(t *testing.T) {
	seed.Proves(t, "PA-09", "P1")
	for _, f := range Flows() {
		if named := f == P5 || f == P6 || f == P7; f.ThirdPartyMFA() != named {
			t.Errorf("%s: %v", f, f.ThirdPartyMFA())
		}
	}
	for flow, warned := range map[Flow]bool{P1: true, P2: true, P3: true, P4: true, P5: false, P6: false, P7: false} {
		objects := with(goodLab(), "tenant.contoso", func(x *spec.Tenant) { x.MFA = &spec.TenantMFA{Provider: "third_party"} })
		w := worldOf(t, objects)
		v := &validation{World: w, otherMFA: map[string]bool{}}
		v.secondFactorService(w.Tenants["tenant.contoso"], w.Enrollments["enrollment.alice_laptop"], flow)
		if got := len(v.problems) == 1 && v.problems[0].Warning; got != warned || len(v.problems) > 1 {
			t.Errorf("%s: %+v", flow, v.problems)
		}
	}
}

// A plan warns of a user's device beyond the quota, which the tenant will refuse; those that are there stay when the quota is lowered.
func TestQuotaOfDevices(t *testing.T) {
	lab := goodLab()
	tenant := lab["tenant.contoso"].(spec.Tenant)
	tenant.DeviceQuota = 1
	lab["tenant.contoso"] = tenant
	lab["device.second"] = spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: "user.alice", TPM: "2.0"}
	rules := func() (names []string) {
		for _, p := range Validate(worldOf(t, lab)) {
			names = append(names, p.Addr+" "+p.Rule)
		}
		return names
	}
	if got := rules(); !slices.Equal(got, []string{"device.second device_quota"}) {
		t.Errorf("%q", got)
	}
	tenant.DeviceQuota = 2
	lab["tenant.contoso"] = tenant
	if got := rules(); got != nil {
		t.Errorf("two are fine: %q", got)
	}
	tenant.DeviceQuota = 0
	lab["tenant.contoso"] = tenant
	if got := rules(); !slices.Contains(got, "tenant.contoso device_quota_too_low") {
		t.Errorf("%q", got)
	}
}
