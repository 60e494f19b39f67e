package hello

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is what a flow depends on.
type Shape struct {
	Join           JoinType
	Deployment     Deployment
	Authentication Authentication
	Trust          Trust
	Delivery       Delivery // of certificate trust; NoDelivery otherwise
}

// Route is which flows a shape uses.
type Route struct {
	Shape
	Provision Flow
	SignIn    Flow // at the lock screen
	Domain    Flow // at the first use of a domain resource, "" when sign-in reached the domain or none is reached
	Federated bool // phase A passes the federation service though the drawn flow is the managed one
	Warning   *Refusal
}

// Refusal says why a shape cannot work, or works only doubtfully.
type Refusal struct {
	Rule   string // snake_case name of the rule
	Reason string // one sentence
	Hint   string // what to do instead
}

func (r *Refusal) Error() string { return r.Reason }

// row is one line of the deployment table. A nil set matches everything.
type row struct {
	join       []JoinType
	deployment []Deployment
	auth       []Authentication
	trust      []Trust
	delivery   []Delivery
	route      Route // Shape left zero
	refusal    *Refusal
}

func one[T any](v ...T) []T { return v }

func refuse(rule, reason, hint string) *Refusal { return &Refusal{rule, reason, hint} }

var (
	federated   = one(FederatedADFS, FederatedThirdParty)
	inTheCloud  = one(CloudOnly, Hybrid)
	entraOrHome = one(EntraJoined, Registered)
)

// deployments is the table of supported deployments and their flows; the first
// row that matches decides. It follows "Plan a Windows Hello for Business
// deployment" and the pages of each trust type; flows are the documents' own.
// Rows after the refusals by deployment are ordered as that page orders them:
// cloud-only, hybrid by cloud Kerberos, key and certificate, on-premises.
var deployments = []row{
	{join: one(NotJoined), refusal: refuse("device_not_joined",
		"A device that is joined to nothing has no identity provider to register a Hello key with.",
		"Set join to \"entra\", or to another join type that the lab's services allow.")},

	// Where a device may stand.
	{deployment: one(OnPremises), trust: one(CloudKerberos), refusal: refuse("cloud_kerberos_on_premises",
		"Cloud Kerberos trust needs a tenant that issues partial tickets, and an on-premises deployment has none.",
		"Use key or certificate trust, or add a tenant and synchronization to make the deployment hybrid.")},
	{deployment: one(OnPremises), join: one(EntraJoined, HybridJoined, Registered), refusal: refuse("on_premises_join",
		"On-premises deployments support domain joined devices only.",
		"Set join to \"domain\", or make the deployment hybrid.")},
	{deployment: inTheCloud, join: one(DomainJoined), refusal: refuse("domain_join_unregistered",
		"A device that is only domain joined is unknown to the tenant, so it cannot register a Hello key there.",
		"Set join to \"hybrid\", or to \"entra\".")},
	{deployment: one(CloudOnly), join: one(HybridJoined), refusal: refuse("hybrid_join_without_domain",
		"A hybrid joined device needs a domain, and a cloud-only deployment has none.",
		"Set join to \"entra\", or declare a domain and synchronization.")},

	// What a deployment may trust.
	{deployment: one(CloudOnly), trust: one(CloudKerberos, KeyTrust, CertTrust), refusal: refuse("trust_without_domain",
		"A trust type says how a key is proven to a domain, and a cloud-only deployment has none.",
		"Leave the trust out, or declare a domain and synchronization.")},
	{deployment: one(Hybrid, OnPremises), trust: one(NoTrust), refusal: refuse("domain_without_trust",
		"A deployment with a domain needs a trust type, or Hello cannot sign in there.",
		"Choose cloud Kerberos, key or certificate trust.")},

	// Cloud-only.
	{deployment: one(CloudOnly), join: entraOrHome, auth: one(Managed), route: Route{Provision: P1, SignIn: A1}},
	{deployment: one(CloudOnly), join: entraOrHome, auth: one(FederatedThirdParty), route: Route{Provision: P2, SignIn: A1}},
	{deployment: one(CloudOnly), join: entraOrHome, auth: one(FederatedADFS), refusal: refuse("adfs_without_domain",
		"AD FS authenticates users of a domain, and a cloud-only deployment has none.",
		"Declare the domain and synchronization, which makes the deployment hybrid, or use another federation service.")},

	// Hybrid, cloud Kerberos trust.
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(EntraJoined), auth: one(Managed), route: Route{Provision: P1, SignIn: A1, Domain: A2}},
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(EntraJoined), auth: federated, route: Route{Provision: P2, SignIn: A1, Domain: A2}},
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(Registered), auth: one(Managed), route: Route{Provision: P1, SignIn: A1}},
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(Registered), auth: federated, route: Route{Provision: P2, SignIn: A1}},
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(HybridJoined), auth: one(Managed), route: Route{Provision: P3, SignIn: A5}},
	{deployment: one(Hybrid), trust: one(CloudKerberos), join: one(HybridJoined), auth: federated, route: Route{Provision: P3, SignIn: A5, Federated: true}},

	// Hybrid, key and certificate trust.
	{deployment: one(Hybrid), join: one(Registered), refusal: refuse("registered_device_trust",
		"A registered device reaches the tenant only, so key and certificate trust do not apply to it.",
		"Join the device, or use cloud Kerberos trust.")},
	{deployment: one(Hybrid), trust: one(KeyTrust), join: one(EntraJoined), auth: one(Managed), route: Route{Provision: P1, SignIn: A1, Domain: A3}},
	{deployment: one(Hybrid), trust: one(KeyTrust), join: one(EntraJoined), auth: federated, route: Route{Provision: P2, SignIn: A1, Domain: A3}},
	{deployment: one(Hybrid), trust: one(KeyTrust), join: one(HybridJoined), auth: one(Managed), route: Route{Provision: P4, SignIn: A6}},
	{deployment: one(Hybrid), trust: one(KeyTrust), join: one(HybridJoined), auth: federated, route: Route{Provision: P8, SignIn: A6}},
	{deployment: one(Hybrid), trust: one(CertTrust), auth: one(FederatedThirdParty), refusal: refuse("certificate_needs_adfs",
		"Certificate trust needs AD FS as federation service; another one cannot stand in for it.",
		"Federate the tenant with AD FS, or use cloud Kerberos or key trust.")},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(HybridJoined), auth: one(Managed), refusal: refuse("certificate_needs_federation",
		"Certificate trust in a managed tenant is not supported: the registration authority is part of AD FS.",
		"Federate the tenant with AD FS, or use cloud Kerberos or key trust.")},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(HybridJoined), delivery: one(MDMDelivery), refusal: refuse("hybrid_certificate_by_mdm",
		"A hybrid joined device gets its sign-in certificate from the AD FS registration authority, not from device management.",
		"Set certificate_delivery to \"ra\".")},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(HybridJoined), auth: one(FederatedADFS), route: Route{Provision: P5, SignIn: A7}},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(EntraJoined), delivery: one(RegistrationAuthority), refusal: refuse("entra_certificate_by_ra",
		"An Entra joined device cannot use the AD FS registration authority; device management must deliver its sign-in certificate.",
		"Set certificate_delivery to \"mdm_scep\", or use another trust for this device.")},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(EntraJoined), auth: one(FederatedADFS), route: Route{Provision: P2, SignIn: A1, Domain: A4}},
	{deployment: one(Hybrid), trust: one(CertTrust), join: one(EntraJoined), auth: one(Managed), route: Route{Provision: P1, SignIn: A1, Domain: A4, Warning: refuse("certificate_in_managed_tenant",
		"Certificate trust in a managed tenant is not a supported deployment, though a certificate delivered by device management works.",
		"Prefer cloud Kerberos trust.")}},

	// On-premises.
	{deployment: one(OnPremises), auth: one(Managed, FederatedThirdParty), refusal: refuse("on_premises_needs_adfs",
		"On-premises deployments authenticate users and register keys through AD FS.",
		"Declare a federation of kind \"adfs\" with its second-factor adapter.")},
	{deployment: one(OnPremises), trust: one(KeyTrust), route: Route{Provision: P6, SignIn: A8}},
	{deployment: one(OnPremises), trust: one(CertTrust), delivery: one(MDMDelivery), refusal: refuse("on_premises_certificate_by_mdm",
		"On-premises, the AD FS registration authority delivers sign-in certificates.",
		"Set certificate_delivery to \"ra\".")},
	{deployment: one(OnPremises), trust: one(CertTrust), route: Route{Provision: P7, SignIn: A8}},
}

