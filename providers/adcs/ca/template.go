package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"hellolab/providers/wire/adcert"
	"hellolab/providers/wire/guid"
	"hellolab/providers/wire/sid"
)

// NameFlag is msPKI-Certificate-Name-Flag (MS-CRTD 2.27): which of the
// requester's names a certificate bears. What is required and what the
// directory does not have is an error.
type NameFlag uint32

// Flags that this CA knows. CT_FLAG_ENROLLEE_SUPPLIES_SUBJECT is left out on
// purpose: names come from the directory, never from the request.
const (
	SubjectRequireDirectoryPath NameFlag = 0x80000000
	SubjectRequireCommonName    NameFlag = 0x40000000
	SubjectRequireEmail         NameFlag = 0x20000000
	SubjectRequireDNSAsCN       NameFlag = 0x10000000
	AltRequireDNS               NameFlag = 0x08000000
	AltRequireEmail             NameFlag = 0x04000000
	AltRequireUPN               NameFlag = 0x02000000
	AltRequireDirectoryGUID     NameFlag = 0x01000000
	AltRequireDomainDNS         NameFlag = 0x00400000

	// AltKDC is this lab's own: the name krbtgt/REALM@REALM, which Kerberos
	// clients other than Windows' look for in a KDC's certificate (RFC 4556 3.2.4).
	AltKDC NameFlag = 0x00000100
)

// EnrollmentFlag is msPKI-Enrollment-Flag (MS-CRTD 2.26).
type EnrollmentFlag uint32

// Flags that this CA acts on.
const (
	PendAllRequests     EnrollmentFlag = 0x00000002 // an administrator approves each request
	PublishToDS         EnrollmentFlag = 0x00000008 // the certificate goes to userCertificate
	AutoEnrollment      EnrollmentFlag = 0x00000020
	NoRevocationInfo    EnrollmentFlag = 0x00000400 // no distribution points, no OCSP address
	AddOCSPNoCheck      EnrollmentFlag = 0x00001000
	NoSecurityExtension EnrollmentFlag = 0x00080000 // no security identifier in the certificate
)

// PrivateKeyFlag is msPKI-Private-Key-Flag (MS-CRTD 2.28).
type PrivateKeyFlag uint32

// HelloLogonKey says that clients make the key as a Windows Hello logon key.
const HelloLogonKey PrivateKeyFlag = 0x00200000

// Template is a certificate template (MS-CRTD 2): what a certificate is for,
// whose names it bears, and who may have one.
type Template struct {
	Name        string // cn
	DisplayName string
	OID         asn1.ObjectIdentifier // msPKI-Cert-Template-OID
	Schema      int                   // msPKI-Template-Schema-Version: 1 to 4
	Major       int                   // revision
	Minor       int                   // msPKI-Template-Minor-Revision

	EKUs     []asn1.ObjectIdentifier // pKIExtendedKeyUsage
	KeyUsage x509.KeyUsage           // pKIKeyUsage
	Validity time.Duration           // pKIExpirationPeriod
	Renewal  time.Duration           // pKIOverlapPeriod: clients renew that long before the end

	MinimumKey int  // msPKI-Minimal-Key-Size, in bits of an RSA key
	Elliptic   bool // P-256, P-384 and P-521 keys are taken, too

	Names      NameFlag
	Enrollment EnrollmentFlag
	PrivateKey PrivateKeyFlag

	OnBehalfOf []sid.SID // for whom agents may sign (restricted enrollment agents); nil: for anybody

	Signatures    int                     // msPKI-RA-Signature: agents that must sign a request; 0 or 1 here
	AgentPurposes []asn1.ObjectIdentifier // msPKI-RA-Application-Policies: what the agent's certificate must be for

	Enroll     []sid.SID // who has the right Enroll when the template is published
	AutoEnroll []sid.SID // who has the right AutoEnroll; clients ask for it by themselves
}

// Certificate is how certificates name the template.
func (t *Template) Certificate() adcert.Template {
	if t.Schema < 2 {
		return adcert.Template{Name: t.Name}
	}
	return adcert.Template{ID: t.OID, Major: t.Major, Minor: t.Minor}
}

// May says whether somebody with these identifiers has the right Enroll.
func (t *Template) May(identifiers []sid.SID) bool {
	return slices.ContainsFunc(identifiers, func(s sid.SID) bool { return slices.Contains(t.Enroll, s) })
}

