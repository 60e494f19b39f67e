package application

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/web"
)

// refusalError is why somebody was not let in. The sentence is the
// application's own: nothing that came with the request is in it.
type refusalError struct {
	code     string // snake_case, one for each check
	status   int
	oauth    string // error of RFC 6750 3.1, "" when nothing was presented
	sentence string
	hint     string
	claims   string // what to ask the tenant for, JSON; a claims challenge
}

func (e *refusalError) Error() string { return e.code + ": " + e.sentence }

// Is matches refusals of the same code.
func (e *refusalError) Is(target error) bool {
	t, ok := target.(*refusalError)
	return ok && t.code == e.code
}

// refusal makes one of a token that is not good.
func refusal(code, sentence string) *refusalError {
	return &refusalError{code: code, status: http.StatusUnauthorized, oauth: "invalid_token", sentence: sentence, hint: "Get a token for this application from its tenant."}
}

// errTokenMissing is that of a request that brings none: it gets no error code
// (RFC 6750 3.1), only to know where tokens come from.
var errTokenMissing = &refusalError{code: "token_missing", status: http.StatusUnauthorized, sentence: "The request brings no access token.", hint: "Get a token for this application from its tenant."}

// unavailable is a refusal because the tenant could not be asked: what cannot
// be checked is not let in.
func unavailable(code, sentence string) *refusalError {
	return &refusalError{code: code, status: http.StatusServiceUnavailable, oauth: "temporarily_unavailable", sentence: sentence, hint: "Check that the tenant's login host answers."}
}

// revoked is the refusal of a token that the tenant does not stand behind any
// more. Its claims challenge asks for one that was issued later than now.
func revoked(code oauth.Code, sentence string, now int64) *refusalError {
	e := &refusalError{code: "token_revoked", status: http.StatusUnauthorized, oauth: "insufficient_claims", sentence: sentence, hint: "Sign in again, and show the tenant the claims of the challenge."}
	switch code {
	case oauth.UserDisabled, oauth.UserAccountNotFound:
		e.code = "user_disabled"
	case oauth.DeviceDisabled, oauth.DeviceNotFound:
		e.code = "device_disabled"
	}
	var c struct {
		AccessToken struct {
			NotBefore struct {
				Essential bool   `json:"essential"`
				Value     string `json:"value"`
			} `json:"nbf"`
		} `json:"access_token"`
	}
	c.AccessToken.NotBefore.Essential, c.AccessToken.NotBefore.Value = true, strconv.FormatInt(now, 10)
	data, _ := json.Marshal(c) // strings and a bool always encode
	e.claims = string(data)
	return e
}

// reply is the body of a refusal.
type reply struct {
	Error         string `json:"error,omitempty"`
	Description   string `json:"error_description"`
	Code          string `json:"code"`
	CorrelationID string `json:"correlation_id"`
}

// refusalOf makes any error a refusal. What is none is logged, and says nothing
// outside.
func (p *relyingParty) refusalOf(ctx context.Context, err error) *refusalError {
	var e *refusalError
	if errors.As(err, &e) {
		return e
	}
	p.log.ErrorContext(ctx, "application failed", "error", err, "correlation", web.Correlation(ctx))
	return &refusalError{code: "internal", status: http.StatusInternalServerError, oauth: "server_error", sentence: "The application could not complete the request.", hint: "Read the log."}
}

// refuse answers a program that is not let in.
func (p *relyingParty) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := p.refusalOf(r.Context(), err)
	p.refused(r.Context(), e)
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		w.Header().Set("WWW-Authenticate", p.challenge(e))
	}
	web.WriteJSON(w, e.status, reply{Error: e.oauth, Description: e.sentence, Code: e.code, CorrelationID: web.Correlation(r.Context())})
}

// challenge says where tokens come from, and what was wrong with this one (RFC
// 6750 3; authorization_uri and resource_id as Microsoft's resources have them,
// claims as its continuous access evaluation does).
func (p *relyingParty) challenge(e *refusalError) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Bearer realm="", authorization_uri="https://%s/%s/oauth2/authorize", resource_id="%s"`, p.tenant.LoginHost, p.tenant.TenantID, p.app.Resource)
	if e.oauth != "" {
		fmt.Fprintf(&b, `, error="%s", error_description="%s"`, e.oauth, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e.sentence))
	}
	if e.claims != "" {
		fmt.Fprintf(&b, `, claims="%s"`, base64.StdEncoding.EncodeToString([]byte(e.claims)))
	}
	return b.String()
}
