package eventlog

import (
	"strconv"

	"hellolab/providers/event"
)

// The HelloForBusiness log. Numbers come in families whose last three digits
// agree: 3xxx a start, 5xxx information, 6xxx a warning, 7xxx an error, 8xxx a
// success. What leads to which entry:
//
//	step                              entry
//	policy_applied                    5003  policy in force
//	prerequisites                     3054, 82xx or 72xx for each, 8054 or 7054
//	cxh_launch                        3045, 3065  provisioning begins, in its window
//	container_created                 8555, 8055  container made
//	key_storage, refused              7225  key not made
//	user_key_bound                    8225  key made
//	key_registration                  3510
//	key_id_stored                     8510  key registered
//	key_not_registered                7510  key not registered
//	exit                              8065, 8045  provisioning is over
//	provisioning_failed               7065, 7045
//	pool_refill                       8052 or 7052
//	gesture_provided, not a password  5002  gesture used
//	key_released                      8002  container loaded
//	key_release_refused               7002, 7001  not signed in
//	unlock_factors                    8520 or 7520  multi-factor unlock
//	logon_session, after a gesture    5001  signed in
//	sign_in_failed, after a gesture   7001
//	domain_sign_in_refused            7001, unless no controller was in sight
//	cached_logon_refused              7001
//	cached_sign_in_refused            7001
//	pin_changed                       8640  PIN changed
//	pin_not_changed, at a sign-in     7001
//	pin_reset_key_request             3060  recovery key begins
//	administrative_key_created        8060  recovery key made
//	administrative_key_missing        7060  recovery key not made
//	pin_reset_request                 3130  recovery changes the PIN …
//	pin_reset, by the service         8130  … it has
//	pin_reset_refused                 7130  … it has not
//	csr_created                       3066, 8030 or 7030  sign-in certificate: request made
//	certificate_installed             8031 or 7031, 8066  … installed: it is enrolled
//	certificate_not_enrolled          7066  … not enrolled
//	certificate_retry                 6066  … the device tries again
//	certificate_payload, refused      7209  no profile for it
//
// 5205 tells of the cloud ticket either way. The fields of 5003 are those that
// the lab's policies set; Windows' has more.

// helloRun is what a run of a flow said that the log's entries need.
type helloRun struct {
	gesture string // that the user signs in with; "" is a password or none
	refused bool   // the container said no, which is logged
	offered bool   // provisioning began
	storage string // of the container
}

// prerequisites are the checks of Windows before provisioning, in the order of
// the log. A check without numbers has no entry.
var prerequisites = []struct {
	check      string // member of the step's message
	ok, failed int
	yes, no    string
}{
	{"IsDeviceJoined", 8200, 7200, "The device is registered.", "The device is not registered."},
	{"IsUserAzureAD", 8201, 7201, "The primary account has a primary refresh token.", "The primary account has no primary refresh token."},
	{"WorkplaceJoined", 8211, 7211, "The secondary account has a primary refresh token.", "The secondary account has no primary refresh token."},
	{"DeviceEligible", 8202, 7202, "The device meets the hardware requirement.", "The device does not meet the hardware requirement."},
	{"PolicyEnabled", 8203, 7203, "Policy turns Windows Hello for Business on.", "Policy does not turn Windows Hello for Business on."},
	{"PostLogonEnabled", 8204, 7204, "Provisioning after sign-in is on.", "Provisioning after sign-in is off."},
	{"SessionIsNotRemote", 8210, 7210, "The session is at the device.", "The session comes by Remote Desktop."},
	{"LogonCertTemplateReady", 8205, 7205, "The sign-in certificate's template can be enrolled.", "The sign-in certificate's template cannot be enrolled."},
	{"AdfsRaIsReady", 8206, 7206, "The registration authority answers.", "The registration authority does not answer."},
	{"MdmCertificateReady", 8209, 7209, "There is a certificate payload for the sign-in certificate.", "No certificate payload for the sign-in certificate was found."},
	{"OnPremTGT", 5205, 5205, "The user has a cloud ticket for the domain.", "The user has no cloud ticket for the domain."},
}

// policyFields are the fields of 5003, by the member that each comes from.
var policyFields = []string{
	"PolicyEnabled", "UsePassportForWork", "PolicySource", "policy", "CredentialType", "credential", "DeploymentType", "deployment",
	"MinimumPINLength", "MinimumPINLength", "MaximumPINLength", "MaximumPINLength",
	"UppercaseLetters", "UppercaseLetters", "LowercaseLetters", "LowercaseLetters", "Digits", "Digits", "SpecialCharacters", "SpecialCharacters",
	"RequireSecurityDevice", "RequireSecurityDevice", "UseBiometrics", "UseBiometrics",
	"History", "History", "Expiration", "Expiration", "PinRecoveryEnabled", "EnablePinRecovery",
	"ExcludeTPM12", "ExcludeTPM12", "MultiFactorUnlockGroupA", "GroupA", "MultiFactorUnlockGroupB", "GroupB",
}

