package application_test

import (
	"fmt"
	"testing"

	"hellolab/providers/application"
	"hellolab/providers/conformance"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const contoso = "tenant.contoso"

// newLab is a tenant on the network.
func newLab(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(append(entra.Types(), identity.Types()...), application.Types()...)...)
	e.Create(contoso, spec.Tenant{Domains: []string{"contoso.com"}})
	return e
}

func TestConformance(t *testing.T) {
	in := func(n int) spec.Application {
		return spec.Application{Tenant: contoso, Name: fmt.Sprintf("O'Hara & Söhne %d", n), RedirectURIs: []string{"https://app.example/cb", "http://localhost"},
			Require: &spec.ApplicationRequire{MFA: true, JoinedDevice: true, MaxRisk: "low"}}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "application", Env: newLab, In: func(n int) any { return in(n) },
		Change: func(n int) any {
			a := in(n)
			a.RedirectURIs, a.CAE = nil, true
			a.Require = &spec.ApplicationRequire{CompliantDevice: true, MaxRisk: "none", RiskAction: "mfa"}
			return a
		},
	})
}
