package eventlog

import (
	"fmt"
	"slices"
	"strings"

	"hellolab/providers/event"
	"hellolab/providers/hello"
)

// Records returns what a device logged in some channels, or in all where none is
// named, oldest first. events are recorded ones in the order they happened, of
// any devices and flows; device is an address.
func Records(events []event.Event, device string, channels ...Channel) []Record {
	runs := map[string]*run{}
	var all []Record
	for _, e := range events {
		if e.Device != device || e.Correlation == "" {
			continue
		}
		r := runs[e.Correlation]
		if r == nil {
			r = &run{}
			runs[e.Correlation] = r
		}
		r.note(e)
		log := func(c Channel, id int, level Level, message string, data Data) {
			if len(channels) > 0 && !slices.Contains(channels, c) {
				return
			}
			all = append(all, Record{At: e.At, Channel: c, Path: c.Path(), ID: id, Level: level, Message: message, Data: data,
				Device: e.Device, User: e.User, Correlation: e.Correlation})
		}
		if id, level, message, data := r.entry(e); id != 0 {
			log(UserDeviceRegistration, id, level, message, data)
		}
		r.hello(e, log)
		r.aad(e, log)
	}
	return all
}

// logging writes an entry of a channel.
type logging func(c Channel, id int, level Level, message string, data Data)

// run is one run of a flow, as far as it was read.
type run struct {
	stage    stage
	refusal  *event.Reason // of the service that was asked last, until the flow goes on
	key      string        // name of the user key
	attested bool          // an attestation went out with it
	asked    bool          // the key went out to the service

	helloRun // what the HelloForBusiness log needs
	aadRun   // what the AAD log needs
}

// stage is how far flow DR came; its documents draw no lettered phases.
type stage int

const (
	joining stage = iota
	discovering
	signingIn
	joined
)

// note keeps what entries further on need to know of e.
func (r *run) note(e event.Event) {
	switch {
	case e.Outcome == event.Done:
		r.refusal = nil
	case e.Outcome == event.Refused && isService(e.Actor):
		r.refusal = e.Reason
	}
	switch e.Step {
	case "discover":
		r.stage = discovering
	case "oobe_sign_in", "account_sign_in", "computer_sign_in", "computer_token_request":
		r.stage = signingIn
	case "discovered", "registration_token":
		r.stage = joining
	case "registered":
		r.stage = joined
	case "user_key_bound":
		r.key = text(e, "name")
	case "key_registration":
		r.asked, r.attested = true, e.Message["attestation"] == true
	}
}

func isService(a event.Actor) bool {
	switch a {
	case event.EntraID, event.DRS, event.MFA, event.ThirdPartyMFA, event.STS, event.EnterpriseDRS, event.MFAAdapter, event.IdentityProvider:
		return true
	}
	return false
}

// entry is what e leaves in the log; id is 0 when that is nothing.
func (r *run) entry(e event.Event) (id int, level Level, message string, data Data) {
	switch e.Step {
	case "prerequisites":
		return launch(e)
	case "certificate_installed":
		if e.Outcome == event.Done {
			return 355, Information, "The sign-in certificate is enrolled.", fields(e, "Thumbprint", "thumbprint", "Subject", "subject", "Method", "delivery")
		}
	case "certificate_not_enrolled":
		return 356, Error, "The sign-in certificate could not be enrolled.", r.failure(e)
	case "certificate_retry":
		return 365, Warning, "The sign-in certificate could not be enrolled; the device tries again.", r.failure(e)
	case "administrative_release":
		return 383, Information, "PIN recovery opened the Hello container.", fields(e, "Container", "container")
	case "pin_reset_refused":
		if e.Actor != event.DRS { // which has told the device
			return 384, Error, "PIN recovery failed.", r.failure(e)
		}
	}
	switch hello.Flow(e.Flow) {
	case hello.DR:
		return r.registration(e)
	case hello.P1, hello.P2, hello.P3, hello.P4, hello.P5, hello.P6, hello.P7, hello.P8:
		return r.provisioning(e)
	}
	return 0, "", "", nil
}

// registration is flow DR.
func (r *run) registration(e event.Event) (int, Level, string, Data) {
	switch e.Step {
	case "discovered":
		return 101, Information, "The registration service told where devices register.",
			fields(e, "JoinEndpoint", "join_endpoint", "Resource", "resource")
	case "join_request":
		return 102, Information, "The join request is made.",
			fields(e, "JoinRequest", "join_type", "DeviceDisplayName", "display_name", "OSVersion", "os_version")
	case "join_reply":
		return 105, Information, "The reply to the join request is taken.", fields(e, "DeviceId", "device_id", "Thumbprint", "thumbprint")
	case "registered":
		return 306, Information, "The device is registered.",
			fields(e, "DeviceId", "DeviceId", "Thumbprint", "Thumbprint", "TenantId", "TenantId", "KeyProvider", "KeyProvider")
	case "registration_failed":
		data := r.failure(e)
		switch r.stage {
		case discovering:
			return 309, Error, "The registration service could not be discovered.", data
		case signingIn:
			return 305, Error, "Registration failed at the authentication phase: there is no access token.", data
		case joined:
			return 206, Error, "The device is registered, and what comes after it failed.", data
		default:
			return 304, Error, "Registration failed at the join phase.", data
		}
	}
	return 0, "", "", nil
}

