// Package adds is an Active Directory domain: its directory over LDAP, its key
// distribution center, its password service, and what clients find its
// controllers by, DNS and the netlogon ping. Each controller answers on a host
// of its own; the domain's name is a host, too, which the first one answers on.
//
// The parts are packages below: directory holds the data, ldapd, kdc and
// locator speak the protocols and ask for what they need through small
// interfaces, which this package fills. Everything a domain knows is in its
// section of the store.
//
// Sources: MS-ADTS, MS-KILE, MS-PKCA, MS-SAMR (rules on accounts), and what the
// packages below name.
package adds

import (
	"hellolab/providers"
	"hellolab/providers/adds/member"
)

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Domain(), member.Service()} }
