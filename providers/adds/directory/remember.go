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

const (
	markSize      = 16
	maxRemembered = 1024 // results; when there are more, all are forgotten
	maxKey        = 1024 // bytes; what is asked for by a longer one is not remembered
)

// memory holds results as of one mark. A policy is part of what accounts are
// made of, and is read apart from them.
type memory struct {
	mu      sync.Mutex
	mark    string // "" before the first
	policy  *PasswordPolicy
	results map[string]any
}

// remembered returns the result of read, which reads nothing but r, under a key
// that says what is read. Results are shared: nobody may change one. Errors are
// not remembered, nor is anything within a change, which the mark does not tell
// of yet.
func remembered[T any](d *Directory, r reader, key string, read func() (T, error)) (T, error) {
	if !r.settled || len(key) > maxKey {
		return read()
	}
	mark, ok, err := r.Get(tableDirectory, keyMark)
	if err != nil {
		var none T
		return none, fmt.Errorf("read mark: %w", err)
	}
	if !ok || len(mark) != markSize {
		return read()
	}
	policy := d.policy.Load() // before read, which may see a later one
	if v, ok := d.memory.get(string(mark), policy, key); ok {
		return v.(T), nil
	}
	v, err := read()
	if err == nil {
		d.memory.put(string(mark), policy, key, v)
	}
	return v, err
}

func (m *memory) get(mark string, policy *PasswordPolicy, key string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark != mark || m.policy != policy {
		return nil, false
	}
	v, ok := m.results[key]
	return v, ok
}

func (m *memory) put(mark string, policy *PasswordPolicy, key string, v any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark != mark || m.policy != policy || len(m.results) >= maxRemembered {
		m.mark, m.policy, m.results = mark, policy, map[string]any{}
	}
	m.results[key] = v
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
