// Package examples holds the example labs, one folder per deployment shape, so
// that `hellolab init -example` works without this tree.
package examples

import "embed"

// FS holds the folders by name.
//
//go:embed */*.hcl */README.md
var FS embed.FS
