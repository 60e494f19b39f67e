package record

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/msgpack"

	"hellolab/providers"
	"hellolab/state"
)

// adapt reads an object that was stored under another schema of its kind, an
// earlier version's: what the kind asks for now and did not then gets its
// default, or is not set; what it does not ask for any more is dropped. What it
// learned and did not learn then is not known, and null: the next Read tells. An
// attribute that became something else, and whose value cannot be that, is an
// error that names it.
func adapt(t *providers.Type, o state.Object) (in, out cty.Value, err error) {
	if in, err = implied(o.In); err != nil {
		return in, out, err
	}
	if in, err = t.Schema.Complete(known(&t.Schema.In, in)); err != nil {
		return in, out, err
	}
	if out, err = implied(o.Out); err != nil || out.IsNull() {
		return in, cty.NullVal(t.Schema.OutType), err
	}
	was := out.AsValueMap()
	attrs := make(map[string]cty.Value, len(t.Schema.Out))
	for i := range t.Schema.Out {
		a := &t.Schema.Out[i]
		v, has := was[a.Name]
		if !has {
			v = cty.NullVal(a.Type)
		}
		if attrs[a.Name], err = convert.Convert(v, a.Type); err != nil {
			return in, out, fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return in, cty.ObjectVal(attrs), nil
}

// implied reads a stored object as its bytes alone have it.
func implied(b []byte) (cty.Value, error) {
	ty, err := msgpack.ImpliedType(b)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := msgpack.Unmarshal(b, ty)
	if err == nil && !v.IsNull() && !ty.IsObjectType() {
		err = fmt.Errorf("%s where an object is needed", ty.FriendlyName())
	}
	return v, err
}

// known leaves of an object the attributes and blocks that b has.
func known(b *providers.Block, v cty.Value) cty.Value {
	if v.IsNull() || !v.Type().IsObjectType() {
		return v
	}
	was := v.AsValueMap()
	attrs := map[string]cty.Value{}
	for i := range b.Attrs {
		if v, ok := was[b.Attrs[i].Name]; ok {
			attrs[b.Attrs[i].Name] = v
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		body, ok := was[n.Name]
		switch {
		case !ok:
		case n.Labelled && !body.IsNull() && body.Type().IsObjectType():
			bodies := body.AsValueMap()
			for label, each := range bodies {
				bodies[label] = known(&n.Block, each)
			}
			attrs[n.Name] = cty.ObjectVal(bodies)
		default:
			attrs[n.Name] = known(&n.Block, body)
		}
	}
	return cty.ObjectVal(attrs)
}
