package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"hellolab/engine/record"
	"hellolab/state"
)

// storedOutput is a root output as the state remembers it.
type storedOutput struct {
	value     cty.Value
	sensitive bool
}

func storedOutputs(v state.View) (map[string]storedOutput, error) {
	var raw map[string]state.Output
	err := v.Read(func(r state.Reader) (err error) {
		raw, err = state.Outputs(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	stored := make(map[string]storedOutput, len(raw))
	for name, o := range raw {
		value, err := record.DecodeOutput(o)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		stored[name] = storedOutput{value, o.Sensitive}
	}
	return stored, nil
}

// outputs compares the root outputs with those stored.
func (p *planner) outputs() ([]OutputChange, hcl.Diagnostics) {
	stored, err := storedOutputs(p.req.View)
	if err != nil {
		return nil, failed("The outputs of the state cannot be read", err)
	}
	var list []OutputChange
	if p.req.Mode != Destroy {
		for _, o := range p.result.Outputs {
			c := OutputChange{Name: o.Name, Action: Create, Before: cty.NullVal(cty.DynamicPseudoType), After: o.Value, Sensitive: o.Sensitive}
			if was, ok := stored[o.Name]; ok {
				c.Before, c.Action = was.value, Update
				if was.sensitive == o.Sensitive && was.value.RawEquals(o.Value) {
					c.Action = NoOp
				}
				delete(stored, o.Name)
			}
			list = append(list, c)
		}
	}
	action := Delete
	if p.req.Mode == Destroy && len(p.req.Targets) > 0 {
		action = NoOp // what is left may still be worth it
	}
	for name, was := range stored {
		c := OutputChange{Name: name, Action: action, Before: was.value, After: cty.NullVal(cty.DynamicPseudoType), Sensitive: was.sensitive}
		if action == NoOp {
			c.After = was.value
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b OutputChange) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}
