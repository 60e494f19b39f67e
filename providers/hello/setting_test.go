package hello

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// settingCase says of a setting how a policy sets it, to two values, and what
// it is where no policy reaches an Entra joined device.
type settingCase struct {
	path    string
	set     func(p *spec.Policy, n int)
	values  [2]any
	without any
	levels  string // those that have it: t(enant-wide), d(evice CSP), u(ser CSP), c(omputer GPO), U(ser GPO)
}

func flag(path, levels string, without bool, field func(*spec.Policy) **bool) settingCase {
	return settingCase{path, func(p *spec.Policy, n int) { *field(p) = ptr(n == 0) }, [2]any{true, false}, without, levels}
}

func number(path, levels string, values [2]int, without int, field func(*spec.PINComplexity) **int) settingCase {
	return settingCase{path, func(p *spec.Policy, n int) { *field(complexityOf(p)) = ptr(values[n]) }, [2]any{values[0], values[1]}, without, levels}
}

func letters(path, levels string, without ClassRule, field func(*spec.PINComplexity) *string) settingCase {
	values := [2]ClassRule{Require, Allow}
	return settingCase{path, func(p *spec.Policy, n int) { *field(complexityOf(p)) = string(values[n]) }, [2]any{values[0], values[1]}, without, levels}
}

func plugins(path string, field func(*spec.Policy) *string) settingCase {
	values := [2]string{"<rule/>", "<other/>"}
	return settingCase{path, func(p *spec.Policy, n int) { *field(p) = values[n] }, [2]any{values[0], values[1]}, "", "dc"}
}

func complexityOf(p *spec.Policy) *spec.PINComplexity {
	return block(&p.PINComplexity)
}

// block returns a block of a policy, made if there is none.
func block[T any](b **T) *T {
	if *b == nil {
		*b = new(T)
	}
	return *b
}

// settingCases restates the table of settings: PassportForWork CSP and DDF,
// "Windows Hello for Business policy settings", Intune's enrollment form.
var settingCases = []settingCase{
	flag("use_passport_for_work", "tducU", true, func(p *spec.Policy) **bool { return &p.UsePassportForWork }),
	flag("disable_post_logon_provisioning", "dcU", false, func(p *spec.Policy) **bool { return &p.DisablePostLogonProvisioning }),
	flag("require_security_device", "tducU", false, func(p *spec.Policy) **bool { return &p.RequireSecurityDevice }),
	flag("exclude_security_devices.tpm12", "dcU", false, func(p *spec.Policy) **bool { return &block(&p.ExcludeSecurityDevices).TPM12 }),
	flag("enable_pin_recovery", "duc", false, func(p *spec.Policy) **bool { return &p.EnablePINRecovery }),
	flag("enable_windows_hello_provisioning_for_security_keys", "d", false, func(p *spec.Policy) **bool { return &p.ProvisionForSecurityKeys }),
	flag("use_certificate_for_on_prem_auth", "dcU", false, func(p *spec.Policy) **bool { return &p.UseCertificateForOnPremAuth }),
	flag("use_cloud_trust_for_on_prem_auth", "dc", false, func(p *spec.Policy) **bool { return &p.UseCloudTrustForOnPremAuth }),
	flag("use_hello_certificates_as_smart_card_certificates", "dc", false, func(p *spec.Policy) **bool { return &p.HelloCertificatesAsSmartCard }),
	flag("turn_off_smart_card_emulation", "c", false, func(p *spec.Policy) **bool { return &p.TurnOffSmartCardEmulation }),
	flag("allow_enumeration_of_emulated_smart_card_for_all_users", "c", false, func(p *spec.Policy) **bool { return &p.EnumerateEmulatedSmartCards }),
	number("pin_complexity.minimum_pin_length", "tduc", [2]int{8, 10}, 4, func(c *spec.PINComplexity) **int { return &c.MinimumPINLength }),
	number("pin_complexity.maximum_pin_length", "tduc", [2]int{20, 127}, 127, func(c *spec.PINComplexity) **int { return &c.MaximumPINLength }),
	letters("pin_complexity.uppercase_letters", "tduc", Forbid, func(c *spec.PINComplexity) *string { return &c.UppercaseLetters }),
	letters("pin_complexity.lowercase_letters", "tduc", Forbid, func(c *spec.PINComplexity) *string { return &c.LowercaseLetters }),
	letters("pin_complexity.special_characters", "tduc", Forbid, func(c *spec.PINComplexity) *string { return &c.SpecialCharacters }),
	letters("pin_complexity.digits", "duc", Require, func(c *spec.PINComplexity) *string { return &c.Digits }),
	number("pin_complexity.history", "tduc", [2]int{50, 0}, 0, func(c *spec.PINComplexity) **int { return &c.History }),
	number("pin_complexity.expiration", "tduc", [2]int{730, 0}, 0, func(c *spec.PINComplexity) **int { return &c.Expiration }),
	flag("biometrics.use_biometrics", "tdc", true, func(p *spec.Policy) **bool { return &block(&p.Biometrics).UseBiometrics }),
	flag("biometrics.facial_features_use_enhanced_anti_spoofing", "tdc", false, func(p *spec.Policy) **bool { return &block(&p.Biometrics).EnhancedAntiSpoofing }),
	flag("biometrics.enable_ess_with_supported_peripherals", "dc", true, func(p *spec.Policy) **bool { return &block(&p.Biometrics).ESSPeripherals }),
	{"device_unlock.group_a", func(p *spec.Policy, n int) {
		block(&p.DeviceUnlock).GroupA = [][]string{nil, {"{d6886603-9d2f-4eb2-b667-1971041fa96b}"}}[n]
	}, [2]any{FirstFactors, Factors("pin")}, Factors(""), "dc"},
	{"device_unlock.group_b", func(p *spec.Policy, n int) {
		block(&p.DeviceUnlock).GroupB = [][]string{nil, {"PIN", "face"}}[n]
	}, [2]any{SecondFactors, Factors("pin,face")}, Factors(""), "dc"},
	plugins("device_unlock.plugins", func(p *spec.Policy) *string { return &block(&p.DeviceUnlock).Plugins }),
	flag("dynamic_lock.dynamic_lock", "dc", false, func(p *spec.Policy) **bool { return &block(&p.DynamicLock).DynamicLock }),
	plugins("dynamic_lock.plugins", func(p *spec.Policy) *string { return &block(&p.DynamicLock).Plugins }),
	flag("security_key.use_security_key_for_signin", "tdc", false, func(p *spec.Policy) **bool { return &block(&p.SecurityKey).UseForSignin }),
	flag("remote.use_remote_passport", "tdc", false, func(p *spec.Policy) **bool { return &block(&p.Remote).UseRemotePassport }),
}

