package apply

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/plan"
	"hellolab/providers"
)

func hasWriteOnly(b *providers.Block) bool {
	for i := range b.Attrs {
		if b.Attrs[i].WriteOnly {
			return true
		}
	}
	for i := range b.Blocks {
		if hasWriteOnly(&b.Blocks[i].Block) {
			return true
		}
	}
	return false
}

// settle returns what a step asks of its kind: what the plan knew, as it knew
// it, and what config says where the plan did not know or may not hold
// (write-only attributes). It is an error when config contradicts the plan, or
// does not know either.
func settle(b *providers.Block, planned, config cty.Value) (cty.Value, error) {
	return settleBlock(b, nil, planned, config)
}

func settleBlock(b *providers.Block, at cty.Path, planned, config cty.Value) (cty.Value, error) {
	if !planned.IsKnown() {
		planned = unknownParts(b)
		if config.IsKnown() && config.IsNull() {
			return config, nil
		}
	}
	if planned.IsNull() {
		return planned, nil
	}
	if !config.IsKnown() || config.IsNull() {
		if planned.IsWhollyKnown() {
			return planned, nil // kept by ignore_changes
		}
		return cty.NilVal, at.NewErrorf("the plan has a value and the configuration now has none")
	}
	attrs := planned.AsValueMap()
	for i := range b.Attrs {
		a := &b.Attrs[i]
		path := at.GetAttr(a.Name)
		was, is := attrs[a.Name], config.GetAttr(a.Name)
		if !a.WriteOnly && was.IsWhollyKnown() {
			continue
		}
		if !is.IsWhollyKnown() {
			return cty.NilVal, path.NewErrorf("the value is still not known, though everything it rests on was applied")
		}
		if !a.WriteOnly && !plan.Compatible(was, is) {
			return cty.NilVal, path.NewErrorf("the plan promised another value than what came out")
		}
		attrs[a.Name] = is
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		v, err := settleNested(n, at, attrs[n.Name], config.GetAttr(n.Name))
		if err != nil {
			return cty.NilVal, err
		}
		attrs[n.Name] = v
	}
	return cty.ObjectVal(attrs), nil
}

// settleNested settles the blocks of one type. Which there are is what the
// plan said, unless it did not know.
func settleNested(n *providers.NestedBlock, at cty.Path, planned, config cty.Value) (cty.Value, error) {
	if n.Labelled && !planned.IsKnown() {
		if !config.IsWhollyKnown() {
			return cty.NilVal, at.GetAttr(n.Name).NewErrorf("the value is still not known, though everything it rests on was applied")
		}
		return config, nil
	}
	var failed error
	v := n.Map(planned, func(label string, body cty.Value) cty.Value {
		done, err := settleBlock(&n.Block, n.At(at, label), body, n.Body(config, label))
		if err != nil {
			failed = errors.Join(failed, err)
			return body
		}
		return done
	})
	return v, failed
}

// unknownParts is an object of b in which nothing is known.
func unknownParts(b *providers.Block) cty.Value {
	attrs := map[string]cty.Value{}
	for name, ty := range b.Type().AttributeTypes() {
		attrs[name] = cty.UnknownVal(ty)
	}
	return cty.ObjectVal(attrs)
}

// writeOnlyOf returns config with everything but its write-only attributes null.
func writeOnlyOf(b *providers.Block, config cty.Value) cty.Value {
	if !config.IsKnown() || config.IsNull() {
		return config
	}
	attrs := config.AsValueMap()
	for i := range b.Attrs {
		if a := &b.Attrs[i]; !a.WriteOnly {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		attrs[n.Name] = n.Map(attrs[n.Name], func(_ string, body cty.Value) cty.Value { return writeOnlyOf(&n.Block, body) })
	}
	return cty.ObjectVal(attrs)
}

// idOf returns the ID in an object of OutType.
func idOf(t *providers.Type, out cty.Value) string {
	for i := range t.Schema.Out {
		if a := &t.Schema.Out[i]; a.ID {
			if v := out.GetAttr(a.Name); v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
				return v.AsString()
			}
		}
	}
	return ""
}

// soundOut says what is wrong with a result, as a mistake of the kind.
func soundOut(t *providers.Type, call string, planned, out cty.Value) error {
	blame := func(format string, args ...any) error {
		return fmt.Errorf("kind %s: %s %s; this is a mistake of the kind, not of the configuration", t.Name, call, fmt.Sprintf(format, args...))
	}
	switch {
	case out == cty.NilVal:
		return blame("returned no result")
	case out.ContainsMarked() || !out.IsWhollyKnown():
		return blame("returned a result that is not wholly known")
	case out.Type().TestConformance(t.Schema.OutType) != nil:
		return blame("returned a result of another type than the kind's")
	}
	if at, ok := plan.Agrees(t, planned, out); !ok {
		return blame("produced an inconsistent result: the plan said what %s would be, and it became something else", pathOr(at, "the object"))
	}
	return nil
}

func pathOr(p cty.Path, fallback string) string {
	if s := plan.PathString(p); s != "" {
		return s
	}
	return fallback
}
