package spec

import (
	"time"

	"hellolab/providers"
)

// Domain is an Active Directory domain, the only one of its forest.
type Domain struct {
	DNSName         string                 `lab:"dns_name,required,replace" doc:"DNS name of the domain; the Kerberos realm is the same in capitals."`
	NetBIOSName     string                 `lab:"netbios_name,required,replace" doc:"Short name, as in CORP\\alice: up to 15 letters, digits and hyphens."`
	FunctionalLevel string                 `lab:"functional_level" default:"2016" enum:"2012r2,2016,2025" doc:"What domain and forest say they can."`
	Mapping         string                 `lab:"strong_certificate_mapping" default:"full" enum:"full,compatibility,none" doc:"How a certificate must name its account to sign in (KB5014754): full, by SID or a strong mapping; compatibility, also by names, if it is no older than the account; none, by names."`
	ClientAuthEKU   bool                   `lab:"accept_client_auth_eku" doc:"Let certificates sign in whose only fitting purpose is client authentication (reading R12)."`
	CachedLogons    int                    `lab:"cached_logons" default:"10" doc:"How many users' last sign-ins a computer keeps, to sign them in away from the domain (Windows' default); 0: none."`
	ForceNetwork    time.Duration          `lab:"force_network_logon" default:"0s" doc:"How old a cached sign-in may be before a controller must be reached; \"0s\": any age."`
	ProtectedKeys   bool                   `lab:"adminsdholder_key_admins" doc:"Whether AdminSDHolder's list lets Key Admins write the keys of whom it protects, administrators: what Microsoft has prepared for dual enrollment. Without it, a key that an administrator registers an hour after becoming one is never written to the domain."`
	PasswordPolicy  *PasswordPolicy        `lab:"password_policy,block" doc:"The default domain policy on passwords."`
	Controllers     map[string]*Controller `lab:"controller,blocks" doc:"Domain controllers, labelled by computer name; one named dc1 when there is none."`
	Interop         *DomainInterop         `lab:"interop,block" doc:"What Windows does not do, and some clients need."`
}

// PasswordPolicy is a domain's policy on passwords.
type PasswordPolicy struct {
	MinLength  int           `lab:"min_length" default:"7" doc:"Fewest characters (Windows Server's default policy)."`
	Complexity bool          `lab:"complexity" default:"true" doc:"Three of five kinds of characters, and no part of the user's name."`
	History    int           `lab:"history" default:"24" doc:"Former passwords that may not come back."`
	MaxAge     time.Duration `lab:"max_age" default:"42d" doc:"Age at which a password expires; \"0s\": never."`
	MinAge     time.Duration `lab:"min_age" default:"1d" doc:"Age before which the user may not change it again."`
}

// Controller is a domain controller.
type Controller struct {
	OS             string          `lab:"os" default:"windows-server-2022" enum:"windows-server-2016,windows-server-2019,windows-server-2022,windows-server-2025" doc:"Windows release."`
	Build          string          `lab:"build" doc:"Windows build and revision, such as \"17763.1012\", which says what it can; with every update of its release when absent. 14393.3930 to 14393.4048, and 17763.1457 to 17763.1613, delete a Hello key once it has signed in."`
	Writable       *bool           `lab:"writable" doc:"Whether it is a writable controller; true when absent. A read-only one sends writers to a writable one, and exchanges no partial ticket-granting tickets."`
	Site           string          `lab:"site" default:"Default-First-Site-Name" doc:"Active Directory site."`
	ETypes         []string        `lab:"etypes" enum:"aes256,aes128,rc4" doc:"Encryption types it offers for session keys and accepts; aes256 and aes128 when absent. Cloud Kerberos trust needs aes256."`
	KDCCertificate *KDCCertificate `lab:"kdc_certificate,block" doc:"The certificate by which clients know the KDC, enrolled from an authority of the domain."`
}

// KDCCertificate is how a controller comes by its certificate.
type KDCCertificate struct {
	Template string `lab:"template" default:"kerberos_authentication" enum:"kerberos_authentication,domain_controller_authentication,domain_controller,none" doc:"Template to enroll; domain_controller has no KDC purpose, and none means none: PKINIT is then refused with error 16."`
}

// Values of KDCCertificate.Template.
const (
	TemplateKerberosAuthentication         = "kerberos_authentication"
	TemplateDomainControllerAuthentication = "domain_controller_authentication"
	TemplateDomainController               = "domain_controller"
	TemplateNone                           = "none"
)

// DomainInterop opens a domain to clients that are not Windows'.
type DomainInterop struct {
	BarePartialTGT bool `lab:"partial_tgt_without_pac" doc:"Exchange partial ticket-granting tickets without a PAC, as controllers did before KB5008380; impacket's keylistattack sends such."`
	KeylessCMS     bool `lab:"keyless_cms" doc:"When a PKINIT request brings no certificate, try the account's registered keys: MIT's kinit leaves a self-signed one out (reading R1)."`
}

// DomainOut is what a domain learns.
type DomainOut struct {
	GUID          string   `lab:"guid,id" doc:"objectGUID of the domain."`
	SID           string   `lab:"sid" doc:"Security identifier of the domain."`
	DN            string   `lab:"dn" doc:"Distinguished name of the domain."`
	Realm         string   `lab:"realm" doc:"Kerberos realm."`
	Hosts         []string `lab:"hosts" follows:"controller" doc:"DNS names of the controllers."`
	AdminUPN      string   `lab:"admin_upn" doc:"User principal name of the domain's Administrator."`
	AdminPassword string   `lab:"admin_password,sensitive" doc:"Its password."`
}