// placedLevels are the levels with a policy's source and scope, strongest last.
var placedLevels = []struct {
	letter, source, scope string
	level                 Level
}{
	{"t", "tenant_wide", "device", TenantWide}, {"d", "mdm", "device", DeviceCSP}, {"u", "mdm", "user", UserCSP},
	{"c", "gpo", "device", ComputerGPO}, {"U", "gpo", "user", UserGPO},
}

func (c settingCase) has(letter string) bool { return slices.Contains([]byte(c.levels), letter[0]) }

// with returns a policy that sets nothing but the case's setting.
func (c settingCase) with(n int, source, scope string) spec.Policy {
	p := spec.Policy{Source: source, Scope: scope}
	c.set(&p, n)
	return p
}

// of returns the case's setting of an InForce.
func (c settingCase) of(t testing.TB, f InForce) SettingInForce {
	t.Helper()
	all := f.Settings()
	i := slices.IndexFunc(all, func(s SettingInForce) bool { return s.Setting == c.path })
	if i < 0 {
		t.Fatalf("%s is no setting in force", c.path)
	}
	return all[i]
}

// The schema of a policy, the table of settings, what is in force and the cases
// of this test name the same settings.
func TestEverySettingIsThere(t *testing.T) {
	var cases, table, inForce, schema []string
	for _, c := range settingCases {
		cases = append(cases, c.path)
	}
	for _, s := range settings {
		table = append(table, s.about().path)
	}
	for _, s := range new(World).InForce("", "").Settings() {
		inForce = append(inForce, s.Setting)
	}
	about := []string{"assign", "source", "scope", "trust"}
	empty, err := providers.Encode(spec.Policy{}, providers.KeepZero)
	if err != nil {
		t.Fatal(err)
	}
	for name, typ := range empty.Type().AttributeTypes() {
		switch {
		case slices.Contains(about, name):
		case typ.IsObjectType():
			for inner := range typ.AttributeTypes() {
				schema = append(schema, name+"."+inner)
			}
		default:
			schema = append(schema, name)
		}
	}
	if !slices.Equal(table, inForce) || !slices.Equal(table, cases) {
		t.Errorf("table\n%v\nin force\n%v\ncases\n%v", table, inForce, cases)
	}
	slices.Sort(table)
	slices.Sort(schema)
	if !slices.Equal(table, schema) {
		t.Errorf("table\n%v\nschema\n%v", table, schema)
	}
}

