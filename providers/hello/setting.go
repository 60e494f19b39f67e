package hello

import "hellolab/providers/spec"

// setting is one policy setting: its place in a policy block, the levels at
// which Windows has it, and the releases that have it.
type setting struct {
	path   string // dotted attribute path
	levels levels
	since  []Build // oldest build of each release; nil: every Windows that Hello for Business runs on
}

func (s setting) existsAt(l Level) bool { return s.levels[l] }

// on reports whether a Windows has the setting.
func (s setting) on(b Build) bool { return s.since == nil || b.atLeast(s.since) }

type settingOf[T comparable] struct {
	setting
	get   func(spec.Policy) (T, bool) // ok is false when the policy does not set it
	valid func(T) bool                // nil: every value is
}

// anySetting is what settings of every type have in common.
type anySetting interface {
	about() setting
	isSet(spec.Policy) bool
	isValid(spec.Policy) bool // or not set
}

func (s settingOf[T]) about() setting { return s.setting }

func (s settingOf[T]) isSet(p spec.Policy) bool {
	_, ok := s.get(p)
	return ok
}

func (s settingOf[T]) isValid(p spec.Policy) bool {
	v, ok := s.get(p)
	return !ok || s.valid == nil || s.valid(v)
}

type levels [UserGPO + 1]bool

// Where settings exist: the Device and User trees of the CSP, the computer and
// user halves of the administrative templates, the form of Intune's tenant-wide
// policy, which has few.
var (
	everywhere   = levels{DeviceCSP: true, UserCSP: true, ComputerGPO: true, UserGPO: true}
	notUserCSP   = levels{DeviceCSP: true, UserCSP: false, ComputerGPO: true, UserGPO: true}  // in both halves of the templates, absent from the User tree
	notUserGPO   = levels{DeviceCSP: true, UserCSP: true, ComputerGPO: true, UserGPO: false}  // System > PIN Complexity is a computer template
	deviceOnly   = levels{DeviceCSP: true, UserCSP: false, ComputerGPO: true, UserGPO: false} // of the machine, whoever uses it
	cspDevice    = levels{DeviceCSP: true}                                                    // no template has it
	computerOnly = levels{ComputerGPO: true}                                                  // no CSP has it
)

// form adds the tenant-wide policy.
func (l levels) form() levels {
	l[TenantWide] = true
	return l
}

// Oldest builds of settings that not every Windows of the lab has, or has had
// from the beginning ("PassportForWork CSP").
var (
	sincePostLogon  = []Build{{19041, 4239}, {22000, 2899}, {22621, 3374}}
	sinceCloudTrust = []Build{{19044, 1566}, {22000, 527}, {22621, 0}}
	since22H2       = []Build{{22621, 0}} // of Windows 11
)