// Select returns the flows of a shape, or why there are none. It is total:
// every shape gets exactly one of the two.
func Select(s Shape) (Route, *Refusal) {
	if r := s.unknown(); r != nil {
		return Route{}, r
	}
	for _, row := range deployments {
		if !row.matches(s) {
			continue
		}
		if row.refusal != nil {
			return Route{}, row.refusal
		}
		route := row.route
		route.Shape = s
		return route, nil
	}
	return Route{}, refuse("unsupported_deployment", "This combination of join, deployment, authentication and trust is not supported.",
		"Compare it with the deployment table of the reference.")
}

func (r row) matches(s Shape) bool {
	return has(r.join, s.Join) && has(r.deployment, s.Deployment) && has(r.auth, s.Authentication) &&
		has(r.trust, s.Trust) && has(r.delivery, s.Delivery)
}

func has[T comparable](set []T, v T) bool { return set == nil || slices.Contains(set, v) }

// unknown refuses values outside the vocabulary, with the nearest one.
func (s Shape) unknown() *Refusal {
	return firstRefusal(
		outside("join", string(s.Join), JoinTypes()),
		outside("deployment", string(s.Deployment), Deployments()),
		outside("authentication", string(s.Authentication), Authentications()),
		outside("trust", string(s.Trust), Trusts()),
		outside("certificate_delivery", string(s.Delivery), Deliveries(s.Trust)),
	)
}

func outside[T ~string](axis, value string, known []T) *Refusal {
	words := make([]string, len(known))
	for i, k := range known {
		if string(k) == value {
			return nil
		}
		words[i] = string(k)
	}
	hint := fmt.Sprintf("Use one of %s.", quoteAll(words))
	if near := Nearest(value, words); near != "" {
		hint = fmt.Sprintf("Did you mean %q?", near)
	}
	return refuse("unknown_"+axis, fmt.Sprintf("There is no %s %q.", strings.ReplaceAll(axis, "_", " "), value), hint)
}

func firstRefusal(rs ...*Refusal) *Refusal {
	for _, r := range rs {
		if r != nil {
			return r
		}
	}
	return nil
}