func TestEverySettingFromEachOrigin(t *testing.T) {
	for _, c := range settingCases {
		f := worldOf(t, goodLab()).InForce("user.alice", "device.laptop")
		if s := c.of(t, f); s.Value != c.without || s.Origin.Level != Unset || s.Origin.Policy != "" || s.Origin.Default == "" {
			t.Errorf("%s without a policy: %+v", c.path, s)
		}
		for _, l := range placedLevels {
			for n, want := range c.values {
				lab := goodLab()
				lab["policy.p"] = c.with(n, l.source, l.scope)
				f := worldOf(t, lab).InForce("user.alice", "device.laptop")
				s := c.of(t, f)
				if c.has(l.letter) {
					if s.Value != want || !reflect.DeepEqual(s.Origin, Origin{Level: l.level, Policy: "policy.p"}) || len(f.Ignored) > 0 {
						t.Errorf("%s = %v by %s: %+v, ignored %+v", c.path, want, l.level, s, f.Ignored)
					}
					continue
				}
				if s.Origin.Policy != "" || !slices.ContainsFunc(f.Ignored, func(i Ignored) bool { return i.Setting == c.path && i.Policy == "policy.p" && i.Why != "" }) {
					t.Errorf("%s by %s, which lacks it: %+v, ignored %+v", c.path, l.level, s, f.Ignored)
				}
			}
		}
	}
}

// Of two levels that set a setting the higher wins, whatever the values, and
// the lower is told; that the higher is cleared brings the lower's value back.
func TestEverySettingByPrecedencePair(t *testing.T) {
	for _, c := range settingCases {
		for low, weak := range placedLevels {
			for _, strong := range placedLevels[low+1:] {
				if !c.has(weak.letter) || !c.has(strong.letter) {
					continue
				}
				lab := goodLab()
				lab["policy.weak"], lab["policy.strong"] = c.with(0, weak.source, weak.scope), c.with(1, strong.source, strong.scope)
				want := Origin{Level: strong.level, Policy: "policy.strong", Overridden: []string{"policy.weak"}}
				f := worldOf(t, lab).InForce("user.alice", "device.laptop")
				if s := c.of(t, f); s.Value != c.values[1] && !isClass(c) || !reflect.DeepEqual(s.Origin, want) || len(f.Conflicts) > 0 {
					t.Errorf("%s: %s over %s: %+v, conflicts %+v", c.path, strong.level, weak.level, s, f.Conflicts)
				}
				lab["policy.strong"] = spec.Policy{Source: strong.source, Scope: strong.scope}
				if s := c.of(t, worldOf(t, lab).InForce("user.alice", "device.laptop")); s.Value != c.values[0] || s.Origin.Policy != "policy.weak" {
					t.Errorf("%s: %s cleared: %+v", c.path, strong.level, s)
				}
			}
		}
	}
}

// isClass: what a class that is merely allowed comes to depends on the others.
func isClass(c settingCase) bool {
	_, ok := c.without.(ClassRule)
	return ok
}

func TestEverySettingInConflict(t *testing.T) {
	for _, c := range settingCases {
		for _, l := range placedLevels {
			if !c.has(l.letter) {
				continue
			}
			lab := goodLab()
			lab["policy.a"], lab["policy.b"] = c.with(0, l.source, l.scope), c.with(1, l.source, l.scope)
			f := worldOf(t, lab).InForce("user.alice", "device.laptop")
			want := Conflict{Setting: c.path, Wins: "policy.a", Loses: "policy.b"}
			if s := c.of(t, f); s.Origin.Policy != "policy.a" || !slices.Contains(f.Conflicts, want) {
				t.Errorf("%s by two at %s: %+v, conflicts %+v", c.path, l.level, s, f.Conflicts)
			}
		}
	}
}

