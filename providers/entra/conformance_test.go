package entra

import (
	"testing"
	"time"

	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

func TestConformance(t *testing.T) {
	tenant := func(n int) spec.Tenant {
		return spec.Tenant{Domains: []string{[]string{"contoso.com", "Fabrikam.example", "northwind.test", "tail-spin.org"}[n]}}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "tenant",
		Env:  func(tb testing.TB) *conformance.Env { return conformance.NewEnv(tb, Types()...) },
		In:   func(n int) any { return tenant(n) },
		Change: func(n int) any {
			in := tenant(n)
			in.Domains = append(in.Domains, "second.example")
			in.Attestation = "required"
			in.Lifetimes = &spec.TenantLifetimes{Nonce: time.Minute}
			in.MFA = &spec.TenantMFA{Provider: "third_party"}
			return in
		},
	})
}
