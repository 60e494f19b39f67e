package conformance

import (
	"context"
	"errors"
)

// ErrKilled is what everything durable answers after the process ended.
var ErrKilled = errors.New("the process was killed")

// kill is a process that ends at a kill point.
type kill struct {
	left   int // points until the end
	dead   bool
	cancel context.CancelFunc
}

// point is one instant at which a kill may come: before and after each commit
// of a section, each failpoint, and before the record of a result. Once dead,
// it answers ErrKilled until the restart.
func (e *Env) point() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := e.kill
	if k == nil {
		return nil
	}
	if !k.dead {
		k.left--
		if k.left <= 0 {
			k.dead = true
			k.cancel()
		}
	}
	if k.dead {
		return ErrKilled
	}
	return nil
}

// KillAt runs fn as a process that is killed at its nth kill point (from one),
// and restarts the lab. From that instant on no section takes a write, the
// network is down and fn's context is done: what is durable is what a real
// kill would leave, though fn itself runs to its return. It reports whether
// the point was reached.
func (e *Env) KillAt(ctx context.Context, n int, fn func(context.Context)) bool {
	e.tb.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := &kill{left: n, cancel: cancel}
	e.mu.Lock()
	e.kill = k
	e.mu.Unlock()
	fn(ctx)
	e.Restart()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kill = nil
	return k.dead
}

// dead reports whether the process was killed.
func (e *Env) dead() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kill != nil && e.kill.dead
}
