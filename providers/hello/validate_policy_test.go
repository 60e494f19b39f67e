package hello

import (
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/spec"
)

const suffixRule = `<rule schemaVersion="1.0"><signal type="ipConfig"><dnsSuffix>corp.contoso.com</dnsSuffix></signal></rule>`

// What the settings of a policy cannot be, and what they can be and do not do.
// Warnings end in "?".
func TestValidatePolicies(t *testing.T) {
	type lab = map[string]any
	policy := func(source, scope string, change func(*spec.Policy)) func(lab) {
		return func(l lab) {
			p := spec.Policy{Source: source, Scope: scope}
			change(&p)
			l["policy.p"] = p
		}
	}
	unlock := func(a, b []string, rules string) func(lab) {
		return policy("mdm", "device", func(p *spec.Policy) {
			p.DeviceUnlock = &spec.DeviceUnlock{GroupA: a, GroupB: b, Plugins: rules}
		})
	}
	pin, face, signal := []string{"pin"}, []string{"face"}, []string{"trusted_signal"}
	for _, c := range []struct {
		name   string
		change func(lab)
		want   []string
	}{
		{"tenant-wide", policy("tenant_wide", "device", func(p *spec.Policy) { p.UsePassportForWork = ptr(true) }), nil},
		{"tenant-wide for users", policy("tenant_wide", "user", func(*spec.Policy) {}), []string{"scope tenant_wide_in_user_scope"}},
		{"tenant-wide for some", policy("tenant_wide", "device", func(p *spec.Policy) { p.Assign = []providers.Ref{"user.alice"} }), []string{"assign tenant_wide_assigned"}},
		{"not in the form", policy("tenant_wide", "device", func(p *spec.Policy) { p.EnablePINRecovery = ptr(true) }), []string{"enable_pin_recovery setting_not_at_source"}},
		{"only by group policy", policy("mdm", "device", func(p *spec.Policy) { p.TurnOffSmartCardEmulation = ptr(true) }), []string{"turn_off_smart_card_emulation setting_not_at_source"}},
		{"only by MDM", policy("gpo", "device", func(p *spec.Policy) { p.ProvisionForSecurityKeys = ptr(true) }), []string{"enable_windows_hello_provisioning_for_security_keys setting_not_at_source"}},
		{"computer setting for users", policy("gpo", "user", func(p *spec.Policy) { p.EnablePINRecovery = ptr(true) }), []string{"enable_pin_recovery device_only_setting"}},
		{"smart cards for users", policy("gpo", "user", func(p *spec.Policy) { p.EnumerateEmulatedSmartCards = ptr(true) }), []string{"allow_enumeration_of_emulated_smart_card_for_all_users device_only_setting"}},
		{"cloud trust for users", policy("mdm", "user", func(p *spec.Policy) { p.UseCloudTrustForOnPremAuth = ptr(true) }), []string{"use_cloud_trust_for_on_prem_auth device_only_setting"}},
		{"numbers at their bounds", policy("mdm", "device", func(p *spec.Policy) {
			p.PINComplexity = &spec.PINComplexity{History: ptr(50), Expiration: ptr(730)}
		}), nil},
		{"numbers over them", policy("mdm", "device", func(p *spec.Policy) {
			p.PINComplexity = &spec.PINComplexity{History: ptr(51), Expiration: ptr(731)}
		}), []string{"pin_complexity.expiration setting_out_of_range", "pin_complexity.history setting_out_of_range"}},
		{"numbers under them", policy("gpo", "device", func(p *spec.Policy) { p.PINComplexity = &spec.PINComplexity{History: ptr(-1)} }), []string{"pin_complexity.history setting_out_of_range"}},
		{"later Windows", func(l lab) {
			with(l, "device.laptop", func(d *spec.Device) { d.OS = "windows-10-22h2" })
			policy("mdm", "device", func(p *spec.Policy) { p.ProvisionForSecurityKeys = ptr(true) })(l)
		}, []string{"enable_windows_hello_provisioning_for_security_keys setting_not_on_windows?"}},

		{"two factors, and the user has both", unlock(face, pin, ""), nil},
		{"by GUID", unlock([]string{"{8AF662BF-65A0-4D0A-A540-A338A999D36F}"}, []string{"{D6886603-9D2F-4EB2-B667-1971041FA96B}"}, ""), nil},
		{"defaults", unlock(nil, nil, ""), []string{"device_unlock.plugins signal_without_rules?"}},
		{"another vendor's factor", unlock(pin, []string{"{11111111-2222-3333-4444-555555555555}", "face"}, ""), []string{"device_unlock.group_b unlock_factor_unknown"}},
		{"no PIN", unlock(face, []string{"fingerprint"}, ""), []string{"gestures unlock_factor_missing", "device_unlock unlock_without_pin"}},
		{"signal first", unlock([]string{"trusted_signal", "pin"}, pin, suffixRule), []string{"gestures unlock_factor_missing", "device_unlock.group_a trusted_signal_first"}},
		{"one factor twice", unlock(pin, pin, ""), []string{"gestures unlock_factor_missing", "device_unlock unlock_impossible"}},
		{"signal alone in B", unlock(pin, signal, suffixRule), []string{"gestures unlock_needs_signal?", "device_unlock.group_b unlock_by_signal_only?"}},
		{"a signal the lab has not", unlock(pin, []string{"trusted_signal", "face"}, `<rule schemaVersion="1.0"><signal type="wifi"><ssid>contoso</ssid></signal></rule>`), []string{"device_unlock.plugins signal_not_in_lab?"}},
		{"no rule", unlock(pin, []string{"trusted_signal", "face"}, `<rule schemaVersion="2.0"/>`), []string{"device_unlock.plugins signal_rule_malformed"}},
		{"dynamic lock", policy("mdm", "device", func(p *spec.Policy) { p.DynamicLock = &spec.DynamicLock{Plugins: "phone"} }), []string{"dynamic_lock.plugins signal_rule_malformed"}},
		{"a factor that the user lacks", unlock(pin, []string{"fingerprint"}, ""), []string{"gestures unlock_factor_missing"}},
	} {
		objects := goodLab()
		with(objects, "enrollment.alice_laptop", func(e *spec.Enrollment) { e.Gestures = []string{"face"} })
		c.change(objects)
		var got []string
		for _, p := range Validate(worldOf(t, objects)) {
			text := p.Attribute + " " + p.Rule
			if p.Warning {
				text += "?"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A user whose only second factor is the signal is warned of where there is
// none, and blocked by nothing.
func TestValidateSignalOfEnrollment(t *testing.T) {
	for network, warned := range map[string]bool{"onsite": false, "vpn": true, "internet": true, "captive": true, "none": true} {
		objects := hybridLab()
		objects["policy.unlock"] = spec.Policy{Source: "gpo", Scope: "device", DeviceUnlock: &spec.DeviceUnlock{GroupA: []string{"pin"}, GroupB: []string{"trusted_signal", "face"}, Plugins: suffixRule}}
		with(objects, "device.desk", func(d *spec.Device) { d.Network = network })
		made := sortedKeys(objects)
		ps := Validate(worldOf(t, objects, made...))
		got := slices.ContainsFunc(ps, func(p Problem) bool {
			return p.Addr == "enrollment.desk" && p.Rule == "unlock_needs_signal" && p.Warning
		})
		if got != warned {
			t.Errorf("%s: %+v", network, ps)
		}
	}
}

// A tenant-wide policy binds devices as it was when each was enrolled, whatever
// becomes of it (E3), and the rest of Intune's form comes with it.
func TestTenantWidePolicyAppliesAtEnrollment(t *testing.T) {
	objects := with(goodLab(), "enrollment.alice_laptop", func(e *spec.Enrollment) { e.PIN = providers.Secret("2718281828459") })
	objects["policy.intune"] = spec.Policy{Source: "tenant_wide", Scope: "device", UsePassportForWork: ptr(true), PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(8)}}
	planned := worldOf(t, objects)
	kept, err := EnrollmentPolicies(listOf(records(t, objects)))
	if err != nil {
		t.Fatal(err)
	}
	before := planned.InForce("user.alice", "device.laptop")
	if before.MinimumPINLength.Value != 8 || before.MinimumPINLength.Origin.Level != TenantWide || before.MinimumPINLength.Origin.Policy != "policy.intune" {
		t.Errorf("to be enrolled: %+v", before.MinimumPINLength)
	}
	for name, ok := range map[string]bool{
		"TPM": before.RequireSecurityDevice.Value, "history": before.PINHistory.Value == 5, "expiration": before.PINExpiration.Value == 41,
		"letters": before.LowercaseLetters.Value == Forbid && before.UppercaseLetters.Value == Forbid && before.SpecialCharacters.Value == Forbid,
	} {
		if !ok {
			t.Errorf("the form's %s is not in force: %+v", name, before)
		}
	}

	change := func(p *spec.Policy) { p.PINComplexity = &spec.PINComplexity{MinimumPINLength: ptr(12)} }
	with(objects, "policy.intune", change)
	later := enrolledWorld(t, objects, kept)
	if got := later.InForce("user.alice", "device.laptop"); got.MinimumPINLength.Value != 8 || got.PINExpiration.Value != 41 {
		t.Errorf("edited afterwards: %+v", got.MinimumPINLength)
	}
	ps := Validate(later)
	if len(ps) != 1 || ps[0].Rule != "tenant_wide_not_delivered" || !ps[0].Warning || ps[0].Addr != "policy.intune" {
		t.Errorf("%+v", ps)
	}
	if got := worldOf(t, objects).InForce("user.alice", "device.laptop").MinimumPINLength.Value; got != 12 {
		t.Errorf("a device to be made anew gets the policy as it is: %d", got)
	}
	delete(objects, "policy.intune")
	if got := enrolledWorld(t, objects, kept).InForce("user.alice", "device.laptop").MinimumPINLength.Value; got != 8 {
		t.Errorf("removed afterwards: %d", got)
	}
	objects["policy.profile"] = spec.Policy{Source: "mdm", Scope: "device", PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(10)}}
	if got := enrolledWorld(t, objects, kept).InForce("user.alice", "device.laptop").MinimumPINLength; got.Value != 10 || !slices.Equal(got.Origin.Overridden, []string{"policy.intune"}) {
		t.Errorf("a profile reaches enrolled devices: %+v", got)
	}
	if ps := Validate(enrolledWorld(t, objects, "")); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
}

// Only a form that turns Hello on fills in the rest.
func TestTenantWidePolicyThatTurnsHelloOff(t *testing.T) {
	objects := goodLab()
	objects["policy.intune"] = spec.Policy{Source: "tenant_wide", Scope: "device", UsePassportForWork: ptr(false)}
	f := worldOf(t, objects).InForce("user.alice", "device.laptop")
	if f.UsePassportForWork.Value || f.RequireSecurityDevice.Value || f.PINExpiration.Value != 0 || f.MinimumPINLength.Origin.Policy != "" {
		t.Errorf("%+v", f)
	}
	for _, join := range []string{"domain", "none"} {
		with(objects, "device.laptop", func(d *spec.Device) { d.Join, d.Tenant = join, "" })
		if f := worldOf(t, objects).InForce("user.alice", "device.laptop"); f.UsePassportForWork.Origin.Policy != "" {
			t.Errorf("%s: a device of no tenant: %+v", join, f.UsePassportForWork)
		}
	}
}

// What a device kept is read as anything is that may be damaged.
func TestEnrolledPoliciesDamaged(t *testing.T) {
	for _, text := range []string{"{", `{"policy.p":3}`, `{"policy.p":{"source":[]}}`, `{"policy.p":{"nothing_known":1}}`} {
		if got, err := enrolledPolicies(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if got, err := enrolledPolicies(""); err != nil || got != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// enrolledWorld is a lab with everything made, the laptop under the tenant-wide
// policies that it kept.
func enrolledWorld(t *testing.T, objects map[string]any, kept string) *World {
	t.Helper()
	recs := records(t, objects, sortedKeys(objects)...)
	for i := range recs {
		if recs[i].Addr == "device.laptop" {
			out, err := providers.Encode(spec.DeviceOut{TenantWide: kept}, providers.KeepZero)
			if err != nil {
				t.Fatal(err)
			}
			recs[i].Out = out
		}
	}
	w, err := NewWorld(recs)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// listOf answers providers.Objects from records.
type listOf []providers.Record

func (l listOf) Lookup(addr string) (providers.Record, error) {
	for _, r := range l {
		if r.Addr == addr {
			return r, nil
		}
	}
	return providers.Record{}, providers.ErrUnknownObject
}

func (l listOf) List(kind string) (found []providers.Record, err error) {
	for _, r := range l {
		if r.Kind == kind {
			found = append(found, r)
		}
	}
	return found, nil
}

// A certificate of device management in a container that group policy turns on.
func TestCertificateBesideGroupPolicy(t *testing.T) {
	for _, c := range []struct {
		enrollment providers.Ref
		source     string
		want       bool
	}{
		{"enrollment.desk", "gpo", true},
		{"enrollment.desk", "mdm", false},
		{"enrollment.tablet", "gpo", false}, // group policy reaches members of a domain
	} {
		l := hybridLab()
		with(l, "policy.hello", func(p *spec.Policy) { p.Source = c.source })
		l["certificate.vpn"] = spec.Certificate{Enrollment: c.enrollment, Authority: "authority.root", Purpose: "vpn", Delivery: "mdm_scep"}
		got := rulesTold(t, worldOf(t, l, sortedKeys(l)...))
		if slices.Contains(got, "certificate.vpn enrollment certificate_beside_group_policy?") != c.want {
			t.Errorf("%s, %s: %q", c.enrollment, c.source, got)
		}
	}
}
