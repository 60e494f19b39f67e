package member

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"hellolab/providers/event"
	"hellolab/providers/wire/gss"
	"hellolab/providers/wire/krb"
	"hellolab/providers/wire/ntlm/passthrough"
	"hellolab/providers/wire/web"
)

// refusal is why somebody was not let in. Nothing that came with the request is
// in its sentences.
type refusal struct {
	status   int
	code     string // the protocol's number, or a snake_case name of ours
	name     string // of the number
	sentence string
	hint     string
	public   *refusal // what the client hears, when it is less
}

func (r *refusal) Error() string { return r.code + ": " + r.sentence }

// unauthorized is one that another sign-in may heal.
func unauthorized(code, sentence, hint string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: code, sentence: sentence, hint: hint}
}

// ofKerberos makes an error of an exchange a refusal.
func ofKerberos(err error) error {
	var k *krb.Error
	switch {
	case errors.As(err, &k):
		r := &refusal{status: http.StatusUnauthorized, code: strconv.Itoa(int(k.Code)), name: k.Code.Name(), sentence: k.Sentence, hint: k.Hint}
		if k.Code == krb.ErrBadIntegrity && r.hint == "" {
			r.hint = "Check which account has the service principal name, and that nobody reset the password of the service's computer account."
		}
		return r
	case errors.Is(err, gss.ErrMechanism):
		return unauthorized("mechanism", "The client offers no Kerberos.", "Get a ticket for the service; it takes no NTLM.")
	case errors.Is(err, gss.ErrDefective), errors.Is(err, gss.ErrState), errors.Is(err, gss.ErrBindings), errors.Is(err, gss.ErrIntegrity):
		return unauthorized("token_malformed", "The client's token is none of Kerberos.", "")
	}
	return err
}

// ofStatus makes what the domain answered a refusal. The client does not hear
// whether the name or the password is wrong.
func ofStatus(s passthrough.Status) *refusal {
	say := func(s passthrough.Status) *refusal {
		return &refusal{status: http.StatusUnauthorized, code: s.String(), name: s.Name(), sentence: s.Sentence(), hint: s.Hint()}
	}
	r := say(s)
	if public := s.ForClient(); public != s {
		r.public = say(public)
	}
	return r
}

// reply is the body of a refusal.
type reply struct {
	Code          string `json:"code"`
	Name          string `json:"name,omitempty"`
	Description   string `json:"error_description"`
	CorrelationID string `json:"correlation_id"`
}

// refuse tells of a refusal and answers it. What is none is logged, and says
// nothing outside.
func (s *server) refuse(ctx context.Context, w http.ResponseWriter, who *visitor, err error) {
	var r *refusal
	outcome := event.Refused
	if !errors.As(err, &r) {
		s.log.ErrorContext(ctx, "service failed", "error", err, "correlation", web.Correlation(ctx))
		r = &refusal{status: http.StatusInternalServerError, code: "internal", sentence: "The service could not complete the request.", hint: "Read the log."}
	}
	if r.status >= http.StatusInternalServerError {
		outcome = event.Failed
	}
	e := event.Event{At: s.env.Now(), Correlation: web.Correlation(ctx), Actor: event.Service, Protocol: "HTTP", Step: "access_refused", Text: r.sentence,
		Outcome: outcome, Reason: &event.Reason{Code: r.code, Name: r.name, Sentence: r.sentence, Hint: r.hint}, Message: map[string]any{"service": s.out.SPN}}
	if who != nil {
		e.Message["user"], e.Message["sid"] = who.User, who.SIDText
	}
	s.env.Emit.Emit(e)
	if r.public != nil {
		r = r.public
	}
	web.WriteJSON(w, r.status, reply{Code: r.code, Name: r.name, Description: r.sentence, CorrelationID: web.Correlation(ctx)})
}
