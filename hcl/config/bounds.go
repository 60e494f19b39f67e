package config

import (
	"hellolab/hcl/addr"
	"hellolab/hcl/budget"
)

// Bounds are the limits of the language, for the reference: those of files,
// then those of evaluation.
func Bounds() []budget.Bound {
	return append([]budget.Bound{
		{What: "One file", Limit: MaxFile, Bytes: true},
		{What: "Configuration files of a lab", Limit: maxFiles},
		{What: "Configuration files together", Limit: maxConfig, Bytes: true},
		{What: "Files that are read, those of functions included", Limit: maxSources, Bytes: true},
		{What: "Brackets, blocks and templates inside each other", Limit: maxNesting},
		{What: "Operators and accessors of one expression", Limit: maxChain},
		{What: "Words, operators and lines of a file", Limit: maxTokens},
		{What: "Digits of a number", Limit: maxNumber},
		{What: "Letters of a name", Limit: addr.MaxName},
	}, budget.Bounds()...)
}
