package main

import (
	"context"
	"flag"
	"strconv"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/phone"
	"hellolab/providers/wire/sas"
)

// mfaListCommand lists the sign-ins that wait on users' phones. Like every
// command that only looks, it works while another holds the state.
type mfaListCommand struct {
	stateFlags
	json bool
}

func (c *mfaListCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *mfaListCommand) run(ctx context.Context, s *session, args []string) error {
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		users := args
		if len(users) == 0 {
			var err error
			if users, err = withPhones(l); err != nil {
				return err
			}
		}
		waiting := []view.Waiting{}
		for _, user := range users {
			app, err := s.phoneOf(l, user)
			if err != nil {
				return err
			}
			found, err := app.Notifications(ctx)
			app.Close()
			if err != nil {
				return err
			}
			for _, n := range found {
				waiting = append(waiting, view.Waiting{User: user, Notification: n})
			}
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, waiting)
		}
		if len(waiting) == 0 {
			s.printf("No sign-in waits for an approval.\n")
			return nil
		}
		return view.Phones(s.out, waiting, l.Now())
	})
}

// withPhones are the users who take notifications.
func withPhones(l *lab.Lab) ([]string, error) {
	recs, err := l.Objects().List("user")
	if err != nil {
		return nil, err
	}
	var users []string
	for _, rec := range recs {
		out, err := providers.Decode[spec.UserOut](rec.Out)
		if err != nil {
			return nil, err
		}
		if out.PhoneSecret != "" {
			users = append(users, rec.Addr)
		}
	}
	return users, nil
}

// mfaAnswerCommand approves or denies a sign-in, as the user's phone.
type mfaAnswerCommand struct {
	stateFlags
	deny bool
	id   string
}

func (c *mfaAnswerCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.id, "id", "", "the sign-in of this `ID`, where several wait")
}

func (c *mfaAnswerCommand) run(ctx context.Context, s *session, args []string) (err error) {
	operation, number := "mfa approve", 0
	if c.deny {
		operation = "mfa deny"
		if len(args) != 1 {
			return mistake("Usage: hellolab mfa deny USER, such as hellolab mfa deny user.alice", "A user is needed")
		}
	} else {
		if len(args) != 2 {
			return mistake("Usage: hellolab mfa approve USER NUMBER, such as hellolab mfa approve user.alice 42", "A user and the number of the sign-in page are needed")
		}
		if number, err = strconv.Atoi(args[1]); err != nil || number < phone.MinNumber || number > phone.MaxNumber {
			return mistake("It is the number that the sign-in page shows.", "%s is not a number of two digits", view.Quote(args[1]))
		}
	}
	return s.act(ctx, &c.stateFlags, operation, func(l *lab.Lab) (err error) {
		app, err := s.phoneOf(l, args[0])
		if err != nil {
			return err
		}
		defer closing(app, &err)
		id := c.id
		if id == "" {
			if id, err = theOnly(ctx, app, args[0]); err != nil {
				return err
			}
		}
		var outcome string
		if c.deny {
			outcome, err = app.Deny(ctx, id)
		} else {
			outcome, err = app.Approve(ctx, id, number)
		}
		if err != nil {
			return err
		}
		return s.tellOutcome(args[0], outcome)
	})
}

// theOnly is the sign-in that waits, where it is one.
func theOnly(ctx context.Context, app *phone.Phone, user string) (string, error) {
	waiting, err := app.Notifications(ctx)
	switch {
	case err != nil:
		return "", err
	case len(waiting) == 0:
		return "", mistake("A sign-in waits for a minute. Begin it on the tenant's page, then answer with the number it shows.", "No sign-in waits on the phone of %s", user)
	case len(waiting) > 1:
		return "", mistake("`hellolab mfa list "+user+"` lists them; name one with -id.", "%d sign-ins wait on the phone of %s", len(waiting), user)
	}
	return waiting[0].ID, nil
}

// tellOutcome prints what came of an answer; an error when it was not the one
// that was meant.
func (s *session) tellOutcome(user, outcome string) error {
	switch outcome {
	case phone.Approved:
		s.printf("Approved: the sign-in of %s goes on.\n", user)
		return nil
	case phone.Denied:
		s.printf("Denied: the sign-in of %s ends.\n", user)
		return nil
	case phone.WrongNumber:
		return mistake("The sign-in ends with it. Begin it again, and give the number that its page shows.", "That is not the number of the sign-in page")
	case phone.Locked:
		return mistake("Wait a minute, or sign in with the code (hellolab mfa code "+user+").", "Notifications of %s are locked after too many denials and wrong numbers", user)
	}
	return mistake("It expired, was answered, or newer ones took its place. `hellolab mfa list "+user+"` lists those that wait.", "The sign-in does not wait any more")
}

// mfaCodeCommand prints the code that an authenticator app shows now.
type mfaCodeCommand struct{ stateFlags }

func (c *mfaCodeCommand) flags(fs *flag.FlagSet) { c.stateFlags.flags(fs) }

func (c *mfaCodeCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab mfa code USER, such as hellolab mfa code user.alice", "A user is needed")
	}
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		u, _, err := s.userIn(l, args[0])
		if err != nil {
			return err
		}
		if u.Out.TOTPSecret == "" {
			return mistake("Set mfa to \"totp\" or \"push\" on the user, and apply.", "%s has no authenticator app", args[0])
		}
		secret, err := sas.ParseTOTPSecret(u.Out.TOTPSecret)
		if err != nil {
			return err
		}
		defer clear(secret)
		s.printf("%s\n", sas.TOTP(secret, l.Now()))
		return nil
	})
}

// userIn finds a user of the lab, and the Env that acts for them.
func (s *session) userIn(l *lab.Lab, addr string) (providers.Object[spec.User, spec.UserOut], providers.Env, error) {
	var none providers.Object[spec.User, spec.UserOut]
	if err := s.isA(l, addr, "user"); err != nil {
		return none, providers.Env{}, err
	}
	rec, err := l.Objects().Lookup(addr)
	if err != nil {
		return none, providers.Env{}, err
	}
	env := l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In)
	u, err := providers.Resolve[spec.User, spec.UserOut](env, providers.Ref(addr))
	return u, env, err
}

// phoneOf picks up a user's phone.
func (s *session) phoneOf(l *lab.Lab, addr string) (*phone.Phone, error) {
	u, env, err := s.userIn(l, addr)
	if err != nil {
		return nil, err
	}
	if u.Out.PhoneSecret == "" {
		return nil, mistake("Set mfa to \"push\" on the user, and apply.", "%s has no phone that takes notifications", addr)
	}
	t, err := providers.Resolve[spec.Tenant, spec.TenantOut](env, u.In.Tenant)
	if err != nil {
		return nil, err
	}
	return phone.New(env, t.Out.LoginHost, t.Out.TenantID, u.Out.ObjectID, u.Out.PhoneSecret)
}
