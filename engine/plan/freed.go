package plan

// name is what a kind finds an object by.
type name struct{ kind, key string }

// freed is the step that makes a name free.
type freed struct {
	by     int32
	delete bool // else an update
}

// freedKeys are the names that deletes, and updates that give another name, make
// free: an object whose block was renamed is deleted under the old address before
// it is made under the new one.
func (s *stepper) freedKeys() map[name]freed {
	keys := map[name]freed{}
	for _, o := range s.changes {
		e, t := s.byAddr[o.change.Addr], o.kind.t
		f := freed{e.gone, true}
		if o.renamed() {
			f = freed{e.first, false}
		}
		if f.by < 0 {
			continue
		}
		if key := t.Key(o.prior.rec.In); key != "" {
			keys[name{t.Name, key}] = f
		}
	}
	return keys
}

// renamed reports whether an update gives an object another name.
func (o *object) renamed() bool {
	return o.change.Action == Update && o.in.IsWhollyKnown() && o.kind.t.Key(o.in) != o.kind.t.Key(o.prior.rec.In)
}

// afterFreed has what takes a name wait until it is free. Updates that take each
// other's cannot, and wait for none.
func (s *stepper) afterFreed(o *object, e *entry, names map[name]freed) {
	if !o.in.IsWhollyKnown() || !o.anew() && !o.renamed() {
		return
	}
	f, ok := names[name{o.kind.t.Name, o.kind.t.Key(o.in)}]
	switch {
	case !ok:
	case f.delete && o.anew():
		s.edge(f.by, e.first)
	default:
		s.wish(f.by, e.first)
	}
}
