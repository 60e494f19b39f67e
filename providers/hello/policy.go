package hello

import (
	"cmp"
	"slices"

	"hellolab/providers"
)

// Level is the strength of a policy source: where two policies set the same
// setting, the higher level wins, setting by setting ("Configure Windows Hello
// for Business": user GPO, computer GPO, user CSP, device CSP). That group
// policy is set at all stops the CSP's value, not the CSP's policy.
type Level int

const (
	Unset     Level = iota // no policy: the default
	DeviceCSP              // MDM, device scope
	UserCSP                // MDM, user scope
	ComputerGPO
	UserGPO
)

func (l Level) String() string {
	return [...]string{"default", "device CSP", "user CSP", "computer GPO", "user GPO"}[l]
}

// LevelOf returns the level of a policy's source and scope.
func LevelOf(source, scope string) Level {
	switch {
	case source == "gpo" && scope == "user":
		return UserGPO
	case source == "gpo":
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

	MinimumPINLength  Setting[int]
	MaximumPINLength  Setting[int]
	Digits            Setting[ClassRule]
	LowercaseLetters  Setting[ClassRule]
	UppercaseLetters  Setting[ClassRule]
	SpecialCharacters Setting[ClassRule]

	LengthsIgnored bool // the two lengths contradict each other or their bounds: both are defaults
	Conflicts      []Conflict
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
// device with the given TPM ("2.0", "none"): "tpm" or "software". ok is false
// when policy allows neither.
func (f InForce) KeyStorage(tpm string) (storage string, ok bool) {
	switch {
	case tpm != "none":
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
		Conflicts:                    r.conflicts,
	}
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
		if p.In.Source == "gpo" {
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

// reaching returns the policies that apply to a user on a device, strongest
// first, those of one level by address: a total order.
func (w *World) reaching(user, device string) []*Policy {
	users := append(w.GroupsOf(user), user)
	devices := append(w.GroupsOf(device), device)
	var reach []*Policy
	for _, p := range w.Policies {
		if reaches(p, users, devices) {
			reach = append(reach, p)
		}
	}
	slices.SortFunc(reach, func(a, b *Policy) int {
		return cmp.Or(
			cmp.Compare(LevelOf(b.In.Source, b.In.Scope), LevelOf(a.In.Source, a.In.Scope)),
			cmp.Compare(a.Addr, b.Addr),
		)
	})
	return reach
}

// reaches tells whether a policy reaches the pair. Without assign it reaches
// everyone. Group policy is filtered by the account its half is read for: the
// computer's for computer settings, the user's for user settings. A device
// management profile reaches a device of an assigned user, too.
func reaches(p *Policy, users, devices []string) bool {
	if len(p.In.Assign) == 0 {
		return p.Knows("assign")
	}
	named := func(set []string) bool {
		return slices.ContainsFunc(p.In.Assign, func(r providers.Ref) bool { return slices.Contains(set, string(r)) })
	}
	switch LevelOf(p.In.Source, p.In.Scope) {
	case UserGPO:
		return named(users)
	case ComputerGPO:
		return named(devices)
	}
	return named(users) || named(devices)
}

// resolver picks values out of policies ordered strongest first.
type resolver struct {
	reach     []*Policy
	conflicts []Conflict
}

// pick takes the first value that a policy sets; the others are overridden.
func pick[T comparable](r *resolver, s settingOf[T], fallback T, source string) Setting[T] {
	out := Setting[T]{Value: fallback, Origin: Origin{Default: source}}
	for _, p := range r.reach {
		level := LevelOf(p.In.Source, p.In.Scope)
		v, ok := s.get(p.In)
		if !ok || !s.existsAt(level) {
			continue
		}
		if out.Origin.Policy == "" {
			out = Setting[T]{v, Origin{Level: level, Policy: p.Addr}}
			continue
		}
		out.Origin.Overridden = append(out.Origin.Overridden, p.Addr)
		if level == out.Origin.Level && v != out.Value {
			r.conflicts = append(r.conflicts, Conflict{Setting: s.path, Wins: out.Origin.Policy, Loses: p.Addr})
		}
	}
	return out
}
