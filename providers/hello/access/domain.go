package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

// letters are the phases of a sign-in to a domain: the KDC is found and hears
// of the client, it checks the proof, the device checks the KDC.
type letters struct{ locate, proof, check string }

// mixed is the code of a domain whose controllers differ.
const mixed = "\x00mixed"

// domainSignIn is a sign-in to a KDC; code is "" when it issues a ticket, else
// letter is the phase that refuses.
func (s *signingIn) domainSignIn(domain string, inside bool, at letters) (code, letter string) {
	d := s.world.Domains[domain]
	switch {
	case s.byCertificate() && s.shown() == nil:
		return "certificate_missing", at.locate
	case s.u.In.Domain == "":
		return "not_domain_account", at.locate
	case d == nil:
		return "domain_not_reached", at.locate
	case !inside:
		return "no_line_of_sight", at.locate
	}
	// A password is proven at once; a key, when the KDC has heard of the client.
	first := at.locate
	if !s.byKey() {
		first = at.proof
	}
	switch now := s.facts.Now; {
	case string(s.u.In.Domain) != domain:
		return "not_domain_account", first
	case s.byCertificate() && s.unknownName(d):
		return "certificate_name_unknown", first
	case !s.u.In.EnabledInDomain, s.account.Locked, !s.account.AccountExpires.IsZero() && !now.Before(s.account.AccountExpires):
		return "account_disabled_in_domain", first
	case !s.byKey():
		if s.passwordOver() {
			return "password_expired_on_prem", at.proof
		}
		return "", ""
	}
	return s.byEachController(d, at)
}

func (s *signingIn) passwordOver() bool {
	a := s.account
	over := !a.PasswordExpires.IsZero() && !s.facts.Now.Before(a.PasswordExpires)
	if over {
		s.ended = a.PasswordExpires
	}
	return a.MustChange || over
}

// byEachController asks those that the device may find: of its site, or any.
func (s *signingIn) byEachController(d *hello.Domain, at letters) (code, letter string) {
	var ends []End
	for _, name := range s.found(d, every) {
		c, l := s.byController(d, strings.ToLower(name), at)
		ends = append(ends, End{c, l})
		if c == "" && !s.byCertificate() {
			s.proven = append(s.proven, name)
		}
	}
	return s.byChance(ends, at)
}

// deleting are those of some controllers that delete a key by which they have
// signed somebody in.
func (l *Lab) deleting(d *hello.Domain, some []string) []string {
	by := l.controllersOf(d).by
	return slices.DeleteFunc(slices.Clone(some), func(n string) bool { return !hello.DeletesKeys(by[n]) })
}

// byChance is what comes of controllers of which chance picks one: mixed where
// some give a ticket and some do not; where none does, what the first says. What
// others say is noted.
func (s *signingIn) byChance(ends []End, at letters) (code, letter string) {
	some := slices.ContainsFunc(ends, func(e End) bool { return e.Reason == "" })
	first := End{}
	for i, e := range ends {
		switch {
		case e.Reason == "":
		case i == 0 || first.Reason == "":
			first = e
			if some {
				s.or = append(s.or, e)
			}
		case e != first && !slices.Contains(s.or, e):
			s.or = append(s.or, e)
		}
	}
	if some && first.Reason != "" {
		return mixed, at.check
	}
	if first.Reason == "" {
		return "", at.check
	}
	return first.Reason, first.Phase
}

// every is that a controller fits, whatever it is.
func every(spec.Controller) bool { return true }

// found are the controllers that the locator may find: those that fit of the
// device's site, else of the domain.
func (s *signingIn) found(d *hello.Domain, fits func(spec.Controller) bool) []string {
	dcs := s.controllersOf(d)
	names := slices.DeleteFunc(slices.Clone(dcs.names), func(n string) bool { return !fits(dcs.by[n]) })
	near := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.EqualFold(dcs.by[n].Site, s.d.In.Site) })
	if s.d.In.Site != "" && len(near) > 0 {
		return near
	}
	return names
}

// noTicket is the code of a tenant that has no key of the domain.
const noTicket = "no_cloud_tgt"

// partial is the code for which the tenant gives no partial ticket for the user's
// domain; "" when it gives one.
func (s *signingIn) partial() string {
	if t, _ := s.world.CloudTrustOf(s.u); t == nil || s.facts.Servers[t.Addr] == noTicket {
		return noTicket
	}
	return ""
}

