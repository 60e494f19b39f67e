package record

import (
	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
)

// WithWriteOnly returns in with the write-only attributes of from: what a
// system or a rule needs to see, and no plan and no state may hold. Both are
// unmarked objects of b.
func WithWriteOnly(b *providers.Block, in, from cty.Value) cty.Value {
	if !in.IsKnown() || in.IsNull() || !from.IsKnown() || from.IsNull() {
		return in
	}
	attrs := in.AsValueMap()
	for i := range b.Attrs {
		if a := &b.Attrs[i]; a.WriteOnly {
			attrs[a.Name] = from.GetAttr(a.Name)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		has := from.GetAttr(n.Name)
		attrs[n.Name] = n.Map(attrs[n.Name], func(label string, body cty.Value) cty.Value {
			return WithWriteOnly(&n.Block, body, n.Body(has, label))
		})
	}
	return cty.ObjectVal(attrs)
}
