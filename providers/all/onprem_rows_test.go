package all_test

import (
	"testing"

	"hellolab/providers"
	"hellolab/providers/all"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
	"hellolab/providers/windows/tpm/tpmtest"
)

func TestOnPremJoin(t *testing.T) {
	pool := tpmtest.NewPool(t, 0)
	w := windows.New(pool)
	types := all.Types(all.Deps{Windows: w})
	l := &lab{conformance.NewEnv(t, types...), t, w, pool, types}
	l.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	l.Create("authority.issuing", spec.Authority{Domain: corp, CommonName: "Contoso Issuing CA", NTAuth: true, OCSP: true})
	l.Create(adfs, spec.Federation{Kind: spec.FederationADFS, Domain: corp, Authority: "authority.issuing"})
	l.Create("policy.hello", spec.Policy{Source: "gpo", UsePassportForWork: new(true)})
	l.Create(alice, spec.User{UPN: "alice@contoso.com", Domain: corp, Password: providers.Secret(first)})
	for _, addr := range []string{"authority.issuing", corp} {
		if err := l.Due(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { t.Log(l.trace()) })
	l.Create(desk, onPremDesk())
	l.Create("enrollment.alice_desk", enrollment(alice, desk))
	l.expect(windows.Request{Device: desk, PIN: providers.Secret(pin)}, "success")
}
