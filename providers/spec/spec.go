// Package spec holds what an author writes (In) and what the lab learns (Out)
// of every kind. The structs are the language's one schema: decoding, the
// reference and the JSON schema are read off their tags (providers.Schema).
// They are here, and not in the systems, because a device must know what its
// tenant declares without importing the tenant.
//
// The package is pure: values only.
package spec

import (
	"time"

	"hellolab/providers"
)

// Tenant is an Entra ID tenant.
type Tenant struct {
	Domains        []string         `lab:"domains,required" doc:"Verified domains; user names end in one of them. The first is the default."`
	Authentication string           `lab:"authentication" default:"managed" enum:"managed,federated" doc:"Who checks passwords: the tenant itself, or a federation service."`
	Federation     providers.Ref    `lab:"federation" ref:"federation" doc:"The federation service of a tenant whose authentication is \"federated\"; its domains are federated with it."`
	Attestation    string           `lab:"attestation" default:"preferred" enum:"required,preferred,off" doc:"Whether a Hello key must prove that it was made in a TPM."`
	DeviceQuota    int              `lab:"device_quota" default:"50" doc:"How many devices a user may have joined to, or registered with, the tenant (userDeviceQuota; Microsoft Entra's default). Hybrid joined devices do not count, and those that are over a lower quota stay."`
	ReplyCipher    string           `lab:"reply_cipher" default:"cbc" enum:"cbc,gcm" doc:"How replies to a primary refresh token are encrypted: as recorded from the cloud, or as the specification has it (reading R17)."`
	MFA            *TenantMFA       `lab:"mfa,block" doc:"Who verifies second factors."`
	Lifetimes      *TenantLifetimes `lab:"lifetimes,block" doc:"How long what the tenant issues stays good."`
}

// TenantMFA is a tenant's service for second factors.
type TenantMFA struct {
	Provider  string `lab:"provider" default:"builtin" enum:"builtin,third_party" doc:"The tenant's own service, or another vendor's, which seed 000 names for flows P5 to P7."`
	Federated string `lab:"federated_behavior" default:"accept" enum:"accept,enforce,reject" doc:"Of a federated tenant (federatedIdpMfaBehavior): a second factor that the federation service verified is accepted; demanded of it, and of nobody else; or not counted, so that the tenant asks for its own."`
}

// TenantLifetimes are a tenant's time limits.
type TenantLifetimes struct {
	Nonce       time.Duration `lab:"nonce" default:"5m" doc:"Life of a sign-in nonce (seed 003)."`
	MFA         time.Duration `lab:"mfa" default:"10m" doc:"How long a second factor stays current for registering a key (seeds 000, 001)."`
	AccessToken time.Duration `lab:"access_token" default:"1h" doc:"Life of an access token (ours; the seeds give none)."`
	PRT         time.Duration `lab:"prt" default:"14d" doc:"Life of a primary refresh token (Microsoft Entra documentation)."`
	PRTRenewal  time.Duration `lab:"prt_renewal" default:"4h" doc:"Age at which a device renews its primary refresh token (seed 003)."`
}

// TenantOut is what a tenant learns.
type TenantOut struct {
	TenantID         string `lab:"tenant_id,id" doc:"GUID of the tenant."`
	Issuer           string `lab:"issuer" doc:"Issuer of v2 tokens."`
	LoginHost        string `lab:"login_host" doc:"Host of the token service."`
	RegistrationHost string `lab:"registration_host" doc:"Host of the device registration service."`
	GraphHost        string `lab:"graph_host" doc:"Host of Microsoft Graph."`
	AdminClientID    string `lab:"admin_client_id" doc:"Client that administers the tenant."`
	AdminSecret      string `lab:"admin_secret,sensitive" doc:"Its secret."`
}

// Group is a group of a tenant or of a domain.
type Group struct {
	Tenant    providers.Ref   `lab:"tenant,replace" ref:"tenant" doc:"Tenant the group lives in."`
	Domain    providers.Ref   `lab:"domain,replace" ref:"domain" doc:"Domain the group lives in; a group lives in a tenant or in a domain."`
	Name      string          `lab:"name" doc:"Display name; the block's name when absent. In a domain also the account name."`
	WellKnown string          `lab:"well_known,replace" enum:"domain_admins,enterprise_admins,key_admins,enterprise_key_admins,cert_publishers,protected_users,allowed_rodc_replication,denied_rodc_replication" doc:"A group that every domain has: members are added to it, and it stays when the block goes."`
	Members   []providers.Ref `lab:"members,later" ref:"user,device,group" doc:"Members declared from this side."`
}

