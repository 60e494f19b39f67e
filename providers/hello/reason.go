package hello

import (
	"slices"

	"hellolab/providers/event"
)

// Success is the code of a sign-in or provisioning that worked.
const Success = "success"

// Reason is one way a sign-in or a provisioning can end. Code is what a check
// expects; Status is what the protocol or Windows says: an AADSTS code, an
// NTSTATUS, an HRESULT, "" where none is documented.
type Reason struct {
	Code     string
	Status   string
	Name     string // of Status
	Sentence string
	Hint     string
}

// Event returns the reason as events carry it: under the protocol's own code
// where there is one.
func (r Reason) Event() event.Reason {
	code := r.Status
	if code == "" {
		code = r.Code
	}
	return event.Reason{Code: code, Name: r.Name, Sentence: r.Sentence, Hint: r.Hint}
}

// reasons is every code a check may expect.
var reasons = slices.Concat(generalReasons, domainReasons, federationReasons, certificateReasons)

// generalReasons are those of the device and the tenant, grouped by who says it.
//
// Sources of the statuses: AADSTS numbers and names from Microsoft's error
// reference; 0x801C… and 0x8009… from the vendor's list of errors during PIN
// creation; 0xC00… from MS-ERREF; 0x8028… from winerror.h. Pairings that no
// document states (which status Windows shows for a locked PIN, say) are ours.
var generalReasons = []Reason{
	{Success, "", "", "It worked.", ""},

	// The device: gesture and container.
	{"wrong_pin", "0xC0000380", "STATUS_SMARTCARD_WRONG_PIN", "The PIN is wrong.", "Give the enrollment's PIN."},
	{"pin_challenge", "", "", "Too many wrong PINs: Windows asks for its challenge phrase first.", "Give the phrase, A1B2C3, with the right PIN (-phrase), or sign in with the password."},
	{"pin_disabled_until_restart", "", "", "Too many wrong PINs: Windows takes no PIN before a restart.", "Restart the device (signin -restart)."},
	{"change_pin_prompt", "", "", "Windows asks for a new PIN before it signs the user in.", "Give one (signin -new-pin), or change the PIN first (pin change)."},
	{"pin_reset_not_allowed", "", "", "The PIN cannot be reset from the lock screen: on a hybrid joined device with key trust the new key would be of no use before it is synchronized.", "Sign in with the password and reset the PIN then, or let policy turn the PIN reset service on before it is forgotten (enable_pin_recovery)."},
	{"pin_reset_refused", "", "", "The PIN reset service does not give the container's key back.", "Reset the PIN without it (pin reset -destructive)."},
	{"pin_reset_needs_password", "", "", "The user has no open session on the device, so the password must prove who they are.", "Give the password (pin reset -password), or sign in with it first."},
	{"pin_locked_out", "0x80280921", "TPM_20_E_LOCKOUT", "The TPM is locked after too many wrong PINs.", "Wait: the TPM forgets one failure every 10 minutes."},
	{"gesture_not_enrolled", "", "", "The user has not enrolled this gesture on the device.", "Add it to gestures of the enrollment, or use the PIN."},
	{"biometric_failed", "", "", "The sensor did not recognize the user.", "Try again, or use the PIN."},
	{"sensor_missing", "", "", "The sensor at which the user enrolled the gesture is not on the device.", "Use the PIN, or bring the sensor back (biometrics of the device, or a sensor block)."},
	{"biometric_lost", "", "", "The sensor has no template of the user: its database on the device is damaged, or was made anew since.", "Use the PIN. To enroll the gesture anew, replace the enrollment."},
	{"biometrics_disabled", "", "", "Policy allows no biometric gestures on the device.", "Use the PIN, or set use_biometrics = true."},
	{"unlock_factor_missing", "", "", "Policy demands a factor of each of two groups, and one is missing.", "Give the PIN and a gesture, or bring the device to where its trusted signal is."},
	{"sensor_blocked", "", "", "Enhanced Sign-in Security blocks sensors that are plugged in.", "Use the PIN or a built-in sensor, or set enable_ess_with_supported_peripherals = false."},
	{"anti_spoofing_missing", "", "", "Policy takes a face only from a camera with enhanced anti-spoofing, and the device has none.", "Use the PIN or another gesture, or set facial_features_use_enhanced_anti_spoofing = false."},
	{"no_hello_credential", "0x80090011", "NTE_NOT_FOUND", "The user has no Hello credential on this device.", "Declare an enrollment of the user on the device."},
	{"credential_damaged", "0x80090005", "NTE_BAD_DATA", "The Hello container on the device is damaged.", "Replace the enrollment, which provisions it anew."},
	{"tpm_missing", "0x80090035", "NTE_DEVICE_NOT_FOUND", "Policy requires a TPM, and the device has none that it can use.", "Give the device a TPM, or set require_security_device = false."},
	{"tpm_failed", "0x80090029", "NTE_NOT_SUPPORTED", "The TPM did not answer as it should.", "Check that the device's TPM image is intact."},
	{"not_signed_in", "", "", "The user has no session on the device.", "Sign in first."},
	{"not_locked", "", "", "The user has no locked session on the device.", "Lock the session first (signin -lock), or sign in."},
	{"cancelled", "0x80090036", "NTE_USER_CANCELLED", "The user cancelled.", ""},

	// The device: launch conditions.
	{"device_not_joined", "", "", "The device is joined to nothing.", "Set join to \"entra\"."},
	{"not_work_account", "", "", "The user did not sign in with a work account of the identity provider.", "Sign in with an account of the device's tenant."},
	{"no_prt", "", "", "The user has no primary refresh token on the device.", "Sign in with the password while the tenant can be reached."},
	{"policy_disabled", "", "", "Policy does not enable Windows Hello for Business for this user on this device.", "Set use_passport_for_work = true in a policy that reaches them."},
	{"post_logon_disabled", "", "", "Policy keeps provisioning from starting after sign-in.", "Set disable_post_logon_provisioning = false."},
	{"remote_session", "", "", "The user is connected by Remote Desktop.", "Set session to \"local\"."},
	{"no_enterprise_prt", "", "", "The user has no token of the federation service.", "Sign in with the password while AD FS answers; it knows the device that Connect wrote back (device_writeback of the sync), or that it registered itself."},
	{"registration_authority_not_ready", "", "", "The certificate registration authority does not answer.", "Enable it on the federation block and check that AD FS answers."},
	{"template_not_ready", "", "", "The template for sign-in certificates cannot be enrolled.", "Publish the template at the authority and let the users enroll."},
	{"certificate_payload_missing", "", "", "Device management delivers no sign-in certificate to the user.", "Assign a certificate profile to the user."},
	{"no_cloud_tgt", "", "", "The tenant issued no partial ticket for the domain.", "Check that the domain has its Kerberos server object and that the user is synchronized."},
	{"unsupported_deployment", "", "", "This deployment cannot use Windows Hello for Business.", "Compare join, authentication and trust with the deployment table."},

	// The device: what a new PIN must look like.
	{"pin_too_short", "", "", "The PIN is shorter than policy allows.", "Choose a longer PIN."},
	{"pin_too_long", "", "", "The PIN is longer than policy allows.", "Choose a shorter PIN."},
	{"pin_class_required", "", "", "The PIN lacks a kind of character that policy requires.", "Add one to the PIN."},
	{"pin_class_forbidden", "", "", "The PIN holds a kind of character that policy forbids.", "Leave it out of the PIN."},
	{"pin_character", "", "", "The PIN holds a character that no PIN may hold.", "Use digits, Latin letters and special characters."},
	{"pin_used_before", "", "", "The PIN is one of the last that the user had.", "Choose one that was not used lately: see history of pin_complexity."},
	{"pin_too_simple", "", "", "The PIN is too simple.", "Choose digits that do not follow a pattern."},

	// The network.
	{"host_unreachable", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "The identity provider cannot be reached.", "Check the device's network and that the service is up."},
	{"hello_ticket_expired", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "The sign-in took longer than the ticket of a Hello gesture lives.", "The tenant does not answer: use another network, or none, by which Cloud AP signs in at once by the sign-in that it keeps; a password waits as long as it takes."},
	{"tls_failed", "0x80072F8F", "ERROR_WINHTTP_SECURE_FAILURE", "No trusted TLS connection to the service could be made.", "Compare the lab's clock with the validity of its certificates."},
	{"reply_invalid", "0x80090308", "SEC_E_INVALID_TOKEN", "The tenant's reply was changed on its way, or is for another device.", "Read the trace: something else answered in the tenant's place."},
	{"server_error", "0x801C0006", "", "The service failed inside.", "Read the trace: the step before names the service."},

	{"internal_error", "", "", "Something broke that nobody refused.", "Read the trace: its last step says what."},

	// The tenant: who asks.
	{"user_unknown", "AADSTS50034", "UserAccountNotFound", "The tenant has no such user.", "Compare the user's upn with the tenant's domains."},
	{"user_disabled", "AADSTS50057", "UserDisabled", "The user's account is disabled in the tenant.", "Set enabled_in_tenant = true on the user."},
	{"wrong_password", "AADSTS50126", "InvalidUserNameOrPassword", "The password is wrong.", "Give the password of the user block."},
	{"account_locked", "AADSTS50053", "IdsLocked", "The account is locked after too many wrong passwords.", "Wait, then give the right password."},
	{"password_expired", "AADSTS50055", "InvalidPasswordExpiredPassword", "The password has expired.", "Change the password: raise password_version."},
	{"mfa_required", "AADSTS50076", "UserStrongAuthClientAuthNRequired", "A second factor is required.", "Complete the second factor."},
	{"mfa_not_registered", "AADSTS50079", "UserStrongAuthEnrollmentRequired", "A second factor is required, and the user has registered none.", "Set mfa = \"totp\" or \"push\" on the user."},
	{"mfa_failed", "AADSTS500121", "AuthenticationFailedForStrongAuthenticationRequest", "The second factor was refused.", "Give the current code, or approve with the number that the page shows."},
	{"mfa_expired", "0x801C03ED", "", "The second factor is no longer current.", "Complete the second factor again."},

	// The tenant: from which device, with which key.
	{"device_not_registered", "AADSTS50129", "DeviceIsNotWorkplaceJoined", "The device is not registered with the tenant.", "Set join to \"entra\" and apply."},
	{"device_unknown", "AADSTS50155", "DeviceAuthenticationFailed", "The tenant does not know the device, or cannot authenticate it.", "Replace the device, which registers it anew."},
	{"device_disabled", "AADSTS135011", "", "The device is disabled in the tenant.", "Set enabled_in_tenant = true on the device."},
	{"device_signature_invalid", "AADSTS50099", "PKeyAuthInvalidJwtUnauthorized", "The proof of the device key does not verify.", "Replace the device if its TPM was cleared."},
	{"device_quota", "0x801C000E", "", "The user has registered as many devices as the tenant allows.", "Delete a device of the user."},
	{"registration_refused", "0x801C03EA", "", "The registration service refused the user or the device.", "Read the reason in the trace."},
	{"attestation_failed", "0x801C03EE", "", "The registration service does not accept the proof that the key was made in a TPM.", "Give the device a TPM, or set attestation = \"preferred\" on the tenant."},
	{"key_not_found", "AADSTS130004", "NgcKeyNotFound", "The user has no registered key of this id.", "Replace the enrollment, which registers a new key."},
	{"key_signature_invalid", "AADSTS130005", "NgcInvalidSignature", "The signature does not verify with the registered key.", "Replace the enrollment if its container was restored from elsewhere."},
	{"transport_key_not_found", "AADSTS130006", "NgcTransportKeyNotFound", "The device object holds no transport key, so no session key can be sent to it.", "Replace the device, which registers its keys anew."},
	{"key_device_disabled", "AADSTS130007", "NgcDeviceIsDisabled", "The device that the key belongs to is disabled.", "Set enabled_in_tenant = true on the device."},
	{"key_device_unknown", "AADSTS130008", "NgcDeviceIsNotFound", "The device that the key belongs to no longer exists.", "Replace the enrollment."},

	// The tenant: with which proof of time.
	{"nonce_refused", "AADSTS140000", "InvalidRequestNonce", "The nonce is missing, too old, used before, or not of this tenant.", "Sign in again: each sign-in fetches its own."},
	{"session_key_invalid", "AADSTS140001", "InvalidSessionKey", "The request is not signed with the session key of the token.", "Sign in again."},
	{"token_expired", "AADSTS70008", "ExpiredOrRevokedGrant", "The token has expired.", "Sign in again."},
	{"token_revoked", "AADSTS50173", "FreshTokenNeeded", "The token was revoked, or the credential behind it changed.", "Sign in again."},
	{"token_invalid", "AADSTS70000", "InvalidGrant", "The token is not one of this tenant.", "Sign in again."},
	{"tenant_unknown", "AADSTS90002", "InvalidTenantName", "There is no such tenant.", "Compare the user's domain with the tenants of the lab."},
	{"resource_unknown", "AADSTS500011", "InvalidResourceServicePrincipalNotFound", "The tenant has no such resource.", "Name an application of the user's tenant."},
	{"device_required", "AADSTS50097", "DeviceAuthenticationRequired", "The application is open to known devices only, and the request proves none.", "Sign in on a joined device."},
	{"device_not_compliant", "AADSTS53000", "DeviceNotCompliant", "The application is open to compliant devices only, and the device is not compliant.", "Set compliant = true on the device."},
	{"device_not_joined_app", "AADSTS53001", "DeviceNotDomainJoined", "The application is open to joined devices only, and the device is not joined.", "Set join to \"entra\"."},
	{"access_denied", "AADSTS53003", "BlockedByConditionalAccess", "Conditional access blocks the application.", "Compare require of the application with the sign-in."},
	{"application_unknown", "AADSTS700016", "UnauthorizedClient_DoesNotMatchRequest", "The tenant does not know the application.", "Name an application of the user's tenant, and apply."},
	{"application_refused", "", "", "The application does not accept the token.", "Read the trace: the application says which check failed."},
}

// Reasons returns every reason, success first. The slice is the caller's.
func Reasons() []Reason { return slices.Clone(reasons) }

// ReasonFor returns the reason of a code that a check may expect.
func ReasonFor(code string) (Reason, bool) {
	return findReason(func(r Reason) bool { return r.Code == code })
}

// ReasonOfStatus returns the first reason that shows as status, such as
// "AADSTS50126" or "0x801C03ED".
func ReasonOfStatus(status string) (Reason, bool) {
	if status == "" {
		return Reason{}, false
	}
	return findReason(func(r Reason) bool { return r.Status == status })
}

// NearestReason returns the code that a misspelt one was probably meant to be,
// or "".
func NearestReason(code string) string {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.Code
	}
	return Nearest(code, codes)
}

func findReason(match func(Reason) bool) (Reason, bool) {
	if i := slices.IndexFunc(reasons, match); i >= 0 {
		return reasons[i], true
	}
	return Reason{}, false
}

// mustReason is for codes written in this package; a test looks each one up.
func mustReason(code string) event.Reason {
	r, ok := ReasonFor(code)
	if !ok {
		return event.Reason{Code: code}
	}
	return r.Event()
}
