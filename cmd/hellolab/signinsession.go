package main

import (
	"context"
	"errors"
	"flag"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers/windows"
)

// sessionFlags are what signin does with the session of a user who is signed in
// already.
type sessionFlags struct {
	lock, unlock, out bool
}

func (f *sessionFlags) flags(fs *flag.FlagSet) {
	fs.BoolVar(&f.lock, "lock", false, "lock the user's session instead: the device keeps its tokens")
	fs.BoolVar(&f.unlock, "unlock", false, "unlock the user's session: the gesture as at a sign-in; the primary refresh token is renewed when it is of age")
	fs.BoolVar(&f.out, "out", false, "sign the user out instead: the device drops the session's tokens")
}

// check demands that the flags go together.
func (f *sessionFlags) check(c *signinCommand) error {
	set := 0
	for _, on := range []bool{f.lock, f.unlock, f.out} {
		if on {
			set++
		}
	}
	switch {
	case set > 1:
		return mistake("Give one of -lock, -unlock and -out.", "A session is locked, unlocked or ended")
	case (f.lock || f.out) && (c.pin.set || c.password.set || c.newPIN.set || c.newPassword.set || c.gesture != "" || c.phrase != "" || len(c.to) > 0 || c.restart):
		return mistake("Leave the flags of a sign-in out.", "Locking and signing out take no credential")
	case f.unlock && c.restart:
		return mistake("Sign in after a restart.", "A restart ends the session that is to be unlocked")
	}
	return nil
}

// left is what became of a session, as JSON.
type left struct {
	User    string `json:"user"`
	Device  string `json:"device"`
	Session string `json:"session"` // "locked", "ended"
}

// leave locks the session, or ends it.
func (c *signinCommand) leave(ctx context.Context, s *session, user, device string) error {
	do, became, said := s.windows.Lock, "locked", "Locked"
	if c.session.out {
		do, became, said = s.windows.SignOut, "ended", "Signed out"
	}
	return s.act(ctx, &c.stateFlags, "signin", func(l *lab.Lab) error {
		env, err := s.deviceEnv(l, user, device)
		if err != nil {
			return err
		}
		if err := do(ctx, env, user, device); err != nil {
			var refusal *windows.Refusal
			if errors.As(err, &refusal) {
				return mistake(refusal.Reason.Hint, "%s", strings.TrimSuffix(refusal.Reason.Sentence, "."))
			}
			return err
		}
		if c.json {
			return view.WriteIndentedJSON(s.out, left{user, device, became})
		}
		s.printf("%s: %s on %s\n", said, user, device)
		return nil
	})
}
