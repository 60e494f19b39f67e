package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"hellolab/engine/journal"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/state"
)

// A command that acts in the lab opens the state, which one process holds. When
// that process is a serve, the command line goes there instead, over the
// control socket: it then runs on the same store and in the same running lab,
// and what it prints comes back. Secrets are resolved where the user sits:
// terminals, environment and files are the caller's.

// Bounds of a command that another process sent, and of what it prints.
const (
	maxLine    = 1 << 20 // bytes of the request
	maxSecrets = 16
	maxPrinted = 16 << 20
)

// lineRequest is a command line as it goes to the holder.
type lineRequest struct {
	Program string   `json:"program"` // both ends must mean the same by it
	Name    string   `json:"name"`    // "signin"
	Args    []string `json:"args"`    // flags, "--", positional arguments; secrets are "-"
	Secrets [][]byte `json:"secrets"` // in the order they are asked for
	Out     bool     `json:"out"`     // whether each stream takes colour
	Err     bool     `json:"err"`
	Width   int      `json:"width"` // of the caller's terminal
}

// lineReply is what came of it.
type lineReply struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout"`
	Stderr []byte `json:"stderr"`
}

// commandLine is the command that runs, taken apart.
type commandLine struct {
	name    string
	flags   *flag.FlagSet
	args    []string // positional
	forms   []string // of secrets, as flags gave them
	secrets [][]byte
}

// keep remembers a secret for the holder, if the command may run there.
func (l *commandLine) keep(form string, value []byte) {
	if runsInHolder(l.name) {
		l.forms, l.secrets = append(l.forms, form), append(l.secrets, bytes.Clone(value))
	}
}

func (l *commandLine) wipe() {
	for _, s := range l.secrets {
		clear(s)
	}
}

// rebuild returns the arguments anew from what was parsed, without flags that
// say where the state is, which the holder knows, and without secrets: flags
// that name one are optional.
func (l *commandLine) rebuild() []string {
	var args []string
	l.flags.Visit(func(f *flag.Flag) {
		values, secret := []string{f.Value.String()}, false
		switch v := f.Value.(type) {
		case *list:
			values = *v
		case *optional:
			values, secret = []string{v.value}, true
		}
		if slices.Contains([]string{"state", "lock-timeout", "no-color"}, f.Name) {
			return
		}
		for _, v := range values {
			if secret && slices.Contains(l.forms, v) {
				v = "-"
			}
			args = append(args, "-"+f.Name+"="+v)
		}
	})
	return append(append(args, "--"), l.args...)
}

// secrets hands out what the caller resolved.
type secrets struct{ left [][]byte }

func (h *secrets) next(what string) (providers.Secret, error) {
	if len(h.left) == 0 {
		return nil, fmt.Errorf("%s did not come with the command", strings.ToLower(what))
	}
	s := h.left[0]
	h.left = h.left[1:]
	return providers.Secret(s), nil
}

// act runs fn in the lab that the state holds: its own run of it, recorded in a
// journal named after operation; or, for a command that runs in the holder,
// the lab that is running there.
func (s *session) act(ctx context.Context, f *stateFlags, operation string, fn func(*lab.Lab) error) (err error) {
	if v := s.served; v != nil {
		if v.throwaway {
			s.warnf("The lab is served with -clock=wall: this happens on a throwaway view, and is not kept")
		}
		return fn(v.lab)
	}
	store, err := s.openOrForward(ctx, f, operation)
	if err != nil || store == nil {
		return err
	}
	defer closing(store, &err)
	j, err := journal.Create(s.journalDir(), strings.Fields(operation)[0], s.now())
	if err != nil {
		return err
	}
	defer closing(j, &err)
	l, err := s.openLab(store, 0, j.Emit)
	if err != nil {
		return err
	}
	defer closing(l, &err)
	return fn(l)
}

// look runs fn, which changes nothing, in a lab on a throwaway view of the
// state; or, for a command that runs in the holder, in the lab that is running
// there: with -clock=wall that is another than the state has.
func (s *session) look(ctx context.Context, f *stateFlags, fn func(*lab.Lab) error) (err error) {
	if s.served != nil {
		return fn(s.served.lab)
	}
	o, err := s.stateOptions(f, s.line.name)
	if err != nil {
		return err
	}
	if holder, err := state.HeldBy(ctx, o); err == nil && holder.Commands && runsInHolder(s.line.name) {
		return s.forward(ctx, f)
	}
	return s.glance(ctx, f, fn)
}

// glance runs fn, which changes nothing, in a lab on a throwaway view of the
// state, here, whoever holds it.
func (s *session) glance(ctx context.Context, f *stateFlags, fn func(*lab.Lab) error) (err error) {
	snap, err := s.openRead(ctx, f)
	if err != nil {
		return err
	}
	overlay := state.NewOverlay(snap)
	defer closing(overlay, &err)
	l, err := s.openLab(overlay, 0, nil)
	if err != nil {
		return err
	}
	defer closing(l, &err)
	return fn(l)
}

