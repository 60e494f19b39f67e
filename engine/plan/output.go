package plan

import (
	"fmt"

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
