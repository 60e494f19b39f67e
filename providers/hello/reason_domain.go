package hello

// domainReasons are those of a domain: what its controllers, its KDC and its
// directory refuse, and what a device refuses when it asks them.
//
// Sources: statuses and their names from MS-ERREF; which one Windows shows for
// a Kerberos error or a KDC's certificate from the documents of Windows' logon
// functions and "Windows Hello for Business known deployment issues", and where
// they are silent ours: the closest by its text.
var domainReasons = []Reason{
	// The way to a controller.
	{"no_line_of_sight", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "The device is where it reaches no controller of the domain.", "Bring it to the domain's network (network = \"onsite\"), or raise the tunnel (network = \"vpn\") after a sign-in; where it is there, see that a controller runs."},
	{"dc_not_found", "0xC0000233", "STATUS_DOMAIN_CONTROLLER_NOT_FOUND", "No domain controller was found that can do what is needed.", "Compare site and controllers of the domain, and read in the trace whom the locator asked."},
	{"cached_logon_missing", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "No controller is reached, and the device keeps no former sign-in of the user with this credential.", "Sign in once with line of sight to a controller, and see cached_logons of the domain."},
	{"network_logon_forced", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "No controller is reached, and the sign-in that the device keeps is older than the domain allows.", "Sign in with line of sight to a controller, or raise force_network_logon of the domain."},
	{"password_change_needs_domain", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "The password can be changed at a domain controller only, and none is reached.", "Change it with line of sight to a controller."},
	{"domain_clock_skew", "0xC0000133", "STATUS_TIME_DIFFERENCE_AT_DC", "The clocks of device and domain controller are too far apart.", "Compare the lab's clock with that of the request."},

	// The account in the domain.
	{"not_domain_account", "0xC0000064", "STATUS_NO_SUCH_USER", "The user has no account in the domain.", "Set domain on the user, and declare a sync to the tenant."},
	{"account_disabled_in_domain", "0xC0000072", "STATUS_ACCOUNT_DISABLED", "The account is disabled in the domain.", "Set enabled_in_domain = true on the user."},
	{"account_locked_in_domain", "0xC0000234", "STATUS_ACCOUNT_LOCKED_OUT", "The account is locked in the domain after too many wrong passwords.", "Wait, then give the right password."},
	{"account_expired_in_domain", "0xC0000193", "STATUS_ACCOUNT_EXPIRED", "The account has expired in the domain.", "Extend it in the directory."},
	{"wrong_password_in_domain", "0xC000006A", "STATUS_WRONG_PASSWORD", "The domain does not accept the password.", "Give the password of the user block."},
	{"password_expired_on_prem", "0xC0000071", "STATUS_PASSWORD_EXPIRED", "The password has expired in the domain.", "Change it with line of sight to a controller (password change, or signin -new-password), or raise password_version. A Hello sign-in by key does not ask for it."},
	{"password_must_change", "0xC0000224", "STATUS_PASSWORD_MUST_CHANGE", "The password must be changed before it is taken.", "Change it (password change, or signin -new-password), or set password_expired = false on the user."},
	{"password_refused", "0xC000006C", "STATUS_PASSWORD_RESTRICTION", "The domain's policy does not take the new password.", "Compare it with password_policy of the domain."},
	{"computer_refused", "0xC000018B", "STATUS_NO_TRUST_SAM_ACCOUNT", "The domain does not let the computer sign in.", "Set enabled_in_domain = true on the device, or replace it, which joins it anew."},

	// The key at the KDC.
	{"key_not_synced", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", "The KDC does not find the key with the account in the directory.", "Run a cycle of Connect (sync run): it writes keys that were registered with the tenant."},
	{"key_deleted_at_sign_in", "", "", "The sign-in works once: a controller is of a build that deletes the key it has signed in with, and the next one fails until the key is synchronized again.", "Update the controller: to 14393.4104 or 17763.1637, or a later build."},
	{"key_name_mismatch", "0xC00002F9", "STATUS_PKINIT_NAME_MISMATCH", "The request names another account than the one the key belongs to.", "Compare upn and upn_onprem of the user with the directory."},
	{"key_proof_invalid", "0xC000006D", "STATUS_LOGON_FAILURE", "The signature of the request does not verify with the key in the directory.", "Replace the enrollment if its container was restored from elsewhere."},
	{"kdc_no_certificate", "0xC00000BB", "STATUS_NOT_SUPPORTED", "The domain controller has no certificate for its KDC, so it takes no sign-in by key.", "Declare an authority in the domain, and a kdc_certificate template other than \"none\" on the controller."},
	{"domain_refused", "0xC000006D", "STATUS_LOGON_FAILURE", "The domain refused the sign-in.", "Read the KDC's reason in the trace."},

	// The KDC's certificate, at the device.
	{"kdc_certificate_untrusted", "0xC000040D", "STATUS_ISSUING_CA_UNTRUSTED_KDC", "The KDC's certificate does not lead to an authority that the device trusts.", "Add the root to trusted_roots of the device."},
	{"kdc_certificate_expired", "0xC000040E", "STATUS_KDC_CERT_EXPIRED", "The KDC's certificate, or one above it, is not in its life.", "Let the controller renew it: authority and clock must allow that."},
	{"kdc_certificate_revoked", "0xC000040F", "STATUS_KDC_CERT_REVOKED", "The KDC's certificate, or one above it, is revoked.", "Let the controller enroll another one."},
	{"kdc_certificate_unknown_revocation", "0xC000040C", "STATUS_REVOCATION_OFFLINE_KDC", "Whether the KDC's certificate is revoked cannot be learned.", "Let the authority's lists be reached from where the device is (crl of the authority), or set revocation_unknown = \"allow\" on the device."},
	{"kdc_certificate_no_kdc_purpose", "0xC0000320", "STATUS_PKINIT_FAILURE", "The KDC's certificate is not for KDC authentication.", "Set the template of kdc_certificate to \"kerberos_authentication\", or strict_kdc_validation = false on the device."},
	{"kdc_certificate_other_domain", "0xC000006D", "STATUS_LOGON_FAILURE", "The KDC's certificate does not name the domain.", "Use a template that puts the domain's DNS name into the certificate, such as \"kerberos_authentication\"."},

	// The partial ticket of cloud Kerberos trust.
	{"domain_hint_missing", "0xC0000233", "STATUS_DOMAIN_CONTROLLER_NOT_FOUND", "The Hello key's metadata does not name the domain, so Kerberos looks for no controller.", "Replace the enrollment, which provisions the key anew."},
	{"partial_ticket_missing", "0x8009030E", "SEC_E_NO_CREDENTIALS", "The session has no partial ticket for the domain that is still good.", "Sign in again with Hello, or lock and unlock: a sign-in to the tenant brings a new one."},
	{"cloud_kerberos_denied", "0xC000006D", "STATUS_LOGON_FAILURE", "The domain gives the account no full ticket for its partial one.", "Privileged accounts are on the deny list of the Kerberos server object: use key or certificate trust for them, or change allowed and denied of the trust."},
	{"cloud_kerberos_unknown", "0xC000006D", "STATUS_LOGON_FAILURE", "The domain has no Kerberos server object of the number that the partial ticket names.", "Apply, which makes the object of the trust anew."},
	{"cloud_kerberos_key_differs", "0xC000006D", "STATUS_LOGON_FAILURE", "The partial ticket is not under the key that the domain has for the tenant.", "Bring the keys together (trust rotate), and sign in again."},

	// The device in two directories, and what a sign-in by key lacks.
	{"device_not_synced", "0x801C03F2", "DSREG_E_DIRECTORY_FAILURE", "The tenant does not know the computer yet, so the device cannot register.", "Run a cycle of Connect (sync run): it carries the computer to the tenant."},
	{"connection_point_missing", "0x801C001D", "DSREG_AUTOJOIN_ADCONFIG_READ_FAILED", "The domain does not say which tenant its computers register with.", "Declare a sync between the domain and the tenant: Connect writes the service connection point."},
	{"domain_not_reached", "", "", "No trust leads from the device to the domain.", "Declare a trust between tenant and domain, and a sync; a hybrid joined device reaches its own domain."},
	{"service_refused", "", "", "The service does not let the user in.", "Compare authorize of the service with the user's groups."},
	{"ntlm_without_password", "0xC000006D", "STATUS_LOGON_FAILURE", "The resource takes NTLM only, and the sign-in brought nothing to answer it with.", "Sign in with the password, or reach the resource by Kerberos."},
}

// kerberosReasons pairs the error codes of Kerberos (RFC 4120 7.5.9, RFC 4556
// 3.1.3), as a client meets them in a sign-in to a domain by a Hello key, with
// reasons. A password's sign-in differs in 24 (wrong_password_in_domain).
var kerberosReasons = []struct {
	code   int32
	reason string
}{
	{1, "account_expired_in_domain"},     // KDC_ERR_NAME_EXP
	{6, "not_domain_account"},            // KDC_ERR_C_PRINCIPAL_UNKNOWN
	{16, "kdc_no_certificate"},           // KDC_ERR_PADATA_TYPE_NOSUPP
	{18, "account_disabled_in_domain"},   // KDC_ERR_CLIENT_REVOKED
	{23, "password_expired_on_prem"},     // KDC_ERR_KEY_EXPIRED
	{24, "wrong_password_in_domain"},     // KDC_ERR_PREAUTH_FAILED
	{37, "domain_clock_skew"},            // KRB_AP_ERR_SKEW
	{62, "key_not_synced"},               // KDC_ERR_CLIENT_NOT_TRUSTED: no key of the account is this one
	{63, "kdc_certificate_untrusted"},    // KDC_ERR_KDC_NOT_TRUSTED
	{64, "key_proof_invalid"},            // KDC_ERR_INVALID_SIG
	{75, "key_name_mismatch"},            // KDC_ERR_CLIENT_NAME_MISMATCH
	{76, "kdc_certificate_other_domain"}, // KDC_ERR_KDC_NAME_MISMATCH
}

// partialTicketReasons are those that differ where a KDC is shown a partial
// ticket.
var partialTicketReasons = map[int32]string{
	7:  "cloud_kerberos_unknown",     // KDC_ERR_S_PRINCIPAL_UNKNOWN
	12: "cloud_kerberos_unknown",     // KDC_ERR_POLICY: not a read-only controller's account
	20: "cloud_kerberos_denied",      // KDC_ERR_TGT_REVOKED
	29: "dc_not_found",               // KDC_ERR_SVC_UNAVAILABLE: this controller does not exchange them
	31: "cloud_kerberos_key_differs", // KRB_AP_ERR_BAD_INTEGRITY
	44: "cloud_kerberos_key_differs", // KRB_AP_ERR_BADKEYVER
}

// ReasonOfPartialTicket is ReasonOfKerberos for what a KDC answers to a partial
// ticket.
func ReasonOfPartialTicket(code int32) (Reason, bool) {
	if name, ok := partialTicketReasons[code]; ok {
		return ReasonFor(name)
	}
	return ReasonOfKerberos(code)
}

// ReasonOfKerberos returns the reason of a Kerberos error code; ok is false for
// one that says nothing particular, which is domain_refused.
func ReasonOfKerberos(code int32) (r Reason, ok bool) {
	name := "domain_refused"
	for _, k := range kerberosReasons {
		if k.code == code {
			name, ok = k.reason, true
		}
	}
	r, _ = ReasonFor(name)
	return r, ok
}

// Kerberos is the error code of Kerberos that stands for the reason; ok is
// false when it never crosses the wire as one.
func (r Reason) Kerberos() (code int32, ok bool) {
	for _, k := range kerberosReasons {
		if k.reason == r.Code {
			return k.code, true
		}
	}
	return 0, false
}

// KDCCertificateReason pairs a check of a KDC's certificate that failed (as
// wire/kdccert names it) with its reason. That a certificate is revoked, and
// not only of unknown revocation, the caller knows.
func KDCCertificateReason(check string, revoked bool) Reason {
	code := map[string]string{
		"root":       "kdc_certificate_untrusted",
		"life":       "kdc_certificate_expired",
		"revocation": "kdc_certificate_unknown_revocation",
		"purpose":    "kdc_certificate_no_kdc_purpose",
		"domain":     "kdc_certificate_other_domain",
	}[check]
	if check == "revocation" && revoked {
		code = "kdc_certificate_revoked"
	}
	r, ok := ReasonFor(code)
	if !ok {
		r, _ = ReasonFor("domain_refused")
	}
	return r
}
