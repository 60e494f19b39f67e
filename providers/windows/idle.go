package windows

import (
	"context"
	"sync"
	"sync/atomic"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/web"
)

// idleTime is what may be done when no device has anything to do: filling the
// pools from which a key was taken while others worked. An empty pool is no
// harm, a user's key is then made on demand; so what is done is bounded, and
// the rest stays undone.
type idleTime struct {
	working atomic.Int32 // devices at work

	mu    sync.Mutex
	short []*poolFiller
}

const (
	maxShort = 64 // pools that are remembered
	maxFill  = 4  // pools filled in one go, 30 ms each
)

// begin counts a device that is at work until the function it returns is
// called, once or more.
func (i *idleTime) begin() (end func()) {
	i.working.Add(1)
	return sync.OnceFunc(func() { i.working.Add(-1) })
}

// use is called when a device has ended its work: with short, whose pool a key
// was taken from, or nil. The last device of all to end fills the pools.
func (i *idleTime) use(ctx context.Context, w *Windows, env providers.Env, short *poolFiller) {
	if short != nil {
		i.mu.Lock()
		if len(i.short) < maxShort {
			i.short = append(i.short, short)
		}
		i.mu.Unlock()
	}
	for filled := 0; ctx.Err() == nil && filled < maxFill && i.working.Load() == 0 && w.pool.Idle(); {
		next := i.next()
		if next == nil {
			return
		}
		if next != short && !sameLab(next.env, env) {
			continue
		}
		filled++
		if err := next.refill(web.WithCorrelation(ctx, next.trace.id)); err != nil {
			next.trace.refused(event.KeyPool, "", local, "pool_refill", "The pool is not filled again: the next user's key is made, or attested, when it is needed.", err)
			next.env.Log.Warn("the key pool was not refilled", "device", next.addr, "error", err)
		}
	}
}

func (i *idleTime) next() *poolFiller {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.short) == 0 {
		return nil
	}
	p := i.short[len(i.short)-1]
	i.short = i.short[:len(i.short)-1]
	return p
}