// hello logs what e leaves in the HelloForBusiness log.
func (r *run) hello(e event.Event, log logging) {
	say := func(id int, message string, data Data) { log(HelloForBusiness, id, levelOf(id), message, data) }
	failed := e.Outcome == event.Refused || e.Outcome == event.Failed
	switch e.Step {
	case "policy_applied":
		say(5003, "The policy in force for the user is known.", fields(e, policyFields...))
	case "prerequisites":
		helloPrerequisites(e, say)
	case "cxh_launch":
		r.offered = true
		say(3045, "Windows Hello for Business provisioning begins.", nil)
		say(3065, "The Cloud Experience Host window opens.", nil)
	case "container_created":
		r.storage = text(e, "storage")
		say(8555, "The Hello container is made.", append(fields(e, "Container", "container"), keyProvider(r.storage)...))
		say(8055, "The Hello container is provisioned.", Data{{"Reused", "No"}})
	case "container_shared":
		say(8055, "The Hello container is provisioned.", Data{{"Reused", "Yes"}})
	case "key_storage":
		if failed {
			say(7225, "The Hello key could not be made.", r.failure(e))
		}
	case "user_key_bound":
		say(8225, "The Hello key is made.", append(fields(e, "KeyId", "key_id", "KeyName", "name"), keyProvider(r.storage)...))
	case "key_registration":
		say(3510, "The registration of the Hello key begins.", fields(e, "KeyId", "kid", "Attestation", "attestation"))
	case "key_id_stored":
		say(8510, "The Hello key is registered.", fields(e, "KeyId", "kid", "ServerResponse", "entry"))
	case "key_not_registered":
		say(7510, "The Hello key could not be registered.", r.failure(e))
	case "exit":
		say(8065, "The Cloud Experience Host window closes.", nil)
		say(8045, "Windows Hello for Business provisioning is over.", nil)
	case "provisioning_failed":
		if r.offered { // else there was no window
			say(7065, "The Cloud Experience Host window closes, and provisioning is not done.", nil)
			say(7045, "Windows Hello for Business provisioning failed.", r.failure(e))
		}
	case "pool_refill":
		if failed {
			say(7052, "The key pre-generation pool could not be filled.", r.failure(e))
			return
		}
		say(8052, "The key pre-generation pool made a key.", fields(e, "KeyId", "key"))
	default:
		r.helloSignIn(e, failed, say)
		r.helloPIN(e, failed, say)
		r.helloCertificate(e, failed, say)
	}
}

// helloCertificate is what the enrollment of a sign-in certificate leaves.
func (r *run) helloCertificate(e event.Event, failed bool, say func(int, string, Data)) {
	switch e.Step {
	case "csr_created":
		say(3066, "The enrollment of the sign-in certificate begins.", fields(e, "KeyId", "kid"))
		if failed {
			say(7030, "The certificate request could not be made.", r.failure(e))
			return
		}
		say(8030, "The certificate request is made.", fields(e, "KeyId", "kid"))
	case "certificate_installed":
		if failed {
			say(7031, "The sign-in certificate could not be installed.", r.failure(e))
			return
		}
		said := fields(e, "Thumbprint", "thumbprint", "Subject", "subject", "NotAfter", "not_after")
		say(8031, "The sign-in certificate is installed.", said)
		say(8066, "The sign-in certificate is enrolled.", append(said, fields(e, "Method", "delivery")...))
	case "certificate_not_enrolled":
		say(7066, "The sign-in certificate could not be enrolled.", r.failure(e))
	case "certificate_retry":
		say(6066, "The sign-in certificate will be enrolled at a later attempt.", r.failure(e))
	case "certificate_payload":
		if failed {
			say(7209, "Windows Hello for Business failed to locate a certificate payload for the sign-in certificate. The SCEP request is not available.", r.failure(e))
		}
	}
}

