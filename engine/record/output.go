package record

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/state"
)

// EncodeOutput returns a root output to store. The value must be known and unmarked.
func EncodeOutput(v cty.Value, sensitive bool) (state.Output, error) {
	b, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
	if err != nil {
		return state.Output{}, fmt.Errorf("encode output: %w", err)
	}
	return state.Output{Value: b, Sensitive: sensitive}, nil
}

// DecodeOutput reads a stored root output.
func DecodeOutput(o state.Output) (cty.Value, error) {
	v, err := ctyjson.Unmarshal(o.Value, cty.DynamicPseudoType)
	if err != nil {
		return cty.NilVal, fmt.Errorf("stored output: %w", err)
	}
	return v, nil
}
