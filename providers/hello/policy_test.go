package hello

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"hellolab/providers"
	"hellolab/providers/conformance/seed"
	"hellolab/providers/spec"
)

func TestDefaultsWithoutPolicy(t *testing.T) {
	for _, c := range []struct {
		join string
		use  bool
		min  int
		pin  [4]ClassRule // digits, lower, upper, special
	}{
		{"entra", true, 4, [4]ClassRule{Require, Forbid, Forbid, Forbid}},
		{"registered", true, 4, [4]ClassRule{Require, Forbid, Forbid, Forbid}},
		{"hybrid", false, 6, [4]ClassRule{Allow, Allow, Allow, Allow}},
		{"domain", false, 6, [4]ClassRule{Allow, Allow, Allow, Allow}},
	} {
		lab := with(goodLab(), "device.laptop", func(d *spec.Device) { d.Join = c.join })
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if f.UsePassportForWork.Value != c.use || f.MinimumPINLength.Value != c.min || f.MaximumPINLength.Value != 127 {
			t.Errorf("%s: %+v", c.join, f)
		}
		if got := classesOf(f); got != c.pin {
			t.Errorf("%s: classes %v, want %v", c.join, got, c.pin)
		}
		if f.DisablePostLogonProvisioning.Value || f.RequireSecurityDevice.Value || !f.UseBiometrics.Value {
			t.Errorf("%s: %+v", c.join, f)
		}
		for name, o := range origins(f) {
			if o.Level != Unset || o.Policy != "" || o.Default == "" {
				t.Errorf("%s: %s comes from %+v, want a named default", c.join, name, o)
			}
		}
	}
}

func classesOf(f InForce) [4]ClassRule {
	return [4]ClassRule{f.Digits.Value, f.LowercaseLetters.Value, f.UppercaseLetters.Value, f.SpecialCharacters.Value}
}

func origins(f InForce) map[string]Origin {
	return map[string]Origin{
		"use_passport_for_work": f.UsePassportForWork.Origin, "disable_post_logon_provisioning": f.DisablePostLogonProvisioning.Origin,
		"require_security_device": f.RequireSecurityDevice.Origin, "use_biometrics": f.UseBiometrics.Origin,
		"minimum_pin_length": f.MinimumPINLength.Origin, "maximum_pin_length": f.MaximumPINLength.Origin,
		"digits": f.Digits.Origin, "lowercase_letters": f.LowercaseLetters.Origin,
		"uppercase_letters": f.UppercaseLetters.Origin, "special_characters": f.SpecialCharacters.Origin,
	}
}

// Every non-empty set of levels: the highest that sets the value wins, and the
// origin lists the others, strongest first.
func TestPrecedence(t *testing.T) {
	levels := []struct {
		name, source, scope string
		level               Level
	}{
		{"d", "gpo", "user", UserGPO}, {"c", "gpo", "device", ComputerGPO}, {"b", "mdm", "user", UserCSP}, {"a", "mdm", "device", DeviceCSP},
	}
	for set := 1; set < 16; set++ {
		lab := goodLab()
		var want []string
		for i, l := range levels {
			if set&(1<<i) == 0 {
				continue
			}
			addr := "policy." + l.name
			want = append(want, addr)
			lab[addr] = spec.Policy{Source: l.source, Scope: l.scope, RequireSecurityDevice: ptr(len(want) == 1)}
		}
		got := worldOf(t, lab).InForce("user.alice", "device.laptop").RequireSecurityDevice
		if !got.Value || got.Origin.Policy != want[0] || !equalStrings(got.Origin.Overridden, want[1:]) {
			t.Errorf("set %04b: %+v, want %v", set, got, want)
		}
		if got.Origin.Level != levelOfAddr(want[0]) {
			t.Errorf("set %04b: level %v", set, got.Origin.Level)
		}
	}
}

func levelOfAddr(addr string) Level {
	return map[string]Level{"policy.a": DeviceCSP, "policy.b": UserCSP, "policy.c": ComputerGPO, "policy.d": UserGPO}[addr]
}

