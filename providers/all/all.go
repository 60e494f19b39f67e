// Package all is the list of kinds that the program ships. It is the one place
// that knows every system; no system knows another.
package all

import (
	"hellolab/providers"
	"hellolab/providers/adcs"
	"hellolab/providers/adds"
	"hellolab/providers/adfs"
	"hellolab/providers/application"
	"hellolab/providers/connect"
	"hellolab/providers/entra"
	"hellolab/providers/identity"
	"hellolab/providers/trust"
	"hellolab/providers/value"
	"hellolab/providers/windows"
)

// Deps are what systems share beyond what Env gives each call. The caller
// makes and closes them.
type Deps struct {
	Windows *windows.Windows
}

// Types returns all kinds, in the order of the language's reference.
func Types(d Deps) []providers.Type {
	var types []providers.Type
	types = append(types, entra.Types()...)
	types = append(types, adds.Types()...)
	types = append(types, adcs.Types()...)
	types = append(types, adfs.Types()...)
	types = append(types, connect.Types()...)
	types = append(types, trust.Types()...)
	types = append(types, identity.Types()...)
	types = append(types, d.Windows.Types()...)
	types = append(types, application.Types()...)
	return append(types, value.Kind())
}
