package windows

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
	"hellolab/providers/windows/kerberos"
	"hellolab/providers/windows/position"
)

// a6Letters are the phases of flow A6 by the Kerberos provider's steps (seed
// 002): A, it finds a controller and signs; B, the controller checks; C, it
// checks the controller; D, LSASS caches the ticket.
var a6Letters = map[string]string{"dc_located": "A", "as_request": "A", "as_sent": "B", "kdc_certificate_accepted": "C", "kdc_certificate_refused": "C", "tgt_cached": "D"}

// a6Cloud are the phases of flow A6 that A1's are, which it runs behind the
// desktop.
var a6Cloud = map[string]string{"B": "F", "C": "G", "D": "G", "E": "G"}

// a6 is flow A6: sign-in on a hybrid joined device, to the domain, and to the
// tenant while the desktop loads (seed 002). A password goes the same way, and
// so does an unlock. A7 has the same phases: with certificate trust the key comes
// to the domain in its certificate.
func (s *signingIn) a6(ctx context.Context) error {
	return s.inOrder(ctx, s.a6PhaseA, s.domainPhases, s.desktop, s.cloudPhases, s.lookAtHello, s.reach)
}

// a7 is flow A7: A6, with a certificate for the key in what the domain is sent, and
// the token of AD FS after the tenant's.
func (s *signingIn) a7(ctx context.Context) error {
	return s.inOrder(ctx, s.a6PhaseA, s.domainPhases, s.desktop, s.cloudPhases, s.enterpriseBehindDesktop, s.lookAtHello, s.certificates, s.reach)
}

// a6PhaseA goes from the lock screen to the Kerberos provider.
func (s *signingIn) a6PhaseA(ctx context.Context) error {
	s.trace.in("A")
	s.collect()
	return s.passTo(ctx, event.Kerberos)
}

// domainPhases prove the user to the domain. Where no controller is in sight,
// what LSASS kept of an earlier sign-in opens the desktop.
func (s *signingIn) domainPhases(ctx context.Context) error {
	t := s.trace
	provider, d, err := s.kerberosOf(s.in.Domain, kerberosLane(t, a6Letters))
	if err != nil {
		return err
	}
	t.step(event.LSASS, event.Kerberos, local, "domain_hint", "The Kerberos provider takes the domain from the computer's own account.",
		message{"domain": d.In.DNSName, "computer": s.rec.Name})
	session, err := s.domainSignIn(ctx, provider)
	return s.keepLogon(ctx, d.In, session, err)
}

// keepLogon has LSASS keep what the domain answered to a sign-in, tickets and
// logon, or, where err is that no controller is in sight, use what it kept of an
// earlier one.
func (s *signingIn) keepLogon(ctx context.Context, domain spec.Domain, session *kerberos.Session, err error) error {
	switch {
	case outOfSight(err):
		return s.byCachedLogon(domain, err)
	case err != nil:
		return err
	}
	if err := s.keepKerberos(ctx, s.user, session); err != nil {
		return err
	}
	return s.cacheLogon(ctx, s.user, s.shows(), domain)
}

// desktop opens the session, or unlocks it. A machine that is away raises its
// tunnel then.
func (s *signingIn) desktop(ctx context.Context) error {
	t := s.trace
	t.in("E")
	if err := s.ticketLives(ctx); err != nil {
		return err
	}
	err := s.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableSession, s.user.sid, sessionRecord{UPN: s.user.upn, Since: s.env.Now()})
	})
	if err != nil {
		return err
	}
	if s.request.Unlock {
		s.sessionUnlocked(nil)
	} else {
		s.desktopOpens()
	}
	return s.raiseTunnel(ctx)
}

