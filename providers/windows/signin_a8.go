package windows

import "context"

// a8 is flow A8, which the documents do not draw: sign-in on a computer of a domain
// that is in no tenant. It is A6's phases A to E, and then, while the desktop
// loads, AD FS in the tenant's place: F, its nonce and the proof over it; G, its
// primary refresh token.
func (s *signingIn) a8(ctx context.Context) error {
	return s.inOrder(ctx, s.a6PhaseA, s.domainPhases, s.desktop, s.enterprisePhases, s.certificates, s.reach)
}

// enterprisePhases are F and G.
func (s *signingIn) enterprisePhases(ctx context.Context) error {
	s.trace.in("F")
	if err := s.enterpriseBehindDesktop(ctx); err != nil {
		return err
	}
	if s.enterprise == nil {
		s.cloudless = because("no_enterprise_prt", nil, "The session has no token of AD FS.")
		return nil
	}
	return s.postLogon(ctx)
}
