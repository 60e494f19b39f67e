package adds_test

import (
	"fmt"
	"testing"
	"time"

	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/spec"
)

func TestDomainConforms(t *testing.T) {
	domain := func(n int) spec.Domain {
		return spec.Domain{DNSName: fmt.Sprintf("Corp%d.contoso.com", n), NetBIOSName: fmt.Sprintf("CORP%d", n)}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "domain",
		Env:  func(tb testing.TB) *conformance.Env { return conformance.NewEnv(tb, adds.Types()...) },
		In:   func(n int) any { return domain(n) },
		Change: func(n int) any {
			d := domain(n)
			d.FunctionalLevel, d.Mapping = "2025", "compatibility"
			d.PasswordPolicy = &spec.PasswordPolicy{MinLength: 12, History: 2, MaxAge: 90 * 24 * time.Hour}
			d.Controllers = map[string]*spec.Controller{"dc7": {OS: "windows-server-2025", Site: "Paris"}, "dc8": {OS: "windows-server-2016", Site: "Paris"}}
			return d
		},
	})
}
