package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// Declare makes an object known that is not created yet, as a plan does: it
// can be looked up, its Out is null. in is a struct of tags, whose zero fields
// count as not written, or an object of some attributes.
func (e *Env) Declare(addr string, in any) providers.Record {
	e.tb.Helper()
	rec, err := e.declare(addr, in)
	if err != nil {
		e.tb.Fatalf("declare %s: %v", addr, err)
	}
	return rec
}

func (e *Env) declare(addr string, in any) (providers.Record, error) {
	t := e.registry.Type(kindOf(addr))
	if t == nil {
		return providers.Record{}, fmt.Errorf("no kind named %q", kindOf(addr))
	}
	v, err := configuration(t, in)
	if err != nil {
		return providers.Record{}, err
	}
	for _, p := range t.Schema.CheckValue(v) {
		return providers.Record{}, p
	}
	rec := providers.Record{Addr: addr, Kind: t.Name, In: v, Out: cty.NullVal(t.Schema.OutType)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if was, ok := e.objects[addr]; ok && !was.Out.IsNull() {
		return rec, fmt.Errorf("%s exists", addr)
	}
	e.objects[addr], e.asked[addr] = rec, v
	return rec, nil
}

// Create declares and creates an object.
func (e *Env) Create(addr string, in any) providers.Record {
	e.tb.Helper()
	rec, err := e.TryCreate(e.tb.Context(), addr, in)
	if err != nil {
		e.tb.Fatalf("create %s: %v", addr, err)
	}
	return rec
}

// TryCreate is Create for a test that expects an error, which it returns as
// the kind gave it. The object then stays declared.
func (e *Env) TryCreate(ctx context.Context, addr string, in any) (providers.Record, error) {
	rec, err := e.declare(addr, in)
	if err != nil {
		return rec, err
	}
	t := e.registry.Type(rec.Kind)
	out, err := t.Create(ctx, e.For(addr), rec.In)
	if err != nil {
		return rec, err
	}
	rec.In, rec.Out, rec.ID = t.Schema.WithoutWriteOnly(rec.In), out, idOf(t, out)
	return rec, e.commit(func() { e.keep(rec) })
}

// Find looks for an object by its kind's key, on behalf of addr, and adopts it.
// The address must be declared.
func (e *Env) Find(ctx context.Context, addr, key string) (providers.Record, error) {
	t := e.registry.Type(kindOf(addr))
	if t == nil {
		return providers.Record{}, fmt.Errorf("no kind named %q", kindOf(addr))
	}
	rec, err := t.Find(ctx, e.For(addr), key)
	if err == nil {
		rec.In = t.Schema.WithoutWriteOnly(rec.In)
		e.keep(rec)
	}
	return rec, err
}

// Read refreshes an object. The record of one that is gone is forgotten.
func (e *Env) Read(ctx context.Context, addr string) (providers.Record, error) {
	rec, err := objects{e}.Lookup(addr)
	if err != nil {
		return rec, err
	}
	t := e.registry.Type(rec.Kind)
	if t.Read == nil {
		return rec, nil
	}
	now, err := t.Read(ctx, e.For(addr), rec)
	if err == nil {
		now.In = t.Schema.WithoutWriteOnly(now.In)
	}
	switch {
	case errors.Is(err, providers.ErrGone):
		e.forget(addr)
	case err == nil:
		e.keep(now)
	}
	return now, err
}

// Update changes an object in place.
func (e *Env) Update(addr string, in any) providers.Record {
	e.tb.Helper()
	was, known := e.seen(addr)
	rec, err := e.TryUpdate(e.tb.Context(), addr, in)
	if err == nil && known {
		err = foreseen(e.registry.Type(rec.Kind), was, rec)
	}
	if err != nil {
		e.tb.Fatalf("update %s: %v", addr, err)
	}
	return rec
}

// seen is an object as a plan sees it, and whether there is one: read, and not kept.
func (e *Env) seen(addr string) (providers.Record, bool) {
	rec, err := objects{e}.Lookup(addr)
	if err != nil {
		return rec, false
	}
	t := e.registry.Type(rec.Kind)
	if t.Read != nil {
		if rec, err = t.Read(e.tb.Context(), e.For(addr), rec); err != nil {
			return rec, false
		}
		rec.In = t.Schema.WithoutWriteOnly(rec.In)
	}
	return rec, true
}

// foreseen says what an update learned anew although the schema says that it stays: a
// plan tells the value of before, and its apply is then refused.
func foreseen(t *providers.Type, was, is providers.Record) error {
	before, after := t.Predict(was.In), t.Predict(is.In)
	for i := range t.Schema.Out {
		a := &t.Schema.Out[i]
		follows := slices.ContainsFunc(a.Follows, func(name string) bool {
			return !was.In.GetAttr(name).RawEquals(is.In.GetAttr(name))
		})
		if a.Volatile || follows || before.GetAttr(a.Name).IsKnown() || after.GetAttr(a.Name).IsKnown() {
			continue
		}
		if !is.Out.GetAttr(a.Name).RawEquals(was.Out.GetAttr(a.Name)) {
			return fmt.Errorf("kind %s: the update changed %s, which follows nothing that changed", t.Name, a.Name)
		}
	}
	return nil
}

// TryUpdate is Update for a test that expects an error.
func (e *Env) TryUpdate(ctx context.Context, addr string, in any) (providers.Record, error) {
	rec, err := objects{e}.Lookup(addr)
	if err != nil {
		return rec, err
	}
	t := e.registry.Type(rec.Kind)
	if t.Update == nil {
		return rec, fmt.Errorf("kind %s cannot update in place", t.Name)
	}
	v, err := configuration(t, in)
	if err != nil {
		return rec, err
	}
	for _, p := range t.Schema.CheckValue(v) {
		return rec, p
	}
	e.mu.Lock()
	e.asked[addr] = v
	e.mu.Unlock()
	out, err := t.Update(ctx, e.For(addr), rec, v)
	if err != nil {
		return rec, err
	}
	rec.In, rec.Out = t.Schema.WithoutWriteOnly(v), out
	if err := e.commit(func() { e.keep(rec) }); err != nil {
		return rec, err
	}
	e.Reload(addr)
	return rec, nil
}

// Delete deletes an object and drops its section.
func (e *Env) Delete(addr string) {
	e.tb.Helper()
	if err := e.TryDelete(e.tb.Context(), addr); err != nil {
		e.tb.Fatalf("delete %s: %v", addr, err)
	}
}

// TryDelete is Delete for a test that expects an error.
func (e *Env) TryDelete(ctx context.Context, addr string) error {
	rec, err := objects{e}.Lookup(addr)
	if err != nil {
		return err
	}
	t := e.registry.Type(rec.Kind)
	if t.Delete != nil {
		if err := t.Delete(ctx, e.For(addr), rec); err != nil {
			return err
		}
	}
	if err := e.commit(func() { e.forget(addr); e.store.drop(addr) }); err != nil {
		return err
	}
	e.Reload(addr)
	return nil
}

// commit writes the engine's own record of a result: an instant before which
// a kill may come, too.
func (e *Env) commit(write func()) error {
	if err := e.point(); err != nil {
		return err
	}
	write()
	return nil
}

func (e *Env) keep(rec providers.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.objects[rec.Addr] = rec
}

func (e *Env) forget(addr string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.objects, addr)
	delete(e.asked, addr)
}

// idOf returns the value of the attribute tagged "id".
func idOf(t *providers.Type, out cty.Value) string {
	for _, a := range t.Schema.Out {
		if a.ID {
			return out.GetAttr(a.Name).AsString()
		}
	}
	return ""
}
