package eventlog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hellolab/providers/event"
	"hellolab/providers/windows/eventlog"
)

type message = map[string]any

const device = "device.laptop"

// of is the steps of one run of a flow, a second apart.
func of(flow string, events ...event.Event) []event.Event {
	for i := range events {
		e := &events[i]
		e.At, e.Flow, e.Correlation, e.Device, e.User = time.Unix(int64(i), 0), flow, "c-"+flow, device, "user.alice"
	}
	return events
}

func did(step string, m message) event.Event {
	return event.Event{Actor: event.Device, Step: step, Message: m}
}

func failed(actor event.Actor, step, code, name, sentence string) event.Event {
	return event.Event{Actor: actor, Step: step, Outcome: event.Refused, Reason: &event.Reason{Code: code, Name: name, Sentence: sentence}}
}

// TestEntries shows what each step leaves; what the flows really do is tested
// in package all, and on the command line.
func TestEntries(t *testing.T) {
	quota := failed(event.DRS, "registration_refused", "AuthorizationError", "device_quota", "Too many.")
	for _, c := range []struct {
		name   string
		events []event.Event
		want   string // "306 Information Name=Value ..." a line
	}{
		{"join", of("DR",
			did("discover", nil), did("discovered", message{"join_endpoint": "https://drs/", "resource": "urn:drs"}),
			did("oobe_sign_in", nil), did("registration_token", message{"upn": "alice@contoso.com"}),
			did("join_request", message{"join_type": 0, "display_name": "laptop", "os_version": "10.0", "device_key": "00"}),
			did("join_reply", message{"device_id": "d", "thumbprint": "T"}),
			did("registered", message{"DeviceId": "d", "TenantId": "t", "WorkplaceJoined": "NO"})),
			`101 Information JoinEndpoint=https://drs/ Resource=urn:drs
102 Information JoinRequest=0 DeviceDisplayName=laptop OSVersion=10.0
105 Information DeviceId=d Thumbprint=T
306 Information DeviceId=d TenantId=t`},
		{"join refused", of("DR", did("discovered", nil), did("registration_token", nil), did("join_request", nil), quota,
			failed(event.Device, "registration_failed", "0x801C000E", "device_quota", "Too many.")),
			`101 Information
102 Information
304 Error ExitCode=0x801C000E ServerErrorCode=AuthorizationError ServerErrorSubcode=device_quota ServerErrorMessage=Too many.`},
		{"what a service said before the flow went on is not why it failed", of("DR", did("registration_token", nil), quota, did("aik_request", nil),
			failed(event.Device, "registration_failed", "internal_error", "", "It broke.")),
			`304 Error Reason=internal_error Error=It broke.`},
		{"no discovery", of("DR", did("discover", nil), failed(event.Device, "registration_failed", "0xC000005E", "", "No way.")),
			`309 Error ExitCode=0xC000005E Error=No way.`},
		{"sign-in refused", of("DR", did("discovered", nil), did("oobe_sign_in", nil), did("password_typed", nil),
			failed(event.EntraID, "first_factor_refused", "AADSTS50126", "InvalidUserNameOrPassword", "Wrong."),
			failed(event.Device, "registration_failed", "AADSTS50126", "", "Wrong.")),
			`101 Information
305 Error ServerErrorCode=AADSTS50126 ServerErrorSubcode=InvalidUserNameOrPassword ServerErrorMessage=Wrong.`},
		{"the token of a work account", of("DR", did("registered", nil), failed(event.Device, "registration_failed", "AADSTS70008", "", "Over.")),
			`306 Information
206 Error ServerErrorCode=AADSTS70008 ServerErrorMessage=Over.`},
		{"PIN recovery", of("pin", did("pin_reset_request", nil), did("administrative_release", message{"container": "{1}"}), did("pin_reset", nil)),
			`383 Information Container={1}`},
		{"PIN recovery refused", of("pin", failed(event.DRS, "pin_reset_refused", "InvalidParameter", "pin_reset_key", "Not mine."),
			failed(event.CXH, "pin_reset_refused", "pin_reset_refused", "pin_reset_key", "Not mine.")),
			`384 Error Reason=pin_reset_refused ServerErrorCode=InvalidParameter ServerErrorSubcode=pin_reset_key ServerErrorMessage=Not mine.`},
		{"offered", of("P1", did("prerequisites", message{"event": float64(358), "PreReqResult": "WillProvision", "IsDeviceJoined": "YES", "IsUserAzureAD": "YES"})),
			`358 Information DeviceIsJoined=Yes AADPrt=Yes`},
		{"not offered", of("A1", did("prerequisites", message{"event": 360, "PreReqResult": "WillNotProvision",
			"IsDeviceJoined": "YES", "IsUserAzureAD": "YES", "PolicyEnabled": "NO", "PostLogonEnabled": "YES", "DeviceEligible": "NO", "SessionIsNotRemote": "YES", "OnPremTGT": "NO"})),
			`360 Warning DeviceIsJoined=Yes AADPrt=Yes NgcPolicyEnabled=No NgcPostLogonProvisioningEnabled=Yes NgcHardwarePolicyMet=No UserIsNotRemote=Yes`},
		{"not offered for want of a certificate", of("P2", did("prerequisites", message{"event": 362, "PreReqResult": "WillNotProvision", "AdfsRaIsReady": "NO"})),
			`362 Warning AdfsRaIsReady=No`},
		{"key", of("P1",
			did("token_request", message{"resource": "urn:drs", "client_id": "app"}), did("drs_token", message{"upn": "a@c"}),
			did("container_created", message{"container": "{1}", "storage": "tpm", "protectors": 1}), did("user_key_bound", message{"key_id": "k", "name": "n"}),
			event.Event{Actor: event.TPM, Peer: event.CXH, Step: "attestation"}, did("key_registration", message{"attestation": true}),
			did("key_id_stored", message{"kid": "k", "entry": "e", "upn": "a@c"}), event.Event{Actor: event.TPM, Peer: event.KeyPool, Step: "attestation"}),
			`323 Information ClientID=app Resource=urn:drs
325 Information
108 Information Container={1} KeyStorage=tpm
109 Information KeyId=k KeyName=n
386 Information KeyName=n
300 Information KeyId=k UPN=a@c Attestation=Yes ClientRequestId=c-P1 ServerResponse=e`},
		{"no token", of("P1", failed(event.MFA, "mfa_failed", "AADSTS500121", "Denied", "Denied."), failed(event.WAM, "drs_token_missing", "AADSTS500121", "", "Refused: denied.")),
			`324 Error ServerErrorCode=AADSTS500121 ServerErrorSubcode=Denied ServerErrorMessage=Denied.`},
		{"key refused", of("P1", event.Event{Actor: event.Container, Peer: event.CXH, Step: "attestation", Outcome: event.Skipped}, did("key_registration", message{"attestation": false}),
			failed(event.DRS, "key_refused", "AuthorizationError", "attestation_missing", "No proof."), failed(event.CXH, "key_not_registered", "0x801C03EE", "attestation_missing", "No proof.")),
			`301 Error ExitCode=0x801C03EE ServerErrorCode=AuthorizationError ServerErrorSubcode=attestation_missing ServerErrorMessage=No proof. ClientRequestId=c-P1`},
		{"key not attested", of("P1", did("user_key_bound", message{"name": "n"}), failed(event.CXH, "key_not_registered", "0x80090029", "", "The TPM is gone.")),
			`109 Information KeyName=n
385 Error KeyName=n ExitCode=0x80090029 Error=The TPM is gone.`},
		{"sign-ins are of other logs", of("A1", did("prt_request", nil), failed(event.EntraID, "key_refused", "AADSTS130004", "", "No key."), failed(event.CloudAP, "sign_in_failed", "AADSTS130004", "", "No key.")), ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := did("registered", nil)
			other.Device, other.Correlation, other.Flow = "device.desk", "c-desk", "DR"
			var lines []string
			for _, r := range eventlog.Records(append(c.events, other), device, eventlog.UserDeviceRegistration) {
				line := strings.TrimSpace(strings.Join(append([]string{number(t, r.ID), string(r.Level)}, pairs(r.Data)...), " "))
				lines = append(lines, line)
				if r.Channel != eventlog.UserDeviceRegistration || r.Device != device || r.User != "user.alice" || r.Correlation == "" || r.At.IsZero() || !strings.HasSuffix(r.Message, ".") {
					t.Errorf("%+v", r)
				}
			}
			if d := cmp.Diff(c.want, strings.Join(lines, "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func number(t *testing.T, id int) string {
	t.Helper()
	text, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pairs(d eventlog.Data) (all []string) {
	for _, f := range d {
		all = append(all, f.Name+"="+f.Value)
	}
	return all
}

func TestDataKeepsItsOrder(t *testing.T) {
	for want, d := range map[string]eventlog.Data{
		`{}`:                     nil,
		`{"Z":"1","A":"\u003c"}`: {{"Z", "1"}, {"A", "<"}},
	} {
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	if d := (eventlog.Data{{"Z", "1"}}); d.Get("Z") != "1" || d.Get("A") != "" {
		t.Error("Get")
	}
}
