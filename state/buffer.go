package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a record.
const (
	MaxKey   = 8 << 10  // bytes of bucket name and key together
	MaxValue = 16 << 20 // bytes of a value
)

// recordKey is the one key under which a record of a bucket is kept: the
// bucket's name, NUL, the key. Its byte order is that of (bucket, key).
func recordKey(bucket, key string) string { return bucket + "\x00" + key }

// splitKey undoes recordKey.
func splitKey(rk string) (bucket, key string) {
	bucket, key, _ = strings.Cut(rk, "\x00")
	return bucket, key
}

func checkBucket(bucket string) error {
	if bucket == "" || strings.IndexByte(bucket, 0) >= 0 {
		return fmt.Errorf("state: %q is no bucket name", bucket)
	}
	return nil
}

// merged reads a layer on top of a base.
type merged struct {
	base  Reader
	layer layer
}

func (m *merged) Get(bucket, key string) ([]byte, bool, error) {
	if err := checkBucket(bucket); err != nil {
		return nil, false, err
	}
	if e := m.layer.get(recordKey(bucket, key)); e != nil {
		if e.deleted {
			return nil, false, nil
		}
		return cloneValue(e.value), true, nil
	}
	return m.base.Get(bucket, key)
}

func (m *merged) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	full := recordKey(bucket, prefix)
	it := m.layer.from(full)
	// emit passes on the layer's own entries below limit, or all that are left.
	emit := func(limit string, all bool) error {
		for e := it.peek(); e != nil && strings.HasPrefix(e.key, full) && (all || e.key < limit); e = it.peek() {
			it.next()
			if e.deleted {
				continue
			}
			if err := fn(e.key[len(bucket)+1:], cloneValue(e.value)); err != nil {
				return err
			}
		}
		return nil
	}
	err := m.base.Scan(bucket, prefix, func(key string, value []byte) error {
		rk := recordKey(bucket, key)
		if err := emit(rk, false); err != nil {
			return err
		}
		if e := it.peek(); e != nil && e.key == rk {
			it.next()
			if e.deleted {
				return nil
			}
			value = cloneValue(e.value)
		}
		return fn(key, value)
	})
	if err != nil {
		return err
	}
	return emit("", true)
}

func (m *merged) Buckets(prefix string) ([]string, error) {
	names, err := m.base.Buckets(prefix)
	if err != nil {
		return nil, err
	}
	live := map[string]bool{} // buckets the layer touches -> holds a live entry of the layer
	for it := m.layer.from(prefix); ; {
		e := it.next()
		if e == nil || !strings.HasPrefix(e.key, prefix) {
			break
		}
		bucket, _ := splitKey(e.key)
		if !strings.HasPrefix(bucket, prefix) {
			break // the NUL of a shorter name met a prefix with NUL
		}
		live[bucket] = live[bucket] || !e.deleted
	}
	out := names[:0:0]
	for _, name := range names {
		if alive, touched := live[name]; touched && !alive {
			some, err := m.holdsSome(name)
			if err != nil {
				return nil, err
			}
			if !some {
				continue
			}
		}
		delete(live, name)
		out = append(out, name)
	}
	for name, alive := range live {
		if alive {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

var errStop = errors.New("stop")

func (m *merged) holdsSome(bucket string) (bool, error) {
	err := m.Scan(bucket, "", func(string, []byte) error { return errStop })
	if errors.Is(err, errStop) {
		return true, nil
	}
	return false, err
}

// buffer is the Writer of one closure: it collects writes in a layer that
// nobody else sees until the closure succeeded.
type buffer struct {
	merged
	meta Meta
	done bool
}

var errDone = errors.New("state: writer used after its commit")

func (b *buffer) Get(bucket, key string) ([]byte, bool, error) {
	if b.done {
		return nil, false, errDone
	}
	return b.merged.Get(bucket, key)
}

func (b *buffer) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	if b.done {
		return errDone
	}
	m := b.merged // as it is now: fn may write
	return m.Scan(bucket, prefix, fn)
}

func (b *buffer) Buckets(prefix string) ([]string, error) {
	if b.done {
		return nil, errDone
	}
	return b.merged.Buckets(prefix)
}

func (b *buffer) Put(bucket, key string, value []byte) error {
	if b.done {
		return errDone
	}
	if err := checkBucket(bucket); err != nil {
		return err
	}
	if n := len(bucket) + 1 + len(key); n > MaxKey {
		return fmt.Errorf("state: bucket and key have %d bytes, more than %d", n, MaxKey)
	}
	if len(value) > MaxValue {
		return fmt.Errorf("state: value of %s %q has %d bytes, more than %d", bucket, key, len(value), MaxValue)
	}
	b.layer = b.layer.put(recordKey(bucket, key), cloneValue(value), false)
	return nil
}

func (b *buffer) Delete(bucket, key string) error {
	if b.done {
		return errDone
	}
	if err := checkBucket(bucket); err != nil {
		return err
	}
	b.layer = b.layer.put(recordKey(bucket, key), nil, true)
	return nil
}

func (b *buffer) DeleteBucket(bucket string) error {
	return b.Scan(bucket, "", func(key string, _ []byte) error { return b.Delete(bucket, key) })
}

// cloneValue copies; a value that is there is never nil.
func cloneValue(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return bytes.Clone(v)
}
