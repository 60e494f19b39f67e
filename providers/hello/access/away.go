package access

import "hellolab/providers/hello"

// away is the code for which the device reaches nothing outside of the domain's
// network, tenants and applications among it; "" when it does.
func (s *signingIn) away() string {
	code, _ := hello.Network(s.d.In.Network).Away()
	return code
}

// outOfReach reports whether a code of the tenant's part is that nobody was asked.
func outOfReach(code string) bool { return code == "no_line_of_sight" || code == "host_unreachable" }

// ticketExpired is the code of a gesture that waited too long for its session.
const ticketExpired = "hello_ticket_expired"

// waits reports whether a sign-in waits for the tenant, which does not answer, for
// longer than the ticket of a gesture lives: a captive portal refuses nothing.
func (s *signingIn) waits(code string) bool { return code == "host_unreachable" && s.byKey() }

// cachedSession is A1 where the tenant is out of reach, on an Entra joined device:
// the sign-in that Cloud AP keeps opens Windows, and brings no tokens. letter is the
// phase in which nobody answered.
func (s *signingIn) cachedSession(code, letter string) Verdict {
	switch {
	case s.waits(code):
		return s.refuse(hello.A1, letter, ticketExpired)
	case !s.keptByCloud():
		return s.refuse(hello.A1, letter, code)
	}
	s.open, s.apart = true, code
	switch {
	case s.byContainer() != "":
		return s.conclude(hello.A1, "E", s.reachByCertificate("E"))
	case s.to.domain != "" && s.route.Domain == "":
		return s.refuse(hello.A1, "E", "domain_not_reached")
	case s.to.domain != "":
		return s.firstUse()
	}
	v := s.refuse(hello.A1, "E", code)
	v.Action, v.When = OtherNetwork, NextToken
	if s.To == "" {
		v.Word, v.Action = Degraded, NoAction
		v.Sentence = "Cloud AP signs the user in by the sign-in that it keeps; tokens of the tenant come once it is reached."
	}
	return v
}

// keptByCloud reports whether Cloud AP keeps a sign-in with what the user shows.
func (s *signingIn) keptByCloud() bool {
	if !s.byKey() {
		return s.credential.CachedPassword != nil
	}
	return s.credential.CachedKey != nil && s.credential.CachedKey.KeyID == s.credential.KeyID
}
