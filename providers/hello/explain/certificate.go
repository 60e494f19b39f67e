package explain

import (
	"fmt"
	"strings"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
)

// certificateHeld is the sign-in certificate of the user's key, and, where the
// device is no member of the domain, that it leads there.
func (e *explaining) certificateHeld(d *hello.Domain) []Condition {
	cert, code := e.lab.SignInCertificate(e.User, e.Device, d.Addr)
	c := condition("sign_in_certificate", "The user has a sign-in certificate for the key.", cert != nil, "certificate_missing")
	switch {
	case cert != nil && cert.Raw == nil && e.shape.Delivery == hello.MDMDelivery && e.held.Applied:
		c.Why = "Device management delivers one at the sign-in, before the device goes to the domain."
	case cert != nil && !cert.NotAfter.IsZero():
		c.Why = fmt.Sprintf("It ends on %s.", cert.NotAfter.UTC().Format(time.RFC3339))
	case cert == nil && e.shape.Delivery == hello.MDMDelivery:
		c.Why = "Device management delivers it after provisioning, at the next sign-in, where the trust has certificate_delivery = \"mdm_scep\"."
	}
	out := []Condition{c}
	if !e.member() && cert != nil {
		out = append(out, condition("certificate_domain", "The certificate names the domain, by its subject or a UPN: Kerberos looks for a controller there.", strings.EqualFold(cert.Domain, d.In.DNSName), "certificate_no_domain"))
	}
	if cert != nil && cert.UPN != "" {
		name := condition("certificate_name", "The UPN in the certificate is an account's: Kerberos asks for a ticket by it.", code != unknownName, unknownName)
		if code == unknownName {
			name.Why = fmt.Sprintf("It is %s, and the account is called %s now.", cert.UPN, hello.DomainUPN(e.u.In))
		}
		out = append(out, name)
	}
	return out
}

// unknownName is the reason of a certificate that bears a former name.
const unknownName = "certificate_name_unknown"

// certificateTrust: the KDC verifies the user's sign-in certificate, and proves
// itself by one.
func (e *explaining) certificateTrust(d *hello.Domain) []Condition {
	c := Condition{Name: "certificate_accepted", Needs: "Controllers take the certificate: path and life, NTAuth, revocation, purpose, and that it is the account's.", Verdict: Met}
	if cert, code := e.lab.SignInCertificate(e.User, e.Device, d.Addr); cert == nil || code == unknownName {
		c.Verdict = Unknown
	} else if code != "" {
		c = failed(c, code)
	}
	return []Condition{e.kdcCertificate(d), c, e.kdcAccepted(d)}
}

// deployment is what the provisioning flow, and the first use of the domain
// after it, need besides dsregcmd's checks: by trust.
func (e *explaining) deployment() []Condition {
	second := e.u.In.MFA != "" && e.u.In.MFA != "none"
	out := []Condition{condition("first_factor", "The user has a password, as the first factor.", e.u.HasPassword, "wrong_password")}
	out = append(out, e.throughFederation()...)
	out = append(out, condition("second_factor", "The user has registered a second factor.", second, "mfa_not_registered"))
	if !e.policy.PIN().Satisfiable() {
		out = append(out, failed(Condition{Name: "pin_possible", Needs: "Policy lets some PIN be made."}, "pin_class_forbidden"))
	}
	d := e.world.Domains[string(hello.HomeDomain(e.u, e.d))]
	if d == nil || e.shape.Trust == hello.NoTrust {
		return out
	}
	switch e.shape.Trust {
	case hello.KeyTrust:
		out = append(out, e.keyArrives(), e.authority(d), e.release(d), e.kdcCertificate(d))
	case hello.CloudKerberos:
		out = append(out, e.partialTicket(), e.exchanges(d), e.aes(d))
	case hello.CertTrust:
		out = append(out, e.issuing()...)
		out = append(out, e.authority(d), e.release(d), e.kdcCertificate(d))
	}
	return out
}

