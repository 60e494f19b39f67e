package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/planfile"
	"hellolab/state"
)

// Exit codes, of which a script may be sure.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2 // plan -detailed-exitcode: there are changes
	exitFormat  = 3 // fmt -check: something would change
)

// session is one run of the program: what main found around it and what the
// command line settled. Commands reach the outside through it alone.
type session struct {
	in       io.Reader
	out, err io.Writer
	env      []string
	now      func() time.Time
	rand     io.Reader
	pid      int
	user     string
	host     string

	hostsFile string // of the machine
	tty       terminal
	*systems  // once a command runs
	// failpoint, when set, is called at instants at which a crash must do no harm.
	failpoint func(name string)

	// relay, when set, sends the signals of this process to a program that it
	// runs instead of acting on them, until stop is called.
	relay func(to func(os.Signal)) (stop func())

	line   commandLine
	served *served  // the lab that runs in this process, for a command that another sent
	handed *secrets // what that other resolved

	dir     string // -chdir; "" is the current directory
	noColor bool
	log     *slog.Logger
	files   map[string]*hcl.File // sources seen, for diagnostics
	lines   *bufio.Reader        // of in, once a prompt was made
}

// terminal says which streams a person sits at.
type terminal struct {
	in, out, err bool
	width        int
	readSecret   func(context.Context) ([]byte, error) // one line, without echo
}

// getenv returns a variable of the environment, or "".
func (s *session) getenv(name string) string {
	for _, kv := range s.env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// path resolves a name the user gave against -chdir.
func (s *session) path(name string) string {
	if s.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, name)
}

// labDir is the folder of the lab's files.
func (s *session) labDir() string { return s.path(".") }

// style dresses text for a stream.
func (s *session) style(terminal bool) view.Style {
	st := view.Style{Color: terminal && !s.noColor && s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb"}
	if terminal {
		st.Width = s.tty.width
	}
	return st
}

func (s *session) outStyle() view.Style { return s.style(s.tty.out) }
func (s *session) errStyle() view.Style { return s.style(s.tty.err) }

func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// know remembers the sources that diagnostics may quote.
func (s *session) know(files map[string]*hcl.File) {
	if s.files == nil {
		s.files = make(map[string]*hcl.File)
	}
	for name, f := range files {
		s.files[name] = f
	}
}

// report writes what went wrong and returns the exit code for it.
func (s *session) report(err error) int {
	var (
		code  exitCode
		diags hcl.Diagnostics
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &diags):
		s.warn(diags)
	default:
		s.warn(asDiagnostics(err))
	}
	return exitError
}

// warn writes diagnostics to the error stream.
func (s *session) warn(diags hcl.Diagnostics) {
	view.Diagnostics(s.err, diags, s.files, s.errStyle())
}

// warnf writes a warning of one sentence.
func (s *session) warnf(format string, args ...any) {
	s.warn(asWarning(fmt.Sprintf(format, args...), ""))
}

func asWarning(summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: summary, Detail: detail}}
}

// asDiagnostics makes an error a diagnostic without a place.
func asDiagnostics(err error) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		return diags
	}
	summary, detail := explain(err)
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
}

// explain turns an error into a headline and what to do about it.
func explain(err error) (summary, detail string) {
	var (
		hint   *hintError
		stored *state.Error
		locked *state.LockedError
		saved  *planfile.Error
	)
	switch {
	case errors.As(err, &hint):
		return hint.summary, hint.hint
	case errors.As(err, &stored):
		return sentence(stored.Kind), stored.Error()
	case errors.As(err, &locked):
		return sentence(state.ErrLocked), locked.Error()
	case errors.As(err, &saved):
		return sentence(saved.Kind), saved.Error()
	case errors.Is(err, context.Canceled):
		return "Interrupted", "The run was stopped before it was done. What was recorded is kept."
	}
	return sentence(err), ""
}

// exitCode is an error that has been told already; only the code is left.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// hintError is a mistake of the user's with what to do about it.
type hintError struct {
	summary string // a sentence without its period
	hint    string // full sentences
}

func (e *hintError) Error() string { return e.summary }

func mistake(hint, format string, args ...any) error {
	return &hintError{summary: fmt.Sprintf(format, args...), hint: hint}
}

// sentence makes an internal error readable: it begins with a capital.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return "Unknown error"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// logger logs to the error stream at the level HELLOLAB_LOG names, or nowhere.
func (s *session) logger() (*slog.Logger, error) {
	name := s.getenv("HELLOLAB_LOG")
	if name == "" {
		return slog.New(slog.DiscardHandler), nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return nil, mistake("Use debug, info, warn or error.", "HELLOLAB_LOG names no level: %q", name)
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})), nil
}

// confirm asks a question that only "yes" answers. unasked is what to do where there
// is nobody to ask.
func (s *session) confirm(ctx context.Context, question, detail, unasked string) error {
	if !s.tty.in {
		return mistake("There is no terminal to ask on. "+unasked, "Approval is needed")
	}
	style := s.outStyle()
	s.printf("\n%s\n  %s\n  Only \"yes\" is accepted.\n\n  Enter a value: ", view.Bold(style, question), detail)
	answer, err := s.readLine(ctx)
	if err != nil {
		return err
	}
	s.printf("\n")
	if answer != "yes" {
		return mistake("Nothing was changed.", "Not approved")
	}
	return nil
}

// readLine reads a line of the input, until ctx ends.
func (s *session) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	if s.lines == nil {
		s.lines = bufio.NewReader(io.LimitReader(s.in, 1<<16))
	}
	got := make(chan line, 1)
	go func() {
		text, err := s.lines.ReadString('\n')
		if err == io.EOF && text != "" {
			err = nil
		}
		got <- line{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-got:
		if l.err == io.EOF {
			return "", mistake("The input ended before an answer came.", "Not approved")
		}
		return l.text, l.err
	}
}

// writeFile writes a file of the user's so that a full disk or a kill leaves
// the old one or the new one, whole. A symbolic link is replaced, not followed.
func writeFile(name string, perm os.FileMode, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(name, renameio.WithStaticPermissions(perm))
	if err != nil {
		return unwritten(name, err)
	}
	defer f.Cleanup()
	if err := write(f); err != nil {
		return unwritten(name, err)
	}
	return unwritten(name, f.CloseAtomicallyReplace())
}

// unwritten names the file that could not be written instead of the unfinished
// one beside it, whose name means nothing to anybody.
func unwritten(name string, err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("cannot write %s: %w", name, err)
}
