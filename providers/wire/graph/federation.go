package graph

// Domain is one of a tenant's domains.
type Domain struct {
	ID                 string `json:"id"` // its name
	IsDefault          bool   `json:"isDefault"`
	IsInitial          bool   `json:"isInitial"`
	IsVerified         bool   `json:"isVerified"`
	AuthenticationType string `json:"authenticationType"` // DomainManaged or DomainFederated
}

// Values of Domain.AuthenticationType.
const (
	DomainManaged   = "Managed"
	DomainFederated = "Federated"
)

// InternalDomainFederation is how a domain is federated, of
// /domains/{name}/federationConfiguration. Zero members of a PATCH change nothing.
type InternalDomainFederation struct {
	ID                     string `json:"id,omitempty"`
	DisplayName            string `json:"displayName,omitempty"`
	IssuerURI              string `json:"issuerUri,omitempty"`
	ActiveSignInURI        string `json:"activeSignInUri,omitempty"`
	PassiveSignInURI       string `json:"passiveSignInUri,omitempty"`
	MetadataExchangeURI    string `json:"metadataExchangeUri,omitempty"`
	Protocol               string `json:"preferredAuthenticationProtocol,omitempty"` // "wsFed"
	SigningCertificate     []byte `json:"signingCertificate,omitempty"`              // DER
	NextSigningCertificate []byte `json:"nextSigningCertificate,omitempty"`          // DER; the other one that is taken
	MFABehavior            string `json:"federatedIdpMfaBehavior,omitempty"`         // BehaviorAccept, …

	// CertificateUpdate says when the certificates were last read from the
	// service's metadata.
	CertificateUpdate *CertificateUpdateStatus `json:"signingCertificateUpdateStatus,omitempty"`
}

// CertificateUpdateStatus is the result of reading a service's metadata.
type CertificateUpdateStatus struct {
	Result  string `json:"certificateUpdateResult"` // "success"
	LastRun string `json:"lastRunDateTime"`
}

// Values of federatedIdpMfaBehavior.
const (
	BehaviorAccept  = "acceptIfMfaDoneByFederatedIdp"
	BehaviorEnforce = "enforceMfaByFederatedIdp"
	BehaviorReject  = "rejectMfaByFederatedIdp"
)

// DeviceIssuer is a certificate of the authority of a tenant's registration
// service, which issues device certificates and signs key receipts. Connect
// carries those of /deviceRegistrationIssuers to where a federation service of
// the domain reads them (msDS-CloudIssuerPublicCertificates). The resource is
// the lab's; the cloud's interface for it is not public.
type DeviceIssuer struct {
	Thumbprint  string `json:"id"`          // SHA-1, upper-case hex
	Certificate []byte `json:"certificate"` // DER
}

// ForceDelete is the body of /domains/{name}/forceDelete.
type ForceDelete struct {
	DisableUsers bool `json:"disableUserAccounts,omitempty"`
}
