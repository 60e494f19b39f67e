package explain

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/hello"
	"hellolab/providers/hello/access"
	"hellolab/providers/spec"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// worldOf is a lab as planned.
func worldOf(t *testing.T, objects map[string]any) *hello.World {
	t.Helper()
	var recs []providers.Record
	for addr, in := range objects {
		v, err := providers.Encode(in, providers.KeepZero)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(addr, ".")
		recs = append(recs, providers.Record{Addr: addr, Kind: kind, In: v, Out: cty.NullVal(cty.DynamicPseudoType)})
	}
	w, err := hello.NewWorld(recs)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func labOf(join, authentication string, policies map[string]spec.Policy) map[string]any {
	device := spec.Device{Join: join, OS: "windows-11-24h2", TPM: "2.0", Session: "local", EnabledInTenant: true, EnabledInDomain: true}
	if join == "entra" || join == "hybrid" || join == "registered" {
		device.Tenant = "tenant.contoso"
	}
	if join == "hybrid" || join == "domain" {
		device.Domain = "domain.corp"
	}
	if join == "registered" {
		device.WorkAccounts = []providers.Ref{"user.alice"}
	}
	objects := map[string]any{
		"tenant.contoso":  spec.Tenant{Domains: []string{"contoso.com"}, Authentication: authentication},
		"domain.corp":     spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"},
		"sync.up":         spec.Sync{Tenant: "tenant.contoso", Domain: "domain.corp", Interval: 30 * time.Minute, Enabled: true, KeyExport: true, KeyRight: true},
		"user.alice":      spec.User{UPN: "alice@contoso.com", Tenant: "tenant.contoso", Domain: "domain.corp", Password: providers.Secret("x"), MFA: "totp", EnabledInTenant: true, EnabledInDomain: true},
		"device.laptop":   device,
		"service.old":     spec.Service{Domain: "domain.corp", Kind: spec.ServiceNTLM, Enabled: true},
		"application.app": spec.Application{Tenant: "tenant.contoso", Require: &spec.ApplicationRequire{MFA: true, JoinedDevice: true, CompliantDevice: true, MaxRisk: "low", RiskAction: "block"}},
	}
	for addr, p := range policies {
		objects[addr] = p
	}
	return objects
}

func explained(t *testing.T, objects map[string]any, to string) Explanation {
	t.Helper()
	w := worldOf(t, objects)
	r := Request{User: "user.alice", Device: "device.laptop", To: to}
	facts := access.NewFacts(now)
	facts.Machines[r.Device] = &access.Machine{}
	x := Explain(w, Held{Lab: facts, Launch: w.Planned(r.User, r.Device)}, r)
	if _, err := json.Marshal(x); err != nil {
		t.Fatal(err)
	}
	return x
}

// Every pair is explained, whatever its shape: with a choice or why there is
// none, with a reason for everything that is not met, and with a way out.
func TestEveryShapeIsExplained(t *testing.T) {
	yes := true
	trusts := map[string]map[string]spec.Policy{
		"key":    {"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes}},
		"cloud":  {"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes, UseCloudTrustForOnPremAuth: &yes}},
		"cert":   {"policy.p": {Source: "gpo", Scope: "device", UsePassportForWork: &yes, UseCertificateForOnPremAuth: &yes}},
		"policy": nil,
	}
	for _, join := range []string{"entra", "hybrid", "domain", "registered", "none"} {
		for _, authentication := range []string{"managed", "federated"} {
			for name, policies := range trusts {
				for _, to := range []string{"", "tenant.contoso", "domain.corp", "service.old", "application.app"} {
					x := explained(t, labOf(join, authentication, policies), to)
					where := strings.Join([]string{join, authentication, name, to}, " ")
					if (x.Choice.Provision == "") == (x.Choice.Refused == "") || len(x.Choice.Why) < 2 {
						t.Errorf("%s: choice %+v", where, x.Choice)
					}
					all := slices.Concat(x.Provisioning.Checks, x.Provisioning.Deployment)
					for _, s := range x.SignIns {
						if s.Verdict == access.Unknown || s.Verdict.Works() {
							t.Errorf("%s to %q: %s, and nobody has a credential", where, s.To, s.Verdict)
						}
						if len(s.Conditions) == 0 {
							t.Errorf("%s to %q: no conditions", where, s.To)
						}
						all = append(all, s.Conditions...)
					}
					for _, c := range all {
						if c.Name == "" || c.Needs == "" || c.Verdict == "" {
							t.Errorf("%s: %+v", where, c)
						}
						if c.Verdict == NotMet && (c.Why == "" || c.Mend == "" || c.Code == "") {
							t.Errorf("%s: a dead end: %+v", where, c)
						}
					}
					if len(x.Endings) != 0 {
						t.Errorf("%s: what would end a credential that is not", where)
					}
				}
			}
		}
	}
}

// The lists of each trust that provisioning and the first use of the domain need.
func TestDeploymentListsByTrust(t *testing.T) {
	seed.Proves(t, "PRE-06", "P3", "P4", "P5")
	yes := true
	for name, c := range map[string]struct {
		policy spec.Policy
		want   []string
	}{
		"key":   {spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: &yes}, []string{"first_factor", "second_factor", "key_export", "authority", "controller_release", "kdc_certificate"}},
		"cloud": {spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: &yes, UseCloudTrustForOnPremAuth: &yes}, []string{"first_factor", "second_factor", "partial_ticket", "controller_exchanges", "controller_aes256"}},
		"cert":  {spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: &yes, UseCertificateForOnPremAuth: &yes}, []string{"first_factor", "second_factor", "device_in_domain", "registration_authority", "authority", "controller_release", "kdc_certificate"}},
	} {
		authentication := "managed"
		if name == "cert" {
			authentication = "federated"
		}
		x := explained(t, labOf("hybrid", authentication, map[string]spec.Policy{"policy.p": c.policy}), "")
		var got, checks []string
		for _, d := range x.Provisioning.Deployment {
			got = append(got, d.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, d := range x.Provisioning.Checks {
			checks = append(checks, d.Name)
		}
		for _, only := range map[string][]string{"key": nil, "cloud": {"OnPremTGT"}, "cert": {"LogonCertTemplateReady", "AdfsRaIsReady", "AdfsRefreshToken"}}[name] {
			if !slices.Contains(checks, only) {
				t.Errorf("%s: dsregcmd's %s is not among %q", name, only, checks)
			}
		}
	}
}

// Hardware policy, conflicts and values without effect are told.
func TestPolicyNotes(t *testing.T) {
	yes, no := true, false
	low := 9
	x := explained(t, labOf("entra", "managed", map[string]spec.Policy{
		"policy.a": {Source: "mdm", Scope: "device", ExcludeSecurityDevices: &spec.ExcludeSecurityDevices{TPM12: &yes}, EnablePINRecovery: &yes, PINComplexity: &spec.PINComplexity{MinimumPINLength: &low, MaximumPINLength: &low}},
		"policy.b": {Source: "mdm", Scope: "device", EnablePINRecovery: &no, TurnOffSmartCardEmulation: &yes, UseCloudTrustForOnPremAuth: &yes, UseCertificateForOnPremAuth: &yes},
	}), "")
	if x.Policy.HardwarePolicy != "tpm_2_or_software" || x.Policy.SimplePINs || !x.Policy.LengthsIgnored {
		t.Errorf("%+v", x.Policy)
	}
	text := strings.Join(x.Policy.Notes, "\n")
	for _, want := range []string{"policy.a and policy.b set enable_pin_recovery differently", "turn_off_smart_card_emulation of policy.b has no effect", "no valid pair", "certificate trust wins"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, s := range x.Policy.Settings {
		if s.Name == "pin_complexity.minimum_pin_length" && (s.Value != 4 || s.Policy != "" || !slices.Equal(s.Overridden, []string{"policy.a"})) {
			t.Errorf("%+v", s)
		}
	}
}

// A PIN that policy does not let live on is asked for, by its age and its looks.
func TestPINConditions(t *testing.T) {
	days, long := 30, 8
	objects := labOf("entra", "managed", map[string]spec.Policy{"policy.p": {Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{Expiration: &days, MinimumPINLength: &long}}})
	w := worldOf(t, objects)
	for name, c := range map[string]struct {
		held        access.Credential
		rules, aged Verdict
	}{
		"young and long": {access.Credential{KeyID: "k", PINSet: now.Add(-29 * 24 * time.Hour), PIN: hello.ShapeOfPIN([]byte("27182818"))}, Met, Met},
		"old and short":  {access.Credential{KeyID: "k", PINSet: now.Add(-30 * 24 * time.Hour), PIN: hello.ShapeOfPIN([]byte("2718"))}, Asks, Asks},
		"not known":      {access.Credential{KeyID: "k"}, "", Unknown},
	} {
		facts := access.NewFacts(now)
		facts.Machines["device.laptop"] = &access.Machine{DeviceID: "d", Credentials: map[string]*access.Credential{"user.alice": &c.held}}
		e := of(w, Held{Applied: true, Lab: facts}, Request{User: "user.alice", Device: "device.laptop"})
		got := map[string]Verdict{}
		for _, cond := range e.credentialConditions() {
			got[cond.Name] = cond.Verdict
		}
		if got["pin_rules"] != c.rules || got["pin_age"] != c.aged {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A deleted key comes back with the next cycle, or with the next export of keys
// where that has a schedule of its own; not with one that waits for somebody.
func TestNextCycle(t *testing.T) {
	cycle, keys := now.Add(30*time.Minute), now.Add(2*time.Hour)
	off := false
	for name, c := range map[string]struct {
		change func(*spec.Sync)
		want   time.Time
	}{
		"both":                    {func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{} }, keys},
		"cycles alone":            {func(s *spec.Sync) { s.KeySchedule = &spec.SyncSchedule{Enabled: &off} }, cycle},
		"keys alone":              {func(s *spec.Sync) { s.Enabled, s.KeySchedule = false, &spec.SyncSchedule{} }, keys},
		"keys without a schedule": {func(s *spec.Sync) { s.Enabled = false }, time.Time{}},
		"no keys":                 {func(s *spec.Sync) { s.KeyExport = false }, cycle},
		"staging":                 {func(s *spec.Sync) { s.Staging = true }, time.Time{}},
	} {
		objects := labOf("hybrid", "managed", nil)
		s := objects["sync.up"].(spec.Sync)
		c.change(&s)
		objects["sync.up"] = s
		facts := access.NewFacts(now)
		facts.Syncs["sync.up"] = access.Schedule{Cycles: access.Timing{Next: cycle}, Keys: access.Timing{Next: keys}}
		e := of(worldOf(t, objects), Held{Applied: true, Lab: facts}, Request{User: "user.alice", Device: "device.laptop"})
		if at, ok := e.nextCycle(); !at.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("%s: %s, %v", name, at, ok)
		}
	}
}

// The command that deletes a key is one that runs as it is.
func TestRevocation(t *testing.T) {
	for key, want := range map[string]string{
		"+YAfRFcq0ezwn5xzo3lHiKobHtkh": "hellolab keys revoke user.alice -key=f9801f44572a",
		"k":                            "hellolab keys revoke user.alice -key=ID, as `hellolab keys` prints it",
		"":                             "hellolab keys revoke user.alice -key=ID, as `hellolab keys` prints it",
	} {
		if got := revocation("user.alice", key); got != want {
			t.Errorf("%q: %s", key, got)
		}
	}
}

// What could not be read is not taken for absent.
func TestUnreadDevice(t *testing.T) {
	w := worldOf(t, labOf("entra", "managed", nil))
	facts := access.NewFacts(now)
	facts.Gaps = []string{"device.laptop could not be read: it burns."}
	x := Explain(w, Held{Applied: true, Lab: facts}, Request{User: "user.alice", Device: "device.laptop"})
	for _, s := range x.SignIns {
		if s.Verdict != access.Unknown || s.Conditions[0].Verdict != Unknown {
			t.Errorf("%+v", s)
		}
	}
	if len(x.Gaps) != 1 {
		t.Errorf("%q", x.Gaps)
	}
}

// An explanation names the password settings that a password ends by.
func TestExplainedBySettings(t *testing.T) {
	l := labOf("hybrid", "managed", nil)
	why := func() string {
		for _, s := range explained(t, l, "service.old").SignIns {
			for _, c := range s.Conditions {
				if c.Name == "password_current" {
					return c.Why
				}
			}
		}
		return ""
	}
	if got := why(); got != "" {
		t.Errorf("by the domain's: %q", got)
	}
	l["password_settings.own"] = spec.PasswordSettings{Domain: "domain.corp", Precedence: 9, AppliesTo: []providers.Ref{"user.alice"}, MaxAge: 30 * 24 * time.Hour}
	if got := why(); got != "By password_settings.own a password expires after 30d." {
		t.Errorf("by settings: %q", got)
	}
	l["password_settings.own"] = spec.PasswordSettings{Domain: "domain.corp", Precedence: 9, AppliesTo: []providers.Ref{"user.alice"}}
	if got := why(); got != "By password_settings.own the password does not expire." {
		t.Errorf("by settings without end: %q", got)
	}
}

// What keeps a key from the domain is told with what mends it, which is no cycle of
// Connect.
func TestWithheld(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*spec.Sync, *spec.Domain)
		guarded bool
		mend    string
	}{
		"staging":            {func(s *spec.Sync, _ *spec.Domain) { s.Staging = true }, false, "staging = false of sync.up"},
		"no keys":            {func(s *spec.Sync, _ *spec.Domain) { s.KeyExport = false }, false, "key_export = true of sync.up"},
		"no right":           {func(s *spec.Sync, _ *spec.Domain) { s.KeyRight = false }, false, "key_writeback_right = true of sync.up"},
		"guarded":            {func(*spec.Sync, *spec.Domain) {}, true, "adminsdholder_key_admins = true of domain.corp"},
		"guarded, and is to": {func(_ *spec.Sync, d *spec.Domain) { d.ProtectedKeys = true }, true, "within an hour"},
		"nothing":            {func(*spec.Sync, *spec.Domain) {}, false, ""},
	} {
		objects := labOf("hybrid", "managed", nil)
		s, d := objects["sync.up"].(spec.Sync), objects["domain.corp"].(spec.Domain)
		c.change(&s, &d)
		objects["sync.up"], objects["domain.corp"] = s, d
		facts := access.NewFacts(now)
		facts.Accounts["user.alice"] = &access.Account{Guarded: c.guarded}
		e := of(worldOf(t, objects), Held{Applied: true, Lab: facts}, Request{User: "user.alice", Device: "device.laptop"})
		got := e.keyArrives()
		if !strings.Contains(got.Mend, c.mend) || (got.Verdict == Met) != (c.mend == "") || c.mend == "" && got.Mend != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
