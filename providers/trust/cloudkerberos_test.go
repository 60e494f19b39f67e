package trust_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
	"hellolab/providers/trust"
)

// newDirectories is a tenant and domains of which a cloud Kerberos trust can be
// made, all of them real.
func newDirectories(tb testing.TB, domains int) *conformance.Env {
	tb.Helper()
	types := slices.Concat(entra.Types(), adds.Types(), identity.Types())
	types = append(types,
		part[spec.Authority]("authority", func(addr string) spec.AuthorityOut { return spec.AuthorityOut{Thumbprint: addr + "-id"} }),
		part[spec.Sync]("sync", func(addr string) spec.SyncOut { return spec.SyncOut{Host: addr + ".test"} }),
		trust.Trust())
	e := conformance.NewEnv(tb, types...)
	e.Create("tenant.contoso", spec.Tenant{Domains: []string{"contoso.com"}})
	for n := range domains {
		domain := providers.Ref(fmt.Sprintf("domain.d%d", n))
		e.Create(string(domain), spec.Domain{DNSName: fmt.Sprintf("d%d.contoso.com", n), NetBIOSName: fmt.Sprintf("D%d", n)})
		e.Create(fmt.Sprintf("sync.d%d", n), spec.Sync{Tenant: "tenant.contoso", Domain: domain})
		e.Create(fmt.Sprintf("group.g%d", n), spec.Group{Domain: domain, Name: "Hello people"})
	}
	return e
}

func cloud(n int) spec.Trust {
	return spec.Trust{Type: spec.TrustCloudKerberos, Tenant: "tenant.contoso", Domain: providers.Ref(fmt.Sprintf("domain.d%d", n)), KeyVersion: 1}
}

// A killed call is of the first trust; there are many of those labs.
func TestCloudKerberosConforms(t *testing.T) {
	domains := func(tb testing.TB) int {
		if strings.Contains(tb.Name(), "killed") {
			return 1
		}
		return 4
	}
	conformance.Run(t, conformance.Harness{
		Kind: "trust", Env: func(tb testing.TB) *conformance.Env { return newDirectories(tb, domains(tb)) },
		In: func(n int) any { return cloud(n) },
		Change: func(n int) any {
			in := cloud(n)
			in.KeyVersion, in.Allowed, in.Denied = 2, []providers.Ref{providers.Ref(fmt.Sprintf("group.g%d", n))}, []providers.Ref{}
			return in
		},
	})
}
