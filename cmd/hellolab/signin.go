package main

import (
	"context"
	"errors"
	"flag"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/windows"
)

// signinCommand signs in for real: tokens land in the device's caches, and a
// wrong PIN counts.
type signinCommand struct {
	stateFlags
	pin, password optional
	newPIN        optional
	newPassword   optional
	gesture       string
	phrase        string
	to            list
	restart       bool
	ccache        string
	session       sessionFlags
	json          bool
}

// optional is a flag that tells being empty from being absent.
type optional struct {
	value string
	set   bool
}

func (o *optional) String() string     { return "" }
func (o *optional) Set(v string) error { o.value, o.set = v, true; return nil }

func (c *signinCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.Var(&c.pin, "pin", "the PIN, "+secretForms+" (asked for when nothing is given); with -password, for where Windows asks for it behind that: a sign-in certificate that is to be requested")
	fs.Var(&c.password, "password", "the password instead of Hello, in the same forms; -password= asks for it")
	fs.Var(&c.newPIN, "new-pin", "the new PIN where Windows asks for one, because of its age or because policy changed; in the same forms")
	fs.Var(&c.newPassword, "new-password", "the new password where the domain asks for one, in the same forms")
	fs.StringVar(&c.gesture, "gesture", "", "a biometric `GESTURE` instead of the PIN: face or fingerprint")
	fs.StringVar(&c.phrase, "phrase", "", "the challenge `PHRASE` that Windows asks for after four wrong PINs: A1B2C3")
	fs.Var(&c.to, "to", "sign in to `ADDRESS` besides; may be repeated")
	fs.BoolVar(&c.restart, "restart", false, "restart the device first, as Windows demands after five wrong PINs")
	fs.StringVar(&c.ccache, "ccache", "", "write the user's Kerberos tickets to a new `FILE` afterwards, for KRB5CCNAME")
	c.session.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *signinCommand) run(ctx context.Context, s *session, args []string) (err error) {
	attempt := windows.Request{Gesture: c.gesture, Phrase: c.phrase, Unlock: c.session.unlock, To: c.to}
	switch len(args) {
	case 1: // whoever unlocks a personal device, who is no user of the lab
		attempt.Device = args[0]
	case 2:
		attempt.User, attempt.Device = args[0], args[1]
	default:
		return mistake("Usage: hellolab signin [USER] DEVICE, such as hellolab signin user.alice device.laptop", "A user and a device are needed")
	}
	if err := c.session.check(c); err != nil {
		return err
	}
	if err := c.newCache(s, attempt.User); err != nil {
		return err
	}
	if c.session.lock || c.session.out {
		return c.leave(ctx, s, attempt.User, attempt.Device)
	}
	if c.password.set && c.gesture != "" {
		return mistake("Give one of -pin, -password and -gesture; -pin and -gesture where policy demands two factors, -password and -pin where Windows asks for the PIN behind the password.", "Too many ways to sign in")
	}
	if err := c.secrets(ctx, s, &attempt); err != nil {
		return err
	}
	defer attempt.PIN.Wipe()
	defer attempt.NewPIN.Wipe()
	defer attempt.Password.Wipe()
	defer attempt.NewPassword.Wipe()

	return s.act(ctx, &c.stateFlags, "signin", func(l *lab.Lab) error {
		verdict, err := s.attempt(ctx, l, attempt, c.restart)
		if err != nil {
			return err
		}
		if c.json {
			err = view.WriteIndentedJSON(s.out, view.ToVerdictJSON(&verdict))
		} else {
			err = view.Verdict(s.out, attempt.User, attempt.Device, &verdict, s.outStyle())
		}
		if err != nil {
			return err
		}
		if verdict.Code != check.Success {
			return exitCode(exitError)
		}
		if c.ccache != "" {
			return c.writeCache(s, l, attempt.User, attempt.Device)
		}
		return nil
	})
}

// secrets resolves what the user gives, before the state is held.
func (c *signinCommand) secrets(ctx context.Context, s *session, attempt *windows.Request) (err error) {
	switch {
	case c.newPIN.set && (c.password.set || c.gesture != ""):
		return mistake("Leave it out, or sign in with the PIN.", "-new-pin goes with -pin")
	case c.newPassword.set && !c.password.set:
		return mistake("Leave it out, or sign in with -password.", "-new-password goes with -password")
	case c.gesture != "" && !c.pin.set:
		return nil
	case c.password.set:
		if attempt.Password, err = s.secret(ctx, "Password", c.password.value); err == nil && c.newPassword.set {
			attempt.NewPassword, err = s.newSecret(ctx, "New password", c.newPassword.value)
		}
		if err == nil && c.pin.set {
			attempt.PIN, err = s.secret(ctx, "PIN", c.pin.value)
		}
	default:
		if attempt.PIN, err = s.secret(ctx, "PIN", c.pin.value); err == nil && c.newPIN.set {
			attempt.NewPIN, err = s.newSecret(ctx, "New PIN", c.newPIN.value)
		}
	}
	return err
}

// attempt finds the device in the lab, restarts it if asked, and signs in there.
func (s *session) attempt(ctx context.Context, l *lab.Lab, a windows.Request, restart bool) (check.Verdict, error) {
	env, err := s.deviceEnv(l, a.User, a.Device)
	if err != nil {
		return check.Verdict{}, err
	}
	for _, to := range a.To {
		if _, err := l.Objects().Lookup(to); errors.Is(err, providers.ErrUnknownObject) {
			kind, _, _ := strings.Cut(to, ".")
			return check.Verdict{}, s.noObject(l, to, kind)
		}
	}
	if restart {
		if err := s.windows.Restart(ctx, env, a.Device); err != nil {
			return check.Verdict{}, err
		}
	}
	return s.request(ctx, env, a)
}

// deviceEnv is the Env of a device, for what a user does at it.
func (s *session) deviceEnv(l *lab.Lab, user, device string) (providers.Env, error) {
	for _, want := range []struct{ addr, kind string }{{user, "user"}, {device, "device"}} {
		if want.addr == "" { // whoever unlocks a personal device
			continue
		}
		if err := s.isA(l, want.addr, want.kind); err != nil {
			return providers.Env{}, err
		}
	}
	rec, err := l.Objects().Lookup(device)
	if err != nil {
		return providers.Env{}, err
	}
	return l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In), nil
}

// noObject says that the lab has no such object, and which it has.
func (s *session) noObject(l *lab.Lab, name, kind string) error {
	recs, err := l.Objects().List(kind)
	if err != nil {
		return err
	}
	names := make([]string, len(recs))
	for i, r := range recs {
		names[i] = r.Addr
	}
	return mistake(didYouMean(name, names, "`hellolab state list "+kind+"` lists those it has."), "The lab has no %s %s", kind, name)
}
