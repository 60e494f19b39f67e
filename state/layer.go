package state

import (
	"hash/maphash"
)

// layer is an ordered set of pending writes that shares structure with the
// layers it grew from: put returns a new layer and leaves the old one as it
// was. So a closure's writes are dropped by forgetting its layer, and a reader
// keeps the layer it began with. It is a treap whose priorities are hashes of
// the keys.
type layer struct {
	root *entry
	seed maphash.Seed
	size int // bytes of keys and values put, for bounding a batch
}

// entry is one pending write: a value, or a tombstone.
type entry struct {
	key         string // composite, see recordKey
	value       []byte
	deleted     bool
	priority    uint64
	left, right *entry
}

func newLayer() layer { return layer{seed: maphash.MakeSeed()} }

func (l layer) get(key string) *entry {
	for e := l.root; e != nil; {
		switch {
		case key < e.key:
			e = e.left
		case key > e.key:
			e = e.right
		default:
			return e
		}
	}
	return nil
}

func (l layer) put(key string, value []byte, deleted bool) layer {
	l.root = l.root.insert(&entry{key: key, value: value, deleted: deleted, priority: maphash.String(l.seed, key)})
	l.size += len(key) + len(value)
	return l
}

// insert returns a tree of fresh nodes along the path of e.
func (n *entry) insert(e *entry) *entry {
	if n == nil {
		return e
	}
	c := *n
	switch {
	case e.key < n.key:
		l := n.left.insert(e)
		if c.left = l; l.priority > c.priority {
			c.left, l.right = l.right, &c
			return l
		}
	case e.key > n.key:
		r := n.right.insert(e)
		if c.right = r; r.priority > c.priority {
			c.right, r.left = r.left, &c
			return r
		}
	default:
		e.left, e.right = n.left, n.right
		return e
	}
	return &c
}

// iterator walks a layer in key order.
type iterator struct{ stack []*entry }

// from returns an iterator at the first entry whose key is not below key.
func (l layer) from(key string) *iterator {
	it := &iterator{}
	for e := l.root; e != nil; {
		if e.key >= key {
			it.stack = append(it.stack, e)
			e = e.left
		} else {
			e = e.right
		}
	}
	return it
}

// peek returns the entry next will return, or nil at the end.
func (it *iterator) peek() *entry {
	if len(it.stack) == 0 {
		return nil
	}
	return it.stack[len(it.stack)-1]
}

func (it *iterator) next() *entry {
	e := it.peek()
	if e == nil {
		return nil
	}
	it.stack = it.stack[:len(it.stack)-1]
	for c := e.right; c != nil; c = c.left {
		it.stack = append(it.stack, c)
	}
	return e
}
