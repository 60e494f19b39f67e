package all_test

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers/spec"
)

const day = 24 * time.Hour

// withoutTPM is a tablet without a TPM in a tenant that takes such, with alice's
// key in software.
func withoutTPM(l *previewLab) {
	l.Advance(time.Minute) // a code of an authenticator app works once
	l.change(tenantAddr, attrs{"attestation": word("preferred")})
	l.device("tablet", func(d *spec.Device) { d.TPM = "none" })
	l.Advance(time.Minute)
	l.Create("enrollment.alice_tablet", enrollment(alice, "device.tablet"))
}

// biometrics is policy on them.
func biometrics(a attrs) edit {
	return set("policy.pin", attrs{"biometrics": block(a)})
}

// camera gives the desk another camera than the built-in one, at which alice
// enrolls: each has templates of its own.
func camera(a attrs) func(*previewLab) {
	a["kind"] = word("face")
	return func(l *previewLab) {
		l.change("policy.pin", biometrics(attrs{"enable_ess_with_supported_peripherals": cty.False}).set)
		l.change(desk, attrs{"biometrics": cty.ListValEmpty(cty.String), "sensor": cty.MapVal(attrs{"camera": block(a)})})
		l.Delete("enrollment.alice_desk")
		l.Advance(time.Minute)
		l.Create("enrollment.alice_desk", enrollment(alice, desk, "face"))
		l.cycle()
	}
}

// demandsEight is policy under which alice's PIN is too short.
func demandsEight(l *previewLab) {
	l.change("policy.pin", pinRules(attrs{"minimum_pin_length": whole(8)}).set)
}

