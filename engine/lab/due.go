package lab

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// Undone is due work of an object that failed.
type Undone struct {
	Addr string
	Err  error
}

// Due has every created object do what lab time has made due (Kind.Due): kind
// by kind in the order of After, objects in address order, one at a time, also
// when it is called from several goroutines. What fails keeps nobody else from
// theirs. When ctx ends, no more begin, and what
// was cut off is not reported. The error is that of the state, if it cannot be
// read.
func (l *Lab) Due(ctx context.Context) (undone []Undone, err error) {
	l.due.Lock()
	defer l.due.Unlock()
	for _, t := range inOrder(l.opts.Registry) {
		if t.Due == nil {
			continue
		}
		recs, err := l.Objects().List(t.Name)
		if err != nil {
			return undone, err
		}
		for _, rec := range recs {
			if ctx.Err() != nil {
				return undone, nil
			}
			if rec.Out == cty.NilVal || rec.Out.IsNull() {
				continue
			}
			if err := t.Due(ctx, l.Env(rec.Addr, t, rec.In), rec); err != nil && ctx.Err() == nil {
				undone = append(undone, Undone{rec.Addr, err})
			}
		}
	}
	return undone, nil
}

// rounds bounds how often CatchUp tries.
const rounds = 3

// CatchUp is Due after the clock has moved: what failed is tried again at once,
// for what needs another's renewed certificate has it in the next round.
func (l *Lab) CatchUp(ctx context.Context) (undone []Undone, err error) {
	for n := range rounds {
		before := len(undone)
		if undone, err = l.Due(ctx); err != nil {
			return undone, err
		}
		if len(undone) == 0 || n > 0 && len(undone) >= before {
			break
		}
	}
	return undone, nil
}

// inOrder returns the kinds, each behind those it names in After, else in the
// order of registration.
func inOrder(r *providers.Registry) []*providers.Type {
	var order []*providers.Type
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		t := r.Type(name)
		if t == nil || seen[name] {
			return
		}
		seen[name] = true
		for _, before := range t.After {
			visit(before)
		}
		order = append(order, t)
	}
	for _, name := range r.Names() {
		visit(name)
	}
	return order
}