// Numbers outside a setting's range are passed over: the next level's value, or
// the default, is in force. Lengths are another matter (TestLengths).
func TestNumbersOutsideTheirRange(t *testing.T) {
	for _, c := range []struct {
		history, expiration  *int
		wantHist, wantExpire int
		ignored              int
	}{
		{ptr(0), ptr(0), 0, 0, 0}, {ptr(50), ptr(730), 50, 730, 0},
		{ptr(51), ptr(731), 7, 90, 2}, {ptr(-1), ptr(-1), 7, 90, 2}, {nil, ptr(731), 7, 90, 1},
	} {
		lab := goodLab()
		lab["policy.gpo"] = spec.Policy{Source: "gpo", Scope: "device", PINComplexity: &spec.PINComplexity{History: c.history, Expiration: c.expiration}}
		lab["policy.mdm"] = spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{History: ptr(7), Expiration: ptr(90)}}
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if f.PINHistory.Value != c.wantHist || f.PINExpiration.Value != c.wantExpire || len(f.Ignored) != c.ignored {
			t.Errorf("%+v: %+v %+v, ignored %+v", c, f.PINHistory, f.PINExpiration, f.Ignored)
		}
	}
}

// Settings that a device's Windows does not have are ignored there.
func TestSettingsOfLaterWindows(t *testing.T) {
	for os, taken := range map[string]bool{"windows-10-22h2": false, "windows-11-23h2": true, "windows-11-24h2": true} {
		lab := with(goodLab(), "device.laptop", func(d *spec.Device) { d.OS = os })
		lab["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", ProvisionForSecurityKeys: ptr(true), DisablePostLogonProvisioning: ptr(true), Biometrics: &spec.Biometrics{ESSPeripherals: ptr(false)}}
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if f.ProvisionForSecurityKeys.Value != taken || f.ESSPeripherals.Value == taken || !f.DisablePostLogonProvisioning.Value || (len(f.Ignored) == 0) != taken {
			t.Errorf("%s: %+v", os, f)
		}
	}
}

func TestBuilds(t *testing.T) {
	for _, c := range []struct {
		build Build
		since []Build
		want  bool
	}{
		{Build{19045, 0}, sincePostLogon, true}, {Build{19045, 4238}, sincePostLogon, false}, {Build{19045, 4239}, sincePostLogon, true},
		{Build{22000, 2898}, sincePostLogon, false}, {Build{22000, 2899}, sincePostLogon, true}, {Build{22621, 3373}, sincePostLogon, false},
		{Build{26100, 1}, sincePostLogon, true}, {Build{18363, 9999}, sincePostLogon, false},
		{Build{19044, 1565}, sinceCloudTrust, false}, {Build{19044, 1566}, sinceCloudTrust, true}, {Build{22000, 526}, sinceCloudTrust, false}, {Build{22621, 1}, sinceCloudTrust, true},
		{Build{19045, 0}, since22H2, false}, {Build{22000, 0}, since22H2, false},
	} {
		if got := c.build.atLeast(c.since); got != c.want {
			t.Errorf("%+v at least %+v: %v", c.build, c.since, got)
		}
	}
}

// Precedence is per setting: what policies say of other settings changes
// neither a setting's origin nor its value. (What a length or a class comes to
// when others contradict it is TestLengths, TestCharacterClasses.)
func TestPrecedenceIsPerSetting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lab, only := goodLab(), goodLab()
		one := rapid.SampledFrom(settingCases).Draw(rt, "setting")
		for i := range rapid.IntRange(1, 6).Draw(rt, "policies") {
			l := rapid.SampledFrom(placedLevels[1:]).Draw(rt, "level") // Intune's form fills in others
			all, alone := spec.Policy{Source: l.source, Scope: l.scope}, spec.Policy{Source: l.source, Scope: l.scope}
			for _, c := range settingCases {
				if !rapid.Bool().Draw(rt, "sets") {
					continue
				}
				n := rapid.IntRange(0, 1).Draw(rt, "value")
				c.set(&all, n)
				if c.path == one.path {
					c.set(&alone, n)
				}
			}
			addr := fmt.Sprintf("policy.p%d", i)
			if one.path == "device_unlock.group_a" || one.path == "device_unlock.group_b" {
				alone.DeviceUnlock = all.DeviceUnlock // the block itself turns the groups on
			}
			lab[addr], only[addr] = all, alone
		}
		got := one.of(t, inForceOf(rt, records(t, lab)))
		want := one.of(t, inForceOf(rt, records(t, only)))
		if isClass(one) {
			got.Value, want.Value = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("%+v among others, %+v alone", got, want)
		}
	})
}
