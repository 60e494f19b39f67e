package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
)

// newCache settles the file that the tickets are to be in, where the command line
// was given: whichever process signs in writes there. One that is there stays.
func (c *signinCommand) newCache(s *session, user string) error {
	switch {
	case c.ccache == "" || s.served != nil:
		return nil
	case user == "":
		return mistake("Name the user, too.", "Whoever unlocks a personal device gets no tickets")
	case c.session.lock || c.session.out:
		return mistake("Leave -ccache out.", "Locking and signing out bring no tickets")
	}
	name, err := filepath.Abs(s.path(c.ccache))
	if err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil {
		return cacheExists(name)
	}
	c.ccache = name
	return s.line.flags.Set("ccache", name) // also where another process does it
}

func cacheExists(name string) error {
	return mistake("Remove it, or name another file.", "%s is there already", view.Quote(name))
}

// writeCache writes the tickets that the user's session has now.
func (c *signinCommand) writeCache(s *session, l *lab.Lab, user, device string) error {
	env, err := s.deviceEnv(l, user, device)
	if err != nil {
		return err
	}
	cache, err := s.windows.Tickets(env, user, device)
	if err != nil {
		return err
	}
	if cache == nil {
		return mistake("Add -to with a domain, such as -to=domain.corp, or a service of one.", "The sign-in brought no ticket of a domain, and %s is not written", view.Quote(c.ccache))
	}
	f, err := os.OpenFile(c.ccache, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cacheExists(c.ccache)
	}
	if err != nil {
		return unwritten(c.ccache, err)
	}
	_, err = f.Write(cache.Encode())
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(unwritten(c.ccache, err), os.Remove(c.ccache)) // half a cache is none
	}
	return err
}