// exchange has a controller exchange the partial ticket for a full one.
func (s *signingIn) exchange(domain string, inside bool, at letters, partial string) (code, letter string) {
	d := s.world.Domains[domain]
	t, _ := s.world.CloudTrustOf(s.u)
	switch {
	case partial != "":
		return partial, at.locate
	case d == nil:
		return "domain_not_reached", at.locate
	case !inside:
		return "no_line_of_sight", at.locate
	}
	by := s.controllersOf(d).by
	names := s.found(d, hello.KeyList)
	if len(names) == 0 {
		return "dc_not_found", at.locate
	}
	now := s.facts.Now
	_, denied := s.world.CloudKerberosDenies(s.user)
	switch {
	case string(s.u.In.Domain) != domain, t == nil:
		code = "cloud_kerberos_unknown"
	case s.facts.Servers[t.Addr] != "":
		code = s.facts.Servers[t.Addr]
	case t.Exists() && t.In.KeyVersion == 0: // found to differ
		code = "cloud_kerberos_key_differs"
	case !s.u.In.EnabledInDomain, s.account.Locked, !s.account.AccountExpires.IsZero() && !now.Before(s.account.AccountExpires):
		code = "account_disabled_in_domain"
	case s.passwordOver():
		code = "password_expired_on_prem"
	case denied:
		code = "cloud_kerberos_denied"
	}
	var ends []End
	for _, name := range names {
		e := End{code, at.check}
		if !hello.Offers(by[name], "aes256") {
			e.Reason, s.weak = "domain_refused", true
		}
		ends = append(ends, e)
	}
	return s.byChance(ends, at)
}

func (s *signingIn) byController(d *hello.Domain, name string, at letters) (code, letter string) {
	held := s.facts.Domains[d.Addr]
	if held == nil {
		return "kdc_no_certificate", at.proof
	}
	c := held.Certificates[name]
	switch {
	case c == nil || !c.inLife(s.facts.Now):
		if c != nil && !s.facts.Now.Before(c.NotAfter) {
			s.ended = c.NotAfter
		}
		return "kdc_no_certificate", at.proof
	case s.byCertificate():
		if code := s.checkClient(d); code != "" {
			return code, at.proof
		}
	case !slices.Contains(s.account.DomainKeys, s.credential.KeyID):
		return "key_not_synced", at.proof
	default:
		by := s.controllersOf(d).by
		for label, is := range by {
			if strings.EqualFold(label, name) && hello.MisnamesKeys(is) {
				return "key_name_mismatch", at.proof
			}
		}
	}
	return s.checkKDC(c, d), at.check
}

func (c *Certificate) inLife(at time.Time) bool {
	return !at.Before(c.NotBefore) && at.Before(c.NotAfter)
}

// checkKDC makes the five checks of a KDC's certificate, in the device's order.
func (s *signingIn) checkKDC(c *Certificate, d *hello.Domain) string {
	member := s.d.In.Join == string(hello.HybridJoined) || s.d.In.Join == string(hello.DomainJoined)
	chain := s.chainOf(c.Authority)
	if len(chain) == 0 || !s.trusts(chain[len(chain)-1], member) {
		return "kdc_certificate_untrusted"
	}
	for _, a := range chain {
		if ends, err := time.Parse(time.RFC3339, a.Out.NotAfter); err == nil && !s.facts.Now.Before(ends) {
			return "kdc_certificate_expired"
		}
	}
	if c.revoked(s.facts.Now) {
		return "kdc_certificate_revoked"
	}
	if s.d.In.RevocationUnknown != "allow" {
		for i, a := range chain {
			if !s.reachesLists(a) || hello.DeltaListsRefused(a.In) && !asks(chain, i, c.Responder) {
				return "kdc_certificate_unknown_revocation"
			}
		}
	}
	switch strict := hello.StrictKDC(s.d.In); {
	case !c.ForKDC && (strict || !c.ForServer):
		return "kdc_certificate_no_kdc_purpose"
	case strict && !c.Named:
		return "kdc_certificate_other_domain"
	}
	return ""
}

// trusts reports whether the device trusts a root: one of its domain, or one
// that it is told of, itself or by what it certified.
func (s *signingIn) trusts(root *hello.Authority, member bool) bool {
	if member && root.In.Domain == s.d.In.Domain {
		return true
	}
	for _, ref := range s.d.In.TrustedRoots {
		at := s.world.Authorities[string(ref)]
		for range len(s.world.Authorities) {
			if at != nil && at.In.Parent != "" {
				at = s.world.Authorities[string(at.In.Parent)]
			}
		}
		if at == root {
			return true
		}
	}
	return false
}

// reachesLists reports whether the device, on the domain's network, gets what an
// authority publishes.
func (s *signingIn) reachesLists(a *hello.Authority) bool {
	from := publishes(a)
	return slices.Contains(from, "onsite") || s.vpn() && slices.Contains(from, "internet")
}

// publishes is from where what an authority publishes is reached by devices.
func publishes(a *hello.Authority) []string {
	if a.In.CRL != nil && a.In.CRL.ReachableFrom != nil {
		return a.In.CRL.ReachableFrom
	}
	return []string{"onsite", "internet"}
}

