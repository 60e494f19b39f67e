// Package record turns the engine's stored objects into records of their kind
// and back. The store holds bytes; everything above it holds cty values of the
// kind's schema, and this package is the only place that knows both.
package record

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"hellolab/providers"
	"hellolab/state"
)

// Decode reads a stored object of kind t.
func Decode(t *providers.Type, o state.Object) (providers.Record, error) {
	in, err := msgpack.Unmarshal(o.In, t.Schema.InType)
	if err != nil {
		return providers.Record{}, fmt.Errorf("%s: stored configuration does not fit kind %s: %w", o.Addr, t.Name, err)
	}
	out, err := msgpack.Unmarshal(o.Out, t.Schema.OutType)
	if err != nil {
		return providers.Record{}, fmt.Errorf("%s: stored result does not fit kind %s: %w", o.Addr, t.Name, err)
	}
	return providers.Record{Addr: o.Addr, Kind: o.Kind, ID: o.ID, In: in, Out: out}, nil
}

// Encode returns the bytes of values to store. In must hold nulls for
// write-only attributes; both must be known and unmarked.
func Encode(t *providers.Type, in, out cty.Value) (inBytes, outBytes []byte, err error) {
	if inBytes, err = msgpack.Marshal(in, t.Schema.InType); err != nil {
		return nil, nil, fmt.Errorf("kind %s: encode configuration: %w", t.Name, err)
	}
	if outBytes, err = msgpack.Marshal(out, t.Schema.OutType); err != nil {
		return nil, nil, fmt.Errorf("kind %s: encode result: %w", t.Name, err)
	}
	return inBytes, outBytes, nil
}

// Value is what an object is worth to expressions: In and Out attributes in
// one object. Out attributes win where a name stands in both.
func Value(in, out cty.Value) cty.Value {
	attrs := map[string]cty.Value{}
	for _, v := range []cty.Value{in, out} {
		if v == cty.NilVal || v.IsNull() {
			continue
		}
		for name, a := range v.AsValueMap() {
			attrs[name] = a
		}
	}
	return cty.ObjectVal(attrs)
}
