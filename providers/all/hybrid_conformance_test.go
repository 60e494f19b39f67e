package all_test

import (
	"fmt"
	"testing"

	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

func TestMemberDeviceConforms(t *testing.T) {
	for _, join := range []string{"hybrid", "domain"} {
		t.Run(join, func(t *testing.T) {
			device := func(n int) spec.Device {
				d := spec.Device{Join: join, Domain: corp, Name: fmt.Sprintf("pc-%d", n), TPM: "none", EnabledInDomain: true, EnabledInTenant: true}
				if join == "hybrid" {
					d.Tenant = "tenant.contoso"
				}
				return d
			}
			conformance.Run(t, conformance.Harness{
				Kind: "device", Every: 2 * every(),
				Env: func(tb testing.TB) *conformance.Env { return newHybridLab(tb).Env },
				In:  func(n int) any { return device(n) },
				Change: func(n int) any {
					d := device(n)
					d.OS, d.EnabledInDomain = "windows-10-22h2", false
					return d
				},
			})
		})
	}
}
