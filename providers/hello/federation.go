package hello

import (
	"hellolab/providers"
	"hellolab/providers/spec"
)

// Templates of certificate trust, by the names that Microsoft's guide gives them.
const (
	SignInTemplate = "WHFBAuthentication"  // of the certificates that users sign in with
	AgentTemplate  = "WHFBEnrollmentAgent" // of the registration authority's own
)

// HomeDomain is the domain that a user on a device is to prove a key to: that of
// a device joined to one, else that of the account; "" where there is none.
func HomeDomain(u *User, d *Device) providers.Ref {
	if member(d) {
		return d.In.Domain
	}
	return u.In.Domain
}

// member reports whether a device is joined to a domain.
func member(d *Device) bool {
	return d.In.Join == string(HybridJoined) || d.In.Join == string(DomainJoined)
}

// CertificateTrustOf returns the certificate trust that says how a user on a
// device gets a sign-in certificate; nil when none is declared. certain is false
// while a trust may turn out to be one.
func (w *World) CertificateTrustOf(u *User, d *Device) (t *DeclaredTrust, certain bool) {
	certain = u.Knows("tenant", "domain") && d.Knows("join", "domain")
	domain := HomeDomain(u, d)
	if domain == "" {
		return nil, certain
	}
	for _, addr := range sortedKeys(w.Trusts) {
		t := w.Trusts[addr]
		switch {
		case !t.Knows("type", "tenant", "domain"):
			certain = false
		case Trust(t.In.Type) == CertTrust && t.In.Tenant == u.In.Tenant && t.In.Domain == domain:
			return t, true
		}
	}
	return nil, certain
}

// delivery is how a sign-in certificate reaches a device: as the trust declares,
// else by AD FS to members of its domain, and to everybody else by device
// management ("Windows Hello for Business hybrid certificate trust").
func (w *World) delivery(u *User, d *Device) Delivery {
	if t, _ := w.CertificateTrustOf(u, d); t != nil && t.In.Delivery != "" {
		return Delivery(t.In.Delivery)
	}
	if member(d) {
		return RegistrationAuthority
	}
	return MDMDelivery
}

// RegistrationAuthorityOf returns the AD FS that registers certificates of a user
// on a device: the one that the trust names, else that of the domain; nil when
// there is none.
func (w *World) RegistrationAuthorityOf(u *User, d *Device) *Federation {
	if t, _ := w.CertificateTrustOf(u, d); t != nil && t.In.Federation != "" {
		return w.Federations[string(t.In.Federation)]
	}
	return w.FederationOn(HomeDomain(u, d))
}

// RegistersAt returns the address of whose registration service a device, and the
// keys of its users, are registered with: a tenant's, or on-premises that of
// AD FS. "" when there is none.
func (w *World) RegistersAt(d *Device) string {
	if d.In.Join != string(DomainJoined) {
		return string(d.In.Tenant)
	}
	if f := w.FederationOn(d.In.Domain); f != nil && f.In.DeviceRegistration {
		return f.Addr
	}
	return ""
}

// JoinsThrough returns the AD FS through which a hybrid joined device registers: that of
// its tenant, where it is of the device's domain. nil: Connect carries the computer up.
func (w *World) JoinsThrough(d *Device) *Federation {
	t := w.Tenants[string(d.In.Tenant)]
	if t == nil || d.In.Join != string(HybridJoined) || !d.Knows("tenant", "domain") || !t.Knows("authentication", "federation") || !Authentication(t.In.Authentication).Federated() {
		return nil
	}
	f := w.Federations[string(t.In.Federation)]
	if f == nil || f.In.Kind != spec.FederationADFS || f.In.Domain != d.In.Domain || !f.Knows("kind", "domain") {
		return nil
	}
	return f
}

// TokenServiceOf returns the address of who gives a user's sign-ins tokens: the
// federation service that the account's tenant sends them to, the tenant, or
// on-premises AD FS. "" when there is none.
func (w *World) TokenServiceOf(u *User) string {
	t := w.Tenants[string(u.In.Tenant)]
	switch f := w.FederationOn(u.In.Domain); {
	case t != nil && Authentication(t.In.Authentication).Federated() && t.In.Federation != "":
		return string(t.In.Federation)
	case u.In.Tenant != "":
		return string(u.In.Tenant)
	case f != nil:
		return f.Addr
	}
	return ""
}

