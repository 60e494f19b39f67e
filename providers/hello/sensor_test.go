package hello

import (
	"slices"
	"testing"

	"hellolab/providers/spec"
)

// Which sensors policy lets be used: none with biometrics off, none that is
// plugged in under Enhanced Sign-in Security on a Windows that has it, and no
// camera without anti-spoofing where that is demanded. One that may be used is
// enough.
func TestSensorRefused(t *testing.T) {
	sensors := func(all ...*spec.Sensor) map[string]*spec.Sensor {
		out := map[string]*spec.Sensor{}
		for i, s := range all {
			out[string(rune('a'+i))] = s
		}
		return out
	}
	camera := &spec.Sensor{Kind: "face", External: true, AntiSpoofing: ptr(true)}
	plain := &spec.Sensor{Kind: "face", AntiSpoofing: ptr(false)}
	reader := &spec.Sensor{Kind: "fingerprint", External: true}
	for _, c := range []struct {
		name         string
		os           string
		builtIn      []string
		sensors      map[string]*spec.Sensor
		off, anti    bool
		noESS        bool
		face, finger string
	}{
		{name: "none", face: "sensor_missing", finger: "sensor_missing"},
		{name: "none, and off", off: true, face: "biometrics_disabled", finger: "biometrics_disabled"},
		{name: "built in", builtIn: []string{"face", "fingerprint"}, anti: true},
		{name: "plugged in", sensors: sensors(camera, reader), face: "sensor_blocked", finger: "sensor_blocked"},
		{name: "plugged in, and allowed", sensors: sensors(camera, reader), noESS: true, anti: true},
		{name: "plugged in, on Windows 10", os: "windows-10-22h2", sensors: sensors(camera, reader)},
		{name: "no anti-spoofing", sensors: sensors(plain), finger: "sensor_missing"},
		{name: "no anti-spoofing, and demanded", sensors: sensors(plain), anti: true, face: "anti_spoofing_missing", finger: "sensor_missing"},
		{name: "one that may", builtIn: []string{"face"}, sensors: sensors(plain, camera), anti: true, finger: "sensor_missing"},
		{name: "off", builtIn: []string{"face"}, off: true, face: "biometrics_disabled", finger: "biometrics_disabled"},
	} {
		f := InForce{UseBiometrics: Setting[bool]{Value: !c.off}, EnhancedAntiSpoofing: Setting[bool]{Value: c.anti}, ESSPeripherals: Setting[bool]{Value: !c.noESS}}
		d := spec.Device{OS: c.os, Biometrics: c.builtIn, Sensors: c.sensors}
		if c.os == "" {
			d.OS = "windows-11-24h2"
		}
		if face, finger := f.SensorRefused(d, "face"), f.SensorRefused(d, "fingerprint"); face != c.face || finger != c.finger {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, face, finger, c.face, c.finger)
		}
		var want []string
		for kind, code := range map[string]string{"face": c.face, "fingerprint": c.finger} {
			if code == "" {
				want = append(want, kind)
			}
		}
		got := f.UsableSensors(d)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q may be used, want %q", c.name, got, want)
		}
	}
}

// A gesture is made where it was enrolled; the reason why it cannot be is policy's
// before any other.
func TestForSignIn(t *testing.T) {
	d := spec.Device{OS: "windows-11-24h2", Biometrics: []string{"face"}, Sensors: map[string]*spec.Sensor{
		"face": {Kind: "face", AntiSpoofing: ptr(false)}, // has the label of the one that is built in
		"web":  {Kind: "face", External: true, AntiSpoofing: ptr(true)},
	}}
	const builtIn, plain, web = "biometrics.face", "sensor.face", "sensor.web"
	for _, c := range []struct {
		name      string
		gesture   string
		protector bool
		at        []string
		off, anti bool
		sensor    string
		code      string
	}{
		{name: "built in", gesture: "face", protector: true, at: []string{builtIn}, sensor: builtIn},
		{name: "at another only", gesture: "face", protector: true, at: []string{plain}, sensor: plain},
		{name: "at two", gesture: "face", protector: true, at: []string{web, plain}, sensor: plain},
		{name: "of an earlier version", gesture: "face", protector: true, at: []string{AnySensor}, sensor: builtIn},
		{name: "at one that is blocked", gesture: "face", protector: true, at: []string{web}, code: "sensor_blocked"},
		{name: "at one that cannot tell", gesture: "face", protector: true, at: []string{plain}, anti: true, code: "anti_spoofing_missing"},
		{name: "at one that is gone", gesture: "face", protector: true, at: []string{"sensor.gone"}, code: "sensor_missing"},
		{name: "of an earlier version, and gone", gesture: "fingerprint", protector: true, at: []string{AnySensor}, code: "sensor_missing"},
		{name: "lost", gesture: "face", protector: true, code: "biometric_lost"},
		{name: "off", gesture: "face", protector: true, off: true, code: "biometrics_disabled"},
		{name: "no protector", gesture: "face", at: []string{builtIn}, code: "gesture_not_enrolled"},
		{name: "never enrolled", gesture: "fingerprint", code: "gesture_not_enrolled"},
		{name: "never enrolled, and off", gesture: "fingerprint", off: true, code: "biometrics_disabled"},
	} {
		f := InForce{UseBiometrics: Setting[bool]{Value: !c.off}, EnhancedAntiSpoofing: Setting[bool]{Value: c.anti}, ESSPeripherals: Setting[bool]{Value: true}}
		if s, code := f.ForSignIn(d, c.gesture, c.protector, c.at); s.Name != c.sensor || code != c.code {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, s.Name, code, c.sensor, c.code)
		}
	}
}

// Who enrolls a gesture that policy keeps from its sensor is told at plan, and
// who has it already is warned.
func TestValidateSensors(t *testing.T) {
	for _, made := range []bool{false, true} {
		for rule, change := range map[string]func(map[string]any){
			"sensor_blocked": func(l map[string]any) {
				with(l, "device.laptop", func(d *spec.Device) { d.Sensors["web"].External = true })
			},
			"anti_spoofing_missing": func(l map[string]any) {
				l["policy.p"] = spec.Policy{Source: "mdm", Scope: "device", Biometrics: &spec.Biometrics{EnhancedAntiSpoofing: ptr(true)}}
			},
			"": func(map[string]any) {},
		} {
			lab := with(goodLab(), "device.laptop", func(d *spec.Device) {
				d.Biometrics, d.Sensors = nil, map[string]*spec.Sensor{"web": {Kind: "face", AntiSpoofing: ptr(false)}}
			})
			with(lab, "enrollment.alice_laptop", func(e *spec.Enrollment) { e.Gestures = []string{"face"} })
			change(lab)
			var ps []Problem
			if made {
				ps = Validate(worldOf(t, lab, sortedKeys(lab)...))
			} else {
				ps = Validate(worldOf(t, lab))
			}
			switch {
			case rule == "" && len(ps) != 0, rule != "" && (len(ps) != 1 || ps[0].Rule != rule || ps[0].Warning != made || ps[0].Attribute != "gestures"):
				t.Errorf("made %v, %s: %+v", made, rule, ps)
			}
		}
	}
}
