package state

import (
	"context"
	"fmt"
	"strings"
)

const sectionPrefix = "section/"

// Section is the tables of one system in a view. Table t of section s is the
// bucket "section/<s>/<t>". A section has a revision, which Update moves and
// Record does not: an object read at a revision need not be read again while
// it stands.
type Section struct {
	view View
	name string
}

// NewSection returns the section called name, the address of the object whose
// records it holds. It need not exist.
func NewSection(v View, name string) *Section { return &Section{view: v, name: name} }

// Version is the view's, nil for one that tells none: it changes with every
// commit to the view, whatever section it is to.
func (s *Section) Version() any {
	if v, ok := s.view.(interface{ Version() any }); ok {
		return v.Version()
	}
	return nil
}

// View reads the section's tables at one consistent state.
func (s *Section) View(fn func(TableReader) error) error {
	return s.view.Read(func(r Reader) error { return fn(TableReader{r, s.name}) })
}

// Update writes configuration and moves the revision, if fn wrote at all.
func (s *Section) Update(ctx context.Context, fn func(TableWriter) error) error {
	return s.view.Commit(ctx, func(w Writer) error {
		c := &changes{Writer: w}
		if err := fn(TableWriter{TableReader{w, s.name}, c}); err != nil {
			return err
		}
		if !c.any {
			return nil
		}
		return bumpRevision(w, s.name)
	})
}

// Record writes what is not configuration: the revision stays.
func (s *Section) Record(ctx context.Context, fn func(TableWriter) error) error {
	return s.view.Commit(ctx, func(w Writer) error {
		return fn(TableWriter{TableReader{w, s.name}, w})
	})
}

// changes notes whether anything was written.
type changes struct {
	Writer
	any bool
}

func (c *changes) Put(bucket, key string, value []byte) error {
	c.any = true
	return c.Writer.Put(bucket, key, value)
}

func (c *changes) Delete(bucket, key string) error {
	c.any = true
	return c.Writer.Delete(bucket, key)
}

// TableReader reads tables of a section.
type TableReader struct {
	r    Reader
	name string
}

// Get returns the value of key in table.
func (t TableReader) Get(table, key string) ([]byte, bool, error) {
	b, err := tableBucket(t.name, table)
	if err != nil {
		return nil, false, err
	}
	return t.r.Get(b, key)
}

// Scan calls fn for the keys of table with prefix, in byte order, until it errs.
func (t TableReader) Scan(table, prefix string, fn func(key string, value []byte) error) error {
	b, err := tableBucket(t.name, table)
	if err != nil {
		return err
	}
	return t.r.Scan(b, prefix, fn)
}

// TableWriter writes tables of a section; it reads its own writes.
type TableWriter struct {
	TableReader
	w Writer
}

// Put sets the value of key in table.
func (t TableWriter) Put(table, key string, value []byte) error {
	b, err := tableBucket(t.name, table)
	if err != nil {
		return err
	}
	return t.w.Put(b, key, value)
}

// Delete removes key from table; one that is not there is no error.
func (t TableWriter) Delete(table, key string) error {
	b, err := tableBucket(t.name, table)
	if err != nil {
		return err
	}
	return t.w.Delete(b, key)
}

func tableBucket(section, table string) (string, error) {
	if section == "" {
		return "", fmt.Errorf("state: section without a name")
	}
	// A slash would let one section's table be another section's.
	if table == "" || strings.ContainsAny(table, "/\x00") {
		return "", fmt.Errorf("state: %q is no table name", table)
	}
	return sectionPrefix + section + "/" + table, nil
}

// Revision returns the revision of the section called name; 0 for one that was
// never written.
func Revision(r Reader, name string) (uint64, error) { return getUint64(r, BucketRevisions, name) }

func bumpRevision(w Writer, name string) error {
	n, err := Revision(w, name)
	if err != nil {
		return err
	}
	return putUint64(w, BucketRevisions, name, n+1)
}

// DropSection deletes all tables of the section called name. Its revision
// stays and moves, so that a section made anew under the name is never taken
// for the one an object was read at.
func DropSection(w Writer, name string) error {
	prefix := sectionPrefix + name + "/"
	buckets, err := w.Buckets(prefix)
	if err != nil {
		return err
	}
	dropped := false
	for _, b := range buckets {
		if strings.Contains(b[len(prefix):], "/") {
			continue // the table of a section whose name has a slash
		}
		if err := w.DeleteBucket(b); err != nil {
			return err
		}
		dropped = true
	}
	if !dropped {
		return nil
	}
	return bumpRevision(w, name)
}