// openOrForward opens the state; when a process that takes commands holds it,
// it has the command run there, and returns no store.
func (s *session) openOrForward(ctx context.Context, f *stateFlags, operation string) (*state.Store, error) {
	atOnce := *f
	if runsInHolder(s.line.name) {
		atOnce.lockTimeout = 0 // one that takes commands is not waited for
	}
	store, err := s.openExisting(ctx, &atOnce, operation)
	var locked *state.LockedError
	switch {
	case !errors.As(err, &locked):
		return store, err
	case runsInHolder(s.line.name) && locked.Holder.Commands:
		return nil, s.forward(ctx, f)
	case f.lockTimeout > 0:
		return s.openWrite(ctx, f, operation)
	}
	return nil, err
}

// forward has the command line run by the holder of the state, prints what it
// printed, and returns its exit code.
func (s *session) forward(ctx context.Context, f *stateFlags) error {
	o, err := s.stateOptions(f, s.line.name)
	if err != nil {
		return err
	}
	out, errs := s.outStyle(), s.errStyle()
	request, err := json.Marshal(lineRequest{Program: programName(), Name: s.line.name, Args: s.line.rebuild(), Secrets: s.line.secrets,
		Out: out.Color, Err: errs.Color, Width: s.tty.width})
	if err != nil {
		return err
	}
	defer clear(request)
	if len(request) > maxLine {
		return mistake("", "The command line has %d bytes, more than %d", len(request), maxLine)
	}
	answer, err := state.Do(ctx, o, request)
	if errors.Is(err, state.ErrNoHolder) {
		return mistake("Try again.", "The process that held the state has just ended")
	}
	if err != nil {
		return err
	}
	var reply lineReply
	if err := json.Unmarshal(answer, &reply); err != nil {
		return fmt.Errorf("answer of the process that holds the state: %w", err)
	}
	if _, err := s.out.Write(reply.Stdout); err != nil {
		return err
	}
	if _, err := s.err.Write(reply.Stderr); err != nil {
		return err
	}
	if reply.Code != exitOK {
		return exitCode(reply.Code)
	}
	return nil
}

// do runs the command line that another process sent: state.Handler of a lab
// that is served. Whatever it holds, the caller is the user's own process, for
// the control socket takes no other.
func (v *served) do(ctx context.Context, request []byte) (answer []byte, err error) {
	defer clear(request)
	if len(request) > maxLine {
		return nil, fmt.Errorf("a command line of %d bytes is too long", len(request))
	}
	var r lineRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, errors.New("not a command line")
	}
	defer func() {
		for _, s := range r.Secrets {
			clear(s)
		}
	}()
	if len(r.Secrets) > maxSecrets || slices.ContainsFunc(r.Secrets, func(s []byte) bool { return len(s) > maxSecret }) {
		return nil, errors.New("a command line with too many secrets, or too long ones")
	}
	if r.Program != programName() {
		return nil, fmt.Errorf("the lab is served by %s, and this is %s", programName(), r.Program)
	}
	if !v.enter(ctx) {
		return nil, errors.New("the lab is not being served any more")
	}
	defer v.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(v.ctx, cancel)()
	defer func() {
		if p := recover(); p != nil { // of this command; what it says may be secret
			v.s.log.Error("a command sent by another process panicked", "command", r.Name, "panic", fmt.Sprintf("%T", p))
			answer, err = nil, errors.New("the command failed inside; the log of the process that serves names it")
		}
	}()
	var out, errs printed
	guest := v.guest(&r, &out, &errs)
	reply := lineReply{Code: guest.report(guest.dispatchSent(ctx, &r))}
	if out.over || errs.over {
		return nil, fmt.Errorf("the command printed more than %d bytes", maxPrinted)
	}
	reply.Stdout, reply.Stderr = out.Bytes(), errs.Bytes()
	return json.Marshal(reply)
}

// guest is a session of this process for another's command: the lab is here,
// the streams are there.
func (v *served) guest(r *lineRequest, out, errs io.Writer) *session {
	s := v.s
	return &session{
		in: strings.NewReader(""), out: out, err: errs, now: s.now, rand: s.rand, pid: s.pid, user: s.user, host: s.host,
		tty:     terminal{out: r.Out, err: r.Err, width: r.Width},
		systems: s.systems, failpoint: s.failpoint, dir: s.dir, log: s.log,
		served: v, handed: &secrets{r.Secrets},
	}
}

// dispatchSent runs a command line that another process took apart.
func (s *session) dispatchSent(ctx context.Context, r *lineRequest) error {
	table := commands()
	i := slices.IndexFunc(table, func(e entry) bool { return e.name == r.Name })
	if i < 0 || !runsInHolder(r.Name) {
		return mistake("", "%q does not run in the process that holds the state", r.Name)
	}
	e := table[i]
	c := e.new()
	var help bool
	fs := e.flagSet(c, s, &help)
	args, err := parseInterspersed(fs, r.Args)
	if err != nil {
		return usage("hellolab "+e.name, fs, err)
	}
	return c.run(ctx, s, args)
}

// printed keeps what a command prints, up to a bound.
type printed struct {
	bytes.Buffer
	over bool
}

func (p *printed) Write(b []byte) (int, error) {
	if p.Len()+len(b) > maxPrinted {
		p.over = true
		return 0, errors.New("too much is printed")
	}
	return p.Buffer.Write(b)
}
