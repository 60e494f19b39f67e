package access

import (
	"strings"

	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// controllers are those of a domain, as hello.Controllers has them.
type controllers struct {
	names []string
	by    map[string]spec.Controller
}

// controllersOf are a domain's controllers. Every sign-in to the domain asks for them.
func (l *Lab) controllersOf(d *hello.Domain) controllers {
	c, ok := l.dcs[d.Addr]
	if !ok {
		c.names, c.by = hello.Controllers(d.In)
		l.dcs[d.Addr] = c
	}
	return c
}

// Controllers are those of a domain that a device may find: of its site, or any.
func (l *Lab) Controllers(device, domain string) []string {
	d, at := l.world.Domains[domain], l.world.Devices[device]
	if d == nil || at == nil {
		return nil
	}
	s := &signingIn{pair: &pair{Lab: l, d: at}}
	return s.found(d, every)
}

// Exchangers are those of them that the locator finds for a partial ticket.
func (l *Lab) Exchangers(device, domain string) []string {
	d, at := l.world.Domains[domain], l.world.Devices[device]
	if d == nil || at == nil {
		return nil
	}
	s := &signingIn{pair: &pair{Lab: l, d: at}}
	return s.found(d, hello.KeyList)
}

// KDC says what a sign-in by key from a device makes of a controller's
// certificate: the code of a reason, "" when it is accepted.
func (l *Lab) KDC(user, device, domain, controller string) string {
	s := &signingIn{pair: l.pair(user, device), Request: Request{User: user, Device: device, To: domain}}
	d, held := l.world.Domains[domain], l.facts.Domains[domain]
	if d == nil || held == nil || s.d == nil {
		return "kdc_no_certificate"
	}
	c := held.Certificates[strings.ToLower(controller)]
	if c == nil || !c.inLife(l.facts.Now) {
		return "kdc_no_certificate"
	}
	return s.checkKDC(c, d)
}
