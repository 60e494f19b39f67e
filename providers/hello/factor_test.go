package hello

import (
	"strings"
	"testing"

	"hellolab/providers/spec"
)

// One factor of each group, and none for both ("Multi-factor unlock").
func TestUnlocks(t *testing.T) {
	for _, c := range []struct {
		a, b      Factors
		presented string
		want      bool
	}{
		{"", "", "pin", true}, {"", "", "", false}, // no multi-factor unlock
		{FirstFactors, SecondFactors, "pin", false},
		{FirstFactors, SecondFactors, "face", false},
		{FirstFactors, SecondFactors, "face pin", true},
		{FirstFactors, SecondFactors, "pin face", true}, // the face first, though given second
		{FirstFactors, SecondFactors, "pin trusted_signal", true},
		{FirstFactors, SecondFactors, "trusted_signal", false},
		{FirstFactors, SecondFactors, "face fingerprint", false}, // both of A
		{"pin", "pin", "pin pin", false},
		{"pin", "fingerprint", "pin face", false},
		{"{11111111-2222-3333-4444-555555555555}", "pin", "pin face fingerprint trusted_signal", false},
	} {
		f := InForce{UnlockGroupA: Setting[Factors]{Value: c.a}, UnlockGroupB: Setting[Factors]{Value: c.b}}
		if got := f.Unlocks(strings.Fields(c.presented)...); got != c.want {
			t.Errorf("%q and %q by %q: %v", c.a, c.b, c.presented, got)
		}
	}
}

func TestParseSignalRules(t *testing.T) {
	rule := func(s string) string { return `<rule schemaVersion="1.0">` + s + `</rule>` }
	suffix := func(s string) string { return `<signal type="ipConfig"><dnsSuffix>` + s + `</dnsSuffix></signal>` }
	phone := `<signal type="bluetooth" scenario="Authentication" classOfDevice="512" rssiMin="-10" rssiMaxDelta="-10"/>`
	for _, c := range []struct {
		name, text string
		rules      int  // -1: refused
		holds      bool // on corp.contoso.com
	}{
		{"suffix", rule(suffix("corp.contoso.com")), 1, true},
		{"suffix by case", rule(suffix("Corp.Contoso.Com.")), 1, true},
		{"another suffix", rule(suffix("contoso.com")), 1, false},
		{"or", rule(phone) + ",\n" + rule(suffix("corp.contoso.com")), 2, true},
		{"and", rule("<and>" + suffix("corp.contoso.com") + phone + "</and>"), 1, false},
		{"and that holds", rule("<and>" + suffix("corp.contoso.com") + suffix("corp.contoso.com") + "</and>"), 1, true},
		{"more than the lab knows", rule(`<signal type="ipConfig"><ipv4Prefix>10.0.0.0/8</ipv4Prefix><dnsSuffix>corp.contoso.com</dnsSuffix></signal>`), 1, false},
		{"wifi", rule(`<signal type="wifi"><ssid>contoso</ssid></signal>`), 1, false},
		{"no condition", rule(`<signal type="ipConfig"/>`), 1, false},
		{"declaration", `<?xml version="1.0"?>` + rule(phone), 1, false},

		{"nothing", "", -1, false}, {"spaces", "  ", -1, false}, {"no XML", "rule", -1, false}, {"open", `<rule schemaVersion="1.0">`, -1, false},
		{"no version", "<rule>" + phone + "</rule>", -1, false}, {"no signal", rule(""), -1, false}, {"and of nothing", rule("<and></and>"), -1, false},
		{"two signals", rule(phone + phone), -1, false}, {"no such signal", rule(`<signal type="gps"/>`), -1, false}, {"another root", "<rules/>", -1, false},
		{"signal outside", phone, -1, false}, {"text", rule("text" + phone), -1, false}, {"deep", rule("<and><and><and><and>" + phone + "</and></and></and></and>"), -1, false},
		{"condition in and", rule("<and><dnsSuffix>x</dnsSuffix></and>"), -1, false}, {"element in condition", rule(`<signal type="wifi"><ssid><b>x</b></ssid></signal>`), -1, false},
		{"many", strings.Repeat(rule(phone), 257), -1, false}, {"long", rule(suffix(strings.Repeat("a", 70000))), -1, false},
	} {
		rules, err := ParseSignalRules(c.text)
		if (err != nil) != (c.rules < 0) || err == nil && len(rules) != c.rules {
			t.Errorf("%s: %+v, %v", c.name, rules, err)
			continue
		}
		w := worldOf(t, hybridLab())
		f := InForce{UnlockPlugins: Setting[string]{Value: c.text}}
		if got := w.SignalHolds(f, "user.alice", "device.desk"); got != c.holds {
			t.Errorf("%s: holds %v", c.name, got)
		}
	}
}

// Where a device is decides about the signal; an Entra joined one is on the
// network of its user's domain.
func TestSignalHoldsOnSite(t *testing.T) {
	f := InForce{UnlockPlugins: Setting[string]{Value: suffixRule}}
	for _, device := range []string{"device.desk", "device.tablet"} {
		for network, want := range map[string]bool{"onsite": true, "vpn": false, "internet": false, "captive": false, "none": false} {
			lab := with(hybridLab(), device, func(d *spec.Device) { d.Network = network })
			if got := worldOf(t, lab).SignalHolds(f, "user.alice", device); got != want {
				t.Errorf("%s %s: %v", device, network, got)
			}
		}
	}
	w := worldOf(t, hybridLab())
	if w.SignalHolds(f, "user.bo", "device.tablet") || w.SignalHolds(f, "user.alice", "device.other") || w.SignalHolds(InForce{}, "user.alice", "device.desk") {
		t.Error("a signal without domain, device or rule")
	}
}

func FuzzParseSignalRules(f *testing.F) {
	f.Add(suffixRule)
	f.Add(`<rule schemaVersion="1.0"><and><signal type="wifi"><ssid>a</ssid></signal><signal type="bluetooth"/></and></rule>,<rule schemaVersion="1.0"><signal type="ipConfig"/></rule>`)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseSignalRules(text)
		if err == nil && len(rules) == 0 {
			t.Error("no rule and no error")
		}
		for _, r := range rules {
			if r.holds("") {
				t.Error("a rule holds on no network")
			}
		}
	})
}
