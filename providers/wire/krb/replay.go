package krb

import (
	"crypto/sha256"
	"sync"
	"time"
)

// ReplayCache is a bounded Replay, safe for concurrent use. It remembers what
// it was shown until the time given with it and forgets in steps of replayStep.
// When it is full it refuses instead of forgetting early.
type ReplayCache struct {
	mu      sync.Mutex
	max     int
	n       int
	buckets map[int64]map[[16]byte]struct{} // by the step in which they expire
}

const replayStep = 30 * time.Second

// NewReplayCache makes a cache of at most max entries of about 50 bytes.
func NewReplayCache(max int) *ReplayCache {
	return &ReplayCache{max: max, buckets: map[int64]map[[16]byte]struct{}{}}
}

// Seen implements Replay. The same message must come with the same until.
func (c *ReplayCache) Seen(what []byte, now, until time.Time) (bool, error) {
	sum := sha256.Sum256(what)
	id := [16]byte(sum[:16])
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, b := range c.buckets {
		if at < replayBucket(now) {
			c.n -= len(b)
			delete(c.buckets, at)
		}
	}
	b := c.buckets[replayBucket(until)]
	if _, ok := b[id]; ok {
		return true, nil
	}
	if c.n >= c.max {
		return false, NewError(ErrServiceUnavailable, "Too many requests came within five minutes to keep replays out.")
	}
	if b == nil {
		b = map[[16]byte]struct{}{}
		c.buckets[replayBucket(until)] = b
	}
	b[id] = struct{}{}
	c.n++
	return false, nil
}

// Forget takes back what Seen remembered with until.
func (c *ReplayCache) Forget(what []byte, until time.Time) {
	sum := sha256.Sum256(what)
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buckets[replayBucket(until)]
	if _, ok := b[[16]byte(sum[:16])]; ok {
		delete(b, [16]byte(sum[:16]))
		c.n--
	}
}

func replayBucket(t time.Time) int64 { return t.Unix() / int64(replayStep/time.Second) }
