package access

import (
	"slices"
	"time"

	"hellolab/providers/hello"
)

// enterprise is the code for which a session has no token of AD FS; "" when it
// gets one.
func (s *signingIn) enterprise() string {
	switch {
	case !s.nonceOfSTS(), !s.machine.Written, !hello.GivesUserGroups(s.world.FederationOn(s.d.In.Domain)):
		return "no_enterprise_prt"
	case !s.u.In.EnabledInDomain, s.account.Locked:
		return "no_enterprise_prt"
	}
	return ""
}

// nonceOfSTS reports whether AD FS answers the device.
func (s *signingIn) nonceOfSTS() bool {
	sts := s.world.FederationOn(s.d.In.Domain)
	return sts != nil && sts.In.Enabled && s.away() == ""
}

// usualEnterpriseLife is that of AD FS's primary refresh tokens (MS-OAPXBC 4.2).
const usualEnterpriseLife = 7 * 24 * time.Hour

func enterpriseLife(w *hello.World, d *hello.Device) time.Duration {
	if f := w.FederationOn(d.In.Domain); f != nil && f.In.Lifetimes != nil && f.In.Lifetimes.PRT > 0 {
		return f.In.Lifetimes.PRT
	}
	return usualEnterpriseLife
}

// Lives of an enrollment agent certificate (template WHFBEnrollmentAgent), and how
// long before its end AD FS renews it.
const (
	agentLife    = 2 * 365 * 24 * time.Hour
	agentRenewal = 60 * 24 * time.Hour
)

func (a *AgentCertificate) good(at time.Time) bool {
	return !a.Revoked && !at.Before(a.NotBefore) && at.Before(a.NotAfter)
}

// agent is what AD FS does about its enrollment agent certificate: it gets one
// while it is a registration authority, and another 60 days before its end.
func (p *planning) agent(f *hello.Federation, held *Federation) {
	a := p.is.Authorities[string(f.In.Authority)]
	if !f.In.Enabled || !f.In.RegistrationAuthority || a == nil {
		return
	}
	if held.Agent != nil && p.Now.Before(held.Agent.NotAfter.Add(-agentRenewal)) {
		return
	}
	if t := a.In.Templates[hello.AgentTemplate]; t != nil && !t.Enabled {
		return // what it has ends
	}
	ends := p.Now.Add(agentLife)
	if own := endOf(a); !own.IsZero() {
		if !p.Now.Before(own) {
			return
		}
		if own.Before(ends) {
			ends = own
		}
	}
	held.Agent = &AgentCertificate{NotBefore: p.Now.Add(-backdate), NotAfter: ends}
}

// Agents are the enrollment agent certificates that there are, by federation.
func (f *Facts) Agents() (federations []string) {
	for addr, held := range f.Federations {
		if held.Agent != nil {
			federations = append(federations, addr)
		}
	}
	slices.Sort(federations)
	return federations
}
