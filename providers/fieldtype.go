package providers

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// codec moves values of one Go type between cty and Go.
type codec struct {
	goType reflect.Type
	leaf   reflect.Type // the type at the bottom of pointers, lists and maps
	typ    cty.Type
	format Format
	// decode gets a known, unmarked value of typ that is not null.
	decode func(v cty.Value, into reflect.Value, path cty.Path) error
	encode func(from reflect.Value) (cty.Value, error)
}

// decodeAny decodes a value that may be null or unknown (both leave into as it
// is) or of a type that converts to the codec's.
func (c *codec) decodeAny(v cty.Value, into reflect.Value, path cty.Path) error {
	if c.goType == ctyValueType {
		if v.ContainsMarked() {
			return path.NewErrorf("value is marked")
		}
		into.Set(reflect.ValueOf(v))
		return nil
	}
	if v.IsMarked() {
		return path.NewErrorf("value is marked")
	}
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	if !v.Type().Equals(c.typ) {
		var err error
		if v, err = convert.Convert(v, c.typ); err != nil {
			return path.NewErrorf("%s", err)
		}
	}
	return c.decode(v, into, path)
}

func codecOf(t reflect.Type) (codec, error) {
	c := codec{goType: t, leaf: t}
	switch {
	case t == ctyValueType:
		c.typ = cty.DynamicPseudoType
		c.encode = encodeAnyType
	case t == durationType:
		c.typ, c.format = cty.String, Duration
		c.decode = decodeDuration
		c.encode = func(v reflect.Value) (cty.Value, error) {
			return cty.StringVal(FormatDuration(time.Duration(v.Int()))), nil
		}
	case t == secretType:
		c.typ = cty.String
		c.decode = func(v cty.Value, into reflect.Value, _ cty.Path) error {
			into.SetBytes([]byte(v.AsString()))
			return nil
		}
		c.encode = encodeSecret
	default:
		return codecOfKind(c)
	}
	return c, nil
}

func codecOfKind(c codec) (codec, error) {
	t := c.goType
	switch t.Kind() {
	case reflect.String:
		c.typ = cty.String
		c.decode = func(v cty.Value, into reflect.Value, _ cty.Path) error {
			into.SetString(v.AsString())
			return nil
		}
		c.encode = func(v reflect.Value) (cty.Value, error) { return cty.StringVal(v.String()), nil }
	case reflect.Bool:
		c.typ = cty.Bool
		c.decode = func(v cty.Value, into reflect.Value, _ cty.Path) error {
			into.SetBool(v.True())
			return nil
		}
		c.encode = func(v reflect.Value) (cty.Value, error) { return cty.BoolVal(v.Bool()), nil }
	case reflect.Int:
		c.typ, c.format = cty.Number, Integer
		c.decode = decodeInt
		c.encode = func(v reflect.Value) (cty.Value, error) { return cty.NumberIntVal(v.Int()), nil }
	case reflect.Float64:
		c.typ = cty.Number
		c.decode = func(v cty.Value, into reflect.Value, path cty.Path) error {
			f, _ := v.AsBigFloat().Float64()
			if math.IsInf(f, 0) {
				return path.NewErrorf("number is too large")
			}
			into.SetFloat(f)
			return nil
		}
		c.encode = encodeFloat
	case reflect.Pointer:
		return codecOfPointer(c)
	case reflect.Slice:
		return codecOfSlice(c)
	case reflect.Map:
		return codecOfMap(c)
	default:
		return c, fmt.Errorf("type %s cannot be an attribute", t)
	}
	return c, nil
}

func codecOfPointer(c codec) (codec, error) {
	elem, err := codecOf(c.goType.Elem())
	if err != nil {
		return c, err
	}
	if !elem.scalar() {
		return c, fmt.Errorf("type %s: only scalars may stand behind a pointer", c.goType)
	}
	c.leaf, c.typ, c.format = elem.leaf, elem.typ, elem.format
	c.decode = func(v cty.Value, into reflect.Value, path cty.Path) error {
		p := reflect.New(elem.goType)
		if err := elem.decode(v, p.Elem(), path); err != nil {
			return err
		}
		into.Set(p)
		return nil
	}
	c.encode = func(v reflect.Value) (cty.Value, error) {
		if v.IsNil() {
			return cty.NullVal(elem.typ), nil
		}
		return elem.encode(v.Elem())
	}
	return c, nil
}

