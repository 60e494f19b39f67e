package windows

import (
	"context"
	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/wire/ntlm"
)

// PasswordChange is a user's change of their own password in the domain.
type PasswordChange struct {
	User     string // address
	Device   string // address
	Old, New providers.Secret
}

// flowPassword is what traces call a change of a password: the documents draw
// no flow of it.
const flowPassword hello.Flow = "password"

// ChangePassword is "Change a password" behind Ctrl+Alt+Del (seed 004): the
// device asks a domain controller, by the old password, which may have expired
// (RFC 3244). env is that of the device. An error means that the attempt could
// not be made, not that it was refused.
func (w *Windows) ChangePassword(ctx context.Context, env providers.Env, c PasswordChange) (Verdict, error) {
	defer c.Old.Wipe()
	defer c.New.Wipe()
	p, err := w.atDevice(env, c.User, c.Device)
	if err != nil {
		return Verdict{}, err
	}
	t, ctx, err := newTrace(ctx, env, flowPassword, c.User, c.Device)
	if err != nil {
		return Verdict{}, err
	}
	t.step(event.User, event.Winlogon, local, "secure_attention", "The user presses Ctrl+Alt+Del and asks to change the password.", message{"user": p.user.upn})
	err = p.changePassword(ctx, t, p.user, c.Old, c.New)
	return verdictOf(ctx, t, t.verdict(), err, func(err error) {
		t.refused(event.Winlogon, event.User, local, "password_not_changed", "Winlogon shows that the password stays what it was.", err)
	})
}

// changePassword asks the domain, and has LSASS keep what it keeps of a
// password by the new one.
func (m *machine) changePassword(ctx context.Context, t *trace, user person, old, password providers.Secret) error {
	switch {
	case user.upnOnPrem == "":
		return because("not_domain_account", nil, "%s has no account in a domain.", user.addr)
	case m.personal(), m.inDomain() && m.in.Domain != user.domain:
		return because("domain_not_reached", nil, "%s is no computer of %s, where the password of %s is.", m.addr, user.domain, user.addr)
	}
	provider, d, err := m.kerberosOf(user.domain, kerberosLane(t, nil))
	if err != nil {
		return err
	}
	err = provider.ChangePassword(ctx, user.onPremName(), string(old), string(password))
	if outOfSight(err) {
		return refuse("password_change_needs_domain", err)
	}
	if err != nil {
		return err
	}
	if m.inDomain() {
		if err := m.cacheLogon(ctx, user, shown{password: password}, d.In); err != nil {
			return err
		}
	}
	session, err := m.kerberosSession(user)
	if err != nil || session == nil || session.NTHash == nil {
		return err
	}
	if session.NTHash, err = ntlm.NTHash(string(password)); err != nil {
		return err
	}
	return m.keepKerberos(ctx, user, session)
}