// cachedLogon is a sign-in by what LSASS kept; "" when it opens Windows.
func (s *signingIn) cachedLogon() string {
	c := s.credential.CachedKey
	if !s.byKey() {
		c = s.credential.CachedPassword
	}
	if c == nil {
		return "cached_logon_missing"
	}
	if d := s.world.Domains[string(s.d.In.Domain)]; d != nil && d.In.ForceNetwork > 0 && s.facts.Now.Sub(c.At) > d.In.ForceNetwork {
		return "network_logon_forced"
	}
	if !s.byKey() {
		return ""
	}
	trust := c.Trust
	if trust == "" {
		trust = hello.KeyTrust
	}
	if c.KeyID != s.credential.KeyID || trust != s.route.Trust {
		return "cached_logon_missing" // a controller must see the key by its new trust first
	}
	return ""
}

// ticket is what comes of the session's ticket at the target, in a phase; "" lets
// the user in.
func (s *signingIn) ticket(t Ticket, letter string) string {
	code := s.admitted(t)
	if s.to.service != nil && (s.to.service.In.Kind == spec.ServiceNTLM || s.has(t, s.to.service)) {
		return code
	}
	takes, refuses := s.takesTicket(t)
	switch end := (End{"domain_refused", letter}); {
	case !takes:
		return end.Reason
	case refuses && !slices.Contains(s.or, end):
		s.or = append(s.or, end)
		fallthrough
	case refuses:
		return cmp.Or(code, mixed)
	}
	return code
}

// Encryption types of Kerberos (RFC 3962, RFC 4757), by the words for them.
var etypes = []struct {
	word string
	id   int32
}{{"aes256", 18}, {"aes128", 17}, {"rc4", 23}}

// takesTicket reports whether controllers that the device may find take a
// ticket-granting ticket, by its encryption type, and whether some do not. One that
// is new is of the strongest that its controller has.
func (s *signingIn) takesTicket(t Ticket) (takes, refuses bool) {
	d := s.world.Domains[s.to.domain]
	if d == nil {
		return true, false
	}
	by := s.controllersOf(d).by
	names, of := s.found(d, every), map[int32]string{}
	for _, e := range etypes {
		issued := slices.ContainsFunc(names, func(n string) bool { return strongest(by[n]) == e.word })
		if t.EType == e.id || t.EType == 0 && issued {
			of[e.id] = e.word
		}
	}
	for _, word := range of {
		for _, n := range names {
			if hello.Offers(by[n], word) {
				takes = true
			} else {
				refuses = true
			}
		}
	}
	return takes || len(of) == 0, refuses
}

// strongest is the best encryption type of a controller.
func strongest(c spec.Controller) string {
	for _, e := range etypes {
		if hello.Offers(c, e.word) {
			return e.word
		}
	}
	return ""
}

// has reports whether a ticket brought one for a service that is good.
func (s *signingIn) has(t Ticket, service *hello.Service) bool {
	return s.facts.Now.Before(t.Services[strings.ToLower(service.Out.SPN)])
}

// admitted is what controller and target make of the user; "" lets the user in.
func (s *signingIn) admitted(t Ticket) string {
	service := s.to.service
	if service != nil && service.In.Kind != spec.ServiceNTLM && s.has(t, service) {
		return s.letsIn(service)
	}
	ntlm := service != nil && service.In.Kind == spec.ServiceNTLM
	if !ntlm && !s.u.In.EnabledInDomain {
		return "account_disabled_in_domain"
	}
	switch {
	case service == nil:
		return ""
	case !ntlm && !service.In.Enabled:
		return "domain_refused"
	case !ntlm:
		return s.letsIn(service)
	case !t.NTHash:
		return "ntlm_without_password"
	case !service.In.Enabled:
		return "service_refused"
	case !s.u.In.EnabledInDomain:
		return "account_disabled_in_domain"
	case s.account.MustChange:
		return "password_must_change"
	case s.passwordOver():
		return "password_expired_on_prem"
	case s.protected():
		return "service_refused"
	}
	return s.letsIn(service)
}

// letsIn is the service's own list.
func (s *signingIn) letsIn(service *hello.Service) string {
	in := service.In.Authorize
	if len(in) == 0 || slices.Contains(in, providers.Ref(s.user)) {
		return ""
	}
	for _, g := range s.world.GroupsOf(s.user) {
		if slices.Contains(in, providers.Ref(g)) {
			return ""
		}
	}
	return "service_refused"
}

// protected reports whether the user is in Protected Users, whom NTLM refuses.
func (s *signingIn) protected() bool {
	return slices.ContainsFunc(s.world.GroupsOf(s.user), func(g string) bool {
		group := s.world.Groups[g]
		return group != nil && group.In.WellKnown == "protected_users"
	})
}
