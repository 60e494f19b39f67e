package hello

import (
	"maps"
	"slices"
	"strings"

	"hellolab/providers/spec"
)

// Sensors are a device's Hello-compatible sensors: those of biometrics, which
// are built in and tell a picture from a person, then those with a block, by
// name.
func Sensors(d spec.Device) []spec.Sensor {
	var all []spec.Sensor
	for _, kind := range d.Biometrics {
		all = append(all, spec.Sensor{Kind: kind})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Sensors)) {
		all = append(all, *d.Sensors[name])
	}
	return all
}

// SensorRefused says why no sensor of a device may be used for a gesture under
// the policy in force: the code of a reason, "" when one may. Without a sensor
// of the kind it is gesture_not_enrolled.
//
// Enhanced Sign-in Security blocks sensors that are plugged in, on a Windows that
// has it (reading R47); enhanced anti-spoofing takes a face only from a camera
// that has it.
func (f InForce) SensorRefused(d spec.Device, gesture string) string {
	if !f.UseBiometrics.Value {
		return "biometrics_disabled"
	}
	why := "gesture_not_enrolled"
	for _, s := range Sensors(d) {
		switch {
		case s.Kind != gesture:
			continue
		case s.External && f.ESSPeripherals.Value && hasESS(d):
			why = "sensor_blocked"
		case gesture == FactorFace && f.EnhancedAntiSpoofing.Value && s.AntiSpoofing != nil && !*s.AntiSpoofing:
			why = "anti_spoofing_missing"
		default:
			return ""
		}
	}
	return why
}

// UsableSensors are the kinds of sensors that may be used, in the order of the
// device's.
func (f InForce) UsableSensors(d spec.Device) []string {
	var kinds []string
	for _, s := range Sensors(d) {
		if !slices.Contains(kinds, s.Kind) && f.SensorRefused(d, s.Kind) == "" {
			kinds = append(kinds, s.Kind)
		}
	}
	return kinds
}

// hasESS reports whether a device's Windows has Enhanced Sign-in Security.
func hasESS(d spec.Device) bool {
	b, known := releases[d.OS]
	return known && b.atLeast(since22H2)
}

// sensorPolicy names the policy behind a refusal of SensorRefused.
func (f InForce) sensorPolicy(code string) string {
	o := map[string]Origin{"biometrics_disabled": f.UseBiometrics.Origin, "sensor_blocked": f.ESSPeripherals.Origin, "anti_spoofing_missing": f.EnhancedAntiSpoofing.Origin}[code]
	if o.Policy == "" {
		return "the default (" + strings.TrimSuffix(o.Default, ".") + ")"
	}
	return o.Policy
}
