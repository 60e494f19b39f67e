package member_test

import (
	"fmt"
	"testing"

	"hellolab/providers"
	"hellolab/providers/adds"
	"hellolab/providers/conformance"
	"hellolab/providers/identity"
	"hellolab/providers/spec"
)

const (
	corp     = "domain.corp"
	password = "Correct horse 1"
)

// newDomain is a domain with a group and a user, on the network.
func newDomain(tb testing.TB) *conformance.Env {
	tb.Helper()
	e := conformance.NewEnv(tb, append(adds.Types(), identity.Types()...)...)
	e.Create(corp, spec.Domain{DNSName: "corp.contoso.com", NetBIOSName: "CORP"})
	e.Create("group.staff", spec.Group{Domain: corp, Name: "Staff"})
	e.Create("user.alice", spec.User{UPN: "alice@contoso.com", Domain: corp, Groups: []providers.Ref{"group.staff"}, Password: providers.Secret(password)})
	return e
}

func TestServiceConforms(t *testing.T) {
	in := func(n int) spec.Service {
		return spec.Service{Domain: corp, Name: fmt.Sprintf("Web%d", n), Authorize: []providers.Ref{"group.staff"}}
	}
	conformance.Run(t, conformance.Harness{
		Kind: "service", Env: newDomain, In: func(n int) any { return in(n) },
		Change: func(n int) any {
			s := in(n)
			s.SPN, s.Authorize, s.Enabled = fmt.Sprintf("HTTP/intranet%d.contoso.com", n), []providers.Ref{"user.alice"}, false
			return s
		},
	})
}
