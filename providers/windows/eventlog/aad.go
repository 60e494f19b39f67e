package eventlog

import (
	"strings"

	"hellolab/providers/event"
)

// The AAD log, of which Cloud AP's plug-in and Web Account Manager's write.
// Errors go to its Operational channel, the rest to the Analytic one. What leads
// to which entry:
//
//	step                              entry
//	nonce_request, prt_renewal        1006  a primary refresh token is asked for
//	nonce_signed, first_factor        1144  with the user's name
//	a refusal of the tenant           1081  the tenant's error code and sentence
//	no answer of the tenant           1084  how the network failed
//	prt_cached, enterprise_prt_cached 1007  the token is there
//	sign_in_failed, prt_not_renewed … 1007  the token is not, with the final status
//	a refusal of a token for an
//	application or a service          1098  the broker's code and the tenant's
//
// 1006 and 1007 stand around everything that belongs to one acquisition. The
// final status of what a tenant refused is STATUS_LOGON_FAILURE, as Microsoft's
// page has it. Tokens for applications that are issued leave nothing: the
// numbers of those entries are in no document.

// aadRun is what a run of a flow said that the log's entries need.
type aadRun struct {
	upn       string // of whom the tenant is to know
	acquiring bool   // between 1006 and 1007
	token     bool   // a token for an application or a service is asked for
	told      bool   // the tenant's refusal is logged
}

// Statuses and the broker's codes.
const (
	statusLogonFailure = "0xC000006D"
	statusNoNetwork    = "0xC00000C4" // STATUS_UNEXPECTED_NETWORK_ERROR

	brokerInteraction = "0xCAA2000C" // the request requires user interaction
	brokerGrant       = "0xCAA20003" // the authorization grant failed
)

// aad logs what e leaves in the AAD log.
func (r *run) aad(e event.Event, log logging) {
	note := func(id int, message string, data Data) { log(AADAnalytic, id, Information, message, data) }
	if e.Outcome == event.Refused && e.Actor == event.EntraID {
		r.aadRefusal(e, log)
		return
	}
	failed := e.Outcome == event.Refused || e.Outcome == event.Failed
	switch e.Step {
	case "first_factor":
		r.upn = text(e, "user")
	case "token_request", "drs_token_request", "app_token_request":
		r.token, r.told = true, false
	case "drs_token", "app_token":
		r.token = false
	case "drs_token_missing", "app_token_refused":
		if !r.told {
			log(AAD, 1098, Error, "The token broker's operation failed.", r.failure(e))
		}
		r.token = false
	case "prt_renewal":
		r.begin(note)
	case "nonce_request":
		if !r.token && !r.acquiring {
			r.begin(note)
		}
	case "nonce_signed":
		if upn := text(e, "iss"); r.acquiring && r.upn == "" {
			r.upn = upn
			r.named1144(note)
		}
	case "prt_cached", "enterprise_prt_cached":
		if r.acquiring {
			note(1007, "The primary refresh token is there.", Data{{"Status", "0x0"}})
			r.acquiring = false
		}
	case "sign_in_failed", "enterprise_prt_missing", "prt_not_renewed", "nonce_missing", "nonce_not_signed", "session_key_refused":
		if r.acquiring && failed {
			r.end(e, log)
		}
	}
}

// begin opens an acquisition.
func (r *run) begin(note func(int, string, Data)) {
	r.acquiring, r.told = true, false
	note(1006, "A primary refresh token is asked for.", nil)
	r.named1144(note)
}

func (r *run) named1144(note func(int, string, Data)) {
	if r.upn != "" {
		note(1144, "The user's name is known.", Data{{"UPN", r.upn}})
	}
}

// aadRefusal is what the tenant's own word leaves.
func (r *run) aadRefusal(e event.Event, log logging) {
	if e.Reason == nil || !strings.HasPrefix(e.Reason.Code, "AADSTS") {
		return
	}
	server := Data{{"ServerErrorCode", e.Reason.Code}}
	if e.Reason.Name != "" {
		server = append(server, Field{"ServerErrorSubcode", e.Reason.Name})
	}
	server = append(server, Field{"ServerErrorMessage", e.Reason.Sentence})
	switch {
	case r.token:
		r.told = true
		log(AAD, 1098, Error, "The token broker's operation failed.", append(Data{{"Error", brokerCode(e.Reason.Code)}}, server...))
	case r.acquiring:
		r.told = true
		log(AAD, 1081, Error, "The tenant refused the primary refresh token.", server)
	}
}

// brokerCode is what Web Account Manager makes of a tenant's code: a demand for
// the user, or a refusal.
func brokerCode(code string) string {
	switch code {
	case "AADSTS50072", "AADSTS50074", "AADSTS50076", "AADSTS50079", "AADSTS50158":
		return brokerInteraction
	}
	return brokerGrant
}

// end closes an acquisition that brought nothing.
func (r *run) end(e event.Event, log logging) {
	r.acquiring = false
	own := e.Reason
	if own == nil {
		own = &event.Reason{}
	}
	status := statusLogonFailure
	if strings.HasPrefix(own.Code, "0x") {
		status = own.Code
	}
	if !r.told && !strings.HasPrefix(own.Code, "AADSTS") && status != statusLogonFailure && unanswered(own.Code) {
		log(AAD, 1084, Error, "The tenant could not be reached.", Data{{"SubErrorCode", own.Code}, {"Error", own.Sentence}})
		status = statusNoNetwork
	}
	data := Data{{"Status", status}}
	if own.Sentence != "" {
		data = append(data, Field{"Error", own.Sentence})
	}
	log(AADAnalytic, 1007, Information, "The primary refresh token is not there.", data)
}

// unanswered says whether a code is that of a network which did not carry the
// request: no server, or none whose certificate is trusted.
func unanswered(code string) bool { return code == "0xC000005E" || code == "0x80072F8F" }