// GroupOut is what a group learns.
type GroupOut struct {
	ObjectID string `lab:"object_id,id" doc:"GUID in the directory."`
	SID      string `lab:"sid" doc:"Security identifier in the domain; empty in a tenant."`
	DN       string `lab:"dn" doc:"Distinguished name in the domain; empty in a tenant."`
}

// User is a person with an account.
type User struct {
	UPN             string           `lab:"upn,required" doc:"User principal name, the sign-in name. A change renames the account, which stays: in the domain, and with Connect's next cycle in the tenant. Hello keys stay good; a sign-in certificate that bears the former name does not."`
	Tenant          providers.Ref    `lab:"tenant,replace" ref:"tenant" doc:"Tenant the account lives in."`
	Domain          providers.Ref    `lab:"domain,replace" ref:"domain" doc:"Domain the account lives in. In both: it is made in the domain, and Connect synchronizes it to the tenant."`
	UPNOnPrem       string           `lab:"upn_onprem" doc:"User principal name in the domain, where it is another than in the tenant (alternate login id)."`
	SAMAccountName  string           `lab:"sam_account_name" doc:"Account name in the domain, as in CORP\\alice; the part of the UPN before @ when absent. Give it where a new UPN is not to change it."`
	DisplayName     string           `lab:"display_name" doc:"Name shown; the part of the UPN before @ when absent."`
	Groups          []providers.Ref  `lab:"groups,later" ref:"group" doc:"Groups declared from this side."`
	Password        providers.Secret `lab:"password,writeonly" doc:"First factor. Raise password_version to change it."`
	PasswordVersion int              `lab:"password_version" default:"1" doc:"Announces a new password."`
	PasswordExpired bool             `lab:"password_expired" doc:"Whether the password must be changed at the next logon to the domain."`
	MFA             string           `lab:"mfa" default:"totp" enum:"totp,push,none" doc:"Second factor the user has registered in the tenant: \"totp\", an app that shows codes; \"push\", Microsoft Authenticator, which takes notifications with number matching and shows codes, too."`
	EnabledInTenant bool             `lab:"enabled_in_tenant" default:"true" doc:"Whether the account may sign in to the tenant."`
	EnabledInDomain bool             `lab:"enabled_in_domain" default:"true" doc:"Whether the account may sign in to the domain."`
	Risk            string           `lab:"risk" default:"none" enum:"none,low,medium,high" doc:"What the tenant's risk detection thinks of the account."`
}

// UserOut is what a user learns.
type UserOut struct {
	ObjectID    string `lab:"object_id,id" doc:"GUID in the directory; in the tenant, of an account in both."`
	DomainID    string `lab:"domain_object_id" doc:"objectGUID in the domain; empty in a tenant alone."`
	SID         string `lab:"sid" doc:"Security identifier in the domain; empty in a tenant."`
	DN          string `lab:"dn" follows:"upn,sam_account_name" doc:"Distinguished name in the domain; empty in a tenant."`
	TOTPSecret  string `lab:"totp_secret,sensitive" follows:"mfa" doc:"Base32 secret of the authenticator app's codes; empty without one."`
	PhoneSecret string `lab:"phone_secret,sensitive" follows:"mfa" doc:"Secret by which the user's phone answers notifications; empty unless mfa is \"push\"."`
}

