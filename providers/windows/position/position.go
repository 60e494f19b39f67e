// Package position is the network as one machine sees it: which hosts of the
// lab its own connections reach, by where the machine is.
//
//	place      tenants, applications,  controllers, services, Connect   lists and OCSP of an authority
//	           federation services
//	onsite     yes                     yes                              where it is reachable from onsite
//	vpn, up    yes                     yes                              from onsite or the internet
//	vpn, down  yes                     no                               from the internet
//	internet   yes                     no                               from the internet
//	captive    what a portal answers   no                               what a portal answers
//	none       no                      no                               no
//
// An authority's other ports (enrollment) are the domain's, like its
// controllers. A VPN gateway is reached from everywhere but none. A host is the domain's when the domain says so, or when its name
// lies below the domain's and no tenant, application or federation service has it.
// AD FS is a server of the domain that a proxy publishes (Microsoft, "Web
// Application Proxy"); the proxy is not a machine of its own here. Servers are not
// positioned: domain controllers and the tenant are where they are.
//
// Network makes a providers.Network of that rule; a dial that is not open is a
// *NoLineOfSight.
package position

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// Places, the values of spec.Device.Network.
const (
	Onsite   = "onsite"
	VPN      = "vpn"
	Internet = "internet"
	Captive  = "captive" // on the internet, behind a captive portal at which nobody has signed in
	None     = "none"
)

// Position is where a machine is now.
type Position struct {
	Place  string // a value of spec.Device.Network; "" is onsite
	Tunnel bool   // at VPN: whether the tunnel is up
}

// Inside says whether the machine is on the domain's network.
func (p Position) Inside() bool {
	return p.Place == Onsite || p.Place == "" || p.Place == VPN && p.Tunnel
}

func (p Position) String() string {
	switch {
	case p.Place == "":
		return Onsite
	case p.Place == VPN && !p.Tunnel:
		return "vpn, whose tunnel is down"
	}
	return p.Place
}

// NoLineOfSight is a host that cannot be reached from where the machine is.
type NoLineOfSight struct {
	Host string
	From Position
}

func (e *NoLineOfSight) Error() string {
	if e.From.Place == None {
		return fmt.Sprintf("no line of sight to %s: the machine is on no network", e.Host)
	}
	return fmt.Sprintf("no line of sight to %s from the machine's network (%s)", e.Host, e.From)
}

// portLists is where authorities publish lists and answer OCSP (HTTP).
const portLists = 80

// Zone is whose a host's port is.
type Zone struct {
	Domain bool     // of a domain
	From   []string // of the domain, but opened to these places: "onsite", "internet", "dc"
}

// Open says whether the rule opens a zone to a position; behind a captive portal it
// is the portal that then answers.
func (p Position) Open(z Zone) bool {
	switch {
	case p.Place == None:
		return false
	case !z.Domain:
		return true
	case z.From == nil:
		return p.Inside()
	}
	away := p.Place == VPN || p.Place == Internet || p.Place == Captive
	return p.Inside() && slices.Contains(z.From, Onsite) || away && slices.Contains(z.From, Internet)
}

// ZoneOf finds whose a port of a host is, by what the lab declares.
func ZoneOf(objects providers.Objects, host string, port int) (Zone, error) {
	env := providers.Env{Objects: objects}
	host = canonical(host)
	authorities, err := providers.ResolveAll[spec.Authority, spec.AuthorityOut](env, "authority")
	if err != nil {
		return Zone{}, err
	}
	for _, a := range authorities {
		if canonical(a.Out.Host) != host {
			continue
		}
		z := Zone{Domain: true}
		if port == portLists {
			z.From = []string{Onsite, Internet}
			if a.In.CRL != nil && a.In.CRL.ReachableFrom != nil {
				z.From = a.In.CRL.ReachableFrom
			}
		}
		return z, nil
	}
	domains, err := providers.ResolveAll[spec.Domain, spec.DomainOut](env, "domain")
	if err != nil {
		return Zone{}, err
	}
	below := false
	for _, d := range domains {
		if slices.ContainsFunc(d.Out.Hosts, func(h string) bool { return canonical(h) == host }) {
			return Zone{Domain: true}, nil
		}
		name := canonical(d.In.DNSName)
		below = below || host == name || strings.HasSuffix(host, "."+name)
	}
	if !below {
		return Zone{}, nil
	}
	gateway, err := isGateway(env, host)
	if err != nil || gateway {
		return Zone{Domain: true, From: []string{Onsite, Internet}}, err
	}
	public, err := isPublic(env, host)
	return Zone{Domain: !public}, err
}

// isGateway says whether a VPN gateway answers on host.
func isGateway(env providers.Env, host string) (bool, error) {
	services, err := providers.ResolveAll[spec.Service, spec.ServiceOut](env, "service")
	return slices.ContainsFunc(services, func(s providers.Object[spec.Service, spec.ServiceOut]) bool {
		return s.In.Kind == spec.ServiceVPN && canonical(s.Out.Host) == host
	}), err
}

// isPublic says whether a tenant, an application or a federation service answers
// on host.
func isPublic(env providers.Env, host string) (bool, error) {
	applications, err := providers.ResolveAll[spec.Application, spec.ApplicationOut](env, "application")
	if err != nil {
		return false, err
	}
	for _, a := range applications {
		if canonical(a.Out.Host) == host {
			return true, nil
		}
	}
	tenants, err := providers.ResolveAll[spec.Tenant, spec.TenantOut](env, "tenant")
	if err != nil {
		return false, err
	}
	for _, t := range tenants {
		if slices.Contains([]string{canonical(t.Out.LoginHost), canonical(t.Out.RegistrationHost), canonical(t.Out.GraphHost)}, host) {
			return true, nil
		}
	}
	federations, err := providers.ResolveAll[spec.Federation, spec.FederationOut](env, "federation")
	if err != nil {
		return false, err
	}
	for _, f := range federations {
		if slices.Contains([]string{canonical(f.Out.Host), canonical(f.Out.RegistrationHost)}, host) {
			return true, nil
		}
	}
	return false, nil
}

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Network is the network of one machine at one position. It is a value: two of
// the same machine, lab and position are equal.
type Network struct {
	providers.Network // of the lab

	Objects  providers.Objects
	Waiter   providers.Waiter
	Position Position
}

// Of returns the network of the machine that env is of.
func Of(env providers.Env, p Position) Network {
	return Network{Network: env.Network, Objects: env.Objects, Waiter: env.Waiter, Position: p}
}

// Dial implements providers.Network.
func (n Network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	if err := n.Sees(host, port); err != nil {
		return nil, err
	}
	if n.Position.Place == Captive {
		return n.portal(host, port)
	}
	return n.Network.Dial(ctx, host, port)
}

// DialPacket implements providers.Network.
func (n Network) DialPacket(ctx context.Context, host string, port int) (net.Conn, error) {
	if err := n.Sees(host, port); err != nil {
		return nil, err
	}
	if n.Position.Place == Captive {
		return nil, &Unanswered{host, port}
	}
	return n.Network.DialPacket(ctx, host, port)
}

// Sees says whether a port of a host may be dialed: nil, a *NoLineOfSight, or
// what kept the lab's objects from being read.
func (n Network) Sees(host string, port int) error {
	open := false
	if n.Position.Place != None { // where nothing is open whosever it is
		zone, err := ZoneOf(n.Objects, host, port)
		if err != nil {
			return err
		}
		open = n.Position.Open(zone)
	}
	if !open {
		return &NoLineOfSight{Host: host, From: n.Position}
	}
	return nil
}
