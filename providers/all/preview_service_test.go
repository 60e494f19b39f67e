package all_test

import (
	"math/rand/v2"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// containerServices are the services that take a certificate of the Hello container.
var containerServices = map[string]string{gateway: spec.ServiceVPN, remote: spec.ServiceRDP}

// furtherOf is a certificate for the key of an enrollment.
func furtherOf(enrollment, purpose string) spec.Certificate {
	c := further(purpose)
	c.Enrollment = providers.Ref(enrollment)
	return c
}

// certifies are edits of certificates for services.
func certifies(r *rand.Rand) edit {
	on := []string{"desk", "laptop"}[r.IntN(2)]
	purpose := []string{spec.PurposeVPN, spec.PurposeRDP}[r.IntN(2)]
	addr := "certificate." + purpose + "_" + on
	if r.IntN(4) == 0 {
		return edit{addr: addr, gone: true}
	}
	return edit{addr: addr, make: furtherOf("enrollment.alice_"+on, purpose)}
}

// inContainer are edits of the services that take them, and of what they go by.
func inContainer(r *rand.Rand) edit {
	addr := []string{gateway, remote}[r.IntN(2)]
	switch r.IntN(6) {
	case 0:
		return set(addr, attrs{"enabled": flip(r)})
	case 1:
		return set(addr, attrs{"authorize": words([][]string{{"group.staff"}, {"user.bo"}, {alice}}[r.IntN(3)]...)})
	case 2:
		return set("authority.issuing", attrs{"template": cty.MapVal(attrs{"VPNUser": block(attrs{"enabled": flip(r)}), "RemoteDesktopUser": block(attrs{"enabled": flip(r)})}), "ntauth": flip(r)})
	}
	return edit{addr: addr, make: spec.Service{Domain: corp, Kind: containerServices[addr], Enabled: true}}
}

// withContainerServices gives a lab both services, and alice the certificates for them
// on a device.
func withContainerServices(on ...string) func(*previewLab) {
	return func(l *previewLab) {
		for addr, kind := range containerServices {
			l.Create(addr, spec.Service{Domain: corp, Kind: kind, Enabled: true})
		}
		for _, device := range on {
			for _, purpose := range []string{spec.PurposeVPN, spec.PurposeRDP} {
				l.Create("certificate."+purpose+"_"+label(device), furtherOf("enrollment.alice_"+label(device), purpose))
			}
		}
	}
}
