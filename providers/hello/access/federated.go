package access

import (
	"slices"
	"strings"

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
	_, suffix, _ := strings.Cut(s.u.In.UPN, "@")
	switch {
	case !slices.ContainsFunc(t.In.Domains, func(d string) bool { return strings.EqualFold(d, suffix) }):
		return "upn_suffix_unknown"
	case sts == nil, !sts.In.Enabled:
		return "federation_unreachable"
	case sts.In.Passwords != nil && !*sts.In.Passwords:
		return "federation_without_password_endpoint"
	case sts.In.Kind == spec.FederationThirdParty:
		return ""
	case s.u.In.Domain != sts.In.Domain, !s.u.In.EnabledInDomain, s.account.Locked, s.passwordOver(),
		!s.account.AccountExpires.IsZero() && !s.facts.Now.Before(s.account.AccountExpires),
		sts.In.MFARule == spec.MFAAlways: // a request by message cannot bring a second factor
		return "wrong_password" // AD FS says no more
	}
	return ""
}

// secondFactor is the code for which the user does not pass phase A of a
// provisioning flow with two factors; "" when the user does.
func (s *signingIn) secondFactor() string {
	registered := s.u.In.MFA != "none" && s.u.In.MFA != ""
	sts := s.world.Federations[s.world.TokenServiceOf(s.u)]
	if sts == nil {
		if !registered {
			return "mfa_not_registered"
		}
		return ""
	}
	// A tenant that does not count what the federation service verified (reject) asks
	// for its own after that.
	switch {
	case !sts.In.Enabled:
		return "federation_unreachable"
	case sts.In.MFARule == spec.MFANever:
		return "mfa_required" // AD FS waives it
	case sts.In.MFA == spec.AdapterNone:
		return "federation_refused"
	case !registered:
		return "adapter_not_registered"
	}
	return ""
}
