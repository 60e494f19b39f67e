package eventlog_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hellolab/providers/event"
	"hellolab/providers/hello"
	"hellolab/providers/windows/eventlog"
)

// lines are entries as "7001 Error Name=Value ..." with the channel's last word
// before those of AAD.
func lines(t *testing.T, records []eventlog.Record) string {
	t.Helper()
	var all []string
	for _, r := range records {
		if !strings.HasSuffix(r.Message, ".") || r.At.IsZero() || r.Device != device || r.Correlation == "" {
			t.Errorf("%+v", r)
		}
		if want := "Applications and Services Logs/Microsoft/Windows/" + strings.TrimPrefix(string(r.Channel), "Microsoft-Windows-"); r.Path != want {
			t.Errorf("path %q, want %q", r.Path, want)
		}
		line := append([]string{strconv.Itoa(r.ID), string(r.Level)}, pairs(r.Data)...)
		if r.Channel == eventlog.AADAnalytic {
			line = append([]string{"Analytic"}, line...)
		}
		all = append(all, strings.Join(line, " "))
	}
	return strings.Join(all, "\n")
}

func by(actor event.Actor, step string, m message) event.Event {
	return event.Event{Actor: actor, Step: step, Message: m}
}

func TestHelloForBusiness(t *testing.T) {
	wrong := failed(event.Container, "key_release_refused", "0xC0000380", "", "Wrong.")
	for _, c := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"policy", of("P1", did("policy_applied", message{"UsePassportForWork": true, "policy": "policy.staff", "MinimumPINLength": float64(6), "Digits": "allow"})),
			`5003 Information PolicyEnabled=true PolicySource=policy.staff MinimumPINLength=6 Digits=allow`},
		{"prerequisites met", of("P1", did("prerequisites", message{"PreReqResult": "WillProvision", "IsDeviceJoined": "YES", "IsUserAzureAD": "YES", "SessionIsNotRemote": "YES"})),
			"3054 Information\n8200 Information\n8201 Information\n8210 Information\n8054 Information"},
		{"prerequisites not met", of("P4", did("prerequisites", message{"PreReqResult": "WillNotProvision", "IsDeviceJoined": "YES", "DeviceEligible": "NO", "OnPremTGT": "NO"})),
			"3054 Information\n8200 Information\n7202 Warning\n5205 Information UseCloudTrust=Yes HasCloudTgt=No\n7054 Warning"},
		{"no certificate payload", of("P2", did("prerequisites", message{"PreReqResult": "WillNotProvision", "MdmCertificateReady": "NO"})),
			"3054 Information\n7209 Warning\n7054 Warning"},
		{"provisioning", of("P4", did("cxh_launch", nil), did("container_created", message{"container": "{1}", "storage": "tpm"}),
			did("user_key_bound", message{"key_id": "k", "name": "n"}), did("key_registration", message{"kid": "k", "attestation": true}),
			did("key_id_stored", message{"kid": "k", "entry": "e"}), did("exit", nil), did("pool_refill", message{"key": "p"})),
			`3045 Information
3065 Information
8555 Information Container={1} KeyProvider=hardware
8055 Information Reused=No
8225 Information KeyId=k KeyName=n KeyProvider=hardware
3510 Information KeyId=k Attestation=true
8510 Information KeyId=k ServerResponse=e
8065 Information
8045 Information
8052 Information KeyId=p`},
		{"provisioning fails", of("P1", did("cxh_launch", nil), did("key_registration", nil),
			failed(event.DRS, "key_refused", "AuthorizationError", "no_mfa", "No."),
			failed(event.CXH, "key_not_registered", "0x801C03ED", "", "No."), failed(event.CXH, "provisioning_failed", "0x801C03ED", "", "No.")),
			`3045 Information
3065 Information
3510 Information
7510 Error ExitCode=0x801C03ED ServerErrorCode=AuthorizationError ServerErrorSubcode=no_mfa ServerErrorMessage=No.
7065 Error
7045 Error ExitCode=0x801C03ED ServerErrorCode=AuthorizationError ServerErrorSubcode=no_mfa ServerErrorMessage=No.`},
		{"nothing was offered, so no window closes", of("P1", failed(event.CXH, "provisioning_failed", "prerequisites", "", "No.")), ``},
		{"no storage", of("P1", failed(event.CXH, "key_storage", "0x80090035", "", "No TPM.")), `7225 Error ExitCode=0x80090035 Error=No TPM.`},
		{"signed in", of("A6", did("gesture_provided", message{"credential": "face"}), did("key_released", message{"gesture": "face", "kid": "k"}), did("logon_session", nil)),
			"5002 Information GestureType=face\n8002 Information KeyId=k\n5001 Information CredentialType=face"},
		{"two factors", of("A1", did("unlock_factors", message{"presented": "face,pin", "group_a": "face", "group_b": "pin"})),
			`8520 Information Factors=face,pin GroupA=face GroupB=pin`},
		{"a factor missing", of("A1", failed(event.CredentialProvider, "unlock_factors", "unlock_factor_missing", "", "Missing.")), `7520 Error`},
		{"wrong PIN", of("A1", did("gesture_provided", message{"credential": "pin"}), wrong, failed(event.Winlogon, "sign_in_failed", "0xC0000380", "", "Wrong.")),
			`5002 Information GestureType=pin
7002 Error ExitCode=0xC0000380 Error=Wrong.
7001 Error CredentialType=pin ExitCode=0xC0000380 Error=Wrong.`},
		{"the tenant refuses", of("A1", did("gesture_provided", message{"credential": "pin"}), did("key_released", message{"gesture": "pin", "kid": "k"}),
			failed(event.EntraID, "key_refused", "AADSTS130004", "", "No key."),
			failed(event.CloudAP, "sign_in_failed", "AADSTS130004", "", "No key."), failed(event.Winlogon, "sign_in_failed", "AADSTS130004", "", "No key.")),
			`5002 Information GestureType=pin
8002 Information KeyId=k
7001 Error CredentialType=pin ServerErrorCode=AADSTS130004 ServerErrorMessage=No key.`},
		{"the domain refuses", of("A5", did("gesture_provided", message{"credential": "pin"}), did("key_released", message{"gesture": "pin", "kid": "k"}),
			failed(event.KDC, "tgs_req", "20", "", "Denied."), failed(event.Kerberos, "domain_sign_in_refused", "0xC000006D", "STATUS_LOGON_FAILURE", "Denied.")),
			`5002 Information GestureType=pin
8002 Information KeyId=k
7001 Error CredentialType=pin ExitCode=0xC000006D Error=Denied.`},
		{"a cached logon in the domain's place", of("A5", did("gesture_provided", message{"credential": "pin"}), did("key_released", message{"gesture": "pin", "kid": "k"}),
			failed(event.Kerberos, "domain_sign_in_refused", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Away."), did("cached_logon", nil), did("logon_session", nil)),
			"5002 Information GestureType=pin\n8002 Information KeyId=k\n5001 Information CredentialType=pin"},
		{"no cached logon either", of("A5", did("gesture_provided", message{"credential": "pin"}), did("key_released", message{"gesture": "pin", "kid": "k"}),
			failed(event.Kerberos, "domain_sign_in_refused", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Away."), failed(event.LSASS, "cached_logon_refused", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "None.")),
			"5002 Information GestureType=pin\n8002 Information KeyId=k\n7001 Error CredentialType=pin ExitCode=0xC000005E Error=None."},
		{"the tenant is out of reach, and nothing is kept", of("A1", did("gesture_provided", message{"credential": "face"}), did("key_released", message{"gesture": "face", "kid": "k"}),
			failed(event.CloudAP, "nonce_missing", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Away."), failed(event.CloudAP, "cached_sign_in_refused", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Away.")),
			"5002 Information GestureType=face\n8002 Information KeyId=k\n7001 Error CredentialType=face ExitCode=0xC000005E Error=Away."},
		{"the gesture's ticket has ended", of("A1", did("gesture_provided", message{"credential": "pin"}), did("key_released", message{"gesture": "pin", "kid": "k"}),
			did("connect_retry", nil), failed(event.CloudAP, "nonce_missing", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Silent."), failed(event.Container, "sign_in_failed", "0xC000005E", "STATUS_NO_LOGON_SERVERS", "Late.")),
			"5002 Information GestureType=pin\n8002 Information KeyId=k\n7001 Error CredentialType=pin ExitCode=0xC000005E Error=Late."},
		{"a PIN is changed", of("pin", did("pin_change_asked", nil), did("key_released", message{"container": "{1}"}), did("pin_changed", message{"container": "{1}"})),
			"8002 Information\n8640 Information Container={1}"},
		{"a PIN is not changed", of("pin", wrong, failed(event.Winlogon, "pin_not_changed", "0xC0000380", "", "Wrong.")), "7002 Error ExitCode=0xC0000380 Error=Wrong."},
		{"a PIN that is too old", of("A1", did("gesture_provided", message{"credential": "pin"}), did("pin_change_prompt", nil), failed(event.User, "pin_not_changed", "change_pin_prompt", "", "Old.")),
			"5002 Information GestureType=pin\n7001 Error CredentialType=pin Reason=change_pin_prompt Error=Old."},
		{"PIN recovery", of("pin", did("pin_reset_request", nil), did("administrative_release", nil), did("pin_reset_key_request", nil), did("administrative_key_created", message{"id": "{2}"}),
			did("pin_reset", message{"container": "{1}", "user_keys": 1})),
			"3130 Information\n3060 Information\n8060 Information KeyId={2}\n8130 Information Container={1}"},
		{"PIN recovery is refused", of("pin", did("pin_reset_request", nil), failed(event.DRS, "pin_reset_refused", "AuthorizationError", "mfa_not_current", "Old."),
			failed(event.CXH, "pin_reset_refused", "0x801C03ED", "", "Old.")),
			"3130 Information\n7130 Error ExitCode=0x801C03ED ServerErrorCode=AuthorizationError ServerErrorSubcode=mfa_not_current ServerErrorMessage=Old."},
		{"a reset that makes all anew", of("P1", did("pin_reset", message{"container": "{1}"})), ``},
		{"a password is not its business", of("A1", did("gesture_provided", message{"credential": "password"}),
			failed(event.CloudAP, "sign_in_failed", "AADSTS50126", "", "Wrong.")), ``},
		{"a password that signs in", of("A1", did("gesture_provided", message{"credential": "password"}), did("logon_session", nil)), ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, lines(t, eventlog.Records(c.events, device, eventlog.HelloForBusiness))); d != "" {
				t.Error(d)
			}
		})
	}
}

// The numbers that the log gives to prerequisites are those of package hello,
// for every route that asks.
func TestPrerequisitesHaveTheNumbersOfHello(t *testing.T) {
	policy := hello.InForce{UsePassportForWork: hello.Setting[bool]{Value: true}, RequireSecurityDevice: hello.Setting[bool]{Value: true}}
	all := hello.Facts{Joined: true, WorkAccount: true, PRT: true, TPM: true, EnterprisePRT: true, RegistrationAuthority: true, Template: true, MDMCertificate: true, CloudTGT: true}
	compared := map[string]bool{}
	for _, route := range []hello.Route{
		{Shape: hello.Shape{Join: hello.EntraJoined}}, {Shape: hello.Shape{Join: hello.Registered}},
		{Shape: hello.Shape{Join: hello.HybridJoined, Trust: hello.CertTrust}},
		{Shape: hello.Shape{Join: hello.EntraJoined, Trust: hello.CertTrust, Delivery: hello.MDMDelivery}},
		{Shape: hello.Shape{Join: hello.HybridJoined, Trust: hello.CloudKerberos}},
	} {
		for _, facts := range []hello.Facts{all, {Remote: true}} {
			launch := hello.Prerequisites(route, policy, facts)
			m := message{"PreReqResult": "WillNotProvision"}
			if launch.WillProvision {
				m["PreReqResult"] = "WillProvision"
			}
			want := map[int]bool{3054: true, launch.Event: true}
			for _, c := range launch.Checks {
				m[c.Name] = map[bool]string{true: "YES", false: "NO"}[c.OK]
				if c.Event != 0 {
					want[c.Event], compared[c.Name] = true, true
				}
			}
			got := map[int]bool{}
			for _, r := range eventlog.Records(of("P1", did("prerequisites", m)), device, eventlog.HelloForBusiness) {
				got[r.ID] = true
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%+v: %s", route, d)
			}
		}
	}
	if len(compared) < 11 {
		t.Errorf("only %v were compared", compared)
	}
}

func TestAAD(t *testing.T) {
	refused := failed(event.EntraID, "token_refused", "AADSTS50126", "InvalidUserNameOrPassword", "Wrong.")
	for _, c := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"acquired with a key", of("A1", by(event.CloudAP, "nonce_request", nil), by(event.CloudAP, "nonce_signed", message{"iss": "alice@contoso.com"}),
			by(event.CloudAP, "prt_request", nil), by(event.LSASS, "prt_cached", nil)),
			"Analytic 1006 Information\nAnalytic 1144 Information UPN=alice@contoso.com\nAnalytic 1007 Information Status=0x0"},
		{"password refused", of("P1", by(event.User, "first_factor", message{"user": "alice@contoso.com"}), by(event.CloudAP, "nonce_request", nil), refused,
			failed(event.CloudAP, "sign_in_failed", "AADSTS50126", "", "Wrong."), failed(event.Winlogon, "sign_in_failed", "AADSTS50126", "", "Wrong.")),
			`Analytic 1006 Information
Analytic 1144 Information UPN=alice@contoso.com
1081 Error ServerErrorCode=AADSTS50126 ServerErrorSubcode=InvalidUserNameOrPassword ServerErrorMessage=Wrong.
Analytic 1007 Information Status=0xC000006D Error=Wrong.`},
		{"the tenant is not there", of("A6", by(event.CloudAP, "nonce_request", nil), failed(event.CloudAP, "nonce_missing", "0xC000005E", "", "No way.")),
			`Analytic 1006 Information
1084 Error SubErrorCode=0xC000005E Error=No way.
Analytic 1007 Information Status=0xC00000C4 Error=No way.`},
		{"the key does not sign", of("A1", by(event.CloudAP, "nonce_request", nil), failed(event.TPM, "nonce_not_signed", "0x80280921", "", "Locked.")),
			"Analytic 1006 Information\nAnalytic 1007 Information Status=0x80280921 Error=Locked."},
		{"renewed", of("A1", by(event.CloudAP, "prt_renewal", nil), by(event.CloudAP, "nonce_request", nil), by(event.LSASS, "prt_cached", nil)),
			"Analytic 1006 Information\nAnalytic 1007 Information Status=0x0"},
		{"not renewed", of("A1", by(event.CloudAP, "prt_renewal", nil), by(event.CloudAP, "nonce_request", nil),
			failed(event.EntraID, "token_refused", "AADSTS50155", "DeviceAuthenticationFailed", "Disabled."),
			failed(event.CloudAP, "prt_not_renewed", "AADSTS50155", "", "Disabled.")),
			`Analytic 1006 Information
1081 Error ServerErrorCode=AADSTS50155 ServerErrorSubcode=DeviceAuthenticationFailed ServerErrorMessage=Disabled.
Analytic 1007 Information Status=0xC000006D Error=Disabled.`},
		{"an application needs the second factor", of("APP", by(event.WAM, "app_token_request", nil), by(event.CloudAP, "nonce_request", nil),
			failed(event.EntraID, "token_refused", "AADSTS50076", "", "More."), by(event.WAM, "app_token", nil)),
			`1098 Error Error=0xCAA2000C ServerErrorCode=AADSTS50076 ServerErrorMessage=More.`},
		{"no token for the registration service", of("P1", by(event.WAM, "drs_token_request", nil), by(event.CloudAP, "nonce_request", nil),
			failed(event.EntraID, "token_refused", "AADSTS50057", "", "Disabled."), failed(event.WAM, "drs_token_missing", "AADSTS50057", "", "Disabled.")),
			`1098 Error Error=0xCAA20003 ServerErrorCode=AADSTS50057 ServerErrorMessage=Disabled.`},
		{"no token, and nobody said no", of("P1", by(event.WAM, "drs_token_request", nil), failed(event.WAM, "drs_token_missing", "cancelled", "", "Closed.")),
			`1098 Error Reason=cancelled Error=Closed.`},
		{"the container is of another log", of("A1", failed(event.Container, "key_release_refused", "0xC0000380", "", "Wrong."),
			failed(event.Winlogon, "sign_in_failed", "0xC0000380", "", "Wrong.")), ``},
		{"registration is of another log", of("DR", did("discover", nil), refused, failed(event.Device, "registration_failed", "AADSTS50126", "", "Wrong.")), ``},
		{"a refusal without a reason", of("A1", by(event.CloudAP, "nonce_request", nil), event.Event{Actor: event.EntraID, Step: "x", Outcome: event.Refused},
			event.Event{Actor: event.CloudAP, Step: "sign_in_failed", Outcome: event.Refused}),
			"Analytic 1006 Information\nAnalytic 1007 Information Status=0xC000006D"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, lines(t, eventlog.Records(c.events, device, eventlog.AAD, eventlog.AADAnalytic))); d != "" {
				t.Error(d)
			}
		})
	}
}