// Authority is a certification authority of a domain: an enterprise CA.
type Authority struct {
	Domain     providers.Ref                 `lab:"domain,required,replace" ref:"domain" doc:"Domain whose directory publishes it, and whose accounts enroll."`
	CommonName string                        `lab:"common_name,required,replace" doc:"Name of the authority."`
	Parent     providers.Ref                 `lab:"parent,replace" ref:"authority" doc:"Authority that certifies it; a root when absent."`
	NTAuth     bool                          `lab:"ntauth" default:"true" doc:"Whether the forest trusts it for logon certificates (NTAuthCertificates)."`
	OCSP       bool                          `lab:"ocsp" default:"true" doc:"Whether certificates that it issues name its OCSP responder, to be asked about them. Those that name it already are answered without, too."`
	CRL        *AuthorityCRL                 `lab:"crl,block" doc:"Revocation lists."`
	Templates  map[string]*AuthorityTemplate `lab:"template,blocks" doc:"Certificate templates, labelled by name, that are otherwise than Windows has them."`
}

// AuthorityTemplate is what an administrator changed of a template.
type AuthorityTemplate struct {
	Enabled bool            `lab:"enabled" default:"true" doc:"Whether the authority issues it."`
	Enroll  []providers.Ref `lab:"enroll" ref:"group,user" doc:"Who may enroll besides those whom Windows lets."`
	Subject *bool           `lab:"subject" doc:"Whether certificates bear the distinguished name of the account as their subject; as Windows has it when absent. Kerberos clients find the domain by it, or by the UPN."`
	UPN     *bool           `lab:"upn" doc:"Whether they bear the user principal name as an alternative name; as Windows has it when absent."`
	SID     *bool           `lab:"security_identifier" doc:"Whether they bear the account's security identifier, by which domains map them strongly (KB5014754); as Windows has it when absent."`
	For     []providers.Ref `lab:"on_behalf_of" ref:"group,user" doc:"For whom enrollment agents may ask by it (restricted enrollment agents); for anybody who may enroll when absent, for nobody when empty."`
}

// AuthorityCRL is how an authority publishes revocation lists.
type AuthorityCRL struct {
	Validity      time.Duration `lab:"validity" default:"7d" doc:"How long a base list is good."`
	Delta         time.Duration `lab:"delta" default:"1d" doc:"How long a delta list is good; \"0s\": none is published."`
	ReachableFrom []string      `lab:"reachable_from" enum:"onsite,internet,dc" doc:"From where the lists and OCSP are reached; from everywhere when absent."`
	DoubleEscape  *bool         `lab:"double_escaping" default:"true" doc:"Whether its web server serves files whose names have a plus sign, as those of delta lists do (IIS: allowDoubleEscaping). Without, it answers 404 for them, and the base list alone says too little: who has no OCSP to ask does not learn whether a certificate is revoked."`
	Overlap       time.Duration `lab:"overlap" default:"12h" doc:"How much longer than to the next publication a list is good."`
}

// AuthorityOut is what an authority learns.
type AuthorityOut struct {
	Thumbprint  string `lab:"thumbprint,id" doc:"SHA-1 thumbprint of its certificate."`
	Certificate string `lab:"certificate" doc:"Its certificate, PEM."`
	NotAfter    string `lab:"not_after" doc:"End of its certificate, RFC 3339."`
	Host        string `lab:"host" doc:"Host that serves lists and OCSP by HTTP, and enrollment by HTTPS."`
	CRLURL      string `lab:"crl_url" doc:"Where the base list is."`
	OCSPURL     string `lab:"ocsp_url" follows:"ocsp" doc:"Where OCSP is answered; empty without it."`
	SCEPURL     string `lab:"scep_url" doc:"Where its SCEP service (NDES) answers, by HTTP."`
	SCEPSecret  string `lab:"scep_secret,sensitive" doc:"What device management asks the SCEP service for challenges with."`
}

// Service is a resource of a domain: a member server that answers HTTP.
type Service struct {
	Domain    providers.Ref   `lab:"domain,required,replace" ref:"domain" doc:"Domain that its computer account joins."`
	Kind      string          `lab:"kind,replace" default:"kerberos" enum:"kerberos,ntlm,vpn,rdp" doc:"How its clients sign in: with a Kerberos ticket (Negotiate); by NTLM, version 2; to a VPN gateway, by a certificate; to Remote Desktop, by a certificate and its ticket."`
	Name      string          `lab:"name,replace" doc:"Computer name, the first label of its host: up to 15 letters, digits and hyphens; the block's name when absent."`
	SPN       string          `lab:"spn" doc:"Service principal name, such as \"HTTP/intranet.corp.contoso.com\"; HTTP and the host when absent."`
	Authorize []providers.Ref `lab:"authorize" ref:"group,user" doc:"Whom it lets in; every account of the domain when absent."`
	Force     bool            `lab:"force" doc:"Of kind vpn or rdp: whether the program that goes there has Windows ask for the gesture again, though the Hello key is released already."`
	Enabled   bool            `lab:"enabled" default:"true" doc:"Whether its computer account is enabled."`
}

// Values of Service.Kind.
const (
	ServiceKerberos = "kerberos"
	ServiceNTLM     = "ntlm"
	ServiceVPN      = "vpn"
	ServiceRDP      = "rdp"
)

// ServiceOut is what a service learns.
type ServiceOut struct {
	ObjectID string `lab:"object_id,id" doc:"GUID of its computer account."`
	SID      string `lab:"sid" doc:"Security identifier of its computer account."`
	Host     string `lab:"host" doc:"Host it answers on."`
	URL      string `lab:"url" doc:"Where it answers."`
	SPN      string `lab:"principal_name" follows:"spn" doc:"Service principal name that clients ask tickets for."`
}
