package spec

import (
	"time"

	"hellolab/providers"
)

// Federation is a federation service: AD FS on a domain, or another vendor's
// with accounts of its own.
type Federation struct {
	Kind      string        `lab:"kind,replace" default:"adfs" enum:"adfs,third_party" doc:"\"adfs\", AD FS, which signs in the accounts of a domain; \"third_party\", another vendor's service with accounts of its own: those of the users of tenants that are federated with it."`
	Domain    providers.Ref `lab:"domain,replace" ref:"domain" doc:"Of AD FS, and required there: the domain whose accounts it signs in, and which its service account is of."`
	Host      string        `lab:"host,replace" doc:"Name it answers to; \"sts.\" and the domain's DNS name when absent. Required of a third party's service."`
	Authority providers.Ref `lab:"authority" ref:"authority" doc:"Of AD FS: the authority that issues what the certificate registration authority asks for."`

	MFA     string `lab:"mfa" default:"builtin" enum:"builtin,third_party,none" doc:"Its adapter for second factors: its own, another vendor's, or none."`
	MFARule string `lab:"mfa_rule" default:"on_request" enum:"on_request,always,never" doc:"When a second factor is asked for: when client or relying party ask, at every sign-in, or never, whoever asks."`

	RegistrationAuthority bool `lab:"registration_authority" default:"true" doc:"Of AD FS with an authority: whether it is a certificate registration authority, with an enrollment agent certificate (Set-AdfsCertificateAuthority)."`
	DeviceRegistration    bool `lab:"device_registration" default:"true" doc:"Of AD FS: whether the Enterprise Device Registration Service answers (Initialize-ADDeviceRegistration)."`
	Enabled               bool `lab:"enabled" default:"true" doc:"Whether the service runs."`

	Passwords  *bool `lab:"password_endpoints" default:"true" doc:"Whether its endpoints for a user name and a password by message are enabled (WS-Trust usernamemixed), by which Cloud AP has passwords checked (Enable-AdfsEndpoint)."`
	UserGroups *bool `lab:"ugs_scope" default:"true" doc:"Of AD FS: whether Windows' sign-in may ask for the scope ugs, as it does for an enterprise primary refresh token (Set-AdfsApplicationPermission). AD FS of Windows Server 2019 can lack the permission, and refuses then (event 1021)."`

	SigningVersion int                  `lab:"signing_version" default:"1" doc:"Announces a new token-signing certificate. Raise it, and apply makes one; the former stays published for the overlap."`
	Lifetimes      *FederationLifetimes `lab:"lifetimes,block" doc:"How long what it issues stays good."`
}

// Values of Federation.Kind, MFA and MFARule.
const (
	FederationADFS       = "adfs"
	FederationThirdParty = "third_party"

	AdapterBuiltin    = "builtin"
	AdapterThirdParty = "third_party"
	AdapterNone       = "none"

	MFAOnRequest = "on_request"
	MFAAlways    = "always"
	MFANever     = "never"
)

// FederationLifetimes are a federation service's time limits.
type FederationLifetimes struct {
	Nonce          time.Duration `lab:"nonce" default:"10m" doc:"Life of a sign-in nonce (MS-OAPXBC, product notes 5, 12 and 13)."`
	Assertion      time.Duration `lab:"assertion" default:"1h" doc:"Life of a SAML assertion (AD FS's TokenLifetime)."`
	AccessToken    time.Duration `lab:"access_token" default:"1h" doc:"Life of an access token (AD FS's TokenLifetime)."`
	MFA            time.Duration `lab:"mfa" default:"10m" doc:"How long a second factor stays current for registering a key with the enterprise service (ours)."`
	PRT            time.Duration `lab:"prt" default:"7d" doc:"Life of an enterprise primary refresh token (MS-OAPXBC 4.2)."`
	SigningOverlap time.Duration `lab:"signing_overlap" default:"20d" doc:"How long a former token-signing certificate stays published beside a new one (AD FS's CertificateGenerationThreshold)."`
}

// FederationOut is what a federation learns.
type FederationOut struct {
	Issuer            string `lab:"issuer,id" doc:"Its identifier, which its assertions bear: \"http://HOST/adfs/services/trust\"."`
	Host              string `lab:"service_host" doc:"Host of the token service."`
	RegistrationHost  string `lab:"registration_host" follows:"device_registration" doc:"Host of the Enterprise Device Registration Service; empty without one."`
	Account           string `lab:"account" doc:"Its service account in the domain; empty of a third party's."`
	SigningThumbprint string `lab:"signing_thumbprint" follows:"signing_version" doc:"SHA-1 thumbprint of the token-signing certificate."`
	AgentThumbprint   string `lab:"agent_thumbprint,volatile" doc:"SHA-1 thumbprint of its enrollment agent certificate; empty without one."`
	AgentNotAfter     string `lab:"agent_not_after,volatile" doc:"End of the enrollment agent certificate, RFC 3339; it is renewed 60 days ahead."`
	AdminSecret       string `lab:"admin_secret,sensitive" doc:"What the lab's administrator manages it with."`
}

// Certificate is a further certificate in a Hello container, with the user key
// of an enrollment.
type Certificate struct {
	Enrollment providers.Ref `lab:"enrollment,required,replace" ref:"enrollment" doc:"Whose container and key."`
	Authority  providers.Ref `lab:"authority,required,replace" ref:"authority" doc:"Authority that issues it."`
	Purpose    string        `lab:"purpose,required,replace" enum:"vpn,rdp" doc:"What it is for: a VPN gateway, or Remote Desktop."`
	Delivery   string        `lab:"delivery,replace" default:"mdm_scep" enum:"mdm_scep" doc:"How it is delivered: by a SCEP profile of device management."`
}

// Values of Certificate.Purpose.
const (
	PurposeVPN = "vpn"
	PurposeRDP = "rdp"
)

// CertificateOut is what a certificate learns.
type CertificateOut struct {
	Thumbprint string `lab:"thumbprint,id" doc:"SHA-1 thumbprint of the certificate."`
	NotAfter   string `lab:"not_after" doc:"End of the certificate, RFC 3339."`
}
