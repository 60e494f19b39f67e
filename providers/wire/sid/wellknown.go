package sid

// Well-known identifiers (MS-DTYP 2.4.2.4).
var (
	Everyone           = New(1, 0)
	Anonymous          = New(5, 7)
	Self               = New(5, 10)
	AuthenticatedUsers = New(5, 11)
	LocalSystem        = New(5, 18)
	Administrators     = New(5, 32, 544)
	Replicator         = New(5, 32, 552)

	// What the identity of a logon rests on: in tickets, among the extra
	// identifiers.
	AuthorityAsserted = New(18, 1) // proof of possession of credentials at the authority
	ServiceAsserted   = New(18, 2) // a service's word (S4U)
	FreshPublicKey    = New(18, 3) // a public key whose possession is proved for this logon
	KeyTrust          = New(18, 4) // a key registered with the account
	KeyMFA            = New(18, 5) // such a key made after multi-factor authentication
	KeyAttested       = New(18, 6) // such a key that was attested
)

// Relative identifiers of a domain's own accounts and groups.
const (
	RIDAdministrator             = 500
	RIDGuest                     = 501
	RIDKrbtgt                    = 502
	RIDDomainAdmins              = 512
	RIDDomainUsers               = 513
	RIDDomainGuests              = 514
	RIDDomainComputers           = 515
	RIDDomainControllers         = 516
	RIDCertPublishers            = 517
	RIDSchemaAdmins              = 518
	RIDEnterpriseAdmins          = 519
	RIDGroupPolicyCreatorOwners  = 520
	RIDReadOnlyDomainControllers = 521
	RIDProtectedUsers            = 525
	RIDKeyAdmins                 = 526
	RIDEnterpriseKeyAdmins       = 527
	RIDAllowedRODCReplication    = 571
	RIDDeniedRODCReplication     = 572
	FirstRID                     = 1000 // of what is added later
)
