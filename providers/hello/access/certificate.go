package access

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// shown is the certificate that a device shows the domain for a user's key: of
// those in their life the one that ends last, else of all; nil when there is none.
func (s *signingIn) shown() (chosen *UserCertificate) {
	if s.asked != nil {
		return s.asked
	}
	now, valid := s.facts.Now, false
	for _, c := range s.credential.Certificates {
		in := !now.Before(c.NotBefore) && !now.After(c.NotAfter)
		if chosen == nil || in && !valid || in == valid && c.NotAfter.After(chosen.NotAfter) {
			chosen, valid = c, in
		}
	}
	return chosen
}

// byCertificate reports whether the sign-in to a domain is by a certificate.
func (s *signingIn) byCertificate() bool {
	return s.byKey() && (s.asked != nil || s.route.Trust == hello.CertTrust)
}

// checkClient is what a controller makes of the user's certificate, in its order:
// path, life, NTAuth, revocation, purpose, names, mapping; "" when it takes it.
func (s *signingIn) checkClient(d *hello.Domain) string {
	c := s.shown()
	if c == nil {
		return "certificate_missing"
	}
	chain := s.chainOf(c.Authority)
	if !s.leadsTo(chain, d) {
		// Without a path the account's registered keys count (MS-PKCA 3.1.5.2.1).
		if slices.Contains(s.account.DomainKeys, s.credential.KeyID) {
			return ""
		}
		return "certificate_untrusted"
	}
	now := s.facts.Now
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return s.overdue(c)
	}
	if s.over(chain) {
		return "certificate_expired"
	}
	if !chain[0].In.NTAuth {
		return "certificate_untrusted"
	}
	// A controller goes on by lists that it has until they end.
	if c.revoked(s.facts.Now) {
		s.or = append(s.or, End{})
		return "certificate_revoked"
	}
	for i, a := range chain {
		if !controllersReach(a) || hello.DeltaListsRefused(a.In) && !asks(chain, i, c.Responder) {
			s.or = append(s.or, End{})
			return "certificate_revocation_unknown"
		}
	}
	switch named := c.names(s.u, d); {
	case !c.ForLogon:
		return "certificate_purpose"
	case c.UPN != "" && !named:
		return s.ofAnother(c, d)
	case c.SID != "" && s.u.Out.SID != "" && c.SID != s.u.Out.SID && c.SID != planned(s.user):
		return "certificate_other_account"
	case c.SID == "" && (!named || d.In.Mapping != "none" && d.In.Mapping != "compatibility"):
		return "certificate_other_account"
	}
	return ""
}

// leadsTo reports whether a path leads to a root of a domain.
func (s *signingIn) leadsTo(chain []*hello.Authority, d *hello.Domain) bool {
	return len(chain) > 0 && chain[len(chain)-1].In.Domain == providers.Ref(d.Addr)
}

// overdue is the code of a certificate out of its life, whose end is noted.
func (s *signingIn) overdue(c *UserCertificate) string {
	if s.facts.Now.After(c.NotAfter) {
		s.ended = c.NotAfter
	}
	return "certificate_expired"
}

// over reports whether an authority of a path has ended.
func (s *signingIn) over(chain []*hello.Authority) bool {
	return slices.ContainsFunc(chain, func(a *hello.Authority) bool {
		ends := endOf(a)
		return !ends.IsZero() && s.facts.Now.After(ends)
	})
}

// unknownName reports whether a device asks for a ticket, by the name in the user's
// certificate, that no account of the domain bears (any more). The KDC says so
// before it looks at the certificate.
func (s *signingIn) unknownName(d *hello.Domain) bool {
	c := s.shown()
	return c != nil && c.UPN != "" && !c.names(s.u, d) && s.bearer(c, d) == nil
}

// bearer is the user of a domain whom a certificate names; nil for nobody.
func (s *signingIn) bearer(c *UserCertificate, d *hello.Domain) *hello.User {
	for _, addr := range sorted(s.world.Users) {
		if u := s.world.Users[addr]; string(u.In.Domain) == d.Addr && c.names(u, d) {
			return u
		}
	}
	return nil
}

// ofAnother is what comes of a certificate that names another account, to which the
// domain maps it or not. Who would be signed in as another is not (ours).
func (s *signingIn) ofAnother(c *UserCertificate, d *hello.Domain) string {
	switch {
	case s.bearer(c, d) == nil:
		return "certificate_name_unknown"
	case c.SID != "" || d.In.Mapping != "none" && d.In.Mapping != "compatibility":
		return "certificate_other_account"
	}
	return "certificate_name_mismatch"
}

// names reports whether a certificate names a user: by the user principal name, or
// by the one that every account has without being given it.
func (c *UserCertificate) names(u *hello.User, d *hello.Domain) bool {
	return c.UPN != "" && (strings.EqualFold(c.UPN, hello.DomainUPN(u.In)) || strings.EqualFold(c.UPN, hello.SAMAccountName(u.In)+"@"+d.In.DNSName))
}

// chainOf are an authority and those above it, the root last; nil for one that the
// lab does not declare.
func (s *signingIn) chainOf(authority string) (chain []*hello.Authority) {
	w := s.world
	for at := w.Authorities[authority]; at != nil; at = w.Authorities[string(at.In.Parent)] {
		if chain = append(chain, at); at.In.Parent == "" || len(chain) > len(w.Authorities) {
			break
		}
	}
	return chain
}

// asks reports whether a responder is asked about what the authority at place i of a
// chain issued, and not its lists: the leaf names one, or the certificate of the
// authority below does.
func asks(chain []*hello.Authority, i int, leaf bool) bool {
	if i == 0 {
		return leaf
	}
	block, _ := pem.Decode([]byte(chain[i-1].Out.Certificate))
	if block == nil { // not made yet
		return chain[i].In.OCSP
	}
	c, err := x509.ParseCertificate(block.Bytes)
	return err == nil && len(c.OCSPServer) > 0
}

// controllersReach reports whether controllers get what an authority publishes.
func controllersReach(a *hello.Authority) bool {
	return a.In.CRL == nil || a.In.CRL.ReachableFrom == nil || slices.Contains(a.In.CRL.ReachableFrom, "dc")
}

// SignInCertificate is the certificate that a device shows a domain for a user's
// key, or gets at the very sign-in, nil without one, and the code for which the
// domain's controllers refuse it.
func (l *Lab) SignInCertificate(user, device, domain string) (c *UserCertificate, code string) {
	s := &signingIn{pair: l.pair(user, device), Request: Request{User: user, Device: device, To: domain}}
	d := l.world.Domains[domain]
	if d == nil || s.d == nil || s.u == nil {
		return nil, "certificate_missing"
	}
	if c, _ := s.delivered(); c != nil {
		s.asked = c
	}
	if s.unknownName(d) {
		return s.shown(), "certificate_name_unknown"
	}
	return s.shown(), s.checkClient(d)
}