// ofDevicesAndGestures are the rows of TPMs, PINs, biometrics and recovery.
var ofDevicesAndGestures = []effect{
	{row: "H1", change: "policy demands a TPM", given: withoutTPM, edits: []edit{set("policy.pin", attrs{"require_security_device": cty.True})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: "device.tablet", was: "allowed", is: "at_risk tpm_missing", then: "- next_provisioning ?"},
	}},
	{row: "H1", change: "policy demands a TPM, and one is to be enrolled without", given: withoutTPM, gap: "tpm_missing",
		edits: []edit{set("policy.pin", attrs{"require_security_device": cty.True}), {addr: "enrollment.bo_tablet", make: enrollment("user.bo", "device.tablet")}}, sees: []sees{
			{user: "user.bo", on: "device.tablet", was: "refused no_hello_credential", is: "refused no_hello_credential", then: "enroll next_signin D", row: "-"},
		}},
	{row: "H2", change: "TPMs of version 1.2 are excluded", why: "A device of the lab has a TPM 2.0, or none."},
	{row: "H3", change: "policy demands a TPM no more",
		given: func(l *previewLab) { withoutTPM(l); l.change("policy.pin", attrs{"require_security_device": cty.True}) },
		edits: []edit{set("policy.pin", attrs{"require_security_device": cty.False}), {addr: "enrollment.bo_tablet", make: enrollment("user.bo", "device.tablet")}}, sees: []sees{
			{on: "device.tablet", was: "at_risk tpm_missing", is: "allowed"},
			{user: "user.bo", on: "device.tablet", was: "refused no_hello_credential", is: "allowed"},
		}},
	{row: "H4", change: "a device is made anew, and its enrollment", edits: []edit{
		{addr: "enrollment.alice_desk", gone: true}, {addr: desk, gone: true},
		{addr: desk, make: spec.Device{Join: "hybrid", Tenant: tenantAddr, Domain: corp}}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, sees: []sees{
		{on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D", row: "-"},
		{on: laptop, to: corp, was: "allowed", is: "allowed"},
	}},

	{row: "N1", change: "PINs must be longer", edits: []edit{pinRules(attrs{"minimum_pin_length": whole(8)})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed change_pin_prompt", then: "change_pin next_pin_signin C"},
		{on: desk, by: "face", was: "allowed", is: "allowed"},
	}},
	{row: "N1", change: "PINs must be shorter", edits: []edit{pinRules(attrs{"minimum_pin_length": whole(4), "maximum_pin_length": whole(5)})}, sees: []sees{
		{on: laptop, was: "allowed", is: "allowed change_pin_prompt", then: "change_pin next_pin_signin C"},
	}},
	{row: "N1", change: "PINs must have a letter", edits: []edit{pinRules(attrs{"lowercase_letters": word("require")})}, sees: []sees{
		{on: laptop, was: "allowed", is: "allowed change_pin_prompt", then: "change_pin next_pin_signin C"},
	}},
	{row: "N2", change: "PINs may be shorter", edits: []edit{pinRules(attrs{"minimum_pin_length": whole(5)})},
		given: func(l *previewLab) { l.change("policy.pin", pinRules(attrs{"minimum_pin_length": whole(6)}).set) },
		sees:  []sees{{on: desk, was: "allowed", is: "allowed"}}},
	{row: "N3", change: "former PINs may not come back", edits: []edit{pinRules(attrs{"history": whole(5)})}, sees: []sees{{on: desk, was: "allowed", is: "allowed"}}},
	{row: "N4", change: "PINs are good for 41 days, and one is older", edits: []edit{pinRules(attrs{"expiration": whole(41)})},
		given: func(l *previewLab) { l.Advance(50 * day); l.due() }, sees: []sees{
			{on: laptop, was: "allowed", is: "allowed change_pin_prompt", then: "change_pin next_pin_signin D"},
			{on: laptop, by: "face", was: "allowed", is: "allowed"},
		}},
	{row: "N4", change: "PINs are good for 41 days, and none is older", edits: []edit{pinRules(attrs{"expiration": whole(41)})}, ahead: 40 * day, sees: []sees{
		{on: laptop, was: "allowed", is: "allowed"},
	}},
	{row: "N5", change: "the lengths of PINs become no valid pair", given: demandsEight, edits: []edit{pinRules(attrs{"minimum_pin_length": whole(12), "maximum_pin_length": whole(10)})}, sees: []sees{
		{on: laptop, was: "allowed change_pin_prompt", is: "allowed"},
	}},

	{row: "B1", change: "biometric gestures are turned off", edits: []edit{biometrics(attrs{"use_biometrics": cty.False})}, sees: []sees{
		{on: desk, by: "face", was: "allowed", is: "refused biometrics_disabled", then: "use_pin next_unlock D"},
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "B2", change: "cameras must tell a picture from a person", given: camera(attrs{"anti_spoofing": cty.False}),
		edits: []edit{biometrics(attrs{"enable_ess_with_supported_peripherals": cty.False, "facial_features_use_enhanced_anti_spoofing": cty.True})}, sees: []sees{
			{on: desk, by: "face", was: "allowed", is: "refused anti_spoofing_missing", then: "use_pin next_unlock D"},
			{on: laptop, by: "face", was: "allowed", is: "allowed"},
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "B3", change: "Enhanced Sign-in Security blocks what is plugged in", given: camera(attrs{"external": cty.True}),
		edits: []edit{biometrics(attrs{"enable_ess_with_supported_peripherals": cty.True})}, sees: []sees{
			{on: desk, by: "face", was: "allowed", is: "refused sensor_blocked", then: "use_pin next_unlock D"},
			{on: laptop, by: "face", was: "allowed", is: "allowed"},
		}},
	{row: "B4", change: "multi-factor unlock: a PIN and a face", given: func(l *previewLab) { l.Create(boDesk, makesBo.make); l.cycle() },
		edits: []edit{set("policy.pin", attrs{"device_unlock": block(attrs{"group_a": words("pin"), "group_b": words("face")})})}, sees: []sees{
			{on: desk, was: "allowed", is: "allowed"},
			{on: desk, by: "face", was: "allowed", is: "allowed"},
			{user: "user.bo", on: desk, was: "allowed", is: "refused unlock_factor_missing", then: "admin_fix next_unlock D"},
		}},
	{row: "B5", change: "Hello's certificates are shown as a smart card's", edits: []edit{set("policy.pin", attrs{"use_hello_certificates_as_smart_card_certificates": cty.True})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
		{on: desk, by: "face", was: "allowed", is: "allowed"},
	}},

	{row: "R1", change: "PIN recovery is turned on: no sign-in changes", edits: []edit{set("policy.pin", attrs{"enable_pin_recovery": cty.True})}, sees: []sees{
		{on: desk, was: "allowed", is: "allowed"},
	}},
	{row: "R2", change: "PIN recovery is turned off: no sign-in changes", edits: []edit{set("policy.pin", attrs{"enable_pin_recovery": cty.False})},
		given: func(l *previewLab) { l.change("policy.pin", attrs{"enable_pin_recovery": cty.True}) }, sees: []sees{{on: desk, was: "allowed", is: "allowed"}}},
	{row: "R3", change: "Hello is provisioned anew, as a destructive PIN reset does",
		edits: []edit{{addr: "enrollment.alice_desk", gone: true}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, sees: []sees{
			{on: desk, was: "allowed", is: "refused key_not_synced", then: "wait_sync next_sync D", row: "-"},
		}},
	{row: "R3", change: "the same, half an hour later", ahead: 31 * time.Minute,
		edits: []edit{{addr: "enrollment.alice_desk", gone: true}, {addr: "enrollment.alice_desk", make: enrollment(alice, desk)}}, sees: []sees{
			{on: desk, was: "allowed", is: "allowed"},
		}},
	{row: "R4", change: "a federated provider is missing in the lock screen's list", why: "The lab's Windows opens whatever page a PIN reset is sent to: the policy that lists the hosts (ConfigureWebSignInAllowedUrls) is no setting of a lab."},
}
