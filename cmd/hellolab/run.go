package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/state"
)

// Exit codes of run that are not the command's own, as shells have them.
const (
	exitNotRun    = 126 // found, and cannot be run
	exitNotFound  = 127
	exitSignalled = 128 // plus the signal's number
)

// runCommand serves the lab while one command runs that is led to it.
type runCommand struct{ serveFlags }

func (c *runCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) == 0 {
		return mistake("Usage: hellolab run -- COMMAND [ARGUMENTS...], such as hellolab run -- curl -s $HELLOLAB_TENANT_CONTOSO_AUTHORITY/v2.0/.well-known/openid-configuration", "A command is needed")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		code := exitNotRun
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			code = exitNotFound
		}
		s.warn(asDiagnostics(cannotRun(args[0], err)))
		return exitCode(code)
	}
	return s.serve(ctx, &c.serveFlags, "run", func(v *served) error {
		return s.child(ctx, path, args, v.vars)
	})
}

// cannotRun leaves out of an error what says again which command it is about.
func cannotRun(name string, err error) error {
	var found *exec.Error
	var path *os.PathError
	switch {
	case errors.As(err, &found):
		err = found.Err
	case errors.As(err, &path):
		err = path.Err
	}
	return mistake("", "Cannot run %s: %v", view.Quote(name), err)
}

// child runs a program with variables set besides the environment's, passes
// signals on to it, and ends with its exit code.
func (s *session) child(ctx context.Context, path string, args []string, vars []variable) error {
	cmd := &exec.Cmd{Path: path, Args: args, Env: withVariables(s.env, vars), Stdin: s.in, Stdout: s.out, Stderr: s.err}
	if err := cmd.Start(); err != nil {
		s.warn(asDiagnostics(cannotRun(args[0], err)))
		return exitCode(exitNotRun)
	}
	if s.relay != nil {
		defer s.relay(func(sig os.Signal) {
			// A terminal has sent its interrupt to the command as well.
			if sig != os.Interrupt || !s.tty.in {
				_ = cmd.Process.Signal(sig)
			}
		})()
	}
	// The context ends by a signal that came before they were passed on.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	var exit *exec.ExitError
	err := cmd.Wait()
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitCode(exitSignalled + int(status.Signal()))
	}
	return exitCode(exit.ExitCode())
}

// withVariables returns an environment with variables replaced or added.
func withVariables(env []string, vars []variable) []string {
	ours := make(map[string]bool, len(vars))
	for _, v := range vars {
		ours[v.name] = true
	}
	var out []string
	for _, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); !ours[name] {
			out = append(out, kv)
		}
	}
	for _, v := range vars {
		out = append(out, v.name+"="+v.value)
	}
	return out
}

// envCommand prints the variables of the lab that is served. It runs in the
// process that serves.
type envCommand struct {
	stateFlags
	json bool
}

func (c *envCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *envCommand) run(ctx context.Context, s *session, _ []string) error {
	if s.served != nil {
		return printVariables(s.out, s.served.vars, c.json)
	}
	o, err := s.stateOptions(&c.stateFlags, "env")
	if err != nil {
		return err
	}
	const hint = "Start `hellolab serve` in another shell, or use `hellolab run -- COMMAND`."
	holder, err := state.HeldBy(ctx, o)
	switch {
	case errors.Is(err, state.ErrNoHolder):
		return mistake(hint, "Nothing serves this lab")
	case err != nil:
		return err
	case !holder.Commands:
		return mistake(hint, "Nothing serves this lab: %q holds its state (pid %d)", holder.Operation, holder.PID)
	}
	return s.forward(ctx, &c.stateFlags)
}
