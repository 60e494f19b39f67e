package access

import (
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// passwordElsewhere is the code for which the federation service of the tenant that
// the sign-in is to does not take the user's password; "" when it does, or the
// tenant checks passwords itself.
func (s *signingIn) passwordElsewhere() string {
	t := s.world.Tenants[string(s.tenant())]
	if t == nil || !hello.Authentication(t.In.Authentication).Federated() {
		return ""
	}
	sts := s.world.Federations[string(t.In.Federation)]
	switch {
	case sts == nil, !sts.In.Enabled:
		return "federation_unreachable"
	case sts.In.Kind == spec.FederationThirdParty:
		return ""
	case s.u.In.Domain != sts.In.Domain, !s.u.In.EnabledInDomain, s.account.Locked, s.passwordOver(),
		!s.account.AccountExpires.IsZero() && !s.facts.Now.Before(s.account.AccountExpires):
		return "wrong_password" // AD FS says no more
	}
	return ""
}
