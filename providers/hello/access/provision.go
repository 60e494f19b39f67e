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
	sentence := "It is refused."
	if r, ok := hello.ReasonFor(code); ok {
		sentence = r.Sentence
	}
	p.Gaps = append(p.Gaps, fmt.Sprintf("%s will not be provisioned, and an apply stops there: %s (%s)", e.Addr, sentence, code))
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
	personal := d.In.Join == string(hello.Registered)
	if d.In.Join == string(hello.HybridJoined) {
		code, _ := s.domainSignIn(string(d.In.Domain), s.inside(m.session()), letters{})
		if code != "" && code != mixed {
			return code
		}
		c.CachedPassword = &CachedLogon{At: p.Now}
		c.Ticket = &Ticket{Ends: p.Now.Add(ticketLife), NTHash: !a.NoPassword}
	}
	if code, _ := s.token("", ""); code != "" {
		return code
	}
	c.Session = c.Session || !personal
	known := p.is.Planned(user, device)
	known.PRT = true
	for _, check := range hello.Prerequisites(s.route, s.policy, known).Checks {
		if !check.OK && !check.Later {
			return check.Code
		}
	}
	if s.u.In.MFA == "none" {
		return "mfa_not_registered"
	}
	if _, ok := s.policy.KeyStorage(d.In.TPM); !ok {
		return "tpm_missing"
	}
	for _, g := range e.In.Gestures {
		if code := s.policy.SensorRefused(d.In, g); code != "" {
			return code
		}
	}
	if e.PIN != nil {
		if broken := s.policy.PIN().Check(*e.PIN); len(broken) > 0 {
			return broken[0].Rule
		}
	}
	if t := p.is.Tenants[string(s.tenant())]; t != nil && t.In.Attestation == "required" && d.In.TPM == "none" {
		return "attestation_failed"
	}
	storage, _ := s.policy.KeyStorage(d.In.TPM)
	c.KeyID, c.DeviceID, c.Created, c.Gestures, c.Software = planned(e.Addr), m.DeviceID, p.Now, e.In.Gestures, storage == "software"
	c.PINSet = p.Now
	if e.PIN != nil {
		c.PIN = *e.PIN
	}
	if home := p.is.Domains[string(s.u.In.Domain)]; home != nil {
		c.Domain = strings.ToLower(home.In.DNSName)
	}
	if s.route.Trust == hello.CloudKerberos && !personal && s.partial() == "" {
		c.Partial = p.Now.Add(ticketLife)
	}
	a.TenantKeys = append(a.TenantKeys, Key{ID: c.KeyID, DeviceID: c.DeviceID})
	return ""
}