// Names of the templates that Builtin makes.
const (
	KerberosAuthentication         = "KerberosAuthentication"
	DomainControllerAuthentication = "DomainControllerAuthentication"
	DomainController               = "DomainController"
	Machine                        = "Machine"
	WebServer                      = "WebServer"
	User                           = "User"
	SmartcardLogon                 = "SmartcardLogon"
	EnrollmentAgent                = "EnrollmentAgent"
	HelloAuthentication            = "WHFBAuthentication"
	HelloEnrollmentAgent           = "WHFBEnrollmentAgent"
	HelloDevice                    = "WHFBDeviceAuthentication"
	VPNUser                        = "VPNUser"
	RemoteDesktopUser              = "RemoteDesktopUser"
	CEPEncryption                  = "CEPEncryption"
	OCSPResponseSigning            = "OCSPResponseSigning"
	SubCA                          = "SubCA" // only IssueSubordinate issues it
)

const (
	day  = 24 * time.Hour
	year = 365 * day

	signAndEncipher = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
)

var enterpriseDomainControllers = sid.New(5, 9)

// TemplateOID returns the n-th template identifier of a forest, whose arc is
// 1.3.6.1.4.1.311.21.8 and numbers that the forest drew at random (MS-CRTD 2.21).
func TemplateOID(forest guid.GUID, n int) asn1.ObjectIdentifier {
	oid := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 8}
	for i := 0; i+3 <= 15; i += 3 { // 24 bits each: they fit every reader
		oid = append(oid, int(forest[i])<<16|int(forest[i+1])<<8|int(forest[i+2]))
	}
	return append(oid, 1, n)
}

