// Package adfs is a federation service, the kind federation: AD FS, a member
// server of a domain that signs in the domain's accounts for others, or another
// vendor's service with accounts of its own.
//
// What it issues are access tokens and id tokens (OAuth 2.0), and assertions
// (WS-Trust, WS-Federation). Passwords are checked by the domain, with Kerberos;
// a member of the domain signs in with a ticket for the service. Second factors
// are checked by an adapter, which holds their secrets.
//
// AD FS has three parts more, in packages of their own: the Enterprise Device
// Registration Service (edrs), primary refresh tokens (prt), and the certificate
// registration authority (ra). What they share of a sign-in is package farm's.
//
// A service that is not enabled answers nobody but the lab's administrator.
//
// Sources: MS-OIDCE, MS-OAPX, MS-OAPXBC, WS-Trust 1.3, WS-Federation 1.2;
// Microsoft, "AD FS Overview", "Configure AD FS in an on-premises certificate
// trust deployment".
package adfs

import (
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
	"hellolab/providers/wire/adfs"
)

type object = providers.Object[spec.Federation, spec.FederationOut]

// Types returns the kinds of the package.
func Types() []providers.Type { return []providers.Type{Federation()} }

// Federation returns the kind federation.
func Federation() providers.Type {
	return providers.Of(providers.Kind[spec.Federation, spec.FederationOut]{
		Name:   "federation",
		Doc:    "A federation service: AD FS, with enterprise device registration and a certificate registration authority, or another vendor's.",
		After:  []string{"domain"},
		Hosts:  hosts,
		Key:    keyOf,
		Find:   find,
		Create: create,
		Read:   read,
		Update: update,
		Delete: remove,
		Open:   open,
		Due:    due,
	})
}

// keyOf is what Find looks for.
func keyOf(in spec.Federation) string { return strings.ToLower(string(in.Domain) + " " + in.Host) }

func hosts(o object) []string {
	var all []string
	for _, h := range []string{o.Out.Host, o.Out.RegistrationHost} {
		if h != "" {
			all = append(all, h)
		}
	}
	return all
}

// hostOf is the name of a service, and registrationHostOf that of its Enterprise
// Device Registration Service, "" when it has none.
func hostOf(in spec.Federation, d spec.Domain) string {
	if in.Host != "" {
		return strings.ToLower(in.Host)
	}
	return adfs.HostOf(d.DNSName)
}

func registrationHostOf(in spec.Federation, d spec.Domain) string {
	if in.Kind != spec.FederationADFS || !in.DeviceRegistration {
		return ""
	}
	return adfs.RegistrationHostOf(d.DNSName)
}
