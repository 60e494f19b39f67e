package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// byContainer is the purpose of the certificate of the Hello container that the
// target takes; "" where it takes none.
func (s *signingIn) byContainer() string {
	if s.to.service == nil {
		return ""
	}
	return hello.ServicePurpose(s.to.service.In)
}

// further is the certificate of a purpose that the device takes for the key: the one
// that ends last, whether or not it has; nil without one.
func (c *Credential) further(purpose string) (chosen *UserCertificate) {
	for _, one := range c.Further {
		if one.Purpose == purpose && (chosen == nil || one.NotAfter.After(chosen.NotAfter)) {
			chosen = one
		}
	}
	return chosen
}

// reachByCertificate goes to a service that takes a certificate of the Hello
// container, in a phase, with the session open; "" lets the user in.
func (s *signingIn) reachByCertificate(letter string) string {
	if !s.byKey() {
		return "service_needs_hello"
	}
	c, d := s.credential.further(s.byContainer()), s.world.Domains[s.to.domain]
	switch {
	case c == nil:
		return "service_certificate_missing"
	case d == nil:
		return "domain_not_reached"
	case s.to.service.In.Kind == spec.ServiceRDP:
		return s.remoteDesktop(c, letter)
	case s.away() != "":
		return s.away()
	}
	return s.gateway(c, d)
}

// gateway is what a VPN gateway makes of a certificate, in its order: purpose, path,
// life, NTAuth, revocation, the account that it bears the identifier of, its list.
// The gateway asks the domain by its own account, and, a server, reaches every list.
func (s *signingIn) gateway(c *UserCertificate, d *hello.Domain) string {
	chain := s.chainOf(c.Authority)
	now := s.facts.Now
	switch {
	case !c.ForClient:
		return "certificate_purpose"
	case !s.to.service.In.Enabled:
		return "service_refused"
	case !s.leadsTo(chain, d):
		return "certificate_untrusted"
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return s.overdue(c)
	case s.over(chain):
		return "certificate_expired"
	case !chain[0].In.NTAuth:
		return "certificate_untrusted"
	case c.revoked(now):
		s.or = append(s.or, End{}) // it goes on by lists that it has until they end
		return "certificate_revoked"
	case c.SID == "", c.SID != s.u.Out.SID && s.u.Out.SID != "" && c.SID != planned(s.user):
		return "certificate_other_account"
	case c.UPN != "" && !strings.EqualFold(c.UPN, hello.DomainUPN(s.u.In)):
		return "certificate_other_account"
	case !s.u.In.EnabledInDomain:
		return "account_disabled_in_domain"
	case !s.account.AccountExpires.IsZero() && !now.Before(s.account.AccountExpires):
		return "account_expired_in_domain"
	}
	return s.letsIn(s.to.service)
}

// remoteDesktop is a sign-in to the domain by the certificate, and the ticket that it
// brings at the server.
func (s *signingIn) remoteDesktop(c *UserCertificate, letter string) string {
	s.asked = c
	defer func() { s.asked = nil }()
	code, _ := s.domainSignIn(s.to.domain, s.inside(s.tunnel()), letters{letter, letter, letter})
	switch {
	case code != "" && code != mixed:
		return code
	case len(s.chainOf(c.Authority)) == 0: // the KDC took the key, not the certificate
		return cmp.Or(s.behind("", letter), "service_refused")
	}
	return s.behind(code, letter)
}

// tunnel reports whether a device that is away has its tunnel up once the session is
// open; on a personal one the session is its owner's.
func (s *signingIn) tunnel() bool {
	return s.machine.session() || s.vpn() && s.d.In.Join != string(hello.Registered)
}

// serviceRemarks says of a refusal at a service that takes a certificate what it
// means there: nobody renews such a certificate, and a gateway asks at each connection.
func (s *signingIn) serviceRemarks(v *Verdict) {
	if s.byContainer() == "" || !s.open {
		return
	}
	anew := func(sentence string) { v.Action, v.Sentence = AdminFix, sentence }
	purpose := s.byContainer()
	switch v.Reason {
	case "certificate_expired":
		v.Rule = ""
		anew(fmt.Sprintf("The %s certificate has ended, and no device renews it: have it made anew (apply -replace).", purpose))
	case "certificate_revoked":
		anew(fmt.Sprintf("The %s certificate is revoked: have it made anew (apply -replace).", purpose))
	case "certificate_other_account", "certificate_name_mismatch", "certificate_name_unknown":
		anew(fmt.Sprintf("The %s certificate does not map to the account: have it made anew (apply -replace).", purpose))
	}
	if s.to.service.In.Kind == spec.ServiceVPN && v.When == NextTGT {
		v.When = AtOnce
	}
}