// Builtin returns the templates of a new forest: those that Windows brings and
// Windows Hello needs, with Windows' own periods, and those that its guides have
// an administrator make: WHFBAuthentication and WHFBEnrollmentAgent; and, for keys
// of Hello containers that device management delivers certificates for,
// WHFBDeviceAuthentication, VPNUser and RemoteDesktopUser (the names are ours),
// which nobody but administrators may enroll until one grants it. domain is the security
// identifier of the forest's root domain.
//
// Some differ from Windows': WebServer, CEPEncryption and WHFBEnrollmentAgent, a copy
// of Exchange Enrollment Agent, take their names from the directory, where Windows
// lets the requester supply any; the key of CEPEncryption signs, too, so that the
// SCEP service has one; and all RSA keys have at least 2048 bits. Nobody but
// administrators may enroll WHFBEnrollmentAgent until one grants it.
func Builtin(domain sid.SID, forest guid.GUID) []Template {
	admins := []sid.SID{domain.Account(sid.RIDDomainAdmins), domain.Account(sid.RIDEnterpriseAdmins)}
	controllers := append([]sid.SID{domain.Account(sid.RIDDomainControllers), domain.Account(sid.RIDReadOnlyDomainControllers), enterpriseDomainControllers}, admins...)
	users := append([]sid.SID{domain.Account(sid.RIDDomainUsers)}, admins...)
	computers := append([]sid.SID{domain.Account(sid.RIDDomainComputers)}, admins...)
	oids := func(ids ...asn1.ObjectIdentifier) []asn1.ObjectIdentifier { return ids }
	list := []Template{
		{Name: KerberosAuthentication, DisplayName: "Kerberos Authentication", OID: TemplateOID(forest, 33), Schema: 2, Major: 110,
			EKUs: oids(adcert.EKUClientAuth, adcert.EKUServerAuth, adcert.EKUSmartCardLogon, adcert.EKUKPKdc), Elliptic: true,
			Names: AltRequireDNS | AltRequireDomainDNS | AltKDC, Enrollment: AutoEnrollment, Enroll: controllers, AutoEnroll: controllers[:3]},
		{Name: DomainControllerAuthentication, DisplayName: "Domain Controller Authentication", OID: TemplateOID(forest, 28), Schema: 2, Major: 110,
			EKUs: oids(adcert.EKUClientAuth, adcert.EKUServerAuth, adcert.EKUSmartCardLogon), Elliptic: true,
			Names: AltRequireDNS, Enrollment: AutoEnrollment, Enroll: controllers, AutoEnroll: controllers[:3]},
		{Name: DomainController, DisplayName: "Domain Controller", OID: TemplateOID(forest, 15), Schema: 1, Major: 4, Minor: 1,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUServerAuth),
			Names: SubjectRequireDNSAsCN | AltRequireDNS | AltRequireDirectoryGUID, Enrollment: AutoEnrollment, Enroll: controllers},
		{Name: Machine, DisplayName: "Computer", OID: TemplateOID(forest, 14), Schema: 1, Major: 5, Minor: 1,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUServerAuth),
			Names: SubjectRequireDNSAsCN | AltRequireDNS, Enrollment: AutoEnrollment, Enroll: computers},
		{Name: WebServer, DisplayName: "Web Server", OID: TemplateOID(forest, 16), Schema: 1, Major: 4, Minor: 1,
			EKUs: oids(adcert.EKUServerAuth), Elliptic: true, Validity: 2 * year,
			Names: SubjectRequireDNSAsCN | AltRequireDNS, Enroll: computers},
		{Name: User, DisplayName: "User", OID: TemplateOID(forest, 1), Schema: 1, Major: 3, Minor: 1,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUEmailProtection),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, Enrollment: PublishToDS | AutoEnrollment, Enroll: users},
		{Name: SmartcardLogon, DisplayName: "Smartcard Logon", OID: TemplateOID(forest, 5), Schema: 1, Major: 6, Minor: 1,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUSmartCardLogon),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, Enroll: admins},
		{Name: EnrollmentAgent, DisplayName: "Enrollment Agent", OID: TemplateOID(forest, 11), Schema: 1, Major: 4, Minor: 1,
			EKUs: oids(adcert.EKUCertificateRequestAgent), KeyUsage: x509.KeyUsageDigitalSignature, Validity: 2 * year,
			Names: SubjectRequireDirectoryPath | AltRequireUPN, Enroll: admins},
		{Name: HelloAuthentication, DisplayName: "WHFB Authentication", OID: TemplateOID(forest, 1001), Schema: 2, Major: 100, Minor: 3,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUSmartCardLogon),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, PrivateKey: HelloLogonKey,
			Signatures: 1, AgentPurposes: oids(adcert.EKUCertificateRequestAgent), Enroll: users},
		{Name: HelloEnrollmentAgent, DisplayName: "WHFB Enrollment Agent", OID: TemplateOID(forest, 1002), Schema: 2, Major: 100, Minor: 3,
			EKUs: oids(adcert.EKUCertificateRequestAgent), KeyUsage: x509.KeyUsageDigitalSignature, Validity: 2 * year, Renewal: 60 * day,
			Names: SubjectRequireDirectoryPath, Enroll: admins},
		{Name: HelloDevice, DisplayName: "WHFB Authentication by Device Management", OID: TemplateOID(forest, 1003), Schema: 2, Major: 100, Minor: 3,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUSmartCardLogon),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, PrivateKey: HelloLogonKey, Enroll: admins},
		{Name: VPNUser, DisplayName: "VPN User", OID: TemplateOID(forest, 1004), Schema: 2, Major: 100, Minor: 3,
			EKUs:  oids(adcert.EKUClientAuth),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, Enroll: admins},
		{Name: RemoteDesktopUser, DisplayName: "Remote Desktop User", OID: TemplateOID(forest, 1005), Schema: 2, Major: 100, Minor: 3,
			EKUs:  oids(adcert.EKUClientAuth, adcert.EKUSmartCardLogon),
			Names: SubjectRequireDirectoryPath | AltRequireUPN, PrivateKey: HelloLogonKey, Enroll: admins},
		{Name: CEPEncryption, DisplayName: "CEP Encryption", OID: TemplateOID(forest, 22), Schema: 1, Major: 4, Minor: 1,
			EKUs: oids(adcert.EKUCertificateRequestAgent), Validity: 2 * year,
			Names: SubjectRequireDNSAsCN, Enroll: admins},
		{Name: OCSPResponseSigning, DisplayName: "OCSP Response Signing", OID: TemplateOID(forest, 32), Schema: 3, Major: 101,
			EKUs: oids(adcert.EKUOCSPSigning), KeyUsage: x509.KeyUsageDigitalSignature, Validity: 14 * day, Renewal: 2 * day, Elliptic: true,
			Names: SubjectRequireDNSAsCN | AltRequireDNS, Enrollment: NoRevocationInfo | AddOCSPNoCheck | NoSecurityExtension, Enroll: admins},
	}
	for i := range list {
		t := &list[i]
		if t.Validity == 0 {
			t.Validity = year
		}
		if t.Renewal == 0 {
			t.Renewal = 42 * day
		}
		if t.KeyUsage == 0 {
			t.KeyUsage = signAndEncipher
		}
		t.MinimumKey = 2048
	}
	return list
}
