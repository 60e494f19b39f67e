package directory

import (
	"fmt"
	"io"
	"sync"

	"hellolab/providers"
)

// Accounts and authorities are asked for with every ticket, and to put one
// together takes a dozen records, each opened and decoded. They are remembered
// for as long as nothing of the directory changes.
//
// What proves that is the mark: 16 random bytes in the directory's own table,
// drawn anew within every transaction that changes anything. Who asks reads the
// mark first, in the same view of the store as all else, and takes only what
// was made in a view with the same mark. So nothing is ever remembered of
// another state: not of a view before or after, not of an overlay beside, whose
// number of changes may be the same, nor of a store that was put back to a
// backup. A directory written by an older program has no mark yet, and is read
// anew each time.
//
// Where the section tells its version (providers.Versioned), the mark itself is
// not read again while that stands. The version is taken before the view, which
// may be newer and never is older.

const (
	markSize      = 16
	maxRemembered = 1024 // results; when there are more, all are forgotten
	maxKey        = 1024 // bytes; what is asked for by a longer one is not remembered
)

// memory holds results as of one mark. A policy is part of what accounts are
// made of, and is read apart from them.
type memory struct {
	mu      sync.Mutex
	version any    // at which the mark was read last; nil: none is told
	mark    string // "" before the first
	policy  *PasswordPolicy
	results map[string]any
}

// remembered returns the result of read, which reads nothing but the reader,
// under a key that says what is read. Results are shared: nobody may change
// one. Errors are not remembered.
func remembered[T any](d *Directory, key string, read func(reader) (T, error)) (T, error) {
	var version any
	if s, ok := d.Section.(providers.Versioned); ok {
		version = s.Version()
	}
	policy := d.policy.Load() // before read, which may see a later one
	if v, ok := d.memory.recall(version, policy, key); ok {
		return v.(T), nil
	}
	var out T
	err := d.view(func(r reader) error {
		mark, marked, err := r.Get(tableDirectory, keyMark)
		if err != nil {
			return fmt.Errorf("read mark: %w", err)
		}
		marked = marked && len(mark) == markSize && len(key) <= maxKey
		if marked {
			if v, ok := d.memory.get(string(mark), version, policy, key); ok {
				out = v.(T)
				return nil
			}
		}
		if out, err = read(r); err == nil && marked {
			d.memory.put(string(mark), version, policy, key, out)
		}
		return err
	})
	return out, err
}

// recall returns a result when the mark was read at this version.
func (m *memory) recall(version any, policy *PasswordPolicy, key string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if version == nil || m.version != version || m.policy != policy {
		return nil, false
	}
	v, ok := m.results[key]
	return v, ok
}

// get returns a result as of a mark that was read at a version.
func (m *memory) get(mark string, version any, policy *PasswordPolicy, key string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark != mark || m.policy != policy {
		return nil, false
	}
	m.version = version
	v, ok := m.results[key]
	return v, ok
}

func (m *memory) put(mark string, version any, policy *PasswordPolicy, key string, v any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark != mark || m.policy != policy || len(m.results) >= maxRemembered {
		m.mark, m.policy, m.results = mark, policy, map[string]any{}
	}
	m.version, m.results[key] = version, v
}

// changing is a Writer that notes whether anything was written.
type changing struct {
	providers.Writer
	any bool
}

func (c *changing) Put(table, key string, value []byte) error {
	c.any = true
	return c.Writer.Put(table, key, value)
}

func (c *changing) Delete(table, key string) error {
	c.any = true
	return c.Writer.Delete(table, key)
}

// draw puts a new mark.
func (c *changing) draw(rand io.Reader) error {
	mark := make([]byte, markSize)
	if _, err := io.ReadFull(rand, mark); err != nil {
		return fmt.Errorf("read random mark: %w", err)
	}
	return c.Writer.Put(tableDirectory, keyMark, mark)
}
