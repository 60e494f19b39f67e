package hello

import "hellolab/providers/spec"

// Level is the strength of a policy source: where two policies set the same
// setting, the higher level wins, setting by setting ("Configure Windows Hello
// for Business": user GPO, computer GPO, user CSP, device CSP). That group
// policy is set at all stops the CSP's value, not the CSP's policy.
type Level int

const (
	Unset      Level = iota // no policy: the default
	TenantWide              // Intune's enrollment policy (reading R44)
	DeviceCSP               // MDM, device scope
	UserCSP                 // MDM, user scope
	ComputerGPO
	UserGPO
)

func (l Level) String() string {
	return [...]string{"default", "tenant-wide policy", "device CSP", "user CSP", "computer GPO", "user GPO"}[l]
}

// LevelOf returns the level of a policy's source and scope.
func LevelOf(source, scope string) Level {
	switch {
	case source == spec.SourceTenantWide:
		return TenantWide
	case source == spec.SourceGPO && scope == "user":
		return UserGPO
	case source == spec.SourceGPO:
		return ComputerGPO
	case scope == "user":
		return UserCSP
	}
	return DeviceCSP
}

// Origin says where a value in force comes from.
type Origin struct {
	Level      Level
	Policy     string   // address; "" for a default
	Default    string   // for a default: the document that gives it
	Overridden []string // policies that set the same setting and lost, strongest first
}

// Setting is a value in force.
type Setting[T any] struct {
	Value  T
	Origin Origin
}

// InForce is the policy of one user on one device, as event 5003 of Windows'
// HelloForBusiness log reports it, with the origin of each value.
type InForce struct {
	UsePassportForWork           Setting[bool]
	DisablePostLogonProvisioning Setting[bool]
	RequireSecurityDevice        Setting[bool]
	UseBiometrics                Setting[bool]
	UseCloudTrustForOnPremAuth   Setting[bool]
	UseCertificateForOnPremAuth  Setting[bool]
	ExcludeTPM12                 Setting[bool]
	EnablePINRecovery            Setting[bool]
	ProvisionForSecurityKeys     Setting[bool]
	HelloCertificatesAsSmartCard Setting[bool]
	TurnOffSmartCardEmulation    Setting[bool]
	EnumerateEmulatedSmartCards  Setting[bool]
	EnhancedAntiSpoofing         Setting[bool]
	ESSPeripherals               Setting[bool] // Enhanced Sign-in Security: sensors that are plugged in are blocked
	DynamicLock                  Setting[bool]
	UseSecurityKeyForSignin      Setting[bool]
	UseRemotePassport            Setting[bool]

	UnlockGroupA       Setting[Factors] // "" with UnlockGroupB: one factor unlocks
	UnlockGroupB       Setting[Factors]
	UnlockPlugins      Setting[string] // rules of the trusted signal, XML
	DynamicLockPlugins Setting[string]

	MinimumPINLength  Setting[int]
	MaximumPINLength  Setting[int]
	Digits            Setting[ClassRule]
	LowercaseLetters  Setting[ClassRule]
	UppercaseLetters  Setting[ClassRule]
	SpecialCharacters Setting[ClassRule]
	PINHistory        Setting[int] // former PINs that may not come back, the present one among them
	PINExpiration     Setting[int] // days; 0: never

	LengthsIgnored bool // the two lengths contradict each other or their bounds: both are defaults
	Conflicts      []Conflict
	Ignored        []Ignored // in the order of settings, then of policies' strength
}

// Ignored is a value that a policy sets and Windows does not take.
type Ignored struct {
	Setting string // dotted attribute path
	Policy  string
	Why     string // a full sentence

	OldWindows bool // the device's Windows does not have the setting
}

// SettingInForce is one setting of an InForce, whatever its type.
type SettingInForce struct {
	Setting string // dotted attribute path
	Value   any    // bool, int, string, ClassRule, Factors
	Origin  Origin
}

func (s Setting[T]) row(of anySetting) SettingInForce {
	return SettingInForce{of.about().path, s.Value, s.Origin}
}