func equalStrings(a, b []string) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// Settings win one by one, not policy by policy.
func TestPrecedencePerSetting(t *testing.T) {
	seed.Proves(t, "POL-01")
	lab := goodLab()
	lab["policy.gpo"] = spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: ptr(true)}
	lab["policy.mdm"] = spec.Policy{Source: "mdm", Scope: "device", UsePassportForWork: ptr(false), RequireSecurityDevice: ptr(true)}
	f := worldOf(t, lab).InForce("user.alice", "device.laptop")
	if !f.UsePassportForWork.Value || f.UsePassportForWork.Origin.Policy != "policy.gpo" {
		t.Errorf("%+v", f.UsePassportForWork)
	}
	if !f.RequireSecurityDevice.Value || f.RequireSecurityDevice.Origin.Policy != "policy.mdm" {
		t.Errorf("%+v", f.RequireSecurityDevice)
	}
}

func TestAssignment(t *testing.T) {
	lab := goodLab()
	lab["group.staff"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"group.sales"}}
	lab["group.sales"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"group.staff"}} // each in the other
	lab["group.kiosks"] = spec.Group{Tenant: "tenant.contoso", Members: []providers.Ref{"device.laptop"}}
	lab = with(lab, "user.alice", func(u *spec.User) { u.Groups = []providers.Ref{"group.sales"} })
	for _, c := range []struct {
		source, scope string
		assign        []providers.Ref
		reached       bool
	}{
		{"mdm", "device", nil, true},
		{"mdm", "device", []providers.Ref{"user.alice"}, true},
		{"mdm", "device", []providers.Ref{"device.laptop"}, true},
		{"mdm", "device", []providers.Ref{"group.sales"}, true},
		{"mdm", "device", []providers.Ref{"group.staff"}, true}, // through group.sales
		{"mdm", "user", []providers.Ref{"group.kiosks"}, true},
		{"mdm", "device", []providers.Ref{"user.bo"}, false},
		{"gpo", "device", []providers.Ref{"device.laptop"}, true},
		{"gpo", "device", []providers.Ref{"group.kiosks"}, true},
		{"gpo", "device", []providers.Ref{"user.alice"}, false}, // computer settings are read for the computer
		{"gpo", "user", []providers.Ref{"group.staff"}, true},
		{"gpo", "user", []providers.Ref{"device.laptop"}, false},
	} {
		lab["policy.p"] = spec.Policy{Source: c.source, Scope: c.scope, Assign: c.assign, RequireSecurityDevice: ptr(true)}
		if got := worldOf(t, lab).InForce("user.alice", "device.laptop").RequireSecurityDevice.Value; got != c.reached {
			t.Errorf("%s %s %v: reached %v", c.source, c.scope, c.assign, got)
		}
	}
}

