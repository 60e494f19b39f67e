package funcs

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// onFile makes a function of a file of the lab folder.
func (e *env) onFile(fn func(b []byte) (cty.Value, error)) function.Function {
	return text(cty.String, func(a ...string) (cty.Value, error) {
		b, err := e.read(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return fn(b)
	}, "path")
}

func (e *env) read(name string) ([]byte, error) {
	if e.ReadFile == nil {
		return nil, errors.New("there is no lab folder to read from")
	}
	return e.ReadFile(name)
}

func fileFunc(e *env) function.Function {
	return e.onFile(func(b []byte) (cty.Value, error) {
		if !utf8.Valid(b) {
			return cty.NilVal, function.NewArgErrorf(0, "the file is not UTF-8 text; read it with filebase64")
		}
		return cty.StringVal(string(b)), nil
	})
}

func fileBase64(e *env) function.Function {
	return e.onFile(func(b []byte) (cty.Value, error) {
		return cty.StringVal(base64.StdEncoding.EncodeToString(b)), nil
	})
}

func fileSHA256(e *env) function.Function {
	return e.onFile(func(b []byte) (cty.Value, error) {
		return cty.StringVal(hex.EncodeToString(sumOf("sha256", b))), nil
	})
}

func fileExists(e *env) function.Function {
	return text(cty.Bool, func(a ...string) (cty.Value, error) {
		_, err := e.read(a[0])
		return cty.BoolVal(err == nil), nil
	}, "path")
}

func planTimestamp(e *env) function.Function {
	return text(cty.String, func(...string) (cty.Value, error) {
		if e.Now.IsZero() {
			return cty.NilVal, errors.New("there is no plan here whose time it could be")
		}
		return cty.StringVal(e.Now.UTC().Format(time.RFC3339)), nil
	})
}

// anything is a parameter that takes every value as it is.
var anything = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType,
	AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
}

func same(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

func sensitive(e *env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   same,
		Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
			return a[0].Mark(e.Sensitive), nil
		},
	})
}

func nonSensitive(e *env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   same,
		Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := a[0].Unmark()
			delete(marks, e.Sensitive)
			return v.WithMarks(marks), nil
		},
	})
}

func isSensitive(e *env) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case a[0].HasMark(e.Sensitive):
				return cty.True, nil
			case !a[0].IsKnown():
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
}
