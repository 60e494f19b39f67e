package providers

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// Of erases a kind to cty. The struct tags of In and Out are read here, once;
// a wrong one, or a kind that could never be created, panics: it is a mistake
// of the program.
//
// The functions of the Type decode what they are given, and hold the kind to
// its contract: what it returns is encoded, wholly known, without write-only
// values, and has an ID. A breach is an error that names the kind. Secrets
// decoded for a call are wiped when it returns.
func Of[In, Out any](k Kind[In, Out]) Type {
	in, out, err := structuresOf[In, Out]()
	switch {
	case k.Name == "":
		panic("providers: a kind without a name")
	case err != nil:
		panic(fmt.Sprintf("providers: kind %s: %v", k.Name, err))
	case k.Create == nil:
		panic(fmt.Sprintf("providers: kind %s has no Create", k.Name))
	}
	for _, a := range in.block.Attrs {
		if a.Later && k.Update == nil {
			panic(fmt.Sprintf("providers: kind %s: attribute %q is set later, and there is no Update", k.Name, a.Name))
		}
	}
	e := &erased[In, Out]{kind: k, in: in, out: out}
	e.schema = &Schema{In: in.block, Out: out.block.Attrs, InType: in.ctyTyp, OutType: out.ctyTyp}
	t := Type{
		Name: k.Name, Doc: k.Doc, After: k.After, Schema: e.schema,
		Key:     e.key,
		Predict: e.predict,
		Find:    e.find,
		Create:  e.create,
	}
	if k.Home != nil {
		t.Home = func(v cty.Value) Ref { return k.Home(lenient[In](v)) }
	}
	if k.Disk != nil {
		t.Disk = func(v cty.Value) Ref { return k.Disk(lenient[In](v)) }
	}
	if k.Watch != nil {
		t.Watch = func(objects Objects, v cty.Value) []Ref { return k.Watch(objects, lenient[In](v)) }
	}
	if k.Hosts != nil {
		t.Hosts = func(r Record) []string {
			o, _ := decodeRecord[In, Out](r)
			return k.Hosts(o)
		}
	}
	if k.Read != nil {
		t.Read = e.read
	}
	if k.Update != nil {
		t.Update = e.update
	}
	if k.Delete != nil {
		t.Delete = e.delete
	}
	if k.Open != nil {
		t.Open = e.open
	}
	if k.Due != nil {
		t.Due = e.due
	}
	return t
}

func structuresOf[In, Out any]() (in, out *structure, err error) {
	if in, err = structureOf(reflect.TypeFor[In]()); err != nil {
		return nil, nil, err
	}
	if out, err = structureOf(reflect.TypeFor[Out]()); err != nil {
		return nil, nil, err
	}
	return in, out, checkSides(in, out)
}

// lenient decodes for the questions a plan asks: what is unknown, or wrong and
// reported elsewhere, is zero.
func lenient[T any](v cty.Value) T {
	t, _ := Decode[T](v)
	return t
}

// erased is a kind with what Of read off its structs.
type erased[In, Out any] struct {
	kind    Kind[In, Out]
	schema  *Schema
	in, out *structure
}

func (e *erased[In, Out]) errorf(format string, args ...any) error {
	return fmt.Errorf("kind "+e.kind.Name+": "+format, args...)
}

// whole decodes a value that must be wholly known: one that a side effect is
// about to rest on.
func whole[T any](v cty.Value, what string) (T, error) {
	if v != cty.NilVal && !v.IsWhollyKnown() {
		var zero T
		return zero, fmt.Errorf("%s is not wholly known", what)
	}
	t, err := Decode[T](v)
	if err != nil {
		return t, fmt.Errorf("%s: %w", what, err)
	}
	return t, nil
}

func (e *erased[In, Out]) decodeIn(v cty.Value) (In, error) {
	in, err := whole[In](v, "what is asked")
	if err != nil {
		return in, e.errorf("%w", err)
	}
	return in, nil
}

func (e *erased[In, Out]) decode(rec Record) (Object[In, Out], error) {
	o := Object[In, Out]{Addr: rec.Addr, ID: rec.ID}
	var inErr, outErr error
	o.In, inErr = whole[In](rec.In, "what was asked")
	o.Out, outErr = whole[Out](rec.Out, "what was learned")
	if err := errors.Join(inErr, outErr); err != nil {
		return o, e.errorf("%s: %w", rec.Addr, err)
	}
	return o, nil
}

func (e *erased[In, Out]) key(v cty.Value) string {
	if e.kind.Key == nil {
		return ""
	}
	return e.kind.Key(lenient[In](v))
}

func (e *erased[In, Out]) predict(v cty.Value) cty.Value {
	var guess reflect.Value
	if e.kind.Predict != nil {
		guess = reflect.ValueOf(e.kind.Predict(lenient[In](v)))
	}
	attrs := make(map[string]cty.Value, len(e.out.fields))
	for _, f := range e.out.fields {
		attrs[f.name] = cty.UnknownVal(f.attr.Type)
		if !guess.IsValid() || guess.Field(f.index).IsZero() {
			continue
		}
		if known, err := f.encode(guess.Field(f.index), KeepZero); err == nil {
			attrs[f.name] = known
		}
	}
	return cty.ObjectVal(attrs)
}

