// Package adcs is an enterprise certification authority: a member server of a
// domain that issues certificates by template to the domain's accounts, and
// tells everybody by HTTP which ones it took back.
//
// The authority itself is package ca, the enrollment service package ces; here
// is what makes them a server of the lab: its computer account, what the
// directory publishes of it, its HTTP and HTTPS listeners. Who asks is known by
// Kerberos, and what he is called by the directory: names are never taken from
// a request.
//
// Sources: MS-WCCE, MS-WSTEP, MS-ADTS 7 (public key services), RFC 5280, 6960.
package adcs

import "hellolab/providers"

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Authority()} }
