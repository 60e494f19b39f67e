package access

import (
	"fmt"
	"strings"

	"hellolab/providers/hello"
)

// provision is what a provisioning leaves. One that will fail is told among the
// gaps: an apply ends there.
func (p *planning) provision(e *hello.Enrollment) {
	user, device := string(e.In.User), string(e.In.Device)
	if p.Machines[device] == nil || p.Accounts[user] == nil || p.is.Devices[device] == nil || p.is.Users[user] == nil {
		return
	}
	code := p.provisioned(e)
	if code == "" {
		return
	}
	p.Gaps = append(p.Gaps, fmt.Sprintf("%s will not be provisioned, and an apply stops there: %s (%s)", e.Addr, sentenceOf(code), code))
}

func sentenceOf(code string) string {
	if r, ok := hello.ReasonFor(code); ok {
		return r.Sentence
	}
	return "It is refused."
}

// provisioned goes through a provisioning as the device does: the first sign-in
// with the password, Windows' check, and phases A to C of the flow. It returns
// the code of what refuses.
func (p *planning) provisioned(e *hello.Enrollment) (code string) {
	user, device := string(e.In.User), string(e.In.Device)
	s := &signingIn{pair: New(p.is, p.Facts).pair(user, device), Request: Request{User: user, Device: device, Gesture: ByPassword}}
	if s.unsupported != nil {
		return "unsupported_deployment"
	}
	d, m, a := s.d, s.machine, p.Accounts[user]
	c := m.Credentials[user]
	if c == nil {
		c = &Credential{}
		m.Credentials[user] = c
	}
	personal, onPremises := d.In.Join == string(hello.Registered), d.In.Join == string(hello.DomainJoined)
	if onPremises && m.Enterprise == "" {
		return "device_not_joined"
	}
	if onPremises || d.In.Join == string(hello.HybridJoined) {
		code, _ := s.domainSignIn(string(d.In.Domain), s.inside(m.session()), letters{})
		if code != "" && code != mixed {
			return code
		}
		c.CachedPassword = &CachedLogon{At: p.Now}
		c.Ticket = &Ticket{Ends: p.Now.Add(ticketLife), NTHash: !a.NoPassword}
	}
	if !onPremises {
		if code, _ := s.token("", ""); code != "" {
			return code
		}
	}
	c.Session = c.Session || !personal
	known := p.is.Planned(user, device)
	known.PRT = true
	known.RegistrationAuthority = p.registers(s)
	if known.EnterprisePRT = s.enterprise() == ""; known.EnterprisePRT {
		c.EnterprisePRT = p.Now.Add(enterpriseLife(p.is, s.d))
	}
	for _, check := range hello.Prerequisites(s.route, s.policy, known).Checks {
		if !check.OK && !check.Later {
			return check.Code
		}
	}
	if code := s.secondFactor(); code != "" {
		return code
	}
	if _, ok := s.policy.KeyStorage(d.In.TPM); !ok {
		return "tpm_missing"
	}
	sensed := map[string][]string{}
	for _, g := range e.In.Gestures {
		sensor, code := s.policy.ForEnrollment(d.In, g)
		if code != "" {
			return code
		}
		sensed[g] = []string{sensor.Name}
	}
	if e.PIN != nil {
		if broken := s.policy.PIN().Check(*e.PIN); len(broken) > 0 {
			return broken[0].Rule
		}
	}
	if t := p.is.Tenants[string(s.tenant())]; t != nil && t.In.Attestation == "required" && d.In.TPM == "none" {
		return "attestation_failed"
	}
	if onPremises && a.Guarded {
		return "registration_refused"
	}
	storage, _ := s.policy.KeyStorage(d.In.TPM)
	c.KeyID, c.DeviceID, c.Created, c.Gestures, c.Sensed, c.Software = planned(e.Addr), m.DeviceID, p.Now, e.In.Gestures, sensed, storage == "software"
	c.PINSet = p.Now
	if d.In.Join == string(hello.EntraJoined) { // Cloud AP keeps what signs in without the tenant
		c.CachedKey = &CachedLogon{At: p.Now, KeyID: c.KeyID}
		if s.u.HasPassword {
			c.CachedPassword = &CachedLogon{At: p.Now}
		}
	}
	if e.PIN != nil {
		c.PIN = *e.PIN
	}
	if home := p.is.Domains[string(s.u.In.Domain)]; home != nil {
		c.Domain = strings.ToLower(home.In.DNSName)
	}
	if s.route.Trust == hello.CloudKerberos && !personal && s.partial() == "" {
		c.Partial = p.Now.Add(ticketLife)
	}
	if onPremises {
		c.DeviceID = m.Enterprise
		a.DomainKeys = append(a.DomainKeys, c.KeyID) // AD FS writes it
	} else {
		a.TenantKeys = append(a.TenantKeys, Key{ID: c.KeyID, DeviceID: c.DeviceID})
	}
	c.Certificates, c.Further = nil, nil
	if s.route.Provision == hello.P5 || s.route.Provision == hello.P7 {
		if code := p.certify(s, c); code != "" {
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s gets no sign-in certificate, and its device asks again later: %s (%s)", e.Addr, sentenceOf(code), code))
		}
	}
	return ""
}

// registers reports whether AD FS says that it is a registration authority: it does
// while it has an enrollment agent certificate that has not ended.
func (p *planning) registers(s *signingIn) bool {
	ra := p.is.RegistrationAuthorityOf(s.u, s.d)
	if ra == nil || !ra.In.Enabled || !ra.In.RegistrationAuthority || ra.In.Authority == "" {
		return false
	}
	held := p.Federations[ra.Addr]
	return held != nil && held.Agent != nil && p.Now.Before(held.Agent.NotAfter)
}

// certify is phases D to G of P5 and P7: the registration authority has the CA
// issue a certificate for the key.
func (p *planning) certify(s *signingIn, c *Credential) (code string) {
	ra := p.is.RegistrationAuthorityOf(s.u, s.d)
	if ra == nil {
		return "registration_authority_not_ready"
	}
	if held := p.Federations[ra.Addr]; held == nil || held.Agent == nil || !held.Agent.good(p.Now) {
		return "agent_certificate_unusable"
	}
	from := ra.In.Authority
	if t, _ := p.is.CertificateTrustOf(s.u, s.d); t != nil && t.In.Authority != "" {
		from = t.In.Authority
	}
	c.Certificates = []*UserCertificate{p.signInCertificate(s.u, string(from))}
	return ""
}

// signInCertificate is one that an authority issues to a user now, by the template
// WHFBAuthentication.
func (p *planning) signInCertificate(u *hello.User, authority string) *UserCertificate {
	ends := p.Now.Add(certificateLife)
	if a := p.is.Authorities[authority]; a != nil {
		if own := endOf(a); !own.IsZero() && own.Before(ends) {
			ends = own
		}
	}
	c := &UserCertificate{Authority: authority, NotBefore: p.Now.Add(-backdate), NotAfter: ends, UPN: hello.DomainUPN(u.In), SID: u.Out.SID, ForLogon: true}
	if c.SID == "" {
		c.SID = planned(u.Addr)
	}
	if a := p.is.Authorities[authority]; a != nil {
		c.Responder = a.In.OCSP
		if t := a.In.Templates[hello.SignInTemplate]; t != nil {
			if t.UPN != nil && !*t.UPN {
				c.UPN = ""
			}
			if t.SID != nil && !*t.SID {
				c.SID = ""
			}
		}
	}
	if home := p.is.Domains[string(u.In.Domain)]; home != nil {
		c.Domain = strings.ToLower(home.In.DNSName)
	}
	return c
}
