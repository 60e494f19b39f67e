package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"hellolab/providers"
	"hellolab/providers/wire/guid"
)

// Tables of the domain's section that are the directory's. Values are JSON
// where nothing else is said.
const (
	tableDirectory = "directory" // "config" → Config, "usn" and "rid" → decimal: the last given, "mark" → see memory
	tableObjects   = "objects"   // objectGUID → object
	tableTree      = "tree"      // path → objectGUID; see path
	tableIndex     = "index"     // attribute "/" folded value → objectGUID
	tableLinks     = "links"     // attribute "/" from "/" to
	tableBackLinks = "backlinks" // attribute "/" to "/" from
	tableSecrets   = "secrets"   // objectGUID → secrets
)

const (
	keyConfig = "config"
	keyUSN    = "usn"
	keyRID    = "rid"
	keyMark   = "mark"
)

// errNotFound says that a table has no such key.
var errNotFound = errors.New("not found")

// object is one object of the directory.
type object struct {
	ID      guid.GUID           `json:"-"`
	DN      string              `json:"dn"`
	Classes []string            `json:"classes"`           // as objectClass has them, top first
	Values  map[string][][]byte `json:"values"`            // attribute → values as LDAP writes them; those of linked attributes lie in the link tables
	Targets map[string][]string `json:"targets,omitempty"` // attribute of syntax DN-Binary → objectGUID that each value refers to
}

func (o *object) is(class string) bool { return containsFold(o.Classes, class) }

// first returns the only or the first value of an attribute, "" when there is
// none.
func (o *object) first(attribute string) string {
	if v := o.Values[attribute]; len(v) > 0 {
		return string(v[0])
	}
	return ""
}

// number is first of an attribute that holds a number; 0 when there is none.
func (o *object) number(attribute string) int64 {
	n, _ := strconv.ParseInt(o.first(attribute), 10, 64) // only numbers are stored
	return n
}

func (o *object) set(attribute string, values ...string) {
	if len(values) == 0 {
		delete(o.Values, attribute)
		return
	}
	list := make([][]byte, len(values))
	for i, v := range values {
		list[i] = []byte(v)
	}
	o.Values[attribute] = list
}

func (o *object) setNumber(attribute string, n int64) { o.set(attribute, strconv.FormatInt(n, 10)) }

// reader reads the tables.
type reader struct {
	providers.Reader
	schema *Schema
}

func get[T any](r providers.Reader, table, key string) (*T, error) {
	data, ok, err := r.Get(table, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	if !ok {
		return nil, errNotFound
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", table, err)
	}
	return &v, nil
}

func put(w providers.Writer, table, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", table, err)
	}
	return w.Put(table, key, data)
}

// object, atPath and indexed answer errNotFound for an object that is not there.
func (r reader) object(id string) (*object, error) {
	o, err := get[object](r, tableObjects, id)
	if err != nil {
		return nil, err
	}
	if o.ID, err = guid.Parse(id); err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", tableObjects, id, err)
	}
	return o, nil
}

func (r reader) atPath(p path) (*object, error) { return r.referred(tableTree, string(p)) }

func (r reader) indexed(attribute, value string) (*object, error) {
	return r.referred(tableIndex, r.schema.Attribute(attribute).indexKey([]byte(value)))
}

func (r reader) referred(table, key string) (*object, error) {
	id, ok, err := r.Get(table, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	if !ok {
		return nil, errNotFound
	}
	return r.object(string(id))
}

// linked returns the far ends of an attribute's links from an object, or to
// one.
func (r reader) linked(table, attribute string, id guid.GUID) ([]string, error) {
	prefix := attribute + "/" + id.String() + "/"
	var ends []string
	err := r.Scan(table, prefix, func(key string, _ []byte) error {
		ends = append(ends, key[len(prefix):])
		return nil
	})
	return ends, err
}

// writer writes what reader reads.
type writer struct {
	reader
	w providers.Writer
}

func (w writer) link(attribute string, from, to guid.GUID) error {
	if err := w.w.Put(tableLinks, attribute+"/"+from.String()+"/"+to.String(), nil); err != nil {
		return err
	}
	return w.w.Put(tableBackLinks, attribute+"/"+to.String()+"/"+from.String(), nil)
}

func (w writer) unlink(attribute string, from, to guid.GUID) error {
	if err := w.w.Delete(tableLinks, attribute+"/"+from.String()+"/"+to.String()); err != nil {
		return err
	}
	return w.w.Delete(tableBackLinks, attribute+"/"+to.String()+"/"+from.String())
}

// next gives the next number of a series: update sequence numbers, relative
// identifiers.
func (w writer) next(series string) (uint64, error) {
	data, _, err := w.Get(tableDirectory, series)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.ParseUint(string(data), 10, 64) // absent: 0
	n++
	return n, w.w.Put(tableDirectory, series, strconv.AppendUint(nil, n, 10))
}

// store writes an object, its indexes and its place in the tree. was is the
// object before, nil for a new one.
func (w writer) store(was, now *object) error {
	for _, a := range w.schema.indexed {
		if err := w.reindex(a, was, now); err != nil {
			return err
		}
	}
	id := now.ID.String()
	if was == nil || was.DN != now.DN {
		if was != nil {
			p, err := pathOf(was.DN)
			if err != nil {
				return err
			}
			if err := w.w.Delete(tableTree, string(p)); err != nil {
				return err
			}
		}
		p, err := pathOf(now.DN)
		if err != nil {
			return err
		}
		if err := w.w.Put(tableTree, string(p), []byte(id)); err != nil {
			return err
		}
	}
	return put(w.w, tableObjects, id, now)
}

func (w writer) reindex(a *Attribute, was, now *object) error {
	keys := map[string]bool{}
	if now != nil {
		for _, v := range now.Values[a.Name] {
			keys[a.indexKey(v)] = true
		}
	}
	if was != nil {
		for _, v := range was.Values[a.Name] {
			key := a.indexKey(v)
			if keys[key] {
				delete(keys, key) // stays
				continue
			}
			if err := w.w.Delete(tableIndex, key); err != nil {
				return err
			}
		}
	}
	for key := range keys {
		if _, taken, err := w.Get(tableIndex, key); err != nil {
			return err
		} else if taken {
			return notUnique(a)
		}
		if err := w.w.Put(tableIndex, key, []byte(now.ID.String())); err != nil {
			return err
		}
	}
	return nil
}

// erase removes an object and everything that refers to it.
func (w writer) erase(o *object) error {
	for _, a := range w.schema.indexed {
		if err := w.reindex(a, o, nil); err != nil {
			return err
		}
	}
	id := o.ID.String()
	for _, a := range w.schema.linked {
		for _, table := range []string{tableLinks, tableBackLinks} {
			ends, err := w.linked(table, a.Name, o.ID)
			if err != nil {
				return err
			}
			for _, end := range ends {
				far, err := guid.Parse(end)
				if err != nil {
					return fmt.Errorf("%s: %w", table, err)
				}
				from, to := o.ID, far
				if table == tableBackLinks {
					from, to = far, o.ID
				}
				if err := w.unlink(a.Name, from, to); err != nil {
					return err
				}
			}
		}
	}
	p, err := pathOf(o.DN)
	if err != nil {
		return err
	}
	for table, key := range map[string]string{tableTree: string(p), tableObjects: id, tableSecrets: id} {
		if err := w.w.Delete(table, key); err != nil {
			return err
		}
	}
	return nil
}