// AtService is what a service that takes a certificate of the Hello container makes of
// a user's on a device, once Windows is open: the code of a reason, "" when it lets the
// user in. degraded is that it does with some controllers only.
func (l *Lab) AtService(user, device, service string) (code string, degraded bool) {
	s := &signingIn{pair: l.pair(user, device), Request: Request{User: user, Device: device, To: service}, open: true}
	var there bool
	if s.to, there = s.target(); !there || s.u == nil || s.d == nil || s.machine == nil {
		return "service_certificate_missing", false
	}
	if code = s.reachByCertificate(""); code == mixed {
		return s.or[0].Reason, true
	}
	return code, false
}

// certificatesGo takes further certificates from devices that a plan deletes, or
// makes anew.
func (p *planning) certificatesGo() {
	for addr, c := range p.was.Certificates {
		e := p.was.Enrollments[string(c.In.Enrollment)]
		if e == nil || stays(p.was.Certificates, p.is.Certificates, addr, (*hello.Certificate).Exists) {
			continue
		}
		if m := p.Machines[string(e.In.Device)]; m != nil && m.Credentials[string(e.In.User)] != nil {
			held := m.Credentials[string(e.In.User)]
			held.Further = slices.DeleteFunc(held.Further, func(f *UserCertificate) bool { return f.Purpose == c.In.Purpose })
		}
	}
}

// certificatesCome has devices enroll the further certificates that a plan makes. One
// that gets none is told among the gaps: an apply ends there.
func (p *planning) certificatesCome() {
	for _, addr := range sorted(p.is.Certificates) {
		c := p.is.Certificates[addr]
		if c.Exists() {
			continue
		}
		if code := p.furtherCertificate(c); code != "" {
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s will not be enrolled, and an apply stops there: %s (%s)", addr, sentenceOf(code), code))
		}
	}
}

// purposes are the templates by which authorities issue further certificates, and
// whether KDCs take what they issue.
var purposes = map[string]struct {
	template string
	logon    bool
}{spec.PurposeVPN: {"VPNUser", false}, spec.PurposeRDP: {"RemoteDesktopUser", true}}

// furtherCertificate goes through the enrollment as the device does: the PIN opens
// the container, device management fetches a challenge for the account, and the
// authority's SCEP service issues.
func (p *planning) furtherCertificate(in *hello.Certificate) (code string) {
	e := p.is.Enrollments[string(in.In.Enrollment)]
	if e == nil {
		return "no_hello_credential"
	}
	user, device := string(e.In.User), string(e.In.Device)
	s := &signingIn{pair: New(p.is, p.Facts).pair(user, device), Request: Request{User: user, Device: device}}
	switch c := s.credential; {
	case s.u == nil || s.d == nil || s.machine == nil || c.KeyID == "":
		return "no_hello_credential"
	case c.Barred != "":
		return c.Barred
	case s.u.In.Domain == "":
		return "not_domain_account"
	}
	a := p.is.Authorities[string(in.In.Authority)]
	if a == nil {
		return "certificate_not_issued"
	}
	if code := p.byProfile(s, a, purposes[in.In.Purpose].template); code != "" {
		return code
	}
	c := p.signInCertificate(s.u, a.Addr)
	c.Purpose, c.ForClient, c.ForLogon = in.In.Purpose, true, purposes[in.In.Purpose].logon
	s.credential.Further = append(s.credential.Further, c)
	return ""
}

// byProfile is the code for which a device gets no certificate by a SCEP profile of
// device management; "" when it gets one.
func (p *planning) byProfile(s *signingIn, a *hello.Authority, template string) string {
	ends := endOf(a)
	switch t := a.In.Templates[template]; {
	case s.away() != "":
		return s.away()
	case !s.reachesSCEP(a):
		return "no_line_of_sight"
	case t != nil && !t.Enabled, !ends.IsZero() && !p.Now.Before(ends):
		return "certificate_not_issued"
	}
	return ""
}

// reachesSCEP reports whether a device reaches the port where an authority has its
// lists and its SCEP service.
func (s *signingIn) reachesSCEP(a *hello.Authority) bool {
	from := publishes(a)
	if n := s.d.In.Network; n == "" || n == string(hello.OnSite) {
		return slices.Contains(from, "onsite")
	}
	return slices.Contains(from, "internet") || s.inside(s.tunnel()) && slices.Contains(from, "onsite")
}
