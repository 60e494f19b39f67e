package conformance

import (
	"hash/fnv"
	"io"
	"strings"
)

// tree is a sorted map from keys to values that is cheap to copy: a change makes
// new nodes on the way down and leaves those of copies alone. It is a treap,
// balanced by a hash of each key. The zero tree is empty.
type tree struct{ root *node }

type node struct {
	key         string
	value       []byte
	weight      uint64 // no less than that of any node below
	left, right *node
}

func weigh(key string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, key)
	return h.Sum64()
}

func (t *tree) get(key string) ([]byte, bool) {
	n := t.root
	for n != nil {
		switch strings.Compare(key, n.key) {
		case 0:
			return n.value, true
		case -1:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil, false
}

func (t *tree) put(key string, value []byte) {
	below, above := split(t.root, key, false)
	_, above = split(above, key, true)
	t.root = join(join(below, &node{key: key, value: value, weight: weigh(key)}), above)
}

func (t *tree) delete(key string) {
	below, above := split(t.root, key, false)
	_, above = split(above, key, true)
	t.root = join(below, above)
}

// scan calls fn for the keys with a prefix, in order, until it errs.
func (t *tree) scan(prefix string, fn func(key string, value []byte) error) error {
	return t.root.scan(prefix, fn)
}

func (n *node) scan(prefix string, fn func(string, []byte) error) error {
	if n == nil {
		return nil
	}
	has := strings.HasPrefix(n.key, prefix)
	if has || n.key > prefix {
		if err := n.left.scan(prefix, fn); err != nil {
			return err
		}
	}
	if has {
		if err := fn(n.key, n.value); err != nil {
			return err
		}
	}
	if has || n.key < prefix {
		return n.right.scan(prefix, fn)
	}
	return nil
}

// split parts the nodes below key from those above it; key itself goes below
// when with is set.
func split(n *node, key string, with bool) (below, above *node) {
	if n == nil {
		return nil, nil
	}
	c := *n
	if n.key < key || with && n.key == key {
		c.right, above = split(n.right, key, with)
		return &c, above
	}
	below, c.left = split(n.left, key, with)
	return below, &c
}

// join makes one tree of two, all of whose keys are in order.
func join(below, above *node) *node {
	switch {
	case below == nil:
		return above
	case above == nil:
		return below
	case below.weight >= above.weight:
		c := *below
		c.right = join(below.right, above)
		return &c
	default:
		c := *above
		c.left = join(below, above.left)
		return &c
	}
}