// Device is a Windows device.
type Device struct {
	Join              string             `lab:"join,required,replace" enum:"entra,hybrid,domain,registered,none" doc:"How the device is known to its identity providers: \"hybrid\" is joined to a domain and registered with a tenant; \"registered\" is a personal device with work accounts added."`
	Tenant            providers.Ref      `lab:"tenant,replace" ref:"tenant" doc:"Tenant it is registered with; required unless join is \"domain\" or \"none\". Of a registered device, that of one of its work accounts."`
	Domain            providers.Ref      `lab:"domain,replace" ref:"domain" doc:"Domain it is joined to, when join is \"hybrid\" or \"domain\"."`
	JoinedBy          providers.Ref      `lab:"joined_by,replace" ref:"user" doc:"Who joins it out of the box; by default the first user enrolled on it."`
	UnlockAccount     string             `lab:"unlock_account,replace" enum:"work,microsoft,local" doc:"Whose sign-in unlocks Windows: work accounts on a joined device; on a registered one a Microsoft account, the default (seed 004), or a local account."`
	UnlockPIN         providers.Secret   `lab:"unlock_pin,writeonly" doc:"PIN that the Microsoft account's owner chooses when Windows is set up; it opens the container that work keys are put into. Without it the first enrollment makes the container. Read once (ours)."`
	WorkAccounts      []providers.Ref    `lab:"work_accounts,replace" ref:"user" doc:"Work accounts added to a registered device, each of another tenant. Each registers the device and brings a primary refresh token at once (seed 004)."`
	Name              string             `lab:"name" doc:"Computer name; the block's name when absent."`
	OS                string             `lab:"os" default:"windows-11-24h2" enum:"windows-10-22h2,windows-11-23h2,windows-11-24h2" doc:"Windows release."`
	TPM               string             `lab:"tpm,replace" default:"2.0" enum:"2.0,none" doc:"Trusted Platform Module. Without one, keys are in software, and nothing counts wrong PINs but Windows: whoever has the state and its key may guess them, at 14 ms each."`
	Biometrics        []string           `lab:"biometrics" enum:"face,fingerprint" doc:"Hello-compatible sensors, built in; a camera among them tells a picture from a person."`
	Sensors           map[string]*Sensor `lab:"sensor,blocks" doc:"Sensors that are otherwise, labelled by name."`
	Session           string             `lab:"session" default:"local" enum:"local,remote" doc:"How the user sits at it; Remote Desktop stops provisioning."`
	Network           string             `lab:"network" default:"onsite" enum:"onsite,vpn,internet,captive,none" doc:"Where it is: on the domain's network; away, with a tunnel to it that the user raises after a sign-in; away without one; away behind a captive portal, at which nobody has signed in; on no network."`
	Site              string             `lab:"site" doc:"Active Directory site it is in, when it is on the domain's network; found by the controller's answer when absent."`
	TrustedRoots      []providers.Ref    `lab:"trusted_roots" ref:"authority" doc:"Authorities whose roots it trusts besides those of a domain that it is joined to, which come by themselves."`
	StrictKDC         *bool              `lab:"strict_kdc_validation" doc:"Whether a KDC's certificate must be for KDC authentication and name the domain (reading R2). Unset: true when Entra joined, false when joined to the domain."`
	RevocationUnknown string             `lab:"revocation_unknown" default:"refuse" enum:"refuse,allow" doc:"What becomes of a KDC whose certificate's revocation cannot be learned."`
	EnabledInTenant   bool               `lab:"enabled_in_tenant" default:"true" doc:"Whether the tenant lets the device sign in."`
	EnabledInDomain   bool               `lab:"enabled_in_domain" default:"true" doc:"Whether the domain lets the computer sign in."`
	Compliant         bool               `lab:"compliant" doc:"Whether device management has told the tenant that the device keeps its rules."`
}

// Sensor is a Hello-compatible sensor of a device.
type Sensor struct {
	Kind         string `lab:"kind,required" enum:"face,fingerprint" doc:"What it senses."`
	External     bool   `lab:"external" doc:"Whether it is plugged in. Enhanced Sign-in Security, which is on unless policy says otherwise, blocks it on Windows 11."`
	MatchOnChip  bool   `lab:"match_on_chip" doc:"Of a fingerprint reader: whether it matches on its own module and keeps templates there. Its database on the device stays empty."`
	AntiSpoofing *bool  `lab:"anti_spoofing" default:"true" doc:"Of a camera: whether it tells a picture from a person, which policy can demand."`
}

// Values of Device.UnlockAccount.
const (
	UnlockWork      = "work"
	UnlockMicrosoft = "microsoft"
	UnlockLocal     = "local"
)

// DeviceOut is what a device learns.
type DeviceOut struct {
	DeviceID     string `lab:"device_id,id" doc:"Device id, a GUID: what the tenant calls it when registered, else the machine's own."`
	ObjectID     string `lab:"object_id" doc:"GUID of the device object in the directory; empty when not registered."`
	Thumbprint   string `lab:"certificate_thumbprint" doc:"SHA-1 thumbprint of the device certificate; empty when not registered."`
	TransportKey string `lab:"transport_key" doc:"Base64 SHA-256 of the public transport key; empty when not registered."`
	SID          string `lab:"sid" doc:"Security identifier of the computer in its domain; empty when not joined to one."`
	EKHash       string `lab:"ek_hash" doc:"Hex SHA-256 of the TPM's public endorsement key; empty without a TPM."`
	TenantWide   string `lab:"tenant_wide_policy" doc:"Tenant-wide policies that it got when it was enrolled in device management, JSON; empty without one."`
}

