package doctor

import (
	"strings"
	"time"

	"hellolab/providers/wire/adfs"
)

// Federation is a federation service. What a tenant knows of it is the tenant's.
type Federation struct {
	Addr      string
	Stopped   bool   // it is declared not to run
	Trouble   string // why it could not be asked; "": Status is what it says
	Status    *adfs.Status
	Registers bool // it is to be a certificate registration authority
}

// agentRenewal is how long before its end an agent's certificate is renewed.
const agentRenewal = 60 * 24 * time.Hour

func (x *examination) federationService(f *Federation) {
	if f.Stopped {
		x.add(Warning, "federation_stopped", f.Addr, "HTTP 503", "Set enabled of "+f.Addr+" to true.", "The federation service does not run: nobody signs in there, and no key is provisioned through it.")
	}
	if f.Trouble != "" {
		x.add(Error, "federation_unreachable", f.Addr, "", "Look at what the service's host needs, then run doctor again.", "The federation service cannot be asked: %s.", f.Trouble)
		return
	}
	x.agent(f)
	for i, c := range f.Status.Signing {
		if i > 0 {
			x.add(Warning, "federation_rollover", f.Addr, "", "See that relying parties read the service's metadata again before that.",
				"The former token-signing certificate %s is published until %s; what it signed is not believed after that.", c.Thumbprint, stamp(c.Published))
		}
	}
}

// agent judges the enrollment agent certificate of a registration authority.
func (x *examination) agent(f *Federation) {
	if !f.Registers {
		return
	}
	switch a := f.Status.Agent; {
	case a == nil && f.Status.AgentError != "":
		x.add(Error, "federation_agent", f.Addr, "", "See that its authority issues the template, then run `hellolab apply`.", "The registration authority has no enrollment agent certificate: %s.", f.Status.AgentError)
	case a == nil:
		x.add(Error, "federation_agent", f.Addr, "", "Run `hellolab apply`.", "The registration authority has no enrollment agent certificate.")
	case a.Revoked:
		x.add(Error, "federation_agent", f.Addr, "", "Set registration_authority of "+f.Addr+" to false and apply, then to true and apply: it enrolls another one.", "The enrollment agent certificate has been revoked: no sign-in certificate is issued.")
	case f.Status.AgentError != "" && !x.Now.Before(a.NotAfter):
		x.add(Error, "federation_agent", f.Addr, "", "See that its authority issues the template, then run `hellolab apply`.", "The enrollment agent certificate expired on %s, so no sign-in certificate is issued, and was not renewed: %s.", stamp(a.NotAfter), strings.TrimSuffix(f.Status.AgentError, "."))
	case !x.Now.Before(a.NotAfter):
		x.add(Error, "federation_agent", f.Addr, "", "Run `hellolab apply`, which renews it.", "The enrollment agent certificate expired on %s: no sign-in certificate is issued.", stamp(a.NotAfter))
	case !x.Now.Before(a.NotAfter.Add(-agentRenewal)):
		x.add(Warning, "federation_agent", f.Addr, "", "Run `hellolab apply`, which renews it.", "The enrollment agent certificate ends on %s, and was not renewed.", stamp(a.NotAfter))
	}
}
