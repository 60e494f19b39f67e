// Package value is the kind "value": an object that only remembers. It serves
// triggers and tests, and measures the engine by itself.
package value

import (
	"context"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/guid"
)

// Kind returns the kind "value".
//
// It has no Find, for nothing outlives a killed Create: a value is in no
// directory and writes no table, it exists in the engine's record alone. When
// that record was not committed, the UUID of the killed Create was seen by
// nobody, and creating the value anew loses nothing. It has no Read either:
// there is no second place that could differ from the record.
func Kind() providers.Type {
	return providers.Of(providers.Kind[spec.Value, spec.ValueOut]{
		Name: "value",
		Doc:  "A value that is remembered.",
		Predict: func(in spec.Value) spec.ValueOut {
			return spec.ValueOut{Output: in.Input}
		},
		Create: func(_ context.Context, env providers.Env, in spec.Value) (spec.ValueOut, error) {
			id, err := guid.New(env.Rand)
			if err != nil {
				return spec.ValueOut{}, err
			}
			return spec.ValueOut{ID: id.String(), Output: in.Input}, nil
		},
		Update: func(_ context.Context, _ providers.Env, o providers.Object[spec.Value, spec.ValueOut], in spec.Value) (spec.ValueOut, error) {
			return spec.ValueOut{ID: o.Out.ID, Output: in.Input}, nil
		},
	})
}