// encodeOut encodes what a call learned, and returns the ID in it.
func (e *erased[In, Out]) encodeOut(call string, out Out) (cty.Value, string, error) {
	v, err := e.out.encode(reflect.ValueOf(out), KeepZero)
	if err != nil {
		return cty.NilVal, "", e.errorf("%s returned a bad result: %w", call, err)
	}
	if err := settled(v); err != nil {
		return cty.NilVal, "", e.errorf("%s returned a result that %w", call, err)
	}
	id := e.id(v)
	if id == "" && e.out.id >= 0 {
		return cty.NilVal, "", e.errorf("%s left the object's id empty", call)
	}
	return v, id, nil
}

func settled(v cty.Value) error {
	switch {
	case v.ContainsMarked():
		return errors.New("carries marks")
	case !v.IsWhollyKnown():
		return errors.New("is not wholly known")
	}
	return nil
}

// id returns the ID in an object of OutType.
func (e *erased[In, Out]) id(out cty.Value) string {
	if e.out.id < 0 || out == cty.NilVal || !out.IsKnown() || out.IsNull() {
		return ""
	}
	v := out.GetAttr(e.out.fields[e.out.id].name)
	if !v.IsKnown() || v.IsNull() {
		return ""
	}
	return v.AsString()
}

// record encodes an object a call reported. Spellings of was, the In known
// before, are kept where they mean the same.
func (e *erased[In, Out]) record(call, addr string, o Object[In, Out], was cty.Value) (Record, error) {
	in, err := e.in.encode(reflect.ValueOf(o.In), NullZero)
	if err != nil {
		return Record{}, e.errorf("%s returned a bad object: %w", call, err)
	}
	if err := settled(in); err != nil {
		return Record{}, e.errorf("%s returned an object that %w", call, err)
	}
	out, id, err := e.encodeOut(call, o.Out)
	if err != nil {
		return Record{}, err
	}
	if id == "" {
		id = o.ID
	}
	in = e.schema.WithoutWriteOnly(e.schema.Keep(was, in))
	return Record{Addr: addr, Kind: e.kind.Name, ID: id, In: in, Out: out}, nil
}

func (e *erased[In, Out]) find(ctx context.Context, env Env, key string) (Record, error) {
	if e.kind.Find == nil {
		return Record{}, ErrGone
	}
	o, err := e.kind.Find(ctx, env, key)
	if err != nil {
		return Record{}, err
	}
	return e.record("Find", env.Addr, o, cty.NilVal)
}

func (e *erased[In, Out]) create(ctx context.Context, env Env, v cty.Value) (cty.Value, error) {
	in, err := e.decodeIn(v)
	if err != nil {
		return cty.NilVal, err
	}
	defer e.wipe(&in)
	out, err := e.kind.Create(ctx, env, in)
	if err != nil {
		return cty.NilVal, err
	}
	result, _, err := e.encodeOut("Create", out)
	return result, err
}

func (e *erased[In, Out]) read(ctx context.Context, env Env, rec Record) (Record, error) {
	o, err := e.decode(rec)
	if err != nil {
		return Record{}, err
	}
	now, err := e.kind.Read(ctx, env, o)
	if err != nil {
		return Record{}, err
	}
	got, err := e.record("Read", rec.Addr, now, rec.In)
	if err == nil && rec.ID != "" && got.ID != rec.ID {
		return Record{}, e.errorf("Read of %s (%s) returned another object, %s", rec.Addr, rec.ID, got.ID)
	}
	return got, err
}

func (e *erased[In, Out]) update(ctx context.Context, env Env, rec Record, v cty.Value) (cty.Value, error) {
	o, err := e.decode(rec)
	if err != nil {
		return cty.NilVal, err
	}
	in, err := e.decodeIn(v)
	if err != nil {
		return cty.NilVal, err
	}
	defer e.wipe(&in)
	out, err := e.kind.Update(ctx, env, o, in)
	if err != nil {
		return cty.NilVal, err
	}
	result, id, err := e.encodeOut("Update", out)
	if err == nil && rec.ID != "" && id != "" && id != rec.ID {
		return cty.NilVal, e.errorf("Update changed the id of %s from %s to %s", rec.Addr, rec.ID, id)
	}
	return result, err
}

func (e *erased[In, Out]) delete(ctx context.Context, env Env, rec Record) error {
	o, err := e.decode(rec)
	if err != nil {
		return err
	}
	return e.kind.Delete(ctx, env, o)
}

func (e *erased[In, Out]) open(ctx context.Context, env Env, rec Record) (Service, error) {
	o, err := e.decode(rec)
	if err != nil {
		return nil, err
	}
	s, err := e.kind.Open(ctx, env, o)
	if err == nil && s == nil {
		return nil, e.errorf("Open of %s returned no service", rec.Addr)
	}
	return s, err
}

func (e *erased[In, Out]) due(ctx context.Context, env Env, rec Record) error {
	o, err := e.decode(rec)
	if err != nil {
		return err
	}
	return e.kind.Due(ctx, env, o)
}

// wipe clears the secrets that were decoded for one call.
func (e *erased[In, Out]) wipe(in *In) { e.in.wipe(reflect.ValueOf(in).Elem()) }
