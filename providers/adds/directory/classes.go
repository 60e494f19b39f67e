package directory

// msc is the arc of Microsoft's classes.
const msc = "1.2.840.113556.1.5."

var (
	containers = []string{"container", "organizationalUnit", "domainDNS", "builtinDomain", "configuration"}
	accounts   = []string{"container", "organizationalUnit", "domainDNS", "builtinDomain"}
)

// classes is the part of AD's schema that a domain of a lab has (MS-ADSC).
var classes = [...]Class{
	{Name: "top", OID: "2.5.6.0", Kind: abstract, Must: []string{"objectClass", "objectCategory", "instanceType"}, May: []string{
		"cn", "distinguishedName", "name", "objectGUID", "whenCreated", "whenChanged", "uSNCreated", "uSNChanged", "isDeleted", "description", "displayName",
		"systemFlags", "showInAdvancedViewOnly", "isCriticalSystemObject", "canonicalName", "memberOf", "msDS-KeyCredentialLink-BL", "flags", "revision",
		"adminCount", "serverReferenceBL", "wellKnownObjects", "fSMORoleOwner", "msDS-KrbTgtLinkBl", attrDescriptor}},
	{Name: "securityPrincipal", OID: msc + "6", Super: "top", Kind: auxiliary, May: []string{
		"objectSid", "sAMAccountName", "sAMAccountType", "altSecurityIdentities", "tokenGroups", "msDS-KeyVersionNumber", "msDS-PrincipalName"}},
	{Name: "person", OID: "2.5.6.6", Super: "top", Kind: structural, RDN: "cn", Must: []string{"cn"}, May: []string{"sn", "telephoneNumber", "userPassword"}, Parents: accounts},
	{Name: "organizationalPerson", OID: "2.5.6.7", Super: "person", Category: "Person", Kind: structural, RDN: "cn",
		May: []string{"givenName", "initials", "title", "mail", "c", "l", "st", "ou"}, Parents: accounts},
	{Name: "user", OID: msc + "9", Super: "organizationalPerson", Category: "Person", Kind: structural, RDN: "cn", May: []string{
		"objectSid", "sAMAccountName", "sAMAccountType", "altSecurityIdentities", "tokenGroups", "msDS-KeyVersionNumber", "msDS-PrincipalName",
		"userAccountControl", "primaryGroupID", "userPrincipalName", "servicePrincipalName", "msDS-KeyCredentialLink", "msDS-SupportedEncryptionTypes",
		"msDS-User-Account-Control-Computed", "msDS-UserPasswordExpiryTimeComputed", "unicodePwd", "pwdLastSet", "accountExpires", "badPwdCount",
		"badPasswordTime", "lastLogon", "lastLogoff", "logonCount", "codePage", "countryCode", "userCertificate", "mS-DS-ConsistencyGuid", "homeDirectory",
		"homeDrive", "scriptPath", "profilePath", "msDS-SecondaryKrbTgtNumber", "msDS-PSOApplied", "msDS-ResultantPSO"}, Parents: accounts},
	{Name: "computer", OID: "1.2.840.113556.1.3.30", Super: "user", Category: "Computer", Kind: structural, RDN: "cn", May: []string{
		"dNSHostName", "operatingSystem", "operatingSystemVersion", "managedBy", "msDS-KrbTgtLink", "msDS-RevealOnDemandGroup", "msDS-NeverRevealGroup",
		"msDS-isRODC", "options"}, Parents: accounts},
	{Name: "group", OID: msc + "8", Super: "top", Kind: structural, RDN: "cn", Must: []string{"groupType"}, May: []string{
		"objectSid", "sAMAccountName", "sAMAccountType", "tokenGroups", "msDS-PrincipalName", "member", "mail", "managedBy", "msDS-PSOApplied"}, Parents: accounts},
	{Name: "foreignSecurityPrincipal", OID: msc + "76", Super: "top", Kind: structural, RDN: "cn", Must: []string{"objectSid"}, Parents: []string{"container"}},

	{Name: "container", OID: "1.2.840.113556.1.3.23", Super: "top", Kind: structural, RDN: "cn", Must: []string{"cn"},
		Parents: append([]string{"sitesContainer", "site", "server", "nTDSDSA", "computer", "user"}, containers...)},
	{Name: "organizationalUnit", OID: "2.5.6.5", Super: "top", Category: "Organizational-Unit", Kind: structural, RDN: "ou", Must: []string{"ou"},
		May: []string{"managedBy", "c", "l", "st"}, Parents: []string{"domainDNS", "organizationalUnit"}},
	{Name: "domain", OID: msc + "66", Super: "top", Category: "Domain", Kind: abstract, RDN: "dc", Must: []string{"dc"}},
	{Name: "domainDNS", OID: msc + "67", Super: "domain", Category: "Domain-DNS", Kind: structural, RDN: "dc", May: []string{
		"objectSid", "maxPwdAge", "minPwdAge", "minPwdLength", "pwdHistoryLength", "pwdProperties", "lockoutThreshold", "lockoutDuration",
		"lockOutObservationWindow", "ms-DS-MachineAccountQuota", "msDS-Behavior-Version", "nTMixedDomain", "nETBIOSName"}},
	{Name: "builtinDomain", OID: msc + "4", Super: "top", Category: "Builtin-Domain", Kind: structural, RDN: "cn", May: []string{"objectSid"}, Parents: []string{"domainDNS"}},
	{Name: "lostAndFound", OID: msc + "139", Super: "top", Category: "Lost-And-Found", Kind: structural, RDN: "cn", Parents: []string{"domainDNS", "configuration"}},
	{Name: "configuration", OID: msc + "12", Super: "top", Category: "Configuration", Kind: structural, RDN: "cn", Must: []string{"cn"}, Parents: []string{"domainDNS"}},
	{Name: "dMD", OID: "1.2.840.113556.1.3.9", Super: "top", Category: "DMD", Kind: structural, RDN: "cn", Must: []string{"cn"}, May: []string{"objectVersion"}, Parents: []string{"configuration"}},

	{Name: "sitesContainer", OID: msc + "107", Super: "top", Category: "Sites-Container", Kind: structural, RDN: "cn", Parents: []string{"configuration"}},
	{Name: "site", OID: msc + "31", Super: "top", Category: "Site", Kind: structural, RDN: "cn", Parents: []string{"sitesContainer"}},
	{Name: "serversContainer", OID: msc + "7000.48", Super: "top", Category: "Servers-Container", Kind: structural, RDN: "cn", Parents: []string{"site"}},
	{Name: "server", OID: msc + "17", Super: "top", Category: "Server", Kind: structural, RDN: "cn", May: []string{"serverReference", "dNSHostName"}, Parents: []string{"serversContainer"}},
	{Name: "nTDSDSA", OID: msc + "7000.47", Super: "top", Category: "NTDS-DSA", Kind: structural, RDN: "cn", May: []string{"hasMasterNCs", "options", "msDS-Behavior-Version"}, Parents: []string{"server"}},
	{Name: "crossRefContainer", OID: msc + "7000.53", Super: "top", Category: "Cross-Ref-Container", Kind: structural, RDN: "cn", May: []string{"msDS-Behavior-Version"}, Parents: []string{"configuration"}},
	{Name: "crossRef", OID: "1.2.840.113556.1.3.11", Super: "top", Category: "Cross-Ref", Kind: structural, RDN: "cn", Must: []string{"cn", "nCName", "dnsRoot"},
		May: []string{"nETBIOSName", "nTMixedDomain", "msDS-Behavior-Version"}, Parents: []string{"crossRefContainer"}},

	{Name: "certificationAuthority", OID: "2.5.6.16", Super: "top", Category: "Certification-Authority", Kind: structural, RDN: "cn",
		Must: []string{"cn", "cACertificate", "authorityRevocationList", "certificateRevocationList"},
		May:  []string{"crossCertificatePair", "deltaRevocationList", "cACertificateDN", "certificateTemplates", "dNSHostName"}, Parents: []string{"container"}},
	{Name: "pKIEnrollmentService", OID: msc + "178", Super: "top", Category: "PKI-Enrollment-Service", Kind: structural, RDN: "cn",
		May: []string{"cACertificate", "cACertificateDN", "certificateTemplates", "dNSHostName", "enrollmentProviders", "msPKI-Enrollment-Servers"}, Parents: []string{"container"}},
	{Name: "pKICertificateTemplate", OID: msc + "177", Super: "top", Category: "PKI-Certificate-Template", Kind: structural, RDN: "cn", May: []string{
		"pKIDefaultKeySpec", "pKIKeyUsage", "pKIMaxIssuingDepth", "pKICriticalExtensions", "pKIExpirationPeriod", "pKIOverlapPeriod", "pKIExtendedKeyUsage",
		"pKIDefaultCSPs", "msPKI-RA-Signature", "msPKI-Enrollment-Flag", "msPKI-Private-Key-Flag", "msPKI-Certificate-Name-Flag", "msPKI-Minimal-Key-Size",
		"msPKI-Template-Schema-Version", "msPKI-Template-Minor-Revision", "msPKI-Cert-Template-OID", "msPKI-Certificate-Application-Policy",
		"msPKI-RA-Application-Policies"}, Parents: []string{"container"}},
	{Name: "cRLDistributionPoint", OID: "2.5.6.19", Super: "top", Category: "CRL-Distribution-Point", Kind: structural, RDN: "cn", Must: []string{"cn"},
		May: []string{"authorityRevocationList", "certificateRevocationList", "deltaRevocationList"}, Parents: []string{"container"}},

	{Name: classPasswordSettingsContainer, OID: msc + "256", Super: "top", Category: "ms-DS-Password-Settings-Container", Kind: structural, RDN: "cn", Parents: []string{"container"}},
	{Name: classPasswordSettings, OID: msc + "255", Super: "top", Category: "ms-DS-Password-Settings", Kind: structural, RDN: "cn", Must: []string{attrPrecedence,
		"msDS-PasswordHistoryLength", "msDS-PasswordReversibleEncryptionEnabled", "msDS-PasswordComplexityEnabled", "msDS-MinimumPasswordLength",
		"msDS-MinimumPasswordAge", "msDS-MaximumPasswordAge", "msDS-LockoutThreshold", "msDS-LockoutObservationWindow", "msDS-LockoutDuration"},
		May: []string{attrAppliesTo}, Parents: []string{classPasswordSettingsContainer}},

	{Name: "leaf", OID: msc + "20", Super: "top", Category: "Leaf", Kind: abstract, RDN: "cn"},
	{Name: "connectionPoint", OID: msc + "14", Super: "leaf", Category: "Connection-Point", Kind: abstract, RDN: "cn", Must: []string{"cn"}, May: []string{"keywords", "managedBy"}},
	{Name: "serviceConnectionPoint", OID: msc + "94", Super: "connectionPoint", Category: "Service-Connection-Point", Kind: structural, RDN: "cn",
		May: []string{"serviceClassName", "serviceBindingInformation", "serviceDNSName"}, Parents: append([]string{"computer"}, containers...)},
	{Name: "msDS-DeviceContainer", OID: msc + "289", Super: "top", Category: "ms-DS-Device-Container", Kind: structural, RDN: "cn",
		May: []string{"managedBy"} /* ours: see rights */, Parents: []string{"domainDNS"}},
	{Name: "msDS-Device", OID: msc + "286", Super: "top", Category: "ms-DS-Device", Kind: structural, RDN: "cn", Must: []string{"displayName", "msDS-DeviceID", "msDS-IsEnabled", "altSecurityIdentities"},
		May: []string{"msDS-DeviceObjectVersion", "msDS-DeviceOSType", "msDS-DeviceOSVersion", "msDS-RegisteredOwner", "msDS-RegisteredUsers", "msDS-ComputerSID",
			"msDS-DeviceTrustType", "msDS-DevicePhysicalIDs", "msDS-IsManaged", "msDS-IsCompliant", "msDS-CloudAnchor", "msDS-CloudIsManaged",
			"msDS-ApproximateLastLogonTimeStamp", "msDS-KeyCredentialLink"},
		Parents: []string{"msDS-DeviceContainer"}},
	{Name: "msDS-DeviceRegistrationServiceContainer", OID: msc + "287", Super: "top", Category: "ms-DS-Device-Registration-Service-Container", Kind: structural, RDN: "cn", Parents: []string{"container"}},
	{Name: classRegistration, OID: msc + "284", Super: "top", Category: "ms-DS-Device-Registration-Service", Kind: structural, RDN: "cn", Must: []string{"msDS-DeviceLocation", "msDS-IsEnabled"},
		May: []string{"msDS-IssuerCertificates", "msDS-IssuerPublicCertificates", cloudIssuers, "msDS-CloudIsEnabled", "msDS-RegistrationQuota",
			"msDS-MaximumRegistrationInactivityPeriod"}, Parents: []string{"msDS-DeviceRegistrationServiceContainer"}},
}
