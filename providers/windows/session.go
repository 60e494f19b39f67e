package windows

import (
	"context"
	"errors"
	"time"

	"hellolab/providers"
	"hellolab/providers/event"
)

// sessionRecord is a user's logon session. It begins with a sign-in and ends
// with signing out or a restart; what LSASS keeps for the user ends with it.
type sessionRecord struct {
	UPN    string    `json:"upn"`
	Since  time.Time `json:"since"` // of the last sign-in or unlock
	Locked bool      `json:"locked"`
}

// Lock locks the session of a user, an address: the caches stay.
func (w *Windows) Lock(ctx context.Context, env providers.Env, user, device string) error {
	return w.endOrLock(ctx, env, user, device, "session_locked", "Winlogon locks the session; LSASS keeps its caches.",
		func(s providers.Writer, sid string, rec sessionRecord) error {
			rec.Locked = true
			return put(s, tableSession, sid, rec)
		})
}

// SignOut ends the session of a user, an address: LSASS drops what it kept.
func (w *Windows) SignOut(ctx context.Context, env providers.Env, user, device string) error {
	return w.endOrLock(ctx, env, user, device, "session_ended", "Winlogon ends the session; LSASS drops the primary refresh token.",
		func(s providers.Writer, sid string, _ sessionRecord) error { return endSession(s, sid) })
}

func (w *Windows) endOrLock(ctx context.Context, env providers.Env, user, device, step, text string, change func(providers.Writer, string, sessionRecord) error) error {
	p, err := userOf(env, providers.Ref(user))
	if err != nil {
		return err
	}
	p.password.Wipe()
	err = env.Section.Record(ctx, func(s providers.Writer) error {
		rec, ok, err := load[sessionRecord](s, tableSession, p.sid)
		if err != nil {
			return err
		}
		if !ok {
			return because("not_signed_in", nil, "%s is not signed in on %s.", user, device)
		}
		return change(s, p.sid, rec)
	})
	if err == nil {
		env.Emit.Emit(event.Event{At: env.Now(), Actor: event.Winlogon, Peer: event.LSASS, Protocol: local, Step: step, Text: text, User: user, Device: device})
	}
	return err
}

// endSession drops what a user's session holds. What an interactive sign-in
// left with the Web Account Manager is not of the session.
func endSession(w providers.Writer, sid string) error {
	errs := []error{w.Delete(tableSession, sid), w.Delete(tableKerberos, sid), w.Delete(tableCloud, sid)}
	for _, credential := range []string{byHello, byPassword, byRefresh} {
		errs = append(errs, w.Delete(tablePRT, sid+"|"+credential), w.Delete(tableEnterprise, sid+"|"+credential))
	}
	return errors.Join(errs...)
}

// endSessions ends every session of a device.
func endSessions(w providers.Writer) error {
	var sids []string
	err := w.Scan(tableSession, "", func(sid string, _ []byte) error {
		sids = append(sids, sid)
		return nil
	})
	for _, sid := range sids {
		err = errors.Join(err, endSession(w, sid))
	}
	return err
}

// unlock is A1 at a locked session (seed 004: the token comes "at sign-in or
// unlock"): the gesture opens the container as at a sign-in, and the primary
// refresh token is renewed when it is of age. Without one that the tenant takes,
// the flow goes on as a sign-in does. A password cannot be checked on the
// device, so with one it always does.
func (s *signingIn) unlock(ctx context.Context) error {
	rec, ok, err := view[sessionRecord](s.env.Section, tableSession, s.user.sid)
	if err != nil {
		return err
	}
	if !ok || !rec.Locked {
		s.trace.in("A")
		return because("not_locked", nil, "%s has no locked session on %s.", s.user.addr, s.addr)
	}
	if s.inDomain() {
		return s.signInFlow(ctx)
	}
	if err := s.phaseA(ctx); err != nil {
		return err
	}
	if s.released != nil {
		if over, err := s.resume(ctx); err != nil || !over {
			return err
		}
	}
	return s.cloudSession(ctx)
}

// resume goes on with the token of the session. It reports whether there is
// none that the tenant takes.
func (s *signingIn) resume(ctx context.Context) (over bool, err error) {
	if over, err = s.sessionToken(ctx); err != nil || over {
		return over, err
	}
	s.trace.in("E")
	err = s.env.Section.Record(ctx, func(w providers.Writer) error {
		return put(w, tableSession, s.user.sid, sessionRecord{UPN: s.user.upn, Since: s.env.Now()})
	})
	if err != nil {
		return false, err
	}
	s.sessionUnlocked(message{"obtained": s.prt.Obtained, "expires": s.prt.Expires})
	return false, s.inOrder(ctx, s.certificates, s.reach)
}

// sessionUnlocked is Winlogon's part of an unlock.
func (s *signingIn) sessionUnlocked(m message) {
	s.trace.step(event.LSASS, event.Winlogon, local, "success_to_winlogon", "LSASS tells Winlogon of the success.", nil)
	s.trace.step(event.Winlogon, event.User, local, "session_unlocked", "Winlogon unlocks the session.", m)
}

// sessionToken takes the session's token, renewed when it is of age. It reports
// whether there is none that the tenant takes.
func (s *signingIn) sessionToken(ctx context.Context) (over bool, err error) {
	t := s.trace
	held, ok, err := view[prtRecord](s.env.Section, tablePRT, s.user.sid+"|"+byHello)
	if err != nil {
		return false, err
	}
	if !ok || held.Tenant != s.cloud.tenant.TenantID || !s.env.Now().Before(held.Expires) {
		t.skip(event.CloudAP, "session_token_over", "LSASS has no primary refresh token of the key that is good: Cloud AP signs the user in.", "no_prt")
		return true, nil
	}
	t.in("B")
	err = s.cloud.renewIfDue(ctx, &held)
	switch {
	case isOver(err):
		return true, nil
	case unreachable(err) && ctx.Err() == nil:
		t.skip(event.CloudAP, "prt_renewal_later", "Nobody is reached who would renew the token: the session goes on with it, and a later sign-in renews it.", reasonOf(err).Code)
	case err != nil:
		return false, err
	}
	s.prt = &held
	return false, nil
}
