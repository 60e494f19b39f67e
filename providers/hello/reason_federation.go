package hello

// federationReasons are those of federation services and of what stands on them:
// sign-in through them, the tenant's judgement of their assertions, the enterprise
// token and the Enterprise Device Registration Service.
//
// Sources: AADSTS numbers and names from Microsoft's error reference; OAuth error
// codes from MS-OAPXBC and MS-OIDCE, which have no statuses of their own.
var federationReasons = []Reason{
	// The federation service.
	{"federation_unreachable", "", "", "The federation service cannot be reached.", "See that it runs (enabled of the federation), and that the device is on a network."},
	{"federation_without_password_endpoint", "0xC004848B", "AAD_CLOUDAP_E_HTTP_PASSWORD_URI_IS_EMPTY", "The federation service's metadata names no endpoint for passwords.", "Enable them: password_endpoints of the federation."},
	{"upn_suffix_unknown", "0xC000005F", "STATUS_NO_SUCH_LOGON_SESSION", "The tenant does not know the domain of the user's name.", "Add the domain to domains of the tenant, or give the user a name of a domain that it has."},
	{"federation_refused", "", "", "The federation service refused the sign-in.", "Read its reason in the trace."},
	{"federation_unknown_account", "", "", "The federation service has no such account.", "AD FS signs in accounts of its domain: set domain on the user, or compare the user's upn with the directory's."},
	{"adapter_not_registered", "", "", "A second factor is required, and the user has registered none with the federation service's adapter.", "Set mfa = \"totp\" on the user."},
	{"adapter_failed", "", "", "The adapter for second factors refused the code.", "Give the current code."},
	{"adapter_missing", "", "", "A second factor is required, and the federation service has no adapter to verify one.", "Set mfa of the federation to \"builtin\" or \"third_party\", and mfa_rule to another than \"never\"."},
	{"enterprise_token_refused", "", "", "The federation service does not accept the token, or issued none.", "Sign in again, and read the reason in the trace."},
	{"device_not_written_back", "", "", "The federation service finds no such device in the directory.", "Enable device_writeback of the sync and let it run (sync run), or register the device with AD FS."},

	// The tenant, of an assertion.
	{"assertion_refused", "AADSTS50013", "InvalidAssertion", "The tenant does not accept the federation service's assertion.", "Read the trace: issuer, signature and audience must be those the tenant has on record."},
	{"assertion_expired", "AADSTS500133", "", "The federation service's assertion is outside its life.", "Sign in again, and compare the clocks."},
	{"assertion_other_account", "AADSTS51004", "UserAccountNotInDirectory", "The assertion names no account of the tenant.", "Compare the account's ImmutableID in the tenant with its objectGUID in the domain: Connect keeps them together."},
	{"federated_mfa_missing", "AADSTS50158", "ExternalSecurityChallengeNotSatisfied", "The federation service was to verify a second factor, and its assertion says that it did not.", "Let mfa_rule of the federation verify one, or set federated_behavior of the tenant to \"accept\" or \"reject\"."},
	{"password_of_federated_user", "AADSTS50126", "InvalidUserNameOrPassword", "The tenant has no password of a federated user; the federation service checks it.", "Sign in through the federation service."},
}

