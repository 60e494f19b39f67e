package hello

import (
	"regexp"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// ServiceName is the computer name of a service: as declared, else the last
// part of its address.
func ServiceName(addr string, in spec.Service) string {
	if in.Name != "" {
		return in.Name
	}
	const kind = "service."
	return addr[strings.LastIndex(addr, kind)+len(kind):]
}

// ServiceHost is the name that a service answers on, in a domain.
func ServiceHost(addr string, in spec.Service, dnsName string) string {
	return strings.ToLower(ServiceName(addr, in) + "." + dnsName)
}

// ServiceSPN is the service principal name of a service: as declared, else HTTP
// and its host, or TERMSRV and its host of Remote Desktop.
func ServiceSPN(addr string, in spec.Service, dnsName string) string {
	switch {
	case in.SPN != "":
		return in.SPN
	case in.Kind == spec.ServiceRDP:
		return "TERMSRV/" + ServiceHost(addr, in, dnsName)
	}
	return "HTTP/" + ServiceHost(addr, in, dnsName)
}

// ServiceURL is where a service answers: a VPN gateway by TLS, which asks clients
// for certificates, every other by plain HTTP.
func ServiceURL(addr string, in spec.Service, dnsName string) string {
	scheme := "http"
	if in.Kind == spec.ServiceVPN {
		scheme = "https"
	}
	return scheme + "://" + ServiceHost(addr, in, dnsName) + "/"
}

// ServicePurpose is what a certificate of a Hello container must be for, so that a
// service takes it; "" of services that take none.
func ServicePurpose(in spec.Service) string {
	switch in.Kind {
	case spec.ServiceVPN:
		return spec.PurposeVPN
	case spec.ServiceRDP:
		return spec.PurposeRDP
	}
	return ""
}

// servicePrincipal is a class and an instance, which may have a port (MS-ADTS
// 5.1.1.4, of whose forms a third part is left out).
var servicePrincipal = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}/[A-Za-z0-9][A-Za-z0-9._-]{0,253}(:[0-9]{1,5})?$`)

func (v *validation) services() {
	names, principals := map[[2]string]string{}, map[string]string{}
	for _, addr := range sortedKeys(v.Services) {
		s := v.Services[addr]
		if s.Knows("name") {
			v.serviceName(addr, s, names)
		}
		if s.In.SPN != "" && !servicePrincipal.MatchString(s.In.SPN) {
			v.problem(addr, "spn", "spn_malformed", "Not a service principal name", "%q is not a service principal name: a class and a host, such as \"HTTP/intranet.corp.contoso.com\".", s.In.SPN)
		} else if d := v.Domains[string(s.In.Domain)]; d != nil && d.Knows("dns_name") && s.Knows("domain", "name", "spn") {
			key := strings.ToLower(ServiceSPN(addr, s.In, d.In.DNSName))
			if other, taken := principals[key]; taken {
				v.problem(addr, "spn", "spn_taken", "Service principal name of another service", "%s has the service principal name %q already, and a ticket is for one account. Give each service one of its own.", other, key)
			}
			principals[key] = addr
		}
		if s.In.Force && s.Knows("kind", "force") && ServicePurpose(s.In) == "" {
			v.problem(addr, "force", "force_without_key", "No program that uses the Hello key", "Clients of a service of kind %q bring a ticket or a password and do not use the Hello key, so there is no gesture to make again. Leave force out, or set kind to \"vpn\" or \"rdp\".", s.In.Kind)
		}
		v.authorized(addr, s)
	}
}

func (v *validation) serviceName(addr string, s *Service, names map[[2]string]string) {
	name := ServiceName(addr, s.In)
	if !netBIOSName(name) {
		v.problem(addr, "name", "service_name_malformed", "Not a computer name", "%q is not a computer name: 1 to 15 letters, digits and hyphens, such as \"web1\". Set name.", name)
		return
	}
	if !s.Knows("domain") {
		return
	}
	key := [2]string{string(s.In.Domain), strings.ToLower(name)}
	if other, taken := names[key]; taken {
		v.problem(addr, "name", "service_name_taken", "Name of another service", "%s has the computer name %q already. Give each a name of its own.", other, name)
	}
	names[key] = addr
	d := v.Domains[string(s.In.Domain)]
	if d == nil || !d.Knows("controller") {
		return
	}
	controllers, _ := Controllers(d.In)
	for _, c := range controllers {
		if strings.EqualFold(c, name) {
			v.problem(addr, "name", "service_name_of_controller", "Name of a domain controller", "%s has a domain controller named %q. Give the service another name.", d.Addr, name)
		}
	}
}

// authorized checks that who is let in has an account where the service asks.
func (v *validation) authorized(addr string, s *Service) {
	if !s.Knows("domain") {
		return
	}
	for _, ref := range s.In.Authorize {
		var home providers.Ref
		switch u, g := v.Users[string(ref)], v.Groups[string(ref)]; {
		case u != nil && u.Knows("domain"):
			home = u.In.Domain
		case g != nil && g.Knows("domain"):
			home = g.In.Domain
		default:
			continue
		}
		if home != s.In.Domain {
			v.problem(addr, "authorize", "authorized_elsewhere", "Not of the service's domain", "%s has no identifier in %s, which the service knows people by. Name users and groups of that domain.", ref, s.In.Domain)
		}
	}
}