// Settings returns every setting, in the order of the CSP's page.
func (f InForce) Settings() []SettingInForce {
	return []SettingInForce{
		f.UsePassportForWork.row(usePassportForWork), f.DisablePostLogonProvisioning.row(disablePostLogon),
		f.RequireSecurityDevice.row(requireSecurityDevice), f.ExcludeTPM12.row(excludeTPM12),
		f.EnablePINRecovery.row(enablePINRecovery), f.ProvisionForSecurityKeys.row(forSecurityKeys),
		f.UseCertificateForOnPremAuth.row(useCertificate), f.UseCloudTrustForOnPremAuth.row(useCloudTrust),
		f.HelloCertificatesAsSmartCard.row(asSmartCard), f.TurnOffSmartCardEmulation.row(noSmartCard),
		f.EnumerateEmulatedSmartCards.row(enumerateSmartCards),
		f.MinimumPINLength.row(minimumPINLength), f.MaximumPINLength.row(maximumPINLength),
		f.UppercaseLetters.row(uppercaseLetters), f.LowercaseLetters.row(lowercaseLetters),
		f.SpecialCharacters.row(specialCharacters), f.Digits.row(digits),
		f.PINHistory.row(history), f.PINExpiration.row(expiration),
		f.UseBiometrics.row(useBiometrics), f.EnhancedAntiSpoofing.row(enhancedAntiSpoofing), f.ESSPeripherals.row(essPeripherals),
		f.UnlockGroupA.row(unlockGroupA), f.UnlockGroupB.row(unlockGroupB), f.UnlockPlugins.row(unlockPlugins),
		f.DynamicLock.row(dynamicLock), f.DynamicLockPlugins.row(dynamicLockPlugins),
		f.UseSecurityKeyForSignin.row(useSecurityKey), f.UseRemotePassport.row(useRemotePassport),
	}
}

// Conflict is two policies of one level that set a setting differently. No
// document says which wins; the lab takes the first by address (ours).
type Conflict struct {
	Setting string // dotted attribute path
	Wins    string // policy addresses
	Loses   string
}

// PIN returns the rules for PINs.
func (f InForce) PIN() PINRules {
	return PINRules{
		MinimumLength: f.MinimumPINLength.Value,
		MaximumLength: f.MaximumPINLength.Value,
		Digits:        f.Digits.Value,
		Lower:         f.LowercaseLetters.Value,
		Upper:         f.UppercaseLetters.Value,
		Special:       f.SpecialCharacters.Value,
	}
}

// KeyStorage tells where a Hello key made under this policy is kept on a
// device with the given TPM ("2.0", "1.2", "none"): "tpm" or "software". ok is
// false when policy allows neither.
func (f InForce) KeyStorage(tpm string) (storage string, ok bool) {
	switch {
	case tpm != "none" && !(tpm == "1.2" && f.ExcludeTPM12.Value):
		return "tpm", true
	case f.RequireSecurityDevice.Value:
		return "", false
	}
	return "software", true
}

// InForce computes the policy of a user on a device. Either may be missing
// from the World; policies assigned to it then do not match.
func (w *World) InForce(user, device string) InForce {
	reach := w.reaching(user, device)
	r := resolver{reach: w.switched(reach)}
	var join JoinType
	if d := w.Devices[device]; d != nil {
		join = JoinType(d.In.Join)
		r.build, r.hasBuild = releases[d.In.OS]
	}
	use, useSource := defaultUse(join)
	lengthSource, classSource := docDDF, docDDF
	gpo := governedByGPO(reach, join)
	minimum := ShortestPIN
	if gpo {
		minimum, lengthSource, classSource = 6, docMinimumPIN, docClasses
	}
	f := InForce{
		UsePassportForWork:           pick(&r, usePassportForWork, use, useSource),
		DisablePostLogonProvisioning: pick(&r, disablePostLogon, false, docDDF),
		RequireSecurityDevice:        pick(&r, requireSecurityDevice, false, docDDF),
		UseBiometrics:                pick(&r, useBiometrics, true, docBiometrics),
		UseCloudTrustForOnPremAuth:   pick(&r, useCloudTrust, false, docDDF),
		UseCertificateForOnPremAuth:  pick(&r, useCertificate, false, docDDF),
		MinimumPINLength:             pick(&r, minimumPINLength, minimum, lengthSource),
		MaximumPINLength:             pick(&r, maximumPINLength, LongestPIN, docDDF),
		Digits:                       pick(&r, digits, ClassUnset, classSource),
		LowercaseLetters:             pick(&r, lowercaseLetters, ClassUnset, classSource),
		UppercaseLetters:             pick(&r, uppercaseLetters, ClassUnset, classSource),
		SpecialCharacters:            pick(&r, specialCharacters, ClassUnset, classSource),
		PINHistory:                   pick(&r, history, 0, docDDF),
		PINExpiration:                pick(&r, expiration, 0, docDDF),
		ExcludeTPM12:                 pick(&r, excludeTPM12, false, docDDF),
		EnablePINRecovery:            pick(&r, enablePINRecovery, false, docDDF),
		ProvisionForSecurityKeys:     pick(&r, forSecurityKeys, false, docDDF),
		HelloCertificatesAsSmartCard: pick(&r, asSmartCard, false, docDDF),
		TurnOffSmartCardEmulation:    pick(&r, noSmartCard, false, docSettings),
		EnumerateEmulatedSmartCards:  pick(&r, enumerateSmartCards, false, docSettings),
		EnhancedAntiSpoofing:         pick(&r, enhancedAntiSpoofing, false, docDDF),
		ESSPeripherals:               pick(&r, essPeripherals, true, docDDF),
		UnlockGroupA:                 pick(&r, unlockGroupA, "", docUnlock),
		UnlockGroupB:                 pick(&r, unlockGroupB, "", docUnlock),
		UnlockPlugins:                pick(&r, unlockPlugins, "", docUnlock),
		DynamicLock:                  pick(&r, dynamicLock, false, docDDF),
		DynamicLockPlugins:           pick(&r, dynamicLockPlugins, "", docDDF),
		UseSecurityKeyForSignin:      pick(&r, useSecurityKey, false, docDDF),
		UseRemotePassport:            pick(&r, useRemotePassport, false, docDDF),
	}
	f.Conflicts, f.Ignored = r.conflicts, r.ignored
	f.settleLengths()
	f.settleClasses(gpo)
	return f
}