// TokenServiceFor returns the address of who gives a device's sign-ins tokens: on a
// registered or joined one the tenant, or the service that it is federated with; on-
// premises AD FS. "" when there is none.
func (w *World) TokenServiceFor(d *Device) string {
	if d.In.Join == string(DomainJoined) {
		if f := w.FederationOn(d.In.Domain); f != nil {
			return f.Addr
		}
		return ""
	}
	return w.TokenServiceOf(&User{Declared: Declared[spec.User, spec.UserOut]{Object: providers.Object[spec.User, spec.UserOut]{In: spec.User{Tenant: d.In.Tenant}}}})
}

// AlwaysPrompts reports whether phase A of a provisioning flow asks for the second
// factor though one was given a moment ago: P5, P6 and P7 lack the documents'
// sentence on a factor of the last ten minutes, and the others have it (reading
// R4). A trust may say otherwise (accept_recent_mfa).
func (w *World) AlwaysPrompts(flow Flow, user, device string) bool {
	if !flow.PromptsByDefault() {
		return false
	}
	u, d := w.Users[user], w.Devices[device]
	if u == nil || d == nil {
		return true
	}
	for _, t := range w.Trusts {
		if t.In.Tenant == u.In.Tenant && t.In.Domain == HomeDomain(u, d) && t.In.RecentMFA && t.Knows("accept_recent_mfa") &&
			(Trust(t.In.Type) == CertTrust) == (flow == P5 || flow == P7) {
			return false
		}
	}
	return true
}

// planCertificates completes planned facts with what certificate trust asks for:
// the enterprise token, the registration authority, the template, the profile of
// device management. What is not known yet counts as given.
func (w *World) planCertificates(f *Facts, u *User, d *Device) {
	sts := w.FederationOn(HomeDomain(u, d))
	f.EnterprisePRT = sts != nil && (sts.In.Enabled || !sts.Knows("enabled")) && GivesUserGroups(sts) && w.knownToSTS(u, d, sts) || sts == nil && !w.federationsKnown()
	t, certain := w.CertificateTrustOf(u, d)
	f.MDMCertificate = !certain || t != nil && (t.In.Delivery == string(MDMDelivery) || !t.Knows("certificate_delivery"))
	ra := w.RegistrationAuthorityOf(u, d)
	f.RegistrationAuthority = ra != nil && (!ra.Knows("enabled", "registration_authority", "authority") ||
		ra.In.Enabled && ra.In.RegistrationAuthority && ra.In.Authority != "" && w.issues(ra.In.Authority, AgentTemplate))
	switch {
	case t != nil && t.In.Authority != "":
		f.Template = w.issues(t.In.Authority, SignInTemplate)
	case ra != nil && ra.In.Authority != "":
		f.Template = w.issues(ra.In.Authority, SignInTemplate)
	default:
		f.Template = t != nil
	}
}

// GivesUserGroups reports whether a federation service lets Windows' sign-in ask for
// the scope ugs, without which it issues no primary refresh token.
func GivesUserGroups(f *Federation) bool {
	return f.In.UserGroups == nil || *f.In.UserGroups || !f.Knows("ugs_scope")
}

// federationsKnown reports whether it is known of every federation service whose
// it is.
func (w *World) federationsKnown() bool {
	for _, f := range w.Federations {
		if !f.Knows("kind", "domain") {
			return false
		}
	}
	return true
}

// knownToSTS reports whether AD FS finds a device in the domain's directory:
// registered there by itself, or written back by Connect. Of a device that is there
// already it counts as given: what was written stays, whatever is declared now, and a
// preview asks the domain.
func (w *World) knownToSTS(u *User, d *Device, sts *Federation) bool {
	if d.In.Join == string(DomainJoined) {
		return sts.In.DeviceRegistration || !sts.Knows("device_registration")
	}
	s := w.SyncBetween(u.In.Tenant, HomeDomain(u, d))
	return s != nil && (d.Exists() && d.In.Join == string(HybridJoined) || s.In.DeviceWriteback && !s.In.Staging || !s.Knows("device_writeback", "staging"))
}

// issues reports whether an authority issues by a template, as far as is
// declared.
func (w *World) issues(authority providers.Ref, template string) bool {
	a := w.Authorities[string(authority)]
	if a == nil || !a.Knows("template") {
		return true
	}
	x := a.In.Templates[template]
	return x == nil || x.Enabled
}

// VerifiesFactors reports whether a federation service can verify a second factor.
func VerifiesFactors(f *Federation) bool {
	return f.In.MFA != spec.AdapterNone && f.In.MFARule != spec.MFANever || !f.Knows("mfa", "mfa_rule")
}
