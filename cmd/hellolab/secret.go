package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/providers"
)

// maxSecret bounds a secret read from a file.
const maxSecret = 4096

// secretForms documents how a flag may give a secret.
const secretForms = "as `FORM`: env:NAME, file:PATH, - for standard input, or the value itself, which other users of the machine may see"

// secret returns the secret that a flag names. An empty form asks on the
// terminal, without echo. Where another process sent the command, it has
// resolved the form.
func (s *session) secret(ctx context.Context, what, form string) (providers.Secret, error) {
	if s.handed != nil {
		return s.handed.next(what)
	}
	value, err := s.resolve(ctx, what, form)
	if err == nil {
		s.line.keep(form, value)
	}
	return value, err
}

// newSecret is secret of one that is chosen now: on the terminal it is asked for
// twice, for nobody sees what they type.
func (s *session) newSecret(ctx context.Context, what, form string) (providers.Secret, error) {
	value, err := s.secret(ctx, what, form)
	if err != nil || form != "" || s.handed != nil {
		return value, err
	}
	again, err := s.resolve(ctx, what+" again", "")
	defer again.Wipe()
	if err == nil && !bytes.Equal(value, again) {
		err = mistake("Nothing was changed.", "The two are not the same")
	}
	if err != nil {
		value.Wipe()
		return nil, err
	}
	return value, nil
}

func (s *session) resolve(ctx context.Context, what, form string) (providers.Secret, error) {
	var value []byte
	name, isEnv := strings.CutPrefix(form, "env:")
	file, isFile := strings.CutPrefix(form, "file:")
	switch {
	case form == "" && s.tty.in:
		fmt.Fprintf(s.err, "%s: ", what)
		var err error
		value, err = s.tty.readSecret(ctx)
		fmt.Fprintln(s.err)
		if err != nil {
			return nil, err
		}
	case form == "":
		return nil, mistake("There is no terminal to ask on.", "%s is missing", what)
	case isEnv:
		value = []byte(s.getenv(name))
		if len(value) == 0 {
			return nil, mistake("", "%s: the environment has no variable %s", what, view.Escape(name))
		}
	case isFile:
		f, err := os.Open(s.path(file))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if value, err = io.ReadAll(io.LimitReader(f, maxSecret)); err != nil {
			return nil, err
		}
		value = bytes.TrimRight(value, "\r\n")
	case form == "-":
		line, err := s.readLine(ctx)
		if err != nil {
			return nil, err
		}
		value = []byte(line)
	default:
		value = []byte(form)
	}
	if len(value) == 0 {
		return nil, mistake("", "%s is empty", what)
	}
	return providers.Secret(value), nil
}
