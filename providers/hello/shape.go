package hello

import (
	"fmt"
	"strings"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// ShapeOf returns the shape of a user on a device: what its flow depends on.
// Either may be missing from the World; ok is then false.
func (w *World) ShapeOf(user, device string) (s Shape, ok bool) {
	u, d := w.Users[user], w.Devices[device]
	if u == nil || d == nil {
		return Shape{}, false
	}
	s = Shape{
		Join:           JoinType(d.In.Join),
		Deployment:     w.deployment(u, d),
		Authentication: Managed,
		Trust:          NoTrust,
	}
	s.Authentication = w.AuthenticationOf(u)
	if s.Deployment != CloudOnly {
		s.Trust = w.InForce(user, device).Proof().Value
	}
	if s.Trust == CertTrust {
		s.Delivery = w.delivery(u, d)
	}
	return s, true
}

// AuthenticationOf says who checks a user's password: the tenant, or the
// federation service that it is federated with; of a user without a tenant, the
// AD FS of the domain, without which the domain alone does.
func (w *World) AuthenticationOf(u *User) Authentication {
	t := w.Tenants[string(u.In.Tenant)]
	switch {
	case t == nil && w.FederationOn(u.In.Domain) != nil:
		return FederatedADFS
	case t == nil || t.In.Authentication != string(FederatedADFS):
		return Managed
	}
	if f := w.Federations[string(t.In.Federation)]; f != nil && f.In.Kind == spec.FederationThirdParty {
		return FederatedThirdParty
	}
	return FederatedADFS
}

// unnamedFederation reports whether the user's tenant is federated and names no
// service.
func (w *World) unnamedFederation(u *User) bool {
	t := w.Tenants[string(u.In.Tenant)]
	return t != nil && Authentication(t.In.Authentication).Federated() && t.In.Federation == "" && t.Knows("authentication", "federation")
}

// FederationOn returns the AD FS of a domain, the first by address; nil when
// there is none.
func (w *World) FederationOn(domain providers.Ref) *Federation {
	for _, addr := range sortedKeys(w.Federations) {
		if f := w.Federations[addr]; f.In.Kind == spec.FederationADFS && domain != "" && f.In.Domain == domain {
			return f
		}
	}
	return nil
}

// deployment says where the identity providers of a user on a device stand. A
// domain counts when it has to do with one of them:
//
//	on-premises  neither has a tenant, and one has a domain
//	hybrid       the device is joined to a domain and registered, or the user is
//	             in both, or the device is Entra joined and a trust leads from the
//	             user's tenant to a domain that is synchronized to it
//	cloud-only   otherwise, whatever other domains the lab has
func (w *World) deployment(u *User, d *Device) Deployment {
	join := JoinType(d.In.Join)
	member := join == HybridJoined || join == DomainJoined // of a domain
	switch {
	case u.In.Tenant == "" && (u.In.Domain != "" || member && d.In.Domain != ""):
		if join == HybridJoined {
			return Hybrid
		}
		return OnPremises
	case join == HybridJoined && d.In.Domain != "":
		return Hybrid
	case u.In.Tenant != "" && u.In.Domain != "":
		return Hybrid
	case join == EntraJoined && w.trusted(u.In.Tenant):
		return Hybrid
	}
	return CloudOnly
}

// trusted reports whether a trust leads from a tenant to a domain that is
// synchronized to it.
func (w *World) trusted(tenant providers.Ref) bool {
	for _, t := range w.Trusts {
		if tenant != "" && t.In.Tenant == tenant && w.SyncBetween(tenant, t.In.Domain) != nil {
			return true
		}
	}
	return false
}

// SyncBetween returns the sync that carries a domain's accounts to a tenant,
// the first by address; nil when there is none.
func (w *World) SyncBetween(tenant, domain providers.Ref) *Sync {
	for _, addr := range sortedKeys(w.Syncs) {
		if s := w.Syncs[addr]; s.In.Tenant == tenant && s.In.Domain == domain {
			return s
		}
	}
	return nil
}

// Proof is how policy has a Hello key proven to a domain: by a certificate, else
// by cloud Kerberos, else by the key itself, which needs no switch ("Cloud
// Kerberos trust": the certificate policy takes precedence).
func (f InForce) Proof() Setting[Trust] {
	cloud, certificate := f.UseCloudTrustForOnPremAuth, f.UseCertificateForOnPremAuth
	switch {
	case certificate.Value:
		return Setting[Trust]{CertTrust, certificate.Origin}
	case cloud.Value && !f.splitScopes():
		return Setting[Trust]{CloudKerberos, cloud.Origin}
	case cloud.Origin.Policy != "":
		return Setting[Trust]{KeyTrust, cloud.Origin}
	case certificate.Origin.Policy != "":
		return Setting[Trust]{KeyTrust, certificate.Origin}
	}
	return Setting[Trust]{KeyTrust, Origin{Default: docProof}}
}

// splitScopes reports whether device management turns Hello on in user scope and
// cloud Kerberos trust in device scope, where Windows then does not look for it:
// what administrators report (reading R77).
func (f InForce) splitScopes() bool {
	cloud, use := f.UseCloudTrustForOnPremAuth, f.UsePassportForWork
	return cloud.Value && cloud.Origin.Level == DeviceCSP && use.Value && use.Origin.Level == UserCSP
}

// switched returns policies with the switches that the trusts they name need.
// What a policy switches itself stays.
func (w *World) switched(policies []*Policy) []*Policy {
	out := make([]*Policy, len(policies))
	for i, p := range policies {
		p = withForm(p)
		out[i] = p
		t := w.Trusts[string(p.In.Trust)]
		if t == nil {
			continue
		}
		set := *p
		cloud, certificate := switches(Trust(t.In.Type))
		if set.In.UseCloudTrustForOnPremAuth == nil {
			set.In.UseCloudTrustForOnPremAuth = &cloud
		}
		if set.In.UseCertificateForOnPremAuth == nil {
			set.In.UseCertificateForOnPremAuth = &certificate
		}
		out[i] = &set
	}
	return out
}

// switches are the two settings that turn a trust on.
func switches(t Trust) (cloud, certificate bool) { return t == CloudKerberos, t == CertTrust }

// ReachDomain tells by which flow a user on a device proves a Hello key to a
// domain: the sign-in itself on a device joined to it, a flow of its own on an
// Entra joined one. The refusal says why there is none.
func (w *World) ReachDomain(user, device, domain string) (Flow, *Refusal) {
	shape, ok := w.ShapeOf(user, device)
	if !ok {
		return "", refuse("unknown_object", "User or device is not part of the lab.", "Declare both.")
	}
	u, d := w.Users[user], w.Devices[device]
	if string(u.In.Domain) != domain {
		return "", refuse("not_domain_account",
			fmt.Sprintf("%s has no account in %s, which could issue it a ticket.", user, domain),
			fmt.Sprintf("Set domain = %s on the user.", domain))
	}
	route, refusal := Select(shape)
	switch {
	case refusal != nil:
		return "", refusal
	case shape.Join == HybridJoined || shape.Join == DomainJoined:
		if string(d.In.Domain) != domain {
			return "", refuse("device_of_other_domain",
				fmt.Sprintf("%s is joined to %s, and no trust leads from there to %s.", device, d.In.Domain, domain),
				"Use a device of the domain, or an Entra joined one.")
		}
		return route.SignIn, nil
	case route.Domain == "":
		return "", refuse("registered_device_trust",
			fmt.Sprintf("%s reaches the tenant only.", device), "Set join to \"entra\" or \"hybrid\".")
	}
	return route.Domain, nil
}

// ComputerName is the name of a device: as declared, else the last part of its
// address, with anything but letters, digits and hyphens as hyphens.
func ComputerName(addr string, in spec.Device) string {
	if in.Name != "" {
		return in.Name
	}
	name := addr
	if _, after, ok := strings.Cut(addr, "device."); ok {
		name = after
		for strings.Contains(name, "device.") {
			_, name, _ = strings.Cut(name, "device.")
		}
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r == '"', r == ']':
			return -1
		default:
			return '-'
		}
	}, name), "-")
}