// throughFederation is what phase A needs of the federation service, and
// on-premises the registration service of AD FS.
func (e *explaining) throughFederation() []Condition {
	f := e.world.Federations[e.world.TokenServiceOf(e.u)]
	if f == nil {
		return nil
	}
	runs := condition("federation_service", "The federation service, which signs the user in, runs.", f.In.Enabled, "federation_unreachable")
	if runs.Verdict == Met {
		runs.Why = "It is " + f.Addr + "."
	}
	out := []Condition{runs}
	behavior := ""
	if t := e.world.Tenants[string(e.u.In.Tenant)]; t != nil && t.In.MFA != nil {
		behavior = t.In.MFA.Federated
	}
	switch verifies := hello.VerifiesFactors(f); {
	case e.u.In.Tenant == "":
		registers := condition("registration_service", "AD FS registers devices and keys.", e.world.RegistersAt(e.d) != "", "device_not_joined")
		if registers.Verdict != Met {
			registers.Why, registers.Mend = "The Enterprise Device Registration Service of "+f.Addr+" is off.", "Set device_registration = true on it."
		}
		out = append(out, condition("second_factor_service", "The federation service verifies second factors.", verifies, "adapter_missing"), registers)
	case behavior == "enforce":
		out = append(out, condition("second_factor_service", "The federation service verifies second factors, as the tenant demands.", verifies, "federated_mfa_missing"))
	default:
		c := condition("second_factor_service", "The federation service verifies second factors: it is asked for one first.", verifies, "adapter_missing")
		if verifies && behavior == "reject" {
			c.Why = "The tenant does not count it, and asks for its own after that."
		}
		out = append(out, c)
	}
	return out
}

// keyArrives is how a registered key comes to the domain.
func (e *explaining) keyArrives() Condition {
	if e.u.In.Tenant == "" {
		return Condition{Name: "key_export", Needs: "Registered keys come to the domain.", Verdict: Met, Why: "AD FS writes them when they are registered."}
	}
	s := e.world.SyncBetween(e.u.In.Tenant, e.u.In.Domain)
	why, mend := e.withheld(s)
	c := condition("key_export", "Connect writes registered keys to the domain.", why == "", "key_not_synced")
	if c.Why = why; why != "" {
		c.Mend = mend
	} else {
		c.Why = fmt.Sprintf("%s does, every %s: until the next cycle the domain does not know a new key.", s.Addr, providers.FormatDuration(s.In.Interval))
	}
	return c
}

// issuing is what brings a sign-in certificate: the registration authority of AD
// FS, whose token the user needs, or device management.
func (e *explaining) issuing() []Condition {
	if e.shape.Delivery == hello.MDMDelivery {
		c := condition("certificate_profile", "Device management has a sign-in certificate profile for the user.", e.held.Launch.MDMCertificate, "certificate_payload_missing")
		return []Condition{c}
	}
	ra := e.world.RegistrationAuthorityOf(e.u, e.d)
	written := condition("device_in_domain", "The domain has the device, by which AD FS knows it: registered there, or written back by Connect.", e.held.Launch.EnterprisePRT || e.machine.Written, "device_not_written_back")
	ready := condition("registration_authority", "AD FS is a certificate registration authority.", ra != nil && ra.In.Enabled && ra.In.RegistrationAuthority && ra.In.Authority != "", "registration_authority_not_ready")
	if ready.Verdict != Met {
		return []Condition{written, ready}
	}
	agent := Condition{Name: "agent_certificate", Needs: "It has an enrollment agent certificate, in its life and not revoked.", Verdict: Unknown}
	if held := e.held.Lab.Federations[ra.Addr]; held != nil && held.Agent != nil {
		in := !held.Agent.Revoked && e.held.Lab.Now.Before(held.Agent.NotAfter)
		agent = condition(agent.Name, agent.Needs, in, "agent_certificate_unusable")
		if in {
			agent.Why = fmt.Sprintf("It ends on %s, and is renewed 60 days ahead.", held.Agent.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return []Condition{written, ready, agent}
}
