package access

import (
	"hellolab/providers/hello"
)

// a5 is flow A5: the tenant first, then the domain with what it gave.
func (s *signingIn) a5() Verdict {
	if v, ok := s.release(hello.A5); !ok {
		return v
	}
	cloudless, letter := s.token("A", "C")
	renewed, goesOn := s.goesOn()
	if goesOn = goesOn && s.facts.Now.Before(s.credential.Partial); goesOn {
		cloudless, letter = renewed, "B"
	}
	switch {
	case cloudless != "" && !outOfReach(cloudless):
		return s.conclude(hello.A5, letter, cloudless)
	case s.waits(cloudless):
		return s.refuse(hello.A5, letter, ticketExpired)
	}
	domain := string(s.d.In.Domain)
	live := s.inside(s.machine.session())
	code, partial := "", s.partialNow(cloudless)
	if goesOn {
		partial = "" // the session has its own
	}
	switch {
	case cloudless != "" && partial != "":
		live, code = false, s.cachedLogon()
	case !s.hinted(domain):
		code = "domain_hint_missing"
	default:
		if code, _ = s.exchange(domain, live, letters{"E", "E", "E"}, partial); code == "no_line_of_sight" {
			code = s.cachedLogon()
		}
	}
	if code != "" && code != mixed {
		return s.conclude(hello.A5, "E", code)
	}
	s.open = true
	switch {
	case s.to.domain != "":
		if then := s.byTicket(live, "E", s.partialNow(cloudless)); then != "" || code == "" {
			code = then
		}
		return s.conclude(hello.A5, "E", code)
	case cloudless != "" && s.To == "":
		v := s.refuse(hello.A5, "E", cloudless)
		v.Word = Degraded
		return v
	case cloudless != "":
		return s.refuse(hello.A5, "E", cloudless)
	case s.to.application != nil:
		if then := s.conditionalAccess(false); then != "" {
			code = then
		}
	}
	return s.conclude(hello.A5, "E", code)
}

// partialNow is the code for which the session has no partial ticket: a sign-in
// to the tenant brings one, and without it an earlier one may still be good.
func (s *signingIn) partialNow(cloudless string) string {
	if cloudless == "" {
		return s.partial()
	}
	if s.facts.Now.Before(s.credential.Partial) {
		return ""
	}
	return "partial_ticket_missing"
}
