package main

import (
	"bytes"
	"context"
	"flag"
	"strings"

	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/windows"
)

// passwordChangeCommand is Ctrl+Alt+Del, "Change a password".
type passwordChangeCommand struct {
	userAct
	device         string
	password, next optional
}

func (c *passwordChangeCommand) flags(fs *flag.FlagSet) {
	c.userAct.flags(fs)
	fs.StringVar(&c.device, "device", "", "at the device of this `ADDRESS`; may be left out where the domain has one computer, or the user is enrolled on one of them")
	fs.Var(&c.password, "password", "the password that is to be changed, "+secretForms+" (asked for when nothing is given)")
	fs.Var(&c.next, "new-password", "the new password, in the same forms")
}

func (c *passwordChangeCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if len(args) != 1 {
		return mistake("Usage: hellolab password change USER, such as hellolab password change user.alice", "A user is needed")
	}
	change := windows.PasswordChange{User: args[0]}
	if change.Old, err = s.secret(ctx, "Password", c.password.value); err != nil {
		return err
	}
	defer change.Old.Wipe()
	if change.New, err = s.newSecret(ctx, "New password", c.next.value); err != nil {
		return err
	}
	defer change.New.Wipe()
	return c.act(ctx, s, deed{"password change", "Password changed", change.User, func(l *lab.Lab) (device string, err error) {
		change.Device, err = s.deskOf(l, change.User, c.device)
		return change.Device, err
	}, func() doing {
		once := change
		once.Old, once.New = bytes.Clone(change.Old), bytes.Clone(change.New)
		return func(env providers.Env) (windows.Verdict, error) { return s.windows.ChangePassword(ctx, env, once) }
	}})
}

// deskOf is the device at which a user changes the password: the one that is
// named, else the one computer of the user's domain, or the only one of several
// that they are enrolled on.
func (s *session) deskOf(l *lab.Lab, user, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	u, env, err := s.userIn(l, user)
	if err != nil {
		return "", err
	}
	u.In.Password.Wipe()
	if u.In.Domain == "" {
		return "", mistake("Name a device with -device to see what Windows says, or raise password_version to change it in the tenant.", "%s has no account in a domain, and devices change the passwords of domains only", user)
	}
	devices, err := providers.ResolveAll[spec.Device, spec.DeviceOut](env, "device")
	if err != nil {
		return "", err
	}
	enrollments, err := providers.ResolveAll[spec.Enrollment, spec.EnrollmentOut](env, "enrollment")
	if err != nil {
		return "", err
	}
	enrolled := map[string]bool{}
	for _, e := range enrollments {
		e.In.PIN.Wipe()
		enrolled[string(e.In.Device)] = enrolled[string(e.In.Device)] || string(e.In.User) == user
	}
	var all, own []string
	for _, d := range devices {
		d.In.UnlockPIN.Wipe()
		if d.In.Domain != u.In.Domain {
			continue
		}
		all = append(all, d.Addr)
		if enrolled[d.Addr] {
			own = append(own, d.Addr)
		}
	}
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(own) == 1:
		return own[0], nil
	case len(all) == 0:
		return "", mistake("Name one from which a controller is in sight with -device.", "%s has no computer in the lab", u.In.Domain)
	}
	return "", mistake("It has "+strings.Join(all, ", ")+".", "Name the device with -device: %s has %d computers", u.In.Domain, len(all))
}
