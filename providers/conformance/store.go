package conformance

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"hellolab/providers"
)

// store is the sections of a lab in memory. A commit makes a new tree that
// shares what it did not touch with the old one, and publishes it at its end: so
// readers never wait, a failed one leaves nothing, and no write pays for what
// lies there already.
type store struct {
	// gate is asked before and after a commit is published; an error from it
	// before means that the process has ended: nothing is written any more.
	gate func() error

	commit sync.Mutex
	now    atomic.Pointer[tree]
}

func newStore() *store {
	s := &store{gate: func() error { return nil }}
	s.now.Store(&tree{})
	return s
}

func (s *store) section(name string) *section { return &section{store: s, name: name} }

// NewSection returns an empty section in memory, for tests of what lies below a
// kind.
func NewSection() providers.Section { return newStore().section("test") }

// Keys of the tree: a section's revision, and the rows of its tables.
func revisionKey(section string) string      { return section + "\x00" }
func rowKey(section, table, k string) string { return section + "\x00" + table + "\x00" + k }

// drop deletes a section.
func (s *store) drop(name string) {
	s.commit.Lock()
	defer s.commit.Unlock()
	next := *s.now.Load()
	var keys []string
	_ = next.scan(revisionKey(name), func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	for _, key := range keys {
		next.delete(key)
	}
	s.now.Store(&next)
}

// section implements providers.Section.
type section struct {
	store *store
	name  string
}

func (s *section) View(fn func(providers.Reader) error) error {
	return fn(&tx{section: s.name, at: *s.store.now.Load()})
}

func (s *section) Update(ctx context.Context, fn func(providers.Writer) error) error {
	return s.write(ctx, fn, true)
}

func (s *section) Record(ctx context.Context, fn func(providers.Writer) error) error {
	return s.write(ctx, fn, false)
}

func (s *section) write(ctx context.Context, fn func(providers.Writer) error, revise bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.publish(fn, revise); err != nil {
		return err
	}
	return s.store.gate()
}

func (s *section) publish(fn func(providers.Writer) error, revise bool) error {
	s.store.commit.Lock()
	defer s.store.commit.Unlock()
	t := &tx{section: s.name, at: *s.store.now.Load()}
	if err := fn(t); err != nil {
		return err
	}
	if err := s.store.gate(); err != nil {
		return err
	}
	if revise {
		t.at.put(revisionKey(s.name), binary.BigEndian.AppendUint64(nil, t.at.revision(s.name)+1))
	}
	s.store.now.Store(&t.at)
	return nil
}

// tx implements providers.Writer over one tree.
type tx struct {
	section string
	at      tree
}

func (t *tx) Get(table, key string) ([]byte, bool, error) {
	v, ok := t.at.get(rowKey(t.section, table, key))
	return slices.Clone(v), ok, nil
}

func (t *tx) Scan(table, prefix string, fn func(string, []byte) error) error {
	above := rowKey(t.section, table, "")
	was := t.at
	return was.scan(above+prefix, func(key string, _ []byte) error {
		if now, still := t.at.get(key); still {
			return fn(strings.TrimPrefix(key, above), slices.Clone(now))
		}
		return nil
	})
}

func (t *tx) Put(table, key string, value []byte) error {
	t.at.put(rowKey(t.section, table, key), slices.Concat([]byte{}, value))
	return nil
}

func (t *tx) Delete(table, key string) error {
	t.at.delete(rowKey(t.section, table, key))
	return nil
}

func (t *tree) revision(section string) uint64 {
	v, ok := t.get(revisionKey(section))
	if !ok {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// Revision returns how often configuration was written to a section.
func (e *Env) Revision(section string) uint64 { return e.store.now.Load().revision(section) }
