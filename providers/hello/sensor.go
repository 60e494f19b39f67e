package hello

import (
	"maps"
	"slices"
	"strings"

	"hellolab/providers/spec"
)

// Sensor is one of a device's Hello-compatible sensors. Each keeps templates of
// its own, so the name tells where somebody enrolled.
type Sensor struct {
	Name string // "biometrics.face" of one that is built in, "sensor.LABEL" of one with a block
	spec.Sensor
}

// Sensors are a device's Hello-compatible sensors: those of biometrics, which
// are built in and tell a picture from a person, then those with a block, by
// name.
func Sensors(d spec.Device) []Sensor {
	var all []Sensor
	for _, kind := range d.Biometrics {
		all = append(all, Sensor{"biometrics." + kind, spec.Sensor{Kind: kind}})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Sensors)) {
		all = append(all, Sensor{"sensor." + name, *d.Sensors[name]})
	}
	return all
}

// AnySensor stands among the names of sensors for every one of the gesture's kind:
// versions before that of a database a sensor kept one a kind.
const AnySensor = "*"

// Sensing are the sensors of a device at which somebody can make a gesture, who
// has templates of it at the sensors named.
func Sensing(d spec.Device, gesture string, enrolledAt []string) []Sensor {
	return slices.DeleteFunc(Sensors(d), func(s Sensor) bool {
		return s.Kind != gesture || !slices.Contains(enrolledAt, s.Name) && !slices.Contains(enrolledAt, AnySensor)
	})
}

// ForEnrollment is the sensor at which a gesture is enrolled: the first of the
// kind that policy lets be used. Else code is the reason why there is none.
func (f InForce) ForEnrollment(d spec.Device, gesture string) (s Sensor, code string) {
	return f.firstUsable(d, Sensing(d, gesture, []string{AnySensor}))
}

// ForSignIn is the sensor at which somebody makes a gesture who has templates of it
// at the sensors named, and in the container a protector for it or not: the first
// that the device has and policy lets be used. Else code is the reason, policy's
// before any other. Of who has a protector, it is biometric_lost when no sensor
// has a template, and sensor_missing when those that have are not there.
func (f InForce) ForSignIn(d spec.Device, gesture string, protector bool, enrolledAt []string) (s Sensor, code string) {
	if !protector {
		if _, code = f.ForEnrollment(d, gesture); code == "" || code == "sensor_missing" {
			code = "gesture_not_enrolled"
		}
		return Sensor{}, code
	}
	s, code = f.firstUsable(d, Sensing(d, gesture, enrolledAt))
	if code == "sensor_missing" && len(enrolledAt) == 0 {
		code = "biometric_lost"
	}
	return s, code
}

// SensorRefused is the reason why a gesture cannot be enrolled; see ForEnrollment.
func (f InForce) SensorRefused(d spec.Device, gesture string) (code string) {
	_, code = f.ForEnrollment(d, gesture)
	return code
}

// firstUsable finds the first sensor that policy lets be used, or the reason why
// it lets none.
//
// Enhanced Sign-in Security blocks sensors that are plugged in, on a Windows that
// has it (reading R47); enhanced anti-spoofing takes a face only from a camera
// that has it.
func (f InForce) firstUsable(d spec.Device, among []Sensor) (_ Sensor, why string) {
	if !f.UseBiometrics.Value {
		return Sensor{}, "biometrics_disabled"
	}
	why = "sensor_missing"
	for _, s := range among {
		switch {
		case s.External && f.ESSPeripherals.Value && hasESS(d):
			why = "sensor_blocked"
		case s.Kind == FactorFace && f.EnhancedAntiSpoofing.Value && s.AntiSpoofing != nil && !*s.AntiSpoofing:
			why = "anti_spoofing_missing"
		default:
			return s, ""
		}
	}
	return Sensor{}, why
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

// sensors refuses a camera that matches on its module: only readers of fingers do
// (Windows Hello Enhanced Sign-in Security).
func (v *validation) sensors(d *Device) {
	if !d.Knows("sensor") {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.In.Sensors)) {
		if s := d.In.Sensors[name]; s.MatchOnChip && s.Kind == FactorFace {
			v.problem(d.Addr, "sensor", "match_on_chip_of_camera", "A camera does not match by itself",
				"The sensor %q is a camera, and only fingerprint readers match on their module. Leave match_on_chip out.", name)
		}
	}
}