// The settings, as the CSP names them.
var (
	usePassportForWork    = of("use_passport_for_work", everywhere.form(), func(p spec.Policy) *bool { return p.UsePassportForWork })
	disablePostLogon      = of("disable_post_logon_provisioning", notUserCSP, func(p spec.Policy) *bool { return p.DisablePostLogonProvisioning }).since(sincePostLogon)
	requireSecurityDevice = of("require_security_device", everywhere.form(), func(p spec.Policy) *bool { return p.RequireSecurityDevice })
	excludeTPM12          = in("exclude_security_devices.tpm12", notUserCSP, func(p spec.Policy) *spec.ExcludeSecurityDevices { return p.ExcludeSecurityDevices }, func(e *spec.ExcludeSecurityDevices) *bool { return e.TPM12 })
	enablePINRecovery     = of("enable_pin_recovery", notUserGPO, func(p spec.Policy) *bool { return p.EnablePINRecovery })
	forSecurityKeys       = of("enable_windows_hello_provisioning_for_security_keys", cspDevice, func(p spec.Policy) *bool { return p.ProvisionForSecurityKeys }).since(since22H2)
	useCloudTrust         = of("use_cloud_trust_for_on_prem_auth", deviceOnly, func(p spec.Policy) *bool { return p.UseCloudTrustForOnPremAuth }).since(sinceCloudTrust)
	useCertificate        = of("use_certificate_for_on_prem_auth", notUserCSP, func(p spec.Policy) *bool { return p.UseCertificateForOnPremAuth })
	asSmartCard           = of("use_hello_certificates_as_smart_card_certificates", deviceOnly, func(p spec.Policy) *bool { return p.HelloCertificatesAsSmartCard })
	noSmartCard           = of("turn_off_smart_card_emulation", computerOnly, func(p spec.Policy) *bool { return p.TurnOffSmartCardEmulation })
	enumerateSmartCards   = of("allow_enumeration_of_emulated_smart_card_for_all_users", computerOnly, func(p spec.Policy) *bool { return p.EnumerateEmulatedSmartCards })

	minimumPINLength  = in("pin_complexity.minimum_pin_length", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *int { return c.MinimumPINLength })
	maximumPINLength  = in("pin_complexity.maximum_pin_length", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *int { return c.MaximumPINLength })
	digits            = in("pin_complexity.digits", notUserGPO, pinComplexity, func(c *spec.PINComplexity) *ClassRule { return class(c.Digits) })
	lowercaseLetters  = in("pin_complexity.lowercase_letters", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *ClassRule { return class(c.LowercaseLetters) })
	uppercaseLetters  = in("pin_complexity.uppercase_letters", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *ClassRule { return class(c.UppercaseLetters) })
	specialCharacters = in("pin_complexity.special_characters", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *ClassRule { return class(c.SpecialCharacters) })
	history           = in("pin_complexity.history", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *int { return c.History }).within(0, MostHistory)
	expiration        = in("pin_complexity.expiration", notUserGPO.form(), pinComplexity, func(c *spec.PINComplexity) *int { return c.Expiration }).within(0, LongestExpiration)

	useBiometrics        = in("biometrics.use_biometrics", deviceOnly.form(), biometrics, func(b *spec.Biometrics) *bool { return b.UseBiometrics })
	enhancedAntiSpoofing = in("biometrics.facial_features_use_enhanced_anti_spoofing", deviceOnly.form(), biometrics, func(b *spec.Biometrics) *bool { return b.EnhancedAntiSpoofing })
	essPeripherals       = in("biometrics.enable_ess_with_supported_peripherals", deviceOnly, biometrics, func(b *spec.Biometrics) *bool { return b.ESSPeripherals }).since(since22H2)

	unlockGroupA  = in("device_unlock.group_a", deviceOnly, deviceUnlock, func(d *spec.DeviceUnlock) *Factors { return factors(d.GroupA, FirstFactors) })
	unlockGroupB  = in("device_unlock.group_b", deviceOnly, deviceUnlock, func(d *spec.DeviceUnlock) *Factors { return factors(d.GroupB, SecondFactors) })
	unlockPlugins = in("device_unlock.plugins", deviceOnly, deviceUnlock, func(d *spec.DeviceUnlock) *string { return written(d.Plugins) })

	dynamicLock        = in("dynamic_lock.dynamic_lock", deviceOnly, dynamic, func(d *spec.DynamicLock) *bool { return d.DynamicLock })
	dynamicLockPlugins = in("dynamic_lock.plugins", deviceOnly, dynamic, func(d *spec.DynamicLock) *string { return written(d.Plugins) })

	useSecurityKey    = in("security_key.use_security_key_for_signin", deviceOnly.form(), func(p spec.Policy) *spec.SecurityKey { return p.SecurityKey }, func(k *spec.SecurityKey) *bool { return k.UseForSignin })
	useRemotePassport = in("remote.use_remote_passport", deviceOnly.form(), func(p spec.Policy) *spec.Remote { return p.Remote }, func(r *spec.Remote) *bool { return r.UseRemotePassport })
)

// settings are all of them, in the order of the CSP's page.
var settings = []anySetting{
	usePassportForWork, disablePostLogon, requireSecurityDevice, excludeTPM12, enablePINRecovery, forSecurityKeys,
	useCertificate, useCloudTrust, asSmartCard, noSmartCard, enumerateSmartCards,
	minimumPINLength, maximumPINLength, uppercaseLetters, lowercaseLetters, specialCharacters, digits, history, expiration,
	useBiometrics, enhancedAntiSpoofing, essPeripherals, unlockGroupA, unlockGroupB, unlockPlugins,
	dynamicLock, dynamicLockPlugins, useSecurityKey, useRemotePassport,
}

// Bounds of settings (PassportForWork DDF).
const (
	MostHistory       = 50
	LongestExpiration = 730 // days
)

// of is a setting that stands in the policy block itself.
func of[T comparable](path string, l levels, get func(spec.Policy) *T) settingOf[T] {
	return settingOf[T]{setting: setting{path: path, levels: l}, get: func(p spec.Policy) (T, bool) { return deref(get(p)) }}
}

// in is a setting that stands in a block of the policy.
func in[B any, T comparable](path string, l levels, block func(spec.Policy) *B, get func(*B) *T) settingOf[T] {
	return of(path, l, func(p spec.Policy) *T {
		b := block(p)
		if b == nil {
			return nil
		}
		return get(b)
	})
}

func (s settingOf[T]) since(builds []Build) settingOf[T] {
	s.setting.since = builds
	return s
}

// within refuses a number outside a range.
func (s settingOf[T]) within(low, high int) settingOf[T] {
	s.valid = func(v T) bool {
		n, ok := any(v).(int)
		return ok && low <= n && n <= high
	}
	return s
}

func pinComplexity(p spec.Policy) *spec.PINComplexity { return p.PINComplexity }
func biometrics(p spec.Policy) *spec.Biometrics       { return p.Biometrics }
func deviceUnlock(p spec.Policy) *spec.DeviceUnlock   { return p.DeviceUnlock }
func dynamic(p spec.Policy) *spec.DynamicLock         { return p.DynamicLock }

func deref[T any](p *T) (T, bool) {
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

// written is a text, or nil for an empty one.
func written[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

func class(word string) *ClassRule { return written(ClassRule(word)) }

// settingsOf returns the settings that a policy sets.
func settingsOf(p spec.Policy) []setting {
	var set []setting
	for _, s := range settings {
		if s.isSet(p) {
			set = append(set, s.about())
		}
	}
	return set
}