// helloPIN is what a change and a reset of a PIN leave.
func (r *run) helloPIN(e event.Event, failed bool, say func(int, string, Data)) {
	switch e.Step {
	case "pin_changed":
		say(8640, "The PIN is changed.", fields(e, "Container", "container"))
	case "pin_not_changed":
		if r.gesture != "" && failed && !r.refused {
			say(7001, "The user is not signed in with Windows Hello for Business.", append(r.credential(), r.failure(e)...))
			r.refused = true
		}
	case "pin_reset_key_request":
		say(3060, "The PIN recovery key is asked for.", nil)
	case "administrative_key_created":
		say(8060, "The PIN recovery key is made.", fields(e, "KeyId", "id"))
	case "administrative_key_missing":
		say(7060, "The PIN recovery key could not be made.", r.failure(e))
	case "pin_reset_request":
		say(3130, "PIN recovery begins to change the PIN.", nil)
	case "pin_reset":
		if _, kept := e.Message["user_keys"]; kept {
			say(8130, "PIN recovery changed the PIN.", fields(e, "Container", "container"))
		}
	case "pin_reset_refused":
		if failed && e.Actor != event.DRS {
			say(7130, "PIN recovery could not change the PIN.", r.failure(e))
		}
	}
}

// helloSignIn is what signing in leaves. A password is none of Hello's business.
func (r *run) helloSignIn(e event.Event, failed bool, say func(int, string, Data)) {
	switch e.Step {
	case "gesture_provided":
		if r.gesture = text(e, "credential"); r.gesture == "password" {
			r.gesture = ""
			return
		}
		say(5002, "The user gives a gesture.", Data{{"GestureType", r.gesture}})
	case "key_released":
		r.gesture = text(e, "gesture")
		say(8002, "The Hello container is loaded.", fields(e, "KeyId", "kid"))
	case "key_release_refused":
		r.refused = true
		say(7002, "The Hello container could not be loaded.", r.failure(e))
		if e.Flow == flowPIN {
			return // nobody signs in
		}
		say(7001, "The user is not signed in with Windows Hello for Business.", append(r.credential(), r.failure(e)...))
	case "unlock_factors":
		if failed {
			say(7520, "The factors that were given do not unlock the device.", fields(e, "Factors", "presented", "GroupA", "group_a", "GroupB", "group_b"))
		} else {
			say(8520, "Multi-factor unlock takes the factors that were given.", fields(e, "Factors", "presented", "GroupA", "group_a", "GroupB", "group_b"))
		}
	case "logon_session", "account_signed_in":
		if r.gesture != "" {
			say(5001, "The user is signed in with Windows Hello for Business.", r.credential())
		}
	case "domain_sign_in_refused", "cached_logon_refused", "cached_sign_in_refused", "sign_in_failed":
		if e.Step == "domain_sign_in_refused" && e.Reason != nil && e.Reason.Name == noLogonServers {
			return // LSASS goes on to what it cached
		}
		if r.gesture != "" && !r.refused && failed {
			say(7001, "The user is not signed in with Windows Hello for Business.", append(r.credential(), r.failure(e)...))
			r.refused = true // told once, whoever passes it on
		}
	}
}

// flowPIN is the flow of a PIN that is changed, or reset by the service.
const flowPIN = "pin"

// noLogonServers is Windows' word for no controller in sight.
const noLogonServers = "STATUS_NO_LOGON_SERVERS"

func (r *run) credential() Data {
	if r.gesture == "" {
		return nil
	}
	return Data{{"CredentialType", r.gesture}}
}

// keyProvider says what holds a key, in the log's words.
func keyProvider(storage string) Data {
	switch storage {
	case "tpm":
		return Data{{"KeyProvider", "hardware"}}
	case "software":
		return Data{{"KeyProvider", "software"}}
	}
	return nil
}

// helloPrerequisites is an entry for each check that was made, and one for all.
func helloPrerequisites(e event.Event, say func(int, string, Data)) {
	say(3054, "The prerequisites of Windows Hello for Business are checked.", nil)
	for _, p := range prerequisites {
		switch e.Message[p.check] {
		case "YES":
			say(p.ok, p.yes, ticket(p.ok, true))
		case "NO":
			say(p.failed, p.no, ticket(p.failed, false))
		}
	}
	if e.Message["PreReqResult"] == "WillProvision" {
		say(8054, "Every prerequisite is met: Windows Hello for Business will be provisioned.", nil)
		return
	}
	say(7054, "A prerequisite is not met: Windows Hello for Business will not be provisioned.", nil)
}

// ticket is the fields of 5205.
func ticket(id int, has bool) Data {
	if id != 5205 {
		return nil
	}
	return Data{{"UseCloudTrust", yes(true)}, {"HasCloudTgt", yes(has)}}
}

// levelOf is the level that a number of the log has by its first digit.
func levelOf(id int) Level {
	switch strconv.Itoa(id)[0] {
	case '6':
		return Warning
	case '7':
		if id >= 7200 && id < 7220 || id == 7054 { // prerequisites are warnings
			return Warning
		}
		return Error
	}
	return Information
}
