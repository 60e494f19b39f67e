package hello

import (
	"fmt"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func (v *validation) policies() {
	for _, addr := range sortedKeys(v.Policies) {
		p := v.Policies[addr]
		if p.Knows("source", "scope") {
			v.scope(p)
			v.tenantWide(p)
		}
		v.namesTrust(p)
		v.ranges(p)
		v.unlockGroups(p)
		v.signals(p)
		if c := p.In.PINComplexity; c != nil {
			v.lengths(p)
			if c.Digits == string(Forbid) && c.LowercaseLetters == string(Forbid) && c.UppercaseLetters == string(Forbid) && c.SpecialCharacters == string(Forbid) {
				v.problem(addr, "pin_complexity", "pin_impossible", "No PIN is possible",
					"The policy forbids every class of characters, so no PIN can be made. Allow or require at least one.")
			}
		}
	}
}

// scope checks that the settings exist where the policy puts them.
func (v *validation) scope(p *Policy) {
	level := LevelOf(p.In.Source, p.In.Scope)
	for _, s := range settingsOf(p.In) {
		switch user := level == UserCSP || level == UserGPO; {
		case s.existsAt(level):
		case user && (s.existsAt(DeviceCSP) || s.existsAt(ComputerGPO)):
			v.problem(p.Addr, s.path, "device_only_setting", "Device setting in user scope",
				"Windows reads %s from computer settings only (this policy is a %s). Set scope to \"device\", or move the setting to such a policy.", lastName(s.path), level)
		default:
			v.problem(p.Addr, s.path, "setting_not_at_source", "Setting of another source",
				"A %s does not have %s. Move it to a policy with source = %q.", level, lastName(s.path), s.source())
		}
	}
	if level != ComputerGPO && level != UserGPO || len(p.In.Assign) == 0 {
		return
	}
	wanted, other := "device", "user"
	if level == UserGPO {
		wanted, other = "user", "device"
	}
	assigned := func(r providers.Ref) bool { // to something that the other half is read for
		if level == UserGPO {
			return v.Devices[string(r)] == nil
		}
		return v.Users[string(r)] == nil
	}
	if !slices.ContainsFunc(p.In.Assign, assigned) {
		v.warn(p.Addr, "assign", "policy_reaches_nobody", "Policy reaches nobody",
			"Group policy with scope = %q is read for %ss, and only %ss are assigned. Assign %ss or groups of them, or change scope.", p.In.Scope, wanted, other, wanted)
	}
}

// lengths warns of PIN lengths that Windows ignores: a lab may want to see
// just that.
func (v *validation) lengths(p *Policy) {
	c := p.In.PINComplexity
	low, hasLow := deref(c.MinimumPINLength)
	high, hasHigh := deref(c.MaximumPINLength)
	check := func(name string, value int) {
		if value < ShortestPIN || value > LongestPIN {
			v.warn(p.Addr, "pin_complexity."+name, "pin_length_ignored", "Length is ignored",
				"PIN lengths go from %d to %d. Windows ignores both lengths when one is outside, and uses %d and %d.", ShortestPIN, LongestPIN, ShortestPIN, LongestPIN)
		}
	}
	if hasLow {
		check("minimum_pin_length", low)
	}
	if hasHigh {
		check("maximum_pin_length", high)
	}
	if hasLow && hasHigh && low >= high {
		v.warn(p.Addr, "pin_complexity.minimum_pin_length", "pin_length_ignored", "Lengths are ignored",
			"The minimum must be below the maximum. Windows ignores both and uses %d and %d. Raise maximum_pin_length above %d.", ShortestPIN, LongestPIN, low)
	}
}

// source is one that has the setting.
func (s setting) source() string {
	if s.existsAt(DeviceCSP) {
		return spec.SourceMDM
	}
	return spec.SourceGPO
}

// tenantWide checks what Intune's enrollment policy cannot do, and warns of
// devices that it no longer reaches.
func (v *validation) tenantWide(p *Policy) {
	if p.In.Source != spec.SourceTenantWide {
		return
	}
	if p.In.Scope == "user" {
		v.problem(p.Addr, "scope", "tenant_wide_in_user_scope", "Tenant-wide policy in user scope",
			"The tenant-wide policy is written in device scope. Leave scope out, or use source = \"mdm\".")
	}
	if len(p.In.Assign) > 0 {
		v.problem(p.Addr, "assign", "tenant_wide_assigned", "Tenant-wide policy is assigned",
			"The tenant-wide policy reaches every device of a tenant and cannot be assigned. Leave assign out, or use source = \"mdm\".")
	}
	if len(p.unknown) > 0 {
		return
	}
	var behind []string
	for _, addr := range sortedKeys(v.Devices) {
		if d := v.Devices[addr]; d.Exists() && d.In.Tenant != "" && !slices.ContainsFunc(d.enrolled, func(got *Policy) bool { return got.Addr == p.Addr && samePolicy(got.In, p.In) }) {
			behind = append(behind, addr)
		}
	}
	if len(behind) > 0 {
		v.warn(p.Addr, "source", "tenant_wide_not_delivered", "Enrolled devices do not get the policy",
			"The tenant-wide policy applies when a device is enrolled, so %s keeps what it got then. Use source = \"mdm\" for a policy that reaches enrolled devices.", fewOf(behind))
	}
}

// fewOf names the first of several.
func fewOf(addrs []string) string {
	if len(addrs) == 1 {
		return addrs[0]
	}
	return fmt.Sprintf("each of %d devices, %s the first,", len(addrs), addrs[0])
}

// ranges checks numbers that a policy cannot hold. Lengths have a check of their
// own, for Windows takes them and ignores them.
func (v *validation) ranges(p *Policy) {
	c := p.In.PINComplexity
	if c == nil {
		return
	}
	for _, r := range []struct {
		setting anySetting
		value   *int
		most    int
	}{{history, c.History, MostHistory}, {expiration, c.Expiration, LongestExpiration}} {
		if !r.setting.isValid(p.In) {
			v.problem(p.Addr, r.setting.about().path, "setting_out_of_range", "Outside the range",
				"%s goes from 0 to %d, and a policy with %d cannot be written. Use a number of the range.", lastName(r.setting.about().path), r.most, *r.value)
		}
	}
}

// unlockGroups checks the factors of multi-factor unlock ("Multi-factor
// unlock", configure unlock factors).
func (v *validation) unlockGroups(p *Policy) {
	u := p.In.DeviceUnlock
	if u == nil || !p.Knows("device_unlock") {
		return
	}
	a, b := *factors(u.GroupA, FirstFactors), *factors(u.GroupB, SecondFactors)
	sound := true
	for _, g := range []struct {
		name    string
		factors Factors
	}{{"group_a", a}, {"group_b", b}} {
		for _, f := range g.factors.Names() {
			if _, ok := factorNamed(f); !ok {
				sound = false
				v.problem(p.Addr, "device_unlock."+g.name, "unlock_factor_unknown", "Not an unlock factor",
					"%q is no factor of Windows, and credential providers of other vendors are not supported. Use \"pin\", \"fingerprint\", \"face\", or \"trusted_signal\" in group_b.", f)
			}
		}
	}
	switch {
	case !sound:
	case a.Has(FactorSignal):
		v.problem(p.Addr, "device_unlock.group_a", "trusted_signal_first", "Trusted signal as first factor",
			"A trusted signal is a second factor only. Move it to group_b.")
	case !a.Has(FactorPIN) && !b.Has(FactorPIN):
		v.problem(p.Addr, "device_unlock", "unlock_without_pin", "No group has the PIN",
			"The PIN must be in one of the groups at least: every other factor may fail. Add \"pin\" to group_a or group_b.")
	case len(a.Names()) == 1 && a == b:
		v.problem(p.Addr, "device_unlock", "unlock_impossible", "The device cannot be unlocked",
			"Both groups hold %s alone, and one factor does not count twice. Add another to either.", a)
	case b == FactorSignal:
		v.warn(p.Addr, "device_unlock.group_b", "unlock_by_signal_only", "Locked out without the signal",
			"The trusted signal is the only second factor, so away from it nobody unlocks the device with Hello. Add \"pin\" or a biometric factor.")
	}
}

// signals checks the rules of trusted signals.
func (v *validation) signals(p *Policy) {
	check := func(attribute, text string) (rules []SignalRule, ok bool) {
		rules, err := ParseSignalRules(text)
		if err != nil {
			v.problem(p.Addr, attribute, "signal_rule_malformed", "Not a signal rule", "The rules cannot be read: %s.", err)
		}
		return rules, err == nil
	}
	if d := p.In.DynamicLock; d != nil && d.Plugins != "" && p.Knows("dynamic_lock.plugins") {
		check("dynamic_lock.plugins", d.Plugins)
	}
	u := p.In.DeviceUnlock
	if u == nil || !p.Knows("device_unlock") {
		return
	}
	uses := factors(u.GroupB, SecondFactors).Has(FactorSignal)
	switch {
	case u.Plugins == "" && uses:
		v.warn(p.Addr, "device_unlock.plugins", "signal_without_rules", "Trusted signal without rules",
			"No rule says what a trusted signal is, so there is none, and the other factors of group_b must do. Set plugins, or leave \"trusted_signal\" out.")
	case u.Plugins == "":
	default:
		rules, ok := check("device_unlock.plugins", u.Plugins)
		if ok && !slices.ContainsFunc(rules, SignalRule.known) {
			v.warn(p.Addr, "device_unlock.plugins", "signal_not_in_lab", "No such signal in the lab",
				"Of trusted signals the lab has the DNS suffix of the network (ipConfig, dnsSuffix) alone, so none of the rules ever holds. Add such a rule.")
		}
	}
}

// unlockFactors tells whether the user of an enrollment has what multi-factor
// unlock asks for.
func (v *validation) unlockFactors(e *Enrollment, u *User, d *Device, policy InForce) {
	if !policy.MultiFactorUnlock() || !e.Knows("gestures") || !d.Knows("network") {
		return
	}
	owned := []string{FactorPIN}
	for _, g := range e.In.Gestures {
		if policy.SensorRefused(d.In, g) == "" {
			owned = append(owned, g)
		}
	}
	if policy.Unlocks(owned...) {
		return
	}
	signal := policy.UnlockGroupB.Value.Has(FactorSignal) && policy.Unlocks(append(owned, FactorSignal)...)
	origin := policy.UnlockGroupA.Origin.Policy
	switch {
	case !signal:
		v.report(e, "gestures", "unlock_factor_missing", "A factor is missing",
			"%s demands a factor of each group, and %s has %s only, which do not do. Add a gesture that a group names, or change the groups.", origin, u.Addr, strings.Join(owned, ", "))
	case !v.SignalHolds(policy, u.Addr, d.Addr):
		v.warn(e.Addr, "gestures", "unlock_needs_signal", "The trusted signal is missing",
			"%s demands a second factor, %s has none but the trusted signal, and where %s is there is none: nobody unlocks it with Hello there. Add a gesture, or bring the device to the network of the rule.", origin, u.Addr, d.Addr)
	}
}

// notOnWindows warns of settings that a device's Windows does not have.
func (v *validation) notOnWindows(d *Device, policy InForce) {
	if !d.Knows("os") {
		return
	}
	for _, i := range policy.Ignored {
		if i.OldWindows {
			v.once("windows "+i.Setting+i.Policy, i.Policy, i.Setting, "setting_not_on_windows", "Setting of a later Windows",
				"%s has %s, which does not have %s, so the setting has no effect there.", d.Addr, d.In.OS, lastName(i.Setting))
		}
	}
}
