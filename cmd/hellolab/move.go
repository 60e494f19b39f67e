package main

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/record"
	"hellolab/providers"
	"hellolab/state"
)

// move gives an object another address, everywhere the state knows it: its
// record, its section, the dependencies and references of other objects, and
// the revisions they were read at.
func move(w state.Writer, r *providers.Registry, from, to string) error {
	objects, err := state.Objects(w)
	if err != nil {
		return err
	}
	for _, o := range objects {
		was := o.Addr
		changed := false
		if o.Addr == from {
			o.Addr, changed = to, true
		}
		for i, d := range o.Deps {
			if d == from {
				o.Deps[i], changed = to, true
			}
		}
		if rev, ok := o.ReadAt[from]; ok {
			delete(o.ReadAt, from)
			o.ReadAt[to], changed = rev, true
		}
		referred, err := renameRefs(r, &o, from, to)
		if err != nil {
			return err
		}
		if !changed && !referred {
			continue
		}
		if was != o.Addr {
			if err := state.DeleteObject(w, was); err != nil {
				return err
			}
		}
		if err := state.PutObject(w, o); err != nil {
			return err
		}
	}
	if err := moveSection(w, from, to); err != nil {
		return err
	}
	_, err = state.BumpSerial(w)
	return err
}

// renameRefs rewrites the reference attributes of an object's configuration.
func renameRefs(r *providers.Registry, o *state.Object, from, to string) (changed bool, err error) {
	t := r.Type(o.Kind)
	if t == nil {
		return false, fmt.Errorf("%s is of the kind %q, which this program does not know", o.Addr, o.Kind)
	}
	rec, err := record.Decode(t, *o)
	if err != nil {
		return false, err
	}
	in := renameIn(rec.In, &t.Schema.In, from, to)
	if in.RawEquals(rec.In) {
		return false, nil
	}
	o.In, o.Out, err = record.Encode(t, in, rec.Out)
	return true, err
}

func renameIn(v cty.Value, b *providers.Block, from, to string) cty.Value {
	if v.IsNull() {
		return v
	}
	attrs := v.AsValueMap()
	for i := range b.Attrs {
		if a := &b.Attrs[i]; a.Ref != nil {
			attrs[a.Name] = renameValue(attrs[a.Name], from, to)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		attrs[n.Name] = n.Map(attrs[n.Name], func(_ string, body cty.Value) cty.Value { return renameIn(body, &n.Block, from, to) })
	}
	return cty.ObjectVal(attrs)
}

func renameValue(v cty.Value, from, to string) cty.Value {
	out, _ := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsNull() && v.Type() == cty.String && v.AsString() == from {
			return cty.StringVal(to), nil
		}
		return v, nil
	})
	return out
}

// moveSection renames the tables of a section.
func moveSection(w state.Writer, from, to string) error {
	prefix := "section/" + from + "/"
	buckets, err := w.Buckets(prefix)
	if err != nil {
		return err
	}
	for _, b := range buckets {
		table := strings.TrimPrefix(b, prefix)
		if strings.Contains(table, "/") {
			continue // the table of a section whose name has a slash
		}
		err := w.Scan(b, "", func(key string, value []byte) error {
			return w.Put("section/"+to+"/"+table, key, value)
		})
		if err != nil {
			return err
		}
		if err := w.DeleteBucket(b); err != nil {
			return err
		}
	}
	rev, ok, err := w.Get(state.BucketRevisions, from)
	if err != nil || !ok {
		return err
	}
	if err := w.Put(state.BucketRevisions, to, rev); err != nil {
		return err
	}
	return w.Delete(state.BucketRevisions, from)
}
