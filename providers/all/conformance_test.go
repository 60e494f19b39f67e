package all_test

import (
	"fmt"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

// every thins the instants at which conformance kills a call that takes a
// second to set up; the soak run tries all.
const every = 5

func TestPolicyConforms(t *testing.T) {
	off := false
	conformance.Run(t, conformance.Harness{
		Kind:   "policy",
		Env:    func(tb testing.TB) *conformance.Env { return newLab(tb).Env },
		In:     func(int) any { return spec.Policy{} },
		Change: func(int) any { return spec.Policy{UsePassportForWork: &off} },
	})
}

func TestDeviceConforms(t *testing.T) {
	device := func(n int) spec.Device {
		return spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref(fmt.Sprintf("user.u%d", n)), Name: fmt.Sprintf("pc-%d", n)}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "device",
		Env: func(tb testing.TB) *conformance.Env {
			l := newLab(tb)
			for n := range 4 {
				l.user(fmt.Sprintf("u%d", n))
			}
			return l.Env
		},
		In:     func(n int) any { return device(n) },
		Change: func(n int) any { d := device(n); d.OS = "windows-10-22h2"; return d },
		Every:  every,
	})
}

func TestEnrollmentConforms(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Kind: "enrollment",
		Env: func(tb testing.TB) *conformance.Env {
			l := newLab(tb)
			for n := range 4 {
				user := fmt.Sprintf("u%d", n)
				l.user(user)
				l.Create("device."+user, spec.Device{Join: "entra", Tenant: "tenant.contoso", JoinedBy: providers.Ref("user." + user), Biometrics: []string{"face"}})
			}
			return l.Env
		},
		In: func(n int) any {
			return spec.Enrollment{
				User: providers.Ref(fmt.Sprintf("user.u%d", n)), Device: providers.Ref(fmt.Sprintf("device.u%d", n)),
				PIN: providers.Secret(fmt.Sprintf("9157302%d", n)), Gestures: []string{"face"},
			}
		},
		Every: every,
	})
}
