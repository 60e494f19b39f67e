package revocation

import (
	"fmt"
	"testing"
	"time"
)

func TestCacheIsBounded(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := newCache()
	for i := range maxEntries + 100 {
		c.put(fmt.Sprint(i), i, 1, at.Add(time.Hour))
		c.get("0", at) // in use, it stays
	}
	if n := c.used.Len(); n != maxEntries || len(c.byKey) != n || c.bytes != n {
		t.Errorf("%d entries, %d keys, %d bytes", n, len(c.byKey), c.bytes)
	}
	if c.get("0", at) == nil || c.get("1", at) != nil {
		t.Error("what is in use went, or what is not stayed")
	}
	for i := range 20 {
		c.put(fmt.Sprint("large", i), i, 1<<20, at.Add(time.Hour))
	}
	if c.bytes > maxBytes {
		t.Errorf("%d bytes", c.bytes)
	}
	c.put("huge", 0, maxBytes+1, at.Add(time.Hour))
	if c.bytes != 0 || c.used.Len() != 0 || c.get("huge", at) != nil {
		t.Errorf("%d bytes in %d entries", c.bytes, c.used.Len())
	}
	c.put("x", 1, 1, at)
	if c.get("x", at) != nil || c.used.Len() != 0 {
		t.Error("what is over was given out")
	}
}
