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

func TestFederatedConformance(t *testing.T) {
	tenant := func(n int) spec.Tenant {
		return spec.Tenant{Domains: []string{[]string{"contoso.com", "fabrikam.example", "northwind.test", "tail-spin.org"}[n]}, Authentication: authenticationFederated, Federation: "federation.sts"}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "tenant",
		Env: func(tb testing.TB) *conformance.Env {
			f := &sts{}
			e := conformance.NewEnv(tb, append(Types(), f.kind())...)
			f.now = e.Now
			f.roll(tb)
			e.Create("federation.sts", spec.Federation{Kind: spec.FederationThirdParty, Host: stsHost})
			return e
		},
		In: func(n int) any { return tenant(n) },
		Change: func(n int) any { // and back to managed
			in := tenant(n)
			in.Authentication, in.Federation = authenticationManaged, ""
			in.Domains = append(in.Domains, "second.example")
			return in
		},
	})
}