// Documents that give defaults, as Origin.Default names them.
const (
	docDDF        = "PassportForWork CSP and DDF"
	docConfigure  = "Configure Windows Hello for Business"
	docBiometrics = "PassportForWork CSP: unset means allowed"
	docMinimumPIN = "group policy text of Minimum PIN length"
	docClasses    = "group policy text of the character classes"
	docSettings   = "Windows Hello for Business policy settings"
	docUnlock     = "Multi-factor unlock: off unless a policy turns it on"
	docProof      = "Cloud Kerberos trust: with neither switch the key is proven"
	docFallback   = "PassportForWork DDF: an invalid pair of lengths is ignored"
)

// defaultUse is UsePassportForWork when no policy sets it: on for devices that
// the tenant alone manages, off where group policy must turn it on.
func defaultUse(join JoinType) (bool, string) {
	return join == EntraJoined || join == Registered, docConfigure
}

// governedByGPO decides which text supplies unset PIN rules, for the CSP's and
// group policy's differ: the group policy's when one reaches the pair, or when
// no policy does and the device is a member of a domain (ours).
func governedByGPO(reach []*Policy, join JoinType) bool {
	for _, p := range reach {
		if p.In.Source == spec.SourceGPO {
			return true
		}
	}
	return len(reach) == 0 && (join == HybridJoined || join == DomainJoined)
}

// settleLengths drops both lengths when they are no valid pair.
func (f *InForce) settleLengths() {
	low, high := f.MinimumPINLength.Value, f.MaximumPINLength.Value
	if validLengths(low, high) {
		return
	}
	f.LengthsIgnored = true
	ignore := func(s *Setting[int], v int) {
		o := Origin{Default: docFallback, Overridden: s.Origin.Overridden}
		if s.Origin.Policy != "" {
			o.Overridden = append([]string{s.Origin.Policy}, o.Overridden...)
		}
		*s = Setting[int]{v, o}
	}
	ignore(&f.MinimumPINLength, ShortestPIN)
	ignore(&f.MaximumPINLength, LongestPIN)
}

func validLengths(low, high int) bool {
	return low >= ShortestPIN && high <= LongestPIN && low < high
}

// settleClasses replaces unset classes. By the CSP's text digits are then
// required and the rest forbidden, and the same goes for four classes that are
// all merely allowed; by group policy's text everything is allowed.
func (f *InForce) settleClasses(gpo bool) {
	classes := []*Setting[ClassRule]{&f.Digits, &f.LowercaseLetters, &f.UppercaseLetters, &f.SpecialCharacters}
	allAllowed := !gpo
	for _, c := range classes {
		allAllowed = allAllowed && c.Value == Allow
	}
	for i, c := range classes {
		if c.Value != ClassUnset && !allAllowed {
			continue
		}
		switch {
		case gpo:
			c.Value = Allow
		case i == 0:
			c.Value = Require
		default:
			c.Value = Forbid
		}
	}
}
