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

// Decode reads a stored object of kind t. One that another version of the
// program stored is adapted to the kind as it is now.
func Decode(t *providers.Type, o state.Object) (providers.Record, error) {
	rec, _, err := DecodeAdapted(t, o)
	return rec, err
}

// DecodeAdapted is Decode, and says whether the object was stored under another
// schema: then what it learned may be missing.
func DecodeAdapted(t *providers.Type, o state.Object) (rec providers.Record, adapted bool, err error) {
	in, inErr := msgpack.Unmarshal(o.In, t.Schema.InType)
	out, outErr := msgpack.Unmarshal(o.Out, t.Schema.OutType)
	if adapted = inErr != nil || outErr != nil; adapted {
		if in, out, err = adapt(t, o); err != nil {
			what, why := "configuration", inErr
			if inErr == nil {
				what, why = "result", outErr
			}
			return rec, adapted, fmt.Errorf("%s: stored %s does not fit kind %s: %w (%w)", o.Addr, what, t.Name, why, err)
		}
	}
	return providers.Record{Addr: o.Addr, Kind: o.Kind, ID: o.ID, In: in, Out: out}, adapted, nil
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