// Character classes, absent and "allow" being different inputs.
func TestCharacterClasses(t *testing.T) {
	type in [4]string // digits, lower, upper, special
	for _, c := range []struct {
		source string
		set    in
		want   [4]ClassRule
	}{
		{"mdm", in{}, [4]ClassRule{Require, Forbid, Forbid, Forbid}},
		{"mdm", in{"", "allow", "", ""}, [4]ClassRule{Require, Allow, Forbid, Forbid}},
		{"mdm", in{"allow", "", "", ""}, [4]ClassRule{Allow, Forbid, Forbid, Forbid}},
		{"mdm", in{"allow", "allow", "allow", "allow"}, [4]ClassRule{Require, Forbid, Forbid, Forbid}}, // all four at 0: the default
		{"mdm", in{"allow", "allow", "allow", "require"}, [4]ClassRule{Allow, Allow, Allow, Require}},
		{"mdm", in{"forbid", "require", "", ""}, [4]ClassRule{Forbid, Require, Forbid, Forbid}},
		{"gpo", in{}, [4]ClassRule{Allow, Allow, Allow, Allow}},
		{"gpo", in{"require", "", "forbid", ""}, [4]ClassRule{Require, Allow, Forbid, Allow}},
		{"gpo", in{"allow", "allow", "allow", "allow"}, [4]ClassRule{Allow, Allow, Allow, Allow}},
	} {
		lab := goodLab()
		lab["policy.p"] = spec.Policy{Source: c.source, Scope: "device", PINComplexity: &spec.PINComplexity{
			Digits: c.set[0], LowercaseLetters: c.set[1], UppercaseLetters: c.set[2], SpecialCharacters: c.set[3]}}
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if got := classesOf(f); got != c.want {
			t.Errorf("%s %q: %v, want %v", c.source, c.set, got, c.want)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, c := range []struct {
		source         string
		low, high      *int
		wantLow, wantH int
		ignored        bool
	}{
		{"mdm", nil, nil, 4, 127, false},
		{"gpo", nil, nil, 6, 127, false},
		{"mdm", ptr(8), nil, 8, 127, false},
		{"mdm", ptr(8), ptr(10), 8, 10, false},
		{"mdm", ptr(8), ptr(8), 4, 127, true},
		{"mdm", ptr(10), ptr(8), 4, 127, true},
		{"mdm", ptr(3), ptr(8), 4, 127, true},
		{"mdm", ptr(4), ptr(128), 4, 127, true},
		{"mdm", ptr(127), nil, 4, 127, true},
		{"gpo", ptr(127), nil, 4, 127, true}, // the fallback is the DDF's, whoever set it
	} {
		lab := goodLab()
		lab["policy.p"] = spec.Policy{Source: c.source, Scope: "device", PINComplexity: &spec.PINComplexity{MinimumPINLength: c.low, MaximumPINLength: c.high}}
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if f.MinimumPINLength.Value != c.wantLow || f.MaximumPINLength.Value != c.wantH || f.LengthsIgnored != c.ignored {
			t.Errorf("%s: %+v %+v ignored %v, want %d %d %v", c.source, f.MinimumPINLength, f.MaximumPINLength, f.LengthsIgnored, c.wantLow, c.wantH, c.ignored)
		}
		if c.ignored && c.low != nil && !equalStrings(f.MinimumPINLength.Origin.Overridden, []string{"policy.p"}) {
			t.Errorf("the ignored policy is not named: %+v", f.MinimumPINLength.Origin)
		}
	}
}

// A setting at a level where Windows does not have it has no effect.
func TestSettingsAtLevelsTheyLack(t *testing.T) {
	for _, c := range []struct {
		source string
		effect [3]bool // biometrics, post-logon, PIN length
	}{
		{"mdm", [3]bool{false, false, true}},
		{"gpo", [3]bool{false, true, false}},
	} {
		lab := goodLab()
		lab["policy.p"] = spec.Policy{Source: c.source, Scope: "user", DisablePostLogonProvisioning: ptr(true),
			Biometrics: &spec.Biometrics{UseBiometrics: ptr(false)}, PINComplexity: &spec.PINComplexity{MinimumPINLength: ptr(9)}}
		f := worldOf(t, lab).InForce("user.alice", "device.laptop")
		if got := [3]bool{!f.UseBiometrics.Value, f.DisablePostLogonProvisioning.Value, f.MinimumPINLength.Value == 9}; got != c.effect {
			t.Errorf("%s user: effects %v, want %v", c.source, got, c.effect)
		}
	}
}

func TestConflicts(t *testing.T) {
	lab := goodLab()
	lab["policy.a"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(true)}
	lab["policy.b"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(false)}
	lab["policy.c"] = spec.Policy{Source: "mdm", Scope: "device", RequireSecurityDevice: ptr(true)}
	lab["policy.d"] = spec.Policy{Source: "mdm", Scope: "user"}
	f := worldOf(t, lab).InForce("user.alice", "device.laptop")
	want := []Conflict{{"require_security_device", "policy.a", "policy.b"}}
	if !reflect.DeepEqual(f.Conflicts, want) || !f.RequireSecurityDevice.Value {
		t.Errorf("%+v, want %+v", f, want)
	}
}

func TestKeyStorage(t *testing.T) {
	seed.Proves(t, "POL-02")
	for _, c := range []struct {
		require bool
		tpm     string
		storage string
		ok      bool
	}{{false, "2.0", "tpm", true}, {true, "2.0", "tpm", true}, {false, "none", "software", true}, {true, "none", "", false}} {
		f := InForce{RequireSecurityDevice: Setting[bool]{Value: c.require}}
		if storage, ok := f.KeyStorage(c.tpm); storage != c.storage || ok != c.ok {
			t.Errorf("%+v: %q, %v", c, storage, ok)
		}
	}
}

// For random policies: the value in force is that of the strongest policy
// which reaches the pair and sets it; neither the order of the records nor a
// weaker policy changes it.
func TestPrecedenceIsTotal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lab := goodLab()
		n := rapid.IntRange(0, 8).Draw(rt, "policies")
		best, bestLevel, bestAddr := false, Unset, ""
		for i := range n {
			addr := fmt.Sprintf("policy.p%d", i)
			p := spec.Policy{
				Source: rapid.SampledFrom([]string{"mdm", "gpo"}).Draw(rt, "source"),
				Scope:  rapid.SampledFrom([]string{"device", "user"}).Draw(rt, "scope"),
			}
			if rapid.Bool().Draw(rt, "sets") {
				p.RequireSecurityDevice = ptr(rapid.Bool().Draw(rt, "value"))
			}
			reached := rapid.Bool().Draw(rt, "reached")
			if !reached {
				p.Assign = []providers.Ref{"user.nobody"}
			}
			lab[addr] = p
			if l := LevelOf(p.Source, p.Scope); reached && p.RequireSecurityDevice != nil && l > bestLevel {
				best, bestLevel, bestAddr = *p.RequireSecurityDevice, l, addr
			}
		}
		recs := records(t, lab)
		got := inForceOf(rt, recs)
		if s := got.RequireSecurityDevice; s.Value != best || s.Origin.Policy != bestAddr || s.Origin.Level != bestLevel {
			rt.Fatalf("%+v, want %v from %s", s, best, bestAddr)
		}
		if again := inForceOf(rt, rapid.Permutation(recs).Draw(rt, "order")); !reflect.DeepEqual(got, again) {
			rt.Fatalf("order of records matters: %+v, %+v", got, again)
		}
	})
}

