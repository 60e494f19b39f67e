package hello

import (
	"slices"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

func (v *validation) trusts() {
	seen := map[[3]string]string{}
	for _, addr := range sortedKeys(v.Trusts) {
		t := v.Trusts[addr]
		if !t.Knows("type", "tenant", "domain") {
			continue
		}
		key := [3]string{t.In.Type, string(t.In.Tenant), string(t.In.Domain)}
		if other, twice := seen[key]; twice {
			v.problem(addr, "domain", "trust_twice", "Declared twice", "%s is the %s trust between %s and %s already. Remove one of the two.", other, t.In.Type, t.In.Tenant, t.In.Domain)
			continue
		}
		seen[key] = addr
		if t.In.Tenant == "" {
			v.onPremises(t)
		} else if v.unsynchronized(t.In.Tenant, t.In.Domain) {
			v.problem(addr, "domain", "trust_needs_sync", "No synchronization",
				"Users of a trust are in both directories, and no sync leads from %s to %s. Declare one.", t.In.Domain, t.In.Tenant)
		}
		v.turnedOn(addr)
		v.recentFactors(t)
		switch Trust(t.In.Type) {
		case KeyTrust:
			v.kdcCertificates(addr, t)
			v.ofKeys(t)
			v.foreignSettings(addr, t, given{"allowed", len(t.In.Allowed) > 0}, given{"denied", len(t.In.Denied) > 0}, given{"certificate_delivery", t.In.Delivery != ""},
				given{"federation", t.In.Federation != "" && t.In.Tenant != ""}, given{"accept_recent_mfa", t.In.RecentMFA && t.In.Tenant != ""})
		case CertTrust:
			v.certificateTrust(t)
		case CloudKerberos:
			v.foreignSettings(addr, t, given{"authority", t.In.Authority != ""}, given{"certificate_delivery", t.In.Delivery != ""}, given{"federation", t.In.Federation != ""}, given{"accept_recent_mfa", t.In.RecentMFA})
			v.listed(t)
			v.serverObject(t)
		}
	}
}

// foreignSettings warns of settings that are of another type of trust.
func (v *validation) foreignSettings(addr string, t *DeclaredTrust, settings ...given) {
	for _, s := range settings {
		if s.is {
			v.warn(addr, s.attribute, "trust_setting_unused", "Setting without effect", "%s means nothing to a trust of type %q. Remove it.", s.attribute, t.In.Type)
		}
	}
}

// given is an attribute, and whether it is set.
type given struct {
	attribute string
	is        bool
}

// turnedOn warns of a trust that no policy names: it exists, and nobody is told
// to use it.
func (v *validation) turnedOn(addr string) {
	for _, p := range v.Policies {
		if !p.Knows("trust") || string(p.In.Trust) == addr {
			return
		}
	}
	v.warn(addr, "", "trust_not_turned_on", "No policy turns the trust on",
		"Policies turn trusts on for people and devices, and none names this one. Set trust = %s in a policy.", addr)
}

// kdcCertificates checks that the domain of a key or certificate trust can prove
// its KDC to devices: without a certificate it takes no sign-in by either (KDC
// error 16).
func (v *validation) kdcCertificates(addr string, t *DeclaredTrust) {
	if a := v.Authorities[string(t.In.Authority)]; a != nil && t.Knows("authority") && a.Knows("domain") && a.In.Domain != t.In.Domain {
		v.problem(addr, "authority", "trust_authority_elsewhere", "Authority of another domain", "%s is an authority of %s, and the trust is to %s. Name one of that domain.", a.Addr, a.In.Domain, t.In.Domain)
		return
	}
	has := false
	for _, a := range v.Authorities {
		has = has || a.In.Domain == t.In.Domain || !a.Knows("domain")
	}
	if !has {
		v.problem(addr, "authority", t.In.Type+"_trust_needs_authority", "No authority",
			"The trust needs certificates on the domain's controllers (0xC00000BB without), and %s has no authority to issue them. Declare an authority with domain = %s.", t.In.Domain, t.In.Domain)
		return
	}
	d := v.Domains[string(t.In.Domain)]
	if d == nil || !d.Knows("controller") {
		return
	}
	names, by := Controllers(d.In)
	var none, purpose []string
	for _, name := range names {
		switch templateOf(by[name]) {
		case spec.TemplateNone:
			none = append(none, name)
		case spec.TemplateDomainController:
			purpose = append(purpose, name)
		}
	}
	if len(none) > 0 {
		v.warn(d.Addr, "controller", "controller_without_kdc_certificate", "Controller without KDC certificate",
			"%s leads to %s, and %s has no certificate for its KDC: sign-ins that meet it are refused (0xC00000BB). Set a template in its kdc_certificate.", addr, d.Addr, strings.Join(none, ", "))
	}
	if strict := v.strictDevices(t); len(purpose) > 0 && len(strict) > 0 {
		v.warn(d.Addr, "controller", "kdc_certificate_without_purpose", "KDC certificate without its purpose",
			"%s leads to %s, and the certificate of %s is not for KDC authentication: %s demands that and refuses it (0xC0000320). Set template to %q.", addr, d.Addr, strings.Join(purpose, ", "), strict[0], spec.TemplateKerberosAuthentication)
	}
	v.lists(t)
}

func templateOf(c spec.Controller) string {
	if c.KDCCertificate == nil || c.KDCCertificate.Template == "" {
		return spec.TemplateKerberosAuthentication
	}
	return c.KDCCertificate.Template
}

// StrictKDC tells whether a device demands of a KDC's certificate that it is for
// KDC authentication and names the domain: as declared, else when it is not a
// member of the domain (reading R2).
func StrictKDC(d spec.Device) bool {
	if d.StrictKDC != nil {
		return *d.StrictKDC
	}
	return d.Join != string(HybridJoined) && d.Join != string(DomainJoined)
}

// provers are the devices with an enrollment that proves its key to the domain
// of a trust, in address order.
func (v *validation) provers(t *DeclaredTrust) []*Device {
	var found []*Device
	for _, addr := range sortedKeys(v.Devices) {
		d := v.Devices[addr]
		reaches := func(e *Enrollment) bool {
			u := v.Users[string(e.In.User)]
			return u != nil && u.In.Domain == t.In.Domain && u.In.Tenant == t.In.Tenant
		}
		joined := d.In.Join == string(EntraJoined) || member(d) && d.In.Domain == t.In.Domain
		if joined && slices.ContainsFunc(v.EnrollmentsOn(addr), reaches) {
			found = append(found, d)
		}
	}
	return found
}

func (v *validation) strictDevices(t *DeclaredTrust) []string {
	var strict []string
	for _, d := range v.provers(t) {
		if d.Knows("strict_kdc_validation") && StrictKDC(d.In) {
			strict = append(strict, d.Addr)
		}
	}
	return strict
}

// lists warns of an authority whose lists a device cannot reach where it asks
// for them: on the domain's network, or through the tunnel to it.
func (v *validation) lists(t *DeclaredTrust) {
	for _, addr := range sortedKeys(v.Authorities) {
		a := v.Authorities[addr]
		if a.In.Domain != t.In.Domain || a.In.CRL == nil || len(a.In.CRL.ReachableFrom) == 0 || !a.Knows("crl.reachable_from") || slices.Contains(a.In.CRL.ReachableFrom, "onsite") {
			continue
		}
		for _, d := range v.provers(t) {
			if d.In.RevocationUnknown != "allow" && d.Knows("revocation_unknown") && !v.said[addr] {
				v.said[addr] = true
				v.warn(addr, "crl.reachable_from", "kdc_revocation_unreachable", "Lists out of reach",
					"%s asks whether the KDC's certificate is revoked, cannot reach the lists on the domain's network, and refuses (0xC000040C). Add \"onsite\", or set revocation_unknown = \"allow\" on the device.", d.Addr)
			}
		}
	}
}

// DoubleEscaping reports whether an authority's web server serves delta lists, whose
// names have a plus sign.
func DoubleEscaping(a spec.Authority) bool {
	return a.CRL == nil || a.CRL.DoubleEscape == nil || *a.CRL.DoubleEscape
}

// DeltaListsRefused reports whether who reads an authority's lists is sent for delta
// lists that its web server refuses.
func DeltaListsRefused(a spec.Authority) bool { return !DoubleEscaping(a) && a.CRL.Delta > 0 }

// deltaLists warns of an authority whose delta lists nobody gets.
func (v *validation) deltaLists(addr string, a *Authority) {
	if a.Knows("crl.double_escaping", "crl.delta", "ocsp") && DeltaListsRefused(a.In) && !a.In.OCSP {
		v.warn(addr, "crl.double_escaping", "delta_lists_refused", "Delta lists are refused",
			"Its lists name delta lists, its web server answers 404 for them, and certificates that it issues name no responder to be asked instead: whoever asks does not learn whether they are revoked (0xC000040C, 0xC000038B). Set double_escaping = true, or ocsp = true, or publish no delta lists (delta = \"0s\").")
	}
}

// kdcSettings checks a device's settings about KDCs: that there is one to be
// judged, and that an Entra joined device trusts an authority of the domain.
func (v *validation) kdcSettings(d *Device) {
	unused := func(why string) {
		for _, set := range []struct {
			attribute string
			is        bool
		}{{"trusted_roots", len(d.In.TrustedRoots) > 0}, {"strict_kdc_validation", d.In.StrictKDC != nil}} {
			if set.is {
				v.warn(d.Addr, set.attribute, "kdc_setting_unused", "Setting without effect", "%s is about the certificates of domain controllers, and %s. Remove it.", set.attribute, why)
			}
		}
	}
	switch join := JoinType(d.In.Join); {
	case join == Registered || join == NotJoined:
		unused("a device with join = \"" + d.In.Join + "\" signs in to no domain")
	case d.In.Network == string(NoNetwork) && d.Knows("network") && join == EntraJoined:
		unused("the device is on no network")
	case d.In.Network == string(Captive) && d.Knows("network") && join == EntraJoined:
		unused("the device is behind a captive portal")
	}
}

// proof checks how the key of an enrollment comes to be proven to a domain.
func (v *validation) proof(e *Enrollment, u *User, d *Device, route Route, policy InForce) {
	if route.Trust == NoTrust {
		return
	}
	cloud, certificate, use := policy.UseCloudTrustForOnPremAuth, policy.UseCertificateForOnPremAuth, policy.UsePassportForWork
	if cloud.Value && certificate.Value {
		v.once("shadow "+cloud.Origin.Policy, cloud.Origin.Policy, "use_cloud_trust_for_on_prem_auth", "certificate_shadows_cloud_trust", "Switch without effect",
			"%s turns certificate trust on, too, which wins over cloud Kerberos trust on %s. Turn one of them off.", certificate.Origin.Policy, d.Addr)
	}
	if policy.splitScopes() && !certificate.Value {
		v.once("split "+cloud.Origin.Policy, cloud.Origin.Policy, "use_cloud_trust_for_on_prem_auth", "trust_scope_split", "Switches in two scopes",
			"%s turns Hello on in user scope, and the cloud trust stands in device scope; administrators report that Windows then does not use it, and so it is in the lab: the key itself is proven. Set use_passport_for_work in device scope, too.", use.Origin.Policy)
	}
	v.cloudTrust(e, u, route, policy)
	v.certificateMissing(e, u, d, route, policy)
	v.privileged(e, u, d, route)
	v.protectedKey(e, u, d, route)
	// Entra joined devices get no roots from the domain.
	if (route.Domain == A3 || route.Domain == A4) && u.In.Domain != "" && d.Knows("trusted_roots") && !v.trustsRootOf(d, u.In.Domain) {
		v.once("roots "+d.Addr, d.Addr, "trusted_roots", "kdc_root_not_trusted", "The domain's root is not trusted",
			"%s signs in to %s from this device, which trusts no authority of it: it would refuse the KDC (0xC000040D). Add an authority of %s.", u.Addr, u.In.Domain, u.In.Domain)
	}
}

// once warns, unless the same was said before.
func (v *validation) once(what, addr, attribute, rule, summary, format string, args ...any) {
	if !v.said[what] {
		v.said[what] = true
		v.warn(addr, attribute, rule, summary, format, args...)
	}
}

// trustsRootOf reports whether a device is declared to trust an authority of a
// domain, or may be.
func (v *validation) trustsRootOf(d *Device, domain providers.Ref) bool {
	return slices.ContainsFunc(d.In.TrustedRoots, func(r providers.Ref) bool {
		a := v.Authorities[string(r)]
		return a == nil || !a.Knows("domain") || a.In.Domain == domain
	})
}

// namesTrust checks a policy that names a trust.
func (v *validation) namesTrust(p *Policy) {
	t := v.Trusts[string(p.In.Trust)]
	if t == nil || !t.Knows("type") || !p.Knows("trust") {
		return
	}
	cloud, certificate := switches(Trust(t.In.Type))
	for _, s := range []struct {
		attribute string
		is        *bool
		want      bool
	}{
		{"use_cloud_trust_for_on_prem_auth", p.In.UseCloudTrustForOnPremAuth, cloud},
		{"use_certificate_for_on_prem_auth", p.In.UseCertificateForOnPremAuth, certificate},
	} {
		if s.is != nil && *s.is != s.want {
			v.problem(p.Addr, s.attribute, "trust_contradicts_switch", "Trust and switch contradict each other",
				"trust names %s, of type %q, which needs %s = %t. Remove one of the two.", t.Addr, t.In.Type, s.attribute, s.want)
		}
	}
	if p.Knows("source", "scope") && !useCloudTrust.existsAt(LevelOf(p.In.Source, p.In.Scope)) {
		v.warn(p.Addr, "trust", "trust_in_user_scope", "Trust in user scope",
			"Windows reads the switches of a trust from computer settings, so naming %s in a %s turns none of them. Name it in a policy with scope = \"device\".", t.Addr, LevelOf(p.In.Source, p.In.Scope))
	}
}
