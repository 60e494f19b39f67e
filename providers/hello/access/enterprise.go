package access

import "hellolab/providers/hello"

// enterprise is the code for which a session has no token of AD FS; "" when it
// gets one.
func (s *signingIn) enterprise() string {
	sts := s.world.FederationOn(s.d.In.Domain)
	switch {
	case sts == nil, !sts.In.Enabled, s.d.In.Network == string(hello.NoNetwork):
		return "no_enterprise_prt"
	case !s.machine.Written:
		return "no_enterprise_prt"
	case !s.u.In.EnabledInDomain, s.account.Locked:
		return "no_enterprise_prt"
	}
	return ""
}
