package hello

// certificateReasons are those of sign-in certificates: why a user has none, and
// why a domain does not take one.
//
// Sources: statuses and their names from MS-ERREF; which one Windows shows for a
// Kerberos error is ours, the closest by its text.
var certificateReasons = []Reason{
	{"certificate_missing", "0xC0000385", "STATUS_SMARTCARD_NO_CERTIFICATE", "The Hello key has no sign-in certificate yet, and with certificate trust the domain takes nothing else.", "Sign in with the password, and give the PIN as well: the device asks for the certificate again. See that the registration authority, or device management's profile, is there."},
	{"certificate_untrusted", "0xC000038A", "STATUS_ISSUING_CA_UNTRUSTED", "The domain controller does not trust the authority that issued the sign-in certificate.", "Use an authority of the domain whose certificate is in NTAuth (ntauth = true)."},
	{"certificate_invalid", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", "The domain controller does not take the sign-in certificate: it, or one above it, is not in its life or breaks a rule of its path.", "Sign in with the password, and give the PIN as well: the device asks for another certificate."},
	{"certificate_revoked", "0xC0000389", "STATUS_SMARTCARD_CERT_REVOKED", "The sign-in certificate, or one above it, is revoked.", "Replace the enrollment, which brings another key and certificate."},
	{"certificate_unknown_revocation", "0xC000038B", "STATUS_REVOCATION_OFFLINE_C", "The domain controller cannot learn whether the sign-in certificate is revoked.", "Let the authority's lists be reached from the controllers (crl of the authority), and see that they are published in time."},
	{"certificate_no_logon_purpose", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", "The sign-in certificate is not for signing in.", "Use the template WHFBAuthentication, or set accept_client_auth_eku on the domain."},
	{"certificate_mismatch", "0xC000038C", "STATUS_PKINIT_CLIENT_FAILURE", "The sign-in certificate is not mapped to the account strongly enough, or is another account's.", "Enroll anew from an authority that writes the security identifier, or relax strong_certificate_mapping of the domain."},

	// Enrollment.
	{"certificate_not_issued", "0xCAA20002", "", "No sign-in certificate was issued for the Hello key; the device tries again at a later sign-in.", "Read in the trace who refused: the registration authority, or the certification authority behind it."},
	{"certificate_needs_pin", "", "", "The device has to ask for a sign-in certificate, and the Hello key that signs the request needs the PIN.", "Give the PIN with the password, or sign in with Hello."},
}
