package windows

import (
	"context"
	"errors"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
)

// a5 is flow A5: sign-in on a hybrid joined device by cloud Kerberos trust (seed
// 002). Unlike A6 it goes to the tenant first, and to the domain with the partial
// ticket that the tenant gives; the desktop comes after the domain's.
func (s *signingIn) a5(ctx context.Context) error {
	return s.inOrder(ctx, s.a5PhaseA, s.a5Cloud, s.a5Domain, s.desktop, s.reach)
}

// a5PhaseA goes from the lock screen to Cloud AP, where policy sends LSASS.
func (s *signingIn) a5PhaseA(ctx context.Context) error {
	t := s.trace
	t.in("A")
	s.collect()
	m := message{"use_cloud_trust_for_on_prem_auth": s.policy.UseCloudTrustForOnPremAuth.Value}
	if origin := s.policy.UseCloudTrustForOnPremAuth.Origin; origin.Policy != "" {
		m["policy"], m["level"] = origin.Policy, origin.Level.String()
	}
	t.step(event.LSASS, "", local, "cloud_trust_policy", "LSASS asks Windows Hello for Business policy whether cloud Kerberos trust is on, and it is.", m)
	return s.passTo(ctx, event.CloudAP)
}

// a5Cloud gets token and partial ticket from the tenant, and has LSASS cache both.
// An unlock goes on with what the session has while that is good. That the tenant
// is out of reach is for the next phase.
func (s *signingIn) a5Cloud(ctx context.Context) error {
	goesOn, err := s.goesOn(ctx)
	if err == nil && goesOn {
		s.gestureTaken = s.env.Now() // what renews the token runs beside an unlock
	}
	if err == nil && !goesOn {
		err = s.inOrder(ctx, s.fetchNonce, s.a5PhaseB, s.phaseC, s.phaseD, func(ctx context.Context) error { return s.keepToken(ctx, false) })
	}
	if unreachable(err) && ctx.Err() == nil {
		s.cloudless, s.prt = err, nil
		return s.ticketLives(ctx)
	}
	return err
}

func (s *signingIn) a5PhaseB(ctx context.Context) error {
	s.trace.in("B")
	return s.signNonce(ctx)
}

// goesOn reports whether an unlock has a token and a partial ticket of the
// session that are good.
func (s *signingIn) goesOn(ctx context.Context) (bool, error) {
	if !s.request.Unlock {
		return false, nil
	}
	held, err := s.cloudTickets(s.user)
	if err != nil || !kerberos.Usable(held.Domain, s.env.Now()) {
		return false, err
	}
	over, err := s.sessionToken(ctx)
	return !over, err
}

// unreachable reports whether what went wrong is that nobody was reached.
func unreachable(err error) bool {
	if err == nil {
		return false
	}
	var far *position.NoLineOfSight
	return errors.As(err, &far) || reasonOf(err).Code == "host_unreachable"
}

// a5Domain is phase E up to the ticket: the domain exchanges the partial ticket
// for a full one. Where tenant or controller are out of reach, what LSASS kept of
// an earlier sign-in opens the desktop. A sign-in that the domain refuses leaves
// nothing.
func (s *signingIn) a5Domain(ctx context.Context) error {
	s.trace.in("E")
	err := s.a5Exchange(ctx)
	if err == nil || s.request.Unlock {
		return err
	}
	return errors.Join(err, s.env.Section.Record(ctx, func(w providers.Writer) error {
		return errors.Join(w.Delete(tablePRT, s.user.sid+"|"+byHello), w.Delete(tableCloud, s.user.sid))
	}))
}

func (s *signingIn) a5Exchange(ctx context.Context) error {
	provider, d, err := s.kerberosOf(s.in.Domain, kerberosLane(s.trace, nil))
	if err != nil {
		return err
	}
	if s.cloudless != nil {
		held, err := s.cloudTickets(s.user)
		if err != nil {
			return err
		}
		if !kerberos.Usable(held.Domain, s.env.Now()) {
			return s.byCachedLogon(d.In, s.cloudless)
		}
	}
	if err := s.hint(d.In); err != nil {
		return err
	}
	session, err := s.exchangePartial(ctx, provider)
	return s.keepLogon(ctx, d.In, session, err)
}

// exchangePartial sends the partial ticket of the session's cache to a
// controller. A session without one is not asked for a password: a new sign-in
// brings one.
func (s *signingIn) exchangePartial(ctx context.Context, provider *kerberos.Provider) (*kerberos.Session, error) {
	t := s.trace
	held, err := s.cloudTickets(s.user)
	if err != nil {
		return nil, err
	}
	if !kerberos.Usable(held.Domain, s.env.Now()) {
		err := refuse("partial_ticket_missing", nil)
		if held.Refused != "" {
			err = because("no_cloud_tgt", nil, "The tenant gave no partial ticket: %s", held.Refused)
		}
		t.skip(event.Kerberos, "partial_tgt_missing", "LSASS has no partial ticket-granting ticket for the Kerberos provider to send.", reasonOf(err).Code)
		t.refused(event.LSASS, event.User, local, "sign_in_again", "Windows tells the user to sign in again with Hello, or to lock and unlock; it asks for no password.", err)
		return nil, err
	}
	session, err := provider.SignInPartial(ctx, held.Domain)
	if err != nil {
		t.refused(event.Kerberos, event.LSASS, protocolKerberos, "domain_sign_in_refused", "The Kerberos provider reports that the domain gives no full ticket.", err)
	}
	return session, err
}
