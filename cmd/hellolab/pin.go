package main

import (
	"bytes"
	"context"
	"flag"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/check"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/windows"
)

// userAct is what commands of a user at a device have in common: the state, and
// how the end is told.
type userAct struct {
	rehearsal
	json bool
}

func (c *userAct) flags(fs *flag.FlagSet) {
	c.rehearsal.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

// doing is what a user does at a device: it uses up secrets, and so is made anew
// for each time.
type doing func(providers.Env) (windows.Verdict, error)

// deed is something that a user does at a device.
type deed struct {
	operation string
	done      string // how a good end is called
	user      string
	at        func(*lab.Lab) (device string, err error)
	do        func() doing
}

// act shows what a deed does to sign-ins, has the user do it, and tells how it
// ended.
func (c *userAct) act(ctx context.Context, s *session, d deed) error {
	in := func(l *lab.Lab) (device string, v windows.Verdict, err error) {
		if device, err = d.at(l); err != nil {
			return device, v, err
		}
		env, err := s.deviceEnv(l, d.user, device)
		if err != nil {
			return device, v, err
		}
		v, err = d.do()(env)
		return device, v, err
	}
	if !c.json {
		err := c.show(ctx, s, func(l *lab.Lab) (bool, error) {
			_, v, err := in(l)
			return v.Code == check.Success, err
		})
		if err != nil {
			return err
		}
	}
	return s.act(ctx, &c.stateFlags, d.operation, func(l *lab.Lab) error {
		device, v, err := in(l)
		if err != nil {
			return err
		}
		return c.tell(s, d.done, d.user, device, verdict(v))
	})
}

// at is a device that the command line names.
func at(device string) func(*lab.Lab) (string, error) {
	return func(*lab.Lab) (string, error) { return device, nil }
}

func (c *userAct) tell(s *session, done, user, device string, v check.Verdict) error {
	write := func() error { return view.Ended(s.out, done, user, device, &v, s.outStyle()) }
	if c.json {
		write = func() error { return view.WriteIndentedJSON(s.out, view.ToVerdictJSON(&v)) }
	}
	if err := write(); err != nil {
		return err
	}
	if v.Code != check.Success {
		return exitCode(exitError)
	}
	return nil
}

// pinChangeCommand changes a PIN by the old one.
type pinChangeCommand struct {
	userAct
	pin, next optional
	phrase    string
}

func (c *pinChangeCommand) flags(fs *flag.FlagSet) {
	c.userAct.flags(fs)
	fs.Var(&c.pin, "pin", "the PIN that is to be changed, "+secretForms+" (asked for when nothing is given)")
	fs.Var(&c.next, "new-pin", "the new PIN, in the same forms")
	fs.StringVar(&c.phrase, "phrase", "", "the challenge `PHRASE` that Windows asks for after four wrong PINs: A1B2C3")
}

func (c *pinChangeCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if len(args) != 2 {
		return mistake("Usage: hellolab pin change USER DEVICE, such as hellolab pin change user.alice device.laptop", "A user and a device are needed")
	}
	change := windows.PINChange{User: args[0], Device: args[1], Phrase: c.phrase}
	if change.Old, err = s.secret(ctx, "PIN", c.pin.value); err != nil {
		return err
	}
	defer change.Old.Wipe()
	if change.New, err = s.newSecret(ctx, "New PIN", c.next.value); err != nil {
		return err
	}
	defer change.New.Wipe()
	return c.act(ctx, s, deed{"pin change", "PIN changed", change.User, at(change.Device), func() doing {
		once := change
		once.Old, once.New = bytes.Clone(change.Old), bytes.Clone(change.New)
		return func(env providers.Env) (windows.Verdict, error) { return s.windows.ChangePIN(ctx, env, once) }
	}})
}

// pinResetCommand gives a user who forgot the PIN another.
type pinResetCommand struct {
	userAct
	next, password optional
	destructive    bool
}

func (c *pinResetCommand) flags(fs *flag.FlagSet) {
	c.userAct.flags(fs)
	fs.Var(&c.next, "new-pin", "the new PIN, "+secretForms+" (asked for when nothing is given)")
	fs.Var(&c.password, "password", "the password, in the same forms, where the user has no unlocked session on the device; -password= asks for it")
	fs.BoolVar(&c.destructive, "destructive", false, "make container and key anew although the PIN reset service could keep them")
}

func (c *pinResetCommand) run(ctx context.Context, s *session, args []string) (err error) {
	if len(args) != 2 {
		return mistake("Usage: hellolab pin reset USER DEVICE, such as hellolab pin reset user.alice device.laptop", "A user and a device are needed")
	}
	reset := windows.PINReset{User: args[0], Device: args[1], Destructive: c.destructive}
	if c.password.set {
		if reset.Password, err = s.secret(ctx, "Password", c.password.value); err != nil {
			return err
		}
		defer reset.Password.Wipe()
	}
	if reset.New, err = s.newSecret(ctx, "New PIN", c.next.value); err != nil {
		return err
	}
	defer reset.New.Wipe()
	return c.act(ctx, s, deed{"pin reset", "PIN reset", reset.User, at(reset.Device), func() doing {
		once := reset
		once.New, once.Password = bytes.Clone(reset.New), bytes.Clone(reset.Password)
		return func(env providers.Env) (windows.Verdict, error) { return s.windows.ResetPIN(ctx, env, once) }
	}})
}