// holdTunnel puts the machine onto the domain's network where a session of
// anybody keeps its tunnel up. A locked one does; it falls with the last.
func (m *machine) holdTunnel() error {
	if m.in.Network != position.VPN {
		return nil
	}
	held := false
	err := m.env.Section.View(func(r providers.Reader) error {
		return r.Scan(tableSession, "", func(string, []byte) error { held = true; return nil })
	})
	m.env.Network = position.Of(m.desk, place(m.in, held))
	return err
}

// raiseTunnel has a session that opens raise the tunnel of a machine that is
// away with one, unless it is up.
func (s *signingIn) raiseTunnel(ctx context.Context) (err error) {
	if _, at := inner(s.env.Network); s.in.Network != position.VPN || at.Inside() {
		return nil
	}
	s.env.Network = position.Of(s.desk, place(s.in, true))
	s.trace.step(event.Device, event.ActiveDirectory, local, "vpn_connected", "The device raises its VPN tunnel: the domain's network is in sight.", nil)
	s.cloud.http, err = s.client(ctx, false)
	return err
}

// cloudPhases get the primary refresh token behind the desktop. What stops them
// does not end the session: it is the answer of whoever needs the tenant.
func (s *signingIn) cloudPhases(ctx context.Context) error {
	t := s.trace
	t.letters = a6Cloud
	defer func() { t.letters = nil }()
	t.in("B")
	t.step(event.LSASS, event.CloudAP, local, "credentials_to_cloud_ap", "While the desktop loads, LSASS passes the credentials to Cloud AP.", nil)
	s.cloudless = s.tokenBehindDesktop(ctx)
	if s.cloudless == nil {
		return nil
	}
	s.prt = nil
	if !t.refusing {
		t.refused(event.CloudAP, event.LSASS, local, "prt_missing", "There is no primary refresh token; the session in Windows stays.", s.cloudless)
	}
	return ctx.Err()
}

// lookAtHello is postLogon of a session that has its token.
func (s *signingIn) lookAtHello(ctx context.Context) error {
	if s.cloudless != nil {
		return nil
	}
	return s.postLogon(ctx)
}

// tokenBehindDesktop goes on with the session's token at an unlock, and gets one
// by A1's phases else.
func (s *signingIn) tokenBehindDesktop(ctx context.Context) error {
	if s.request.Unlock && s.released != nil {
		if over, err := s.sessionToken(ctx); err != nil || !over {
			return err
		}
	}
	return s.inOrder(ctx, s.phaseB, s.phaseC, s.phaseD, s.keepSession)
}

// reachByTicket goes to a domain, or a service of one, with the session's
// ticket. A session that a cached logon opened gets its ticket now.
func (s *signingIn) reachByTicket(ctx context.Context, to target) error {
	provider, d, err := s.kerberosOf(to.domain, kerberosLane(s.trace, nil))
	if err != nil {
		return err
	}
	if to.domain != s.in.Domain {
		return because("domain_not_reached", nil, "%s is a computer of another domain than %s.", s.addr, to.domain)
	}
	session, err := s.kerberosSession(s.user)
	if err != nil {
		return err
	}
	if session == nil || session.TGT == nil || !s.env.Now().Before(session.TGT.EndTime) {
		if session, err = s.proveToDomain(ctx, provider); err != nil {
			return err
		}
		if err := s.keepKerberos(ctx, s.user, session); err != nil {
			return err
		}
		if err := s.cacheLogon(ctx, s.user, s.shows(), d.In); err != nil {
			return err
		}
	}
	return s.ticket(ctx, provider, session, to)
}

// signIns are the flows of sign-ins at the lock screen.
var signIns = map[hello.Flow]func(*signingIn, context.Context) error{
	hello.A1: (*signingIn).a1, hello.A5: (*signingIn).a5, hello.A6: (*signingIn).a6, hello.A7: (*signingIn).a7, hello.A8: (*signingIn).a8,
}

// signInFlow is how a user signs in, by the flow that the route names.
func (s *signingIn) signInFlow(ctx context.Context) error { return signIns[s.route.SignIn](s, ctx) }
