package main

import (
	"context"
	"flag"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/windows"
)

// statusCommand prints what a device believes of itself, in dsregcmd's lines.
// It reads a view of the state, so it works while an apply runs.
type statusCommand struct {
	stateFlags
	user         string
	certificates bool
	files        bool
	json         bool
}

func (c *statusCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.StringVar(&c.user, "user", "", "show the state of the user `ADDRESS`; without it, of whoever got a token last")
	fs.BoolVar(&c.certificates, "certificates", false, "list the user's Personal store instead, in certutil's lines")
	fs.BoolVar(&c.files, "files", false, "list the device's files instead: the databases of its sensors")
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *statusCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab status DEVICE, such as hellolab status device.laptop", "A device is needed")
	}
	if c.files && (c.certificates || c.user != "") {
		return mistake("-files lists what is on the device, of all who use it.", "-files goes with neither -certificates nor -user")
	}
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		if err := s.isA(l, args[0], "device"); err != nil {
			return err
		}
		if c.user != "" {
			if err := s.isA(l, c.user, "user"); err != nil {
				return err
			}
		}
		rec, err := l.Objects().Lookup(args[0])
		if err != nil {
			return err
		}
		if c.files {
			return c.listFiles(s, l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In))
		}
		status, err := s.windows.Status(l.Env(rec.Addr, s.registry.Type(rec.Kind), rec.In), rec.Addr, c.user)
		if err != nil {
			return err
		}
		switch {
		case c.json && c.certificates:
			return view.WriteIndentedJSON(s.out, status.Certificates)
		case c.json:
			return view.WriteIndentedJSON(s.out, status)
		}
		text := status.Text()
		if c.certificates {
			text = status.CertificatesText()
		}
		s.printf("%s", text)
		return nil
	})
}

func (c *statusCommand) listFiles(s *session, env providers.Env) error {
	files, err := s.windows.Files(env)
	if err != nil {
		return err
	}
	if c.json {
		if files == nil {
			files = []windows.File{}
		}
		return view.WriteIndentedJSON(s.out, files)
	}
	s.printf("%s", windows.FilesText(files))
	return nil
}

// isA demands that the lab has an object of a kind.
func (s *session) isA(l *lab.Lab, addr, kind string) error {
	rec, err := l.Objects().Lookup(addr)
	if err != nil {
		return s.noObject(l, addr, kind)
	}
	if rec.Kind != kind {
		return mistake("`hellolab state list "+kind+"` lists what can be named.", "%s is not a %s", addr, kind)
	}
	return nil
}
