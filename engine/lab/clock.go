package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hellolab/state"
)

// Latest returns the instant that a lab's clock is never advanced beyond. The
// authorities outside the lab's systems are good for a hundred years from when
// the lab was made (rootLife); until here every certificate under them is.
func Latest() time.Time { return time.Date(2120, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Errors of Advance.
var (
	ErrBackward = errors.New("the lab's clock only goes forward")
	ErrTooFar   = errors.New("the lab's clock cannot be advanced that far")
)

// movement is how far the clock was advanced since the lab was opened.
type movement struct {
	advancing sync.Mutex
	by        atomic.Int64 // nanoseconds
}

// Now is lab time: the machine's clock at the start, moved by the stored and
// the given offset, and since then monotonic, whatever the machine's clock
// does. Advance moves it, also for services that are open: they ask each time.
func (l *Lab) Now() time.Time {
	return l.origin.Add(l.opts.Wall().Sub(l.started) + time.Duration(l.moved.by.Load()))
}

// Offset is how far lab time is ahead of the machine's clock.
func (l *Lab) Offset() time.Duration {
	return l.Now().Sub(l.opts.Wall().Round(0))
}

// Advance moves the clock forward: it adds d to the offset that the state
// stores, and then lab time jumps by d. What has become due by that is for Due.
func (l *Lab) Advance(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ErrBackward
	}
	l.moved.advancing.Lock()
	defer l.moved.advancing.Unlock()
	if left := Latest().Sub(l.Now()); d > left {
		return fmt.Errorf("%w: it ends at %s", ErrTooFar, Latest().Format(time.RFC3339))
	}
	err := l.opts.View.Commit(ctx, func(w state.Writer) error {
		stored, err := state.ClockOffset(w)
		if err != nil {
			return err
		}
		if stored+d < stored {
			return fmt.Errorf("%w: the offset overflows", ErrTooFar)
		}
		return state.SetClockOffset(w, stored+d)
	})
	if err != nil {
		return err
	}
	l.moved.by.Add(int64(d))
	return nil
}
