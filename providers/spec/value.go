package spec

import "github.com/zclconf/go-cty/cty"

// Value remembers a value of any type.
type Value struct {
	Input cty.Value `lab:"input" doc:"What to remember, of any type."`
}

// ValueOut is what a value learns.
type ValueOut struct {
	ID     string    `lab:"id,id" doc:"Random UUID, for life."`
	Output cty.Value `lab:"output" doc:"Input, as last applied."`
}
