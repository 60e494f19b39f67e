package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/engine/lab"
	"hellolab/providers"
	"hellolab/providers/event"
)

// clockCommand prints lab time.
type clockCommand struct {
	stateFlags
	json bool
}

func (c *clockCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *clockCommand) run(ctx context.Context, s *session, _ []string) error {
	return s.look(ctx, &c.stateFlags, func(l *lab.Lab) error {
		clock := view.ClockOf(l.Now(), l.Offset())
		if c.json {
			return view.WriteIndentedJSON(s.out, clock)
		}
		return view.WriteClock(s.out, clock)
	})
}

// clockAdvanceCommand moves lab time on. In the process that serves the lab it
// moves the clock of the services.
type clockAdvanceCommand struct {
	stateFlags
	json bool
}

func (c *clockAdvanceCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON")
}

func (c *clockAdvanceCommand) run(ctx context.Context, s *session, args []string) error {
	if len(args) != 1 {
		return mistake("Usage: hellolab clock advance DURATION|TIME, such as hellolab clock advance 14d", "How far is needed")
	}
	to, err := destination(args[0])
	if err != nil {
		return err
	}
	return s.act(ctx, &c.stateFlags, "clock advance", func(l *lab.Lab) error {
		by := to(l.Now())
		if err := l.Advance(ctx, by); err != nil {
			return unmoved(err, l.Now())
		}
		if s.served != nil {
			s.served.clockMoved(l.Offset())
		}
		happened, undone, err := catchingUp(ctx, l)
		if err != nil {
			return err
		}
		moved := view.ClockMoved{Clock: view.ClockOf(l.Now(), l.Offset()), By: view.Span(by.Round(time.Second)), Due: happened, Undone: undone}
		if c.json {
			return view.WriteIndentedJSON(s.out, moved)
		}
		return errors.Join(view.WriteClockMoved(s.out, moved), s.warnUndone(undone))
	})
}

// timeAhead reads a time as flags and arguments write one: a duration from now, as
// "30m" or "+30d", or a day or time, in UTC where it names no zone. ok is false
// for what is neither.
func timeAhead(text string) (to func(now time.Time) time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return func(time.Time) time.Time { return at }, true
		}
	}
	by, err := providers.ParseDuration(strings.TrimPrefix(text, "+"))
	return func(now time.Time) time.Time { return now.Add(by) }, err == nil
}

// destination reads how far, or until when, a clock is to go, and returns the
// way there from a time.
func destination(text string) (func(now time.Time) time.Duration, error) {
	to, ok := timeAhead(text)
	if !ok {
		return nil, mistake(`Give a duration such as 30m or 14d, or a time such as 2028-02-29 or 2028-02-29T08:00:00Z.`, "%s is neither a duration nor a time", view.Quote(text))
	}
	return func(now time.Time) time.Duration { return to(now).Sub(now) }, nil // saturates
}

// unmoved explains why a clock stays.
func unmoved(err error, now time.Time) error {
	at := "It is " + now.UTC().Format(time.RFC3339) + " in the lab."
	switch {
	case errors.Is(err, lab.ErrBackward):
		return mistake(at, "The lab's clock only goes forward")
	case errors.Is(err, lab.ErrTooFar):
		return mistake(at+" The lab's own roots, which are good for a hundred years, are beyond doubt until then.", "The lab's clock cannot be advanced beyond %s", lab.Latest().Format(time.RFC3339))
	}
	return err
}

// catchingUp has the lab do what has become due, and returns what it did.
func catchingUp(ctx context.Context, l *lab.Lab) ([]view.Happened, []view.Undone, error) {
	var mu sync.Mutex
	happened, told := []view.Happened{}, []view.Undone{}
	stop := l.Tap(func(e event.Event) {
		if h, ok := view.HappenedBy(e); ok {
			mu.Lock()
			defer mu.Unlock()
			happened = append(happened, h)
		}
	})
	defer stop()
	undone, err := l.CatchUp(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for _, u := range undone {
		summary, detail := explain(u.Err)
		told = append(told, view.Undone{Address: u.Addr, Error: strings.TrimSpace(period(summary) + " " + detail)})
	}
	stop()
	mu.Lock()
	defer mu.Unlock()
	return slices.Clip(happened), told, nil
}

func (s *session) warnUndone(undone []view.Undone) error {
	for _, u := range undone {
		s.warn(asWarning("What has become due of "+u.Address+" is not done", u.Error+" It is tried again by the next apply, and every minute while the lab is served."))
	}
	return nil
}

// clockMoved tells, where the lab is served and in its lab.json, how far its
// clock is from the machine's now.
func (v *served) clockMoved(offset time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := *v.about
	now.Offset = offset.Round(time.Second).String()
	data, err := now.encode()
	if err == nil {
		err = writeFile(filepath.Join(now.Folder, fileLab), 0o644, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	if err != nil {
		v.s.log.Warn("lab.json does not tell that the clock moved", "error", err)
	}
	v.warnClock(offset.Round(time.Second))
}