// provisioning is a flow that provisions. The pool's own attestations are no entries: nobody
// registers that key yet.
func (r *run) provisioning(e event.Event) (int, Level, string, Data) {
	switch e.Step {
	case "token_request":
		return 323, Information, "Web Account Manager is asked for a token to the registration service.",
			fields(e, "ClientID", "client_id", "Resource", "resource")
	case "drs_token":
		return 325, Information, "Web Account Manager has the token.", nil
	case "drs_token_missing":
		return 324, Error, "Web Account Manager has no token.", r.failure(e)
	case "container_created":
		return 108, Information, "The Hello container is made.", fields(e, "Container", "container", "KeyStorage", "storage")
	case "user_key_bound":
		return 109, Information, "The user's Hello key is made.", fields(e, "KeyId", "key_id", "KeyName", "name")
	case "attestation":
		if e.Outcome == event.Done && e.Peer == event.CXH {
			return 386, Information, "The Hello key is attested.", r.named()
		}
	case "key_id_stored":
		return 300, Information, "The Hello key is registered.", append(
			fields(e, "KeyId", "kid", "UPN", "upn"),
			Field{"Attestation", yes(r.attested)}, Field{"ClientRequestId", e.Correlation}, Field{"ServerResponse", text(e, "entry")})
	case "key_not_registered":
		if !r.asked {
			return 385, Error, "The Hello key could not be attested.", append(r.named(), r.failure(e)...)
		}
		return 301, Error, "The Hello key could not be registered.", append(r.failure(e), Field{"ClientRequestId", e.Correlation})
	}
	return 0, "", "", nil
}

func (r *run) named() Data { return Data{{"KeyName", r.key}} }

// failure is how a step failed: what Windows itself reports of it, and, when a
// service said no, what that service said. A code that is no HRESULT or
// NTSTATUS is the lab's own, and no exit code of Windows.
func (r *run) failure(e event.Event) (d Data) {
	own := e.Reason
	if own == nil {
		return nil
	}
	server := r.refusal
	switch {
	case strings.HasPrefix(own.Code, "0x"):
		d = append(d, Field{"ExitCode", own.Code})
	case strings.HasPrefix(own.Code, "AADSTS"): // a tenant's, as its page showed it
		if server == nil {
			server = own
		}
	case own.Code != "":
		d = append(d, Field{"Reason", own.Code})
	}
	if server == nil {
		return append(d, Field{"Error", own.Sentence})
	}
	d = append(d, Field{"ServerErrorCode", server.Code})
	if server.Name != "" {
		d = append(d, Field{"ServerErrorSubcode", server.Name})
	}
	return append(d, Field{"ServerErrorMessage", server.Sentence})
}

// launchLines are the lines of 358 to 362, by the prerequisite that each tells
// of. Windows calls the one of Remote Desktop UserIsRemote and writes Yes for a
// user who is not; the name here says what is meant. Prerequisites of the
// HelloForBusiness log alone have no line.
var launchLines = []struct{ field, check string }{
	{"DeviceIsJoined", "IsDeviceJoined"},
	{"AADPrt", "IsUserAzureAD"},
	{"AADPrt", "WorkplaceJoined"}, // of a personal device
	{"NgcPolicyEnabled", "PolicyEnabled"},
	{"NgcPostLogonProvisioningEnabled", "PostLogonEnabled"},
	{"NgcHardwarePolicyMet", "DeviceEligible"},
	{"UserIsNotRemote", "SessionIsNotRemote"},
	{"MdmCertificateReady", "MdmCertificateReady"},
	{"AdfsRaIsReady", "AdfsRaIsReady"},
	{"LogonCertTemplateReady", "LogonCertTemplateReady"},
	{"AdfsRefreshToken", "AdfsRefreshToken"},
}

// launch is Windows' look whether to offer Hello, after a sign-in.
func launch(e event.Event) (int, Level, string, Data) {
	var d Data
	for _, l := range launchLines {
		switch e.Message[l.check] {
		case "YES":
			d = append(d, Field{l.field, yes(true)})
		case "NO":
			d = append(d, Field{l.field, yes(false)})
		}
	}
	id := number(e.Message["event"])
	if e.Message["PreReqResult"] == "WillProvision" {
		return id, Information, "Windows Hello for Business provisioning will be launched.", d
	}
	return id, Warning, "Windows Hello for Business provisioning will not be launched.", d
}

// fields takes members of e's message, given as pairs of an entry's field and
// the member that it comes from. A member that e has not is left out.
func fields(e event.Event, pairs ...string) (d Data) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if _, ok := e.Message[pairs[i+1]]; ok {
			d = append(d, Field{pairs[i], text(e, pairs[i+1])})
		}
	}
	return d
}

func text(e event.Event, member string) string {
	switch v := e.Message[member].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// number reads a number that came by the journal, or did not.
func number(v any) int {
	switch n := v.(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 0
}

func yes(ok bool) string {
	if ok {
		return "Yes"
	}
	return "No"
}
