package revocation

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxEntries = 4096     // of the cache
	maxBytes   = 16 << 20 // of its entries, as fetched
)

// cache keeps what was verified until its next update, bounded in number and
// bytes; what was not used for longest goes first.
type cache struct {
	flights singleflight.Group

	mu    sync.Mutex
	byKey map[string]*list.Element
	used  *list.List // the most recently used in front
	bytes int
}

type kept struct {
	key   string
	value any
	size  int
	until time.Time
}

func newCache() *cache { return &cache{byKey: map[string]*list.Element{}, used: list.New()} }

// get returns what is kept and not over at a time; else nil.
func (c *cache) get(key string, at time.Time) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	k := e.Value.(*kept)
	if !at.Before(k.until) {
		c.remove(e)
		return nil
	}
	c.used.MoveToFront(e)
	return k.value
}

func (c *cache) put(key string, value any, size int, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
	c.byKey[key] = c.used.PushFront(&kept{key, value, size, until})
	c.bytes += size
	for c.used.Len() > maxEntries || c.bytes > maxBytes {
		c.remove(c.used.Back())
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byKey)
	c.used.Init()
	c.bytes = 0
}

func (c *cache) remove(e *list.Element) {
	k := e.Value.(*kept)
	c.used.Remove(e)
	delete(c.byKey, k.key)
	c.bytes -= k.size
}

// once lets callers that ask for one key at one time share one fetch. A caller
// that gives up does not end it for the others.
func (c *cache) once(ctx context.Context, key string, fetch func(context.Context) (any, error)) (any, error) {
	done := c.flights.DoChan(key, func() (any, error) { return fetch(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, fail(Unreachable, "%w", ctx.Err())
	}
}
