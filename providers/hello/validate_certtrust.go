package hello

import (
	"slices"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// certificateTrust checks what a certificate trust stands on ("Hybrid certificate
// trust deployment guide", "On-premises certificate trust deployment guide"): AD FS
// as registration authority or device management, an authority that domains take
// sign-ins from, controllers with KDC certificates, and devices written back.
func (v *validation) certificateTrust(t *DeclaredTrust) {
	v.foreignSettings(t.Addr, t, given{"allowed", len(t.In.Allowed) > 0}, given{"denied", len(t.In.Denied) > 0})
	v.kdcCertificates(t.Addr, t)
	if !t.Knows("federation", "certificate_delivery", "authority") {
		return
	}
	v.issuer(t)
	byManagement := t.In.Delivery == string(MDMDelivery)
	if tenant := v.Tenants[string(t.In.Tenant)]; tenant != nil && tenant.Knows("authentication", "federation") {
		switch f := v.Federations[string(tenant.In.Federation)]; {
		case !Authentication(tenant.In.Authentication).Federated():
			if !byManagement {
				v.problem(t.Addr, "tenant", "certificate_needs_federation", "The tenant is managed",
					"Certificate trust in a managed tenant is not supported: the registration authority is part of AD FS, which the tenant must be federated with. Federate %s with AD FS, or use cloud Kerberos or key trust.", tenant.Addr)
			}
			return
		case f != nil && f.In.Kind == spec.FederationThirdParty:
			v.problem(t.Addr, "tenant", "certificate_needs_adfs", "Federated with another vendor's service",
				"Certificate trust needs AD FS as federation service, and %s is federated with %s, which cannot stand in for it. Federate it with AD FS, or use cloud Kerberos or key trust.", tenant.Addr, f.Addr)
			return
		}
	}
	if !byManagement {
		v.registrationAuthority(t)
	}
}

// issuer checks the authority of a trust's sign-in certificates.
func (v *validation) issuer(t *DeclaredTrust) {
	a := v.Authorities[string(t.In.Authority)]
	if a == nil {
		if f := v.Federations[string(t.In.Federation)]; f != nil {
			a = v.Authorities[string(f.In.Authority)]
		}
	}
	if a == nil {
		return
	}
	if !a.In.NTAuth && a.Knows("ntauth") {
		v.warn(a.Addr, "ntauth", "sign_in_authority_not_trusted", "No sign-in by its certificates",
			"%s has its sign-in certificates of %s, and the forest does not trust it for sign-ins: the KDC refuses them (error 62). Set ntauth = true.", t.Addr, a.Addr)
	}
	if c := a.In.CRL; c != nil && a.Knows("crl.reachable_from") && len(c.ReachableFrom) > 0 && !slices.Contains(c.ReachableFrom, "dc") && !slices.Contains(c.ReachableFrom, "onsite") {
		v.warn(a.Addr, "crl.reachable_from", "sign_in_revocation_unreachable", "Lists out of controllers' reach",
			"Controllers ask whether sign-in certificates are revoked, and cannot reach the lists of %s: they refuse (0xC000038B). Add \"dc\".", a.Addr)
	}
	for _, name := range []string{SignInTemplate, AgentTemplate} {
		if !v.issues(providers.Ref(a.Addr), name) && (name == SignInTemplate || t.In.Delivery != string(MDMDelivery)) {
			v.warn(a.Addr, "template", "sign_in_template_off", "Template is not issued",
				"%s needs certificates by the template %s, which %s does not issue. Set enabled = true on it.", t.Addr, name, a.Addr)
		}
	}
}

// registrationAuthority checks who registers the certificates of a trust.
func (v *validation) registrationAuthority(t *DeclaredTrust) {
	f := v.serviceOf(t)
	if f == nil || !f.Knows("registration_authority", "authority") {
		return
	}
	if !f.In.RegistrationAuthority || f.In.Authority == "" {
		why, next := "it is off", "Set registration_authority = true"
		if f.In.Authority == "" {
			why, next = "it has no authority to ask", "Set authority"
		}
		v.warn(f.Addr, "registration_authority", "registration_authority_off", "No certificates by AD FS",
			"%s has sign-in certificates registered by AD FS, and %s: nobody is provisioned by the trust (AdfsRaIsReady, event 7206), and no certificate is renewed. %s, or turn use_certificate_for_on_prem_auth off: provisioning then ends once the key is registered.", t.Addr, why, next)
	}
}

// serviceOf returns the AD FS of a trust: the one it names, else that of its
// domain. It says so when there is none, or when it is of another domain; nil then.
func (v *validation) serviceOf(t *DeclaredTrust) *Federation {
	if !v.federationsKnown() || !t.Knows("federation") {
		return nil
	}
	if named := t.In.Federation; named != "" {
		switch f := v.Federations[string(named)]; {
		case f == nil:
			return nil
		case f.In.Kind != spec.FederationADFS:
			v.problem(t.Addr, "federation", "trust_federation_not_adfs", "Not AD FS",
				"Keys and certificates are registered by AD FS, and %s is another vendor's service. Name a federation of kind \"adfs\".", f.Addr)
			return nil
		case f.In.Domain == "":
			return nil // the service says so
		case f.In.Domain != t.In.Domain:
			v.problem(t.Addr, "federation", "trust_federation_elsewhere", "AD FS of another domain",
				"%s is AD FS of %s, and the trust is to %s. Name that of the trust's domain.", f.Addr, f.In.Domain, t.In.Domain)
			return nil
		default:
			return f
		}
	}
	f := v.FederationOn(t.In.Domain)
	switch {
	case f != nil:
	case t.In.Tenant == "":
		v.problem(t.Addr, "federation", "on_premises_needs_adfs", "No AD FS",
			"Without a tenant, AD FS signs users in and registers their keys, and %s has none. Declare a federation with domain = %s and its second-factor adapter, or set tenant.", t.In.Domain, t.In.Domain)
	default:
		v.problem(t.Addr, "federation", "certificate_trust_needs_adfs", "No registration authority",
			"AD FS registers sign-in certificates, and %s has none. Declare a federation with domain = %s and an authority, or set certificate_delivery to \"mdm_scep\".", t.In.Domain, t.In.Domain)
	}
	return f
}

// onPremises checks a trust without a tenant. What it needs that concerns single
// people, their enrollments say.
func (v *validation) onPremises(t *DeclaredTrust) {
	for _, addr := range sortedKeys(v.Syncs) {
		if s := v.Syncs[addr]; s.In.Domain == t.In.Domain && s.Knows("domain") {
			v.problem(t.Addr, "tenant", "on_premises_with_cloud", "The domain uses a tenant",
				"%s carries the accounts of %s to %s, and who uses cloud services deploys Hello in hybrid form. Set tenant = %s.", addr, t.In.Domain, s.In.Tenant, s.In.Tenant)
			return
		}
	}
	if Trust(t.In.Type) == CloudKerberos {
		v.problem(t.Addr, "tenant", "cloud_kerberos_on_premises", "No tenant",
			"Cloud Kerberos trust needs a tenant that issues partial tickets. Set tenant, or use key or certificate trust.")
		return
	}
	f := v.serviceOf(t)
	if f == nil {
		return
	}
	if !f.In.DeviceRegistration && f.Knows("device_registration") {
		v.warn(f.Addr, "device_registration", "registration_service_off", "No device registration service",
			"%s has devices and keys registered by AD FS, whose registration service is off: nobody is provisioned, and keys that are registered stay good. Set device_registration = true.", t.Addr)
	}
	if !VerifiesFactors(f) {
		v.problem(f.Addr, "mfa", "on_premises_needs_adapter", "No adapter for second factors",
			"On-premises, users prove a second factor to AD FS before they are provisioned (%s), and it verifies none. Set mfa to \"builtin\" or \"third_party\", and mfa_rule to another than \"never\".", t.Addr)
	}
	if t.In.Delivery == string(MDMDelivery) && t.Knows("certificate_delivery") {
		v.problem(t.Addr, "certificate_delivery", "on_premises_certificate_by_mdm", "Delivery by device management",
			"On-premises, the registration authority of AD FS delivers sign-in certificates. Set certificate_delivery to \"ra\", or remove it.")
	}
}

// writtenBack warns of a sync that does not write devices to the domain, where AD
// FS is to find them.
func (v *validation) writtenBack(addr string, s *Sync) {
	for _, t := range v.Trusts {
		if Trust(t.In.Type) != CertTrust || t.In.Tenant != s.In.Tenant || t.In.Domain != s.In.Domain || t.In.Delivery == string(MDMDelivery) || !t.Knows("certificate_delivery") {
			continue
		}
		switch {
		case s.In.Staging:
			v.warn(addr, "staging", "devices_not_written", "Devices stay in the tenant", "AD FS issues enterprise tokens to devices in the domain, and in staging mode none is written there. No sign-in certificate is issued to new ones.")
		case !s.In.DeviceWriteback && s.Knows("device_writeback"):
			v.warn(addr, "device_writeback", "devices_not_written", "Devices stay in the tenant", "AD FS issues enterprise tokens, which sign-in certificates are asked for with, to devices in the domain only, and none that joins from now on is written there; those that were are known to it further on. Set device_writeback = true (it needs Entra ID P1).")
		}
		return
	}
}

// recentFactors tells of a trust whose flows do not ask again for a second factor,
// against the documents.
func (v *validation) recentFactors(t *DeclaredTrust) {
	if !t.In.RecentMFA || !t.Knows("accept_recent_mfa") {
		return
	}
	flow := map[bool]Flow{true: P5, false: P6}[t.In.Tenant != ""]
	if Trust(t.In.Type) == CertTrust && t.In.Tenant == "" {
		flow = P7
	}
	v.warn(t.Addr, "accept_recent_mfa", "recent_mfa_unnamed", "No prompt for the second factor",
		"Flow %s asks for a second factor however lately one was given; with accept_recent_mfa one that is still current is enough. Remove it to follow Microsoft's description.", flow)
}

// certificateMissing warns of an enrollment that policy has proven by a
// certificate, while no trust says where it comes from.
func (v *validation) certificateMissing(e *Enrollment, u *User, d *Device, route Route, policy InForce) {
	if t, certain := v.CertificateTrustOf(u, d); route.Trust != CertTrust || t != nil || !certain || HomeDomain(u, d) == "" {
		return
	}
	says := ""
	if o := policy.UseCertificateForOnPremAuth.Origin; o.Policy != "" {
		says = o.Policy + " turns certificate trust on, and "
	}
	v.warn(e.Addr, "device", "certificate_trust_missing", "No certificate trust",
		"%sno trust of type \"certificate\" says who issues sign-in certificates for %s. Declare one, and name it in the policy.", says, HomeDomain(u, d))
}
