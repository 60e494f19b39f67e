package access

import (
	"cmp"
	"strings"

	"hellolab/providers/hello"
)

// a1 is flow A1, and A3 from there.
func (s *signingIn) a1() Verdict {
	if v, ok := s.release(hello.A1); !ok {
		return v
	}
	if code, goesOn := s.goesOn(); goesOn {
		return s.conclude(hello.A1, "B", code)
	}
	switch code, letter := s.token("B", "C"); {
	case outOfReach(code) && s.d.In.Join == string(hello.EntraJoined):
		return s.cachedSession(code, letter)
	case code != "":
		return s.refuse(hello.A1, letter, code)
	}
	switch {
	case s.to.application != nil:
		return s.conclude(hello.A1, "E", s.conditionalAccess(false))
	case s.to.domain == "":
		return success(string(hello.A1))
	case s.byContainer() != "":
		s.open = true
		return s.conclude(hello.A1, "E", s.reachByCertificate("E"))
	case s.route.Domain == "":
		return s.refuse(hello.A1, "E", "domain_not_reached")
	}
	return s.firstUse()
}

// firstUse is flow A2, A3 or A4: the domain, from an Entra joined device.
func (s *signingIn) firstUse() Verdict {
	at := letters{"A", "B", "C"}
	if s.route.Domain == hello.A2 {
		at.check = "B"
	}
	if s.byCertificate() {
		if c, _ := s.delivered(); c != nil {
			s.asked = c
			defer func() { s.asked = nil }()
		}
		switch c := s.shown(); {
		case c == nil:
			return s.refuse(s.route.Domain, "A", "certificate_missing")
		case !strings.EqualFold(c.Domain, s.dnsName(s.to.domain)):
			return s.refuse(s.route.Domain, "A", "certificate_no_domain")
		}
	}
	if s.u.In.Domain == "" {
		return s.refuse(s.route.Domain, "A", "not_domain_account")
	}
	if s.byKey() && !s.byCertificate() && !s.hinted(s.to.domain) {
		return s.refuse(s.route.Domain, "A", "domain_hint_missing")
	}
	code, letter := s.prove(s.to.domain, s.inside(s.machine.session() || s.vpn()), at, s.partialNow(s.apart))
	if code == "" || code == mixed {
		letter, code = at.check, s.behind(code, at.check)
	}
	return s.conclude(s.route.Domain, letter, code)
}

// hinted reports whether the key's metadata name a domain.
func (s *signingIn) hinted(domain string) bool {
	name := s.dnsName(domain)
	return name != "" && s.credential.Hints(name)
}

// dnsName is a domain's; "" when there is no such domain.
func (s *signingIn) dnsName(domain string) string {
	if d := s.world.Domains[domain]; d != nil {
		return d.In.DNSName
	}
	return ""
}

// prove proves the user to a domain, a key as the trust has it. partial is the
// code for which there is no partial ticket, "" when there is one.
func (s *signingIn) prove(domain string, inside bool, at letters, partial string) (code, letter string) {
	if s.byKey() && s.route.Trust == hello.CloudKerberos {
		return s.exchange(domain, inside, at, partial)
	}
	return s.domainSignIn(domain, inside, at)
}

// a6 is flow A6 or A7. What stops the token behind the desktop leaves Windows open.
func (s *signingIn) a6(flow hello.Flow) Verdict {
	if v, ok := s.release(flow); !ok {
		return v
	}
	live := s.inside(s.machine.session())
	code, letter := s.domainSignIn(string(s.d.In.Domain), live, letters{"A", "B", "C"})
	if code == "no_line_of_sight" {
		code, letter = s.cachedLogon(), "A"
	}
	if code != "" && code != mixed {
		return s.conclude(flow, letter, code)
	}
	s.open = true // by some controllers only, when they differ
	cloudless, last := s.token("F", "G")
	if code, goesOn := s.goesOn(); goesOn {
		cloudless, last = code, "F"
	}
	switch {
	case s.to.domain != "":
		return s.conclude(flow, last, cmp.Or(s.byTicket(live, last, s.partialNow(cloudless)), code))
	case cloudless != "" && s.To == "":
		v := s.refuse(flow, last, cloudless)
		v.Word = Degraded
		return v
	case cloudless != "":
		return s.refuse(flow, last, cloudless)
	case s.to.application != nil:
		return s.conclude(flow, "G", cmp.Or(s.conditionalAccess(false), code))
	}
	return s.conclude(flow, last, code)
}

// a8 is flow A8: the domain's sign-in, and AD FS's token behind the desktop.
func (s *signingIn) a8() Verdict {
	if v, ok := s.release(hello.A8); !ok {
		return v
	}
	live := s.inside(s.machine.session())
	code, letter := s.domainSignIn(string(s.d.In.Domain), live, letters{"A", "B", "C"})
	if code == "no_line_of_sight" {
		code, letter = s.cachedLogon(), "A"
	}
	if code != "" && code != mixed {
		return s.conclude(hello.A8, letter, code)
	}
	s.open = true // by some controllers only, when they differ
	last := "F"
	if s.byKey() && s.nonceOfSTS() {
		last = "G" // the key is proven over it
	}
	switch without := s.enterprise(); {
	case s.to.domain != "":
		return s.conclude(hello.A8, last, cmp.Or(s.byTicket(live, last, ""), code))
	case without != "":
		v := s.refuse(hello.A8, last, without)
		v.Word = Degraded
		return v
	}
	return s.conclude(hello.A8, last, code)
}

// byTicket goes to a domain with the ticket of the sign-in, or, when a cached
// logon opened the session, with that of an earlier one, or a new one.
func (s *signingIn) byTicket(live bool, last, partial string) string {
	if s.byContainer() != "" {
		s.open = true
		return s.reachByCertificate(last)
	}
	if s.to.domain != string(s.d.In.Domain) {
		return "domain_not_reached"
	}
	if live {
		return s.ticket(Ticket{NTHash: !s.account.NoPassword}, last)
	}
	inside := s.inside(s.machine.session() || s.vpn())
	if t := s.credential.Ticket; t != nil && s.facts.Now.Before(t.Ends) {
		if !inside {
			return "no_line_of_sight"
		}
		return s.ticket(*t, last)
	}
	code, _ := s.prove(s.to.domain, inside, letters{last, last, last}, partial)
	if code == "" || code == mixed {
		return s.behind(code, last)
	}
	return code
}

// behind is what the target says once a new ticket is there: of all controllers, or
// of some (mixed), which a target that refuses makes no better.
func (s *signingIn) behind(code, letter string) string {
	if at := s.ticket(Ticket{NTHash: !s.account.NoPassword}, letter); at != "" {
		return at
	}
	return code
}

// withoutToken is flow APP: the application's page asks.
func (s *signingIn) withoutToken() Verdict {
	code := ""
	switch {
	case s.away() != "":
		code = s.away()
	case !s.u.In.EnabledInTenant:
		code = "user_disabled"
	default:
		code = s.conditionalAccess(true)
	}
	return s.conclude(hello.APP, "", code)
}
