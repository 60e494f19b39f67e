package windows

import (
	"context"
	"fmt"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
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
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, providers.Ref(c.Device))
	if err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", c.Device, err)
	}
	d.In.UnlockPIN.Wipe()
	user, err := userOf(env, providers.Ref(c.User))
	if err != nil {
		return Verdict{}, err
	}
	user.password.Wipe()
	m, err := w.machine(env, c.Device, d.In)
	if err != nil {
		return Verdict{}, err
	}
	t, ctx, err := newTrace(ctx, env, flowPassword, c.User, c.Device)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Code: hello.Success, Flow: string(flowPassword), ID: t.id}
	t.step(event.User, event.Winlogon, local, "secure_attention", "The user presses Ctrl+Alt+Del and asks to change the password.", message{"user": user.upn})
	if err = m.changePassword(ctx, t, user, c); err == nil {
		return v, nil
	}
	t.refused(event.Winlogon, event.User, local, "password_not_changed", "Winlogon shows that the password stays what it was.", err)
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	reason := reasonOf(err)
	if reason.Code == codeInternal {
		return v, err
	}
	shown := reason.Event()
	v.Code, v.Reason = reason.Code, &shown
	return v, nil
}

// changePassword asks the domain, and has LSASS keep what it keeps of a
// password by the new one.
func (m *machine) changePassword(ctx context.Context, t *trace, user person, c PasswordChange) error {
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
	err = provider.ChangePassword(ctx, user.onPremName(), string(c.Old), string(c.New))
	if outOfSight(err) {
		return refuse("password_change_needs_domain", err)
	}
	if err != nil {
		return err
	}
	if m.inDomain() {
		if err := m.cacheLogon(ctx, user, shown{password: c.New}, d.In); err != nil {
			return err
		}
	}
	session, err := m.kerberosSession(user)
	if err != nil || session == nil || session.NTHash == nil {
		return err
	}
	if session.NTHash, err = ntlm.NTHash(string(c.New)); err != nil {
		return err
	}
	return m.keepKerberos(ctx, user, session)
}