// Application is an application of a tenant: a client, a resource, and a
// relying party that answers in the lab.
type Application struct {
	Tenant       providers.Ref       `lab:"tenant,required,replace" ref:"tenant" doc:"Where it is registered."`
	Name         string              `lab:"name" doc:"Display name; the block's name when absent. The host is named after the first."`
	RedirectURIs []string            `lab:"redirect_uris" doc:"Where codes may be sent besides the application itself. Compared exactly, but for the port of a loopback address."`
	Require      *ApplicationRequire `lab:"require,block" doc:"What conditional access demands before it issues a token for the application."`
	CAE          bool                `lab:"continuous_access_evaluation" doc:"Ask the tenant at each request whether the token still stands; otherwise a token is good to its end."`
}

// ApplicationRequire is what a sign-in must have.
type ApplicationRequire struct {
	MFA             bool   `lab:"mfa" doc:"A second factor; a Windows Hello for Business sign-in has it."`
	JoinedDevice    bool   `lab:"joined_device" doc:"A device that is Entra joined or hybrid joined, proved by its key."`
	CompliantDevice bool   `lab:"compliant_device" doc:"A device that device management calls compliant, proved by its key."`
	MaxRisk         string `lab:"max_risk" enum:"none,low,medium" doc:"The highest risk of the user that is let in without more."`
	RiskAction      string `lab:"risk_action" default:"block" enum:"block,mfa" doc:"What becomes of users above max_risk."`
}

// ApplicationOut is what an application learns.
type ApplicationOut struct {
	ClientID string `lab:"client_id,id" doc:"Its id as a client, and as a resource."`
	ObjectID string `lab:"object_id" doc:"GUID in the directory."`
	Resource string `lab:"resource" doc:"Its name as a resource: \"api://\" and the client id."`
	Host     string `lab:"host" doc:"Host it answers on."`
	URL      string `lab:"url" doc:"Where it answers."`
}

// PolicyOut is what a policy learns.
type PolicyOut struct {
	PolicyID string `lab:"policy_id,id" doc:"GUID of the profile."`
}

// Enrollment is one user's Hello credential on one device. Creating it runs
// the provisioning flow.
type Enrollment struct {
	User       providers.Ref    `lab:"user,required,replace" ref:"user" doc:"Whose credential."`
	Device     providers.Ref    `lab:"device,required,replace" ref:"device" doc:"On which device."`
	PIN        providers.Secret `lab:"pin,required,writeonly" doc:"The PIN. Raise pin_version to change it."`
	PINVersion int              `lab:"pin_version,replace" default:"1" doc:"Announces a new PIN: Hello is provisioned anew."`
	Gestures   []string         `lab:"gestures,replace" enum:"face,fingerprint" doc:"Biometric gestures enrolled besides the PIN."`
}

// EnrollmentOut is what an enrollment learns.
type EnrollmentOut struct {
	EnrollmentID string `lab:"enrollment_id,id" doc:"Names the enrollment: the id of the key that it began with. A PIN reset does not change it."`

	KeyID      string `lab:"key_id" doc:"Base64 SHA-256 of the registered public key: the kid of every assertion. A destructive PIN reset brings another."`
	Flow       string `lab:"flow" doc:"Provisioning flow that ran, P1 to P8."`
	Trust      string `lab:"trust" doc:"Trust type towards Active Directory; none in a cloud-only lab."`
	KeyStorage string `lab:"key_storage" doc:"\"tpm\" or \"software\"."`
	DeviceID   string `lab:"device_id" doc:"Device the directory's key entry refers to."`
	Status     string `lab:"status,volatile" doc:"\"ready\" when the key can be used everywhere it should; \"waiting_for_sync\" while a domain that it is proven to (key trust) has not got it yet; \"waiting_for_certificate\" while the key has no sign-in certificate (certificate trust)."`
	Created    string `lab:"created" doc:"Lab time of registration, RFC 3339."`
	Federated  bool   `lab:"federated" doc:"Whether phase A went through the federation service."`
	Delivery   string `lab:"delivery" doc:"Of certificate trust: \"ra\", the registration authority of AD FS, or \"mdm_scep\", device management."`

	Certificate         string `lab:"certificate,volatile" doc:"Of certificate trust: SHA-1 thumbprint of the sign-in certificate; empty while there is none."`
	CertificateNotAfter string `lab:"certificate_not_after,volatile" doc:"End of the sign-in certificate, RFC 3339."`
}
