package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"hellolab/cmd/hellolab/internal/view"
	"hellolab/state"
)

type outputCommand struct {
	stateFlags
	json, raw bool
}

func (c *outputCommand) flags(fs *flag.FlagSet) {
	c.stateFlags.flags(fs)
	fs.BoolVar(&c.json, "json", false, "print JSON, sensitive values included")
	fs.BoolVar(&c.raw, "raw", false, "print one output as plain text, even if it is sensitive")
}

func (c *outputCommand) run(ctx context.Context, s *session, args []string) error {
	if c.raw && (len(args) != 1 || c.json) {
		return mistake("Usage: hellolab output -raw NAME", "-raw needs the name of one output, and excludes -json")
	}
	snap, err := s.openRead(ctx, &c.stateFlags)
	if err != nil {
		return err
	}
	defer snap.Close()
	outs, err := readOutputs(snap)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if c.json {
			return view.OutputsJSON(s.out, outs)
		}
		if len(outs) == 0 {
			s.printf("The state holds no outputs.\n")
		}
		return view.Outputs(s.out, outs)
	}
	o, ok := outs[args[0]]
	if !ok {
		return mistake(didYouMean(args[0], slices.Sorted(maps.Keys(outs)), "`hellolab output` lists the outputs of the last apply."), "There is no output %q", args[0])
	}
	switch {
	case c.json:
		return view.WriteJSON(s.out, ctyjson.SimpleJSONValue{Value: o.Value})
	case c.raw:
		text, err := convert.Convert(o.Value, cty.String)
		if err != nil || text.IsNull() {
			return mistake("Use -json.", "Output %q is no text", args[0])
		}
		s.printf("%s", text.AsString())
		return nil
	}
	s.printf("%s\n", view.Value(o.Value, o.Sensitive))
	return nil
}

// readOutputs decodes the outputs that a state holds.
func readOutputs(r state.Reader) (map[string]view.OutputValue, error) {
	stored, err := state.Outputs(r)
	if err != nil {
		return nil, err
	}
	outs := make(map[string]view.OutputValue, len(stored))
	for name, o := range stored {
		v, err := ctyjson.Unmarshal(o.Value, cty.DynamicPseudoType)
		if err != nil {
			return nil, fmt.Errorf("stored output %s: %w", name, err)
		}
		outs[name] = view.OutputValue{Value: v, Sensitive: o.Sensitive}
	}
	return outs, nil
}