func inForceOf(t *rapid.T, recs []providers.Record) InForce {
	w, err := NewWorld(recs)
	if err != nil {
		t.Fatal(err)
	}
	return w.InForce("user.alice", "device.laptop")
}

// The certificate switch adds the stage of certificate enrollment to a
// deployment, and with it the flows that have it; it wins over cloud trust.
func TestCertificateSwitchAddsEnrollment(t *testing.T) {
	seed.Proves(t, "POL-04", "P5", "P8")
	for _, c := range []struct {
		certificate, cloud bool
		provision, signIn  Flow
	}{{false, false, P8, A6}, {true, false, P5, A7}, {true, true, P5, A7}, {false, true, P3, A5}} {
		lab := with(hybridLab(), "tenant.contoso", func(x *spec.Tenant) { x.Authentication = "federated" })
		lab["policy.hello"] = spec.Policy{Source: "gpo", Scope: "device", UsePassportForWork: ptr(true), UseCertificateForOnPremAuth: ptr(c.certificate), UseCloudTrustForOnPremAuth: ptr(c.cloud)}
		shape, _ := worldOf(t, lab).ShapeOf("user.alice", "device.desk")
		route, refusal := Select(shape)
		if refusal != nil || route.Provision != c.provision || route.SignIn != c.signIn {
			t.Errorf("%+v: %s, %s, %v", c, route.Provision, route.SignIn, refusal)
		}
		for _, s := range route.Stages() {
			if s.Name == "certificate_enrollment" && s.Runs != c.certificate {
				t.Errorf("%+v: %+v", c, s)
			}
		}
	}
}
