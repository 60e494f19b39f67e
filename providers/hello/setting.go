package hello

import "hellolab/providers/spec"

// setting is one policy setting: its place in a policy block, and the levels
// at which Windows has it.
type setting struct {
	path   string // dotted attribute path
	levels [UserGPO + 1]bool
}

func (s setting) existsAt(l Level) bool { return s.levels[l] }

type settingOf[T any] struct {
	setting
	get func(spec.Policy) (T, bool) // ok is false when the policy does not set it
}

// Where settings exist: the Device and User trees of the CSP, the computer and
// user halves of the administrative templates.
var (
	everywhere = [...]bool{DeviceCSP: true, UserCSP: true, ComputerGPO: true, UserGPO: true}
	notUserCSP = [...]bool{DeviceCSP: true, UserCSP: false, ComputerGPO: true, UserGPO: true}  // in both halves of the templates, absent from the User tree
	notUserGPO = [...]bool{DeviceCSP: true, UserCSP: true, ComputerGPO: true, UserGPO: false}  // System > PIN Complexity is a computer template
	deviceOnly = [...]bool{DeviceCSP: true, UserCSP: false, ComputerGPO: true, UserGPO: false} // of the machine, whoever uses it
)

// The settings, as the CSP names them.
var (
	usePassportForWork    = settingOf[bool]{setting{"use_passport_for_work", everywhere}, func(p spec.Policy) (bool, bool) { return deref(p.UsePassportForWork) }}
	disablePostLogon      = settingOf[bool]{setting{"disable_post_logon_provisioning", notUserCSP}, func(p spec.Policy) (bool, bool) { return deref(p.DisablePostLogonProvisioning) }}
	requireSecurityDevice = settingOf[bool]{setting{"require_security_device", everywhere}, func(p spec.Policy) (bool, bool) { return deref(p.RequireSecurityDevice) }}
	useCloudTrust         = settingOf[bool]{setting{"use_cloud_trust_for_on_prem_auth", deviceOnly}, func(p spec.Policy) (bool, bool) { return deref(p.UseCloudTrustForOnPremAuth) }}
	useCertificate        = settingOf[bool]{setting{"use_certificate_for_on_prem_auth", notUserCSP}, func(p spec.Policy) (bool, bool) { return deref(p.UseCertificateForOnPremAuth) }}
	useBiometrics         = settingOf[bool]{setting{"biometrics.use_biometrics", deviceOnly}, func(p spec.Policy) (bool, bool) {
		if p.Biometrics == nil {
			return false, false
		}
		return deref(p.Biometrics.UseBiometrics)
	}}

	minimumPINLength  = pinSetting("minimum_pin_length", func(c *spec.PINComplexity) (int, bool) { return deref(c.MinimumPINLength) })
	maximumPINLength  = pinSetting("maximum_pin_length", func(c *spec.PINComplexity) (int, bool) { return deref(c.MaximumPINLength) })
	digits            = pinSetting("digits", func(c *spec.PINComplexity) (ClassRule, bool) { return class(c.Digits) })
	lowercaseLetters  = pinSetting("lowercase_letters", func(c *spec.PINComplexity) (ClassRule, bool) { return class(c.LowercaseLetters) })
	uppercaseLetters  = pinSetting("uppercase_letters", func(c *spec.PINComplexity) (ClassRule, bool) { return class(c.UppercaseLetters) })
	specialCharacters = pinSetting("special_characters", func(c *spec.PINComplexity) (ClassRule, bool) { return class(c.SpecialCharacters) })
)

func pinSetting[T any](name string, get func(*spec.PINComplexity) (T, bool)) settingOf[T] {
	return settingOf[T]{setting{"pin_complexity." + name, notUserGPO}, func(p spec.Policy) (T, bool) {
		if p.PINComplexity == nil {
			var zero T
			return zero, false
		}
		return get(p.PINComplexity)
	}}
}

func deref[T any](p *T) (T, bool) {
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

func class(word string) (ClassRule, bool) { return ClassRule(word), word != "" }

// settingsOf returns the settings that a policy sets.
func settingsOf(p spec.Policy) []setting {
	var set []setting
	note := func(s setting, ok bool) {
		if ok {
			set = append(set, s)
		}
	}
	for _, s := range []settingOf[bool]{usePassportForWork, disablePostLogon, requireSecurityDevice, useCloudTrust, useCertificate, useBiometrics} {
		_, ok := s.get(p)
		note(s.setting, ok)
	}
	for _, s := range []settingOf[int]{minimumPINLength, maximumPINLength} {
		_, ok := s.get(p)
		note(s.setting, ok)
	}
	for _, s := range []settingOf[ClassRule]{digits, lowercaseLetters, uppercaseLetters, specialCharacters} {
		_, ok := s.get(p)
		note(s.setting, ok)
	}
	return set
}
