package providers

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// Zero says what Encode makes of a zero value in a field that cannot say "not
// set" (no pointer, list, map or cty.Value), such as an empty string.
type Zero int

const (
	KeepZero Zero = iota // a value like any other: what an object learned
	NullZero             // null unless the attribute is required or has a default: an In as a system reports it
	OmitZero             // null, for Schema.Complete to fill in: an In as an author would write it
)

// Encode turns a struct of tags, or a pointer to one, into an object of its
// schema's type. Nil pointers, lists, maps and blocks become null; zero says
// what other zero values become. Secrets are encoded, too: see
// Schema.WithoutWriteOnly.
func Encode(v any, zero Zero) (cty.Value, error) {
	rv := reflect.Indirect(reflect.ValueOf(v))
	if !rv.IsValid() {
		return cty.NilVal, errors.New("encode: no value")
	}
	st, err := structureOf(rv.Type())
	if err != nil {
		return cty.NilVal, fmt.Errorf("encode: %w", err)
	}
	return st.encode(rv, zero)
}

// Decode turns an object into a struct of tags. Null and absent attributes
// become their default, or the zero value where there is none; unknown ones
// become the zero value. Attributes that T does not have are ignored.
//
// Beside an error the result holds every attribute that did decode.
func Decode[T any](v cty.Value) (T, error) {
	var t T
	st, err := structureOf(reflect.TypeFor[T]())
	if err != nil {
		return t, fmt.Errorf("decode: %w", err)
	}
	err = st.decode(v, reflect.ValueOf(&t).Elem(), nil)
	return t, err
}

// decodeRecord decodes what is known of an object; the rest is left zero, for
// the object may not be created yet.
func decodeRecord[In, Out any](rec Record) (Object[In, Out], error) {
	in, inErr := Decode[In](rec.In)
	out, outErr := Decode[Out](rec.Out)
	o := Object[In, Out]{Addr: rec.Addr, ID: rec.ID, In: in, Out: out}
	if err := errors.Join(inErr, outErr); err != nil {
		return o, fmt.Errorf("%s: %w", rec.Addr, err)
	}
	return o, nil
}

func (st *structure) decode(v cty.Value, into reflect.Value, path cty.Path) error {
	if v == cty.NilVal {
		v = cty.NullVal(st.ctyTyp)
	}
	if v.IsMarked() {
		return path.NewErrorf("value is marked")
	}
	known := v.IsKnown()
	if known && !v.IsNull() && !v.Type().IsObjectType() {
		return path.NewErrorf("%s where an object is needed", v.Type().FriendlyName())
	}
	var errs []error
	for _, f := range st.fields {
		av := cty.NilVal // absent
		switch {
		case !known:
			av = cty.DynamicVal
		case !v.IsNull() && v.Type().HasAttribute(f.name):
			av = v.GetAttr(f.name)
		}
		if err := f.decode(av, into.Field(f.index), path.GetAttr(f.name)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (f *field) decode(v cty.Value, into reflect.Value, path cty.Path) error {
	absent := v == cty.NilVal || (!v.IsMarked() && v.IsNull())
	switch {
	case f.sub == nil:
	case f.block.Labelled:
		return f.decodeLabelled(v, into, path)
	case (absent || !v.IsKnown()) && !f.block.Filled():
		return nil
	default:
		into.Set(reflect.New(f.sub.goType))
		return f.sub.decode(v, into.Elem(), path)
	}
	if absent {
		if f.attr.Default == cty.NilVal {
			if f.codec.goType == ctyValueType && v != cty.NilVal {
				into.Set(reflect.ValueOf(v))
			}
			return nil
		}
		v = f.attr.Default
	}
	return f.codec.decodeAny(v, into, path)
}

// decodeLabelled leaves the map nil where no block is, or none is known of.
func (f *field) decodeLabelled(v cty.Value, into reflect.Value, path cty.Path) error {
	switch {
	case v == cty.NilVal:
		return nil
	case v.IsMarked():
		return path.NewErrorf("value is marked")
	case v.IsNull() || !v.IsKnown():
		return nil
	case !v.Type().IsMapType() && !v.Type().IsObjectType():
		return path.NewErrorf("%s where a map of objects is needed", v.Type().FriendlyName())
	case v.LengthInt() == 0:
		return nil
	}
	m := reflect.MakeMapWithSize(into.Type(), v.LengthInt())
	var errs []error
	for label, body := range v.AsValueMap() {
		at := reflect.New(f.sub.goType)
		errs = append(errs, f.sub.decode(body, at.Elem(), path.IndexString(label)))
		m.SetMapIndex(reflect.ValueOf(label).Convert(into.Type().Key()), at)
	}
	into.Set(m)
	return errors.Join(errs...)
}

func (st *structure) encode(from reflect.Value, zero Zero) (cty.Value, error) {
	attrs := make(map[string]cty.Value, len(st.fields))
	for _, f := range st.fields {
		v, err := f.encode(from.Field(f.index), zero)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", f.name, err)
		}
		attrs[f.name] = v
	}
	return cty.ObjectVal(attrs), nil
}

func (f *field) encode(from reflect.Value, zero Zero) (cty.Value, error) {
	switch {
	case f.sub == nil:
	case from.IsNil():
		return f.block.absent(), nil
	case f.block.Labelled:
		return f.encodeLabelled(from, zero)
	default:
		return f.sub.encode(from.Elem(), zero)
	}
	if zero != KeepZero && !f.attr.Nullable && from.IsZero() {
		if zero == OmitZero || !f.attr.Required && f.attr.Default == cty.NilVal {
			return cty.NullVal(f.attr.Type), nil
		}
	}
	return f.codec.encode(from)
}

func (f *field) encodeLabelled(from reflect.Value, zero Zero) (cty.Value, error) {
	if from.Len() == 0 {
		return f.block.absent(), nil
	}
	bodies := make(map[string]cty.Value, from.Len())
	for iter := from.MapRange(); iter.Next(); {
		label := iter.Key().String()
		if iter.Value().IsNil() {
			return cty.NilVal, fmt.Errorf("block %q is nil", label)
		}
		body, err := f.sub.encode(iter.Value().Elem(), zero)
		if err != nil {
			return cty.NilVal, fmt.Errorf("block %q: %w", label, err)
		}
		bodies[label] = body
	}
	return cty.MapVal(bodies), nil
}

// wipe clears every Secret of a decoded struct.
func (st *structure) wipe(v reflect.Value) {
	for _, f := range st.fields {
		fv := v.Field(f.index)
		switch {
		case f.sub == nil && f.codec.leaf == secretType:
			wipeSecrets(fv)
		case f.sub == nil || fv.IsNil():
		case f.block.Labelled:
			for iter := fv.MapRange(); iter.Next(); {
				f.sub.wipe(iter.Value().Elem())
			}
		default:
			f.sub.wipe(fv.Elem())
		}
	}
}

func wipeSecrets(v reflect.Value) {
	switch {
	case v.Type() == secretType:
		clear(v.Bytes())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			wipeSecrets(v.Index(i))
		}
	case v.Kind() == reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			wipeSecrets(iter.Value())
		}
	}
}
