// Command hellolab plans, applies and tries out Windows Hello for Business
// labs that are written down in HCL.
//
// main is the only place that touches the process: arguments, environment,
// streams, signals, clock and exit code. Everything below takes them as
// values, from a session.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/signal"
	"os/user"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() { os.Exit(start(process(), os.Args[1:])) }

// start runs one command line in a process and returns its exit code.
func start(s *session, args []string) int {
	if code, ok := tpmWorker(args); ok {
		return code
	}
	i := &interrupts{}
	s.relay = i.relay
	ctx, stop := i.listen(context.Background())
	defer stop()
	return run(ctx, s, args)
}

// sameSignal is how soon after an interrupt another is the same one: some
// programs send it to a process and to its group.
const sameSignal = 50 * time.Millisecond

// interrupts are the signals that end the program.
type interrupts struct {
	to atomic.Pointer[func(os.Signal)] // who gets them instead
}

// relay sends them to another program, until stop is called.
func (i *interrupts) relay(to func(os.Signal)) (stop func()) {
	i.to.Store(&to)
	return func() { i.to.Store(nil) }
}

// listen returns a context that the first interrupt ends: the command finishes
// what it is doing and stops. The second interrupt ends the process. Nothing
// recorded is lost either way; a side effect cut in half is found and settled
// by the next run.
func (i *interrupts) listen(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if !i.next(ctx, signals) {
			return
		}
		os.Stderr.WriteString("\nInterrupted: finishing the steps under way, then stopping. Interrupt again to stop at once.\n")
		cancel()
		for same := time.After(sameSignal); ; {
			select {
			case <-signals:
				continue
			case <-same:
			}
			break
		}
		i.next(context.Background(), signals)
		os.Stderr.WriteString("\nStopped at once. What was recorded is kept; the next run settles the step that was cut off.\n")
		os.Exit(exitError)
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// next waits for a signal that is this program's; false when ctx ends first.
func (i *interrupts) next(ctx context.Context, signals <-chan os.Signal) bool {
	for {
		select {
		case sig := <-signals:
			to := i.to.Load()
			if to == nil {
				return true
			}
			(*to)(sig)
		case <-ctx.Done():
			return false
		}
	}
}

// process describes the running process.
func process() *session {
	s := &session{
		in:   os.Stdin,
		out:  os.Stdout,
		err:  os.Stderr,
		env:  os.Environ(),
		now:  time.Now,
		rand: rand.Reader,
		pid:  os.Getpid(),
		tty: terminal{
			in:  term.IsTerminal(int(os.Stdin.Fd())),
			out: term.IsTerminal(int(os.Stdout.Fd())),
			err: term.IsTerminal(int(os.Stderr.Fd())),
			readSecret: func(ctx context.Context) ([]byte, error) {
				return readSecret(ctx, int(os.Stdin.Fd()))
			},
		},
	}
	s.hostsFile = "/etc/hosts"
	s.host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		s.user = u.Username
	}
	if s.tty.out {
		s.tty.width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	return s
}

// readSecret reads a line from a terminal without echo. When ctx ends the
// terminal is as it was before.
func readSecret(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		got <- line{text, err}
	}()
	select {
	case l := <-got:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
