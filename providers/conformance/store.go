package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"hellolab/providers"
)

// store is the sections of a lab in memory. A commit works on copies of the
// tables it touches and publishes them at its end, so readers never wait and
// a failed one leaves nothing.
type store struct {
	// gate is asked before and after a commit is published; an error from it
	// before means that the process has ended: nothing is written any more.
	gate func() error

	commit sync.Mutex
	now    atomic.Pointer[snapshot]
}

type snapshot struct {
	tables    map[tableName]map[string][]byte // never changed once published
	revisions map[string]uint64
}

type tableName struct{ section, table string }

func newStore() *store {
	s := &store{gate: func() error { return nil }}
	s.now.Store(&snapshot{tables: map[tableName]map[string][]byte{}, revisions: map[string]uint64{}})
	return s
}

func (s *store) section(name string) *section { return &section{store: s, name: name} }

// drop deletes a section.
func (s *store) drop(name string) {
	s.commit.Lock()
	defer s.commit.Unlock()
	next := s.now.Load().clone()
	maps.DeleteFunc(next.tables, func(n tableName, _ map[string][]byte) bool { return n.section == name })
	delete(next.revisions, name)
	s.now.Store(next)
}

func (sn *snapshot) clone() *snapshot {
	return &snapshot{tables: maps.Clone(sn.tables), revisions: maps.Clone(sn.revisions)}
}

// section implements providers.Section.
type section struct {
	store *store
	name  string
}

func (s *section) View(fn func(providers.Reader) error) error {
	return fn(&tx{section: s.name, at: s.store.now.Load()})
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
	t := &tx{section: s.name, at: s.store.now.Load().clone(), owned: map[tableName]bool{}}
	if err := fn(t); err != nil {
		return err
	}
	if err := s.store.gate(); err != nil {
		return err
	}
	if revise {
		t.at.revisions[s.name]++
	}
	s.store.now.Store(t.at)
	return nil
}

// tx implements providers.Writer over one snapshot.
type tx struct {
	section string
	at      *snapshot
	owned   map[tableName]bool // tables already copied
}

func (t *tx) Get(table, key string) ([]byte, bool, error) {
	v, ok := t.at.tables[tableName{t.section, table}][key]
	return slices.Clone(v), ok, nil
}

func (t *tx) Scan(table, prefix string, fn func(string, []byte) error) error {
	rows := t.at.tables[tableName{t.section, table}]
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		v, still := t.at.tables[tableName{t.section, table}][key]
		if !still || !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := fn(key, slices.Clone(v)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Put(table, key string, value []byte) error {
	t.own(table)[key] = slices.Concat([]byte{}, value)
	return nil
}

func (t *tx) Delete(table, key string) error {
	delete(t.own(table), key)
	return nil
}

func (t *tx) own(table string) map[string][]byte {
	name := tableName{t.section, table}
	if !t.owned[name] {
		t.owned[name] = true
		rows := maps.Clone(t.at.tables[name])
		if rows == nil {
			rows = map[string][]byte{}
		}
		t.at.tables[name] = rows
	}
	return t.at.tables[name]
}

// Revision returns how often configuration was written to a section.
func (e *Env) Revision(section string) uint64 { return e.store.now.Load().revisions[section] }