// certificateReasons are those of certificate trust: on the way to a sign-in
// certificate, and of a sign-in with one.
//
// Sources: statuses of sign-ins and their names from MS-ERREF; which Kerberos
// error each follows from RFC 4556 3.2.2 and 3.1.3 and, where Windows' documents
// are silent, by their text; 0xCAA20002 and MSIS9711 from Microsoft's support
// articles on certificate trust; codes of authorities from MS-WCCE.
var certificateReasons = []Reason{
	// From the registration authority.
	{"certificate_request_refused", "0xCAA20002", "", "The registration authority does not accept the certificate request.", "Read its reason in the trace: the request must be for a key of the user that the directory has, or a receipt proves."},
	{"certificate_key_unknown", "MSIS9711", "", "The registration authority finds the key of the request neither with the account in the directory nor in a receipt.", "Let Connect write the key (sync run), and try again."},
	{"receipt_refused", "0xCAA20002", "", "The registration authority does not accept the tenant's receipt for the key.", "Let Connect carry the tenant's certificates to the domain (sync run), and try again while the receipt is fresh."},
	{"agent_certificate_unusable", "0x80094807", "CERTSRV_E_ENROLL_DENIED", "The registration authority has no enrollment agent certificate that the authority accepts.", "See agent_not_after of the federation, that the certificate is not revoked (hellolab doctor), and that its account may enroll the template WHFBEnrollmentAgent."},
	{"certificate_needs_pin", "", "", "The device has a sign-in certificate to ask for, and the Hello key that signs the request needs its gesture.", "Sign in with Hello, or give the PIN with the password."},
	{"certificate_not_issued", "0x80094004", "CERTSRV_E_BAD_REQUESTSTATUS", "The certificate authority did not issue the certificate.", "Read its reason in the trace."},

	// In the container.
	{"certificate_missing", "0xC0000385", "STATUS_SMARTCARD_NO_CERTIFICATE", "The Hello container has no sign-in certificate.", "Sign in with the password and the PIN behind it, which asks for a certificate again; the trace tells why none was issued. Until then only key trust proves the key."},
	{"certificate_container", "", "", "The container was made for certificate trust, and Microsoft names no direct way from there to cloud Kerberos trust.", "Delete the container (certutil -deleteHelloContainer), sign in with the password, and provision Hello anew."},
	{"certificate_no_domain", "0xC0000233", "STATUS_DOMAIN_CONTROLLER_NOT_FOUND", "The sign-in certificate names no domain, neither in its subject nor by a UPN, so Kerberos looks for no controller.", "Issue one by a template that puts the subject's DN or UPN into it."},

	{"service_certificate_missing", "", "", "The Hello container has no certificate for the service.", "Declare a certificate of its purpose for the enrollment, and apply."},
	{"service_needs_hello", "", "", "The service takes a certificate of the Hello container, and the sign-in did not open it.", "Sign in with a Hello gesture."},

	// At the KDC.
	{"certificate_untrusted", "0xC000038A", "STATUS_ISSUING_CA_UNTRUSTED", "The domain does not trust the sign-in certificate's authority for sign-ins.", "Publish the authority in NTAuth (ntauth = true), and see that its chain is complete."},
	{"certificate_expired", "0xC000038D", "STATUS_SMARTCARD_CERT_EXPIRED", "The sign-in certificate, or one above it, is not in its life.", "Sign in with the password and the PIN behind it while the registration authority answers: the device asks for another one. It renews one by itself in the six weeks before the end."},
	{"certificate_revoked", "0xC0000389", "STATUS_SMARTCARD_CERT_REVOKED", "The sign-in certificate, or one above it, is revoked.", "Provision Hello anew, which brings another one: a destructive PIN reset (pin reset), or an apply with -replace of the enrollment."},
	{"certificate_revocation_unknown", "0xC000038B", "STATUS_REVOCATION_OFFLINE_C", "The controller cannot learn whether the sign-in certificate is revoked.", "Let controllers reach the authority's lists (crl of the authority)."},
	{"certificate_name_unknown", "0xC0000064", "STATUS_NO_SUCH_USER", "The sign-in certificate names no account of the domain: Kerberos asks for a ticket by its UPN, which the account does not bear any more.", "After a change of name, provision Hello anew, which brings a certificate with the new one: a destructive PIN reset (pin reset), or an apply with -replace of the enrollment."},
	{"certificate_other_account", "0xC000006D", "STATUS_LOGON_FAILURE", "The domain does not map the sign-in certificate to the account.", "Issue one that bears the account's security identifier: see strong_certificate_mapping of the domain."},
	{"certificate_name_mismatch", "0xC00002F9", "STATUS_PKINIT_NAME_MISMATCH", "The sign-in certificate names another account than the request.", "Compare the certificate's UPN with the account's, and enroll another one after a change of name."},
	{"certificate_purpose", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", "The certificate is not for signing in.", "Issue one by a template with Smart Card Logon or PKINIT Client Authentication."},
}

// certificateErrors are the reasons that differ where a sign-in by certificate
// meets an error of Kerberos (RFC 4556 3.1.3, reading R11).
var certificateErrors = map[int32]string{
	6:  "certificate_name_unknown",       // KDC_ERR_C_PRINCIPAL_UNKNOWN: the request is by the certificate's name
	62: "certificate_untrusted",          // KDC_ERR_CLIENT_NOT_TRUSTED
	66: "certificate_other_account",      // KDC_ERR_CERTIFICATE_MISMATCH
	70: "certificate_untrusted",          // KDC_ERR_CANT_VERIFY_CERTIFICATE
	71: "certificate_expired",            // KDC_ERR_INVALID_CERTIFICATE
	72: "certificate_revoked",            // KDC_ERR_REVOKED_CERTIFICATE
	73: "certificate_revocation_unknown", // KDC_ERR_REVOCATION_STATUS_UNKNOWN
	74: "certificate_revocation_unknown", // KDC_ERR_REVOCATION_STATUS_UNAVAILABLE
	75: "certificate_name_mismatch",      // KDC_ERR_CLIENT_NAME_MISMATCH
	77: "certificate_purpose",            // KDC_ERR_INCONSISTENT_KEY_PURPOSE
}

// ReasonOfCertificate is ReasonOfKerberos for what a KDC answers to a sign-in by
// certificate.
func ReasonOfCertificate(code int32) (Reason, bool) {
	if name, ok := certificateErrors[code]; ok {
		return ReasonFor(name)
	}
	return ReasonOfKerberos(code)
}