func codecOfSlice(c codec) (codec, error) {
	elem, err := codecOf(c.goType.Elem())
	if err != nil {
		return c, err
	}
	if !elem.scalar() && elem.goType.Kind() != reflect.Slice {
		return c, fmt.Errorf("type %s: a list holds scalars", c.goType)
	}
	c.leaf, c.typ, c.format = elem.leaf, cty.List(elem.typ), elem.format
	c.decode = func(v cty.Value, into reflect.Value, path cty.Path) error {
		list := reflect.MakeSlice(c.goType, v.LengthInt(), v.LengthInt())
		for i, ev := range v.Elements() {
			n, _ := i.AsBigFloat().Int64()
			if err := elem.element(ev, list.Index(int(n)), path.Index(i)); err != nil {
				return err
			}
		}
		into.Set(list)
		return nil
	}
	c.encode = func(v reflect.Value) (cty.Value, error) {
		switch {
		case v.IsNil():
			return cty.NullVal(c.typ), nil
		case v.Len() == 0:
			return cty.ListValEmpty(elem.typ), nil
		}
		list := make([]cty.Value, v.Len())
		for i := range list {
			var err error
			if list[i], err = elem.encode(v.Index(i)); err != nil {
				return cty.NilVal, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return cty.ListVal(list), nil
	}
	return c, nil
}

func codecOfMap(c codec) (codec, error) {
	elem, err := codecOf(c.goType.Elem())
	if err != nil {
		return c, err
	}
	if !elem.scalar() || c.goType.Key().Kind() != reflect.String {
		return c, fmt.Errorf("type %s: a map holds scalars by string", c.goType)
	}
	c.leaf, c.typ, c.format = elem.leaf, cty.Map(elem.typ), elem.format
	c.decode = func(v cty.Value, into reflect.Value, path cty.Path) error {
		m := reflect.MakeMapWithSize(c.goType, v.LengthInt())
		for k, ev := range v.Elements() {
			e := reflect.New(elem.goType).Elem()
			if err := elem.element(ev, e, path.Index(k)); err != nil {
				return err
			}
			m.SetMapIndex(reflect.ValueOf(k.AsString()).Convert(c.goType.Key()), e)
		}
		into.Set(m)
		return nil
	}
	c.encode = func(v reflect.Value) (cty.Value, error) {
		switch {
		case v.IsNil():
			return cty.NullVal(c.typ), nil
		case v.Len() == 0:
			return cty.MapValEmpty(elem.typ), nil
		}
		m := make(map[string]cty.Value, v.Len())
		for iter := v.MapRange(); iter.Next(); {
			ev, err := elem.encode(iter.Value())
			if err != nil {
				return cty.NilVal, fmt.Errorf("element %q: %w", iter.Key(), err)
			}
			m[iter.Key().String()] = ev
		}
		return cty.MapVal(m), nil
	}
	return c, nil
}

func (c *codec) scalar() bool {
	switch c.goType.Kind() {
	case reflect.Pointer, reflect.Map:
		return false
	case reflect.Slice:
		return c.goType == secretType
	}
	return c.goType != ctyValueType
}

// element decodes one element of a list or map; a null there is a mistake, for
// Go has no place for it.
func (c *codec) element(v cty.Value, into reflect.Value, path cty.Path) error {
	if v.IsNull() {
		return path.NewErrorf("null in a list or map")
	}
	return c.decodeAny(v, into, path)
}

func decodeDuration(v cty.Value, into reflect.Value, path cty.Path) error {
	d, err := ParseDuration(v.AsString())
	if err != nil {
		return path.NewError(err)
	}
	into.SetInt(int64(d))
	return nil
}

func decodeInt(v cty.Value, into reflect.Value, path cty.Path) error {
	n, ok := intOf(v)
	if !ok {
		return path.NewErrorf("not a whole number in range")
	}
	into.SetInt(n)
	return nil
}

// intOf returns v, a known number, as an int64 if it is one exactly.
func intOf(v cty.Value) (int64, bool) {
	f := v.AsBigFloat()
	if !f.IsInt() {
		return 0, false
	}
	n, accuracy := f.Int64()
	return n, accuracy == 0
}

func encodeFloat(v reflect.Value) (cty.Value, error) {
	if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
		return cty.NilVal, errors.New("not a finite number")
	}
	return cty.NumberFloatVal(v.Float()), nil
}

func encodeSecret(v reflect.Value) (cty.Value, error) {
	if v.IsNil() {
		return cty.NullVal(cty.String), nil
	}
	return cty.StringVal(string(v.Bytes())), nil
}

func encodeAnyType(v reflect.Value) (cty.Value, error) {
	val := v.Interface().(cty.Value)
	if val == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	return val, nil
}
