package explain

import (
	"fmt"
	"strings"

	"hellolab/providers/hello"
)

// Policy is the policy in force for the user on the device: event 5003 of
// Windows' HelloForBusiness log, with the origin of each value.
type Policy struct {
	Settings       []Setting        `json:"settings"`          // every setting, in the order of the CSP's page
	HardwarePolicy string           `json:"hardware_policy"`   // "required", "tpm_2_or_software", "preferred"
	SimplePINs     bool             `json:"sequences_allowed"` // never: Windows refuses PINs whose digits are evenly apart
	LengthsIgnored bool             `json:"lengths_ignored,omitempty"`
	Conflicts      []hello.Conflict `json:"-"`
	Notes          []string         `json:"notes,omitempty"` // conflicts, values without effect
}

// Setting is a value in force.
type Setting struct {
	Name       string   `json:"name"` // dotted path in a policy block
	Value      any      `json:"value"`
	Level      string   `json:"level"`             // "user GPO", …, "default"
	Policy     string   `json:"policy,omitempty"`  // address
	Default    string   `json:"default,omitempty"` // the document that gives it
	Overridden []string `json:"overridden,omitempty"`
	Reported   bool     `json:"-"` // a field of event 5003
}

// Origin tells where the value comes from.
func (s Setting) Origin() string {
	text := "default: " + s.Default
	if s.Policy != "" {
		text = s.Policy + " (" + s.Level + ")"
	}
	if len(s.Overridden) > 0 {
		text += ", over " + strings.Join(s.Overridden, ", ")
	}
	return text
}

func origin(o hello.Origin) string {
	if o.Policy == "" {
		return "default (" + o.Default + ")"
	}
	return o.Policy + " (" + o.Level.String() + ")"
}

// reported are the settings that event 5003 has fields for, besides those that a
// policy sets.
var reported = map[string]bool{
	"use_passport_for_work": true, "require_security_device": true, "enable_pin_recovery": true,
	"pin_complexity.minimum_pin_length": true, "pin_complexity.maximum_pin_length": true,
	"pin_complexity.uppercase_letters": true, "pin_complexity.lowercase_letters": true,
	"pin_complexity.special_characters": true, "pin_complexity.digits": true,
	"pin_complexity.history": true, "pin_complexity.expiration": true,
	"device_unlock.group_a": true, "device_unlock.group_b": true,
}

func (e *explaining) policyInForce() Policy {
	f := e.policy
	p := Policy{HardwarePolicy: "preferred", LengthsIgnored: f.LengthsIgnored, Conflicts: f.Conflicts}
	switch {
	case f.RequireSecurityDevice.Value:
		p.HardwarePolicy = "required"
	case f.ExcludeTPM12.Value:
		p.HardwarePolicy = "tpm_2_or_software"
	}
	for _, s := range f.Settings() {
		o := Setting{Name: s.Setting, Value: s.Value, Level: s.Origin.Level.String(), Policy: s.Origin.Policy, Default: s.Origin.Default, Overridden: s.Origin.Overridden, Reported: reported[s.Setting] || s.Origin.Policy != ""}
		if factors, ok := s.Value.(hello.Factors); ok {
			o.Value = factors.Names()
		}
		p.Settings = append(p.Settings, o)
	}
	for _, c := range f.Conflicts {
		p.Notes = append(p.Notes, fmt.Sprintf("%s and %s set %s differently at one level; the lab takes that of %s, the first by address.", c.Wins, c.Loses, c.Setting, c.Wins))
	}
	for _, i := range f.Ignored {
		p.Notes = append(p.Notes, fmt.Sprintf("%s of %s has no effect. %s", i.Setting, i.Policy, i.Why))
	}
	if f.LengthsIgnored {
		p.Notes = append(p.Notes, "The two lengths of a PIN are no valid pair, so Windows ignores both.")
	}
	if f.UseCertificateForOnPremAuth.Value && f.UseCloudTrustForOnPremAuth.Value {
		p.Notes = append(p.Notes, "Certificate trust and cloud Kerberos trust are both on; certificate trust wins.")
	}
	return p
}
